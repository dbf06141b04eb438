//! Records a list or its failure: computes the changes, judges them, and stores them.

use std::time::Duration;

use super::super::cadence;
use super::super::context::Context;
use super::super::diff::{Comparing, diff};
use super::super::incremental;
use super::super::schedule;
use super::decide::{AwaitedInstances, Conclusion, Facts, Loaded, Moment, Seen, decide};
use super::list::NoList;
use crate::clock::Stopwatch;
use crate::model::{AccountId, AccountKey, Kind, Resource, Timestamp};
use crate::store::{Breadth, Delta, Effort, Passing, PollFailure, PollHeld, PollTicket, Recorded, StoreError};

/// The maximum length of a failed poll's message, in bytes.
const MESSAGE_BYTES: usize = 1024;

pub(super) async fn record(
    context: &Context,
    ticket: PollTicket,
    seen: Seen,
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let (key, account, kind, lease) = (ticket.account.key.clone(), ticket.account.id, ticket.kind, ticket.lease);
    let requests = seen.listing.usage.requests;
    // The list stays in memory until it is recorded.
    let (facts, resources, _memory) = Facts::of(&context.settings, &ticket, seen);
    let mut loaded = load(context, &ticket, &facts, &resources).await?;
    let delta = compare(context, &ticket, &facts, &mut loaded, resources).await?;
    let effort = effort(context, &key, stopwatch.elapsed(), requests);
    let moment = Moment { now: context.clock.now(), random: random(), effort };
    let recorded = match decide(&context.settings, ticket, facts, loaded, delta, moment) {
        Conclusion::Record(record) => context.store.record_poll(*record).await,
        Conclusion::Hold(held) => hold(context, &key, *held).await,
    };
    under_the_answer(context, (account, kind, lease), recorded).await
}

/// Loads the stored data that the decision needs.
async fn load(
    context: &Context,
    ticket: &PollTicket,
    facts: &Facts,
    resources: &[Resource],
) -> Result<Loaded, StoreError> {
    let (account, kind, store) = (ticket.account.id, ticket.kind, &context.store);
    let mut passing = cadence::passing(resources);
    // For a delta, only its resources are compared.
    let known = match &facts.removed {
        Some(removed) => {
            let ids = incremental::spoken_of(resources, removed);
            passing = incremental::passing(store.passing(account).await?, &ids, passing);
            Some(store.known_among(account, kind, ids).await?)
        }
        None => None,
    };
    let file = incremental::file;
    let another_version = kind == Kind::Instance
        && ticket.listed_by.as_ref().is_some_and(|before| file(before) != file(&facts.listed_by));
    let former_words = match another_version {
        true => Some(store.provider_states(account).await?),
        false => None,
    };
    // The current state: the operator may have decided since the list was asked for. Without a held list there is no
    // decision.
    let (held, held_effects) = match ticket.held {
        Some(_) => store.held_mass_change(account, kind).await?.unzip(),
        None => (None, None),
    };
    let awaited = awaited(context, account, passing, facts.observed_at).await?;
    Ok(Loaded { known, former_words, held, held_effects: held_effects.unwrap_or_default(), awaited })
}

/// Computes the changes of the list to the stored resources.
async fn compare(
    context: &Context,
    ticket: &PollTicket,
    facts: &Facts,
    loaded: &mut Loaded,
    resources: Vec<Resource>,
) -> Result<Delta, StoreError> {
    let (account, kind) = (ticket.account.id, ticket.kind);
    let observation = facts.observation(kind, loaded, resources);
    let mut delta = match loaded.known.take() {
        Some(known) => tokio::task::spawn_blocking(move || diff(observation, &known))
            .await
            .map_err(|error| StoreError::Failed(Box::new(error)))?,
        None => context.store.compare_known(account, kind, Box::new(Comparing::new(observation))).await?,
    };
    if facts.breadth == Breadth::Delta && delta.affected >= context.settings.mass_changes.least {
        delta.known = context.store.count_known(account, kind).await?;
    }
    Ok(delta)
}

/// Repeats the poll at once if the operator decided after the decision on the list: the next one is judged with the
/// operator's decision.
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

/// The instances among these that somebody waits for.
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

/// Does not record the list, and repeats it.
async fn hold(context: &Context, account: &AccountKey, held: PollHeld) -> Result<Recorded, StoreError> {
    let PollHeld { kind, affected, known, .. } = held;
    match held.effects {
        None => tracing::debug!(%account, %kind, affected, known, "the list is still the rejected one"),
        Some(_) => tracing::warn!(
            %account, %kind, affected, known,
            "mass change: the list is held, and the host polls again"
        ),
    }
    context.store.hold_poll(held).await?;
    Ok(Recorded::default())
}

/// When a poll that returned no list is repeated.
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
        effort: effort(
            context,
            &ticket.account.key,
            stopwatch.elapsed().max(Duration::from_millis(1)),
            error.requests(),
        ),
    };
    context.store.record_poll_failure(failure).await
}

pub(super) fn bounded(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    message
}

/// A number from 0 up to 1; the middle if the system's random number generator fails.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

/// The resources that a poll used, with the account's remaining request budget.
pub(super) fn effort(context: &Context, account: &AccountKey, duration: Duration, requests: u32) -> Effort {
    let budget = context.roster.budget(account).filter(|_| requests > 0).map(|budget| budget.mark());
    Effort { duration, requests, budget }
}
