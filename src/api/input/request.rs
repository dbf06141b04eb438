//! Extractors for handlers: a query, a form, an id. A value that cannot be extracted is a problem that says why; axum's
//! own extractors would answer in plain text.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use flate2::bufread::GzDecoder;
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::json::Object;
use super::parameters::{ParameterError, Parameters};
use crate::api::problem::{Problem, ProblemType};
use crate::model::ResourceId;
use crate::model::change::id_of_segment;

/// How many members a body in gzip may have (RFC 1952, 2.2). Each costs about the same, however little is in it.
const MOST_MEMBERS: usize = 16;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A request's query.
pub(crate) struct Query(pub(crate) Parameters);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query, Problem> {
        Ok(Query(query_of(parts)?))
    }
}

fn query_of(parts: &Parts) -> Result<Parameters, ParameterError> {
    Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes())
}

/// The id of a resource, from the path.
pub(crate) struct Id(pub(crate) ResourceId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        // /api/COLLECTION/ID
        let segment = parts.uri.path().split('/').nth(3).unwrap_or_default();
        let id = match id_of_segment(segment) {
            Some(id) => id.to_owned(),
            None => path_word(parts, state).await?,
        };
        Ok(Id(ResourceId::parse(id)?))
    }
}

/// The one word of a path that is a parameter, decoded.
pub(crate) async fn path_word<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<String, Problem> {
    match Path::<String>::from_request_parts(parts, state).await {
        Ok(Path(word)) => Ok(word),
        Err(_) => Err(Problem::new(ProblemType::MalformedRequest, "the path is not percent-encoded UTF-8")),
    }
}

/// The parameters of a request that may have them in its query, in a form as its body, or in both.
pub(crate) async fn query_and_form(request: Request, bounds: BodyBounds) -> Result<Parameters, Problem> {
    let (parts, body) = request.into_parts();
    let query = query_of(&parts)?;
    let body = read_decoded(&parts.headers, body, bounds).await?;
    if body.is_empty() {
        return Ok(query);
    }
    if !is_of_type(&parts, FORM) {
        let detail = format!("the body has to be {FORM}; the parameters may be in the query instead");
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
    }
    Ok(query.and(Parameters::parse(&body)?)?)
}

/// The members of the JSON object that is a request's body; none where there is no body.
pub(crate) async fn json_object(request: Request, bounds: BodyBounds) -> Result<Object, Problem> {
    let (parts, body) = request.into_parts();
    let body = read_decoded(&parts.headers, body, bounds).await?;
    if body.is_empty() {
        return Ok(Object::default());
    }
    if !is_of_type(&parts, JSON) {
        let detail = format!("the body has to be {JSON}, and its Content-Type has to say so");
        return Err(Problem::new(ProblemType::UnsupportedMediaType, detail));
    }
    Ok(Object::parse(&body)?)
}

fn is_of_type(parts: &Parts, wanted: &str) -> bool {
    let media_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// How large a body may be, and how long it may take.
#[derive(Clone, Copy)]
pub(crate) struct BodyBounds {
    pub(crate) bytes: usize,
    pub(crate) timeout: Duration,
}

/// The coding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

/// As `Content-Encoding` says (RFC 9110, 8.4): one coding at most, and one that is read here.
fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    let mut coding = Coding::Identity;
    for value in headers.get_all(CONTENT_ENCODING) {
        for name in value.to_str().unwrap_or("?").split(',').map(str::trim).filter(|name| !name.is_empty()) {
            coding = match name.to_ascii_lowercase().as_str() {
                "identity" => coding,
                "gzip" | "x-gzip" if coding == Coding::Identity => Coding::Gzip,
                _ => {
                    let detail =
                        "Content-Encoding names an unsupported coding: send the body without one, or with gzip";
                    return Err(Problem::new(ProblemType::UnsupportedContentCoding, detail));
                }
            };
        }
    }
    Ok(coding)
}

/// The whole of a body, as it was before its coding. The bound holds before and after.
async fn read_decoded(headers: &HeaderMap, body: Body, bounds: BodyBounds) -> Result<bytes::Bytes, Problem> {
    let coding = coding(headers)?;
    let body = read(body, bounds).await?;
    if coding == Coding::Identity || body.is_empty() {
        return Ok(body);
    }
    let not_gzip = |error: std::io::Error| {
        let detail = format!("the body is not gzip, although its header says so: {error}");
        Problem::new(ProblemType::MalformedRequest, detail)
    };
    let (mut decoded, mut rest) = (Vec::new(), &*body);
    for _ in 0..MOST_MEMBERS {
        let mut member = GzDecoder::new(rest);
        let room = u64::try_from(bounds.bytes - decoded.len()).unwrap_or(u64::MAX);
        (&mut member).take(room.saturating_add(1)).read_to_end(&mut decoded).map_err(not_gzip)?;
        if decoded.len() > bounds.bytes {
            return Err(too_large(bounds));
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(decoded.into());
        }
    }
    let detail = format!("the body has more than {MOST_MEMBERS} gzip members: compress it as one");
    Err(Problem::new(ProblemType::MalformedRequest, detail))
}

fn too_large(bounds: BodyBounds) -> Problem {
    let detail = format!("the body has more than {} bytes", bounds.bytes);
    Problem::new(ProblemType::BodyTooLarge, detail).with("limit", bounds.bytes)
}

/// The whole of a body, as it is sent.
pub(crate) async fn read(body: Body, bounds: BodyBounds) -> Result<bytes::Bytes, Problem> {
    // One that says how long it is is not asked for: reading it is what `100 Continue` is sent for.
    if body.size_hint().lower() > u64::try_from(bounds.bytes).unwrap_or(u64::MAX) {
        return Err(too_large(bounds));
    }
    let whole = Limited::new(body, bounds.bytes).collect();
    match tokio::time::timeout(bounds.timeout, whole).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(bounds)),
        Ok(Err(_)) => Err(Problem::new(ProblemType::MalformedRequest, "the connection broke off within the body")),
        Err(_) => {
            let detail = format!("the body was not sent within {:?}", bounds.timeout);
            Err(Problem::new(ProblemType::RequestTimeout, detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    const BOUNDS: BodyBounds = BodyBounds { bytes: 100, timeout: Duration::from_secs(10) };

    #[tokio::test]
    async fn a_form_and_a_query_are_one() {
        async fn check(uri: &str, media_type: &str, body: &str, want: Result<&str, StatusCode>) {
            let request = Request::put(uri).header(CONTENT_TYPE, media_type).body(Body::from(body.to_owned()));
            let got = query_and_form(request.expect(uri), BOUNDS).await.map_err(|problem| problem.status());
            assert_eq!(got, want.map(|text| Parameters::parse(text.as_bytes()).expect(text)), "{uri} {body}");
        }
        check("/x?a=1", FORM, "b=2", Ok("a=1&b=2")).await;
        check("/x", "Application/X-WWW-Form-Urlencoded; charset=UTF-8", "b=2", Ok("b=2")).await;
        check("/x?a=1", "application/json", "", Ok("a=1")).await;
        check("/x?a=1", "application/json", "{}", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        check("/x?a=1", "", "b=2", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        check("/x?a=1", FORM, "a=2", Err(StatusCode::BAD_REQUEST)).await;
        check("/x?a=%f", FORM, "", Err(StatusCode::BAD_REQUEST)).await;
        check("/x", FORM, &"x".repeat(101), Err(StatusCode::PAYLOAD_TOO_LARGE)).await;
        check("/x", FORM, &"x".repeat(100), Ok(&"x".repeat(100))).await;
    }

    #[tokio::test]
    async fn a_json_body_is_an_object_and_says_that_it_is_json() {
        async fn check(media_type: &str, body: &str, want: Result<(), StatusCode>) {
            let request = Request::post("/x").header(CONTENT_TYPE, media_type).body(Body::from(body.to_owned()));
            let got = json_object(request.expect("a request"), BOUNDS).await.map_err(|problem| problem.status());
            assert_eq!(got.map(drop), want, "{media_type} {body}");
        }
        check("application/json", "{}", Ok(())).await;
        check("Application/JSON; charset=utf-8", "{}", Ok(())).await;
        check("", "", Ok(())).await;
        check("text/plain", "", Ok(())).await;
        check("", "{}", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        check("text/json", "{}", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        check(FORM, "url=x", Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)).await;
        check("application/json", "[]", Err(StatusCode::BAD_REQUEST)).await;
        check("application/json", &"x".repeat(101), Err(StatusCode::PAYLOAD_TOO_LARGE)).await;
    }

    fn gzipped(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).expect("written");
        encoder.finish().expect("compressed")
    }

    #[tokio::test]
    async fn a_body_in_gzip_has_a_few_members_at_most() {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, axum::http::HeaderValue::from_static("gzip"))]);
        let bounds = BodyBounds { bytes: 10_000, timeout: BOUNDS.timeout };
        let read = async |members: usize| {
            let body = Body::from(gzipped("x").repeat(members));
            read_decoded(&headers, body, bounds).await.map_err(|problem| problem.problem_type())
        };
        assert_eq!(read(MOST_MEMBERS).await, Ok("x".repeat(MOST_MEMBERS).into()));
        assert_eq!(read(MOST_MEMBERS + 1).await, Err(ProblemType::MalformedRequest));
    }

    #[tokio::test]
    async fn a_body_is_read_as_it_was_before_its_coding() {
        async fn check(codings: &[&str], body: &[u8], want: Result<&str, ProblemType>) {
            let mut request = Request::put("/x").header(CONTENT_TYPE, FORM);
            for coding in codings {
                request = request.header(CONTENT_ENCODING, *coding);
            }
            let request = request.body(Body::from(body.to_vec())).expect("a request");
            let got = query_and_form(request, BOUNDS).await.map_err(|problem| problem.problem_type());
            assert_eq!(got, want.map(|text| Parameters::parse(text.as_bytes()).expect(text)), "{codings:?}");
        }
        let plain = b"a=1";
        let coded = gzipped("a=1");
        for codings in [&[][..], &["identity"], &["Identity, "], &[""]] {
            check(codings, plain, Ok("a=1")).await;
        }
        for codings in [&["gzip"][..], &["GZIP"], &["x-gzip"], &["identity, gzip"], &["identity", "gzip"]] {
            check(codings, &coded, Ok("a=1")).await;
            check(codings, b"", Ok("")).await;
        }
        check(&["gzip"], &[gzipped("a="), gzipped("1")].concat(), Ok("a=1")).await;
        check(&["gzip"], plain, Err(ProblemType::MalformedRequest)).await;
        check(&["gzip"], &coded[..coded.len() - 1], Err(ProblemType::MalformedRequest)).await;
        let unknown =
            ["br", "deflate", "zstd", "compress", "gzip, gzip", "gzip, br", "aws-chunked", "gzip;q=1", "\u{e9}"];
        for coding in unknown {
            check(&[coding], &coded, Err(ProblemType::UnsupportedContentCoding)).await;
        }
        check(&["gzip", "gzip"], &coded, Err(ProblemType::UnsupportedContentCoding)).await;
        // What is small before is large after.
        check(&["gzip"], &gzipped(&"x".repeat(100)), Ok(&"x".repeat(100))).await;
        check(&["gzip"], &gzipped(&"x".repeat(101)), Err(ProblemType::BodyTooLarge)).await;
        check(&["gzip"], &gzipped(&"x".repeat(50_000)), Err(ProblemType::BodyTooLarge)).await;
    }

    /// A body that says how long it is, and that nobody may read.
    struct Unread(u64);

    impl http_body::Body for Unread {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            panic!("it is read");
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(self.0)
        }
    }

    #[tokio::test]
    async fn a_body_that_says_that_it_is_too_large_is_not_read() {
        let problem = read(Body::new(Unread(101)), BOUNDS).await.expect_err("too large");
        assert_eq!(problem.problem_type(), ProblemType::BodyTooLarge);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_given_up() {
        let bounds = BodyBounds { timeout: Duration::from_millis(1), ..BOUNDS };
        let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        let request = Request::put("/x").header(CONTENT_TYPE, FORM).body(body).expect("request");
        let problem = query_and_form(request, bounds).await.expect_err("endless");
        assert_eq!(problem.problem_type(), ProblemType::RequestTimeout);
    }
}
