//! The values of the configuration in the form that people write: durations, sizes, endpoints, address ranges. Each is
//! checked while the file is read, so that an error names its line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Component, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use crate::model::span::{self, InvalidSpan};

/// A length of time: `"60s"`, `"5 min"`, `"1h 30m"`, or as ISO 8601 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SpanText")]
pub(super) struct Span(Duration);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a length of time with its unit, such as \"60s\" or \"5 min\"")]
pub(super) enum SpanText {
    Text(String),
}

impl From<SpanText> for String {
    fn from(SpanText::Text(text): SpanText) -> String {
        text
    }
}

impl TryFrom<SpanText> for Span {
    type Error = InvalidValue;

    fn try_from(text: SpanText) -> Result<Span, InvalidValue> {
        Span::try_from(String::from(text))
    }
}

impl TryFrom<String> for Span {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Span, InvalidValue> {
        match span::parse(&text) {
            Ok(span) => Ok(Span(span)),
            Err(error) => Err(InvalidValue::Span { text, error }),
        }
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Duration {
        span.0
    }
}

/// An address and a port to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Listen(SocketAddr);

impl TryFrom<String> for Listen {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Listen, InvalidValue> {
        // Of all names this one alone means the same everywhere (RFC 6761, 6.3).
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        match local.map(|port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port))).or_else(|| text.parse().ok()) {
            Some(address) => Ok(Listen(address)),
            None => Err(InvalidValue::Listen(text)),
        }
    }
}

impl From<Listen> for Option<SocketAddr> {
    fn from(listen: Listen) -> Option<SocketAddr> {
        Some(listen.0)
    }
}

impl From<Listen> for SocketAddr {
    fn from(listen: Listen) -> SocketAddr {
        listen.0
    }
}

/// The path of a file or a folder. One that begins with `~/` is in the home of the user whom the host runs as.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PathBuf")]
pub(super) struct FilePath(PathBuf);

impl TryFrom<PathBuf> for FilePath {
    type Error = InvalidValue;

    fn try_from(path: PathBuf) -> Result<FilePath, InvalidValue> {
        if path.to_string_lossy().chars().any(char::is_control) {
            return Err(InvalidValue::ControlInPath(path));
        }
        let mut parts = path.components();
        let Some(Component::Normal(first)) = parts.next() else { return Ok(FilePath(path)) };
        match first.to_str() {
            Some("~") => match std::env::home_dir().filter(|home| home.is_absolute()) {
                Some(home) => Ok(FilePath(home.join(parts.as_path()))),
                None => Err(InvalidValue::NoHome(path)),
            },
            Some(name) if name.starts_with('~') => Err(InvalidValue::OthersHome(path)),
            _ => Ok(FilePath(path)),
        }
    }
}

impl From<FilePath> for PathBuf {
    fn from(path: FilePath) -> PathBuf {
        path.0
    }
}

/// A part of a whole: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub(super) struct Part(f64);

impl TryFrom<f64> for Part {
    type Error = InvalidValue;

    fn try_from(number: f64) -> Result<Part, InvalidValue> {
        match (0.0..=1.0).contains(&number) {
            true => Ok(Part(number)),
            false => Err(InvalidValue::Part(number)),
        }
    }
}

impl From<Part> for f64 {
    fn from(part: Part) -> f64 {
        part.0
    }
}

/// A number of bytes: `"64 MiB"`, `"10 kB"`, or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "SizeText")]
pub(super) struct Size(usize);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a size such as \"64 MiB\", or a number of bytes")]
enum SizeText {
    Bytes(u64),
    Text(String),
}

impl TryFrom<SizeText> for Size {
    type Error = InvalidValue;

    fn try_from(text: SizeText) -> Result<Size, InvalidValue> {
        let (bytes, shown) = match text {
            SizeText::Bytes(bytes) => (bytes, bytes.to_string()),
            SizeText::Text(text) => match text.parse::<bytesize::ByteSize>() {
                Ok(size) => (size.as_u64(), text),
                Err(_) => return Err(InvalidValue::Size(text)),
            },
        };
        usize::try_from(bytes).map(Size).map_err(|_| InvalidValue::Size(shown))
    }
}

impl From<Size> for usize {
    fn from(size: Size) -> usize {
        size.0
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> u64 {
        size.0 as u64
    }
}

/// Scheme, host, port where it is not the scheme's own, and a path where it has one:
/// `https://cloud.example:8773/services/Cloud`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Endpoint(String);

impl TryFrom<String> for Endpoint {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Endpoint, InvalidValue> {
        let url = web_url(&text)?;
        let written = format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
        let is_one = crate::supply::grants::Endpoint::parse(&written).is_ok();
        if text.ends_with('/') || url.query().is_some() || !is_one {
            return Err(InvalidValue::NotAnEndpoint { text, written });
        }
        Ok(Endpoint(written))
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.0
    }
}

/// Origins of web pages: scheme, host, and port where it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Origins(Vec<WebOrigin>);

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct WebOrigin(url::Origin);

impl TryFrom<String> for WebOrigin {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<WebOrigin, InvalidValue> {
        let origin = web_url(&text)?.origin();
        let written = origin.ascii_serialization();
        if text != written {
            return Err(InvalidValue::NotAnOrigin { text, written });
        }
        Ok(WebOrigin(origin))
    }
}

impl From<Origins> for Vec<url::Origin> {
    fn from(origins: Origins) -> Vec<url::Origin> {
        origins.0.into_iter().map(|origin| origin.0).collect()
    }
}

/// A proxy; a user and password in it are for the proxy.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ProxyUrl(Url);

impl TryFrom<String> for ProxyUrl {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<ProxyUrl, InvalidValue> {
        // The text is not repeated in errors: it may have a password in it.
        let url = Url::parse(&text).map_err(InvalidValue::Proxy)?;
        if !matches!(url.scheme(), "http" | "https") || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(InvalidValue::NotAProxy);
        }
        Ok(ProxyUrl(url))
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl From<ProxyUrl> for Option<Url> {
    fn from(proxy: ProxyUrl) -> Option<Url> {
        Some(proxy.0)
    }
}

/// Where clients reach this host: an endpoint, with a path where a proxy serves it under one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct PublicUrl(String);

impl TryFrom<String> for PublicUrl {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<PublicUrl, InvalidValue> {
        let url = web_url(&text)?;
        if url.query().is_some() {
            return Err(InvalidValue::Query(text));
        }
        if text.ends_with('/') {
            return Err(InvalidValue::TrailingSlash { without: text.trim_end_matches('/').to_owned() });
        }
        Ok(PublicUrl(text))
    }
}

impl From<PublicUrl> for String {
    fn from(url: PublicUrl) -> String {
        url.0
    }
}

/// Addresses: `"10.0.0.0/8"`, or one of them, `"127.0.0.1"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Range(IpNet);

impl TryFrom<String> for Range {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Range, InvalidValue> {
        let range = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| InvalidValue::Range(text.clone()))?,
        };
        if range.addr() != range.network() {
            return Err(InvalidValue::RangeWithHost { text, network: range.trunc() });
        }
        Ok(Range(range))
    }
}

/// Several of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Ranges(Vec<Range>);

impl From<Ranges> for Vec<IpNet> {
    fn from(ranges: Ranges) -> Vec<IpNet> {
        ranges.0.into_iter().map(IpNet::from).collect()
    }
}

impl From<Range> for IpNet {
    fn from(range: Range) -> IpNet {
        range.0
    }
}

/// The value of an account's option: drivers take text, and a number or a flag may be written plainly.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected text, a number, or true or false")]
pub(super) enum OptionValue {
    Text(String),
    Whole(i64),
    Fraction(f64),
    Flag(bool),
}

impl From<OptionValue> for String {
    fn from(value: OptionValue) -> String {
        match value {
            OptionValue::Text(text) => text,
            OptionValue::Whole(number) => number.to_string(),
            OptionValue::Fraction(number) => number.to_string(),
            OptionValue::Flag(flag) => flag.to_string(),
        }
    }
}

/// What is wrong with a value, and how it is written rightly.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidValue {
    #[error("{text:?} is {error}")]
    Span { text: String, error: InvalidSpan },
    #[error(
        "{0:?} is not an address with a port: write \"127.0.0.1:3001\", or \"[::]:3001\" for every address of this machine"
    )]
    Listen(String),
    #[error("{} is in the home of the host's user, which is unknown: write the whole path", .0.display())]
    NoHome(PathBuf),
    #[error("{} is in the home of another user: write the whole path", .0.display())]
    OthersHome(PathBuf),
    #[error("{0:?} has a line break or another control character: no path of the host's has one")]
    ControlInPath(PathBuf),
    #[error("it is {value}, and takes {least} to {most}")]
    Outside { value: String, least: String, most: String },
    #[error("it has {number} waits, and takes at most {most}")]
    TooManyWaits { number: usize, most: usize },
    #[error("{0} is not a fraction: write a number from 0 to 1, such as 0.2")]
    Part(f64),
    #[error("{0:?} is not a size: write it as \"64 MiB\", \"10 kB\", or as a number of bytes")]
    Size(String),
    #[error("{text:?} is not an absolute URL ({reason}): write it as \"https://cloud.example:8773\"")]
    NotAUrl { text: String, reason: url::ParseError },
    #[error("{0:?} is neither http nor https")]
    Scheme(String),
    #[error("the URL contains a user or password: remove them")]
    UserInformation,
    #[error("{0:?} has a fragment (#...): remove it")]
    Fragment(String),
    #[error("{0:?} has a query (?...): remove it")]
    Query(String),
    #[error("{text:?} is more than scheme, host, port and path: write {written:?}")]
    NotAnEndpoint { text: String, written: String },
    #[error(
        "{text:?} is more than scheme, host and port, or is not in the form in which browsers send it: write {written:?}"
    )]
    NotAnOrigin { text: String, written: String },
    #[error("the URL ends in a slash: write {without:?}")]
    TrailingSlash { without: String },
    #[error("{0:?} is not a range of addresses: write it as \"10.0.0.0/8\", or as one address, \"127.0.0.1\"")]
    Range(String),
    #[error("it is not a URL ({0}): write it as \"http://proxy.example:3128\"")]
    Proxy(url::ParseError),
    #[error("a proxy is http or https, a host and a port: write it as \"http://proxy.example:3128\"")]
    NotAProxy,
    #[error("{text:?} has an address within the range: write the range as \"{network}\"")]
    RangeWithHost { text: String, network: IpNet },
}

/// An absolute http or https URL without user, password and fragment.
fn web_url(text: &str) -> Result<Url, InvalidValue> {
    let url = Url::parse(text).map_err(|reason| InvalidValue::NotAUrl { text: text.to_owned(), reason })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(InvalidValue::Scheme(text.to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(InvalidValue::UserInformation);
    }
    if url.fragment().is_some() {
        return Err(InvalidValue::Fragment(text.to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T>(text: &str, want: Result<&str, &str>)
    where
        T: TryFrom<String, Error = InvalidValue> + std::fmt::Debug,
    {
        match (T::try_from(text.to_owned()), want) {
            (Ok(value), Ok(want)) => assert_eq!(format!("{value:?}"), want, "{text}"),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{text}: {error}"),
            (got, want) => panic!("{text}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn lengths_of_time() {
        check::<Span>("60s", Ok("Span(60s)"));
        check::<Span>("5 min", Ok("Span(300s)"));
        check::<Span>("1h 30m", Ok("Span(5400s)"));
        check::<Span>("250 ms", Ok("Span(250ms)"));
        check::<Span>("7 days", Ok("Span(604800s)"));
        check::<Span>("PT5M", Ok("Span(300s)"));
        check::<Span>("60", Err("write it as"));
        check::<Span>("2 months", Err("write it as"));
        check::<Span>("-5s", Err("negative"));
        check::<Span>("", Err("write it as"));
    }

    #[test]
    fn endpoints_are_scheme_host_port_and_path() {
        check::<Endpoint>("https://ec2.example", Ok("Endpoint(\"https://ec2.example\")"));
        check::<Endpoint>("http://127.0.0.1:5000", Ok("Endpoint(\"http://127.0.0.1:5000\")"));
        check::<Endpoint>("https://ec2.example:443", Ok("Endpoint(\"https://ec2.example\")"));
        check::<Endpoint>("https://ec2.example/", Err("write \"https://ec2.example\""));
        check::<Endpoint>("https://ec2.example/v2/a", Ok("Endpoint(\"https://ec2.example/v2/a\")"));
        check::<Endpoint>("https://ec2.example/v2/", Err("write \"https://ec2.example/v2\""));
        check::<Endpoint>("ec2.example", Err("absolute URL"));
        check::<Endpoint>("ftp://ec2.example", Err("neither http nor https"));
        check::<Endpoint>("https://u:p@ec2.example", Err("user or password"));
        check::<Endpoint>("https://ec2.example?x=1", Err("more than scheme"));
    }

    #[test]
    fn the_public_url_may_have_a_path() {
        check::<PublicUrl>("https://t.example/cloud", Ok("PublicUrl(\"https://t.example/cloud\")"));
        check::<PublicUrl>("https://t.example/", Err("write \"https://t.example\""));
        check::<PublicUrl>("https://t.example?x", Err("query"));
        check::<PublicUrl>("https://t.example#x", Err("fragment"));
    }

    #[test]
    fn ranges_of_addresses() {
        check::<Range>("10.0.0.0/8", Ok("Range(10.0.0.0/8)"));
        check::<Range>("127.0.0.1", Ok("Range(127.0.0.1/32)"));
        check::<Range>("::1", Ok("Range(::1/128)"));
        check::<Range>("10.1.0.0/8", Err("write the range as \"10.0.0.0/8\""));
        check::<Range>("localhost", Err("not a range"));
    }

    #[test]
    fn parts_of_a_whole() {
        for (number, wanted) in [(0.0, true), (1.0, true), (1.01, false), (-0.1, false), (f64::NAN, false)] {
            assert_eq!(Part::try_from(number).is_ok(), wanted, "{number}");
        }
    }

    #[test]
    fn sizes() {
        let check = |text: SizeText, want: Option<usize>| assert_eq!(Size::try_from(text).ok().map(usize::from), want);
        check(SizeText::Text("64 MiB".into()), Some(64 << 20));
        check(SizeText::Text("10 kB".into()), Some(10_000));
        check(SizeText::Bytes(512), Some(512));
        check(SizeText::Text("many".into()), None);
    }
}
