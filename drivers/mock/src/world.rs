//! The mock world as Apache Deltacloud had it (`server/lib/deltacloud/drivers/mock`): its realms, and the
//! instances of its data folder. The facts are kept, oddities included, for clients were tested against them:
//! `inst1` is made from `img3` and is addressed as `img1`, and `inst3` has no name.

use tracker_driver_sdk::{Address, Instance, InstanceState, Realm, RealmState};

/// Both realms were always there.
pub(crate) const EU_AS_IT_WAS: RealmState = RealmState::Available;

pub(crate) const IMAGES: [&str; 3] = ["img1", "img2", "img3"];
pub(crate) const HARDWARE_PROFILES: [&str; 4] = ["m1-small", "m1-large", "m1-xlarge", "opaque"];
pub(crate) const REALMS: [&str; 2] = ["us", "eu"];

/// One instance of the data folder. All of them were running, with one public and one private host name.
struct Entry {
    id: &'static str,
    name: Option<&'static str>,
    owner: &'static str,
    realm: &'static str,
    image: &'static str,
    hardware_profile: &'static str,
    /// What its host names begin with.
    addressed_as: &'static str,
}

const INSTANCES: [Entry; 4] = [
    Entry {
        id: "inst0",
        name: Some("Mock Instance With Profile Change"),
        owner: "mockuser",
        realm: "us",
        image: "img1",
        hardware_profile: "m1-large",
        addressed_as: "img1",
    },
    Entry {
        id: "inst1",
        name: Some("MockUserInstance"),
        owner: "mockuser",
        realm: "us",
        image: "img3",
        hardware_profile: "m1-small",
        addressed_as: "img1",
    },
    Entry {
        id: "inst2",
        name: Some("AnotherInstance"),
        owner: "anotheruser",
        realm: "us",
        image: "img1",
        hardware_profile: "m1-large",
        addressed_as: "img1",
    },
    Entry {
        id: "inst3",
        name: None,
        owner: "mockuser",
        realm: "eu",
        image: "img3",
        hardware_profile: "m1-small",
        addressed_as: "img3",
    },
];

/// The instances that a user is shown: the user's own, as the original filtered them.
pub(crate) fn instances(user: &str) -> Vec<Instance> {
    INSTANCES.iter().filter(|entry| entry.owner == user).map(instance).collect()
}

fn instance(entry: &Entry) -> Instance {
    let address = |side: &str| vec![Address::hostname(format!("{}.{}.{side}.com", entry.addressed_as, entry.id))];
    Instance {
        name: entry.name.map(str::to_owned),
        owner: Some(entry.owner.to_owned()),
        realm: Some(entry.realm.to_owned()),
        image: Some(entry.image.to_owned()),
        hardware_profile: Some(entry.hardware_profile.to_owned()),
        public_addresses: address("public"),
        private_addresses: address("private"),
        ..Instance::new(entry.id, InstanceState::Running, "RUNNING")
    }
}

/// Both realms; their limit was `unlimited`, which is none.
pub(crate) fn realms(eu: RealmState) -> Vec<Realm> {
    vec![Realm::new(REALMS[0], "United States", RealmState::Available), Realm::new(REALMS[1], "Europe", eu)]
}
