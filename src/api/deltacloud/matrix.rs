//! Matrix parameters: `/api;driver=ec2;provider=eu-west-1/instances`. Deltacloud accepts them from clients that can't
//! set headers.

use std::convert::Infallible;
use std::fmt;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Uri};

use crate::api::auth::identify::{DRIVER, PROVIDER};
use crate::api::input::parameters::{ParameterError, Parameters};

/// What stood in the path beside `api`, as it is written there: nothing, for most. Links that lead from collection to
/// collection and from page to page keep it, so that a client that only follows them stays where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Matrix(String);

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Matrix {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Matrix, Infallible> {
        Ok(parts.extensions.get::<Matrix>().cloned().unwrap_or_default())
    }
}

/// Makes headers of the parameters of the path's first word, and a path without them. What the path says counts, and
/// not what the headers said. One that can't be read stays as it is: it leads nowhere, and there it is told why.
pub(super) async fn read(mut request: Request) -> Request {
    if let Ok(Some(Split { uri, named, matrix })) = split(request.uri()) {
        *request.uri_mut() = uri;
        for (header, value) in named {
            request.headers_mut().insert(header, value);
        }
        request.extensions_mut().insert(matrix);
    }
    request
}

/// Why a path with matrix parameters was not read.
pub(crate) fn unread(uri: &Uri) -> Option<ParameterError> {
    split(uri).err()
}

#[derive(Debug, PartialEq, Eq)]
struct Split {
    uri: Uri,
    named: Vec<(&'static str, HeaderValue)>,
    matrix: Matrix,
}

fn split(uri: &Uri) -> Result<Option<Split>, ParameterError> {
    let Some(rest) = uri.path().strip_prefix("/api;") else { return Ok(None) };
    let (parameters, rest) = match rest.split_once('/') {
        Some((parameters, rest)) => (parameters, format!("/{rest}")),
        None => (rest, String::new()),
    };
    let parameters = Parameters::parse(parameters.replace(';', "&").as_bytes())?;
    parameters.only(&["driver", "provider"])?;
    let (mut named, mut matrix) = (Vec::new(), Matrix::default());
    for (name, header) in [("driver", DRIVER), ("provider", PROVIDER)] {
        let Some(text) = parameters.get(name) else { continue };
        let value = HeaderValue::from_str(text);
        let why = || "is not the name of one: visible ASCII characters".to_owned();
        named.push((header, value.map_err(|_| ParameterError::Invalid { name, why: why() })?));
        matrix.0 += &format!(";{name}={}", in_path(text));
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("/api{rest}{query}").parse().map_err(|_| ParameterError::Encoding(rest))?;
    Ok(Some(Split { uri, named, matrix }))
}

/// In a path a space is %20; `+`, which forms write for it, would be taken literally.
fn in_path(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_and_provider_may_stand_in_the_path() {
        type Want<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a str);
        let check = |uri: &str, want: Result<Option<Want<'_>>, &str>| {
            let got = split(&uri.parse().expect(uri));
            let want = want.map(|split| {
                split.map(|(uri, named, matrix)| Split {
                    uri: uri.parse().expect(uri),
                    named: named.iter().map(|(name, value)| (*name, value.parse().expect(value))).collect(),
                    matrix: Matrix(matrix.to_owned()),
                })
            });
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{uri}");
        };
        check("/api/instances", Ok(None));
        check("/api/instances/a;b=c", Ok(None));
        check("/api;driver=ec2", Ok(Some(("/api", &[(DRIVER, "ec2")], ";driver=ec2"))));
        check(
            "/api;provider=eu-west-1;driver=ec2/instances?id=a",
            Ok(Some((
                "/api/instances?id=a",
                &[(DRIVER, "ec2"), (PROVIDER, "eu-west-1")],
                ";driver=ec2;provider=eu-west-1",
            ))),
        );
        check("/api;provider=a%20b/realms/us", Ok(Some(("/api/realms/us", &[(PROVIDER, "a b")], ";provider=a%20b"))));
        check("/api;/realms", Ok(Some(("/api/realms", &[], ""))));
        check("/api;color=red/realms", Err("\"color\" is not a known parameter; known parameters: driver, provider"));
        check("/api;driver=a;driver=b", Err("driver is given more than once"));
        check("/api;driver=a%0ab", Err("driver is not the name of one: visible ASCII characters"));
    }
}
