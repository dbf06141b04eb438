//! The loop that sends callbacks: claims due deliveries, signs and sends them, and settles each attempt. Pending
//! deliveries are in the store; nothing here needs to survive.

mod admission;
mod context;
mod dispatch;
mod flights;
mod format;
pub mod retry;
mod send;
mod settings;
pub mod sign;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use self::context::Context;
pub use self::retry::Retries;
pub use self::settings::Settings;

use self::dispatch::Dispatch;
use self::flights::Flights;
use crate::store::{CatchUp, CaughtUp, StoreError};

/// Sends pending deliveries until `token` is cancelled. Then no attempt begins, attempts in progress have
/// `settings.grace` to finish, and the rest is returned to the store.
pub async fn run(context: Context, token: CancellationToken) {
    let mut dispatch = Dispatch::new(Arc::new(context));
    tokio::select! {
        biased;
        () = token.cancelled() => {}
        () = dispatch.work() => {}
    }
    dispatch.stop().await;
}

/// Sends and settles everything that is due, until nothing is due any more. Returns the number of attempts.
pub async fn run_once(context: &Context) -> Result<usize, StoreError> {
    let context = Arc::new(context.clone());
    let mut flights = Flights::new(Arc::clone(&context));
    let mut tries = 0;
    loop {
        let limits = CatchUp { changes: context.settings.catch_up, backlog: context.settings.backlog };
        while context.store.catch_up(context.clock.now(), limits).await? == CaughtUp::Some {}
        let claim = flights.claim();
        let claimed_at = claim.now;
        let due = context.store.claim_due_deliveries(claim).await?;
        if due.is_empty() {
            return Ok(tries);
        }
        flights.launch(due, claimed_at);
        let mut ended = Vec::new();
        while let Some(settlement) = flights.landed().await {
            ended.push(settlement);
        }
        tries += ended.len();
        let settling = flights.settling(ended);
        context.store.settle(settling).await?;
    }
}

#[cfg(test)]
mod tests;
