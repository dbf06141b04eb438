//! One poll of one account: ask, compare, record. Whatever happens to it ends in the store, as an
//! observation or as a failure, and never as both.

mod list;
mod record;
mod shadowed;

use std::time::Duration;

use super::Context;
use crate::clock::{Clock, SLEW, Stopwatch};
use crate::driver::Coverage;
use crate::metrics;
use crate::model::{AccountKey, Kind, Timestamp, whole_millis};
use crate::store::{PollTicket, Recorded, StoreError};

use list::list;
use record::{Seen, record, record_failure};
use shadowed::shadow;

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

#[cfg(test)]
mod tests;
