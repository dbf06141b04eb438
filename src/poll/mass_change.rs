//! When so much of an account vanishes or changes at once that the provider is more likely to be wrong than right. Such
//! a list is held: it is asked for again, and only what is still so is told, as a mass change. Pure.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{
    AccountKey, ChangeType, Details, Kind, MassChange, NewChange, Resource, ResourceId, Subject, Timestamp,
};
use crate::store::{Decision, Held};

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which share of an account's resources of one kind, and how many at least, make a mass change.
    pub share: f64,
    pub least: usize,
    pub until: Until,
}

/// How long a mass change is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until a second list shows it too.
    Confirmed,
    /// Until an operator accepts it, or it passes.
    Accepted,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { share: 0.3, least: 20, until: Until::Confirmed }
    }
}

/// What a list shows beside what is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Resources that vanished or are in another state.
    pub(super) affected: usize,
    pub(super) known: usize,
}

/// What is to be made of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Recorded: it is no mass change.
    Record,
    /// Not recorded, and asked for again.
    Hold,
    /// Not recorded: it is the list that was rejected.
    KeepRejected,
    /// Not recorded: it is another list than the one that was rejected, and judged by itself.
    HoldAnew,
    /// Recorded, and told as a mass change that was held since then.
    Tell(Timestamp),
    /// Recorded, and nothing told of it but that it was accepted silently.
    TellNothing(Timestamp),
}

/// Judges a list. `print` tells it from other lists; absent where it shows only a part of what there is.
pub(super) fn judge(settings: &Settings, extent: Extent, print: Option<u64>, held: Option<&Held>) -> Verdict {
    let Extent { affected, known } = extent;
    let is_mass_change = affected >= settings.least.max(1) && affected as f64 > known as f64 * settings.share;
    let Some(held) = held else {
        return if is_mass_change { Verdict::Hold } else { Verdict::Record };
    };
    // One that is told already was judged before: what is left of it to be recorded may be less than a mass change.
    if !is_mass_change && !held.told {
        return Verdict::Record;
    }
    match held.decision {
        Some(Decision::AcceptSilently) => Verdict::TellNothing(held.since),
        Some(Decision::Accept) => Verdict::Tell(held.since),
        _ if held.told => Verdict::Tell(held.since),
        Some(Decision::Reject) => match (held.print, print) {
            (Some(rejected), Some(print)) if rejected != print => Verdict::HoldAnew,
            _ => Verdict::KeepRejected,
        },
        None => match settings.until {
            Until::Confirmed => Verdict::Tell(held.since),
            Until::Accepted => Verdict::Hold,
        },
    }
}

/// A number that tells a list from others in which other resources are, or the same in other states. In whatever order
/// they come, it is the same.
pub(super) fn print(resources: &[Resource]) -> u64 {
    let mut form = Vec::new();
    resources.iter().fold(0, |sum, resource| {
        form.clear();
        form.extend_from_slice(resource.state().as_str().as_bytes());
        // No state has it, so that no id can pass for another state.
        form.push(0);
        form.extend_from_slice(resource.id().as_str().as_bytes());
        u64::wrapping_add(sum, xxh3_64(&form))
    })
}

/// The change that goes before those that a mass change is made of.
pub(super) fn change(
    account: &AccountKey,
    kind: Kind,
    extent: Extent,
    verdict: Verdict,
    observed_at: Timestamp,
) -> Option<NewChange> {
    let (since, silent) = match verdict {
        Verdict::Record | Verdict::Hold | Verdict::KeepRejected | Verdict::HoldAnew => return None,
        Verdict::Tell(since) => (since, false),
        Verdict::TellNothing(since) => (since, true),
    };
    let mass_change = MassChange {
        of: kind.plural().to_owned(),
        affected: extent.affected,
        known: extent.known,
        held_since: since,
        silent,
    };
    Some(NewChange {
        change_type: ChangeType::TrackerMassChange,
        subject: Subject::Account,
        resource: ResourceId::made_of(&account.user),
        name: None,
        realm: None,
        old_state: None,
        new_state: None,
        observed_after: Some(since),
        observed_at,
        passed_over: false,
        details: Some(Details::MassChange(mass_change)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Realm, RealmState};

    #[test]
    fn a_mass_change_is_held_until_it_is_confirmed_or_decided() {
        let since = Timestamp::from_millis(1000);
        let held =
            |decision| Some(Held { since, lists: 1, affected: 25, known: 50, decision, print: Some(1), told: false });
        let check = |until: Until, (affected, known): (usize, usize), print, held: Option<Held>, want: Verdict| {
            let settings = Settings { until, ..Settings::default() };
            let got = judge(&settings, Extent { affected, known }, print, held.as_ref());
            assert_eq!(got, want, "{until:?} {affected} {known} {print:?} {held:?}");
        };
        use Decision::{Accept, AcceptSilently, Reject};
        use Until::{Accepted, Confirmed};
        use Verdict::{Hold, HoldAnew, KeepRejected, Record, Tell, TellNothing};
        check(Confirmed, (0, 0), Some(1), None, Record);
        check(Confirmed, (19, 19), Some(1), None, Record);
        check(Confirmed, (20, 20), Some(1), None, Hold);
        check(Confirmed, (30, 100), Some(1), None, Record);
        check(Confirmed, (31, 100), Some(1), None, Hold);
        check(Confirmed, (31, 100), Some(2), held(None), Tell(since));
        check(Accepted, (31, 100), Some(2), held(None), Hold);
        for until in [Confirmed, Accepted] {
            for decision in [None, Some(Accept), Some(AcceptSilently), Some(Reject)] {
                check(until, (5, 100), Some(2), held(decision), Record);
            }
            check(until, (31, 100), Some(2), held(Some(Accept)), Tell(since));
            check(until, (31, 100), Some(2), held(Some(AcceptSilently)), TellNothing(since));
            check(until, (31, 100), Some(1), held(Some(Reject)), KeepRejected);
            check(until, (31, 100), Some(2), held(Some(Reject)), HoldAnew);
            // A part of a list does not show that it is another one.
            check(until, (31, 100), None, held(Some(Reject)), KeepRejected);
            let part = held(Some(Reject)).map(|held| Held { print: None, ..held });
            check(until, (31, 100), Some(2), part, KeepRejected);
            // What is recorded and told in part is recorded to its end.
            for (decision, want) in
                [(None, Tell(since)), (Some(Reject), Tell(since)), (Some(AcceptSilently), TellNothing(since))]
            {
                check(until, (5, 100), Some(2), held(decision).map(|held| Held { told: true, ..held }), want);
            }
        }
    }

    #[test]
    fn a_print_hangs_on_ids_and_states_alone() {
        let realm = |id: &str, name: &str, state| {
            let id = ResourceId::parse(id).expect("an id");
            Resource::Realm(Realm { id, name: name.into(), state, limit: None })
        };
        let (up, down) = (RealmState::Available, RealmState::Unavailable);
        let list = [realm("a", "x", up), realm("b", "x", down)];
        assert_eq!(print(&list), print(&[realm("b", "y", down), realm("a", "z", up)]));
        for other in
            [&list[..1], &[realm("a", "x", down), realm("b", "x", up)], &[realm("a", "x", up), realm("c", "x", down)]]
        {
            assert_ne!(print(&list), print(other));
        }
    }
}
