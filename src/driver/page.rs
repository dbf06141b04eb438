//! Pages as guests give them, checked and turned into the model. A guest's data is never trusted: what
//! breaks the contract is named, with the item that breaks it.

use super::bindings::inventory;
use super::{CallError, Coverage};
use crate::model::{Address, AddressKind, Instance, InstanceState, Realm, RealmState, Resource, ResourceId, Timestamp};

/// A checked page.
pub(super) struct Page {
    pub(super) resources: Vec<Resource>,
    pub(super) next: Option<String>,
    pub(super) coverage: Coverage,
}

/// What the checks of one page need to know.
pub(super) struct Checks {
    /// The longest string that is taken, in bytes.
    pub(super) field_bytes: usize,
    /// How many items the poll may still list.
    pub(super) items_left: usize,
    pub(super) items_limit: usize,
}

pub(super) fn instances(page: inventory::InstancePage, checks: &Checks) -> Result<Page, CallError> {
    checks.count(page.items.len())?;
    let resources = page.items.into_iter().map(|item| instance(item, checks)).collect::<Result<_, _>>()?;
    Ok(Page { resources, next: checks.cursor(page.next)?, coverage: coverage(page.coverage)? })
}

pub(super) fn realms(page: inventory::RealmPage, checks: &Checks) -> Result<Page, CallError> {
    checks.count(page.items.len())?;
    let resources = page.items.into_iter().map(|item| realm(item, checks)).collect::<Result<_, _>>()?;
    Ok(Page { resources, next: checks.cursor(page.next)?, coverage: coverage(page.coverage)? })
}

impl Checks {
    fn count(&self, items: usize) -> Result<(), CallError> {
        match items <= self.items_left {
            true => Ok(()),
            false => Err(CallError::Limit {
                limit: "items in a list",
                setting: "items",
                value: self.items_limit.to_string(),
            }),
        }
    }

    fn cursor(&self, next: Option<String>) -> Result<Option<String>, CallError> {
        match &next {
            Some(cursor) if cursor.len() > self.field_bytes => {
                Err(self.too_long("the next page's cursor", cursor.len()))
            }
            _ => Ok(next),
        }
    }

    fn too_long(&self, what: &str, bytes: usize) -> CallError {
        let limit = self.field_bytes;
        CallError::Contract(format!("{what} has {bytes} bytes; limit {limit}, setting: drivers.limits.field_bytes"))
    }

    fn field(&self, id: &ResourceId, name: &str, text: String) -> Result<String, CallError> {
        match text.len() <= self.field_bytes {
            true => Ok(text),
            false => Err(self.too_long(&format!("{name} of {:?}", id.as_str()), text.len())),
        }
    }

    fn option(&self, id: &ResourceId, name: &str, text: Option<String>) -> Result<Option<String>, CallError> {
        text.map(|text| self.field(id, name, text)).transpose()
    }
}

fn coverage(coverage: inventory::Coverage) -> Result<Coverage, CallError> {
    match coverage {
        inventory::Coverage::Complete => Ok(Coverage::Complete),
        inventory::Coverage::Partial(why) => Ok(Coverage::Partial(super::sandbox::shortened(why))),
        inventory::Coverage::Delta => {
            Err(CallError::Contract("it gave a delta, and was not asked for what has changed".into()))
        }
    }
}

fn id(text: String) -> Result<ResourceId, CallError> {
    let broken = |error, shown: &str| {
        let shown = super::sandbox::shortened(format!("{shown:?}"));
        CallError::Contract(format!("it listed the id {shown}: {error}"))
    };
    ResourceId::check(&text).map_err(|error| broken(error, &text))?;
    ResourceId::parse(text).map_err(|error| broken(error, ""))
}

fn instance(item: inventory::Instance, checks: &Checks) -> Result<Resource, CallError> {
    let id = id(item.id)?;
    let launched_at = item.launched_at.map(Timestamp::from_millis);
    if let Some(time) = launched_at
        && !time.can_be_written()
    {
        return Err(CallError::Contract(format!(
            "launched-at of {:?} is {} ms, which is no time",
            id.as_str(),
            time.as_millis()
        )));
    }
    let mut labels = item
        .labels
        .into_iter()
        .map(|(name, value)| Ok((checks.field(&id, "a label", name)?, checks.field(&id, "a label", value)?)))
        .collect::<Result<Vec<_>, CallError>>()?;
    labels.sort();
    Ok(Resource::Instance(Instance {
        name: checks.option(&id, "name", item.name)?,
        owner: checks.option(&id, "owner", item.owner)?,
        realm: checks.option(&id, "realm", item.realm)?,
        image: checks.option(&id, "image", item.image)?,
        hardware_profile: checks.option(&id, "hardware-profile", item.hardware_profile)?,
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
        provider_state: checks.field(&id, "provider-state", item.provider_state)?,
        launched_at,
        public_addresses: addresses(&id, item.public_addresses, checks)?,
        private_addresses: addresses(&id, item.private_addresses, checks)?,
        labels,
        id,
    }))
}

fn addresses(id: &ResourceId, items: Vec<inventory::Address>, checks: &Checks) -> Result<Vec<Address>, CallError> {
    let address = |item: inventory::Address| {
        let kind = match item.kind {
            inventory::AddressKind::Ipv4 => AddressKind::Ipv4,
            inventory::AddressKind::Ipv6 => AddressKind::Ipv6,
            inventory::AddressKind::Hostname => AddressKind::Hostname,
        };
        Ok(Address { kind, value: checks.field(id, "an address", item.value)? })
    };
    items.into_iter().map(address).collect()
}

fn realm(item: inventory::Realm, checks: &Checks) -> Result<Resource, CallError> {
    let id = id(item.id)?;
    let state = match item.state {
        inventory::RealmState::Available => RealmState::Available,
        inventory::RealmState::Unavailable => RealmState::Unavailable,
    };
    Ok(Resource::Realm(Realm { name: checks.field(&id, "name", item.name)?, state, limit: item.limit, id }))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        inventory::InstancePage { items, next: None, coverage: inventory::Coverage::Complete }
    }

    const CHECKS: Checks = Checks { field_bytes: 8, items_left: 2, items_limit: 2 };

    #[test]
    fn what_breaks_the_contract_is_named() {
        let check = |page: inventory::InstancePage, want: &str| match instances(page, &CHECKS) {
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
        check(inventory::InstancePage { coverage: inventory::Coverage::Delta, ..page(vec![]) }, "delta");
    }

    #[test]
    fn labels_are_sorted() {
        let page = instances(page(vec![item("a")]), &CHECKS).expect("taken");
        let [Resource::Instance(instance)] = &page.resources[..] else { panic!("one instance") };
        assert_eq!(instance.labels, [("a".into(), "1".into()), ("b".into(), "2".into())]);
    }
}
