//! Moves due times when the clock is set, so that nothing is done too early, and nothing stops until an old time is
//! reached again.

use tokio_util::sync::CancellationToken;

use super::{Result, Store};
use crate::clock::{Clock, EvenClock};
use crate::model::Timestamp;

/// How often the host checks whether the clock was set.
const EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// Follows the clock until `token` is cancelled.
pub async fn follow(store: &dyn Store, clock: &EvenClock, token: CancellationToken) {
    let following = async {
        loop {
            if let Err(error) = follow_once(store, clock).await {
                tracing::error!(%error, "the clock was set, and due times cannot be moved with it; retrying");
            }
            clock.pause(EVERY).await;
        }
    };
    token.run_until_cancelled(following).await;
}

/// Moves due times if the clock was set.
pub async fn follow_once(store: &dyn Store, clock: &EvenClock) -> Result<()> {
    if clock.step().is_none() {
        return Ok(());
    }
    let _alone = clock.alone().await;
    let Some(step) = clock.step() else { return Ok(()) };
    store.clock_set(step, clock.now()).await?;
    clock.follow(step);
    // After the commit: the times until which the loops sleep have moved by the clock that is followed now.
    store.signals().polls.notify_one();
    store.signals().deliveries.notify_one();
    tracing::warn!(seconds = step as f64 / 1000.0, "the clock was set; due times were moved with it");
    Ok(())
}

/// The same at the start of a host: times in the future were stored by a clock that was set back since.
pub async fn begin(store: &dyn Store, now: Timestamp) -> Result<()> {
    let latest = match store.latest().await? {
        Some(latest) if latest > now => latest,
        _ => return Ok(()),
    };
    let step = now.as_millis().saturating_sub(latest.as_millis());
    store.clock_set(step, latest).await?;
    tracing::warn!(
        seconds = step as f64 / 1000.0,
        "the clock was set back while no host ran; due times were moved with it"
    );
    Ok(())
}
