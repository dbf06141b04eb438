//! Mass changes: so much of an account vanishes or changes at once that the provider is more likely wrong than right.
//! The host holds such a list and asks again. It reports only what the next list confirms, as a mass change. Pure.
//!
//! The confirmation of a held list, and the operator's acceptance, apply to exactly that list. A later list with the
//! same changes, or fewer, is believed. Additional changes of a later list are judged separately, as if the held ones
//! had been recorded. If they are no mass change, they are reported, even if the held ones were accepted silently.
//! Otherwise the later list is held instead.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{
    AccountKey, ChangeType, Details, Kind, MassChange, NewChange, Resource, ResourceId, Subject, Timestamp,
};
use crate::store::{Decision, Delta, Effects, Held, Upsert};

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The share of an account's resources of one kind, and the minimum number, that make a mass change.
    pub share: f64,
    pub least: usize,
    pub until: Until,
}

/// How long a mass change is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until a second list shows it.
    Confirmed,
    /// Until an operator accepts it, or a list no longer shows it.
    Accepted,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { share: 0.3, least: 20, until: Until::Confirmed }
    }
}

/// The extent of a list's changes to the known resources.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Resources that vanished or are in another state.
    pub(super) affected: usize,
    pub(super) known: usize,
    /// How many of the affected resources are not affected by the held list.
    pub(super) beyond: usize,
}

/// The decision on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Record it: it is no mass change.
    Record,
    /// Hold it, and ask again.
    Hold,
    /// Do not record it: it is the rejected list.
    KeepRejected,
    /// Hold it instead of the list that is held, from which it differs.
    HoldAnew,
    /// Record it, and report a mass change that was held since this time.
    Tell(Timestamp),
    /// Record it, and report only that it was accepted silently.
    TellNothing(Timestamp),
}

/// Judges a list. `print` distinguishes it from other lists; absent for a list that is not complete.
pub(super) fn judge(settings: &Settings, extent: Extent, print: Option<u64>, held: Option<&Held>) -> Verdict {
    let Extent { affected, known, beyond } = extent;
    let is_mass = |affected: usize, known: usize| {
        affected >= settings.least.max(1) && affected as f64 > known as f64 * settings.share
    };
    let is_mass_change = is_mass(affected, known);
    let is_more = is_mass(beyond, known.saturating_sub(affected.saturating_sub(beyond)));
    let Some(held) = held else {
        return if is_mass_change { Verdict::Hold } else { Verdict::Record };
    };
    // A mass change that was reported was judged before: the part that is still to be recorded may be smaller than a
    // mass change.
    if !is_mass_change && !held.told {
        return Verdict::Record;
    }
    match held.decision {
        Some(Decision::Reject) if !held.told => match (held.print, print) {
            (Some(rejected), Some(print)) if rejected != print => Verdict::HoldAnew,
            // An incomplete list gives no better criterion.
            _ if is_more => Verdict::HoldAnew,
            _ => Verdict::KeepRejected,
        },
        None if !held.told && settings.until == Until::Accepted => Verdict::Hold,
        _ if is_more => Verdict::HoldAnew,
        Some(Decision::AcceptSilently) => Verdict::TellNothing(held.since),
        _ => Verdict::Tell(held.since),
    }
}

/// A number that distinguishes a list from others with different resources or states. It does not depend on the order.
pub(super) fn print(resources: &[Resource]) -> u64 {
    let mut form = Vec::new();
    resources.iter().fold(0, |sum, resource| {
        form.clear();
        form.extend_from_slice(resource.state().as_str().as_bytes());
        // No state contains this byte, so an id cannot be mistaken for a different state.
        form.push(0);
        form.extend_from_slice(resource.id().as_str().as_bytes());
        u64::wrapping_add(sum, xxh3_64(&form))
    })
}

/// The hash of a removal.
pub(super) fn gone(id: &ResourceId) -> u64 {
    effect(b"gone", id)
}

/// The hash of a listed resource: of its state if that changed, otherwise of its fingerprint.
fn listed(upsert: &Upsert) -> u64 {
    match is_affected(upsert) {
        true => effect(upsert.resource.state().as_str().as_bytes(), upsert.resource.id()),
        false => effect(&upsert.fingerprint.to_le_bytes(), upsert.resource.id()),
    }
}

fn effect(what: &[u8], id: &ResourceId) -> u64 {
    let mut form = Vec::with_capacity(what.len() + 1 + id.as_str().len());
    form.extend_from_slice(what);
    form.push(0);
    form.extend_from_slice(id.as_str().as_bytes());
    xxh3_64(&form)
}

/// Whether the resource is known and in another state.
fn is_affected(upsert: &Upsert) -> bool {
    upsert.state_changed && upsert.change.is_some_and(|change| change.old_state.is_some())
}

fn gone_of(delta: &Delta) -> impl Iterator<Item = u64> {
    let removed = delta.removed.iter().map(|removed| &removed.id);
    removed.chain(delta.missing.iter().map(|missing| &missing.id)).map(gone)
}

/// The effects of a list that has to be held.
pub(super) fn effects(delta: Delta) -> Effects {
    let gone: Vec<u64> = gone_of(&delta).collect();
    gone.into_iter().chain(delta.upserts.map(|upsert| listed(&upsert))).collect()
}

/// How many resources vanished or are in another state that are not affected by the held list.
pub(super) fn beyond(delta: &Delta, held: &Effects) -> usize {
    let changed = delta.upserts.found().filter(|upsert| is_affected(upsert)).map(listed);
    gone_of(delta).chain(changed).filter(|effect| !held.has(*effect)).count()
}

/// Removes the changes of the held list from the report. Changes beyond it were not shown to the operator, and are
/// reported.
pub(super) fn silence(delta: &mut Delta, held: Effects) {
    for removed in delta.removed.iter_mut().filter(|removed| held.has(gone(&removed.id))) {
        removed.change = None;
    }
    delta.upserts.alter(move |upsert| {
        if held.has(listed(upsert)) {
            upsert.change = None;
        }
    });
}

/// The change that precedes the individual changes of a mass change.
pub(super) fn change(
    account: &AccountKey,
    kind: Kind,
    extent: Extent,
    verdict: Verdict,
    observed_at: Timestamp,
) -> Option<NewChange> {
    let (since, silent, affected) = match verdict {
        Verdict::Record | Verdict::Hold | Verdict::KeepRejected | Verdict::HoldAnew => return None,
        Verdict::Tell(since) => (since, false, extent.affected),
        // Changes beyond the held list are reported separately.
        Verdict::TellNothing(since) => (since, true, extent.affected.saturating_sub(extent.beyond)),
    };
    let mass_change =
        MassChange { of: kind.plural().to_owned(), affected, known: extent.known, held_since: since, silent };
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
        let check_beyond = |until: Until,
                            (affected, beyond, known): (usize, usize, usize),
                            print,
                            held: Option<Held>,
                            want: Verdict| {
            let settings = Settings { until, ..Settings::default() };
            let got = judge(&settings, Extent { affected, known, beyond }, print, held.as_ref());
            assert_eq!(got, want, "{until:?} {affected} {beyond} {known} {print:?} {held:?}");
        };
        let check =
            |until, (affected, known), print, held, want| check_beyond(until, (affected, 0, known), print, held, want);
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
            // What a list does beyond the one that is held is judged by itself, of what is left.
            for decision in [Some(Accept), Some(AcceptSilently)] {
                let told = if decision == Some(Accept) { Tell(since) } else { TellNothing(since) };
                check_beyond(until, (59, 19, 100), Some(2), held(decision), told);
                check_beyond(until, (70, 20, 100), Some(2), held(decision), HoldAnew);
                check_beyond(until, (60, 20, 120), Some(2), held(decision), told);
                let half_told = held(decision).map(|held| Held { told: true, ..held });
                check_beyond(until, (70, 20, 100), Some(2), half_told, HoldAnew);
            }
            check_beyond(until, (70, 20, 100), None, held(Some(Reject)), HoldAnew);
            let unanswered = if until == Confirmed { HoldAnew } else { Hold };
            check_beyond(until, (70, 20, 100), Some(2), held(None), unanswered);
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
