//! One request with the account's token, which is a placeholder here, and what its status means.

use crate::exports::tracker::driver::inventory::{Account, Error, Throttle};
use crate::tracker::driver::credentials::{self, Encoding};
use crate::wasi::http::outgoing_handler;
use crate::wasi::http::types::{Fields, IncomingResponse, OutgoingRequest, Scheme};
use crate::wasi::io::streams::StreamError;

/// The body of what the provider answers.
pub(crate) fn get(account: &Account, path: &str) -> Result<Vec<u8>, Error> {
    let odd = |what: &str| Error::InvalidAccount(format!("GET {path}: {what}"));
    let token = credentials::placeholder("password", Encoding::Raw).map_err(|_| odd("the account has no password"))?;
    let headers = Fields::new();
    let bearer = format!("Bearer {token}");
    headers.append("authorization", bearer.as_bytes()).map_err(|_| odd("the header can't be sent"))?;
    let (scheme, authority) = account.endpoint.split_once("://").ok_or_else(|| odd("the endpoint has no scheme"))?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let request = OutgoingRequest::new(headers);
    request.set_scheme(Some(&scheme)).map_err(|()| odd("no such scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| odd("not a host to send to"))?;
    request.set_path_with_query(Some(path)).map_err(|()| odd("not a path"))?;

    let unavailable = |why: String| Error::Unavailable(format!("GET {path}: {why}"));
    let coming = outgoing_handler::handle(request, None).map_err(|code| unavailable(code.to_string()))?;
    coming.subscribe().block();
    let response = match coming.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(code))) => return Err(unavailable(code.to_string())),
        _ => return Err(unavailable("no answer came".into())),
    };
    refused(path, &response)?;
    let body = response.consume().map_err(|()| unavailable("the body can't be read".into()))?;
    let stream = body.stream().map_err(|()| unavailable("the body can't be read".into()))?;
    let mut whole = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(piece) => whole.extend(piece),
            Err(StreamError::Closed) => return Ok(whole),
            Err(error) => return Err(unavailable(format!("the answer broke off: {error}"))),
        }
    }
}

fn refused(path: &str, response: &IncomingResponse) -> Result<(), Error> {
    let status = response.status();
    let message = format!("GET {path} answered {status}");
    let retry_after = || {
        let values = response.headers().get("retry-after");
        values.first().and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok())
    };
    match status {
        200 => Ok(()),
        401 => Err(Error::Unauthorized(message)),
        403 => Err(Error::Forbidden(message)),
        429 => Err(Error::Throttled(Throttle { retry_after: retry_after(), message })),
        503 if retry_after().is_some() => Err(Error::Throttled(Throttle { retry_after: retry_after(), message })),
        500..=599 => Err(Error::Unavailable(message)),
        _ => Err(Error::UnexpectedAnswer(message)),
    }
}
