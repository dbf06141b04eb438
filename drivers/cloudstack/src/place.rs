//! Which page is asked for next, as a cursor: `3.1000`, the third page, behind 1,000 entries; or `1.0-0-3`, the first page without the
//! first and the fourth of the ids that are asked for.

use tracker_driver_sdk::Error;

#[derive(Debug)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) number: u64,
    /// How many entries came on the pages before.
    pub(crate) seen: u64,
    /// Which ids CloudStack does not know, by their places.
    unknown: Vec<usize>,
}

impl Place {
    pub(crate) fn read(cursor: Option<&str>) -> Result<Self, Error> {
        let Some(cursor) = cursor else { return Ok(Place { number: 1, seen: 0, unknown: Vec::new() }) };
        let mut parts = cursor.split('-');
        let numbers = parts.next().and_then(|numbers| {
            let (number, seen) = numbers.split_once('.')?;
            Some((number.parse().ok().filter(|number| *number > 0)?, seen.parse().ok()?))
        });
        let unknown = parts.map(|place| place.parse().ok()).collect::<Option<Vec<_>>>();
        match (numbers, unknown) {
            (Some((number, seen)), Some(unknown)) => Ok(Place { number, seen, unknown }),
            _ => Err(Error::UnexpectedAnswer(format!("the cursor `{cursor}` is not of this driver"))),
        }
    }

    /// Those of the ids that one request can ask for, each once.
    pub(crate) fn asked_for<'a>(&self, ids: &'a [String]) -> Vec<&'a str> {
        let mut asked_for: Vec<&str> = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            // A comma parts ids from each other: no id has one.
            let is_one = !id.is_empty() && !id.contains(',') && !self.unknown.contains(&place);
            if is_one && !asked_for.contains(&id.as_str()) {
                asked_for.push(id);
            }
        }
        asked_for
    }

    /// The cursor to the page behind this one, on which so many entries are.
    pub(crate) fn behind(&self, length: u64) -> String {
        self.cursor(self.number.saturating_add(1), self.seen.saturating_add(length), None)
    }

    /// The cursor to the same ids without the one of that place.
    pub(crate) fn without(&self, place: usize) -> String {
        self.cursor(1, 0, Some(place))
    }

    fn cursor(&self, number: u64, seen: u64, more: Option<usize>) -> String {
        let places = self.unknown.iter().copied().chain(more);
        places.fold(format!("{number}.{seen}"), |cursor, place| format!("{cursor}-{place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_on_and_leaves_out() {
        let ids = ["a", "b", "", "a", "c,d", "e"].map(str::to_owned);
        let first = Place::read(None).unwrap();
        assert_eq!((first.number, first.asked_for(&ids)), (1, vec!["a", "b", "e"]));
        assert_eq!(first.behind(500), "2.500");
        assert_eq!(Place::read(Some("2.500")).unwrap().behind(20), "3.520");
        let second = Place::read(Some(&first.without(1))).unwrap();
        assert_eq!((second.number, second.asked_for(&ids)), (1, vec!["a", "e"]));
        assert_eq!((second.behind(3), second.without(5)), ("2.3-1".to_owned(), "1.0-1-5".to_owned()));
        for wrong in ["", "0.0", "2", "-1", "1.", "1.0-", "1.0-x", "1.x", "x", "1.0-1-99999999999999999999999"] {
            assert!(Place::read(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
