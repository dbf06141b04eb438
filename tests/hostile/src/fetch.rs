//! Attacks by requests: to where the account has no business, more of them, and longer ones, than there may be.

use crate::exports::tracker::driver::inventory::{Error, Instance};
use crate::tracker::driver::credentials::{self, Encoding};
use crate::wasi::http::outgoing_handler;
use crate::wasi::http::types::{Fields, Method, OutgoingBody, OutgoingRequest, Scheme};
use crate::wasi::io::streams::StreamError;
use crate::{Told, instance, no_such};

pub(crate) struct Request {
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// Written one after the other.
    pub(crate) body: Vec<Vec<u8>>,
}

/// The answer as an instance: its status as provider-state, head and body as the name.
pub(crate) fn attack(how: &str, told: &Told<'_>) -> Result<Instance, Error> {
    let word = credentials::placeholder("password", Encoding::Raw).unwrap_or_default();
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let own = format!("{}{}", told.account.endpoint, told.option("path"));
    let request = |url: &str| Request { url: url.into(), headers: vec![header("x-secret", &word)], body: vec![] };
    let with = |headers: Vec<(String, Vec<u8>)>| Request { url: own.clone(), headers, body: vec![] };
    match how {
        "own" => send(request(&own)),
        "other" => send(request(told.option("url"))),
        // Another host's name, for a server that serves many.
        "host" => send(with(vec![header("host", told.option("value")), header("x-secret", &word)])),
        "host-case" => send(with(vec![header("HoSt", told.option("value"))])),
        "lines" => send(with(vec![("x-a".into(), b"b\r\nhost: victim\r\nx-c: d".to_vec())])),
        "smuggle" => send(with(vec![header("transfer-encoding", "chunked"), header("content-length", "4")])),
        "many" => {
            for _ in 0..told.number("count") {
                // Whether it is let out is for the host to say; this driver does not take a hint.
                let _ = send(request(&own));
            }
            Ok(instance("i-1"))
        }
        "headers" => {
            let long = vec![b'x'; 1000];
            send(with((0..1000).map(|n| (format!("x-{n}"), long.clone())).collect()))
        }
        "body" => send(Request { body: vec![vec![b'x'; 4096]; 10_000], ..request(&own) }),
        _ => Err(no_such(how)),
    }
}

pub(crate) fn send(request: Request) -> Result<Instance, Error> {
    let Request { url, headers, body } = request;
    let fields = Fields::new();
    for (name, value) in headers {
        fields.append(&name, &value).map_err(|error| Error::InvalidAccount(format!("{name}: {error}")))?;
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.into()),
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let refused = |what: &'static str| move |()| Error::InvalidAccount(format!("the host takes no such {what}"));
    let outgoing = OutgoingRequest::new(fields);
    let method = if body.is_empty() { Method::Get } else { Method::Post };
    outgoing.set_method(&method).map_err(refused("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(refused("scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(refused("authority"))?;
    outgoing.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(refused("path"))?;
    let sink = outgoing.body().map_err(refused("body"))?;
    let answer = outgoing_handler::handle(outgoing, None).map_err(|error| Error::Unavailable(error.to_string()))?;
    if !body.is_empty() {
        let stream = sink.write().map_err(refused("stream"))?;
        for piece in body {
            // A host that wants no more closes it: the answer says why.
            if stream.blocking_write_and_flush(&piece).is_err() {
                break;
            }
        }
    }
    let _ = OutgoingBody::finish(sink, None);
    answer.subscribe().block();
    let response = match answer.get() {
        Some(Ok(Ok(response))) => response,
        Some(Ok(Err(error))) => return Err(Error::Unavailable(error.to_string())),
        _ => return Err(Error::Unavailable("no answer".into())),
    };
    let mut text = Vec::new();
    for (name, value) in response.headers().entries() {
        text.extend(format!("{name}: ").bytes());
        text.extend(value);
        text.push(b'\n');
    }
    let status = response.status().to_string();
    let incoming = response.consume().map_err(refused("answer"))?;
    let stream = incoming.stream().map_err(refused("stream"))?;
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(bytes) => text.extend(bytes),
            Err(StreamError::Closed) => break,
            Err(error) => return Err(Error::Unavailable(format!("the answer broke off: {error}"))),
        }
        text.truncate(8192);
    }
    Ok(Instance { name: Some(String::from_utf8_lossy(&text).into_owned()), provider_state: status, ..instance("i-1") })
}
