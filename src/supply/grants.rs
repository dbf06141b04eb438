//! The endpoints that a driver may reach: patterns that it asks for, that the operator grants, and that an account
//! narrows to its own endpoint. Pure.

use std::fmt;

use url::Url;

/// Scheme, host and port, with nothing behind them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    /// In lower case, without brackets around an IPv6 address.
    host: String,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    #[error(
        "{0:?} is not an endpoint: expected a scheme, a host and perhaps a port and a path, such as \
         https://api.example.com/v2, without a slash at the end"
    )]
    Malformed(String),
    #[error("{0:?}: an endpoint is http or https")]
    Scheme(String),
    #[error("{0:?}: `*` stands for one label of a name or a part of one, and must not be in the last two labels")]
    Wildcard(String),
}

impl Origin {
    /// Takes the origin of a URL; what stands behind the port is not looked at.
    pub fn of(url: &Url) -> Option<Origin> {
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        Some(Origin {
            scheme: url.scheme().to_owned(),
            host: host.trim_end_matches('.').to_ascii_lowercase(),
            port: url.port_or_known_default()?,
        })
    }
}

/// An origin, and a path if only what lies below that is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    origin: Origin,
    /// Without a slash at the end; empty for everything.
    path: String,
}

impl Endpoint {
    /// Reads an endpoint as people write it.
    pub fn parse(text: &str) -> Result<Endpoint, InvalidEndpoint> {
        let malformed = || InvalidEndpoint::Malformed(text.to_owned());
        let url = Url::parse(text).map_err(|_| malformed())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidEndpoint::Scheme(text.to_owned()));
        }
        if text.ends_with('/') || text.contains('?') || text.contains('#') || climbs(url.path()) {
            return Err(malformed());
        }
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Endpoint { origin: Origin::of(&url).ok_or_else(malformed)?, path })
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether a URL is of this endpoint: of its origin, and below its path, segment by segment.
    pub fn holds(&self, url: &Url) -> bool {
        Origin::of(url).as_ref() == Some(&self.origin) && is_below(&self.path, url.path())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Whether a URL's path is the one, or lies below it.
fn is_below(path: &str, of_url: &str) -> bool {
    if path.is_empty() {
        return true;
    }
    let rest = of_url.strip_prefix(path);
    rest.is_some_and(|rest| (rest.is_empty() || rest.starts_with('/')) && !climbs(rest))
}

/// How often a path may have been encoded.
const MOST_DECODED: usize = 3;

/// Whether a path has a segment that a server may take for more than one, and for a step upwards. Plain ones are gone once a
/// URL was parsed.
///
/// Some servers take parameters off a segment (`..;a=b`, RFC 3986, 3.3), some blanks and controls, and some decode twice.
fn climbs(path: &str) -> bool {
    let steps_up = |segment: &str| {
        let name = segment.split(';').next().unwrap_or_default();
        name.trim_matches(|c: char| c.is_whitespace() || c.is_control()) == ".."
    };
    let mut path = path.to_owned();
    for _ in 0..=MOST_DECODED {
        let decoded = percent_encoding::percent_decode_str(&path).decode_utf8_lossy().into_owned();
        let hides_a_step = |segment: &str| {
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
            decoded.contains("..") && decoded.contains(['/', '\\'])
        };
        if path.split('/').any(hides_a_step) || decoded.split(['/', '\\']).any(steps_up) {
            return true;
        }
        if decoded == path {
            return false;
        }
        path = decoded;
    }
    // No client encodes a path that often, so nobody knows where it leads.
    true
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin { scheme, host, port } = self;
        let own_port = match scheme.as_str() {
            "http" => 80,
            _ => 443,
        };
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{host}{close}")?;
        if *port != own_port {
            write!(f, ":{port}")?;
        }
        Ok(())
    }
}

/// An endpoint in which `*` stands for one label of the host's name, or for a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    endpoint: Endpoint,
}

/// Takes the place of `*` while a pattern is parsed as a URL, where `*` is not allowed everywhere.
const STAND_IN: &str = "tracker-any-label";

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, InvalidEndpoint> {
        if text.contains(STAND_IN) {
            return Err(InvalidEndpoint::Malformed(text.to_owned()));
        }
        let wildcard = || InvalidEndpoint::Wildcard(text.to_owned());
        let mut endpoint = Endpoint::parse(&text.replace('*', STAND_IN)).map_err(|error| match error {
            InvalidEndpoint::Scheme(_) => InvalidEndpoint::Scheme(text.to_owned()),
            _ => InvalidEndpoint::Malformed(text.to_owned()),
        })?;
        let Endpoint { origin, path } = &mut endpoint;
        if origin.scheme.contains(STAND_IN) || path.contains(STAND_IN) {
            return Err(wildcard());
        }
        origin.host = origin.host.replace(STAND_IN, "*");
        let labels: Vec<&str> = origin.host.split('.').collect();
        let wild = |label: &&str| label.contains('*');
        // `*.com` would be everything there is.
        if labels.iter().rev().take(2).any(wild) && labels.iter().any(wild) {
            return Err(wildcard());
        }
        Ok(Pattern { endpoint })
    }

    pub fn is_literal(&self) -> bool {
        !self.endpoint.origin.host.contains('*')
    }

    /// Whether every endpoint of the other pattern is one of this, too.
    pub fn covers(&self, other: &Pattern) -> bool {
        // A `*` of the other is a character like any other that only a `*` here can stand for: and what it may stand
        // for itself, that one may, too.
        self.matches(&other.endpoint)
    }

    /// Whether an endpoint is one of these.
    pub fn matches(&self, endpoint: &Endpoint) -> bool {
        self.matches_origin(&endpoint.origin) && is_below(&self.endpoint.path, &endpoint.path)
    }

    /// Whether a URL is of such an endpoint.
    pub fn holds(&self, url: &Url) -> bool {
        Origin::of(url).is_some_and(|origin| self.matches_origin(&origin)) && is_below(&self.endpoint.path, url.path())
    }

    fn matches_origin(&self, origin: &Origin) -> bool {
        let Origin { scheme, host, port } = &self.endpoint.origin;
        if *scheme != origin.scheme || *port != origin.port {
            return false;
        }
        let (mut wanted, mut given) = (host.split('.'), origin.host.split('.'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(pattern), Some(label)) if label_matches(pattern, label) => {}
                _ => return false,
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

/// Whether a label fits a pattern in which each `*` stands for one or more characters.
fn label_matches(pattern: &str, label: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == label,
        Some((before, after)) => {
            let Some(rest) = label.strip_prefix(before) else { return false };
            rest.char_indices()
                .skip(1)
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| at > 0 && label_matches(after, &rest[at..]))
        }
    }
}

/// What one driver may reach at all: what it declares, cut down to what the operator granted.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    declared: Vec<Pattern>,
    granted: Vec<Pattern>,
}

impl Grants {
    pub fn new(declared: Vec<Pattern>, granted: Vec<Pattern>) -> Grants {
        Grants { declared, granted }
    }

    /// The same with everything granted that is declared.
    pub(crate) fn all_declared(&self) -> Grants {
        self.cut_down_to(self.declared.clone())
    }

    /// The same declaration with another grant.
    pub(crate) fn cut_down_to(&self, granted: Vec<Pattern>) -> Grants {
        Grants { declared: self.declared.clone(), granted }
    }

    fn declares(&self, url: &Url) -> bool {
        self.declared.iter().any(|pattern| pattern.holds(url))
    }

    fn grants(&self, url: &Url) -> bool {
        self.declares(url) && self.granted.iter().any(|pattern| pattern.holds(url))
    }

    fn covers(&self, endpoint: &Endpoint) -> bool {
        let covered = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(endpoint));
        covered(&self.declared) && covered(&self.granted)
    }
}

/// What a driver may reach for one account: the account's own endpoint, where the operator configured it
/// or the grants cover it, and what is declared by its full name and granted. A pattern with `*` opens no
/// other account's endpoint.
#[derive(Clone, Debug)]
pub struct Reach {
    /// The account's endpoints: the one that every provider has, then those of its other parts. None where there is no
    /// such endpoint, or it is not granted.
    own: Vec<Option<Endpoint>>,
    grants: Grants,
}

/// Whose word an account's endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointSource {
    /// The configuration's: a grant in itself.
    Operator,
    /// The driver's, which knows its provider by name: it needs a grant.
    Driver,
}

/// Why a request is not let out, for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The driver does not say in `describe` that it needs it.
    NotDeclared,
    /// It does, and the operator has not granted it.
    NotGranted,
    /// It is covered by a pattern, but is not this account's endpoint.
    OtherEndpoint,
}

impl Reach {
    pub fn of_account<E>(grants: &Grants, endpoints: E, source: EndpointSource) -> Reach
    where
        E: IntoIterator<Item = Option<Endpoint>>,
    {
        let is_open = |endpoint: &Endpoint| source == EndpointSource::Operator || grants.covers(endpoint);
        let own = endpoints.into_iter().map(|endpoint| endpoint.filter(is_open)).collect();
        Reach { own, grants: grants.clone() }
    }

    /// Which of the account's own endpoints a URL is of: only there is good what the operator set for it, such as
    /// exceptions for private addresses. Of two that hold it, the one with the longer path.
    pub fn own(&self, url: &Url) -> Option<usize> {
        let held = self.own.iter().enumerate().filter_map(|(place, own)| Some((place, own.as_ref()?)));
        held.filter(|(_, own)| own.holds(url))
            .max_by_key(|(place, own)| (own.path.len(), usize::MAX - place))
            .map(|(place, _)| place)
    }

    /// Whether a URL that is of none of the account's own endpoints is open.
    pub fn check(&self, url: &Url) -> Result<(), Refusal> {
        if self.own(url).is_some() {
            return Ok(());
        }
        if !self.grants.declares(url) {
            return Err(Refusal::NotDeclared);
        }
        if !self.grants.grants(url) {
            return Err(Refusal::NotGranted);
        }
        let by_name = self.grants.declared.iter().any(|pattern| pattern.is_literal() && pattern.holds(url));
        if by_name { Ok(()) } else { Err(Refusal::OtherEndpoint) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    fn endpoint(text: &str) -> Option<Endpoint> {
        Some(Endpoint::parse(text).expect(text))
    }

    #[test]
    fn patterns_cover_labels_and_nothing_more() {
        let check = |pattern: &str, place: &str, want: bool| {
            assert_eq!(Pattern::parse(pattern).expect(pattern).holds(&url(place)), want, "{pattern} {place}");
        };
        check("https://ec2.*.amazonaws.com", "https://ec2.us-east-1.amazonaws.com/x?y", true);
        check("https://ec2.*.amazonaws.com", "https://EC2.us-east-1.amazonaws.com.:443/", true);
        check("https://ec2.*.amazonaws.com", "https://ec2.a.b.amazonaws.com/", false);
        check("https://ec2.*.amazonaws.com", "https://ec2..amazonaws.com/", false);
        check("https://ec2.*.amazonaws.com", "http://ec2.us-east-1.amazonaws.com/", false);
        check("https://ec2.*.amazonaws.com", "https://ec2.us-east-1.amazonaws.com:8443/", false);
        check("https://ec2.*.amazonaws.com", "https://ec2.us-east-1.amazonaws.com.evil.example/", false);
        check("https://ec2.*.amazonaws.com", "https://evil.example/ec2.us-east-1.amazonaws.com", false);
        check("https://eu-*.api.example.com", "https://eu-west.api.example.com/", true);
        check("https://eu-*.api.example.com", "https://eu-.api.example.com/", false);
        check("https://a*b*c.x.example.com", "https://a1b2c.x.example.com/", true);
        check("https://a*b*c.x.example.com", "https://abc.x.example.com/", false);
        check("http://[::1]:5000", "http://[0:0::1]:5000/", true);
        check("http://127.0.0.1:5000", "http://127.1:5000/", true);
        check("https://cloud.example.com/services/Cloud", "https://cloud.example.com/services/Cloud", true);
        check("https://cloud.example.com/services/Cloud", "https://cloud.example.com/services/Cloud/?a=b", true);
        check("https://cloud.example.com/services/Cloud", "https://cloud.example.com/services/Cloud/v1/x", true);
        check("https://cloud.example.com/services/Cloud", "https://cloud.example.com/services/Clouds", false);
        check("https://cloud.example.com/services/Cloud", "https://cloud.example.com/services", false);
        check("https://cloud.example.com/a", "https://cloud.example.com/a/../b", false);
        check("https://cloud.example.com/a", "https://cloud.example.com/a/%2e%2E/b", false);
        check("https://cloud.example.com/a", "https://cloud.example.com/a/..%2Fb", false);
        check("https://cloud.example.com/a", "https://cloud.example.com/a/%2e.%5cb", false);
        check("https://cloud.example.com/a", "https://cloud.example.com/a/b..c%2Fd.e", false);
        check("https://cloud.example.com/a", "https://cloud.example.com/a/b%2Fd", true);
        for step in [
            "..;",
            "..;/b",
            "..;a=b/c",
            "b/..;",
            "%2e%2e;",
            ".%2e;x",
            "..%3b",
            "..%3Bx/b",
            "%252e%252e/b",
            "..%252fb",
            "%252e%252e%253b",
            "%25252e%25252e/b",
            "..%20/b",
            "..%09",
            "..%00/b",
            "b%5c..;",
            "..%5c",
            "%2525252525252561",
        ] {
            check("https://cloud.example.com/a", &format!("https://cloud.example.com/a/{step}"), false);
        }
        for plain in ["..a", "a..", "a;..", "...", ".;a", "%2E/b", "a%3B..b", "b%252Fd", "100%25", "a;b=.."] {
            check("https://cloud.example.com/a", &format!("https://cloud.example.com/a/{plain}"), true);
        }
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        let check = |pattern: &str, other: &str, want: bool| {
            let parse = |text: &str| Pattern::parse(text).expect(text);
            assert_eq!(parse(pattern).covers(&parse(other)), want, "{pattern} {other}");
        };
        check("https://ec2.*.amazonaws.com", "https://ec2.*.amazonaws.com", true);
        check("https://ec2.*.amazonaws.com", "https://ec2.eu-west-1.amazonaws.com", true);
        check("https://ec2.*.amazonaws.com", "https://ec2.eu-*.amazonaws.com", true);
        check("https://ec2.eu-*.amazonaws.com", "https://ec2.*.amazonaws.com", false);
        check("https://ec2.eu-*.amazonaws.com", "https://ec2.us-*.amazonaws.com", false);
        check("https://ec2.a.amazonaws.com", "https://ec2.*.amazonaws.com", false);
        check("https://ec2.*.amazonaws.com", "http://ec2.a.amazonaws.com", false);
        check("https://a*c.x.example.com", "https://a*b*c.x.example.com", true);
        check("https://a*b*c.x.example.com", "https://a*c.x.example.com", false);
        check("https://a*.x.example.com", "https://*a.x.example.com", false);
        check("https://a.example.com", "https://a.example.com/v1", true);
        check("https://a.example.com/v1", "https://a.example.com", false);
        check("https://a.example.com/v1", "https://a.example.com/v1/b", true);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let check = |text: &str, want: fn(String) -> InvalidEndpoint| {
            assert_eq!(Pattern::parse(text), Err(want(text.to_owned())));
        };
        check("https://*", InvalidEndpoint::Wildcard);
        check("https://*.com", InvalidEndpoint::Wildcard);
        check("https://api.*.com", InvalidEndpoint::Wildcard);
        check("ftp://api.example.com", InvalidEndpoint::Scheme);
        check("api.example.com", InvalidEndpoint::Malformed);
        check("https://api.example.com/", InvalidEndpoint::Malformed);
        check("https://api.example.com/v1/", InvalidEndpoint::Malformed);
        check("https://api.example.com/v1?", InvalidEndpoint::Malformed);
        check("https://api.example.com/..%2fv1", InvalidEndpoint::Malformed);
        check("https://api.example.com/*/v1", InvalidEndpoint::Wildcard);
        check("https://user@api.example.com", InvalidEndpoint::Malformed);
        check("https://api.example.com:*", InvalidEndpoint::Malformed);
    }

    #[test]
    fn an_account_reaches_its_own_endpoint_and_what_is_declared_and_granted_by_name() {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::parse(text).expect(text)).collect();
        let grants = Grants::new(
            patterns(&["https://ec2.*.example.com", "https://login.example.com", "https://logs.example.com"]),
            patterns(&["https://ec2.a.example.com", "https://ec2.b.example.com", "https://login.example.com"]),
        );
        let check = |own: &str, source: EndpointSource, place: &str, want: Result<(), Refusal>| {
            let reach = Reach::of_account(&grants, [endpoint(own)], source);
            assert_eq!(reach.check(&url(place)), want, "{own} {place}");
        };
        let (driver, operator) = (EndpointSource::Driver, EndpointSource::Operator);
        let a = "https://ec2.a.example.com";
        check(a, driver, a, Ok(()));
        check(a, driver, "https://login.example.com/token", Ok(()));
        check(a, driver, "https://ec2.b.example.com", Err(Refusal::OtherEndpoint));
        check(a, driver, "https://ec2.c.example.com", Err(Refusal::NotGranted));
        check(a, driver, "https://logs.example.com", Err(Refusal::NotGranted));
        check(a, driver, "https://evil.example.net", Err(Refusal::NotDeclared));
        check(a, driver, "http://login.example.com", Err(Refusal::NotDeclared));
        let elsewhere = "http://10.0.0.1:5000";
        check(elsewhere, driver, elsewhere, Err(Refusal::NotDeclared));
        check(elsewhere, operator, elsewhere, Ok(()));
        check(elsewhere, operator, "http://10.0.0.1:5001", Err(Refusal::NotDeclared));
        assert_eq!(Reach::of_account(&grants, [None], driver).check(&url(a)), Err(Refusal::OtherEndpoint));
    }

    #[test]
    fn each_part_of_a_provider_has_an_endpoint_of_its_own() {
        let own = ["https://cloud.lab:8774/v2.1", "https://cloud.lab:5000/v3", "https://cloud.lab:8774"].map(endpoint);
        let reach = Reach::of_account(&Grants::default(), own, EndpointSource::Operator);
        let check = |place: &str, want: Option<usize>| assert_eq!(reach.own(&url(place)), want, "{place}");
        check("https://cloud.lab:8774/v2.1/servers", Some(0));
        check("https://cloud.lab:5000/v3/auth/tokens", Some(1));
        check("https://cloud.lab:5000/v2.0/tokens", None);
        check("https://cloud.lab:8774/v2", Some(2));
        check("https://cloud.lab/v3", None);
    }
}
