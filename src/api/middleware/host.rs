//! The header `Host` (RFC 9112, 3.2): a request over HTTP/1.1 must have exactly one. With two, a proxy in front of this
//! host might use the other one.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Version};
use axum::middleware::Next;
use axum::response::Response;

use crate::api::problem::{Problem, ProblemType};

pub(crate) async fn require_one(request: Request, next: Next) -> Result<Response, Problem> {
    match fault(request.version(), request.headers()) {
        Some(fault) => Err(Problem::new(ProblemType::MalformedRequest, fault)),
        None => Ok(next.run(request).await),
    }
}

/// What is wrong with the header, if anything is.
fn fault(version: Version, headers: &HeaderMap) -> Option<&'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Some("the request has more than one Host header: send one"),
        (Some(host), None) if !is_host(host.as_bytes()) => {
            Some("the Host header is not a host: send the host and the port of the request's URL")
        }
        (None, _) if version == Version::HTTP_11 => Some("the request has no Host header: send one"),
        _ => None,
    }
}

/// Host and port, or nothing, where the URL has no host.
fn is_host(value: &[u8]) -> bool {
    if value.is_empty() {
        return true;
    }
    let Ok(authority) = Authority::try_from(value) else { return false };
    // A user before the host is not among what is left.
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| {
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|digit| digit.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_has_one_host() {
        let check = |version: Version, hosts: &[&[u8]], is_good: bool| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_bytes(host).expect("a header"));
            }
            assert_eq!(fault(version, &headers).is_none(), is_good, "{version:?} {headers:?}");
        };
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            for host in ["example.com", "example.com:8080", "192.0.2.1:80", "[2001:db8::1]:80", "a_b", "x", ""] {
                check(version, &[host.as_bytes()], true);
            }
            for host in [&b"a b"[..], b"a/b", b"user@example.com", b"example.com:x", b"\xff"] {
                check(version, &[host], false);
            }
            check(version, &[b"a", b"a"], false);
            check(version, &[b"a", b"b"], false);
            check(version, &[], version != Version::HTTP_11);
        }
    }
}
