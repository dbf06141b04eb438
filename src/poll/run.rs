//! One poll of one account: ask, compare, record. Whatever happens to it ends in the store, as an
//! observation or as a failure, and never as both.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::Context;
use super::cadence::{self, Awaited, Signs};
use super::diff::{Comparing, Observation, diff};
use super::gap::{self, Since};
use super::incremental;
use super::schedule::{self, Done};
use super::storm::{self, Verdict, Weather};
use crate::clock::{Clock, SLEW, Stopwatch};
use crate::driver::{CallError, CallFailure, Coverage, Driver, Listing, Shadow, Target};
use crate::metrics;
use crate::model::{AccountId, AccountKey, BudgetMark, Kind, Origin, Timestamp, whole_millis};
use crate::roster::NotOnRoster;
use crate::store::{Breadth, Passing, PollFailure, PollHeld, PollRecord, PollTicket, Reach, Recorded, StoreError};
use crate::vault::{Purpose, VaultError};

/// The most that is kept of why a poll failed, in bytes.
const MESSAGE_BYTES: usize = 1024;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
enum NoList {
    #[error(transparent)]
    Call(#[from] CallFailure),
    #[error(transparent)]
    NotOnRoster(#[from] NotOnRoster),
    #[error("its stored credentials can't be used: {0}")]
    Credentials(#[from] VaultError),
}

impl NoList {
    fn code(&self) -> String {
        match self {
            NoList::Call(failure) => failure.error.code(),
            NoList::NotOnRoster(_) => "not-configured".into(),
            NoList::Credentials(_) => "credentials".into(),
        }
    }

    fn call_error(&self) -> Option<&CallError> {
        match self {
            NoList::Call(failure) => Some(&failure.error),
            _ => None,
        }
    }

    fn reach(&self) -> Reach {
        match self.call_error() {
            Some(CallError::Unavailable(_)) => Reach::Unreachable,
            Some(CallError::Limit { setting, .. }) if matches!(*setting, "request_timeout" | "poll_timeout") => {
                Reach::Unreachable
            }
            Some(
                CallError::Unauthorized(_)
                | CallError::Forbidden(_)
                | CallError::Throttled { .. }
                | CallError::UnexpectedAnswer(_),
            ) => Reach::Answered,
            Some(
                CallError::InvalidAccount(_)
                | CallError::Refused(_)
                | CallError::Limit { .. }
                | CallError::Budget { .. }
                | CallError::Crashed(_)
                | CallError::Contract(_),
            )
            | None => Reach::Unknown,
        }
    }

    fn requests(&self) -> u32 {
        match self {
            NoList::Call(failure) => failure.usage.requests,
            _ => 0,
        }
    }
}

/// A list, and what gave it.
struct Listed {
    listing: Listing,
    driver: Arc<Driver>,
    target: Target,
    /// Since when changes were asked for, if not everything was.
    since: Option<Timestamp>,
}

/// Makes the poll that the ticket is for.
pub(super) async fn poll(context: Context, ticket: PollTicket) {
    let stopwatch = Stopwatch::start();
    let observed_at = context.clock.now();
    let begun = context.clock.uptime();
    let key = ticket.account.key.clone();
    let account = key.to_string();
    let kind = ticket.kind;
    let late = observed_at.since(ticket.due);
    let late_ms = whole_millis(late);
    let wait = wait_for_budget(&context, &ticket);
    if !wait.is_zero() {
        tracing::debug!(account, %kind, ?wait, "a poll is put off until the account may be sent its requests");
        let until = observed_at.after(wait);
        if let Err(error) = context.store.put_off_poll(ticket.account.id, kind, ticket.lease, until).await {
            tracing::error!(account, %kind, %error, "a poll could not be put off; it is made when its lease ends");
        }
        return;
    }
    let mut shadowed = None;
    let list = list(&context, &ticket).await;
    let (ticket, observed_at) = by_the_clock(context.clock.as_ref(), (ticket, observed_at), begun);
    let recorded = match list {
        Ok(listed) => {
            shadowed = shadow(&context, &listed);
            let resources = listed.listing.resources.len();
            let usage = listed.listing.usage;
            let listed_by = listed.driver.info().digest.clone();
            let outcome = match listed.listing.coverage {
                Coverage::Complete => "complete",
                Coverage::Partial(_) => "partial",
                Coverage::Delta(_) => "changes",
            };
            count(&context, &key, kind, outcome, (stopwatch.elapsed(), late), usage.requests);
            let seen = Seen { listing: listed.listing, listed_by, observed_at, since: listed.since };
            let recorded = record(&context, ticket, seen, &stopwatch).await;
            if let Ok(Recorded { changes, deliveries }) = recorded {
                context.metrics.recorded(changes);
                tracing::debug!(
                    account, %kind, late_ms, resources, changes, deliveries,
                    requests = usage.requests, pages = usage.pages, cpu = ?usage.cpu, memory = usage.memory,
                    elapsed = ?stopwatch.elapsed(), "polled"
                );
            }
            recorded.map(|recorded| recorded.deliveries)
        }
        Err(error) => {
            tracing::warn!(account, %kind, code = error.code(), failures = ticket.failures + 1, %error, "a poll failed");
            count(&context, &key, kind, &error.code(), (stopwatch.elapsed(), late), error.requests());
            record_failure(&context, ticket, &error, &stopwatch).await.map(|()| 0)
        }
    };
    match recorded {
        Ok(0) => {}
        Ok(_) => context.deliver_wake.notify_one(),
        Err(StoreError::LeaseLost) => {
            tracing::warn!(account, %kind, "a poll took longer than its lease and was made anew: raise polling.lease");
        }
        Err(error) => tracing::error!(account, %kind, %error, "a poll could not be recorded; it will be made again"),
    }
    context.polled.send_modify(|count| *count = count.wrapping_add(1));
    if let Some(shadowed) = shadowed {
        shadowed.follow(&context, kind).await;
    }
}

fn count(
    context: &Context,
    key: &AccountKey,
    kind: Kind,
    outcome: &str,
    (took, late): (Duration, Duration),
    requests: u32,
) {
    context.metrics.polled(metrics::Poll { driver: &key.driver, kind, outcome, took, late, requests });
}

/// A ticket, and when its poll began, by the clock as it is now: it may have been set since then. `begun` is the uptime at
/// which the poll began.
fn by_the_clock(
    clock: &dyn Clock,
    (ticket, observed_at): (PollTicket, Timestamp),
    begun: Duration,
) -> (PollTicket, Timestamp) {
    let took = clock.uptime().saturating_sub(begun);
    let step = clock.now().as_millis().saturating_sub(observed_at.after(took).as_millis());
    if step.abs() <= SLEW {
        return (ticket, observed_at);
    }
    let observed_at = Timestamp::from_millis(observed_at.as_millis().saturating_add(step));
    (ticket.shifted(step), observed_at)
}

/// For how long the account's budget lacks what the poll will spend, by what the last one took.
fn wait_for_budget(context: &Context, ticket: &PollTicket) -> Duration {
    let Some(budget) = context.roster.budget(&ticket.account.key) else { return Duration::ZERO };
    budget.wait_for(ticket.last_requests)
}

/// What is left after so many requests, to be kept.
fn budget_left(context: &Context, account: &AccountKey, requests: u32) -> Option<BudgetMark> {
    context.roster.budget(account).filter(|_| requests > 0).map(|budget| budget.mark())
}

async fn list(context: &Context, ticket: &PollTicket) -> Result<Listed, NoList> {
    let key = &ticket.account.key;
    let password = password(context, ticket, key)?;
    let (driver, target) = context.roster.target(key, password)?;
    let since = incremental::since(&context.settings, ticket, driver.info(), context.clock.now());
    let listing = driver.list_since(&target, ticket.kind, since).await?;
    Ok(Listed { listing, driver, target, since })
}

/// A list that the driver's shadow is to give too, once what came of it is recorded and told.
struct Shadowed {
    shadow: Arc<Shadow>,
    /// As the current version listed it.
    listing: Listing,
    key: AccountKey,
    password: SecretString,
}

fn shadow(context: &Context, listed: &Listed) -> Option<Shadowed> {
    // There is nothing to compare with where not everything was listed.
    if let Coverage::Delta(_) = listed.listing.coverage {
        return None;
    }
    let key = &listed.target.key;
    let shadow = Arc::clone(context.roster.catalog().shadow(&key.driver)?);
    let (listing, password) = (listed.listing.clone(), listed.target.password.clone());
    Some(Shadowed { shadow, listing, key: key.clone(), password })
}

impl Shadowed {
    async fn follow(self, context: &Context, kind: Kind) {
        let Shadowed { shadow, listing, key, password } = self;
        let requests = listing.usage.requests;
        if context.roster.budget(&key).is_some_and(|budget| !budget.wait_for(requests).is_zero()) {
            tracing::debug!(account = %key, %kind, "the shadow does not list this time: the account's budget is spent");
            return;
        }
        match context.roster.target_of(shadow.driver(), &key, password) {
            Ok(target) => shadow.follow(&target, kind, &listing, context.clock.now()).await,
            Err(error) => shadow.failed(&key, error.to_string(), context.clock.now()),
        }
    }
}

/// An account of the configuration is polled with the configuration's password, as it is now; another
/// with the one that its client proved.
fn password(context: &Context, ticket: &PollTicket, key: &AccountKey) -> Result<SecretString, VaultError> {
    if ticket.account.origin == Origin::Config
        && let Some(configured) = context.roster.accounts().iter().find(|account| account.key == *key)
    {
        return Ok(configured.password.clone());
    }
    context.vault.open(Purpose::AccountPassword(key), &ticket.account.password)
}

/// What a poll saw, to be recorded.
struct Seen {
    listing: Listing,
    /// The digest of the driver.
    listed_by: String,
    observed_at: Timestamp,
    /// See `Listed`.
    since: Option<Timestamp>,
}

async fn record(
    context: &Context,
    ticket: PollTicket,
    seen: Seen,
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let (account, kind) = (ticket.account.id, ticket.kind);
    let Seen { listing, listed_by, observed_at, since } = seen;
    let resources = listing.resources;
    let mut passing = cadence::passing(&resources);
    // Of a list of changes, only what it speaks of is compared.
    let known = match &listing.coverage {
        Coverage::Delta(removed) => {
            let ids = incremental::spoken_of(&resources, removed);
            passing = incremental::passing(context.store.passing(account).await?, &ids, passing);
            Some(context.store.known_among(account, kind, ids).await?)
        }
        Coverage::Complete | Coverage::Partial(_) => None,
    };
    let another_version =
        kind == Kind::Instance && ticket.listed_by.as_ref().is_some_and(|before| *before != listed_by);
    let former_words = match another_version {
        true => Some(context.store.provider_states(account).await?),
        false => None,
    };
    let held_lists = ticket.held.as_ref().map_or(0, |held| held.lists);
    let complete = !matches!(listing.coverage, Coverage::Partial(_));
    let Since { late, gap } = gap::since(&ticket, context.settings.interval(kind), observed_at, complete);
    let confirmations = match listing.coverage {
        // The provider itself says that it is gone.
        Coverage::Delta(_) => 1,
        // Lists that were held counted for nothing else than this.
        _ => context.settings.removal_confirmations.saturating_sub(held_lists).max(1),
    };
    let (breadth, partial_reason) = match listing.coverage {
        Coverage::Complete => (Breadth::Full, None),
        Coverage::Partial(why) => (if since.is_some() { Breadth::Delta } else { Breadth::Full }, Some(why)),
        Coverage::Delta(_) => (Breadth::Delta, None),
    };
    // What a list of everything shows may be something that those of changes since the one before did not tell of.
    let since = match breadth {
        Breadth::Full => ticket.last_full,
        Breadth::Delta => ticket.last_complete,
    };
    let awaited = awaited(context, account, passing, observed_at).await?;
    let observation =
        Observation { kind, resources, complete, observed_at, last_complete: since, confirmations, former_words, late };
    let mut delta = match known {
        Some(known) => tokio::task::spawn_blocking(move || diff(observation, &known))
            .await
            .map_err(|error| StoreError::Failed(Box::new(error)))?,
        None => context.store.compare_known(account, kind, Box::new(Comparing::new(observation))).await?,
    };
    if breadth == Breadth::Delta && delta.affected >= context.settings.storms.least {
        delta.known = context.store.count_known(account, kind).await?;
    }
    let weather = Weather { affected: delta.affected, known: delta.known };
    let verdict = storm::judge(&context.settings.storms, weather, ticket.held.as_ref());
    if verdict == Verdict::Hold {
        return hold(context, ticket, weather, (listing.usage.requests, observed_at), stopwatch).await;
    }
    if let Verdict::Discard(_) = verdict {
        delta.changes.clear();
    }
    let is_new = !(delta.upserts.is_empty() && delta.missing.is_empty() && delta.removed.is_empty());
    let changed = if is_new { Some(observed_at) } else { ticket.changed };
    let storm = storm::change(&ticket.account.key, kind, weather, verdict, observed_at);
    // Before what was seen at its end.
    delta.changes.splice(0..0, storm);
    delta.changes.splice(0..0, gap.map(|gap| gap::change(&ticket.account.key, gap)));
    let now = context.clock.now();
    let pace = cadence::pace(&context.settings, Signs { kind, now, awaited, hook_set: ticket.hook_set, changed });
    let done = Done { due: ticket.due, now, first: complete && ticket.last_complete.is_none() };
    let record = PollRecord {
        account,
        kind,
        lease: ticket.lease,
        observed_at,
        complete,
        breadth,
        since,
        listed_by,
        partial_reason,
        upserts: delta.upserts,
        missing: delta.missing,
        removed: delta.removed,
        changes: delta.changes,
        pace,
        next_due: schedule::after_success(&context.settings, pace.every, done, random()),
        now,
        duration: stopwatch.elapsed(),
        requests: listing.usage.requests,
        damping: context.settings.damping,
        budget: budget_left(context, &ticket.account.key, listing.usage.requests),
    };
    context.store.record_poll(record).await
}

/// Whether somebody waits for what passes in a list.
async fn awaited(
    context: &Context,
    account: AccountId,
    passing: Vec<Passing>,
    observed_at: Timestamp,
) -> Result<Awaited, StoreError> {
    if passing.is_empty() {
        return Ok(Awaited::Nothing);
    }
    let since = observed_at.before(context.settings.fast_for);
    let is_awaited = context.store.is_awaited(account, passing, since).await?;
    Ok(if is_awaited { Awaited::Something } else { Awaited::Nothing })
}

/// Takes nothing of the list, and has it made again: at once the first time, then at the usual pace.
async fn hold(
    context: &Context,
    ticket: PollTicket,
    weather: Weather,
    (requests, observed_at): (u32, Timestamp),
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let now = context.clock.now();
    let Weather { affected, known } = weather;
    let next_due = match ticket.held {
        None => now,
        Some(_) => now.after(context.settings.interval(ticket.kind)),
    };
    tracing::warn!(
        account = %ticket.account.key, kind = %ticket.kind, affected, known,
        "more vanished or changed at once than is believed: the list is held and asked for again"
    );
    let held = PollHeld {
        account: ticket.account.id,
        kind: ticket.kind,
        lease: ticket.lease,
        observed_at,
        affected,
        known,
        next_due,
        now,
        duration: stopwatch.elapsed(),
        requests,
        budget: budget_left(context, &ticket.account.key, requests),
    };
    context.store.hold_poll(held).await?;
    Ok(Recorded::default())
}

async fn record_failure(
    context: &Context,
    ticket: PollTicket,
    error: &NoList,
    stopwatch: &Stopwatch,
) -> Result<(), StoreError> {
    let now = context.clock.now();
    let failures = ticket.failures.saturating_add(1);
    let next_due = schedule::after_failure(&context.settings, ticket.kind, error.call_error(), failures, now, random());
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

fn bounded(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
    message
}

/// A number from 0 up to 1; the middle, should the system give no randomness.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
