//! What a status means to the host, in one place for every driver.

use crate::error::quote;
use crate::http::Headers;
use crate::{Error, time};

/// The error of an answer that is not 2xx. `start` is the beginning of its body.
pub(crate) fn error(asked: &str, status: u16, headers: &Headers, start: &[u8]) -> Error {
    let mut message = format!("{asked} answered {status}");
    if (300..400).contains(&status)
        && let Some(location) = headers.get("location")
    {
        message.push_str(&format!(", a redirect to `{}`, which is not followed", quote(location.as_bytes())));
    } else if !start.is_empty() {
        message.push_str(&format!(": {}", quote(start)));
    }
    match status {
        401 => Error::Unauthorized(message),
        403 => Error::Forbidden(message),
        429 => Error::throttled(retry_after(headers), message),
        503 if headers.get("retry-after").is_some() => Error::throttled(retry_after(headers), message),
        500..=599 => Error::Unavailable(message),
        _ => Error::UnexpectedAnswer(message),
    }
}

/// `Retry-After` in seconds, whether it is given in seconds or as a date (RFC 9110, 10.2.3).
pub fn retry_after(headers: &Headers) -> Option<u32> {
    let value = headers.get("retry-after")?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(seconds);
    }
    let wait = time::parse_http_date(value)?.saturating_sub(time::now());
    Some(u32::try_from(wait.max(0).saturating_add(999) / 1000).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Host;

    fn of(status: u16, headers: &[(&str, &str)]) -> Error {
        let headers = Headers::new(headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect());
        // 784111777 is Sun, 06 Nov 1994 08:49:37 GMT.
        Host::new().at(784_111_777_000).run(|| error("GET http://h/", status, &headers, b"<b>\n no")).0
    }

    #[test]
    fn each_status_has_its_meaning() {
        let text = |status: u16| format!("GET http://h/ answered {status}: <b> no");
        assert_eq!(of(401, &[]), Error::Unauthorized(text(401)));
        assert_eq!(of(403, &[]), Error::Forbidden(text(403)));
        assert_eq!(of(404, &[]), Error::UnexpectedAnswer(text(404)));
        assert_eq!(of(500, &[]), Error::Unavailable(text(500)));
        assert_eq!(of(503, &[]), Error::Unavailable(text(503)));
        assert_eq!(of(429, &[]), Error::throttled(None, text(429)));
        assert_eq!(of(429, &[("Retry-After", " 7 ")]), Error::throttled(Some(7), text(429)));
        let date = [("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")];
        assert_eq!(of(503, &date), Error::throttled(Some(30), text(503)));
        let past = [("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")];
        assert_eq!(of(503, &past), Error::throttled(Some(0), text(503)));
        assert_eq!(of(503, &[("retry-after", "soon")]), Error::throttled(None, text(503)));
        let Error::UnexpectedAnswer(message) = of(302, &[("Location", "https://login.example/")]) else {
            panic!("a redirect is not an answer");
        };
        assert!(message.contains("`https://login.example/`"), "{message}");
    }
}
