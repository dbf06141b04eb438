//! The ids of changes.

use rusqlite::{Connection, OptionalExtension};

use super::super::Result;
use super::fault::Fault;
use crate::model::Timestamp;

/// Gives out ULIDs: the time of record, then eighty random bits, which count up within a millisecond,
/// so that ids sort as the changes of one transaction do.
#[derive(Debug, Default)]
pub(super) struct ChangeIds {
    last: Option<ulid::Ulid>,
}

impl ChangeIds {
    /// Goes on from the newest change of a store.
    pub(super) fn of(connection: &Connection) -> Result<ChangeIds> {
        let mut select = connection.prepare_cached("SELECT id FROM changes ORDER BY sequence DESC LIMIT 1")?;
        let last = select.query_row((), |row| row.get::<_, Vec<u8>>(0)).optional();
        // One that can't be read is met by whoever reads the change.
        let last = last.ok().flatten().and_then(|id| id.try_into().ok());
        Ok(ChangeIds { last: last.map(|id| ulid::Ulid(u128::from_be_bytes(id))) })
    }

    pub(super) fn next(&mut self, now: Timestamp) -> Result<u128> {
        // ULIDs know no time before 1970.
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let next = match self.last {
            // Ids rise, also when the clock was set back.
            Some(last) if last.timestamp_ms() >= millis => match last.increment() {
                Ok(next) => next,
                Err(_) => ulid::Ulid::from_parts(last.timestamp_ms() + 1, random()?),
            },
            _ => ulid::Ulid::from_parts(millis, random()?),
        };
        self.last = Some(next);
        Ok(next.0)
    }
}

/// Eighty bits with the highest one clear, which leaves room to count up.
fn random() -> Result<u128, Fault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes[6..]).map_err(Fault::NoRandomness)?;
    bytes[6] &= 0x7f;
    Ok(u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_time_and_rise_also_when_the_clock_is_set_back() {
        let mut ids = ChangeIds::default();
        let mut at = |millis: i64| ulid::Ulid(ids.next(Timestamp::from_millis(millis)).expect("randomness"));
        let first = at(1000);
        let second = at(1000);
        let later = at(1001);
        let set_back = at(-5);
        assert_eq!(first.timestamp_ms(), 1000);
        assert_eq!(second.0, first.0 + 1);
        assert!(later > second);
        assert_eq!(later.timestamp_ms(), 1001);
        assert!(set_back > later);
        assert_eq!(
            ulid::Ulid(ChangeIds::default().next(Timestamp::from_millis(-5)).expect("randomness")).timestamp_ms(),
            0
        );
        let mut full = ChangeIds { last: Some(ulid::Ulid::from_parts(7, u128::MAX)) };
        assert_eq!(ulid::Ulid(full.next(Timestamp::from_millis(3)).expect("randomness")).timestamp_ms(), 8);
    }
}
