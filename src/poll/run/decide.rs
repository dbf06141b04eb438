//! Decides whether a list is recorded or held. Pure.

use super::super::cadence::{self, Awaited, Signs};
use super::super::diff::{Missed, Observation};
use super::super::gap::{self, Since};
use super::super::mass_change::{self, Extent, Verdict};
use super::super::schedule::{self, Done};
use super::super::settings::Settings;
use crate::driver::{Coverage, ListMemory, Listing};
use crate::model::{Gap, Kind, MOST_IDS, Resource, ResourceId, Timestamp};
use crate::store::{
    Again, Breadth, Decision, Delta, Effects, Effort, Held, KnownResource, PaceReason, PollHeld, PollRecord,
    PollTicket, ProviderStates,
};

/// How many lists in a row are repeated at once because their pages contradict each other.
const REPEATED: u32 = 2;

/// The result of a poll, to be recorded.
pub(super) struct Seen {
    pub(super) listing: Listing,
    /// The digest of the driver.
    pub(super) listed_by: String,
    pub(super) observed_at: Timestamp,
    /// See `Listed`.
    pub(super) since: Option<Timestamp>,
    /// Whether the driver can list single instances.
    pub(super) by_id: bool,
}

/// The facts of a list, and of the time since the one before.
pub(super) struct Facts {
    pub(super) observed_at: Timestamp,
    pub(super) listed_by: String,
    pub(super) breadth: Breadth,
    /// The ids that a delta names as gone.
    pub(super) removed: Option<Vec<ResourceId>>,
    by_id: bool,
    complete: bool,
    partial_reason: Option<String>,
    /// Whether the list contradicts itself and is repeated at once.
    repeat: bool,
    in_pieces: bool,
    /// When the last list came that would have shown a difference from the stored state.
    since: Option<Timestamp>,
    confirmations: u32,
    late: bool,
    gap: Option<Gap>,
    /// Distinguishes a complete list from others.
    print: Option<u64>,
}

/// The stored data that the decision needs.
pub(super) struct Loaded {
    /// The stored resources in a delta. A list of everything is compared with all stored resources.
    pub(super) known: Option<Vec<KnownResource>>,
    pub(super) former_words: Option<ProviderStates>,
    /// The held mass change, and the effects of its list.
    pub(super) held: Option<Held>,
    pub(super) held_effects: Effects,
    pub(super) awaited: AwaitedInstances,
}

/// Instances in passing states that somebody waits for.
pub(super) struct AwaitedInstances {
    /// If there are more than can be polled at once, one more than that.
    pub(super) ids: Vec<ResourceId>,
}

impl AwaitedInstances {
    pub(super) fn is_any(&self) -> Awaited {
        if self.ids.is_empty() { Awaited::Nothing } else { Awaited::Something }
    }
}

/// The time of the decision, and the resources that the poll has used.
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// From 0 up to 1.
    pub(super) random: f64,
    pub(super) effort: Effort,
}

pub(super) enum Conclusion {
    Record(Box<PollRecord>),
    Hold(Box<PollHeld>),
}

impl Facts {
    /// The facts of a list, its resources, and the guard that counts them as memory.
    pub(super) fn of(settings: &Settings, ticket: &PollTicket, seen: Seen) -> (Facts, Vec<Resource>, ListMemory) {
        let Seen { listing, listed_by, observed_at, since, by_id } = seen;
        let Listing { resources, coverage, usage, memory } = listing;
        let complete = !matches!(coverage, Coverage::Partial(_) | Coverage::Misfit(_));
        let repeat = matches!(coverage, Coverage::Misfit(_)) && ticket.partials < REPEATED;
        let Since { late, gap } = gap::since(ticket, settings.interval(ticket.kind), observed_at, complete);
        let (breadth, partial_reason, removed) = match coverage {
            Coverage::Complete => (Breadth::Full, None, None),
            Coverage::Partial(why) | Coverage::Misfit(why) => {
                (if since.is_some() { Breadth::Delta } else { Breadth::Full }, Some(why), None)
            }
            Coverage::Delta(removed) => (Breadth::Delta, None, Some(removed)),
        };
        let facts = Facts {
            observed_at,
            listed_by,
            by_id,
            complete,
            partial_reason,
            repeat,
            // Changes of pages cannot hide the ids that a delta names as gone.
            in_pieces: breadth == Breadth::Full && usage.pages.max(usage.requests) > 1,
            // A list of everything may show changes that the deltas since the one before it missed.
            since: match breadth {
                Breadth::Full => ticket.last_full,
                Breadth::Delta | Breadth::Ids => ticket.last_complete,
            },
            confirmations: match removed {
                // The provider itself says that the resource is gone.
                Some(_) => 1,
                None => settings.removal_confirmations,
            },
            late,
            gap,
            // A delta, or an incomplete list, does not show all resources.
            print: (breadth == Breadth::Full && complete).then(|| mass_change::print(&resources)),
            breadth,
            removed,
        };
        (facts, resources, memory)
    }

    /// The list in the form for the comparison.
    pub(super) fn observation(&self, kind: Kind, loaded: &mut Loaded, resources: Vec<Resource>) -> Observation {
        let missed = Missed {
            lists: match loaded.held.as_ref().and_then(|held| held.decision) {
                // The operator confirms removals.
                Some(Decision::Accept | Decision::AcceptSilently) => u32::MAX,
                // The held list counts only for this.
                Some(Decision::Reject) | None => 1,
            },
            effects: loaded.held_effects.clone(),
        };
        Observation {
            kind,
            resources,
            complete: self.complete,
            in_pieces: self.in_pieces,
            observed_at: self.observed_at,
            last_complete: self.since,
            confirmations: self.confirmations,
            missed,
            former_words: loaded.former_words.take(),
        }
    }
}

/// Decides on a list with these changes.
pub(super) fn decide(
    settings: &Settings,
    ticket: PollTicket,
    facts: Facts,
    loaded: Loaded,
    delta: Delta,
    moment: Moment,
) -> Conclusion {
    let beyond = mass_change::beyond(&delta, &loaded.held_effects);
    let extent = Extent { affected: delta.affected, known: delta.known, beyond };
    let verdict = mass_change::judge(&settings.mass_changes, extent, facts.print, loaded.held.as_ref());
    match verdict {
        Verdict::Hold | Verdict::KeepRejected | Verdict::HoldAnew => {
            Conclusion::Hold(Box::new(held(settings, &ticket, &facts, loaded.held, delta, (verdict, moment))))
        }
        Verdict::Record | Verdict::Tell(_) | Verdict::TellNothing(_) => {
            Conclusion::Record(Box::new(recorded(settings, ticket, facts, loaded, delta, (verdict, extent, moment))))
        }
    }
}

fn recorded(
    settings: &Settings,
    ticket: PollTicket,
    facts: Facts,
    loaded: Loaded,
    mut delta: Delta,
    (verdict, extent, moment): (Verdict, Extent, Moment),
) -> PollRecord {
    let (kind, key) = (ticket.kind, &ticket.account.key);
    let Facts { observed_at, complete, .. } = facts;
    let Loaded { held, held_effects, awaited, .. } = loaded;
    let Moment { now, random, effort } = moment;
    let is_new = !(delta.upserts.is_empty() && delta.missing.is_empty() && delta.removed.is_empty());
    let changed = if is_new { Some(observed_at) } else { ticket.changed };
    if matches!(verdict, Verdict::TellNothing(_)) {
        mass_change::silence(&mut delta, held_effects);
    }
    let decision = held.as_ref().and_then(|held| held.decision);
    let is_told = held.is_some_and(|held| held.told);
    let mass_change = mass_change::change(key, kind, extent, verdict, observed_at).filter(|_| !is_told);
    let gap = facts.gap.map(|gap| gap::change(key, gap));
    let signs = Signs { kind, now, awaited: awaited.is_any(), hook_set: ticket.hook_set, changed };
    let mut pace = cadence::pace(settings, signs);
    let mut again = None;
    if pace.reason == PaceReason::Passing && facts.by_id && awaited.ids.len() <= MOST_IDS {
        // Passing instances are polled alone, and lists come as they would without them.
        again = Some(Again { ids: awaited.ids, at: now.after(pace.every) });
        pace.every = cadence::pace(settings, Signs { awaited: Awaited::Nothing, ..signs }).every;
    }
    let done = Done { due: ticket.due, now, first: complete && ticket.last_complete.is_none() };
    PollRecord {
        account: ticket.account.id,
        kind,
        lease: ticket.lease,
        observed_at,
        complete,
        breadth: facts.breadth,
        since: facts.since,
        listed_by: facts.listed_by,
        partial_reason: facts.partial_reason,
        upserts: delta.upserts,
        missing: delta.missing,
        removed: delta.removed,
        changes: gap.into_iter().chain(mass_change).collect(),
        decision,
        // An incomplete list without a mass change does not end it.
        ends_hold: complete || verdict != Verdict::Record,
        passed_over: facts.late,
        pace,
        next_due: match facts.repeat {
            true => now,
            false => schedule::after_success(settings, pace.every, done, random),
        },
        again,
        now,
        effort,
        damping: settings.damping,
    }
}

/// A list that is not recorded. It is repeated: at once the first time, then at the usual interval.
fn held(
    settings: &Settings,
    ticket: &PollTicket,
    facts: &Facts,
    before: Option<Held>,
    delta: Delta,
    (verdict, moment): (Verdict, Moment),
) -> PollHeld {
    let Moment { now, effort, .. } = moment;
    let is_anew = verdict == Verdict::HoldAnew;
    let decision = before.as_ref().and_then(|held| held.decision);
    let next_due = match (before, decision) {
        (None, _) => now,
        // No operator decides as fast as lists may differ from each other.
        (Some(_), Some(_)) if is_anew => now,
        (Some(_), _) => now.after(settings.interval(ticket.kind)),
    };
    PollHeld {
        account: ticket.account.id,
        kind: ticket.kind,
        lease: ticket.lease,
        observed_at: facts.observed_at,
        affected: delta.affected,
        known: delta.known,
        print: facts.print,
        effects: match verdict {
            Verdict::KeepRejected => None,
            _ => Some(mass_change::effects(delta)),
        },
        decision,
        is_anew,
        next_due,
        now,
        effort,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::driver::Usage;
    use crate::model::{Realm, RealmState};
    use crate::poll::pretend;
    use crate::store::Missing;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn settings() -> Settings {
        let mass_changes = mass_change::Settings { share: 0.3, least: 2, ..mass_change::Settings::default() };
        Settings { instances_every: MINUTE, jitter: 0.0, mass_changes, ..Settings::default() }
    }

    /// Of an account that was listed a minute ago.
    fn ticket() -> PollTicket {
        let last = Some(at(0));
        PollTicket { due: at(60), last_complete: last, last_full: last, ..pretend::ticket() }
    }

    fn facts(ticket: &PollTicket, coverage: Coverage, requests: u32) -> Facts {
        let id = ResourceId::parse("r").expect("an id");
        let realm = Realm { id, name: "r".into(), state: RealmState::Available, limit: None };
        let usage = Usage { requests, pages: 1, ..Usage::default() };
        let listing =
            Listing { resources: vec![Resource::Realm(realm)], coverage, usage, memory: ListMemory::default() };
        let seen = Seen { listing, listed_by: "d".into(), observed_at: at(61), since: None, by_id: false };
        Facts::of(&settings(), ticket, seen).0
    }

    /// What a list does that lacks so many of ten resources.
    fn lacking(missing: usize) -> Delta {
        let id = |number: usize| ResourceId::parse(number.to_string()).expect("an id");
        let missing: Vec<Missing> =
            (0..missing).map(|number| Missing { id: id(number), times: 1, seen: at(0) }).collect();
        Delta { known: 10, affected: missing.len(), missing, ..Delta::default() }
    }

    fn decided(ticket: PollTicket, coverage: Coverage, missing: usize) -> Conclusion {
        let facts = facts(&ticket, coverage, 1);
        let awaited = AwaitedInstances { ids: Vec::new() };
        let held = ticket.held.clone();
        let loaded = Loaded { known: None, former_words: None, held, held_effects: Effects::default(), awaited };
        let moment = Moment { now: at(62), random: 0.5, effort: Effort::default() };
        decide(&settings(), ticket, facts, loaded, lacking(missing), moment)
    }

    #[test]
    fn a_list_that_lacks_much_is_held_and_made_again_at_once_and_then_at_the_usual_pace() {
        let held = |ticket: PollTicket, missing: usize| match decided(ticket, Coverage::Complete, missing) {
            Conclusion::Hold(held) => Some((held.next_due, held.effects.is_some(), held.is_anew)),
            Conclusion::Record(_) => None,
        };
        assert_eq!(held(ticket(), 3), None, "three of ten are not more than three tenths");
        assert_eq!(held(ticket(), 4), Some((at(62), true, false)));
        let print = facts(&ticket(), Coverage::Complete, 1).print;
        let before = Held { since: at(0), lists: 1, affected: 4, known: 10, print, decision: None, told: false };
        let rejected = Held { decision: Some(Decision::Reject), ..before };
        let rejecting = PollTicket { held: Some(rejected.clone()), ..ticket() };
        let another = PollTicket { held: Some(Held { print: Some(0), ..rejected }), ..ticket() };
        assert_eq!(held(another, 4), Some((at(62), true, true)), "it is another list than the rejected one");
        // What it does is not known to be the rejected list's.
        assert_eq!(held(rejecting.clone(), 9), Some((at(62), true, true)));
        assert_eq!(held(rejecting, 0), None);
    }

    #[test]
    fn a_list_that_does_not_fit_together_is_made_again_at_once_a_few_times() {
        let next = |coverage: Coverage, partials: u32| match decided(PollTicket { partials, ..ticket() }, coverage, 0) {
            Conclusion::Record(record) => (record.next_due, record.complete, record.ends_hold),
            Conclusion::Hold(_) => panic!("nothing is missing"),
        };
        let misfit = || Coverage::Misfit("one stands twice".into());
        assert_eq!(next(misfit(), 0), (at(62), false, false));
        assert_eq!(next(misfit(), REPEATED), (at(120), false, false));
        assert_eq!(next(Coverage::Partial("half".into()), 0), (at(120), false, false));
        assert_eq!(next(Coverage::Complete, 0), (at(120), true, true));
    }

    #[test]
    fn what_a_list_shows_depends_on_how_much_it_lists() {
        let check = |coverage: Coverage, requests: u32, (confirmations, in_pieces, has_print): (u32, bool, bool)| {
            let facts = facts(&ticket(), coverage, requests);
            let got = (facts.confirmations, facts.in_pieces, facts.print.is_some());
            assert_eq!(got, (confirmations, in_pieces, has_print));
        };
        let usual = settings().removal_confirmations;
        check(Coverage::Complete, 1, (usual, false, true));
        check(Coverage::Complete, 2, (usual, true, true));
        check(Coverage::Partial("half".into()), 2, (usual, true, false));
        // What the provider itself names as gone waits for nothing.
        check(Coverage::Delta(Vec::new()), 2, (1, false, false));
    }
}
