//! The fingerprint of a resource: a hash of all its fields, which differs if the resource has changed.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Address, AddressKind, Instance, Resource, Timestamp};

/// XXH3 (64 bits) of every field of a resource except its id, in a fixed form: it is stored, and compared across
/// restarts and versions. A change of the form makes every resource look updated once.
pub fn fingerprint(resource: &Resource) -> u64 {
    Form::default().fingerprint(resource)
}

/// The form: eight bytes for each number and for each text, which are the XXH3 of the text. Optional values are
/// preceded by their presence, and lists by their length, so that no two records have the same form.
///
/// Texts are short, and hashing one costs less than copying it: this runs for every resource at every poll.
#[derive(Default)]
pub(super) struct Form(Vec<u8>);

impl Form {
    pub(super) fn fingerprint(&mut self, resource: &Resource) -> u64 {
        self.0.clear();
        self.text(resource.state().as_str());
        match resource {
            Resource::Instance(instance) => self.instance(instance),
            Resource::Realm(realm) => {
                self.text(&realm.name);
                self.optional(realm.limit);
            }
        }
        xxh3_64(&self.0)
    }

    fn instance(&mut self, instance: &Instance) {
        let Instance {
            id: _,
            name,
            owner,
            realm,
            image,
            hardware_profile,
            state: _,
            provider_state,
            launched_at,
            public_addresses,
            private_addresses,
            labels,
        } = instance;
        let words = [owner, realm, image, hardware_profile].map(Option::as_deref);
        for field in std::iter::once(name.as_deref()).chain(words) {
            self.optional(field.map(|text| xxh3_64(text.as_bytes())));
        }
        self.text(provider_state);
        self.optional(launched_at.map(|time| Timestamp::as_millis(time).cast_unsigned()));
        self.addresses(public_addresses);
        self.addresses(private_addresses);
        self.number(labels.len() as u64);
        for (name, value) in labels {
            self.text(name);
            self.text(value);
        }
    }

    fn addresses(&mut self, addresses: &[Address]) {
        self.number(addresses.len() as u64);
        for address in addresses {
            self.number(match address.kind {
                AddressKind::Ipv4 => 4,
                AddressKind::Ipv6 => 6,
                AddressKind::Hostname => 0,
            });
            self.text(&address.value);
        }
    }

    fn optional(&mut self, number: Option<u64>) {
        self.number(u64::from(number.is_some()));
        self.number(number.unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        self.number(xxh3_64(text.as_bytes()));
    }

    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstanceState, Realm, RealmState, ResourceId, Text};

    #[test]
    fn every_field_is_in_the_fingerprint() {
        let base = || Instance {
            id: ResourceId::parse("a").expect("an id"),
            name: Some("name of a".into()),
            owner: None,
            realm: Some("us".into()),
            image: Some("img".into()),
            hardware_profile: None,
            state: InstanceState::Running,
            provider_state: "word".into(),
            launched_at: None,
            public_addresses: vec![].into(),
            private_addresses: vec![].into(),
            labels: vec![].into(),
        };
        let address = |kind, value: &str| Address { kind, value: value.into() };
        let mut variants = vec![
            base(),
            Instance { name: None, ..base() },
            Instance { name: Some(Text::default()), ..base() },
            Instance { owner: Some("img".into()), image: None, ..base() },
            Instance { realm: None, ..base() },
            Instance { image: None, ..base() },
            Instance { hardware_profile: Some("m".into()), ..base() },
            Instance { state: InstanceState::Stopped, ..base() },
            Instance { provider_state: "other".into(), ..base() },
            Instance { launched_at: Some(Timestamp::from_millis(0)), ..base() },
            Instance { launched_at: Some(Timestamp::from_millis(1)), ..base() },
            Instance { public_addresses: vec![address(AddressKind::Ipv4, "x")].into(), ..base() },
            Instance { public_addresses: vec![address(AddressKind::Hostname, "x")].into(), ..base() },
            Instance { private_addresses: vec![address(AddressKind::Ipv4, "x")].into(), ..base() },
            Instance { labels: vec![("a".into(), "bc".into())].into(), ..base() },
            Instance { labels: vec![("ab".into(), "c".into())].into(), ..base() },
        ];
        let count = variants.len();
        let mut marks: Vec<u64> =
            variants.drain(..).map(|instance| fingerprint(&Resource::Instance(instance))).collect();
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), count);
        // Stored values must mean the same to the next version.
        let realm = Realm {
            id: ResourceId::parse("us").expect("an id"),
            name: "United States".into(),
            state: RealmState::Available,
            limit: None,
        };
        assert_eq!(fingerprint(&Resource::Realm(realm)), REALM_FINGERPRINT);
        let everything = Instance {
            owner: Some("owner".into()),
            hardware_profile: Some("m1-small".into()),
            launched_at: Some(Timestamp::from_millis(1_795_341_600_000)),
            public_addresses: vec![address(AddressKind::Hostname, "img1.inst1.public.com")].into(),
            private_addresses: vec![address(AddressKind::Ipv4, "10.0.0.1"), address(AddressKind::Ipv6, "fd00::1")]
                .into(),
            labels: vec![("stage".into(), "test".into())].into(),
            ..base()
        };
        assert_eq!(fingerprint(&Resource::Instance(everything)), INSTANCE_FINGERPRINT);
    }

    const REALM_FINGERPRINT: u64 = 1_998_288_725_539_424_264;
    const INSTANCE_FINGERPRINT: u64 = 17_044_533_486_356_836_817;
}
