"""Addresses, as far as a driver needs them: taken apart as they will be sent, and put together with the right
escapes. The standard library's `urllib.parse` imports what it needs when it is called, which a component can't."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tracker_driver.errors import InvalidAccount, quote

_AUTHORITY = re.compile(r"[A-Za-z0-9\-._\[\]%~][A-Za-z0-9\-._:\[\]%~]*", re.ASCII)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True)
class Url:
    """An address taken apart, as it will be sent."""

    scheme: str
    authority: str
    """Host in lower case, and port where it is not the scheme's own."""
    path_and_query: str
    """Begins with a slash."""

    @classmethod
    def parse(cls, url: str) -> Url:
        """Takes an `http` or `https` address apart; anything else is `InvalidAccount`, for endpoints are configured."""

        def wrong(what: str) -> InvalidAccount:
            return InvalidAccount(f"`{quote(url)}` is not an address: {what}")

        scheme, separator, rest = url.partition("://")
        scheme = scheme.lower()
        if not separator:
            raise wrong("it has no scheme")
        if scheme not in ("http", "https"):
            raise wrong("its scheme is neither http nor https")
        rest = rest.split("#", 1)[0]
        end = next((at for at, char in enumerate(rest) if char in "/?"), len(rest))
        authority, path = rest[:end].lower(), rest[end:]
        if "@" in authority:
            raise wrong("user and password belong in the account, not in it")
        authority = authority.removesuffix(":80" if scheme == "http" else ":443")
        if not _AUTHORITY.fullmatch(authority):
            raise wrong("it names no host")
        if re.search(r"[\x00-\x20\x7f]", path):
            raise wrong("a space or control character has to be escaped")
        return cls(scheme, authority, path if path.startswith("/") else f"/{path}")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path_and_query}"

    @property
    def named(self) -> str:
        """For messages: without the query, which may be long, and where some put keys."""
        return f"{self.scheme}://{self.authority}{self.path_and_query.split('?', 1)[0]}"


def encode_query(fields: Mapping[str, str | int] | Iterable[tuple[str, str | int]]) -> str:
    """Names and values for a query: `a=1&b=x%20y`. Everything but RFC 3986's unreserved characters is escaped."""
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    return "&".join(f"{_escape(name)}={_escape(str(value))}" for name, value in pairs)


def encode_path(path: str) -> str:
    """A path with its slashes kept and all else but unreserved characters escaped."""
    return _escape(path, b"/")


def _escape(text: str, kept: bytes = b"") -> str:
    return "".join(
        chr(byte) if byte in _UNRESERVED or byte in kept else f"%{byte:02X}" for byte in text.encode("utf-8", "replace")
    )
