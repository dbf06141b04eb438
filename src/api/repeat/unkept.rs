//! What became of requests with an `Idempotency-Key` where the store could not be told: their rows there say that they are
//! still under way. It is remembered here, and the store is told before the next request with such a key begins, so that
//! none waits for longer than the store fails. A host that ends forgets it with all that was under way.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::model::Sealed;
use crate::store::{RequestId, Store, StoreError};

/// How many are remembered, and how many bytes of their answers. A disk that is full for long has clients send more: the
/// oldest are forgotten then, and count as under way for as long as a request may take.
const MOST: usize = 10_000;
const MOST_BYTES: usize = 16 << 20;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered {
        fingerprint: [u8; 32],
        answer: Sealed,
    },
    /// It was carried out, and its answer can't be kept, for this reason.
    Lost(&'static str),
    /// It did nothing, and may be made again.
    Abandoned,
}

impl Outcome {
    /// Has the store know of it.
    pub(super) async fn tell(&self, store: &dyn Store, id: &RequestId) -> Result<(), StoreError> {
        match self {
            Outcome::Answered { answer, .. } => store.finish_request(id, answer.clone()).await,
            Outcome::Lost(why) => store.lose_answer(id, why).await,
            Outcome::Abandoned => store.abandon_request(id).await,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Outcome::Answered { answer, .. } => answer.0.len(),
            Outcome::Lost(_) | Outcome::Abandoned => 0,
        }
    }
}

#[derive(Debug, Default)]
pub(in super::super) struct Unkept(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The oldest first.
    outcomes: VecDeque<(RequestId, Outcome)>,
    bytes: usize,
}

impl Unkept {
    pub(super) fn put(&self, id: RequestId, outcome: Outcome) {
        let mut kept = self.kept();
        kept.bytes += outcome.bytes();
        kept.outcomes.push_back((id, outcome));
        while kept.outcomes.len() > MOST || kept.bytes > MOST_BYTES {
            let Some((_, forgotten)) = kept.outcomes.pop_front() else { break };
            kept.bytes -= forgotten.bytes();
        }
    }

    /// Takes it out: of several requests with the same key only one tells the store.
    pub(super) fn take(&self, id: &RequestId) -> Option<Outcome> {
        let mut kept = self.kept();
        let at = kept.outcomes.iter().position(|(of, _)| of == id)?;
        let (_, outcome) = kept.outcomes.remove(at)?;
        kept.bytes -= outcome.bytes();
        Some(outcome)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("invariant: no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, Owner};

    fn id(key: usize) -> RequestId {
        RequestId { account: AccountId(1), owner: Owner::Account, key: key.to_string() }
    }

    #[test]
    fn an_outcome_is_taken_once() {
        let unkept = Unkept::default();
        unkept.put(id(1), Outcome::Abandoned);
        unkept.put(id(2), Outcome::Lost("it is no text"));
        assert_eq!(unkept.take(&id(2)), Some(Outcome::Lost("it is no text")));
        assert_eq!(unkept.take(&id(2)), None);
        assert_eq!(unkept.take(&id(1)), Some(Outcome::Abandoned));
    }

    #[test]
    fn the_oldest_are_forgotten_for_newer_ones() {
        let unkept = Unkept::default();
        for key in 0..=MOST {
            unkept.put(id(key), Outcome::Abandoned);
        }
        assert_eq!((unkept.take(&id(0)), unkept.take(&id(1))), (None, Some(Outcome::Abandoned)));
        let answered = || Outcome::Answered { fingerprint: [0; 32], answer: Sealed(vec![0; MOST_BYTES / 2]) };
        for key in 0..3 {
            unkept.put(id(MOST + 1 + key), answered());
        }
        assert_eq!((unkept.take(&id(2)), unkept.take(&id(MOST + 1))), (None, None));
        assert_eq!(unkept.take(&id(MOST + 3)), Some(answered()));
        assert_eq!(unkept.kept().bytes, MOST_BYTES / 2);
    }
}
