//! One request with placeholders in a header and in the body, and its answer as an instance.

use crate::credentials::{self, Encoding};
use crate::exports::tracker::driver::inventory::{Error, Instance};
use crate::wasi::http::outgoing_handler;
use crate::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};
use crate::wasi::io::streams::StreamError;

/// Posts to a URL; gives the status as provider-state and the body as name.
pub(crate) fn once(url: &str) -> Result<Instance, Error> {
    let word = |encoding| credentials::placeholder("password", encoding).unwrap_or_default();
    let headers = Fields::new();
    let header = |name: &str, value: String| {
        headers.append(name, value.as_bytes()).map_err(|error| Error::InvalidAccount(format!("{name}: {error}")))
    };
    header("authorization", format!("Basic {}", word(Encoding::Basic)))?;
    header("x-split", word(Encoding::Raw)[..10].to_owned())?;
    let body = format!("{{\"password\":\"{}\"}}", word(Encoding::Json));

    let (scheme, rest) = url.split_once("://").ok_or_else(|| Error::InvalidAccount(format!("{url:?}")))?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let request = OutgoingRequest::new(headers);
    let refused = |()| Error::InvalidAccount(format!("{url:?} is no URL"));
    request.set_method(&Method::Post).map_err(refused)?;
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request.set_authority(Some(authority)).map_err(refused)?;
    // The path tries to carry the secret too; a placeholder there stays one.
    let path = format!("/{path}?p={}", word(Encoding::Raw));
    request.set_path_with_query(Some(&path)).map_err(refused)?;
    let outgoing = request.body().map_err(refused)?;
    let answer = outgoing_handler::handle(request, None).map_err(|error| Error::Unavailable(error.to_string()))?;
    {
        let stream = outgoing.write().map_err(refused)?;
        // A host that does not want the request closes the body too: the answer says why.
        let _ = stream.blocking_write_and_flush(body.as_bytes());
    }
    let _ = OutgoingBody::finish(outgoing, None);
    answer.subscribe().block();
    let response = match answer.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(error))) => return Err(Error::Unavailable(error.to_string())),
        _ => return Err(Error::Unavailable("no answer".into())),
    };
    let incoming = response.consume().map_err(refused)?;
    let stream = incoming.stream().map_err(refused)?;
    let mut text = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(Error::Unavailable(format!("the answer broke off: {error}"))),
        }
        text.truncate(4096);
    }
    Ok(Instance {
        name: Some(String::from_utf8_lossy(&text).into_owned()),
        provider_state: response.status().to_string(),
        ..crate::instance("i-1")
    })
}
