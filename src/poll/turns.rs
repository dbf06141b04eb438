//! The host's knowledge about the order of polls, by which the store claims. What the host learns is written to the
//! store with the next claim, so that a restarted host knows which endpoints answer.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::model::{AccountId, Kind, Share};
use crate::roster::CallShares;
use crate::store::{Admission, PollNote};

pub struct Turns {
    shares: Arc<CallShares>,
    /// Polls that became slow, or are no longer slow.
    paces: Mutex<Vec<PollNote>>,
}

impl Turns {
    pub fn new(shares: Arc<CallShares>) -> Turns {
        Turns { shares, paces: Mutex::default() }
    }

    pub(super) fn shares(&self) -> &Arc<CallShares> {
        &self.shares
    }

    /// How many polls may begin in all shares together.
    pub(super) fn room(&self) -> usize {
        Share::ALL.into_iter().map(|share| self.shares.room(share)).sum()
    }

    pub(super) fn note_pace(&self, account: AccountId, kind: Kind, slow: bool) {
        self.paces().push(PollNote::Pace { account, kind, slow });
    }

    pub(super) fn take_notes(&self) -> Vec<PollNote> {
        let mut notes = std::mem::take(&mut *self.paces());
        notes.extend(self.shares.endpoints().take_changed().into_iter().map(|(name, view)| PollNote::Endpoint {
            name,
            standing: view.standing,
            held: view.open_until,
        }));
        notes
    }

    pub(super) fn give_notes_back(&self, notes: Vec<PollNote>) {
        let mut paces = self.paces();
        for note in notes {
            match note {
                PollNote::Endpoint { name, .. } => self.shares.endpoints().changed_again([name]),
                // Before the newer notes.
                pace @ PollNote::Pace { .. } => paces.insert(0, pace),
            }
        }
    }

    fn paces(&self) -> MutexGuard<'_, Vec<PollNote>> {
        self.paces.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl Admission for Turns {
    fn room(&self, share: Share) -> usize {
        self.shares.room(share)
    }

    fn room_at(&self, endpoint: &str, share: Share) -> usize {
        self.shares.room_at(endpoint, share)
    }
}
