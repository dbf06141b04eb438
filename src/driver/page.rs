//! Pages from a guest, validated and converted to the model. Data from a guest is never trusted: an error names the
//! item that violates the contract, and how.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bindings::inventory;
use super::error::CallError;
use super::limits::Limits;
use super::listing::Coverage;
use super::message::message;
use super::requests::withheld::Withheld;
use crate::model::word::{Word, Words};
use crate::model::{
    Address, AddressKind, Instance, InstanceState, Realm, RealmState, Resource, ResourceId, Text, Timestamp,
};

/// A checked page.
pub(super) struct Page {
    pub(super) resources: Vec<Resource>,
    pub(super) next: Option<String>,
    pub(super) coverage: Coverage,
    /// How many entries the whole list has, if the provider says so.
    pub(super) total: Option<u64>,
    /// How many entries of the page the driver left out because they are of another kind.
    pub(super) omitted: u64,
    /// What the list takes in memory, this page included.
    pub(super) bytes: usize,
}

/// What a poll may still list.
#[derive(Clone, Copy)]
pub(super) struct Left {
    pub(super) items: usize,
    /// What the pages before take in memory.
    pub(super) bytes: usize,
}

/// What the checks of one page need to know.
pub(super) struct Checks<'a> {
    limits: &'a Limits,
    /// What no list may show.
    withheld: &'a Withheld,
    words: &'a mut Words,
    items_left: usize,
    bytes: usize,
}

pub(super) fn instances(page: inventory::InstancePage, mut checks: Checks<'_>) -> Result<Page, CallError> {
    checks.count(page.items.len(), size_of::<Instance>())?;
    let resources = page.items.into_iter().map(|item| instance(item, &mut checks)).collect::<Result<_, _>>()?;
    checks.is_room()?;
    let next = checks.cursor(page.next)?;
    let coverage = coverage(page.coverage, &mut checks)?;
    Ok(Page { resources, next, coverage, total: page.total, omitted: page.omitted, bytes: checks.bytes })
}

pub(super) fn realms(page: inventory::RealmPage, mut checks: Checks<'_>) -> Result<Page, CallError> {
    checks.count(page.items.len(), size_of::<Realm>())?;
    let resources = page.items.into_iter().map(|item| realm(item, &mut checks)).collect::<Result<_, _>>()?;
    checks.is_room()?;
    let next = checks.cursor(page.next)?;
    let coverage = coverage(page.coverage, &mut checks)?;
    Ok(Page { resources, next, coverage, total: page.total, omitted: page.omitted, bytes: checks.bytes })
}

impl Checks<'_> {
    pub(super) fn new<'a>(limits: &'a Limits, left: Left, withheld: &'a Withheld, words: &'a mut Words) -> Checks<'a> {
        Checks { limits, withheld, words, items_left: left.items, bytes: left.bytes }
    }

    fn count(&mut self, items: usize, size: usize) -> Result<(), CallError> {
        if items > self.items_left {
            return Err(CallError::Limit {
                limit: "items in a list",
                setting: "items",
                value: self.limits.items.to_string(),
            });
        }
        self.take(items.saturating_mul(size));
        self.is_room()
    }

    /// Takes up so much of the host's memory. Whether that is more than there is room for is asked once an item.
    fn take(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn is_room(&self) -> Result<(), CallError> {
        match self.bytes <= self.limits.list_bytes {
            true => Ok(()),
            false => Err(CallError::Limit {
                limit: "bytes of a list",
                setting: "list_bytes",
                value: self.limits.list_bytes.to_string(),
            }),
        }
    }

    /// Takes a list that belongs to one item.
    fn several(&mut self, id: &ResourceId, what: &str, count: usize, size: usize) -> Result<(), CallError> {
        let limit = self.limits.labels;
        if count > limit {
            return Err(CallError::Contract(format!(
                "{:?} has {count} {what}; limit {limit}, setting: drivers.limits.labels",
                id.as_str()
            )));
        }
        self.take(count * size);
        Ok(())
    }

    fn cursor(&self, next: Option<String>) -> Result<Option<String>, CallError> {
        match &next {
            Some(cursor) if cursor.len() > self.limits.field_bytes => {
                Err(self.too_long("the next page's cursor", cursor.len()))
            }
            // An empty one is none.
            _ => Ok(next.filter(|cursor| !cursor.is_empty()).map(|cursor| self.withheld.mask(cursor))),
        }
    }

    fn too_long(&self, what: &str, bytes: usize) -> CallError {
        let limit = self.limits.field_bytes;
        CallError::Contract(format!("{what} has {bytes} bytes; limit {limit}, setting: drivers.limits.field_bytes"))
    }

    fn field(&mut self, id: &ResourceId, name: &str, text: String) -> Result<Text, CallError> {
        if text.len() > self.limits.field_bytes {
            return Err(self.too_long(&format!("{name} of {:?}", id.as_str()), text.len()));
        }
        let text = self.withheld.mask(text);
        self.take(text.len());
        Ok(text.into())
    }

    /// A text that other resources have as well.
    fn word(&mut self, id: &ResourceId, name: &str, text: String) -> Result<Word, CallError> {
        if text.len() > self.limits.field_bytes {
            return Err(self.too_long(&format!("{name} of {:?}", id.as_str()), text.len()));
        }
        let text = self.withheld.mask(text);
        let (word, is_new) = self.words.of(text);
        if is_new {
            self.take(word.bytes());
        }
        Ok(word)
    }

    fn optional_word(&mut self, id: &ResourceId, name: &str, text: Option<String>) -> Result<Option<Word>, CallError> {
        said(text).map(|text| self.word(id, name, text)).transpose()
    }

    fn option(&mut self, id: &ResourceId, name: &str, text: Option<String>) -> Result<Option<Text>, CallError> {
        said(text).map(|text| self.field(id, name, text)).transpose()
    }
}

/// What may be absent and has no letter says no more than if it were.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn coverage(coverage: inventory::Coverage, checks: &mut Checks<'_>) -> Result<Coverage, CallError> {
    match coverage {
        inventory::Coverage::Complete => Ok(Coverage::Complete),
        inventory::Coverage::Partial(why) => Ok(Coverage::Partial(message(checks.withheld.mask(why)))),
        inventory::Coverage::Delta(removed) => {
            checks.count(removed.len(), size_of::<ResourceId>())?;
            let removed = removed.into_iter().map(|text| id(text, checks)).collect::<Result<Vec<_>, _>>()?;
            checks.take(removed.iter().map(|id| id.as_str().len()).sum());
            checks.is_room()?;
            Ok(Coverage::Delta(removed))
        }
    }
}

fn id(text: String, checks: &Checks<'_>) -> Result<ResourceId, CallError> {
    let text = checks.withheld.mask(text);
    let broken = |error, shown: &str| CallError::Contract(format!("it listed the id {}: {error}", beginning(shown)));
    ResourceId::check(&text).map_err(|error| broken(error, &text))?;
    ResourceId::parse(text).map_err(|error| broken(error, ""))
}

fn instance(item: inventory::Instance, checks: &mut Checks<'_>) -> Result<Resource, CallError> {
    checks.is_room()?;
    let id = id(item.id, checks)?;
    let launched_at = item.launched_at.map(Timestamp::from_millis);
    if let Some(time) = launched_at
        && !time.can_be_written()
    {
        return Err(CallError::Contract(format!(
            "launched-at of {:?} is {} ms, which is not a valid time",
            id.as_str(),
            time.as_millis()
        )));
    }
    checks.several(&id, "labels", item.labels.len(), size_of::<(String, String)>())?;
    let mut labels: Box<[_]> = item
        .labels
        .into_iter()
        .map(|(name, value)| Ok((checks.field(&id, "a label", name)?, checks.field(&id, "a label", value)?)))
        .collect::<Result<_, CallError>>()?;
    labels.sort();
    Ok(Resource::Instance(Instance {
        name: checks.option(&id, "name", item.name)?,
        owner: checks.optional_word(&id, "owner", item.owner)?,
        realm: checks.optional_word(&id, "realm", item.realm)?,
        image: checks.optional_word(&id, "image", item.image)?,
        hardware_profile: checks.optional_word(&id, "hardware-profile", item.hardware_profile)?,
        state: match item.state {
            inventory::InstanceState::Pending => InstanceState::Pending,
            inventory::InstanceState::Running => InstanceState::Running,
            inventory::InstanceState::Stopping => InstanceState::Stopping,
            inventory::InstanceState::Stopped => InstanceState::Stopped,
            inventory::InstanceState::ShuttingDown => InstanceState::ShuttingDown,
            inventory::InstanceState::Finish => InstanceState::Finish,
            inventory::InstanceState::Error => InstanceState::Error,
            inventory::InstanceState::Unknown => InstanceState::Unknown,
        },
        provider_state: checks.word(&id, "provider-state", item.provider_state)?,
        launched_at,
        public_addresses: addresses(&id, item.public_addresses, checks)?,
        private_addresses: addresses(&id, item.private_addresses, checks)?,
        labels,
        id,
    }))
}

fn addresses(
    id: &ResourceId,
    items: Vec<inventory::Address>,
    checks: &mut Checks<'_>,
) -> Result<Box<[Address]>, CallError> {
    checks.several(id, "addresses", items.len(), size_of::<Address>())?;
    let mut address = |item: inventory::Address| {
        let value = checks.field(id, "an address", item.value)?;
        let (kind, is_one) = match item.kind {
            inventory::AddressKind::Ipv4 => (AddressKind::Ipv4, value.parse::<Ipv4Addr>().is_ok()),
            inventory::AddressKind::Ipv6 => (AddressKind::Ipv6, is_ipv6(&value)),
            inventory::AddressKind::Hostname => (AddressKind::Hostname, true),
        };
        match is_one {
            true => Ok(Address { kind, value }),
            false => Err(CallError::Contract(format!(
                "an address of {:?} is {}, which is not valid for its kind",
                id.as_str(),
                beginning(&value)
            ))),
        }
    };
    items.into_iter().map(&mut address).collect()
}

/// The beginning of what may be very long, quoted: what is said behind it must not be cut off.
fn beginning(text: &str) -> String {
    let end = text.floor_char_boundary(ResourceId::MAX_BYTES);
    format!("{:?}{}", &text[..end], if end < text.len() { "..." } else { "" })
}

/// A link-local address may name its zone: `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    text.split('%').next().is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

fn realm(item: inventory::Realm, checks: &mut Checks<'_>) -> Result<Resource, CallError> {
    checks.is_room()?;
    let id = id(item.id, checks)?;
    let state = match item.state {
        inventory::RealmState::Available => RealmState::Available,
        inventory::RealmState::Unavailable => RealmState::Unavailable,
    };
    Ok(Resource::Realm(Realm { name: checks.field(&id, "name", item.name)?, state, limit: item.limit, id }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::mask::Mask;
    use crate::model::ErrorCode;

    fn item(id: &str) -> inventory::Instance {
        inventory::Instance {
            id: id.into(),
            name: None,
            owner: None,
            realm: None,
            image: None,
            hardware_profile: None,
            state: inventory::InstanceState::Running,
            provider_state: "running".into(),
            launched_at: None,
            public_addresses: vec![],
            private_addresses: vec![],
            labels: vec![("b".into(), "2".into()), ("a".into(), "1".into())],
        }
    }

    fn page(items: Vec<inventory::Instance>) -> inventory::InstancePage {
        inventory::InstancePage { items, next: None, coverage: inventory::Coverage::Complete, total: None, omitted: 0 }
    }

    fn checked(page: inventory::InstancePage) -> Result<Page, CallError> {
        let limits = Limits { field_bytes: 8, items: 2, labels: 3, list_bytes: 10_000, ..Limits::default() };
        let left = Left { items: limits.items, bytes: 0 };
        instances(page, Checks::new(&limits, left, &Withheld::of(Arc::new(Mask::none())), &mut Words::default()))
    }

    #[test]
    fn what_breaks_the_contract_is_named() {
        let check = |page: inventory::InstancePage, want: &str| match checked(page) {
            Err(error) => assert!(error.to_string().contains(want), "{error}"),
            Ok(_) => panic!("taken: {want}"),
        };
        check(page(vec![item("")]), "can't be empty");
        check(page(vec![item("a\nb")]), "control characters");
        check(page(vec![item(&"x".repeat(256))]), "255 bytes");
        check(
            page(vec![inventory::Instance { name: Some("123456789".into()), ..item("a") }]),
            "name of \"a\" has 9 bytes",
        );
        check(page(vec![inventory::Instance { launched_at: Some(i64::MAX), ..item("a") }]), "launched-at of \"a\"");
        check(page(vec![item("a"), item("b"), item("c")]), "drivers.limits.items");
        check(inventory::InstancePage { next: Some("123456789".into()), ..page(vec![]) }, "cursor has 9 bytes");
        let labels = vec![("a".into(), "b".into()); 4];
        check(page(vec![inventory::Instance { labels, ..item("a") }]), "\"a\" has 4 labels; limit 3, setting: drivers");
        let address = |kind, value: &str| {
            let private_addresses = vec![inventory::Address { kind, value: value.into() }];
            page(vec![inventory::Instance { private_addresses, ..item("a") }])
        };
        check(
            address(inventory::AddressKind::Ipv4, "1.2.3"),
            "an address of \"a\" is \"1.2.3\", which is not valid for its kind",
        );
        check(address(inventory::AddressKind::Ipv6, "1.2.3.4"), "which is not valid for its kind");
        for (kind, value) in [
            (inventory::AddressKind::Ipv4, "10.0.0.1"),
            (inventory::AddressKind::Ipv6, "fe80::1"),
            (inventory::AddressKind::Ipv6, "fe80::%1"),
            (inventory::AddressKind::Hostname, "a.b"),
        ] {
            assert!(checked(address(kind, value)).is_ok(), "{value}");
        }
        let delta = |removed: &[&str]| {
            let removed = removed.iter().map(|id| (*id).to_owned()).collect();
            inventory::InstancePage { coverage: inventory::Coverage::Delta(removed), ..page(vec![]) }
        };
        check(delta(&["i-1", ""]), "listed the id");
        assert!(checked(delta(&["i-1", "i-2"])).is_ok());
    }

    #[test]
    fn a_text_without_a_letter_is_none() {
        let none = || Some(String::new());
        let empty = inventory::Instance {
            name: none(),
            owner: none(),
            realm: none(),
            image: none(),
            hardware_profile: none(),
            provider_state: String::new(),
            labels: vec![("a".into(), String::new())],
            ..item("i-1")
        };
        let listed = checked(page(vec![empty])).expect("a page").resources;
        let Resource::Instance(listed) = &listed[0] else { panic!("an instance") };
        let texts = [&listed.owner, &listed.realm, &listed.image, &listed.hardware_profile];
        assert!(listed.name.is_none() && texts.into_iter().all(Option::is_none), "{listed:?}");
        // These are there, whatever they say.
        assert_eq!((&*listed.provider_state, &*listed.labels[0].1), ("", ""));
    }

    #[test]
    fn a_list_takes_only_so_much_memory() {
        let limits = Limits { list_bytes: 2 * size_of::<Instance>() + 1000, ..Limits::default() };
        let list = |before: usize, text: usize| {
            let item = inventory::Instance { labels: vec![], name: Some("x".repeat(text)), ..item("a") };
            let (left, withheld) = (Left { items: 9, bytes: before }, Withheld::of(Arc::new(Mask::none())));
            instances(page(vec![item]), Checks::new(&limits, left, &withheld, &mut Words::default()))
                .map(|page| page.bytes)
        };
        let first = list(0, 100).expect("there is room");
        assert!((size_of::<Instance>() + 100..size_of::<Instance>() + 180).contains(&first), "{first}");
        let full = list(first, 900).expect_err("there is no room");
        assert_eq!(full.code(), ErrorCode::Limit("list_bytes".into()));
    }

    #[test]
    fn labels_are_sorted() {
        let page = checked(page(vec![item("a")])).expect("taken");
        let [Resource::Instance(instance)] = &page.resources[..] else { panic!("one instance") };
        assert_eq!(*instance.labels, [("a".into(), "1".into()), ("b".into(), "2".into())]);
    }
}
