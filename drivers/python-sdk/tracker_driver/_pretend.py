"""The host where there is none: what `testing` shows of it, and the calls that go to it."""

from __future__ import annotations

import base64
import hashlib
import hmac as hmacs
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tracker_driver import errors
from tracker_driver.urls import Url, encode_query

T = TypeVar("T")

# A word that stands for a computed value, which is in it. As in the real one there is nothing in it that has to be escaped.
_COMPUTED = re.compile("computed-((?:[0-9a-f]{2})+)-end")
# Characters that XML gives a name, and blanks that a reader would make others of (XML 1.0, 2.11 and 3.3.3).
_IN_XML = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&apos;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


@dataclass
class Answer:
    """One answer of the provider."""

    status: int
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: str | None = None
    """Behind the body there is no end but a broken connection, for this reason."""
    piece: int = 64 * 1024
    """The body comes in pieces of so many bytes."""

    @classmethod
    def of_json(cls, value: object, status: int = 200) -> Answer:
        return cls(status, json.dumps(value), {"Content-Type": "application/json"})


@dataclass
class Sent:
    """A request, with placeholders where secrets would have been."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for set_name, value in self.headers if set_name.lower() == name.lower()), None)


@dataclass
class Seen:
    """What a driver under test did."""

    sent: list[Sent] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    session: dict[str, bytes] = field(default_factory=dict)
    """What is kept for the next poll."""


class Host:
    """Holds what a test gives, and keeps what a driver does."""

    def __init__(
        self,
        *,
        answers: Sequence[Answer] = (),
        secrets: Mapping[str, str | bytes] | None = None,
        user: str = "",
        now: int | None = None,
        remembering: Mapping[str, bytes] | None = None,
    ) -> None:
        self.answers = list(answers)
        self.user = user
        self.now = now
        """The time at which all of it happens, in milliseconds; the real time where it is not set."""
        self.secrets = {
            name: value.encode() if isinstance(value, str) else value for name, value in (secrets or {}).items()
        }
        self.seen = Seen(session=dict(remembering or {}))
        self.matched: tuple[bytes, str] | None = None
        """The secret and the text that were compared: a poll has one answer."""

    def run(self, code: Callable[[], T]) -> tuple[T, Seen]:
        """Runs a driver's code with this host around it."""
        global _current
        before, _current = _current, self
        try:
            return code(), self.seen
        finally:
            _current = before

    @staticmethod
    def placeholder(name: str, encoding: str) -> str:
        """The word that stands for a secret. Not unguessable, as the real one is: a test has to know it."""
        return f"placeholder-{encoding.lower()}-{name}-end"

    @staticmethod
    def computed(text: str) -> str:
        """A text with what was computed in the place of the words that stand for it."""
        return _COMPUTED.sub(lambda match: bytes.fromhex(match[1]).decode(), text)

    def filled_in(self, message: bytes) -> bytes:
        """A message as the real host would send it: each placeholder replaced by what it stands for."""
        message = self.computed(message.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        for name, value in self.secrets.items():
            text = value.decode("utf-8", "replace")
            query = encode_query([("", text)])[1:]
            forms = {
                "RAW": value,
                "BASIC": base64.b64encode(self.user.encode() + b":" + value),
                "JSON": json.dumps(text, ensure_ascii=False)[1:-1].encode(),
                "FORM": query.encode(),
                "XML": "".join(_IN_XML.get(char, char) for char in text).encode(),
                "QUERY": query.encode(),
            }
            for encoding, form in forms.items():
                message = message.replace(self.placeholder(name, encoding).encode(), form)
        return message

    def secret(self, name: str) -> bytes:
        if name not in self.secrets:
            raise errors.NotSet(f"a secret is missing: `{name}`")
        return self.secrets[name]


_current = Host()


def placeholder(name: str, encoding: str) -> str:
    _current.secret(name)
    return Host.placeholder(name, encoding)


def hmac(name: str, hash: str, prefix: bytes, chain: list[bytes], output: str) -> str:
    key = prefix + _current.secret(name)
    if not chain:
        raise errors.InvalidAccount("a secret can't be used: an empty chain")
    for message in chain:
        key = hmacs.new(key, _current.filled_in(message), hash.lower()).digest()
    return _word(key, output)


def digest(hash: str, message: bytes, output: str) -> str:
    filled_in = _current.filled_in(message)
    value = hashlib.new(hash.lower(), filled_in).digest()
    # What a driver could compute by itself is no secret.
    return _written(value, output) if filled_in == message else _word(value, output)


def sign(name: str, scheme: str, message: bytes, output: str) -> str:
    # The standard library has no RSA. A stand-in of 256 bytes that depends on scheme, key and message shows what was
    # signed with what.
    signed = b"\0".join((f"stands for {scheme}".encode(), _current.secret(name), _current.filled_in(message)))
    return _word(hashlib.sha512(signed).digest() * 4, output)


def matches(name: str, text: str) -> bool:
    asked = (_current.secret(name), text)
    if _current.matched not in (None, asked):
        raise errors.InvalidAccount("a secret can't be used: it is compared with one text in a poll, and no more")
    _current.matched = asked
    return asked[0] == text.encode()


def _word(value: bytes, output: str) -> str:
    return f"computed-{_written(value, output).encode().hex()}-end"


def _written(value: bytes, output: str) -> str:
    if output == "HEX":
        return value.hex()
    if output == "BASE64URL":
        return base64.urlsafe_b64encode(value).decode().rstrip("=")
    plain = base64.b64encode(value).decode()
    return encode_query([("", plain)])[1:] if output == "BASE64_QUERY" else plain


def session_get(key: str) -> bytes | None:
    return _current.seen.session.get(key)


def session_put(key: str, value: bytes, lifetime_seconds: int) -> None:
    _current.seen.session[key] = value


def log(level: str, message: str) -> None:
    _current.seen.log.append(f"{level.lower()}: {message}")


def now() -> int:
    return time.time_ns() // 1_000_000 if _current.now is None else _current.now


def send(
    method: str, url: Url, headers: list[tuple[str, str]], content: bytes
) -> tuple[int, list[tuple[str, str]], Iterator[bytes]]:
    _current.seen.sent.append(Sent(method, str(url), list(headers), content))
    if not _current.answers:
        raise errors.Unavailable("the test has no answer for it")
    answer = _current.answers.pop(0)
    return answer.status, list(answer.headers.items()), _pieces(answer)


def _pieces(answer: Answer) -> Iterator[bytes]:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    for at in range(0, len(body), answer.piece):
        yield body[at : at + answer.piece]
    if answer.broken is not None:
        raise errors.Unavailable(f"the answer broke off: {answer.broken}")
