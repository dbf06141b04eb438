//! What CloudStack's lists mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

use std::collections::BTreeMap;

use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use tracker_driver_sdk::{Error, Instance, InstanceState, Page, Realm, RealmState, json, time};

use crate::addresses::Addresses;
use crate::place::Place;

/// One page as it was answered.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    /// Absent where there is nothing: a list of none is an object without a member.
    items: Option<Vec<T>>,
    /// How many entries there are on all pages, or on this one. Versions before 3.0 do not say.
    count: Option<u64>,
}

/// An answer by the name of its one member, and the list in it by its own.
macro_rules! answer {
    ($answer:ident, $response:ident, $list:ident, $entries:ident: $entry:ty) => {
        #[derive(Deserialize)]
        struct $answer {
            $response: $list,
            errorresponse: Option<IgnoredAny>,
        }

        #[derive(Deserialize)]
        struct $list {
            count: Option<u64>,
            $entries: Option<Vec<$entry>>,
            #[serde(flatten)]
            more: BTreeMap<String, IgnoredAny>,
        }

        impl $answer {
            fn listed<T>(self, read: fn($entry) -> T) -> Result<Listed<T>, Error> {
                let $list { count, $entries: entries, more } = self.$response;
                if self.errorresponse.is_some() || more.contains_key("errorcode") || more.contains_key("errortext") {
                    return Err(Error::UnexpectedAnswer("the answer has an error, too".to_owned()));
                }
                if entries.is_none() && !more.is_empty() {
                    let name = stringify!($entries);
                    return Err(Error::UnexpectedAnswer(format!("the answer has no `{name}`, but other members")));
                }
                let items = entries.map(|entries| entries.into_iter().map(read).collect());
                Ok(Listed { items, count })
            }
        }
    };
}

answer!(VmAnswer, listvirtualmachinesresponse, VmList, virtualmachine: Vm);
answer!(ZoneAnswer, listzonesresponse, ZoneList, zone: Zone);

#[derive(Deserialize)]
struct Vm {
    id: Text,
    name: Option<String>,
    /// The name that people gave it; `name` is its host name, and often made up.
    displayname: Option<String>,
    state: String,
    created: Option<String>,
    account: Option<String>,
    /// A VM of a project has no account.
    project: Option<String>,
    zoneid: Option<Text>,
    templateid: Option<Text>,
    isoid: Option<Text>,
    serviceofferingname: Option<String>,
    serviceofferingid: Option<Text>,
    nic: Option<Vec<Nic>>,
    ipaddress: Option<String>,
    /// The address of static NAT.
    publicip: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Nic {
    ipaddress: Option<String>,
    ip6address: Option<String>,
    publicip: Option<String>,
    secondaryip: Option<Vec<SecondaryIp>>,
}

#[derive(Deserialize)]
struct SecondaryIp {
    ipaddress: Option<String>,
}

/// A tag without a key is none.
#[derive(Deserialize)]
struct Tag {
    key: Option<String>,
    value: Option<String>,
}

#[derive(Deserialize)]
struct Zone {
    id: Text,
    name: Option<String>,
    allocationstate: Option<String>,
}

/// A UUID; or a number, as versions before 3.0 have it.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Text;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an id, a text or a number")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
                Ok(Text(number.to_string()))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A page of VMs.
pub(crate) fn vms(body: &[u8]) -> Result<Listed<Instance>, Error> {
    json::parse::<VmAnswer>(body)?.listed(instance)
}

/// A page of zones.
pub(crate) fn zones(body: &[u8]) -> Result<Listed<Realm>, Error> {
    json::parse::<ZoneAnswer>(body)?.listed(realm)
}

impl<T> Listed<T> {
    /// The page of that place, of a list in pages of that size.
    pub(crate) fn into_page(mut self, place: &Place, size: u64) -> Result<Page<T>, Error> {
        let items = self.items_behind((place.number - 1).saturating_mul(size))?;
        let length = u64::try_from(items.len()).unwrap_or(u64::MAX);
        // Some versions count the entries of the page alone: this one may be followed whatever they say.
        let is_of_page = self.count == Some(length) && (place.seen > 0 || length == size);
        let count = self.count.filter(|_| !is_of_page);
        let is_followed = match count {
            Some(count) => place.seen.saturating_add(length) < count,
            None => length >= size,
        };
        // Behind an empty page there is nothing, whatever the count says: VMs were deleted while the pages were read.
        let next = (is_followed && length > 0).then(|| place.behind(length));
        Ok(Page::complete(items).of_total(count).followed_by(next))
    }

    /// Forgets a count that is not of as few entries as were asked for.
    pub(crate) fn of_at_most(mut self, most: usize) -> Self {
        self.count = self.count.filter(|count| usize::try_from(*count).is_ok_and(|count| count <= most));
        self
    }

    /// The entries, of which so many stand on the pages before.
    fn items_behind(&mut self, before: u64) -> Result<Vec<T>, Error> {
        match (self.items.take(), self.count) {
            (Some(items), _) => Ok(items),
            (None, Some(count)) if count > before => {
                Err(Error::UnexpectedAnswer(format!("the answer says that there are {count} entries, and lists none")))
            }
            (None, _) => Ok(Vec::new()),
        }
    }
}

fn instance(vm: Vm) -> Instance {
    let mut addresses = Addresses::default();
    addresses.of_interface(vm.ipaddress.as_deref());
    for nic in vm.nic.iter().flatten() {
        addresses.of_interface(nic.ipaddress.as_deref());
        addresses.of_interface(nic.ip6address.as_deref());
        for secondary in nic.secondaryip.iter().flatten() {
            addresses.of_interface(secondary.ipaddress.as_deref());
        }
    }
    for nic in vm.nic.iter().flatten() {
        addresses.of_nat(nic.publicip.as_deref());
    }
    addresses.of_nat(vm.publicip.as_deref());
    // In the order of their names, whatever order the answer has them in.
    let labels: BTreeMap<String, String> =
        vm.tags.into_iter().flatten().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect();
    // Before 3.0 a VM from an ISO has the template -1.
    let template = text(vm.templateid).filter(|id| id != "-1");
    Instance {
        name: filled(vm.displayname).or_else(|| filled(vm.name)),
        owner: filled(vm.account).or_else(|| filled(vm.project)),
        realm: text(vm.zoneid),
        image: template.or_else(|| text(vm.isoid)),
        hardware_profile: filled(vm.serviceofferingname).or_else(|| text(vm.serviceofferingid)),
        launched_at: vm.created.as_deref().and_then(time::parse_rfc3339),
        public_addresses: addresses.public,
        private_addresses: addresses.private,
        labels: labels.into_iter().collect(),
        ..Instance::new(vm.id.0, state(&vm.state), vm.state)
    }
}

fn state(word: &str) -> InstanceState {
    match word {
        "Starting" => InstanceState::Pending,
        "Running" => InstanceState::Running,
        "Stopping" => InstanceState::Stopping,
        // `Shutdown`: from inside.
        "Stopped" | "Shutdown" => InstanceState::Stopped,
        // A destroyed VM is off, and waits until the cloud expunges it.
        "Destroyed" | "Expunging" => InstanceState::ShuttingDown,
        "Expunged" => InstanceState::Finish,
        "Error" => InstanceState::Error,
        // `Migrating`, too: a running VM moves to another host, or the volumes of a stopped one to other storage.
        _ => InstanceState::Unknown,
    }
}

fn text(text: Option<Text>) -> Option<String> {
    filled(text.map(|text| text.0))
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// A zone takes new VMs where its allocation state says so.
fn realm(zone: Zone) -> Realm {
    let state = match zone.allocationstate.as_deref() {
        Some("Enabled") => RealmState::Available,
        _ => RealmState::Unavailable,
    };
    let name = filled(zone.name).unwrap_or_else(|| zone.id.0.clone());
    Realm::new(zone.id.0, name, state)
}
