"""The host as a component sees it: the contract's imports, and one HTTP request over `wasi:http`.

Only imported in a component, where `componentize-py` provides `wit_world`. Resources are given back by hand and in
order: a child outlives its parent nowhere, or the sandbox ends the poll.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from componentize_py_types import Err, Ok
from wit_world.imports import credentials, outgoing_handler, session, types
from wit_world.imports import log as wit_log
from wit_world.imports.streams import StreamError_Closed

from tracker_driver import errors
from tracker_driver.urls import Url

P = ParamSpec("P")
V = TypeVar("V")

# How much is asked for at once, in bytes: the host gives what has come, up to this.
_READ = 256 * 1024

_METHODS: dict[str, Callable[[], types.Method]] = {
    "GET": types.Method_Get,
    "POST": types.Method_Post,
    "PUT": types.Method_Put,
    "DELETE": types.Method_Delete,
}


def placeholder(name: str, encoding: str) -> str:
    return _of_credentials(credentials.placeholder, name, credentials.Encoding[encoding])


def hmac(name: str, hash: str, prefix: bytes, chain: list[bytes], output: str) -> str:
    return _of_credentials(
        credentials.hmac, name, credentials.Hash[hash], prefix, chain, credentials.Output[output]
    )


def digest(hash: str, message: bytes, output: str) -> str:
    return _of_credentials(credentials.digest, credentials.Hash[hash], message, credentials.Output[output])


def sign(name: str, scheme: str, message: bytes, output: str) -> str:
    return _of_credentials(
        credentials.sign, name, credentials.Scheme[scheme], message, credentials.Output[output]
    )


def matches(name: str, text: str) -> bool:
    return _of_credentials(credentials.matches, name, text)


def _of_credentials(call: Callable[P, V], *arguments: P.args, **named: P.kwargs) -> V:
    try:
        return call(*arguments, **named)
    except Err as error:
        if isinstance(error.value, credentials.Error_NotSet):
            raise errors.NotSet(f"a secret is missing: {error.value.value}") from None
        raise errors.InvalidAccount(f"a secret can't be used: {error.value.value}") from None


def session_get(key: str) -> bytes | None:
    return session.get(key)


def session_put(key: str, value: bytes, lifetime_seconds: int) -> None:
    session.put(key, value, lifetime_seconds)


def log(level: str, message: str) -> None:
    wit_log.write(wit_log.Level[level], message.encode("utf-8", "replace").decode())


def now() -> int:
    return time.time_ns() // 1_000_000


def send(
    method: str, url: Url, headers: list[tuple[str, str]], content: bytes
) -> tuple[int, list[tuple[str, str]], Iterator[bytes]]:
    """Sends a request and waits for the head of the answer. Errors do not say yet what was asked."""
    fields = types.Fields()
    for name, value in headers:
        try:
            fields.append(name, value.encode("utf-8", "replace"))
        except Err:
            raise errors.InvalidAccount(f"the header `{name}` can't be sent") from None
    # Said so that the body need not be sent in chunks, which not every provider takes. It is the length as
    # written here; the host, which puts secrets into the body, says the one that it sends.
    if (content or method in ("POST", "PUT")) and not any(name.lower() == "content-length" for name, _ in headers):
        fields.append("content-length", str(len(content)).encode())
    outgoing = types.OutgoingRequest(fields)
    try:
        outgoing.set_method(_METHODS[method]() if method in _METHODS else types.Method_Other(method))
        outgoing.set_scheme(types.Scheme_Http() if url.scheme == "http" else types.Scheme_Https())
        outgoing.set_authority(url.authority)
        outgoing.set_path_with_query(url.path_and_query)
    except Err:
        raise errors.InvalidAccount("not a method, host and path to send to") from None
    body = outgoing.body()
    try:
        future = outgoing_handler.handle(outgoing, None)
    except Err as error:
        raise _refused(error.value) from None
    _write(body, content)
    with future:
        with future.subscribe() as ready:
            ready.block()
        answer = future.get()
    if not isinstance(answer, Ok):
        raise errors.Unavailable("the host gave no answer")
    if isinstance(answer.value, Err):
        raise _refused(answer.value.value)
    response = answer.value.value
    with response.headers() as answered:
        got = [(name, value.decode("utf-8", "replace")) for name, value in answered.entries()]
    return response.status(), got, _pieces(response)


def _write(body: types.OutgoingBody, content: bytes) -> None:
    try:
        if content:
            with body.write() as stream:
                at = 0
                while at < len(content):
                    room = stream.check_write()
                    if room == 0:
                        with stream.subscribe() as ready:
                            ready.block()
                        continue
                    stream.write(content[at : at + room])
                    at += room
    except Err:
        # A request that is answered or refused before it has been read to its end closes its stream; what
        # matters then is the answer, which is asked for next.
        pass
    try:
        types.OutgoingBody.finish(body, None)
    except Err:
        # Refused here is refused in the answer too, with a better reason.
        pass


def _pieces(response: types.IncomingResponse) -> Iterator[bytes]:
    """The body of an answer as it comes, piece by piece, none of them empty."""
    with response:
        try:
            body = response.consume()
        except Err:
            raise errors.Unavailable("the answer's body can't be read") from None
        with body, body.stream() as stream:
            while True:
                try:
                    piece = stream.blocking_read(_READ)
                except Err as error:
                    if isinstance(error.value, StreamError_Closed):
                        return
                    with error.value.value as failure:
                        code = types.http_error_code(failure)
                        why = failure.to_debug_string() if code is None else _in_words(code)
                    if isinstance(code, _TOO_MUCH):
                        raise errors.UnexpectedAnswer(why) from None
                    raise errors.Unavailable(f"the answer broke off: {why}") from None
                if piece:
                    yield piece


def _refused(code: types.ErrorCode) -> errors.DriverError:
    """Why a request came to nothing, as the contract's error."""
    if isinstance(code, (types.ErrorCode_HttpRequestDenied, types.ErrorCode_DestinationIpProhibited)):
        return errors.InvalidAccount("the host did not let the request through")
    if isinstance(code, _MISCONFIGURED):
        return errors.InvalidAccount(_in_words(code))
    if isinstance(code, _NOT_UNDERSTOOD):
        return errors.UnexpectedAnswer(_in_words(code))
    return errors.Unavailable(_in_words(code))


_MISCONFIGURED = (
    types.ErrorCode_HttpRequestUriInvalid,
    types.ErrorCode_HttpRequestUriTooLong,
    types.ErrorCode_HttpRequestMethodInvalid,
    types.ErrorCode_ConfigurationError,
)
_TOO_MUCH = (types.ErrorCode_HttpResponseBodySize,)
_NOT_UNDERSTOOD = (
    types.ErrorCode_HttpProtocolError,
    types.ErrorCode_HttpResponseHeaderSectionSize,
    types.ErrorCode_HttpResponseHeaderSize,
    types.ErrorCode_HttpResponseBodySize,
    types.ErrorCode_HttpResponseTransferCoding,
    types.ErrorCode_HttpResponseContentCoding,
    types.ErrorCode_LoopDetected,
)

# What happened, for the operator who reads the error.
_WORDS = {
    types.ErrorCode_DnsTimeout: "its name does not resolve",
    types.ErrorCode_DnsError: "its name does not resolve",
    types.ErrorCode_DestinationNotFound: "its name does not resolve",
    types.ErrorCode_ConnectionRefused: "no connection could be made",
    types.ErrorCode_DestinationUnavailable: "no connection could be made",
    types.ErrorCode_ConnectionTimeout: "no connection could be made in time",
    types.ErrorCode_ConnectionTerminated: "the connection broke off",
    types.ErrorCode_HttpResponseIncomplete: "the answer broke off",
    types.ErrorCode_ConnectionReadTimeout: "no answer came in time",
    types.ErrorCode_HttpResponseTimeout: "no answer came in time",
    types.ErrorCode_TlsProtocolError: "no secure connection could be made",
    types.ErrorCode_TlsCertificateError: "no secure connection could be made",
    types.ErrorCode_TlsAlertReceived: "no secure connection could be made",
    types.ErrorCode_HttpResponseBodySize: "the answer is larger than the host lets through",
    types.ErrorCode_HttpResponseContentCoding: "the answer is compressed in a way that the host does not read",
    types.ErrorCode_HttpProtocolError: "the answer is not HTTP",
}


def _in_words(code: types.ErrorCode) -> str:
    return _WORDS.get(type(code)) or type(code).__name__.removeprefix("ErrorCode_")
