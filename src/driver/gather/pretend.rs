//! A simulated provider that changes while it is listed. It pages by offset and states a total.

use proptest::prelude::*;

use super::{Gathering, Page};
use crate::driver::error::CallError;
use crate::driver::listing::Coverage;
use crate::model::Resource;

/// What happens there between two pages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Nothing,
    /// The instance at this place (modulo their number) ends.
    Ends(usize),
    /// A new one comes to stand before all others.
    Comes,
    /// A new one comes to stand behind all others.
    ComesLast,
    /// The first of the instances that were listed ends, and a new one comes to stand behind all others: their number stays,
    /// and the first one of the next page moves to a page that was read already.
    Replaces,
    /// The page before is given once more, under another cursor.
    Stuck,
    /// The page before is given once more, under the cursor that led to it.
    Loops,
    /// The next page has its first entry twice, and its last one not at all.
    Doubles,
    /// No page comes, and with it no list.
    Fails,
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => Just(Event::Nothing),
        3 => (0..100_usize).prop_map(Event::Ends),
        2 => Just(Event::Comes),
        2 => Just(Event::ComesLast),
        2 => Just(Event::Replaces),
        1 => Just(Event::Stuck),
        1 => Just(Event::Loops),
        1 => Just(Event::Doubles),
        1 => Just(Event::Fails),
    ]
}

#[derive(Debug)]
pub(crate) struct Provider {
    /// Those that it has, in the order of its list.
    pub(crate) there: Vec<usize>,
    /// How many pages its last list had.
    pub(crate) pages: u32,
    next_id: usize,
}

impl Provider {
    pub(crate) fn of(count: usize) -> Provider {
        Provider { there: (0..count).collect(), pages: 0, next_id: count }
    }

    fn new_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id - 1
    }

    /// Its list in pages of `size`, with `others` that the driver leaves out, as the host gathers it. An event comes after
    /// each page but the last.
    pub(crate) fn list(
        &mut self,
        (size, others): (usize, u64),
        events: &mut dyn Iterator<Item = Event>,
        resource: impl Fn(usize) -> Resource,
    ) -> Result<(Vec<Resource>, Coverage), CallError> {
        let mut gathering = Gathering::new(None, 3);
        let (mut offset, mut cursor) = (0, 0);
        self.pages = 0;
        let mut doubles = false;
        loop {
            let end = (offset + size).min(self.there.len());
            let is_last = end >= self.there.len();
            cursor += 1;
            self.pages += 1;
            let mut ids = self.there.get(offset..end).unwrap_or_default().to_vec();
            if std::mem::take(&mut doubles)
                && let [first, .., last] = ids.as_mut_slice()
            {
                *last = *first;
            }
            let page = Page {
                resources: ids.into_iter().map(&resource).collect(),
                next: (!is_last).then(|| cursor.to_string()),
                coverage: Coverage::Complete,
                total: Some(self.there.len() as u64 + others),
                omitted: if is_last { others } else { 0 },
                bytes: 0,
            };
            if gathering.take(page)?.is_none() {
                return Ok(gathering.finish());
            }
            let before = std::mem::replace(&mut offset, end);
            match events.next().unwrap_or(Event::Nothing) {
                Event::Nothing => {}
                Event::Ends(place) => {
                    if let Some(place) = place.checked_rem(self.there.len()) {
                        self.there.remove(place);
                    }
                }
                Event::Comes => {
                    let id = self.new_id();
                    self.there.insert(0, id);
                }
                Event::ComesLast => {
                    let id = self.new_id();
                    self.there.push(id);
                }
                Event::Replaces => {
                    let id = self.new_id();
                    self.there.remove(0);
                    self.there.push(id);
                }
                Event::Stuck => offset = before,
                Event::Loops => (offset, cursor) = (before, cursor - 1),
                Event::Doubles => doubles = true,
                Event::Fails => return Err(CallError::Unavailable("it is down".into())),
            }
        }
    }
}
