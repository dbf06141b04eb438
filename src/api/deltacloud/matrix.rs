//! Matrix parameters: `/api;driver=ec2;provider=eu-west-1/instances`, which Deltacloud takes for clients that can't set
//! headers.

use axum::extract::Request;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse as _, Response};

use super::super::identify::{DRIVER, PROVIDER};
use super::super::parameters::{ParameterError, Parameters};
use super::super::problem::Problem;

/// Makes headers of the parameters of the path's first word, and a path without them. What the path says counts, and
/// not what the headers said.
pub(super) async fn read(mut request: Request) -> Result<Request, Response> {
    match split(request.uri()) {
        Ok(None) => Ok(request),
        Ok(Some(Split { uri, named })) => {
            *request.uri_mut() = uri;
            for (header, value) in named {
                request.headers_mut().insert(header, value);
            }
            Ok(request)
        }
        Err(error) => Err(Problem::from(error).into_response()),
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Split {
    uri: Uri,
    named: Vec<(&'static str, HeaderValue)>,
}

fn split(uri: &Uri) -> Result<Option<Split>, ParameterError> {
    let Some(rest) = uri.path().strip_prefix("/api;") else { return Ok(None) };
    let (parameters, rest) = match rest.split_once('/') {
        Some((parameters, rest)) => (parameters, format!("/{rest}")),
        None => (rest, String::new()),
    };
    let parameters = Parameters::parse(parameters.replace(';', "&").as_bytes())?;
    parameters.only(&["driver", "provider"])?;
    let mut named = Vec::new();
    for (name, header) in [("driver", DRIVER), ("provider", PROVIDER)] {
        let Some(value) = parameters.get(name) else { continue };
        let value = HeaderValue::from_str(value);
        let why = || "is not the name of one: visible ASCII characters".to_owned();
        named.push((header, value.map_err(|_| ParameterError::Invalid { name, why: why() })?));
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let uri = format!("/api{rest}{query}").parse().map_err(|_| ParameterError::Encoding(rest))?;
    Ok(Some(Split { uri, named }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn driver_and_provider_may_stand_in_the_path() {
        type Want<'a> = Result<Option<(&'a str, &'a [(&'static str, &'a str)])>, &'a str>;
        let check = |uri: &str, want: Want<'_>| {
            let got = split(&uri.parse().expect(uri));
            let want = want.map(|split| {
                split.map(|(uri, named)| Split {
                    uri: uri.parse().expect(uri),
                    named: named.iter().map(|(name, value)| (*name, value.parse().expect(value))).collect(),
                })
            });
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{uri}");
        };
        check("/api/instances", Ok(None));
        check("/api/instances/a;b=c", Ok(None));
        check("/api;driver=ec2", Ok(Some(("/api", &[(DRIVER, "ec2")]))));
        check(
            "/api;driver=ec2;provider=eu-west-1/instances?id=a",
            Ok(Some(("/api/instances?id=a", &[(DRIVER, "ec2"), (PROVIDER, "eu-west-1")]))),
        );
        check("/api;provider=a%20b/realms/us", Ok(Some(("/api/realms/us", &[(PROVIDER, "a b")]))));
        check("/api;/realms", Ok(Some(("/api/realms", &[]))));
        check("/api;color=red/realms", Err("\"color\" is not a parameter here; known are: driver, provider"));
        check("/api;driver=a;driver=b", Err("driver is given more than once"));
        check("/api;driver=a%0ab", Err("driver is not the name of one: visible ASCII characters"));
    }
}
