//! The identity that a request claims: HTTP Basic (RFC 7617) for user and password, Deltacloud's headers for driver and
//! provider. Pure; nothing here is proven yet.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

pub(crate) const DRIVER: &str = "x-deltacloud-driver";
pub(crate) const PROVIDER: &str = "x-deltacloud-provider";

/// A provider of this name is what a driver with no regions of its own calls its only place.
pub(crate) const DEFAULT_PROVIDER: &str = "default";

const MAX_USER_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 4096;
const MAX_NAME_BYTES: usize = 255;

/// Why a request says of nobody that it is from them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unidentified {
    #[error("send the user and the password of the cloud account by HTTP Basic")]
    NoCredentials,
    #[error("the scheme of the Authorization header is unknown: use Basic, or Bearer with a token")]
    Scheme,
    #[error("the Authorization header is not valid Basic (RFC 7617): send base64 of user, colon, password, in UTF-8")]
    Malformed,
    #[error("the Authorization header is Bearer, but has no token")]
    NoToken,
    #[error("the user is empty")]
    NoUser,
    #[error("user and password must not contain control characters (RFC 7617)")]
    ControlCharacter,
    #[error("the user may have at most {MAX_USER_BYTES} bytes, and the password {MAX_PASSWORD_BYTES}")]
    TooLong,
}

/// Why it is not clear whom to ask.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unnamed {
    #[error("{header} has to be 1 to {MAX_NAME_BYTES} visible characters")]
    Malformed { header: &'static str },
    #[error("the request has {header} twice: send it once")]
    Repeated { header: &'static str },
    #[error("driver {name:?} is not loaded; loaded drivers: {}", enumerate(.known))]
    UnknownDriver { name: String, known: Vec<String> },
    #[error("the request names no driver and there is no default: set X-Deltacloud-Driver to one of: {}", enumerate(.known))]
    NoDriver { known: Vec<String> },
    #[error(
        "the request names no provider of driver {driver:?} and there is no default: set X-Deltacloud-Provider to one of: {}",
        enumerate(.known)
    )]
    NoProvider { driver: String, known: Vec<String> },
}

fn enumerate(known: &[String]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

/// What a request says of who it is from.
pub(crate) enum Credentials {
    /// A cloud account's own: user and password.
    OfAccount(String, SecretString),
    Token(SecretString),
}

/// The credentials of a request. Whatever is wrong with them, the answer is a 401, which says how.
pub(crate) fn credentials(headers: &HeaderMap) -> Result<Credentials, Unidentified> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Err(Unidentified::NoCredentials),
        (Some(value), None) => read(value),
        (Some(_), Some(_)) => Err(Unidentified::Malformed),
    }
}

fn read(value: &HeaderValue) -> Result<Credentials, Unidentified> {
    let value = value.to_str().map_err(|_| Unidentified::Malformed)?;
    let (scheme, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        // As RFC 6750 has it.
        return match rest.trim() {
            "" => Err(Unidentified::NoToken),
            token => Ok(Credentials::Token(token.to_owned().into())),
        };
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Unidentified::Scheme);
    }
    basic(rest).map(|(user, password)| Credentials::OfAccount(user, password))
}

fn basic(encoded: &str) -> Result<(String, SecretString), Unidentified> {
    // Wiped when it goes, as the password in it is when that goes.
    let decoded: SecretSlice<u8> = BASE64.decode(encoded.trim()).map_err(|_| Unidentified::Malformed)?.into();
    let text = std::str::from_utf8(decoded.expose_secret()).map_err(|_| Unidentified::Malformed)?;
    let (user, password) = text.split_once(':').ok_or(Unidentified::Malformed)?;
    if user.is_empty() {
        return Err(Unidentified::NoUser);
    }
    if user.len() > MAX_USER_BYTES || password.len() > MAX_PASSWORD_BYTES {
        return Err(Unidentified::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(Unidentified::ControlCharacter);
    }
    Ok((user.to_owned(), password.into()))
}

/// The names in a request's headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) driver: Option<&'a str>,
    pub(crate) provider: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// A header that is empty names nothing.
    pub(crate) fn of(headers: &'a HeaderMap) -> Result<Named<'a>, Unnamed> {
        Ok(Named { driver: name(headers, DRIVER)?, provider: name(headers, PROVIDER)? })
    }
}

fn name<'a>(headers: &'a HeaderMap, header: &'static str) -> Result<Option<&'a str>, Unnamed> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Unnamed::Repeated { header });
    }
    match value.to_str().map(str::trim) {
        Ok(name) if name.len() <= MAX_NAME_BYTES => Ok(Some(name).filter(|name| !name.is_empty())),
        _ => Err(Unnamed::Malformed { header }),
    }
}

/// What can be named, as the roster knows it.
pub(crate) trait Names {
    fn default_provider(&self) -> Option<(&str, &str)>;

    fn drivers(&self) -> Vec<String>;

    /// None where there is no such driver.
    fn providers(&self, driver: &str) -> Option<Vec<String>>;
}

/// Driver and provider for what a request names: what is left out is the configuration's default, or what
/// there is but one of. A provider that is named is not looked at here; `Roster::target` refuses those that
/// there are not.
pub(crate) fn choose(named: Named<'_>, names: &impl Names) -> Result<(String, String), Unnamed> {
    let default = names.default_provider();
    let driver = match (named.driver, default) {
        (Some(driver), _) => driver.to_owned(),
        (None, Some((driver, _))) => driver.to_owned(),
        (None, None) => only(names.drivers()).map_err(|known| Unnamed::NoDriver { known })?,
    };
    if let Some(provider) = named.provider {
        return Ok((driver, provider.to_owned()));
    }
    if let Some((_, provider)) = default.filter(|(of, _)| *of == driver) {
        return Ok((driver, provider.to_owned()));
    }
    let Some(providers) = names.providers(&driver) else {
        return Err(Unnamed::UnknownDriver { name: driver, known: names.drivers() });
    };
    if providers.iter().any(|provider| provider == DEFAULT_PROVIDER) {
        return Ok((driver, DEFAULT_PROVIDER.to_owned()));
    }
    match only(providers) {
        Ok(provider) => Ok((driver, provider)),
        Err(known) => Err(Unnamed::NoProvider { driver, known }),
    }
}

/// The same for who only tells whom a request is about: the driver may be clear where its provider is not.
pub(crate) fn known(named: Named<'_>, names: &impl Names) -> (Option<String>, Option<String>) {
    match choose(named, names) {
        Ok((driver, provider)) => (Some(driver), Some(provider)),
        Err(Unnamed::NoProvider { driver, .. }) => (Some(driver), None),
        Err(
            Unnamed::Malformed { .. }
            | Unnamed::Repeated { .. }
            | Unnamed::UnknownDriver { .. }
            | Unnamed::NoDriver { .. },
        ) => (None, None),
    }
}

/// The one item of a list that has but one.
fn only(mut items: Vec<String>) -> Result<String, Vec<String>> {
    match (items.len(), items.pop()) {
        (1, Some(item)) => Ok(item),
        (_, last) => {
            items.extend(last);
            Err(items)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_read_as_rfc_7617_says() {
        let check = |value: &[u8], want: Result<(&str, &str), Unidentified>| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_bytes(value).expect("a header"));
            let got = credentials(&headers);
            let got = got.as_ref().map(|credentials| match credentials {
                Credentials::OfAccount(user, password) => (user.as_str(), password.expose_secret()),
                Credentials::Token(token) => ("", token.expose_secret()),
            });
            assert_eq!(got, want.as_ref().copied(), "{}", String::from_utf8_lossy(value));
        };
        let of = |text: &str| format!("Basic {}", BASE64.encode(text));
        check(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Ok(("Aladdin", "open sesame")));
        check(b"bAsIc   QWxhZGRpbjpvcGVuIHNlc2FtZQ== ", Ok(("Aladdin", "open sesame")));
        check(b"Basic dGVzdDoxMjPCow==", Ok(("test", "123\u{a3}")));
        check(of("a:b:c").as_bytes(), Ok(("a", "b:c")));
        check(of("a:").as_bytes(), Ok(("a", "")));
        check(of(":b").as_bytes(), Err(Unidentified::NoUser));
        check(of("ab").as_bytes(), Err(Unidentified::Malformed));
        check(of("a\0b:c").as_bytes(), Err(Unidentified::ControlCharacter));
        check(of("a:b\n").as_bytes(), Err(Unidentified::ControlCharacter));
        check(of(&format!("{}:x", "u".repeat(256))).as_bytes(), Err(Unidentified::TooLong));
        check(of(&format!("u:{}", "x".repeat(4097))).as_bytes(), Err(Unidentified::TooLong));
        check(b"Basic", Err(Unidentified::Malformed));
        check(b"Basic !!!", Err(Unidentified::Malformed));
        check(b"Basic \xff", Err(Unidentified::Malformed));
        check(format!("Basic {}", BASE64.encode([b'a', b':', 0xff])).as_bytes(), Err(Unidentified::Malformed));
        check(b"bearer  abc ", Ok(("", "abc")));
        check(b"Bearer", Err(Unidentified::NoToken));
        check(b"Digest abc", Err(Unidentified::Scheme));
        check(b"", Err(Unidentified::Scheme));
    }

    #[test]
    fn credentials_are_given_once() {
        assert_eq!(credentials(&HeaderMap::new()).map(drop), Err(Unidentified::NoCredentials));
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpi"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Basic YTpj"));
        assert_eq!(credentials(&headers).map(drop), Err(Unidentified::Malformed));
    }

    struct Fixed {
        default: Option<(&'static str, &'static str)>,
        drivers: &'static [(&'static str, &'static [&'static str])],
    }

    impl Names for Fixed {
        fn default_provider(&self) -> Option<(&str, &str)> {
            self.default
        }

        fn drivers(&self) -> Vec<String> {
            self.drivers.iter().map(|(name, _)| (*name).to_owned()).collect()
        }

        fn providers(&self, driver: &str) -> Option<Vec<String>> {
            let (_, providers) = self.drivers.iter().find(|(name, _)| *name == driver)?;
            Some(providers.iter().map(|name| (*name).to_owned()).collect())
        }
    }

    #[test]
    fn what_is_not_named_is_the_default_or_the_only_one() {
        let ec2: (&str, &[&str]) = ("ec2", &["us-east-1", "eu-west-1"]);
        let mock: (&str, &[&str]) = ("mock", &["default"]);
        let both = vec![ec2, mock];
        let check = |default, drivers: &[(&'static str, &'static [&'static str])], named, want: Result<_, Unnamed>| {
            let (driver, provider): (Option<&str>, Option<&str>) = named;
            let names = Fixed { default, drivers: drivers.to_vec().leak() };
            let got = choose(Named { driver, provider }, &names);
            let want = want.map(|(driver, provider): (&str, &str)| (driver.to_owned(), provider.to_owned()));
            assert_eq!(got, want, "{named:?}");
        };
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let fallback = Some(("ec2", "eu-west-1"));

        check(fallback, &both, (None, None), Ok(("ec2", "eu-west-1")));
        check(fallback, &both, (None, Some("us-east-1")), Ok(("ec2", "us-east-1")));
        check(fallback, &both, (Some("ec2"), None), Ok(("ec2", "eu-west-1")));
        check(fallback, &both, (Some("mock"), None), Ok(("mock", "default")));
        check(fallback, &both, (Some("mock"), Some("x")), Ok(("mock", "x")));
        check(None, &[mock], (None, None), Ok(("mock", "default")));
        check(None, &[("one", &["only"])], (None, None), Ok(("one", "only")));
        let known = list(&["us-east-1", "eu-west-1"]);
        check(None, &[ec2], (None, None), Err(Unnamed::NoProvider { driver: "ec2".into(), known: known.clone() }));
        check(None, &both, (Some("ec2"), None), Err(Unnamed::NoProvider { driver: "ec2".into(), known }));
        let known = list(&["ec2", "mock"]);
        check(None, &both, (None, None), Err(Unnamed::NoDriver { known: known.clone() }));
        check(None, &both, (Some("gce"), None), Err(Unnamed::UnknownDriver { name: "gce".into(), known }));
        check(None, &[], (None, None), Err(Unnamed::NoDriver { known: vec![] }));
    }

    #[test]
    fn a_driver_is_known_before_its_provider_is() {
        let names = Fixed { default: None, drivers: &[("ec2", &["us-east-1", "eu-west-1"]), ("mock", &["default"])] };
        let check = |driver: Option<&str>, provider: Option<&str>, want: (Option<&str>, Option<&str>)| {
            let got = known(Named { driver, provider }, &names);
            assert_eq!((got.0.as_deref(), got.1.as_deref()), want, "{driver:?} {provider:?}");
        };
        check(Some("ec2"), None, (Some("ec2"), None));
        check(Some("ec2"), Some("eu-west-1"), (Some("ec2"), Some("eu-west-1")));
        check(Some("mock"), None, (Some("mock"), Some("default")));
        check(Some("gce"), None, (None, None));
        check(None, None, (None, None));
    }

    #[test]
    fn names_come_from_headers() {
        let check = |value: &[u8], want: Result<Option<&str>, Unnamed>| {
            let mut headers = HeaderMap::new();
            headers.insert(DRIVER, HeaderValue::from_bytes(value).expect("a header"));
            assert_eq!(Named::of(&headers).map(|named| named.driver), want);
        };
        check(b"mock", Ok(Some("mock")));
        check(b" mock ", Ok(Some("mock")));
        check(b"", Ok(None));
        check(b"\xff", Err(Unnamed::Malformed { header: DRIVER }));
        check(&[b'x'; 256], Err(Unnamed::Malformed { header: DRIVER }));
        for header in [DRIVER, PROVIDER] {
            for second in ["mock", "ec2", ""] {
                let mut headers = HeaderMap::new();
                headers.append(header, HeaderValue::from_static("mock"));
                headers.append(header, HeaderValue::from_static(second));
                assert_eq!(Named::of(&headers), Err(Unnamed::Repeated { header }), "{second}");
            }
        }
    }
}
