//! One poll of one account: ask, compare, record. Whatever happens, it ends in the store as an observation or as a
//! failure, and never as both.

mod by_id;
mod decide;
mod endpoint;
mod list;
mod record;
mod release;
mod shadowed;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::context::Context;
use super::incremental;
use crate::clock::{Reading, Stopwatch};
use crate::driver::{CallError, CallFailure, Coverage, Usage};
use crate::metrics::{self, Operation};
use crate::model::{AccountId, AccountKey, Kind, whole_millis};
use crate::roster::InFlight;
use crate::store::{PollTicket, Recorded, StoreError};

use decide::Seen;
use endpoint::{explain_wait, give_way, note_endpoint};
use list::{NoList, list};
use record::{next_after_failure, record, record_failure};
use release::Claim;
use shadowed::shadow;

/// Makes the poll of the ticket, and releases its claim however the poll ends.
pub(super) async fn poll(context: Context, ticket: PollTicket, claimed_at: Reading, in_flight: InFlight) {
    let claim = Claim::of(&ticket);
    let release =
        match AssertUnwindSafe(made(&context, (ticket.clone(), claimed_at), claim, &in_flight)).catch_unwind().await {
            Ok(release) => release,
            // If even that panics, only the claim is released.
            Err(_) => AssertUnwindSafe(panicked(&context, ticket, claim)).catch_unwind().await.unwrap_or(Some(claim)),
        };
    if let Some(claim) = release {
        claim.release(&context).await;
    }
}

/// Records a poll that panicked as failed. Returns its claim if it could not be released.
async fn panicked(context: &Context, ticket: PollTicket, mut claim: Claim) -> Option<Claim> {
    tracing::error!(account = %ticket.account.key, kind = %ticket.kind, "a poll panicked: this is a fault of the host");
    let _steady = context.clock.steady().await;
    let late = context.clock.now().since(ticket.due);
    let (account, kind) = (ticket.account.clone(), ticket.kind);
    let error = NoList::from(CallFailure { error: CallError::HostFault, usage: Usage::default() });
    let recorded = failed(context, ticket, &error, &mut claim, (&Stopwatch::start(), late)).await;
    concluded(context, (&account.key, account.id, kind), &recorded.map(|()| 0), claim)
}

/// Makes the poll. Returns its claim if it could not be released.
async fn made(
    context: &Context,
    (mut ticket, claimed_at): (PollTicket, Reading),
    mut claim: Claim,
    in_flight: &InFlight,
) -> Option<Claim> {
    explain_wait(context, &mut ticket);
    let stopwatch = Stopwatch::start();
    let begun = Reading::of(context.clock.as_ref());
    let (account_id, key) = (ticket.account.id, ticket.account.key.clone());
    let account = key.to_string();
    let kind = ticket.kind;
    let late = begun.now.since(ticket.due);
    let late_ms = whole_millis(late);
    let wait = wait_for_budget(context, &ticket);
    if !wait.is_zero() {
        tracing::debug!(account, %kind, ?wait, "a poll is postponed until the account's request budget allows it");
        let _steady = context.clock.steady().await;
        let until = context.clock.now().after(wait);
        if let Err(error) = context.store.put_off_poll(ticket.account.id, kind, ticket.lease, until).await {
            tracing::error!(account, %kind, %error, "a poll could not be postponed; its claim is released");
            claim.wait_until(context.clock.as_ref(), until);
            return Some(claim);
        }
        return None;
    }
    let mut shadowed = None;
    let list = tokio::select! {
        biased;
        list = list(context, &ticket, in_flight.pulse()) => list,
        () = in_flight.cut_off() => return give_way(context, &ticket, claim).await,
    };
    note_endpoint(context, &ticket, in_flight, list.as_ref().err());
    let steady = context.clock.steady().await;
    // By the current clock, which may have been set meanwhile.
    let ticket = ticket.shifted(claimed_at.step(context.clock.as_ref()));
    let observed_at = begun.now.shifted(begun.step(context.clock.as_ref()));
    let recorded = match list {
        Ok(listed) => {
            shadowed = shadow(context, &listed);
            let resources = listed.listing.resources.len();
            let usage = listed.listing.usage;
            let outcome = match listed.listing.coverage {
                _ if listed.wanted.is_some() => "by-id",
                Coverage::Complete => "complete",
                Coverage::Partial(_) | Coverage::Misfit(_) => "partial",
                Coverage::Delta(_) => "changes",
            };
            let took = stopwatch.elapsed();
            let by_id = listed.driver.info().by_id;
            let seen =
                Seen { listing: listed.listing, listed_by: listed.lister, observed_at, since: listed.since, by_id };
            let recorded = match listed.wanted {
                Some(wanted) => by_id::record(context, ticket, seen, &wanted, &stopwatch).await,
                None => record(context, ticket, seen, &stopwatch).await,
            };
            let outcome = outcome_of(&recorded, outcome);
            count(context, &key, kind, outcome, (took, late), usage.requests);
            if let Ok(Recorded { changes, deliveries }) = recorded {
                context.metrics.polls.recorded(changes);
                tracing::debug!(
                    account, %kind, late_ms, resources, changes, deliveries,
                    requests = usage.requests, pages = usage.pages, cpu = ?usage.cpu, memory = usage.memory,
                    elapsed = ?stopwatch.elapsed(), "polled"
                );
            }
            recorded.map(|recorded| recorded.deliveries)
        }
        Err(error) => failed(context, ticket, &error, &mut claim, (&stopwatch, late)).await.map(|()| 0),
    };
    if let Err(StoreError::AccountAtLimit { .. }) = recorded {
        // The provider is asked at the usual interval: a list without changes is recorded.
        claim.wait_until(context.clock.as_ref(), context.clock.now().after(context.settings.interval(kind)));
    }
    drop(steady);
    let release = concluded(context, (&key, account_id, kind), &recorded, claim);
    if release.is_some() {
        // Nothing is recorded that a shadow could be compared with.
        shadowed = None;
    }
    if let Some(shadowed) = shadowed {
        // The shadow takes no slot from a due poll.
        match in_flight.goes_on_slowly() {
            true => shadowed.follow(context, kind).await,
            false => tracing::debug!(account, %kind, "the shadow does not list this time: too many slow polls"),
        }
    }
    release
}

/// Records a poll that returned no list, and sets the time of the next one in the claim.
async fn failed(
    context: &Context,
    ticket: PollTicket,
    error: &NoList,
    claim: &mut Claim,
    (stopwatch, late): (&Stopwatch, Duration),
) -> Result<(), StoreError> {
    let (key, kind, code) = (ticket.account.key.clone(), ticket.kind, error.code());
    tracing::warn!(account = %key, %kind, %code, failures = ticket.failures + 1, %error, "a poll failed");
    if let Some(CallError::HostFault) = error.call_error() {
        context.metrics.work.host_fault("poll");
    }
    let took = stopwatch.elapsed();
    let due = next_after_failure(context, &ticket, error);
    // The schedule for a failure also applies to one that could not be recorded.
    claim.wait_until(context.clock.as_ref(), due);
    let unopened = error.unopened(&ticket);
    let recorded = record_failure(context, ticket, error, due, stopwatch).await;
    if let Some(unopened) = unopened
        && let Err(error) = context.store.set_aside_unopened(unopened).await
    {
        tracing::error!(account = %key, %error, "an account whose password does not open cannot be set aside");
    }
    count(context, &key, kind, outcome_of(&recorded, &code.to_string()), (took, late), error.requests());
    recorded
}

/// Logs and counts a poll, with the number of deliveries that it created, or the reason why it could not be recorded.
/// Returns its claim if it could not be released.
fn concluded(
    context: &Context,
    (key, account, kind): (&AccountKey, AccountId, Kind),
    recorded: &Result<usize, StoreError>,
    claim: Claim,
) -> Option<Claim> {
    report(context, (account, kind), recorded);
    let mut release = None;
    match recorded {
        Ok(_) => {}
        Err(StoreError::LeaseLost) => {
            tracing::warn!(account = %key, %kind, "a poll took longer than its lease and was repeated: raise polling.lease");
        }
        Err(error) => {
            tracing::error!(account = %key, %kind, %error, "a poll could not be recorded; the host polls again");
            release = Some(claim);
        }
    }
    context.polled.send_modify(|count| *count = count.wrapping_add(1));
    release
}

/// Records whether the store accepted the result of a poll.
fn report(context: &Context, (account, kind): (AccountId, Kind), recorded: &Result<usize, StoreError>) {
    let (metrics, now) = (&context.metrics, context.clock.now());
    match recorded {
        Ok(_) => {
            metrics.work.succeeded(Operation::RecordPolls, now);
            metrics.work.health().recorded(account, kind);
        }
        // The store works as it should: the newer claim counts.
        Err(StoreError::LeaseLost) => {}
        // The same here: the account has reached its limit.
        Err(error @ StoreError::AccountAtLimit { .. }) => {
            metrics.work.health().unrecorded(account, kind, now, error.kind());
        }
        Err(error) => {
            metrics.work.failed(Operation::RecordPolls, now, error.kind());
            metrics.work.health().unrecorded(account, kind, now, error.kind());
        }
    }
}

/// The outcome that a poll counts as. A lost one is neither complete nor partial, and no failure of the provider.
fn outcome_of<'a, T>(recorded: &Result<T, StoreError>, outcome: &'a str) -> &'a str {
    match recorded {
        Ok(_) => outcome,
        Err(StoreError::LeaseLost) => "lease-lost",
        Err(_) => "unrecorded",
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
    context.metrics.polls.ended(metrics::Poll { driver: &key.driver, kind, outcome, took, late, requests });
}

/// How long the account's request budget is too small for the poll, by the requests of the last one.
fn wait_for_budget(context: &Context, ticket: &PollTicket) -> Duration {
    let Some(budget) = context.roster.budget(&ticket.account.key) else { return Duration::ZERO };
    let catalog = context.roster.catalog();
    let is_by_id = ticket.wanted.is_some()
        && catalog
            .driver(&ticket.account.key.driver)
            .is_some_and(|driver| incremental::is_by_id(ticket, driver.info()));
    // For single instances one request is usually enough.
    budget.wait_for(if is_by_id { 1 } else { ticket.last_requests })
}

#[cfg(test)]
mod tests;
