//! A change: one event of one resource, and its place in the journal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::account::AccountKey;
use super::resource::{Kind, ResourceId, State};
use super::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeType {
    InstanceCreated,
    InstanceState,
    InstanceUpdated,
    InstanceRemoved,
    RealmCreated,
    RealmState,
    RealmRemoved,
    /// The provider as a whole became unreachable for the account, or is reachable again.
    ProviderState,
    /// The account was not observed for a time.
    TrackerGap,
    /// So much vanished or changed at once that the host asked again; the individual changes follow.
    TrackerMassChange,
    /// The host disabled a hook: its receiver failed for days, or refuses further callbacks.
    HookDisabled,
    /// A test, which the owner of a hook requested.
    HookTest,
}

impl ChangeType {
    pub const ALL: [ChangeType; 12] = [
        ChangeType::InstanceCreated,
        ChangeType::InstanceState,
        ChangeType::InstanceUpdated,
        ChangeType::InstanceRemoved,
        ChangeType::RealmCreated,
        ChangeType::RealmState,
        ChangeType::RealmRemoved,
        ChangeType::ProviderState,
        ChangeType::TrackerGap,
        ChangeType::TrackerMassChange,
        ChangeType::HookDisabled,
        ChangeType::HookTest,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ChangeType::InstanceCreated => "instance.created",
            ChangeType::InstanceState => "instance.state",
            ChangeType::InstanceUpdated => "instance.updated",
            ChangeType::InstanceRemoved => "instance.removed",
            ChangeType::RealmCreated => "realm.created",
            ChangeType::RealmState => "realm.state",
            ChangeType::RealmRemoved => "realm.removed",
            ChangeType::ProviderState => "provider.state",
            ChangeType::TrackerGap => "tracker.gap",
            ChangeType::TrackerMassChange => "tracker.storm",
            ChangeType::HookDisabled => "hook.disabled",
            ChangeType::HookTest => "hook.test",
        }
    }

    pub fn parse(text: &str) -> Option<ChangeType> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    pub fn is_created(self) -> bool {
        matches!(self, ChangeType::InstanceCreated | ChangeType::RealmCreated)
    }

    /// Whether a hook on the resource itself (`track_hook`) receives it: changes of state in the widest sense, from the
    /// first sight to the end, but not of labels or name.
    pub fn is_tracked(self) -> bool {
        self != ChangeType::InstanceUpdated
    }
}

impl fmt::Display for ChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ChangeType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The subject of a change: a resource of one of the kinds, the account's provider, the account itself, or a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Instance,
    Realm,
    Hook,
    Provider,
    Account,
}

impl Subject {
    pub const ALL: [Subject; 5] =
        [Subject::Instance, Subject::Realm, Subject::Hook, Subject::Provider, Subject::Account];

    /// The name of the collection in the API's paths; none for a subject that each account has only one of.
    pub fn plural(self) -> Option<&'static str> {
        match self {
            Subject::Instance => Some(Kind::Instance.plural()),
            Subject::Realm => Some(Kind::Realm.plural()),
            Subject::Hook => Some("hooks"),
            Subject::Provider | Subject::Account => None,
        }
    }
}

impl From<Kind> for Subject {
    fn from(kind: Kind) -> Subject {
        match kind {
            Kind::Instance => Subject::Instance,
            Kind::Realm => Subject::Realm,
        }
    }
}

/// `chg_` and a ULID: unique everywhere. It is also the `webhook-id`, with which receivers drop duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(pub u128);

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chg_{}", ulid::Ulid(self.0))
    }
}

impl FromStr for ChangeId {
    type Err = InvalidChangeId;

    fn from_str(text: &str) -> Result<ChangeId, InvalidChangeId> {
        let ulid = text.strip_prefix("chg_").and_then(|encoded| ulid::Ulid::from_string(encoded).ok());
        // A ULID can be written in several forms, but only one is an id.
        ulid.map(|ulid| ChangeId(ulid.0)).filter(|id| id.to_string() == text).ok_or(InvalidChangeId)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a change, which is chg_ and 26 letters and digits")]
pub struct InvalidChangeId;

impl Serialize for ChangeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A place in the journal of one store: opaque to clients, ordered as text, and recognised as foreign by another store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The store's own random mark.
    pub store: u32,
    /// The change's number in the journal, from 1 up.
    pub sequence: i64,
}

impl Cursor {
    const CHARS: usize = 24;

    /// Whether it is a place in the journal that ends with `newest`: of the same store, and not beyond its end. A
    /// cursor can be beyond the end if an older state of the store was restored after it was issued.
    pub fn is_in(self, newest: Cursor) -> bool {
        self.store == newest.store && (0..=newest.sequence).contains(&self.sequence)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:016x}", self.store, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Cursor, InvalidCursor> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != Cursor::CHARS || !text.bytes().all(is_hex) {
            return Err(InvalidCursor);
        }
        let (store, sequence) = text.split_at(8);
        let store = u32::from_str_radix(store, 16).map_err(|_| InvalidCursor)?;
        let sequence = i64::from_str_radix(sequence, 16).map_err(|_| InvalidCursor)?;
        Ok(Cursor { store, sequence })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor, which is 24 digits and letters from a to f")]
pub struct InvalidCursor;

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A change that the diff found, without a place in the journal yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChange {
    pub change_type: ChangeType,
    pub subject: Subject,
    pub resource: ResourceId,
    pub name: Option<String>,
    pub realm: Option<String>,
    pub old_state: Option<State>,
    pub new_state: Option<State>,
    /// When the old state was last seen; absent if the resource had never been seen.
    pub observed_after: Option<Timestamp>,
    pub observed_at: Timestamp,
    /// Whether more time than usual was between the two, so that states between them may have been missed.
    pub passed_over: bool,
    /// Details that only this type of change has.
    pub details: Option<Details>,
}

/// Details that only one type of change has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Details {
    Gap(Gap),
    MassChange(MassChange),
    Flapping(Flapping),
}

/// Members that only changes of some types have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what is written where `details` is")]
struct Members {
    /// In `tracker.gap` and `tracker.storm`: the collection, `instances` or `realms`.
    #[schema(required = false)]
    of: String,
    /// In `tracker.gap`: when the last complete list was asked for, when the next one was (`to`), and why there was none
    /// between (`why`).
    #[schema(required = false)]
    from: Timestamp,
    #[schema(required = false)]
    to: Timestamp,
    #[schema(required = false)]
    why: String,
    /// In `tracker.storm`: how many resources vanished or changed, how many were known (`known`), since when the list was
    /// held (`held_since`), and whether the operator accepted it silently, so that its changes are not in the journal
    /// (`silent`).
    #[schema(required = false)]
    affected: usize,
    #[schema(required = false)]
    known: usize,
    #[schema(required = false)]
    held_since: Timestamp,
    #[schema(required = false)]
    silent: bool,
    /// In changes of a flapping state: since when its changes are damped, until when they were (`damped_until`), and how
    /// many changes there were (`flips`).
    #[schema(required = false)]
    damped_since: Timestamp,
    #[schema(required = false)]
    damped_until: Timestamp,
    #[schema(required = false)]
    flips: u32,
}

/// A flapping state, whose changes are or were damped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Flapping {
    /// When the last change before the damping was seen.
    pub damped_since: Timestamp,
    /// When the damping ended; absent in the change that begins it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub damped_until: Option<Timestamp>,
    /// How many changes of state there were, including those before the damping.
    pub flips: u32,
}

/// More resources of an account vanished or changed between two lists than is plausible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MassChange {
    /// The kind, as a collection in the API.
    pub of: String,
    /// How many resources vanished or are in another state, and how many were known.
    pub affected: usize,
    pub known: usize,
    /// When a list showed it first.
    pub held_since: Timestamp,
    /// Whether the operator accepted it silently, so that its changes are not in the journal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// A time in which lists of one kind did not come, or were not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The kind, as a collection in the API: `instances`, `realms`.
    pub of: String,
    /// When the last complete list was asked for.
    pub from: Timestamp,
    /// When the next one was.
    pub to: Timestamp,
    pub why: String,
}

/// A change in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub id: ChangeId,
    pub cursor: Cursor,
    pub account: AccountKey,
    /// When it was added to the journal.
    pub timestamp: Timestamp,
    pub what: NewChange,
}

/// A change, the same in a callback, among pending changes and in the feed.
// It is here, with its serde, because these three modules do not depend on each other and must write the same. The comment above
// appears in the documentation for clients.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Change)]
pub struct ChangeDocument<'a> {
    pub id: ChangeId,
    pub cursor: Cursor,
    #[serde(rename = "type")]
    pub change_type: ChangeType,
    pub timestamp: Timestamp,
    pub driver: &'a str,
    pub provider: &'a str,
    pub resource: ResourceDocument<'a>,
    #[schema(required)]
    pub old_state: Option<State>,
    #[schema(required)]
    pub new_state: Option<State>,
    #[schema(required)]
    pub observed_after: Option<Timestamp>,
    pub observed_at: Timestamp,
    /// Absent if it is false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub may_have_passed_over: bool,
    #[serde(flatten)]
    #[schema(value_type = Members, inline)]
    pub details: Option<&'a Details>,
    /// Only in callbacks and among pending changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub track_token: Option<&'a str>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ChangedResource)]
pub struct ResourceDocument<'a> {
    pub kind: Subject,
    pub id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub realm: Option<&'a str>,
    pub href: String,
}

impl Change {
    /// `public_url` is the host's own address as clients reach it, without a slash at the end.
    pub fn document<'a>(&'a self, public_url: &str, track_token: Option<&'a str>) -> ChangeDocument<'a> {
        ChangeDocument {
            id: self.id,
            cursor: self.cursor,
            change_type: self.what.change_type,
            timestamp: self.timestamp,
            driver: &self.account.driver,
            provider: &self.account.provider,
            resource: ResourceDocument {
                kind: self.what.subject,
                id: self.what.resource.as_str(),
                name: self.what.name.as_deref(),
                realm: self.what.realm.as_deref(),
                href: href(public_url, self.what.subject, &self.what.resource),
            },
            old_state: self.what.old_state,
            new_state: self.what.new_state,
            observed_after: self.what.observed_after,
            observed_at: self.what.observed_at,
            may_have_passed_over: self.what.passed_over,
            details: self.what.details.as_ref(),
            track_token,
        }
    }
}

/// The URL of a resource in the API.
pub fn href(public_url: &str, subject: impl Into<Subject>, id: &ResourceId) -> String {
    let Some(collection) = subject.into().plural() else { return format!("{public_url}/api/account") };
    format!("{public_url}/api/{collection}/{}", segment(id.as_str()))
}

/// An id as a path segment.
fn segment(id: &str) -> String {
    if let "." | ".." = id {
        // Clients remove segments of only dots from paths, even percent-encoded ones (URL Standard, 4.4). With an empty
        // parameter after the dots, they are a name (RFC 3986, 3.3).
        return format!("{id};");
    }
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    // In a path a space is %20; `+`, which forms use, would be taken literally.
    id.replace('+', "%20")
}

/// The id of a segment that `href` wrote, if it was not percent-encoded.
pub fn id_of_segment(segment: &str) -> Option<&str> {
    segment.strip_suffix(';').filter(|id| matches!(*id, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let check = |text: &str, want: Option<Cursor>| {
            let got = text.parse::<Cursor>().ok();
            assert_eq!(got, want, "{text}");
            assert!(got.is_none_or(|cursor| cursor.to_string() == text), "{text}");
        };
        check("29b259fe0000000000000003", Some(Cursor { store: 0x29b2_59fe, sequence: 3 }));
        check("000000000000000000000000", Some(Cursor { store: 0, sequence: 0 }));
        check("ffffffff7fffffffffffffff", Some(Cursor { store: u32::MAX, sequence: i64::MAX }));
        check("ffffffff8000000000000000", None);
        check("29B259FE0000000000000003", None);
        check("+9b259fe+000000000000003", None);
        check("29b259fe000000000000003", None);
        check("29b259fe00000000000000030", None);
        check("é9b259fe00000000000000", None);
        check("0", None);
        check("", None);
    }

    #[test]
    fn clients_find_every_id_by_its_href() {
        for id in
            [".", "..", "...", "..;", ";", "a/b", "a b", "a+b", "%2e", "%2e%2e", "?", "#", "\u{fc}", "\\", "a\\..\\b"]
        {
            let href = href("http://h.example", Kind::Instance, &ResourceId::parse(id).expect(id));
            let url = url::Url::parse(&href).expect(&href);
            assert_eq!(url.as_str(), href, "{id}: it stays as it is");
            let segment = url.path().strip_prefix("/api/instances/").expect(&href);
            let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().expect(&href);
            assert_eq!(id_of_segment(segment).unwrap_or(&decoded), id);
        }
    }

    #[test]
    fn a_cursor_is_of_one_journal() {
        let newest = Cursor { store: 7, sequence: 5 };
        let check = |store: u32, sequence: i64, want: bool| {
            assert_eq!(Cursor { store, sequence }.is_in(newest), want, "{store} {sequence}");
        };
        check(7, 0, true);
        check(7, 5, true);
        check(7, 6, false);
        check(8, 5, false);
    }

    #[test]
    fn ids_of_changes_are_read_as_they_are_written() {
        let check = |text: &str, want: Option<ChangeId>| assert_eq!(text.parse::<ChangeId>().ok(), want, "{text}");
        let id = ChangeId(0x0192_9e5c_ffff_0000_1111_2222_3333_4444);
        check(&id.to_string(), Some(id));
        check(&ChangeId(u128::MAX).to_string(), Some(ChangeId(u128::MAX)));
        check(&id.to_string().to_lowercase(), None);
        check(&id.to_string()[4..], None);
        check("chg_80000000000000000000000000", None);
        check("chg_", None);
        check("", None);
    }
}
