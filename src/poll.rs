//! Polling: claims due accounts from the store, asks their drivers, computes the changes, and records them. One poll of
//! an account at a time, many accounts at once; a slow poll delays no other.

mod cadence;
mod context;
pub mod diff;
pub mod fingerprint;
mod gap;
mod incremental;
mod listed;
pub mod mass_change;
#[cfg(test)]
mod pretend;
mod run;
pub mod schedule;
mod settings;
mod turns;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

pub use context::Context;
pub use settings::Settings;
pub use turns::Turns;

use crate::clock::Reading;
use crate::metrics::Operation;
use crate::model::Timestamp;
use crate::roster::{InFlight, Others};
use crate::store::{Backoff, PollClaim, PollTicket, StoreError};

/// The shortest time between two looks for polls that are due, where nothing happened in between.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How often accounts that nobody uses are looked for, and how soon again where the store failed.
const FORGET_EVERY: Duration = Duration::from_secs(3600);
const FORGET_AGAIN: Duration = Duration::from_secs(30);

/// How long a stopping host waits for the store to answer a claim.
const LAST_CLAIM: Duration = Duration::from_secs(1);

/// Polls what is due until the token is cancelled; then waits a while for polls under way.
pub async fn run(context: Context, token: CancellationToken) {
    let mut polls = JoinSet::new();
    let mut backoff = Backoff::default();
    let mut forget_at = context.clock.now();
    while !token.is_cancelled() {
        let Some(started) = unless_ended(&token, LAST_CLAIM, start_due(&context, &mut polls)).await else { break };
        let next = match started {
            Ok(next) => {
                backoff.reset();
                context.metrics.work.succeeded(Operation::ClaimPolls, context.clock.now());
                next
            }
            Err(error) => {
                let wait = backoff.wait();
                context.metrics.work.failed(Operation::ClaimPolls, context.clock.now(), error.kind());
                tracing::error!(%error, "cannot claim polls from the store; retrying in {wait:?}");
                Some(context.clock.now().after(wait))
            }
        };
        if context.clock.now() >= forget_at {
            // It may be much, and can be left off anywhere.
            let Some(is_done) = token.run_until_cancelled(forget_idle_accounts(&context)).await else { break };
            forget_at = context.clock.now().after(if is_done { FORGET_EVERY } else { FORGET_AGAIN });
        }
        let sleep_until = next.map_or(forget_at, |next| next.min(forget_at));
        wait(&context, &mut polls, sleep_until, &token).await;
        // The clock may have been set back.
        forget_at = forget_at.min(context.clock.now().after(FORGET_EVERY));
        while let Some(ended) = polls.try_join_next() {
            tell_of_crash(ended);
        }
    }
    if tokio::time::timeout(context.settings.grace, all_ended(&mut polls)).await.is_err() {
        tracing::warn!(polls = polls.len(), "polls in progress were ended; they are due again at the next start");
        polls.shutdown().await;
    }
}

/// Waits for something, and no longer than `last` once the token is cancelled.
async fn unless_ended<T>(token: &CancellationToken, last: Duration, work: impl Future<Output = T>) -> Option<T> {
    let ended = async {
        token.cancelled().await;
        tokio::time::sleep(last).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = ended => None,
    }
}

/// Waits until there may be something to claim: the time has come, something was asked for, or a slot is free.
async fn wait(context: &Context, polls: &mut JoinSet<()>, until: Timestamp, token: &CancellationToken) {
    let shares = context.turns.shares();
    loop {
        let look = shares.look(Others::Wait);
        let look_at = look.map_or(until, |after| context.clock.now().after(after).min(until));
        tokio::select! {
            () = token.cancelled() => return,
            // Its slot is free already.
            Some(ended) = polls.join_next(), if !polls.is_empty() => tell_of_crash(ended),
            () = context.store.signals().polls.notified() => return,
            () = shares.freed() => return,
            () = context.clock.sleep_until(look_at) => {
                if context.clock.now() >= until {
                    return;
                }
            }
        }
    }
}

/// Polls everything that is due now, and gives how many polls that were.
pub async fn run_once(context: &Context) -> Result<usize, StoreError> {
    let mut count = 0;
    loop {
        let mut polls = JoinSet::new();
        let steady = context.clock.steady().await;
        let started = start(context, context.clock.now(), &mut polls).await?;
        drop(steady);
        match started {
            0 => return Ok(count),
            started => count += started,
        }
        all_ended(&mut polls).await;
    }
}

async fn all_ended(polls: &mut JoinSet<()>) {
    while let Some(ended) = polls.join_next().await {
        tell_of_crash(ended);
    }
}

/// A poll never fails as a task: what goes wrong in it is recorded, a panic is caught, and its claim is given back.
/// Should it end badly all the same, the loop goes on, and the poll is due again when its lease ends.
fn tell_of_crash(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a poll crashed; the host polls again when its lease expires");
    }
}

/// Starts as many polls as are due and there is room for; gives when the next is due.
async fn start_due(context: &Context, polls: &mut JoinSet<()>) -> Result<Option<Timestamp>, StoreError> {
    // A provider is not asked for what can't be recorded: while recording fails, the store shows first that it works.
    if context.metrics.work.health().is_failing(Operation::RecordPolls) {
        context.store.ping().await?;
    }
    let _steady = context.clock.steady().await;
    let now = context.clock.now();
    start(context, now, polls).await?;
    // One that is due and was not claimed waits for another poll of its account, or for a slot, whose end is waited for
    // anyway: asking again at once would be asking in vain.
    let next = context.store.next_poll_due(now, Arc::clone(&context.turns) as _).await?;
    Ok(next.map(|next| next.max(now.after(ASK_AGAIN))))
}

/// Claims what is due and starts it; gives how many polls that are.
async fn start(context: &Context, now: Timestamp, polls: &mut JoinSet<()>) -> Result<usize, StoreError> {
    let claimed = claim(context, now).await?;
    let claimed_at = Reading::of(context.clock.as_ref());
    let count = claimed.len();
    for (ticket, in_flight) in claimed {
        polls.spawn(run::poll(context.clone(), ticket, claimed_at, in_flight));
    }
    Ok(count)
}

/// Claims as much as there is room for. What is claimed counts as under way.
async fn claim(context: &Context, now: Timestamp) -> Result<Vec<(PollTicket, InFlight)>, StoreError> {
    let turns = &context.turns;
    let limit = turns.room();
    if limit == 0 {
        return Ok(Vec::new());
    }
    let notes = turns.take_notes();
    let claim = PollClaim {
        now,
        lease: context.settings.lease,
        limit,
        admission: Arc::clone(turns) as _,
        notes: notes.clone(),
    };
    let tickets = context.store.claim_due_polls(claim).await.inspect_err(|_| turns.give_notes_back(notes))?;
    let begin = |ticket: PollTicket| {
        let in_flight = turns.shares().begin(&ticket.endpoint, ticket.share);
        if context.roster.goes_its_own_way(&ticket.account.key) {
            in_flight.goes_its_own_way();
        }
        (ticket, in_flight)
    };
    Ok(tickets.into_iter().map(begin).collect())
}

/// Whether the store did it.
async fn forget_idle_accounts(context: &Context) -> bool {
    let since = context.clock.now().before(context.settings.forget_after);
    match context.store.forget_idle_accounts(since).await {
        Ok(0) => {}
        Ok(forgotten) => tracing::info!(accounts = forgotten, "forgot accounts that nobody uses"),
        Err(error) => {
            tracing::error!(%error, "cannot forget unused accounts");
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
