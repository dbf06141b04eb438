//! What is made of a list, or of its failure: what changed is found, judged and recorded.

use std::time::Duration;

use super::super::cadence::{self, Awaited, Signs};
use super::super::context::Context;
use super::super::diff::{Comparing, Missed, Observation, diff};
use super::super::gap::{self, Since};
use super::super::incremental;
use super::super::mass_change::{self, Extent, Verdict};
use super::super::schedule::{self, Done};
use super::list::NoList;
use crate::clock::Stopwatch;
use crate::driver::{Coverage, Listing};
use crate::model::{AccountId, AccountKey, BudgetMark, Kind, MOST_IDS, ResourceId, Timestamp};
use crate::store::{
    Again, Breadth, Decision, Effects, Held, PaceReason, Passing, PollFailure, PollHeld, PollRecord, PollTicket,
    Recorded, StoreError,
};

/// The most that is kept of why a poll failed, in bytes.
const MESSAGE_BYTES: usize = 1024;
/// How many lists in a row are made again at once because they do not fit together.
const REPEATED: u32 = 2;

/// What a poll saw, to be recorded.
pub(super) struct Seen {
    pub(super) listing: Listing,
    /// The digest of the driver.
    pub(super) listed_by: String,
    pub(super) observed_at: Timestamp,
    /// See `Listed`.
    pub(super) since: Option<Timestamp>,
    /// Whether single instances can be asked for.
    pub(super) by_id: bool,
}

pub(super) async fn record(
    context: &Context,
    ticket: PollTicket,
    seen: Seen,
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let (account, kind) = (ticket.account.id, ticket.kind);
    let Seen { listing, listed_by, observed_at, since, by_id } = seen;
    let resources = listing.resources;
    let mut passing = cadence::passing(&resources);
    // Of a list of changes, only what it speaks of is compared.
    let known = match &listing.coverage {
        Coverage::Delta(removed) => {
            let ids = incremental::spoken_of(&resources, removed);
            passing = incremental::passing(context.store.passing(account).await?, &ids, passing);
            Some(context.store.known_among(account, kind, ids).await?)
        }
        Coverage::Complete | Coverage::Partial(_) | Coverage::Misfit(_) => None,
    };
    let file = incremental::file;
    let another_version =
        kind == Kind::Instance && ticket.listed_by.as_ref().is_some_and(|before| file(before) != file(&listed_by));
    let former_words = match another_version {
        true => Some(context.store.provider_states(account).await?),
        false => None,
    };
    // As it stands now: the operator may have answered since the list was asked for. Nobody answers what is not held.
    let (held, held_effects) = match ticket.held {
        Some(_) => context.store.held_mass_change(account, kind).await?.unzip(),
        None => (None, None),
    };
    let held_effects = held_effects.unwrap_or_default();
    let complete = !matches!(listing.coverage, Coverage::Partial(_) | Coverage::Misfit(_));
    let repeat = matches!(listing.coverage, Coverage::Misfit(_)) && ticket.partials < REPEATED;
    let Since { late, gap } = gap::since(&ticket, context.settings.interval(kind), observed_at, complete);
    let confirmations = match listing.coverage {
        // The provider itself says that it is gone.
        Coverage::Delta(_) => 1,
        _ => context.settings.removal_confirmations,
    };
    let missed = Missed {
        lists: match held.as_ref().and_then(|held| held.decision) {
            // The operator confirms what is gone.
            Some(Decision::Accept | Decision::AcceptSilently) => u32::MAX,
            // The list that is held counted for nothing else than this.
            Some(Decision::Reject) | None => 1,
        },
        effects: held_effects.clone(),
    };
    let (breadth, partial_reason) = match listing.coverage {
        Coverage::Complete => (Breadth::Full, None),
        Coverage::Partial(why) | Coverage::Misfit(why) => {
            (if since.is_some() { Breadth::Delta } else { Breadth::Full }, Some(why))
        }
        Coverage::Delta(_) => (Breadth::Delta, None),
    };
    // What a list of everything shows may be something that those of changes since the one before did not tell of.
    let since = match breadth {
        Breadth::Full => ticket.last_full,
        Breadth::Delta | Breadth::Ids => ticket.last_complete,
    };
    let awaited = awaited(context, account, passing, observed_at).await?;
    // A list of changes, or a part of one, does not show what else there is.
    let print = (breadth == Breadth::Full && complete).then(|| mass_change::print(&resources));
    let observation = Observation {
        kind,
        resources,
        complete,
        // What a list of changes names as gone is hidden by nothing.
        in_pieces: breadth == Breadth::Full && listing.usage.pages.max(listing.usage.requests) > 1,
        observed_at,
        last_complete: since,
        confirmations,
        missed,
        former_words,
    };
    let mut delta = match known {
        Some(known) => tokio::task::spawn_blocking(move || diff(observation, &known))
            .await
            .map_err(|error| StoreError::Failed(Box::new(error)))?,
        None => context.store.compare_known(account, kind, Box::new(Comparing::new(observation))).await?,
    };
    if breadth == Breadth::Delta && delta.affected >= context.settings.mass_changes.least {
        delta.known = context.store.count_known(account, kind).await?;
    }
    let beyond = mass_change::beyond(&delta, &held_effects);
    let extent = Extent { affected: delta.affected, known: delta.known, beyond };
    let verdict = mass_change::judge(&context.settings.mass_changes, extent, print, held.as_ref());
    let decision = held.as_ref().and_then(|held| held.decision);
    let (lease, now) = (ticket.lease, context.clock.now());
    if matches!(verdict, Verdict::Hold | Verdict::KeepRejected | Verdict::HoldAnew) {
        let effects = match verdict {
            Verdict::KeepRejected => None,
            _ => Some(mass_change::effects(delta)),
        };
        let requests = listing.usage.requests;
        let shown = Shown { extent, print, effects, held, verdict, requests, observed_at };
        let recorded = hold(context, ticket, shown, stopwatch).await;
        return under_the_answer(context, (account, kind, lease), recorded).await;
    }
    let is_new = !(delta.upserts.is_empty() && delta.missing.is_empty() && delta.removed.is_empty());
    let changed = if is_new { Some(observed_at) } else { ticket.changed };
    if matches!(verdict, Verdict::TellNothing(_)) {
        mass_change::silence(&mut delta, held_effects);
    }
    let is_told = held.is_some_and(|held| held.told);
    let mass_change = mass_change::change(&ticket.account.key, kind, extent, verdict, observed_at).filter(|_| !is_told);
    let gap = gap.map(|gap| gap::change(&ticket.account.key, gap));
    let signs = Signs { kind, now, awaited: awaited.is_any(), hook_set: ticket.hook_set, changed };
    let mut pace = cadence::pace(&context.settings, signs);
    let mut again = None;
    if pace.reason == PaceReason::Passing && by_id && awaited.ids.len() <= MOST_IDS {
        // What passes is asked for by itself, and lists come as they would without it.
        again = Some(Again { ids: awaited.ids, at: now.after(pace.every) });
        pace.every = cadence::pace(&context.settings, Signs { awaited: Awaited::Nothing, ..signs }).every;
    }
    let done = Done { due: ticket.due, now, first: complete && ticket.last_complete.is_none() };
    let record = PollRecord {
        account,
        kind,
        lease,
        observed_at,
        complete,
        breadth,
        since,
        listed_by,
        partial_reason,
        upserts: delta.upserts,
        missing: delta.missing,
        removed: delta.removed,
        changes: gap.into_iter().chain(mass_change).collect(),
        decision,
        // That a part of a list shows none does not end it.
        ends_hold: complete || verdict != Verdict::Record,
        passed_over: late,
        pace,
        next_due: match repeat {
            true => now,
            false => schedule::after_success(&context.settings, pace.every, done, random()),
        },
        again,
        now,
        duration: stopwatch.elapsed(),
        requests: listing.usage.requests,
        damping: context.settings.damping,
        budget: budget_left(context, &ticket.account.key, listing.usage.requests),
    };
    let recorded = context.store.record_poll(record).await;
    under_the_answer(context, (account, kind, lease), recorded).await
}

/// Has the poll made again at once where the operator answered after it was decided what is made of the list: the next one
/// is judged under that answer.
async fn under_the_answer(
    context: &Context,
    (account, kind, lease): (AccountId, Kind, i64),
    recorded: Result<Recorded, StoreError>,
) -> Result<Recorded, StoreError> {
    match recorded {
        Err(StoreError::AnswerChanged) => {
            context.store.release_poll(account, kind, lease, context.clock.now()).await?;
            Ok(Recorded::default())
        }
        recorded => recorded,
    }
}

/// Instances that pass from one state to another, and that somebody waits for.
pub(super) struct AwaitedInstances {
    /// One more than can be asked for at once, where there are more.
    pub(super) ids: Vec<ResourceId>,
}

impl AwaitedInstances {
    pub(super) fn is_any(&self) -> Awaited {
        if self.ids.is_empty() { Awaited::Nothing } else { Awaited::Something }
    }
}

/// Those of these instances that somebody waits for.
pub(super) async fn awaited(
    context: &Context,
    account: AccountId,
    passing: Vec<Passing>,
    observed_at: Timestamp,
) -> Result<AwaitedInstances, StoreError> {
    if passing.is_empty() {
        return Ok(AwaitedInstances { ids: Vec::new() });
    }
    let since = observed_at.before(context.settings.fast_for);
    Ok(AwaitedInstances { ids: context.store.awaited(account, passing, since).await? })
}

/// What a list that is held showed.
struct Shown {
    extent: Extent,
    print: Option<u64>,
    effects: Option<Effects>,
    /// What was held before.
    held: Option<Held>,
    verdict: Verdict,
    requests: u32,
    observed_at: Timestamp,
}

/// Takes nothing of the list, and has it made again: at once the first time, then at the usual pace.
async fn hold(
    context: &Context,
    ticket: PollTicket,
    Shown { extent, print, effects, held, verdict, requests, observed_at }: Shown,
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let now = context.clock.now();
    let Extent { affected, known, .. } = extent;
    let is_anew = verdict == Verdict::HoldAnew;
    let decision = held.as_ref().and_then(|held| held.decision);
    let next_due = match (&held, decision) {
        (None, _) => now,
        // Nobody answers as fast as lists may differ from one another.
        (Some(_), Some(_)) if is_anew => now,
        (Some(_), _) => now.after(context.settings.interval(ticket.kind)),
    };
    let (account, kind) = (&ticket.account.key, ticket.kind);
    match verdict {
        Verdict::KeepRejected => {
            tracing::debug!(%account, %kind, affected, known, "the list is still the rejected one")
        }
        _ => tracing::warn!(
            %account, %kind, affected, known,
            "mass change: the list is held, and the host polls again"
        ),
    }
    let held = PollHeld {
        account: ticket.account.id,
        kind,
        lease: ticket.lease,
        observed_at,
        affected,
        known,
        print,
        effects,
        decision,
        is_anew,
        next_due,
        now,
        duration: stopwatch.elapsed(),
        requests,
        budget: budget_left(context, account, requests),
    };
    context.store.hold_poll(held).await?;
    Ok(Recorded::default())
}

/// When a poll that gave no list is made again.
pub(super) fn next_after_failure(context: &Context, ticket: &PollTicket, error: &NoList) -> Timestamp {
    let failures = ticket.failures.saturating_add(1);
    let now = context.clock.now();
    schedule::after_failure(&context.settings, ticket.kind, error.call_error(), failures, now, random())
}

pub(super) async fn record_failure(
    context: &Context,
    ticket: PollTicket,
    error: &NoList,
    next_due: Timestamp,
    stopwatch: &Stopwatch,
) -> Result<(), StoreError> {
    let now = context.clock.now();
    let failure = PollFailure {
        account: ticket.account.id,
        kind: ticket.kind,
        lease: ticket.lease,
        now,
        reach: error.reach(),
        unreachable_after: context.settings.unreachable_after.max(1),
        damping: context.settings.damping,
        code: error.code(),
        message: bounded(error.to_string()),
        next_due,
        duration: stopwatch.elapsed().max(Duration::from_millis(1)),
        requests: error.requests(),
        budget: budget_left(context, &ticket.account.key, error.requests()),
    };
    context.store.record_poll_failure(failure).await
}

pub(super) fn bounded(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    message
}

/// A number from 0 up to 1; the middle, should the system give no randomness.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// What is left after so many requests, to be kept.
pub(super) fn budget_left(context: &Context, account: &AccountKey, requests: u32) -> Option<BudgetMark> {
    context.roster.budget(account).filter(|_| requests > 0).map(|budget| budget.mark())
}
