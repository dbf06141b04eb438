//! Comparing a list with what is stored, alone: what each poll pays for every instance that is as it was.

use tracker::model::word::Words;
use tracker::model::{Address, AddressKind, Instance, InstanceState, Kind, Resource, ResourceId, Timestamp};
use tracker::poll::diff::{Missed, Observation, diff};
use tracker::poll::fingerprint::fingerprint;
use tracker::store::KnownResource;

use crate::host::process_cpu;
use crate::table::Table;

const COUNT: u32 = 100_000;
const ROUNDS: usize = 11;

/// A list in which nothing changed.
pub(crate) fn unchanged(table: &mut Table) {
    let now = Timestamp::from_millis(1_795_341_600_000);
    let listed: Vec<Resource> = {
        let mut words = Words::default();
        (0..COUNT).map(|number| Resource::Instance(instance(number, &mut words))).collect()
    };
    let known: Vec<KnownResource> = listed.iter().map(|resource| known(resource, now)).collect();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let observation = Observation {
            kind: Kind::Instance,
            resources: listed.clone(),
            complete: true,
            in_pieces: false,
            observed_at: now,
            last_complete: Some(now),
            confirmations: 2,
            missed: Missed::default(),
            former_words: None,
        };
        let before = process_cpu();
        let delta = diff(observation, &known);
        rounds.push(process_cpu() - before);
        assert!(delta.upserts.is_empty() && delta.missing.is_empty() && delta.removed.is_empty());
    }
    table.times("  for scale: comparing 100,000 instances, none changed, CPU", rounds, None);
}

/// About as much as EC2 tells of one, which shares its words with the others of its list.
pub(crate) fn instance(number: u32, words: &mut Words) -> Instance {
    let mut word = |text: &str| words.of(text.to_owned()).0;
    let address = |kind, value: String| vec![Address { kind, value: value.into() }];
    Instance {
        id: ResourceId::parse(format!("i-{number:017x}")).expect("an id"),
        name: Some(format!("web-{number}").into()),
        owner: Some(word("123456789012")),
        realm: Some(word("us-east-1a")),
        image: Some(word("ami-0abcdef1234567890")),
        hardware_profile: Some(word("m5.large")),
        state: InstanceState::Running,
        provider_state: word("running"),
        launched_at: Some(Timestamp::from_millis(1_795_000_000_000 + i64::from(number))),
        public_addresses: address(AddressKind::Hostname, format!("ec2-{number}.compute-1.amazonaws.com")).into(),
        private_addresses: address(AddressKind::Ipv4, "10.0.0.1".into()).into(),
        labels: vec![("Name".into(), format!("web-{number}").into()), ("stage".into(), "production".into())].into(),
    }
}

fn known(resource: &Resource, seen: Timestamp) -> KnownResource {
    KnownResource {
        id: resource.id().clone(),
        fingerprint: fingerprint(resource),
        state: resource.state(),
        missing: 0,
        seen,
    }
}
