//! The answers to a list of a thousand instances, made of a driver's cassettes as the check `a-thousand` makes them: for benches,
//! which then serve them to the driver.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::document::{Document, Edit};
use super::growth::{Growth, THOUSAND, growth};
use super::stage::{Stage, with_body};
use super::stand::{Blank, Run, Stand, ids};
use super::suite::Case;
use super::{StandError, compile};
use crate::driver::Limits;
use crate::driver::wire::{Answered, Asked, Tape, Unanswered};
use crate::kit::cassette::Cassette;
use crate::model::Kind;

/// A list of a thousand instances or more.
#[derive(Clone, Debug)]
pub struct Thousand {
    /// What it was made of: the account, and the time.
    pub cassette: Cassette,
    pub listed: usize,
    /// The answers to the first list of an account, in the order in which the driver asks for them.
    pub first: Vec<Answered>,
    /// The answers to each list after that: the driver may remember a token.
    pub again: Vec<Answered>,
}

impl Thousand {
    /// The size of the answers to a list after the first, in bytes.
    pub fn bytes(&self) -> usize {
        self.again.iter().map(|answered| answered.body.len()).sum()
    }
}

/// Of the lists that can be made of these cassettes, the one with the largest answers: entries of cassettes differ in how much
/// they say. None where no list can be made.
pub async fn thousand(
    file: &Path,
    cassettes: impl IntoIterator<Item = Cassette>,
) -> Result<Option<Thousand>, StandError> {
    let blank = Blank::new(file, &Limits::default(), (&compile::Settings::default(), None))?;
    let stand = blank.stand().await?;
    let mut largest: Option<Thousand> = None;
    for cassette in cassettes {
        if !is_list_of_everything(&cassette) {
            continue;
        }
        let run = stand.list(&blank, &cassette, Stage::of(&cassette)).await;
        let made = made(&blank, &stand, Case { cassette, run }).await;
        largest = largest.into_iter().chain(made).max_by_key(Thousand::bytes);
    }
    Ok(largest)
}

fn is_list_of_everything(cassette: &Cassette) -> bool {
    let is_good = cassette.expect.error.is_none() && cassette.since.is_none();
    cassette.list == Kind::Instance && cassette.ids.is_empty() && is_good
}

/// Makes a list of a case. None where it is not whole: a full page is one that another follows, and with an entry more it is
/// taken for everything.
async fn made(blank: &Blank, stand: &Stand, case: Case) -> Option<Thousand> {
    let resources = case.run.resources();
    if resources.is_empty() {
        return None;
    }
    if resources.len() >= THOUSAND {
        let wanted = ids(resources).into_iter().map(str::to_owned).collect();
        return listed((blank, stand), &case.cassette, (&Stage::of(&case.cassette), &wanted)).await;
    }
    for entries in [THOUSAND, THOUSAND + 1] {
        let Growth { wanted, stage, .. } = growth(&case, entries)?;
        let made = listed((blank, stand), &case.cassette, (&stage, &wanted)).await;
        if made.is_some() {
            return made;
        }
    }
    None
}

/// Lists twice as one account, and keeps the answers.
async fn listed(
    (blank, stand): (&Blank, &Stand),
    cassette: &Cassette,
    (stage, wanted): (&Stage, &BTreeSet<String>),
) -> Option<Thousand> {
    let target = blank.stranger(cassette);
    let mut lists = Vec::new();
    for _ in 0..2 {
        let tape = Arc::new(Kept { stage: stage.anew(), wanted: wanted.clone(), answers: Mutex::default() });
        let run = stand.list_as(target.clone(), cassette, Arc::clone(&tape) as Arc<dyn Tape>).await;
        let answers = std::mem::take(&mut *tape.answers.lock().expect("invariant: no holder of this lock can panic"));
        if !is_whole(&run, wanted) {
            return None;
        }
        lists.push(answers.into_iter().map(|(_, outcome)| outcome).collect::<Result<Vec<_>, _>>().ok()?);
    }
    let again = lists.pop()?;
    let first = lists.pop()?;
    Some(Thousand { listed: wanted.len(), cassette: cassette.clone(), first, again })
}

fn is_whole(run: &Run, wanted: &BTreeSet<String>) -> bool {
    let listed = ids(run.resources());
    listed.len() == wanted.len() && wanted.iter().all(|id| listed.contains(id.as_str()))
}

/// Keeps what a stage answers. Behind the page that has grown there may be another one for a driver that counts entries, which no
/// cassette has: it is empty.
struct Kept {
    stage: Stage,
    /// The ids that are listed.
    wanted: BTreeSet<String>,
    answers: Mutex<Vec<(Asked, Result<Answered, Unanswered>)>>,
}

impl Kept {
    /// A list that was answered to a request of this shape, with nothing in it.
    fn empty_page(&self, asked: &Asked) -> Option<Answered> {
        let answers = self.answers.lock().expect("invariant: no holder of this lock can panic");
        let ids: HashSet<&str> = self.wanted.iter().map(String::as_str).collect();
        let before = answers.iter().rev().filter(|(before, _)| has_shape(before, asked));
        before.filter_map(|(_, outcome)| emptied(outcome.as_ref().ok()?, &ids)).next()
    }
}

/// An answer without what is in the list that has these ids; none where it has no list of them.
fn emptied(answered: &Answered, ids: &HashSet<&str>) -> Option<Answered> {
    let document = Document::read(&answered.body)?;
    let lists = document.lists(ids);
    let edits: Vec<_> = lists.into_iter().map(|list| (list.place, Edit::Emptied)).collect();
    (!edits.is_empty()).then(|| with_body(answered, document.edited(&edits)))
}

fn has_shape(one: &Asked, other: &Asked) -> bool {
    let names = |asked: &Asked| asked.url.query_pairs().map(|(name, _)| name.into_owned()).collect::<BTreeSet<_>>();
    let place = |asked: &Asked| (asked.method.clone(), asked.url.origin(), asked.url.path().to_owned());
    place(one) == place(other) && names(one) == names(other)
}

#[async_trait]
impl Tape for Kept {
    async fn answer(&self, asked: &Asked) -> Result<Answered, Unanswered> {
        let outcome = match self.stage.answer(asked).await {
            Err(unanswered) => self.empty_page(asked).ok_or(unanswered),
            answered => answered,
        };
        let mut answers = self.answers.lock().expect("invariant: no holder of this lock can panic");
        answers.push((asked.clone(), outcome.clone()));
        outcome
    }
}
