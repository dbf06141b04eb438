//! Releases the claim of a poll, however the poll ends. Recording a poll or its failure also releases its claim. If
//! neither could be recorded, the claim is released separately; that is retried until it succeeds or the lease expires.
//! Otherwise the account would wait for the end of the lease.

use std::time::Duration;

use super::super::context::Context;
use crate::clock::Clock;
use crate::model::{AccountId, Kind, Timestamp};
use crate::store::{Backoff, PollTicket, StoreError};

/// The wait after a poll that could not be recorded. Not zero: the provider would be asked as fast as the store fails.
/// Not much longer: the poll was missed.
const AGAIN: Duration = Duration::from_secs(2);

/// A claim without its subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    account: AccountId,
    kind: Kind,
    lease: i64,
    /// The earliest uptime of the next poll, unless somebody requests it.
    not_before: Option<Duration>,
}

impl Claim {
    pub(super) fn of(ticket: &PollTicket) -> Claim {
        Claim { account: ticket.account.id, kind: ticket.kind, lease: ticket.lease, not_before: None }
    }

    /// Repeats the poll no earlier than this time, unless somebody requests it.
    pub(super) fn wait_until(&mut self, clock: &dyn Clock, until: Timestamp) {
        self.not_before = Some(clock.uptime().saturating_add(until.since(clock.now())));
    }

    /// Makes the poll due again. Returns when it is due, or when the claim is void.
    pub(super) async fn release(self, context: &Context) {
        let Claim { account, kind, lease, not_before } = self;
        // By the uptime, because the clock may be set meanwhile.
        let ends = context.clock.uptime().saturating_add(context.settings.lease);
        let (mut backoff, mut is_failing) = (Backoff::default(), false);
        loop {
            let released = {
                let _steady = context.clock.steady().await;
                let wait = not_before.map_or(AGAIN, |at| at.saturating_sub(context.clock.uptime()).max(AGAIN));
                let until = context.clock.now().after(wait);
                context.store.release_poll(account, kind, lease, until).await
            };
            match released {
                // Another poll has the claim by now, or its account is gone.
                Ok(()) | Err(StoreError::LeaseLost) => return,
                // The loop may be sleeping for longer than that.
                Err(_) if context.clock.uptime() >= ends => return context.store.signals().polls.notify_one(),
                Err(error) => {
                    // A disk may be full for hours.
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(%account, %kind, %error, "the claim of a poll cannot be released; retrying");
                    }
                    context.clock.sleep(backoff.wait()).await;
                }
            }
        }
    }
}
