//! The part of a store that delivery needs, in memory, so that the tests of the loop need no database. The trait states
//! what any store must do; the contract's tests check it on the real one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::model::Timestamp;
use crate::model::breaker::Standing;
use crate::store::{
    Attempt, Budget, CatchUp, CaughtUp, Deliveries, DeliveryClaim, DestinationRoom, DueDelivery, KeptAttempts, LeaseId,
    LeasePlace, LeaseRequest, Leased, Outcome, Recipient, Result, Settlement, Settling, Signalling, Signals,
    StoreError,
};

#[derive(Default)]
pub(super) struct MemoryStore {
    rows: Mutex<Vec<Row>>,
    /// Every hold of a destination that was asked for.
    pub(super) holds: Mutex<Vec<(Arc<str>, Timestamp)>>,
    standings: Mutex<HashMap<Arc<str>, Standing>>,
    /// How many of the next calls fail.
    pub(super) failing: AtomicUsize,
    signals: Signals,
}

impl Signalling for MemoryStore {
    fn signals(&self) -> &Signals {
        &self.signals
    }
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    delivery: DueDelivery,
    pub(super) due: Timestamp,
    pub(super) attempts: u32,
    pub(super) outcome: Option<Outcome>,
    pub(super) tried: Vec<Attempt>,
}

impl MemoryStore {
    /// Owes a delivery, due at once, after those that are owed already.
    pub(super) fn owe(&self, delivery: DueDelivery) {
        self.owe_at(delivery, Timestamp::default());
    }

    pub(super) fn owe_at(&self, delivery: DueDelivery, due: Timestamp) {
        self.rows.lock().unwrap().push(Row { delivery, due, attempts: 0, outcome: None, tried: Vec::new() });
    }

    /// Moves what is due by so many milliseconds, as a store does when the clock is set.
    pub(super) fn move_due(&self, by: i64) {
        for row in self.rows.lock().unwrap().iter_mut() {
            row.due = Timestamp::from_millis(row.due.as_millis() + by);
        }
    }

    pub(super) fn row(&self, index: usize) -> Row {
        self.rows.lock().unwrap()[index].clone()
    }

    pub(super) fn outcomes(&self) -> Vec<Option<Outcome>> {
        self.rows.lock().unwrap().iter().map(|row| row.outcome.clone()).collect()
    }

    fn fail(&self) -> Result<()> {
        let left = self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match left {
            Ok(_) => Err(StoreError::Failed("the disk is full".into())),
            Err(_) => Ok(()),
        }
    }
}

impl Row {
    fn is_waiting(&self) -> bool {
        matches!(self.outcome, None | Some(Outcome::Retry { .. } | Outcome::Returned))
    }

    fn is_in_line_of(&self, other: &Row) -> bool {
        let line = |row: &Row| (row.delivery.id.hook, row.delivery.change.what.resource.clone());
        line(self) == line(other)
    }
}

#[async_trait]
impl Deliveries for MemoryStore {
    async fn claim_due_deliveries(&self, claim: DeliveryClaim) -> Result<Vec<DueDelivery>> {
        self.fail()?;
        let mut rows = self.rows.lock().unwrap();
        let mut claimed: Vec<DueDelivery> = Vec::new();
        let mut budget = Budget::new(&claim.room, claim.limit);
        let mut destinations: HashMap<Arc<str>, DestinationRoom> = HashMap::new();
        for index in 0..rows.len() {
            let row = &rows[index];
            let hook = row.delivery.id.hook;
            let is_head = !rows[..index].iter().any(|before| before.is_waiting() && before.is_in_line_of(row));
            let recipient = Arc::clone(&row.delivery.recipient);
            let name = &recipient.destination;
            let stored = self.standings.lock().unwrap().get(name).copied().unwrap_or_default();
            let asked = || claim.room.destination(name, stored, claim.now);
            let destination = destinations.entry(Arc::clone(name)).or_insert_with(asked);
            let going = claimed.iter().filter(|other| other.id.hook == hook).count();
            let has_room = going < claim.room.hook(hook) && budget.allows(recipient.account, destination) > 0;
            if has_room && row.is_waiting() && is_head && row.due <= claim.now {
                let row = &mut rows[index];
                row.due = claim.now.after(claim.lease);
                row.delivery.lease += 1;
                budget.take(recipient.account, destination, 1);
                let recipient = Arc::new(Recipient { standing: destination.standing, ..(*recipient).clone() });
                claimed.push(DueDelivery { attempts: row.attempts, recipient, ..row.delivery.clone() });
            }
        }
        Ok(claimed)
    }

    async fn next_delivery_due(&self) -> Result<Option<Timestamp>> {
        let rows = self.rows.lock().unwrap();
        Ok(rows.iter().filter(|row| row.is_waiting()).map(|row| row.due).min())
    }

    async fn settle(&self, settling: Settling) -> Result<()> {
        self.fail()?;
        self.holds.lock().unwrap().extend(settling.holds);
        self.standings.lock().unwrap().extend(settling.landed);
        let mut rows = self.rows.lock().unwrap();
        for Settlement { id, lease, outcome, now, attempts } in settling.settlements {
            let Some(row) = rows.iter_mut().find(|row| row.delivery.id == id) else { continue };
            if !row.is_waiting() || row.delivery.lease != lease {
                continue;
            }
            match &outcome {
                Outcome::Retry { due } => row.due = *due,
                _ => row.due = now,
            }
            row.attempts += u32::from(outcome != Outcome::Returned);
            row.outcome = Some(outcome);
            row.tried.extend(attempts);
        }
        Ok(())
    }

    async fn catch_up(&self, _: Timestamp, _: CatchUp) -> Result<CaughtUp> {
        Ok(CaughtUp::All)
    }

    async fn forget_attempts(&self, _: KeptAttempts, _: usize) -> Result<bool> {
        Ok(false)
    }

    async fn lend_pending(&self, _: LeaseRequest) -> Result<Leased> {
        Ok(Leased { id: LeaseId(1), changes: Vec::new(), up_to: None, is_more: false })
    }

    async fn acknowledge_pending(&self, _: LeasePlace, _: i64) -> Result<u64> {
        Ok(0)
    }

    async fn return_pending(&self, _: LeasePlace) -> Result<()> {
        Ok(())
    }

    async fn count_waiting(&self) -> Result<u64> {
        Ok(self.rows.lock().unwrap().iter().filter(|row| row.is_waiting()).count() as u64)
    }
}
