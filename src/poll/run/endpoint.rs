//! A poll and its endpoint: what a poll shows about the endpoint, and how the endpoint's state affects the poll.

use super::super::context::Context;
use super::list::NoList;
use super::release::Claim;
use crate::model::whole_millis;
use crate::roster::{Found, InFlight};
use crate::store::PollTicket;

/// Adds the reason why there was no list, if this account did not cause it.
pub(super) fn explain_wait(context: &Context, ticket: &mut PollTicket) {
    let endpoints = context.turns.shares().endpoints();
    if ticket.trouble.is_none()
        && ticket.last_complete.is_some_and(|since| endpoints.was_open_since(&ticket.endpoint, since))
    {
        ticket.trouble = Some("circuit-open: the provider gave no answer to other accounts either".into());
    }
}

/// Records what the list shows about the endpoint, and whether it was slow.
pub(super) fn note_endpoint(context: &Context, ticket: &PollTicket, in_flight: &InFlight, error: Option<&NoList>) {
    let found = match error {
        None => Found::Answers,
        Some(error) => {
            error.call_error().map_or(Found::Nothing, |error| Found::of(error, in_flight.pulse().has_heard()))
        }
    };
    let slow = in_flight.ended(found);
    // A poll that hangs on the account's own route is slow: it waits in that share, and takes no slot of endpoints that
    // answer.
    let is_own = in_flight.is_on_its_own_way() && slow;
    if (found == Found::Answers || is_own) && slow != ticket.slow {
        context.turns.note_pace(ticket.account.id, ticket.kind, slow);
    }
}

/// Ends a slow poll while others wait: it is due again at once, in the slow share. Returns its claim if it could not be
/// released.
pub(super) async fn give_way(context: &Context, ticket: &PollTicket, claim: Claim) -> Option<Claim> {
    let _steady = context.clock.steady().await;
    let (account, kind, now) = (ticket.account.id, ticket.kind, context.clock.now());
    tracing::debug!(
        account = %ticket.account.key, %kind, endpoint = %ticket.endpoint,
        late_ms = whole_millis(now.since(ticket.due)), "a slow poll is ended, so that others can start"
    );
    context.turns.note_pace(account, kind, true);
    context.metrics.providers.gave_way("polls");
    context.store.release_poll(account, kind, ticket.lease, now).await.is_err().then_some(claim)
}
