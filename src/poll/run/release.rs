//! Giving a claim back whatever becomes of its poll. A poll that is recorded, or whose failure is, gives its claim back
//! with that. Where nothing could be recorded, the claim is given back by itself, and tried for until it is or until its
//! lease has ended: without this, the account would wait for the lease's end.

use std::time::Duration;

use super::super::context::Context;
use crate::clock::Clock;
use crate::model::{AccountId, Kind, Timestamp};
use crate::store::{Backoff, PollTicket, StoreError};

/// How long after a poll that could not be recorded the next one is made. Not at once: the provider would be asked as
/// fast as the store fails. Not much later: it is a poll that was missed.
const AGAIN: Duration = Duration::from_secs(2);

/// A claim, without what it was claimed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    account: AccountId,
    kind: Kind,
    lease: i64,
    /// Not before that uptime, unless somebody asks for it.
    not_before: Option<Duration>,
}

impl Claim {
    pub(super) fn of(ticket: &PollTicket) -> Claim {
        Claim { account: ticket.account.id, kind: ticket.kind, lease: ticket.lease, not_before: None }
    }

    /// Has the poll made again no sooner than then, unless somebody asks for it.
    pub(super) fn wait_until(&mut self, clock: &dyn Clock, until: Timestamp) {
        self.not_before = Some(clock.uptime().saturating_add(until.since(clock.now())));
    }

    /// Makes the poll due again. Returns once it is, or once the claim is void.
    pub(super) async fn release(self, context: &Context) {
        let Claim { account, kind, lease, not_before } = self;
        // By the uptime, as the clock may be set meanwhile.
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
                // Or it is another's by now, or its account is gone.
                Ok(()) | Err(StoreError::LeaseLost) => return,
                // The loop may sleep for longer than that.
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
