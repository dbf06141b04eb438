"""Using a secret without ever having it.

`password` is the account's password; any other name is that of an option that the driver declared secret. What
comes back is either a placeholder, which Tracker replaces on the way out, or a signature, which Tracker computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from tracker_driver._host import host
from tracker_driver.errors import NotSet

PASSWORD = "password"
"""The account's password, as secrets are named."""


class Encoding(Enum):
    """How a secret is written where its placeholder stands."""

    RAW = 0
    """As it is."""
    BASIC = 1
    """Base64 of `user:secret`, for `Authorization: Basic`."""
    JSON = 2
    """As it stands between the quotes of a JSON string."""
    FORM = 3
    """As it stands in `application/x-www-form-urlencoded`."""


def placeholder(name: str, encoding: Encoding) -> str:
    """A word that stands for the secret in this poll, to be put in a header or a body."""
    return host.placeholder(name, encoding.name)


def optional_placeholder(name: str, encoding: Encoding) -> str | None:
    """The same, or None where the account has no secret of that name."""
    try:
        return host.placeholder(name, encoding.name)
    except NotSet:
        return None


def hmac_sha256(name: str, chain: Sequence[bytes], prefix: bytes = b"") -> bytes:
    """HMAC-SHA256 keyed with `prefix` and the secret behind it, over the first message of `chain`; then over each
    further one keyed with the result before. 32 bytes."""
    return host.hmac_sha256(name, prefix, list(chain))


def digest_sha256(message: bytes) -> bytes:
    """SHA-256 of a message in which Tracker first puts each secret in its placeholder's place. 32 bytes."""
    return host.digest_sha256(message)


def sign_rs256(name: str, message: bytes) -> bytes:
    """RSASSA-PKCS1-v1_5 with SHA-256, where the secret is an RSA private key in PEM."""
    return host.sign_rs256(name, message)
