//! Deltas, for drivers with the feature `delta`: when a delta is enough, and what it is compared with. Complete lists
//! remain necessary: they find the changes that a provider did not report. Pure.

use super::settings::Settings;
use crate::driver::{DriverInfo, Target};
use crate::model::{Kind, Resource, ResourceId, Timestamp};
use crate::store::{Passing, PollTicket};
use crate::vault::Vault;

/// Identifies the source of a list: the driver's file, the account and the cloud. A list continues an earlier one only if
/// their sources are equal.
pub(super) fn lister(driver: &DriverInfo, target: &Target, vault: &Vault) -> String {
    let place = vault.hash_key().hash(&[b"what gives a list", &target.mark()]);
    format!("{} {}", driver.digest, hex::encode(place))
}

/// The part that identifies the driver's file.
pub(super) fn file(lister: &str) -> &str {
    lister.split_once(' ').map_or(lister, |(file, _)| file)
}

/// The time since which a delta is enough; absent if everything has to be listed.
pub(super) fn since(
    settings: &Settings,
    ticket: &PollTicket,
    (driver, lister): (&DriverInfo, &str),
    now: Timestamp,
) -> Option<Timestamp> {
    let (last, full) = (ticket.last_complete?, ticket.last_full?);
    // Times in the future are from before the clock was set back.
    let is_anchored = full <= now && last <= now && now.since(full) < settings.full_every;
    // A mass change, and a missing resource, are confirmed by a list of the same kind. Another version of a driver may
    // show unchanged resources differently, and another cloud has other instances.
    let is_trusted = ticket.held.is_none()
        && !ticket.unconfirmed
        && ticket.listed_by.as_deref() == Some(lister)
        && ticket.kind == Kind::Instance;
    (driver.delta && is_anchored && is_trusted).then(|| last.before(settings.delta_overlap))
}

/// Whether the wanted instances can be listed alone: only if their old state is known from a list of the same driver,
/// and nothing needs a complete list. The caller compares the account and the cloud as well (`lister`).
pub(super) fn is_by_id(ticket: &PollTicket, driver: &DriverInfo) -> bool {
    driver.by_id
        && ticket.kind == Kind::Instance
        && ticket.last_complete.is_some()
        && ticket.failures == 0
        && ticket.held.is_none()
        && ticket.listed_by.as_deref().is_some_and(|lister| file(lister) == driver.digest)
}

/// The ids in a delta.
pub(super) fn spoken_of(resources: &[Resource], removed: &[ResourceId]) -> Vec<ResourceId> {
    resources.iter().map(Resource::id).chain(removed).cloned().collect()
}

/// The instances in passing states after a delta: stored ones that the delta does not contain, and those in the delta.
pub(super) fn passing(stored: Vec<Passing>, spoken_of: &[ResourceId], listed: Vec<Passing>) -> Vec<Passing> {
    let spoken_of: std::collections::HashSet<&ResourceId> = spoken_of.iter().collect();
    stored.into_iter().filter(|passing| !spoken_of.contains(&passing.id)).chain(listed).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::InstanceState;
    use crate::poll::pretend;
    use crate::store::Held;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(minutes * MINUTE)
    }

    fn ticket() -> PollTicket {
        PollTicket {
            due: at(100),
            last_complete: Some(at(99)),
            last_full: Some(at(90)),
            listed_by: Some("digest place".into()),
            ..pretend::ticket()
        }
    }

    #[test]
    fn changes_are_enough_between_lists_of_everything() {
        let settings = Settings {
            full_every: Duration::from_secs(15 * 60),
            delta_overlap: Duration::from_secs(120),
            ..Settings::default()
        };
        let driver = |delta| DriverInfo { delta, digest: "digest".into(), ..DriverInfo::default() };
        let check = |ticket: PollTicket, now: i64, want: Option<i64>| {
            assert_eq!(
                since(&settings, &ticket, (&driver(true), "digest place"), at(now)),
                want.map(at),
                "{now} {ticket:?}"
            );
        };
        check(ticket(), 100, Some(97));
        assert_eq!(since(&settings, &ticket(), (&driver(false), "digest place"), at(100)), None);
        check(ticket(), 104, Some(97));
        check(ticket(), 105, None);
        check(PollTicket { failures: 3, ..ticket() }, 104, Some(97));
        check(PollTicket { last_full: None, ..ticket() }, 100, None);
        check(PollTicket { last_complete: None, ..ticket() }, 100, None);
        check(PollTicket { unconfirmed: true, ..ticket() }, 100, None);
        for other in ["another place", "digest elsewhere", "digest", "digestplace", ""] {
            check(PollTicket { listed_by: Some(other.into()), ..ticket() }, 100, None);
        }
        check(PollTicket { kind: Kind::Realm, ..ticket() }, 100, None);
        let held = Held { since: at(99), lists: 1, affected: 30, known: 50, decision: None, print: None, told: false };
        check(PollTicket { held: Some(held), ..ticket() }, 100, None);
        // The clock was set back behind the last list.
        check(ticket(), 95, None);
        let never = Settings { full_every: Duration::ZERO, ..Settings::default() };
        assert_eq!(since(&never, &ticket(), (&driver(true), "digest place"), at(100)), None);
    }

    #[test]
    fn instances_are_asked_for_alone_where_what_they_were_is_known() {
        let driver = |by_id| DriverInfo { by_id, digest: "digest".into(), ..DriverInfo::default() };
        let check = |ticket: PollTicket, want: bool| {
            assert_eq!(is_by_id(&ticket, &driver(true)), want, "{ticket:?}");
            assert!(!is_by_id(&ticket, &driver(false)));
        };
        check(ticket(), true);
        check(PollTicket { last_complete: None, ..ticket() }, false);
        check(PollTicket { failures: 1, ..ticket() }, false);
        check(PollTicket { listed_by: Some("another place".into()), ..ticket() }, false);
        check(PollTicket { kind: Kind::Realm, ..ticket() }, false);
        let held = Held { since: at(99), lists: 1, affected: 30, known: 50, decision: None, print: None, told: false };
        check(PollTicket { held: Some(held), ..ticket() }, false);
    }

    #[test]
    fn what_passes_is_known_of_what_was_not_listed_too() {
        let passing_of = |ids: &[&str]| -> Vec<Passing> {
            let one = |id: &&str| Passing { id: id_of(id), realm: None, state: InstanceState::Pending };
            ids.iter().map(one).collect()
        };
        fn id_of(id: &str) -> ResourceId {
            ResourceId::parse(id).expect("an id")
        }
        let got = passing(passing_of(&["a", "b", "c"]), &[id_of("b"), id_of("d")], passing_of(&["d"]));
        assert_eq!(got, passing_of(&["a", "c", "d"]));
    }
}
