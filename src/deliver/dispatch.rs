//! The delivery loop. Claiming, sending and settling run side by side, so that work for the store does not wait for
//! receivers, nor the other way round. The loop also lets hooks catch up with the journal, and deletes old attempts.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::time::timeout;

use super::context::Context;
use super::flights::{Flights, returned};
use crate::metrics::Operation;
use crate::model::{Timestamp, whole_millis};
use crate::store::{
    Backoff, CatchUp, CaughtUp, DeliveryClaim, DueDelivery, KeptAttempts, Result, Settlement, Settling, StoreError,
};

/// The shortest time between two scans without a signal.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How often old attempts are deleted, and how many in one transaction.
const FORGET_EVERY: Duration = Duration::from_secs(60);
const FORGET_AT_ONCE: usize = 1000;
/// How long a stopping host waits for the store to record the last settlements.
const LAST_SETTLING: Duration = Duration::from_secs(1);

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// All work in progress. Every future is kept here, so that a step may be dropped at any point and continued.
pub(super) struct Dispatch {
    context: Arc<Context>,
    flights: Flights,
    /// Ended attempts that are not being settled yet.
    ended: Vec<Settlement>,
    claiming: Option<Pending<(Claim, Result<Looked>)>>,
    /// The settlements in progress, and the clock of their times (`Clock::followed`).
    settling: Option<Pending<(Settling, i64, Result<()>)>>,
    catching_up: Option<Pending<Result<CaughtUp>>>,
    forgetting: Option<Pending<Result<bool>>>,
    woken: Pin<Box<OwnedNotified>>,
    /// Whether to claim as soon as there is room.
    look: bool,
    /// Whether a hook may be behind the journal.
    behind: bool,
    /// Whether a hook gets more deliveries once some of its pending ones are settled.
    full: bool,
    /// When old attempts are deleted next.
    forget_at: Timestamp,
    /// When to scan without a signal.
    alarm: Option<Pending<()>>,
    /// While the store fails.
    pause: Option<Pending<()>>,
    /// The backoff since the store last worked.
    backoff: Backoff,
    stopping: bool,
}

struct Claim {
    now: Timestamp,
    /// The clock of these times.
    followed: i64,
    limit: usize,
}

struct Looked {
    due: Vec<DueDelivery>,
    /// When the next delivery is due, if none is due now.
    next: Option<Timestamp>,
}

impl Dispatch {
    pub(super) fn new(context: Arc<Context>) -> Dispatch {
        Dispatch {
            flights: Flights::new(Arc::clone(&context)),
            ended: Vec::new(),
            claiming: None,
            settling: None,
            catching_up: None,
            forgetting: None,
            woken: listen(&context),
            look: true,
            behind: true,
            full: false,
            forget_at: context.clock.now(),
            alarm: None,
            pause: None,
            backoff: Backoff::default(),
            stopping: false,
            context,
        }
    }

    /// Runs until it is dropped. Cancel safe.
    pub(super) async fn work(&mut self) {
        loop {
            self.step().await;
        }
    }

    /// Lets attempts in progress finish, settles them, and returns the rest to the store.
    pub(super) async fn stop(mut self) {
        self.stopping = true;
        let back = self.flights.give_back_waiting();
        self.ended.extend(back);
        let grace = self.context.settings.grace;
        if timeout(grace, self.drain()).await.is_ok() {
            return;
        }
        let cut_off = self.flights.abandon();
        tracing::info!(deliveries = cut_off.len(), "callbacks in flight were cut off and will be sent again");
        self.ended.extend(cut_off);
        if timeout(LAST_SETTLING, self.drain()).await.is_err() {
            tracing::warn!("the store did not record the results of some callbacks in time: they will be sent again");
        }
    }

    async fn drain(&mut self) {
        while !self.flights.is_empty() || !self.ended.is_empty() || self.settling.is_some() || self.claiming.is_some() {
            self.step().await;
        }
    }

    /// Waits for the next event and handles it. Cancel safe.
    async fn step(&mut self) {
        self.follow_clock();
        self.begin_settling();
        self.begin_claiming();
        self.begin_catching_up();
        self.begin_forgetting();
        tokio::select! {
            biased;
            (claim, result) = ready(&mut self.claiming) => self.claimed(&claim, result),
            (batch, followed, result) = ready(&mut self.settling) => self.settled(batch, followed, result),
            Some(settlement) = self.flights.landed() => {
                self.ended.push(settlement);
                while let Some(settlement) = self.flights.landed_already() {
                    self.ended.push(settlement);
                }
            }
            result = ready(&mut self.catching_up) => self.caught_up(result),
            result = ready(&mut self.forgetting) => self.forgot(result),
            () = ready(&mut self.pause) => self.look = true,
            () = self.woken.as_mut() => {
                self.woken = listen(&self.context);
                (self.look, self.behind) = (true, true);
            }
            () = ready(&mut self.alarm) => (self.look, self.behind) = (true, true),
        }
    }

    /// Moves the times that wait to be stored along with the clock.
    fn follow_clock(&mut self) {
        let step = self.context.clock.followed().saturating_sub(self.flights.followed());
        if step == 0 {
            return;
        }
        self.flights.shift(step);
        self.forget_at = self.forget_at.shifted(step);
        let ended = std::mem::take(&mut self.ended);
        self.ended = ended.into_iter().map(|settlement| settlement.shifted(step)).collect();
    }

    fn begin_settling(&mut self) {
        if self.settling.is_some() || self.pause.is_some() || self.ended.is_empty() {
            return;
        }
        let batch = self.flights.settling(std::mem::take(&mut self.ended));
        let store = Arc::clone(&self.context.store);
        let (clock, kept) = (Arc::clone(&self.context.clock), self.flights.followed());
        self.settling = Some(Box::pin(async move {
            let _steady = clock.steady().await;
            let followed = clock.followed();
            let batch = shifted(batch, followed.saturating_sub(kept));
            let result = store.settle(batch.clone()).await;
            (batch, followed, result)
        }));
    }

    fn begin_catching_up(&mut self) {
        if !self.behind || self.stopping || self.catching_up.is_some() || self.pause.is_some() {
            return;
        }
        self.behind = false;
        let store = Arc::clone(&self.context.store);
        let settings = &self.context.settings;
        let limits = CatchUp { changes: settings.catch_up, backlog: settings.backlog };
        let clock = Arc::clone(&self.context.clock);
        self.catching_up = Some(Box::pin(async move {
            let _steady = clock.steady().await;
            store.catch_up(clock.now(), limits).await
        }));
    }

    fn caught_up(&mut self, result: Result<CaughtUp>) {
        match result {
            Ok(CaughtUp::All) => {}
            Ok(CaughtUp::Some) => self.behind = true,
            Ok(CaughtUp::Full) => self.full = true,
            Err(error) => return self.store_failed(Operation::CatchUp, "owe hooks what they missed", &error),
        }
        self.store_succeeded(Operation::CatchUp);
        self.look = true;
    }

    fn begin_forgetting(&mut self) {
        let now = self.context.clock.now();
        if now < self.forget_at || self.stopping || self.forgetting.is_some() || self.pause.is_some() {
            return;
        }
        let settings = &self.context.settings;
        let kept = KeptAttempts { since: now.before(settings.attempts_for), changes: settings.attempts_per_hook };
        let store = Arc::clone(&self.context.store);
        self.forgetting = Some(Box::pin(async move { store.forget_attempts(kept, FORGET_AT_ONCE).await }));
    }

    fn forgot(&mut self, result: Result<bool>) {
        match result {
            Ok(true) => {}
            Ok(false) => self.forget_at = self.context.clock.now().after(FORGET_EVERY),
            Err(error) => return self.store_failed(Operation::Retention, "forget old attempts", &error),
        }
        self.store_succeeded(Operation::Retention);
    }

    fn begin_claiming(&mut self) {
        if !self.look || self.stopping || self.claiming.is_some() || self.pause.is_some() {
            return;
        }
        // A store that accepts claims but no settlements must not fill the memory with them.
        if self.flights.room() == 0 || self.ended.len() > self.context.settings.concurrency {
            return;
        }
        let asked = self.flights.claim();
        let (store, clock) = (Arc::clone(&self.context.store), Arc::clone(&self.context.clock));
        self.look = false;
        self.alarm = None;
        self.claiming = Some(Box::pin(async move {
            let _steady = clock.steady().await;
            let (now, followed) = clock.dated();
            let asked = DeliveryClaim { now, ..asked };
            let claim = Claim { now, followed, limit: asked.limit };
            let looked = async {
                let due = store.claim_due_deliveries(asked).await?;
                let next = if due.is_empty() { store.next_delivery_due().await? } else { None };
                Ok(Looked { due, next })
            };
            (claim, looked.await)
        }));
    }

    fn claimed(&mut self, claim: &Claim, result: Result<Looked>) {
        let looked = match result {
            Ok(looked) => looked,
            Err(error) => {
                self.store_failed(Operation::ClaimDeliveries, "claim due callbacks", &error);
                return;
            }
        };
        self.store_succeeded(Operation::ClaimDeliveries);
        if self.ended.is_empty() && self.settling.is_none() {
            self.backoff.reset();
        }
        let claimed_at = claim.now.shifted(self.flights.followed().saturating_sub(claim.followed));
        if self.stopping {
            self.ended.extend(looked.due.iter().map(|delivery| returned(delivery, claimed_at)));
            return;
        }
        let now = self.context.clock.now();
        let soonest = now.after(LOOK_PAUSE);
        if looked.due.is_empty() {
            let latest = now.after(self.context.settings.idle.max(LOOK_PAUSE));
            // A due delivery may still not be claimed: its hook has the maximum in flight.
            let next = looked.next.map_or(latest, |next| next.clamp(soonest, latest));
            self.alarm = Some(self.sleep(next));
        } else if looked.due.len() >= claim.limit {
            self.look = true;
        } else {
            self.alarm = Some(self.sleep(soonest));
        }
        self.flights.launch(looked.due, claimed_at);
    }

    fn settled(&mut self, batch: Settling, followed: i64, result: Result<()>) {
        match result {
            Ok(()) => {
                self.backoff.reset();
                self.store_succeeded(Operation::SettleDeliveries);
                // The changes behind these may be due now.
                self.look = true;
                self.behind |= std::mem::take(&mut self.full);
            }
            Err(StoreError::LeaseLost) => {
                tracing::warn!("callbacks were sent after their lease had expired, and will be sent again");
                self.look = true;
            }
            Err(error) => {
                self.store_failed(Operation::SettleDeliveries, "settle callbacks", &error);
                // The clock may have been set before the store failed, or since.
                let kept = self.flights.followed();
                let batch = shifted(batch, kept.saturating_sub(followed));
                let (now, followed) = self.context.clock.dated();
                // After its lease the delivery is due again, whatever the result of this attempt.
                let oldest = now.shifted(kept.saturating_sub(followed)).before(self.context.settings.lease());
                self.ended.extend(batch.settlements.into_iter().filter(|settlement| settlement.now >= oldest));
                self.flights.keep_news(batch.holds, batch.landed);
            }
        }
    }

    fn store_succeeded(&self, operation: Operation) {
        self.context.metrics.work.succeeded(operation, self.context.clock.now());
    }

    fn store_failed(&mut self, operation: Operation, what: &'static str, error: &StoreError) {
        self.context.metrics.work.failed(operation, self.context.clock.now(), error.kind());
        let wait = self.backoff.wait();
        tracing::error!(%error, retry.in_ms = whole_millis(wait), "cannot {what}");
        let clock = Arc::clone(&self.context.clock);
        self.pause = Some(Box::pin(async move { clock.sleep(wait).await }));
    }

    fn sleep(&self, until: Timestamp) -> Pending<()> {
        let clock = Arc::clone(&self.context.clock);
        Box::pin(async move { clock.sleep_until(until).await })
    }
}

fn shifted(batch: Settling, step: i64) -> Settling {
    if step == 0 { batch } else { batch.shifted(step) }
}

/// Listens from now on, not only from the first wait.
fn listen(context: &Context) -> Pin<Box<OwnedNotified>> {
    let mut woken = Box::pin(Arc::clone(&context.store.signals().deliveries).notified_owned());
    woken.as_mut().enable();
    woken
}

/// Waits for the future in the slot, and empties the slot; never returns while it is empty.
async fn ready<T>(slot: &mut Option<Pending<T>>) -> T {
    match slot {
        Some(under_way) => {
            let value = under_way.await;
            *slot = None;
            value
        }
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
