//! A body that is compressed once. Clients without credentials can request it; compressing it for each request would
//! cost the host much more than the client.

use std::io::Write as _;

use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A body, plain and compressed.
#[derive(Debug)]
pub(crate) struct Compressed {
    plain: Bytes,
    gzip: Bytes,
}

impl Compressed {
    pub(crate) fn of(plain: Bytes) -> std::io::Result<Compressed> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&plain)?;
        Ok(Compressed { plain, gzip: encoder.finish()?.into() })
    }

    /// The form that a request with these headers takes.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        let varies = [(VARY, "accept-encoding")];
        match takes_gzip(asked) {
            true => (varies, [(CONTENT_ENCODING, "gzip")], self.gzip.clone()).into_response(),
            false => (varies, self.plain.clone()).into_response(),
        }
    }
}

/// Whether gzip may be sent (RFC 9110, 12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let said = values.flat_map(|value| value.split(',')).filter_map(|item| {
        let (coding, weight) = item.split_once(';').unwrap_or((item, "q=1"));
        let coding = coding.trim().to_ascii_lowercase();
        let weight = weight.trim().trim_start_matches(['q', 'Q']).trim_start_matches('=').parse::<f32>();
        matches!(coding.as_str(), "gzip" | "x-gzip" | "*").then(|| (coding == "*", weight.unwrap_or(0.0)))
    });
    // A weight for gzip overrides the one for `*`.
    said.min_by_key(|(of_all, _)| *of_all).is_some_and(|(_, weight)| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[tokio::test]
    async fn both_forms_are_the_same_body() {
        let text = Bytes::from("a text ".repeat(1000));
        let compressed = Compressed::of(text.clone()).expect("compressed");
        for accepted in [None, Some("gzip")] {
            let asked = accepted.map(|value| (ACCEPT_ENCODING, value.parse().expect("a value"))).into_iter().collect();
            let answer = compressed.answer(&asked);
            let encoding = answer.headers().get(CONTENT_ENCODING).map(|value| value.to_str().expect("text").to_owned());
            assert_eq!(encoding.as_deref(), accepted);
            assert_eq!(answer.headers()[VARY], "accept-encoding");
            let body = axum::body::to_bytes(answer.into_body(), 100_000).await.expect("a body");
            let mut read = Vec::new();
            match accepted {
                Some(_) => flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut read).expect("gzip"),
                None => (&body[..]).read_to_end(&mut read).expect("read"),
            };
            assert_eq!(read, text);
        }
    }

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accepted, want) in [
            (&[][..], false),
            (&[""], false),
            (&["gzip"], true),
            (&["GZIP"], true),
            (&["x-gzip"], true),
            (&["*"], true),
            (&["br, gzip;q=0.5"], true),
            (&["br", "gzip"], true),
            (&["gzip; q=0"], false),
            (&["gzip;q=0.000, *"], false),
            (&["*;q=0, gzip"], true),
            (&["*;q=0"], false),
            (&["identity"], false),
            (&["br, deflate"], false),
            (&["gzip;q=x"], false),
        ] {
            let headers = accepted.iter().map(|value| (ACCEPT_ENCODING, value.parse().expect("a value"))).collect();
            assert_eq!(takes_gzip(&headers), want, "{accepted:?}");
        }
    }
}
