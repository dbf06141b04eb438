//! Whether a call is waiting for its provider. From outside, a call that waits for the first byte of an answer looks
//! like one that computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Counts the answers of one endpoint, for all calls to it.
#[derive(Clone, Debug, Default)]
pub struct Answers(Arc<AtomicU64>);

impl Answers {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one call hears.
#[derive(Debug, Default)]
pub struct Pulse {
    answers: Answers,
    /// Answers that this call had.
    own: AtomicU64,
    /// Requests without an answer.
    waiting: AtomicU32,
}

impl Pulse {
    pub fn new(answers: Answers) -> Pulse {
        Pulse { answers, ..Pulse::default() }
    }

    /// Whether a request is out of which no answer has begun.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether any answer has begun.
    pub fn has_heard(&self) -> bool {
        self.own.load(Ordering::Relaxed) > 0
    }

    pub fn heard(&self) {
        self.own.fetch_add(1, Ordering::Relaxed);
        self.answers.0.fetch_add(1, Ordering::Relaxed);
    }

    /// A request goes out; its answer is waited for until what this gives is dropped.
    pub fn ask(self: &Arc<Pulse>) -> Asking {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Asking(Arc::clone(self))
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Asking(Arc<Pulse>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
