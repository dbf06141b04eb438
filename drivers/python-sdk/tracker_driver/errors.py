"""The contract's errors, as exceptions: raise one, and Tracker knows what to do about it.

A message is for the operator: what was asked, what came back. It is bounded, for some of it was written by a
provider.
"""

from __future__ import annotations

import json
import re

# How much of a provider's own words is quoted in a message, in bytes.
QUOTED = 300


class DriverError(Exception):
    """Why there is no page. One of its kinds is raised, never this itself."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def during(self, what: str) -> DriverError:
        """The same error, with what was being done put before its message."""
        self.message = f"{what}: {self.message}"
        self.args = (self.message,)
        return self


class Unauthorized(DriverError):
    """The provider said that it does not accept the credentials. Its word, not a guess."""


class Forbidden(DriverError):
    """It accepts the credentials, and refuses them this request."""


class Throttled(DriverError):
    """It asks for fewer requests, for so many seconds where it says so. Never sleep: Tracker waits."""

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(DriverError):
    """It could not be reached, broke off, or says that the fault is its own (5xx)."""


class InvalidAccount(DriverError):
    """The account is not usable as configured: an option or a secret is missing or malformed."""

    @classmethod
    def bad_option(cls, name: str, value: str, accepted: str) -> InvalidAccount:
        """An option that can't be used; `accepted` completes the sentence "it has to be ..."."""
        return cls(f"the option `{name}` is `{quote(value)}`: it has to be {accepted}")


class NotSet(InvalidAccount):
    """The account has no secret of that name."""


class UnexpectedAnswer(DriverError):
    """It answered with something that this driver does not understand."""


def quote(words: bytes | str) -> str:
    """The beginning of what a provider wrote, on one line and at most some 300 bytes long, for a message."""
    raw = words.encode("utf-8", "replace") if isinstance(words, str) else words
    text = raw[:QUOTED].decode("utf-8", "replace")
    line = " ".join(re.split(r"[\s\x00-\x1f\x7f-\x9f]+", text)).strip()
    return line + "..." if len(raw) > QUOTED else line


# What may be left of a literal, a number or an escape that was cut in two.
_CUT_IN_TWO = re.compile(r"t(ru?)?|f(a(ls?)?)?|n(ul?)?|-|\.|[eE][+-]?|\\(u[0-9a-fA-F]{0,3})?")
# Halves of characters that JSON can write and no text can hold.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(body: bytes) -> object:
    """An answer's body as a value. A body that breaks off is `Unavailable`; one that is empty or no JSON is
    `UnexpectedAnswer`, with its beginning quoted. A byte order mark before it is passed over."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise UnexpectedAnswer("the answer is empty where JSON was expected")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data":
            raise Unavailable(f"the answer broke off in the middle of a character, after {len(body)} bytes") from None
        raise UnexpectedAnswer(f"the answer is not UTF-8, in `{quote(body)}`") from None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        if _is_cut_off(text, error):
            raise Unavailable(f"the answer broke off: {error.msg} at character {error.pos}") from None
        raise UnexpectedAnswer(f"the answer is not JSON: {error}, in `{quote(body)}`") from None
    except (ValueError, RecursionError) as error:
        raise UnexpectedAnswer(f"the answer is not the JSON expected: {error}, in `{quote(body)}`") from None
    return _whole(value) if _SURROGATE.search(text) else value


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    if error.msg.startswith("Unterminated string"):
        return True
    rest = text[error.pos :].rstrip()
    return not rest or _CUT_IN_TWO.fullmatch(rest) is not None or (error.msg.startswith("Invalid \\") and len(rest) < 6)


def _whole(value: object) -> object:
    """The same value with half characters replaced: what leaves a driver has to be Unicode."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(name): _whole(item) for name, item in value.items()}
    return value
