//! One poll of one account: ask, compare, record. Whatever happens to it ends in the store, as an
//! observation or as a failure, and never as both.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::Context;
use super::diff::{Comparing, Observation};
use super::gap::{self, Since};
use super::schedule::{self, Done};
use super::storm::{self, Verdict, Weather};
use crate::clock::Stopwatch;
use crate::driver::{CallError, CallFailure, Coverage, Driver, Listing, Shadow, Target};
use crate::model::{AccountKey, Kind, Origin, Timestamp};
use crate::roster::NotOnRoster;
use crate::store::{PollFailure, PollHeld, PollRecord, PollTicket, Reach, Recorded, StoreError};
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
}

/// Makes the poll that the ticket is for.
pub(super) async fn poll(context: Context, ticket: PollTicket) {
    let stopwatch = Stopwatch::start();
    let observed_at = context.clock.now();
    let account = ticket.account.key.to_string();
    let kind = ticket.kind;
    let late_ms = observed_at.as_millis().saturating_sub(ticket.due.as_millis());
    let mut shadowed = None;
    let recorded = match list(&context, &ticket).await {
        Ok(listed) => {
            shadowed = shadow(&context, &listed);
            let resources = listed.listing.resources.len();
            let usage = listed.listing.usage;
            let listed_by = listed.driver.info().digest.clone();
            let seen = Seen { listing: listed.listing, listed_by, observed_at };
            let recorded = record(&context, ticket, seen, &stopwatch).await;
            if let Ok(Recorded { changes, deliveries }) = recorded {
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

async fn list(context: &Context, ticket: &PollTicket) -> Result<Listed, NoList> {
    let key = &ticket.account.key;
    let password = password(context, ticket, key)?;
    let (driver, target) = context.roster.target(key, password)?;
    let listing = driver.list(&target, ticket.kind).await?;
    Ok(Listed { listing, driver, target })
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
    let key = &listed.target.key;
    let shadow = Arc::clone(context.roster.catalog().shadow(&key.driver)?);
    let (listing, password) = (listed.listing.clone(), listed.target.password.clone());
    Some(Shadowed { shadow, listing, key: key.clone(), password })
}

impl Shadowed {
    async fn follow(self, context: &Context, kind: Kind) {
        let Shadowed { shadow, listing, key, password } = self;
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
}

async fn record(
    context: &Context,
    ticket: PollTicket,
    seen: Seen,
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let (account, kind) = (ticket.account.id, ticket.kind);
    let Seen { listing, listed_by, observed_at } = seen;
    let another_version =
        kind == Kind::Instance && ticket.listed_by.as_ref().is_some_and(|before| *before != listed_by);
    let former_words = match another_version {
        true => Some(context.store.provider_states(account).await?),
        false => None,
    };
    let held_lists = ticket.held.as_ref().map_or(0, |held| held.lists);
    let complete = listing.coverage == Coverage::Complete;
    let Since { late, gap } = gap::since(&ticket, context.settings.interval(kind), observed_at, complete);
    let partial_reason = match listing.coverage {
        Coverage::Complete => None,
        Coverage::Partial(why) => Some(why),
    };
    let observation = Observation {
        kind,
        resources: listing.resources,
        complete: partial_reason.is_none(),
        observed_at,
        last_complete: ticket.last_complete,
        // Lists that were held counted for nothing else than this.
        confirmations: context.settings.removal_confirmations.saturating_sub(held_lists).max(1),
        former_words,
        late,
    };
    let mut delta = context.store.compare_known(account, kind, Box::new(Comparing::new(observation))).await?;
    let weather = Weather { affected: delta.affected, known: delta.known };
    let verdict = storm::judge(&context.settings.storms, weather, ticket.held.as_ref());
    if verdict == Verdict::Hold {
        return hold(context, ticket, weather, (listing.usage.requests, observed_at), stopwatch).await;
    }
    if let Verdict::Discard(_) = verdict {
        delta.changes.clear();
    }
    let storm = storm::change(&ticket.account.key, kind, weather, verdict, observed_at);
    // Before what was seen at its end.
    delta.changes.splice(0..0, storm);
    delta.changes.splice(0..0, gap.map(|gap| gap::change(&ticket.account.key, gap)));
    let now = context.clock.now();
    let done = Done { due: ticket.due, now, first: partial_reason.is_none() && ticket.last_complete.is_none() };
    let record = PollRecord {
        account,
        kind,
        lease: ticket.lease,
        observed_at,
        complete: partial_reason.is_none(),
        listed_by,
        partial_reason,
        upserts: delta.upserts,
        missing: delta.missing,
        removed: delta.removed,
        changes: delta.changes,
        next_due: schedule::after_success(&context.settings, kind, done, random()),
        now,
        duration: stopwatch.elapsed(),
        requests: listing.usage.requests,
    };
    context.store.record_poll(record).await
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
        code: error.code(),
        message: bounded(error.to_string()),
        next_due,
        duration: stopwatch.elapsed().max(Duration::from_millis(1)),
        requests: error.requests(),
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
