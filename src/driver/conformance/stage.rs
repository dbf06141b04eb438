//! The provider as a cassette has it, with whatever one check puts in an answer's place. Unlike a replay it
//! answers the same request again: a driver that tries again, or logs in anew, is told the same once more.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::driver::cassette::{self, Cassette, Recorded};
use crate::driver::wire::{Answered, Asked, Tape, Unanswered};

pub(super) type Outcome = Result<Answered, Unanswered>;

/// What is answered, and what was asked.
pub(super) struct Stage {
    cassette: Cassette,
    /// In the place of what the cassette has for an exchange.
    instead: BTreeMap<usize, Outcome>,
    /// A token that the provider takes no longer.
    stale: Option<String>,
    /// Which exchanges were used.
    used: Mutex<Vec<bool>>,
}

impl Stage {
    pub(super) fn of(cassette: &Cassette) -> Stage {
        let used = Mutex::new(vec![false; cassette.exchanges.len()]);
        Stage { cassette: cassette.clone(), instead: BTreeMap::new(), stale: None, used }
    }

    /// Puts another outcome in the place of an exchange's.
    pub(super) fn with(mut self, exchange: usize, outcome: Outcome) -> Stage {
        self.instead.insert(exchange, outcome);
        self
    }

    /// Answers 401 to every request with this token in it.
    pub(super) fn refusing(mut self, token: &str) -> Stage {
        self.stale = Some(token.to_owned());
        self
    }
}

#[async_trait]
impl Tape for Stage {
    async fn answer(&self, asked: &Asked) -> Outcome {
        if self.stale.as_ref().is_some_and(|token| carries(asked, token)) {
            return Ok(answer(StatusCode::UNAUTHORIZED, "text/plain", "the token is not valid"));
        }
        let fitting: Vec<usize> =
            (0..self.cassette.exchanges.len()).filter(|&at| self.cassette.exchanges[at].request.fits(asked)).collect();
        let mut used = self.used.lock().expect("invariant: no holder of this lock can panic");
        let fresh = fitting.iter().find(|&&at| !used[at]);
        let Some(&at) = fresh.or(fitting.last()) else { return Err(Unanswered::NoConnection) };
        used[at] = true;
        match self.instead.get(&at) {
            Some(outcome) => outcome.clone(),
            None => recorded(&self.cassette.exchanges[at]),
        }
    }
}

/// What a cassette has for an exchange.
pub(super) fn recorded(exchange: &Recorded) -> Outcome {
    match &exchange.outcome {
        cassette::Outcome::Answer(answer) => Ok(answer.answered()),
        cassette::Outcome::Unanswered(why) => Err(why.clone()),
    }
}

fn carries(asked: &Asked, token: &str) -> bool {
    let within = |bytes: &[u8]| memchr::memmem::find(bytes, token.as_bytes()).is_some();
    asked.headers.values().any(|value| within(value.as_bytes()))
        || within(&asked.body)
        || within(asked.url.as_str().as_bytes())
}

/// An answer of the suite's own.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answered {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Answered { status, headers, body: body.into(), broken: false }
}

/// A recorded answer with another body.
pub(super) fn with_body(answered: &Answered, body: impl Into<Bytes>) -> Answered {
    let mut answered = Answered { body: body.into(), ..answered.clone() };
    answered.headers.remove(header::CONTENT_LENGTH);
    answered
}
