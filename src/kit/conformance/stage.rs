//! A provider that answers as a cassette does, with a check's own answers in place of some. Unlike a replay it answers
//! the same request again: a driver that retries or logs in again gets the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::driver::wire::{Answered, Asked, Tape, Unanswered};
use crate::kit::cassette::{self, Cassette, Recorded, Request};
use crate::kit::conformance::document::counts_entries;

pub(super) type Outcome = Result<Answered, Unanswered>;

/// What is answered, and what was asked.
pub(super) struct Stage {
    cassette: Cassette,
    /// In the place of what the cassette has for an exchange.
    instead: BTreeMap<usize, Outcome>,
    /// Answers what fits nothing of the cassette.
    beside: Vec<Recorded>,
    /// A token that the provider takes no longer.
    stale: Option<String>,
    /// How well a request has to fit.
    fit: Fit,
    /// Which exchanges were used.
    used: Mutex<Vec<bool>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// As in replay.
    Recorded,
    /// Where nothing fits so: method, path and the names of the parameters.
    Shape,
}

impl Stage {
    pub(super) fn of(cassette: &Cassette) -> Stage {
        let used = Mutex::new(vec![false; cassette.exchanges.len()]);
        let (instead, beside) = (BTreeMap::new(), Vec::new());
        Stage { cassette: cassette.clone(), instead, beside, stale: None, fit: Fit::Recorded, used }
    }

    /// The same from the beginning.
    pub(super) fn anew(&self) -> Stage {
        Stage {
            cassette: self.cassette.clone(),
            instead: self.instead.clone(),
            beside: self.beside.clone(),
            stale: self.stale.clone(),
            fit: self.fit,
            used: Mutex::new(vec![false; self.cassette.exchanges.len()]),
        }
    }

    /// Puts another outcome in the place of an exchange's.
    pub(super) fn with(mut self, exchange: usize, outcome: Outcome) -> Stage {
        self.instead.insert(exchange, outcome);
        self
    }

    /// Takes the next page for what it is where the entries of the one before were moved or multiplied: there are
    /// providers whose cursor is the last id of a page.
    pub(super) fn rearranged(mut self) -> Stage {
        self.fit = Fit::Shape;
        self
    }

    /// Answers what fits nothing of its cassette as these do.
    pub(super) fn beside<'a>(mut self, cassettes: impl Iterator<Item = &'a Cassette>) -> Stage {
        self.beside.extend(cassettes.flat_map(|cassette| cassette.exchanges.iter().cloned()));
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
        let shaped = (0..self.cassette.exchanges.len())
            .find(|&at| self.fit == Fit::Shape && !used[at] && has_shape(&self.cassette.exchanges[at].request, asked));
        let Some(at) = fresh.or(fitting.last()).copied().or(shaped) else {
            let beside = self.beside.iter().find(|exchange| exchange.request.fits(asked));
            return beside.map_or(Err(Unanswered::NoConnection), recorded);
        };
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

/// Whether a request is of the same method, place and parameters, whatever their values.
fn has_shape(request: &Request, asked: &Asked) -> bool {
    let names = |url: &url::Url| -> BTreeSet<String> { url.query_pairs().map(|(name, _)| name.into_owned()).collect() };
    let place = |url: &url::Url| (url.origin(), url.path().to_owned());
    request.method == asked.method
        && place(&request.url) == place(&asked.url)
        && names(&request.url) == names(&asked.url)
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

/// With each header that counts entries changed as a count is.
pub(super) fn recounted(mut answered: Answered, recount: impl Fn(usize) -> Option<usize>) -> Answered {
    for (_, value) in answered.headers.iter_mut().filter(|(name, _)| counts_entries(name.as_str())) {
        let count = value.to_str().ok().and_then(|text| text.trim().parse().ok());
        if let Some(new) = count.and_then(&recount) {
            *value = HeaderValue::from(new);
        }
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pages, of which the second is asked for by the last id of the first.
    const PAGES: &str = r#"{ "cassette": 1, "about": "pages", "source": "made up", "at": "2026-11-20T10:00:00Z",
        "account": { "provider": "p", "endpoint": "https://a.example", "user": "u" }, "list": "instances",
        "exchanges": [
            { "request": { "method": "GET", "url": "https://a.example/l" }, "answer": { "status": 200, "body": "1" } },
            { "request": { "method": "GET", "url": "https://a.example/l?after=b" }, "answer": { "status": 200, "body": "2" } }
        ] }"#;

    #[tokio::test]
    async fn a_request_is_answered_again_and_one_of_the_same_shape_where_entries_moved() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pages.json");
        std::fs::write(&path, PAGES).expect("written");
        let cassette = Cassette::read(&path).expect("a cassette");
        let check = async |stage: &Stage, path: &str, want: Option<&str>| {
            let asked = Asked {
                method: http::Method::GET,
                url: url::Url::parse(&format!("https://a.example{path}")).expect(path),
                headers: HeaderMap::new(),
                body: Bytes::new(),
            };
            let came = stage.answer(&asked).await.ok().map(|answered| answered.body);
            assert_eq!(came.as_deref(), want.map(str::as_bytes), "{path}");
        };
        let stage = Stage::of(&cassette);
        check(&stage, "/l", Some("1")).await;
        check(&stage, "/l", Some("1")).await;
        check(&stage, "/l?after=z", None).await;
        check(&stage, "/l?after=b", Some("2")).await;
        let stage = Stage::of(&cassette).rearranged();
        check(&stage, "/l", Some("1")).await;
        check(&stage, "/l?before=z", None).await;
        check(&stage, "/l?after=z", Some("2")).await;
        // There is no third page: a list that goes on for ever ends here.
        check(&stage, "/l?after=y", None).await;
        let stage = Stage::of(&cassette).refusing("b").with(0, Err(Unanswered::Timeout));
        check(&stage, "/l", None).await;
        check(&stage, "/l?after=b", Some("the token is not valid")).await;
        let mut first = cassette.clone();
        first.exchanges.truncate(1);
        let stage = Stage::of(&first).with(0, Err(Unanswered::Timeout)).beside([&cassette].into_iter());
        check(&stage, "/l", None).await;
        check(&stage, "/l?after=b", Some("2")).await;
        check(&stage, "/l?after=z", None).await;
    }
}
