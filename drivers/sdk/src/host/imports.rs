//! The host as a component sees it: the contract's imports, and one HTTP request over `wasi:http`.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Error;
use crate::bindings::tracker::driver::{credentials, log, session};
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, IncomingBody, Method as WasiMethod, OutgoingBody, OutgoingRequest, Scheme as WasiScheme,
    http_error_code,
};
use crate::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::http::{Headers, Outgoing, Scheme};
use crate::model::Timestamp;

pub(crate) use credentials::{digest, matches, placeholder, sign};
pub(crate) use log::write as log;
pub(crate) use session::{get as session_get, put as session_put};

/// How much is asked for at once, in bytes: the host gives what has come, up to this.
const READ: u64 = 256 * 1024;

pub(crate) fn hmac(
    name: &str,
    hash: credentials::Hash,
    prefix: &[u8],
    chain: &[&[u8]],
    output: credentials::Output,
) -> Result<String, credentials::Error> {
    let chain: Vec<Vec<u8>> = chain.iter().map(|message| message.to_vec()).collect();
    credentials::hmac(name, hash, prefix, &chain, output)
}

pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Sends a request and waits for the head of the answer.
pub(crate) fn send(request: &Outgoing<'_>) -> Result<(u16, Headers, Chunks), Error> {
    let named = |what: &str| Error::InvalidAccount(format!("{request}: {what}"));
    let fields = Fields::new();
    for (name, value) in request.headers {
        fields.append(name, value.as_bytes()).map_err(|_| named(&format!("the header `{name}` can't be sent")))?;
    }
    // Said so that the body need not be sent in chunks, which not every provider takes. It is the length as
    // written here; the host, which puts secrets into the body, says the one that it sends.
    let set = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if !set && (!request.body.is_empty() || matches!(request.method, "POST" | "PUT")) {
        let length = request.body.len().to_string();
        fields.append("content-length", length.as_bytes()).map_err(|_| named("its length can't be said"))?;
    }
    let outgoing = OutgoingRequest::new(fields);
    let scheme = match request.url.scheme {
        Scheme::Http => WasiScheme::Http,
        Scheme::Https => WasiScheme::Https,
    };
    let method = match request.method {
        "GET" => WasiMethod::Get,
        "POST" => WasiMethod::Post,
        "PUT" => WasiMethod::Put,
        "DELETE" => WasiMethod::Delete,
        other => WasiMethod::Other(other.to_owned()),
    };
    outgoing.set_method(&method).map_err(|()| named("no such method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| named("no such scheme"))?;
    outgoing.set_authority(Some(&request.url.authority)).map_err(|()| named("not a host to send to"))?;
    outgoing.set_path_with_query(Some(&request.url.path_and_query)).map_err(|()| named("not a path"))?;

    let body = outgoing.body().map_err(|()| named("the request has no body"))?;
    let answer = outgoing_handler::handle(outgoing, None).map_err(|code| refused(request, &code))?;
    write_body(body, request.body).map_err(|why| Error::Unavailable(format!("{request}: {why}")))?;

    answer.subscribe().block();
    let response = match answer.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return Err(refused(request, &code)),
        Some(Err(())) | None => return Err(Error::Unavailable(format!("{request}: the host gave no answer"))),
    };
    let headers = Headers::new(
        response
            .headers()
            .entries()
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect(),
    );
    let status = response.status();
    let unreadable = |()| Error::Unavailable(format!("{request}: the answer's body can't be read"));
    let body = response.consume().map_err(unreadable)?;
    let stream = body.stream().map_err(unreadable)?;
    Ok((status, headers, Chunks { stream: Some(stream), _body: body }))
}

fn write_body(body: OutgoingBody, content: &[u8]) -> Result<(), String> {
    if !content.is_empty() {
        let stream = body.write().map_err(|()| "the request's body can't be written".to_owned())?;
        let mut rest = content;
        while !rest.is_empty() {
            // A request that is answered or refused before it has been read to its end closes its stream;
            // what matters then is the answer, which is asked for next.
            let Ok(room) = stream.check_write() else { break };
            if room == 0 {
                stream.subscribe().block();
                continue;
            }
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            if stream.write(now).is_err() {
                break;
            }
            rest = later;
        }
        // The end of the stream is the end of the body, which flushes it.
        drop(stream);
    }
    // Refused here is refused in the answer too, with a better reason.
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

/// Why a request came to nothing, as the contract's error.
fn refused(request: &Outgoing<'_>, code: &ErrorCode) -> Error {
    let message = format!("{request}: {}", in_words(code));
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => {
            Error::InvalidAccount(format!("{request}: the host did not let the request through"))
        }
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::ConfigurationError => Error::InvalidAccount(message),
        ErrorCode::HttpProtocolError
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseTransferCoding(_)
        | ErrorCode::HttpResponseContentCoding(_)
        | ErrorCode::LoopDetected => Error::UnexpectedAnswer(message),
        _ => Error::Unavailable(message),
    }
}

/// What happened, for the operator who reads the error.
fn in_words(code: &ErrorCode) -> String {
    let words = match code {
        ErrorCode::DnsTimeout | ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "its name does not resolve",
        ErrorCode::ConnectionRefused | ErrorCode::DestinationUnavailable => "no connection could be made",
        ErrorCode::ConnectionTimeout => "no connection could be made in time",
        ErrorCode::ConnectionTerminated => "the connection broke off",
        ErrorCode::HttpResponseIncomplete => "the answer broke off",
        ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => "no answer came in time",
        ErrorCode::TlsProtocolError | ErrorCode::TlsCertificateError | ErrorCode::TlsAlertReceived(_) => {
            "no secure connection could be made"
        }
        ErrorCode::HttpResponseBodySize(_) => "the answer is larger than the host lets through",
        ErrorCode::HttpResponseContentCoding(_) => "the answer is compressed in a way that the host does not read",
        ErrorCode::HttpProtocolError => "the answer is not HTTP",
        other => return format!("{other:?}"),
    };
    words.to_owned()
}

/// The body of an answer as it comes, piece by piece.
#[derive(Debug)]
pub(crate) struct Chunks {
    // Before the body: a stream is the body's child and has to be dropped first.
    stream: Option<InputStream>,
    _body: IncomingBody,
}

impl Chunks {
    /// The next piece, never empty; nothing at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let Some(stream) = &self.stream else { return Ok(None) };
            match stream.blocking_read(READ) {
                Ok(piece) if piece.is_empty() => continue,
                Ok(piece) => return Ok(Some(piece)),
                Err(StreamError::Closed) => self.stream = None,
                Err(StreamError::LastOperationFailed(error)) => {
                    self.stream = None;
                    let why = match http_error_code(&error) {
                        Some(code) => in_words(&code),
                        None => error.to_debug_string(),
                    };
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
            }
        }
    }
}
