//! What a poll and its endpoint have to do with each other: what the list says of the endpoint, and what the endpoint did to
//! the poll.

use super::super::context::Context;
use super::list::NoList;
use super::release::Claim;
use crate::model::whole_millis;
use crate::roster::{Found, InFlight};
use crate::store::PollTicket;

/// Says why there was no list, where that was not this account's own doing.
pub(super) fn explain_wait(context: &Context, ticket: &mut PollTicket) {
    let endpoints = context.turns.shares().endpoints();
    if ticket.trouble.is_none()
        && ticket.last_complete.is_some_and(|since| endpoints.was_open_since(&ticket.endpoint, since))
    {
        ticket.trouble = Some("circuit-open: the provider gave no answer to other accounts either".into());
    }
}

/// Takes down what the list says of the endpoint, and whether it was slow.
pub(super) fn note_endpoint(context: &Context, ticket: &PollTicket, in_flight: &InFlight, error: Option<&NoList>) {
    let found = match error {
        None => Found::Answers,
        Some(error) => {
            error.call_error().map_or(Found::Nothing, |error| Found::of(error, in_flight.pulse().has_heard()))
        }
    };
    let slow = in_flight.ended(found);
    // What hangs on an account's own way is slow: it waits in that share, and takes no slot of those that answer.
    let is_own = in_flight.is_on_its_own_way() && slow;
    if (found == Found::Answers || is_own) && slow != ticket.slow {
        context.turns.note_pace(ticket.account.id, ticket.kind, slow);
    }
}

/// The poll takes longer than it should while others wait: it is due again at once, among those that take long. Gives its
/// claim, if that could not be given back.
pub(super) async fn give_way(context: &Context, ticket: &PollTicket, claim: Claim) -> Option<Claim> {
    let _steady = context.clock.steady().await;
    let (account, kind, now) = (ticket.account.id, ticket.kind, context.clock.now());
    tracing::debug!(
        account = %ticket.account.key, %kind, endpoint = %ticket.endpoint,
        late_ms = whole_millis(now.since(ticket.due)), "a poll that takes long gives way to others"
    );
    context.turns.note_pace(account, kind, true);
    context.metrics.gave_way("polls");
    context.store.release_poll(account, kind, ticket.lease, now).await.is_err().then_some(claim)
}
