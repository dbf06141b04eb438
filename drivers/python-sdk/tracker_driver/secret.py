"""Using a secret without ever having it.

`password` is the account's password; any other name is that of an option that the driver declared secret. What
comes back is a placeholder: a word that stands, in this poll alone, for the secret or for a value that Tracker
computes with it. Put the word into a header, a body or a query. Tracker puts the value in its place on the way to an
endpoint that was granted, and nowhere else: not in a path, not in the log, not in a list.

    Request.get(url).header("x-signature", secret.hmac("password", Hash.SHA256, [method + path], Output.BASE64))

Messages are text, which is taken as UTF-8, or bytes. They may have placeholders in them, of secrets and of computed
values: Tracker computes with what the words stand for. Each function raises `NotSet` where the account has no
secret of that name, and `InvalidAccount` where the secret can't be used so. A poll has at most 1,024 placeholders; a
call takes at most 64 messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Union

from tracker_driver._host import host
from tracker_driver.errors import NotSet

PASSWORD = "password"
"""The account's password, as secrets are named."""

Message = Union[str, bytes]
"""Text, which is taken as UTF-8, or bytes."""


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
    XML = 4
    """As it stands in XML, as text and in an attribute."""
    QUERY = 5
    """As it stands in the query of a URL: percent-encoded but for letters, digits and `-._~` (RFC 3986). Tracker
    replaces no other encoding in a query."""


class Output(Enum):
    """In which form a computed value goes out. All but BASE64 can stand in a query."""

    HEX = 0
    """Lower-case hexadecimal."""
    BASE64 = 1
    """Base64 with padding (RFC 4648, 4)."""
    BASE64URL = 2
    """Base64 of the URL-safe alphabet, without padding (RFC 4648, 5), as JWTs have it."""
    BASE64_QUERY = 3
    """Base64 with padding, percent-encoded for a query or a form."""


class Hash(Enum):
    SHA1 = 0
    SHA256 = 1
    SHA512 = 2


class Scheme(Enum):
    """How an RSA key signs."""

    RS256 = 0
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    PS256 = 1
    """RSASSA-PSS with SHA-256 and a salt of 32 bytes (RFC 7518, 3.5). Each call gives a different signature."""


def placeholder(name: str, encoding: Encoding) -> str:
    """A word that stands for the secret, written in that encoding."""
    return host.placeholder(name, encoding.name)


def optional_placeholder(name: str, encoding: Encoding) -> str | None:
    """The same, or None where the account has no secret of that name."""
    try:
        return host.placeholder(name, encoding.name)
    except NotSet:
        return None


def hmac(name: str, hash: Hash, chain: Sequence[Message], output: Output, *, prefix: Message = b"") -> str:
    """A word that stands for an HMAC, keyed with `prefix` and the secret behind it, over the first message of
    `chain`; then over each further message, keyed with the result before. With SHA256, the prefix `AWS4` and the chain
    date, region, service, `aws4_request`, string to sign it is a signature of AWS version 4. A chain without messages
    is `InvalidAccount`."""
    if isinstance(chain, (str, bytes)):
        raise TypeError("a chain is a list of messages, not a message")
    return host.hmac(name, hash.name, _bytes(prefix), [_bytes(message) for message in chain], output.name)


def digest(hash: Hash, message: Message, output: Output) -> str:
    """The digest of a message as it will be sent, each value in its placeholder's place: what signatures cover in which
    a placeholder stands. A word that stands for it; or the digest itself, of a message without placeholders."""
    return host.digest(hash.name, _bytes(message), output.name)


def sign(name: str, scheme: Scheme, message: Message, output: Output) -> str:
    """A word that stands for a signature, where the secret is an RSA private key in PEM (PKCS#8 or PKCS#1)."""
    return host.sign(name, scheme.name, _bytes(message), output.name)


def matches(name: str, text: str) -> bool:
    """Whether the secret is this text: for a driver that stands for a provider itself and asks nobody. A poll has one
    answer; any other text is `InvalidAccount` in it."""
    return host.matches(name, text)


def _bytes(message: Message) -> bytes:
    return message.encode("utf-8", "replace") if isinstance(message, str) else message
