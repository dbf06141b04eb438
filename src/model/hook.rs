//! A hook: where a client wants to be told, and of what.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::account::{AccountId, Sealed};
use super::change::{ChangeType, NewChange, Subject};
use super::resource::{InstanceState, InvalidResourceId, Kind, Resource, ResourceId, State};
use super::time::Timestamp;
use super::token::TokenId;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub i64);

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One state of what a hook's owner has said of it: each write of that gives it another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookVersion(pub i64);

impl fmt::Display for HookVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose a hook is, within its account: two owners never take each other's callbacks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Whoever proves the account's own credentials.
    Account,
    /// Whoever bears that token.
    Token(TokenId),
}

impl Owner {
    /// As it is written down: `account`, or `token:` and the token's id.
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
    /// Of the normal form, which is what is stored and called.
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

    /// Scheme, host and port: where one receiver, and whatever may be wrong with it, is.
    pub fn destination(&self) -> &str {
        &self.0[..url::Position::BeforePath]
    }
}

/// Whether the DNS could have such a name: labels of 1 to 63 letters, digits, hyphens and underscores. URLs may have other
/// hosts, to which no connection can be made.
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
    #[error("it carries a user or password: put a secret in track_token")]
    UserInformation,
    #[error("it has a fragment (#...), which is never sent: leave it out")]
    Fragment,
    #[error("its host {0:?} is no name that the DNS could have: give a DNS name or an IP address")]
    Host(String),
    #[error("it has {0} bytes once it is percent-encoded, and may have {max}: give a shorter one", max = HookUrl::MAX_BYTES)]
    TooLong(usize),
    #[error("its normal form is a different URL: give it percent-encoded, with its host in ASCII")]
    Unstable,
}

/// A hook as the store has it.
#[derive(Clone, Debug)]
pub struct Hook {
    pub id: HookId,
    pub account: AccountId,
    pub owner: Owner,
    /// The one resource that it was set on (`track_hook`), which may not have been seen yet. Absent for a
    /// hook that its filter alone directs.
    pub track: Option<(Kind, ResourceId)>,
    pub spec: HookSpec,
    pub secrets: HookSecrets,
    pub status: HookStatus,
    /// Since when nothing was taken by its receiver; absent while all goes well.
    pub failing_since: Option<Timestamp>,
    pub created: Timestamp,
    pub version: HookVersion,
}

/// What its owner says of a hook, and may change.
#[derive(Clone, Debug, PartialEq)]
pub struct HookSpec {
    pub url: HookUrl,
    /// Given back to the client in each callback.
    pub token: Option<Sealed>,
    /// What it hears of. That of a `track_hook` lets everything through that its resource allows.
    pub filter: Filter,
    pub format: Format,
    pub mode: Mode,
    /// How many callbacks it is sent in a second, at most.
    pub rate: Option<Rate>,
    /// The waits before each retry, in place of the host's own.
    pub retries: Option<Vec<Duration>>,
    /// For people.
    pub description: Option<String>,
}

impl HookSpec {
    /// Of a hook that sends everything there, and has nothing out of the ordinary.
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

/// What callbacks are signed with.
#[derive(Clone, Debug, PartialEq)]
pub struct HookSecrets {
    pub current: Sealed,
    /// The one before, which signs beside it until then.
    pub previous: Option<(Sealed, Timestamp)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookStatus {
    Active,
    /// By its owner.
    Paused,
    /// By the tracker. Like a paused one it is owed everything, and sent nothing until it is resumed.
    Disabled {
        at: Timestamp,
        reason: DisableReason,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisableReason {
    /// Nothing was taken by its receiver for days.
    Failing,
    /// Its receiver answered 410: it wants no more.
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

/// What becomes of changes that wait for the same resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each is sent.
    #[default]
    Every,
    /// A newer one takes the place of one that is not being sent yet.
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

/// How a change is written in a callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The change alone, as the feed has it.
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

/// Callbacks in a second: from `LEAST` to `MOST`, to the millionth. So few digits are the same number again in every form
/// that it is written in.
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

/// Which changes a hook hears of: those that every list lets through. An empty list lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of which kinds of resource.
    pub kinds: Vec<Kind>,
    pub ids: Vec<IdPattern>,
    /// In which realms: what a resource names as its realm, and for a realm its id.
    pub realms: Vec<String>,
    pub types: Vec<ChangeType>,
    /// The state before, and the state now.
    pub from: Vec<State>,
    pub to: Vec<State>,
}

/// An id, or with a `*` at its end all that begin so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdPattern {
    Exact(String),
    Prefix(String),
}

impl IdPattern {
    pub fn parse(text: &str) -> Result<IdPattern, InvalidResourceId> {
        match text.strip_suffix('*') {
            // A lone `*` is every id.
            Some("") => Ok(IdPattern::Prefix(String::new())),
            Some(prefix) => ResourceId::check(prefix).map(|()| IdPattern::Prefix(prefix.to_owned())),
            None => ResourceId::check(text).map(|()| IdPattern::Exact(text.to_owned())),
        }
    }

    /// Whether the id is the one, or begins so.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            IdPattern::Exact(exact) => exact == id,
            IdPattern::Prefix(prefix) => id.starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for IdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdPattern::Exact(exact) => f.write_str(exact),
            IdPattern::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Filter {
    /// How many items its lists have together: what it takes in memory grows with them.
    pub fn items(&self) -> usize {
        let Filter { kinds, ids, realms, types, from, to } = self;
        kinds.len() + ids.len() + realms.len() + types.len() + from.len() + to.len()
    }

    /// Whether it lets the change through.
    pub fn matches(&self, change: &NewChange) -> bool {
        fn allows<T: PartialEq>(list: &[T], value: Option<&T>) -> bool {
            list.is_empty() || value.is_some_and(|value| list.contains(value))
        }
        let id = change.resource.as_str();
        let kind_matches = match change.subject {
            Subject::Hook | Subject::Provider | Subject::Account => self.kinds.is_empty(),
            Subject::Instance => allows(&self.kinds, Some(&Kind::Instance)),
            Subject::Realm => allows(&self.kinds, Some(&Kind::Realm)),
        };
        let realm = || match change.subject {
            Subject::Realm => Some(id),
            _ => change.realm.as_deref(),
        };
        kind_matches
            && allows(&self.types, Some(&change.change_type))
            && (self.ids.is_empty() || self.ids.iter().any(|pattern| pattern.matches(id)))
            && (self.realms.is_empty() || realm().is_some_and(|realm| self.realms.iter().any(|known| known == realm)))
            && allows(&self.from, change.old_state.as_ref())
            && allows(&self.to, change.new_state.as_ref())
    }

    /// Whether it lets a resource through as far as it is a matter of resources, and not of what happened to them.
    pub fn shows(&self, resource: &Resource) -> bool {
        let id = resource.id().as_str();
        let realm = match resource.kind() {
            Kind::Realm => Some(id),
            Kind::Instance => resource.realm(),
        };
        (self.kinds.is_empty() || self.kinds.contains(&resource.kind()))
            && (self.ids.is_empty() || self.ids.iter().any(|pattern| pattern.matches(id)))
            && (self.realms.is_empty() || realm.is_some_and(|realm| self.realms.iter().any(|known| known == realm)))
    }

    /// Whether it may let the change through by which an instance leaves this state. To which state is not known
    /// beforehand, so that `to` has no say.
    pub fn awaits(&self, id: &ResourceId, realm: Option<&str>, state: InstanceState) -> bool {
        let leaves = |change_type: ChangeType| {
            self.matches(&NewChange {
                change_type,
                subject: Subject::Instance,
                resource: id.clone(),
                name: None,
                realm: realm.map(str::to_owned),
                old_state: Some(State::Instance(state)),
                new_state: self.to.first().copied(),
                observed_after: None,
                observed_at: Timestamp::default(),
                passed_over: false,
                details: None,
            })
        };
        leaves(ChangeType::InstanceState) || leaves(ChangeType::InstanceRemoved)
    }

    /// Of which kind the lists are that a hook with this filter waits for most.
    pub fn leading_kind(&self) -> Kind {
        if self.kinds == [Kind::Realm] { Kind::Realm } else { Kind::Instance }
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
    fn a_filter_lets_through_what_all_its_lists_do() {
        use crate::model::{InstanceState, RealmState};
        let running = State::Instance(InstanceState::Running);
        let stopped = State::Instance(InstanceState::Stopped);
        let down = State::Realm(RealmState::Unavailable);
        let change = |change_type: ChangeType, subject, id: &str, realm: Option<&str>, from, to| NewChange {
            change_type,
            subject,
            resource: ResourceId::parse(id).expect(id),
            name: None,
            realm: realm.map(str::to_owned),
            old_state: from,
            new_state: to,
            observed_after: None,
            observed_at: Timestamp::default(),
            passed_over: false,
            details: None,
        };
        let stops =
            change(ChangeType::InstanceState, Subject::Instance, "web-1", Some("us"), Some(running), Some(stopped));
        let created = change(ChangeType::InstanceCreated, Subject::Instance, "db", None, None, Some(running));
        let realm = change(ChangeType::RealmState, Subject::Realm, "eu", None, None, Some(down));
        let disabled = change(ChangeType::HookDisabled, Subject::Hook, "7", None, None, None);
        let check = |filter: Filter, want: [bool; 4]| {
            let got = [&stops, &created, &realm, &disabled].map(|change| filter.matches(change));
            assert_eq!(got, want, "{filter:?}");
        };
        let ids = |patterns: &[&str]| Filter {
            ids: patterns.iter().map(|text| IdPattern::parse(text).expect(text)).collect(),
            ..Filter::default()
        };
        let realms = |names: &[&str]| Filter {
            realms: names.iter().map(|&name| name.to_owned()).collect(),
            ..Filter::default()
        };
        let all = Filter::default;
        check(all(), [true, true, true, true]);
        check(Filter { kinds: vec![Kind::Realm], ..all() }, [false, false, true, false]);
        check(Filter { kinds: Kind::ALL.to_vec(), ..all() }, [true, true, true, false]);
        check(ids(&["web-1"]), [true, false, false, false]);
        check(ids(&["web-*", "eu"]), [true, false, true, false]);
        check(ids(&["web"]), [false, false, false, false]);
        check(ids(&["*"]), [true, true, true, true]);
        check(realms(&["us"]), [true, false, false, false]);
        check(realms(&["eu", "us"]), [true, false, true, false]);
        check(Filter { types: vec![ChangeType::InstanceCreated], ..all() }, [false, true, false, false]);
        check(Filter { types: vec![ChangeType::HookDisabled], ..all() }, [false, false, false, true]);
        check(Filter { from: vec![running], ..all() }, [true, false, false, false]);
        check(Filter { to: vec![running, down], ..all() }, [false, true, true, false]);
        check(Filter { from: vec![running], to: vec![running], ..all() }, [false, false, false, false]);
    }

    #[test]
    fn an_instance_is_awaited_by_who_would_hear_of_its_next_state() {
        use crate::model::InstanceState::{Pending, Running, Stopping};
        let id = ResourceId::parse("web-1").expect("an id");
        let check = |filter: Filter, want: [bool; 2]| {
            let got = [Pending, Stopping].map(|state| filter.awaits(&id, Some("us"), state));
            assert_eq!(got, want, "{filter:?}");
        };
        let all = Filter::default;
        check(all(), [true, true]);
        check(Filter { kinds: vec![Kind::Realm], ..all() }, [false, false]);
        check(Filter { ids: vec![IdPattern::Prefix("web-".into())], ..all() }, [true, true]);
        check(Filter { ids: vec![IdPattern::Exact("db".into())], ..all() }, [false, false]);
        check(Filter { realms: vec!["us".into()], ..all() }, [true, true]);
        check(Filter { realms: vec!["eu".into()], ..all() }, [false, false]);
        check(Filter { from: vec![State::Instance(Stopping)], ..all() }, [false, true]);
        check(Filter { to: vec![State::Instance(Running)], ..all() }, [true, true]);
        check(Filter { types: vec![ChangeType::InstanceRemoved], ..all() }, [true, true]);
        check(Filter { types: vec![ChangeType::InstanceCreated], ..all() }, [false, false]);
    }

    #[test]
    fn a_pattern_is_an_id_or_the_beginning_of_one() {
        let check = |text: &str, want: Option<IdPattern>| {
            let got = IdPattern::parse(text).ok();
            assert_eq!(got, want, "{text}");
            assert!(got.is_none_or(|pattern| pattern.to_string() == text));
        };
        check("i-1", Some(IdPattern::Exact("i-1".into())));
        check("i-*", Some(IdPattern::Prefix("i-".into())));
        check("*", Some(IdPattern::Prefix(String::new())));
        check("a*b", Some(IdPattern::Exact("a*b".into())));
        check("", None);
        check("a\nb*", None);
        check(&"x".repeat(256), None);
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
