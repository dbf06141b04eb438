//! A hook: a URL, and a filter of changes.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::{AsciiSet, utf8_percent_encode};

use super::account::{AccountId, Sealed};
use super::filter::Filter;
use super::resource::{Kind, ResourceId};
use super::time::Timestamp;
use super::token::TokenId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub i64);

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a hook's settings: each write by its owner creates a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookVersion {
    /// The mark of the store, as in `Cursor`: a store that went back continues from an older number.
    pub store: u32,
    pub number: i64,
}

impl fmt::Display for HookVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{}", self.store, self.number)
    }
}

impl FromStr for HookVersion {
    type Err = InvalidHookVersion;

    fn from_str(text: &str) -> Result<HookVersion, InvalidHookVersion> {
        let (store, number) = text.split_once('-').ok_or(InvalidHookVersion)?;
        let store = u32::from_str_radix(store, 16).map_err(|_| InvalidHookVersion)?;
        let version = HookVersion { store, number: number.parse().map_err(|_| InvalidHookVersion)? };
        // A version has only one written form.
        if version.to_string() == text { Ok(version) } else { Err(InvalidHookVersion) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the version of a hook, which is 8 digits and letters from a to f, a hyphen and a number")]
pub struct InvalidHookVersion;

/// The owner of a hook within its account: owners never receive each other's callbacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A caller with the account's own credentials.
    Account,
    /// The bearer of this token.
    Token(TokenId),
}

impl Owner {
    /// The written form: `account`, or `token:` and the token's id.
    pub fn word(&self) -> Cow<'static, str> {
        match self {
            Owner::Account => Cow::Borrowed("account"),
            Owner::Token(id) => Cow::Owned(format!("token:{id}")),
        }
    }

    pub fn parse(word: &str) -> Option<Owner> {
        match word.strip_prefix("token:") {
            Some(id) => id.parse().ok().map(|id| Owner::Token(TokenId(id))),
            None => (word == "account").then_some(Owner::Account),
        }
    }
}

/// An absolute http or https URL with a host, without user information and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookUrl(url::Url);

impl HookUrl {
    /// The limit applies to the normal form, which is stored and called.
    pub const MAX_BYTES: usize = 2048;

    /// Reads a URL into its normal form: percent-encoded, with its host in ASCII. `parse` reads that form again, as the
    /// same URL.
    pub fn parse(text: &str) -> Result<HookUrl, InvalidHookUrl> {
        let url = url::Url::parse(text).map_err(|error| match error {
            url::ParseError::RelativeUrlWithoutBase => InvalidHookUrl::Relative,
            other => InvalidHookUrl::Malformed(other.to_string()),
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidHookUrl::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidHookUrl::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(InvalidHookUrl::Fragment);
        }
        if url.port() == Some(0) {
            return Err(InvalidHookUrl::Port);
        }
        let url = encoded(url);
        let normal = url.as_str();
        if normal.len() > Self::MAX_BYTES {
            return Err(InvalidHookUrl::TooLong(normal.len()));
        }
        let is_name = matches!(url.host(), Some(url::Host::Domain(name)) if !is_dns_name(name));
        if is_name || normal.parse::<http::Uri>().is_err() {
            return Err(InvalidHookUrl::Host(url.host_str().unwrap_or_default().to_owned()));
        }
        // A stored URL is in its normal form already and is parsed once.
        if normal != text && url::Url::parse(normal).as_ref() != Ok(&url) {
            return Err(InvalidHookUrl::Unstable);
        }
        Ok(HookUrl(url))
    }

    pub fn as_url(&self) -> &url::Url {
        &self.0
    }

    /// Scheme, host and port: the unit of receivers that fail together.
    pub fn destination(&self) -> &str {
        &self.0[..url::Position::BeforePath]
    }
}

/// Characters that URLs may have unencoded in their paths and queries (URL Standard, 1.3), but URIs may not (RFC 3986,
/// 3.3). Receivers and their proxies may refuse them.
const NOT_IN_URIS: &AsciiSet =
    &AsciiSet::EMPTY.add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// Percent-encodes the characters that a URI must not have.
fn encoded(mut url: url::Url) -> url::Url {
    let encode = |text: &str| match utf8_percent_encode(text, NOT_IN_URIS).into() {
        Cow::Owned(encoded) => Some(encoded),
        Cow::Borrowed(_) => None,
    };
    if let Some(path) = encode(url.path()) {
        url.set_path(&path);
    }
    if let Some(query) = url.query().and_then(encode) {
        url.set_query(Some(&query));
    }
    url
}

/// Whether it is a possible DNS name: labels of 1 to 63 letters, digits, hyphens and underscores. URLs may have other
/// hosts, but no connection to them is possible.
fn is_dns_name(name: &str) -> bool {
    const MAX_BYTES: usize = 253;
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_BYTES && name.split('.').all(is_label)
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHookUrl {
    #[error("it is relative: give an absolute URL such as https://example.com/hook")]
    Relative,
    #[error("its scheme is {0:?}: a hook is http or https")]
    Scheme(String),
    #[error("it is not a URL: {0}")]
    Malformed(String),
    #[error("it contains a user or password: put a secret in track_token")]
    UserInformation,
    #[error("it has a fragment (#...), which is never sent: remove it")]
    Fragment,
    #[error("its port is 0, where nothing listens: give the receiver's port")]
    Port,
    #[error("its host {0:?} is not a valid DNS name: give a DNS name or an IP address")]
    Host(String),
    #[error("it has {0} bytes after percent-encoding; the maximum is {max}: give a shorter one", max = HookUrl::MAX_BYTES)]
    TooLong(usize),
    #[error("its normal form is a different URL: give it percent-encoded, with its host in ASCII")]
    Unstable,
}

/// A hook in the store.
#[derive(Clone, Debug)]
pub struct Hook {
    pub id: HookId,
    pub account: AccountId,
    pub owner: Owner,
    /// The resource that it was set on (`track_hook`), which may not be known yet. Absent for a hook that only has a
    /// filter.
    pub track: Option<(Kind, ResourceId)>,
    pub spec: HookSpec,
    pub secrets: HookSecrets,
    pub status: HookStatus,
    /// Since when its receiver has accepted nothing; absent while deliveries succeed.
    pub failing_since: Option<Timestamp>,
    pub created: Timestamp,
    pub version: HookVersion,
}

/// The settings of a hook, which its owner may change.
#[derive(Clone, Debug, PartialEq)]
pub struct HookSpec {
    pub url: HookUrl,
    /// Each callback returns it to the client.
    pub token: Option<Sealed>,
    /// The changes that it receives. The filter of a `track_hook` matches every change of its resource.
    pub filter: Filter,
    pub format: Format,
    pub mode: Mode,
    /// The maximum number of callbacks a second.
    pub rate: Option<Rate>,
    /// The waits before each retry, instead of the host's schedule.
    pub retries: Option<Vec<Duration>>,
    /// A description for people.
    pub description: Option<String>,
}

impl HookSpec {
    /// A hook with this URL and default settings, which receives everything.
    pub fn to(url: HookUrl) -> HookSpec {
        HookSpec {
            url,
            token: None,
            filter: Filter::default(),
            format: Format::default(),
            mode: Mode::default(),
            rate: None,
            retries: None,
            description: None,
        }
    }
}

/// The signing secrets of a hook.
#[derive(Clone, Debug, PartialEq)]
pub struct HookSecrets {
    pub current: Sealed,
    /// The old secret, which signs as well until this time.
    pub previous: Option<(Sealed, Timestamp)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookStatus {
    Active,
    /// Paused by its owner.
    Paused,
    /// Disabled by the host. As for a paused hook, its changes are kept, and nothing is sent until it is resumed.
    Disabled {
        at: Timestamp,
        reason: DisableReason,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisableReason {
    /// Its receiver has accepted nothing for days.
    Failing,
    /// Its receiver answered 410: it refuses further callbacks.
    Gone,
    /// Its receiver answered with `webhook-delivery: disable`.
    Asked,
}

impl HookStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            HookStatus::Active => "active",
            HookStatus::Paused => "paused",
            HookStatus::Disabled { .. } => "disabled",
        }
    }
}

impl DisableReason {
    pub const ALL: [DisableReason; 3] = [DisableReason::Failing, DisableReason::Gone, DisableReason::Asked];

    pub fn as_str(self) -> &'static str {
        match self {
            DisableReason::Failing => "failing",
            DisableReason::Gone => "gone",
            DisableReason::Asked => "asked",
        }
    }

    pub fn parse(text: &str) -> Option<DisableReason> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// How pending changes of the same resource are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each change is sent.
    #[default]
    Every,
    /// A newer change replaces an older one that is not being sent yet.
    Latest,
}

impl Mode {
    pub const ALL: [Mode; 2] = [Mode::Every, Mode::Latest];

    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Every => "every",
            Mode::Latest => "latest",
        }
    }

    pub fn parse(text: &str) -> Option<Mode> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// The format of a change in a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The change alone, as in the feed.
    #[default]
    Json,
    /// CloudEvents 1.0, structured: the change is the `data` of a JSON event.
    CloudEvents,
    /// CloudEvents 1.0, binary: the change is the body, its attributes are headers.
    CloudEventsBinary,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Json, Format::CloudEvents, Format::CloudEventsBinary];

    pub fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::CloudEvents => "cloudevents",
            Format::CloudEventsBinary => "cloudevents-binary",
        }
    }

    pub fn parse(text: &str) -> Option<Format> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }
}

/// Callbacks a second: from `LEAST` to `MOST`, with six decimals, so that every written form reads back as the same
/// number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate(f64);

impl Rate {
    pub const LEAST: f64 = 0.001;
    pub const MOST: f64 = 10_000.0;
    const PARTS: f64 = 1e6;

    pub fn per_second(rate: f64) -> Option<Rate> {
        (Self::LEAST..=Self::MOST).contains(&rate).then(|| Rate((rate * Self::PARTS).round() / Self::PARTS))
    }

    pub fn as_per_second(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absolute_http_url_is_a_hook() {
        let check = |text: &str, want: Result<(), InvalidHookUrl>| {
            assert_eq!(HookUrl::parse(text).map(|_| ()), want, "{text}");
        };
        check("https://example.com/cb", Ok(()));
        check("http://127.0.0.1:9/cb?x=1", Ok(()));
        check("/cb", Err(InvalidHookUrl::Relative));
        check("example.com/cb", Err(InvalidHookUrl::Relative));
        check("ftp://example.com/", Err(InvalidHookUrl::Scheme("ftp".into())));
        check("file:///etc/passwd", Err(InvalidHookUrl::Scheme("file".into())));
        check("https://u:p@example.com/", Err(InvalidHookUrl::UserInformation));
        check("https://example.com/#x", Err(InvalidHookUrl::Fragment));
        check("https://example.com/#", Err(InvalidHookUrl::Fragment));
        assert!(matches!(HookUrl::parse("http://"), Err(InvalidHookUrl::Malformed(_))));
        let no_name = |host: &str| Err(InvalidHookUrl::Host(host.into()));
        check("http://a\"b/", no_name("a\"b"));
        check("https://a{b}.example.com/", no_name("a{b}.example.com"));
        check("https://a..example.com/", no_name("a..example.com"));
        check("https://-a.example.com/", no_name("-a.example.com"));
        check(&format!("https://{}.com/", "x".repeat(64)), no_name(&format!("{}.com", "x".repeat(64))));
        check("https://my_receiver.example.com./", Ok(()));
        check("https://b\u{fc}cher.example/", Ok(()));
        check("http://../", no_name(".."));
        check("http://./", no_name("."));
        check("http://a.-b.example.com/", no_name("a.-b.example.com"));
        for port in ["0", "00000"] {
            check(&format!("http://example.com:{port}/"), Err(InvalidHookUrl::Port));
            check(&format!("https://[::1]:{port}"), Err(InvalidHookUrl::Port));
        }
        assert!(matches!(HookUrl::parse("http://example.com:65536/"), Err(InvalidHookUrl::Malformed(_))));
    }

    #[test]
    fn what_no_uri_has_is_percent_encoded() {
        let check = |text: &str, want: &str| {
            let url = HookUrl::parse(text).expect(text);
            assert_eq!(url.to_string(), want);
            assert_eq!(HookUrl::parse(want).expect(want), url);
        };
        check("http://e.com/a|b^c?x=|&y=^", "http://e.com/a%7Cb%5Ec?x=%7C&y=%5E");
        check("http://e.com/`{}?`{}\\", "http://e.com/%60%7B%7D?%60%7B%7D%5C");
        check("http://e.com/%7c%5E?%7c", "http://e.com/%7c%5E?%7c");
        check("http://e.com/a[0]=1,2;3'(4)?a[]=:@/?", "http://e.com/a[0]=1,2;3'(4)?a[]=:@/?");
    }

    #[test]
    fn the_limit_of_a_url_is_that_of_its_normal_form() {
        let check = |text: &str, want: Result<usize, InvalidHookUrl>| {
            let got = HookUrl::parse(text);
            assert_eq!(got.as_ref().map(|url| url.to_string().len()).map_err(Clone::clone), want, "{text}");
            if let Ok(url) = got {
                assert_eq!(HookUrl::parse(&url.to_string()), Ok(url), "{text}");
            }
        };
        let most = HookUrl::MAX_BYTES;
        let of = |path: &str, times: usize| format!("http://e.com/{}", path.repeat(times));
        let room = most - of("", 0).len();
        check(&of("x", room), Ok(most));
        check(&of("x", room + 1), Err(InvalidHookUrl::TooLong(most + 1)));
        // What becomes longer: percent-encoding in paths and queries, and Punycode in hosts.
        check(&of(" x", room / 4), Ok(of("", 0).len() + room / 4 * 4));
        check(&of("<", room / 3 + 1), Err(InvalidHookUrl::TooLong(of("", 0).len() + (room / 3 + 1) * 3)));
        check(
            &format!("http://e.com/?q={}", "\u{e9}".repeat(room / 6 + 1)),
            Err(InvalidHookUrl::TooLong(room / 6 * 6 + 22)),
        );
        check(&format!("http://{}com/", "\u{fc}.".repeat(3)), Ok("http://xn--tda.xn--tda.xn--tda.com/".len()));
        // What becomes shorter.
        check(&of("a/../", room), Ok(of("", 0).len()));
        check(&of("\n", most), Ok(of("", 0).len()));
    }

    #[test]
    fn a_destination_is_scheme_host_and_port() {
        let check = |url: &str, want: &str| assert_eq!(HookUrl::parse(url).expect(url).destination(), want);
        check("https://example.com/a/b?c=d", "https://example.com");
        check("https://EXAMPLE.com:443", "https://example.com");
        check("http://example.com:8080/", "http://example.com:8080");
        check("http://[::1]:9/x", "http://[::1]:9");
    }

    #[test]
    fn a_rate_is_some_and_not_beyond_measure() {
        for (number, wanted) in
            [(1.0, true), (0.001, true), (0.0, false), (-1.0, false), (f64::NAN, false), (1e9, false)]
        {
            assert_eq!(Rate::per_second(number).is_some(), wanted, "{number}");
        }
        for number in [0.001, 0.001_000_499, 1.0 / 3.0, 2.5, 9_999.999_999_9, 10_000.0] {
            let rate = Rate::per_second(number).expect("within its bounds");
            assert_eq!(Rate::per_second(rate.as_per_second()), Some(rate), "{number}");
            assert!((rate.as_per_second() - number).abs() <= 0.5 / Rate::PARTS, "{number}");
        }
    }
}
