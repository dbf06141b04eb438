"""HTTP for a driver: one request, one answer, its body read as it comes.

Tracker pools the connections, decides what may be reached and puts secrets in their place. Redirects are not
followed: they are answers like any other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from tracker_driver import dates
from tracker_driver._host import host
from tracker_driver.errors import (
    DriverError,
    Forbidden,
    Throttled,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    quote,
    read_json,
)
from tracker_driver.fields import Fields
from tracker_driver.secret import PASSWORD, Encoding, placeholder
from tracker_driver.urls import Url, encode_query

# How much of an error's body is read, in bytes: the rest is not worth waiting for.
BEGINNING = 16 * 1024
# The largest body that is read at once, in bytes. As Python's objects JSON takes several times its length, and a
# sandbox has 64 MiB: ask for smaller pages, or read the body with `pieces`.
MOST_BYTES = 8 << 20

# The method of that name hides the type within the class below.
builtin_bytes = bytes


class Headers:
    """The headers of an answer, found by name whatever its case."""

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self._headers = list(headers)

    def get(self, name: str) -> str | None:
        """The first header of that name."""
        wanted = name.lower()
        return next((value for name, value in self._headers if name.lower() == wanted), None)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._headers)


class Request:
    """A request being put together: each method gives it back. Nothing is sent before `send`."""

    def __init__(self, method: str, url: str) -> None:
        self.method = method
        self.url = url
        self.headers: list[tuple[str, str]] = []
        self.content = b""

    @classmethod
    def get(cls, url: str) -> Request:
        return cls("GET", url)

    @classmethod
    def post(cls, url: str) -> Request:
        return cls("POST", url)

    def query(self, **fields: str | int) -> Request:
        """Adds names and values behind the address's question mark, escaped."""
        if fields:
            self.url += ("&" if "?" in self.url else "?") + encode_query(fields)
        return self

    def header(self, name: str, value: str) -> Request:
        """Adds a header; one that stands already is kept beside it."""
        self.headers.append((name, value))
        return self

    def basic_auth(self) -> Request:
        """`Authorization: Basic` with the account's user and password; Tracker fills them in."""
        return self.header("authorization", f"Basic {placeholder(PASSWORD, Encoding.BASIC)}")

    def bearer(self, name: str = PASSWORD) -> Request:
        """`Authorization: Bearer` with the secret of that name; Tracker fills it in."""
        return self.header("authorization", f"Bearer {placeholder(name, Encoding.RAW)}")

    def body(self, content: bytes | str) -> Request:
        """The body as it is; say what it is with a `content-type` header."""
        self.content = content.encode() if isinstance(content, str) else content
        return self

    def form(self, fields: Mapping[str, str | int] | Iterable[tuple[str, str | int]]) -> Request:
        """A body of names and values, `application/x-www-form-urlencoded`."""
        kind = "application/x-www-form-urlencoded; charset=utf-8"
        return self.header("content-type", kind).body(encode_query(fields))

    def json(self, value: object) -> Request:
        """A JSON body."""
        return self.header("content-type", "application/json").body(json.dumps(value))

    def send(self) -> Response:
        """Sends it and waits for the head of the answer. Whatever status came is an answer; see
        `Response.success`. Not reached at all is `Unavailable`; not allowed to, `InvalidAccount`."""
        url = Url.parse(self.url)
        asked = f"{self.method} {url.named}"
        try:
            status, headers, pieces = host.send(self.method, url, self.headers, self.content)
        except DriverError as error:
            raise error.during(asked) from None
        return Response(asked, status, Headers(headers), pieces)


class Response:
    """An answer: its head, and its body yet to be read."""

    def __init__(self, asked: str, status: int, headers: Headers, pieces: Iterator[bytes]) -> None:
        self.asked = asked
        """What was asked, for messages: method and address without its query."""
        self.status = status
        self.headers = headers
        self._pieces = pieces

    def success(self) -> Response:
        """The answer if its status is 2xx, or else the error that the status means: 401 `Unauthorized`, 403
        `Forbidden`, 429 and a 503 with Retry-After `Throttled`, other 5xx `Unavailable`, the rest
        `UnexpectedAnswer`."""
        if 200 <= self.status < 300:
            return self
        raise self.error()

    def error(self) -> DriverError:
        """The error that the status means, with the beginning of the body quoted."""
        return self.error_quoting(self.start_of_body())

    def start_of_body(self) -> bytes:
        """The beginning of the body, some 16 KiB at most, whatever comes after it: for drivers that look into an
        error's body before they fall back on `error_quoting`."""
        start = b""
        try:
            for piece in self._pieces:
                start += piece
                if len(start) >= BEGINNING:
                    break
        except DriverError:
            # What came before it broke off is enough for a message.
            pass
        return start

    def error_quoting(self, start: bytes | str, retry_after: int | None = None) -> DriverError:
        """The error that the status means, with the beginning of what is given quoted; `retry_after` is for
        providers that say how long to wait in a way of their own, where there is no Retry-After."""
        message = f"{self.asked} answered {self.status}"
        location = self.headers.get("location")
        if 300 <= self.status < 400 and location is not None:
            message += f", a redirect to `{quote(location)}`, which is not followed"
        elif start:
            message += f": {quote(start)}"
        if self.status == 401:
            return Unauthorized(message)
        if self.status == 403:
            return Forbidden(message)
        if self.status == 429 or (self.status == 503 and self.headers.get("retry-after") is not None):
            told = self.retry_after()
            return Throttled(message, retry_after if told is None else told)
        if 500 <= self.status < 600:
            return Unavailable(message)
        return UnexpectedAnswer(message)

    def retry_after(self) -> int | None:
        """`Retry-After` in seconds, whether it is given in seconds or as a date (RFC 9110, 10.2.3)."""
        value = (self.headers.get("retry-after") or "").strip()
        if value.isascii() and value.isdigit():
            return min(int(value[:12]), 2**32 - 1)
        moment = dates.parse_http_date(value)
        return None if moment is None else -(-max(moment - dates.now(), 0) // 1000)

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes, for one too large to be read at once. Ends only where the provider ended it: a
        body that breaks off, or is shorter than its Content-Length said, is `Unavailable`."""
        length = (self.headers.get("content-length") or "").strip()
        expected = int(length[:20]) if length.isascii() and length.isdigit() else None
        if self.headers.get("content-encoding") is not None:
            # It was unpacked on the way, and the length is that of what was sent.
            expected = None
        received = 0
        try:
            for piece in self._pieces:
                received += len(piece)
                yield piece
        except DriverError as error:
            raise error.during(self.asked) from None
        if expected is not None and received < expected:
            raise Unavailable(f"{self.asked}: the answer broke off: {received} bytes came of {expected}")

    def bytes(self, most: int = MOST_BYTES) -> bytes:
        """The whole body, of so many bytes at most; a larger one is `UnexpectedAnswer`."""
        whole = bytearray()
        for piece in self.pieces():
            whole += piece
            if len(whole) > most:
                raise UnexpectedAnswer(f"{self.asked}: the answer has more than {most} bytes: ask for smaller pages")
        return builtin_bytes(whole)

    def text(self, most: int = MOST_BYTES) -> str:
        """The whole body, which has to be UTF-8."""
        try:
            return self.bytes(most).decode()
        except UnicodeDecodeError:
            raise UnexpectedAnswer(f"{self.asked}: the answer is not UTF-8") from None

    def json(self, most: int = MOST_BYTES) -> Fields:
        """The whole body as JSON, to be read by `Fields`; its `value` is what Python makes of it."""
        body = self.bytes(most)
        try:
            return Fields(read_json(body))
        except DriverError as error:
            raise error.during(self.asked) from None
