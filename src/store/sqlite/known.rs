//! The known resources of an account, as the diff reads them: all of them, at every poll.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{OptionalExtension, Row, params};

use super::super::{Comparison, Delta, Known, KnownResource, Result};
use super::columns::{get, kind_number};
use super::damage::{Key, Reading, Source};
use crate::model::{AccountId, InvalidResourceId, Kind, ResourceId};

/// Shows each to the comparison. Nothing is copied, an id is not looked into as long as nobody asks, and of what is as
/// it was only that much is read as shows it.
pub(super) fn each(
    reading: &Reading<'_>,
    account: AccountId,
    kind: Kind,
    comparison: &mut (impl Comparison + ?Sized),
) -> Result<()> {
    let recorded = recorded(reading, account, kind)?;
    let mut select = reading.prepare_cached(
        "SELECT id, fingerprint, missing, state, seen, marked, account, kind FROM resources
         WHERE account = ?1 AND kind = ?2 ORDER BY id",
    )?;
    let mut rows = select.query(params![account.0, kind_number(kind)])?;
    while let Some(row) = rows.next()? {
        // One that can't be read is as if it had never been seen.
        let source = Source { table: "resources", account: Some(account), key: Key::Columns(&[6, 7, 0]) };
        reading.damages.read(source, row, |row| show(row, recorded, &mut *comparison))?;
    }
    Ok(())
}

fn show(row: &Row<'_>, recorded: i64, comparison: &mut (impl Comparison + ?Sized)) -> rusqlite::Result<()> {
    let id = row.get_ref(0)?.as_str().map_err(|_| not_an_id(FromSqlError::InvalidType))?;
    let fingerprint = row.get::<_, i64>(1)?.cast_unsigned();
    let missing: u32 = row.get(2)?;
    if missing == 0 && comparison.passes(id, fingerprint) {
        return Ok(());
    }
    let unsettled = missing > 0 && row.get::<_, i64>(5)? > recorded;
    let missing = counted(missing, unsettled);
    let known = Known { id, fingerprint, missing, state: get(row, 3)?, seen: get(row, 4)?, unsettled };
    comparison.known(known).map_err(not_an_id)
}

fn not_an_id(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

/// Which poll was the last that listed everything and was recorded to its end: what a later one marked as missing is
/// not counted.
fn recorded(reading: &Reading<'_>, account: AccountId, kind: Kind) -> Result<i64> {
    let mut select = reading.prepare_cached("SELECT recorded FROM polls WHERE account = ?1 AND kind = ?2")?;
    let key = [account.0, kind_number(kind)];
    let source = Source { table: "polls", account: Some(account), key: Key::Values(&key) };
    let found = select.query_row(key, |row| reading.damages.read(source, row, |row| row.get(0)));
    Ok(found.optional()?.flatten().unwrap_or(0))
}

/// In how many lists it was missing, of those that were recorded to their end.
fn counted(missing: u32, unsettled: bool) -> u32 {
    if unsettled { missing.saturating_sub(1) } else { missing }
}

/// Those of these ids, sorted.
pub(super) fn among(
    reading: &Reading<'_>,
    account: AccountId,
    kind: Kind,
    mut ids: Vec<ResourceId>,
) -> Result<Vec<KnownResource>> {
    ids.sort();
    ids.dedup();
    let recorded = recorded(reading, account, kind)?;
    let mut select = reading.prepare_cached(
        "SELECT fingerprint, missing, state, seen, marked, account, kind, id FROM resources
         WHERE account = ?1 AND kind = ?2 AND id = ?3",
    )?;
    let mut known = Vec::new();
    for id in ids {
        let source = Source { table: "resources", account: Some(account), key: Key::Columns(&[5, 6, 7]) };
        let read = |row: &Row<'_>| {
            let fingerprint = row.get::<_, i64>(0)?.cast_unsigned();
            let missing = counted(row.get(1)?, row.get::<_, i64>(4)? > recorded);
            Ok((fingerprint, missing, get(row, 2)?, get(row, 3)?))
        };
        let place = params![account.0, kind_number(kind), id.as_str()];
        let found = select.query_row(place, |row| reading.damages.read(source, row, read));
        if let Some((fingerprint, missing, state, seen)) = found.optional()?.flatten() {
            known.push(KnownResource { id, fingerprint, state, missing, seen });
        }
    }
    Ok(known)
}

pub(super) fn all(reading: &Reading<'_>, account: AccountId, kind: Kind) -> Result<Vec<KnownResource>> {
    let mut all = All(Vec::new());
    each(reading, account, kind, &mut all)?;
    Ok(all.0)
}

/// A comparison with nothing, which keeps what it is shown.
struct All(Vec<KnownResource>);

impl Comparison for All {
    fn passes(&mut self, _id: &str, _fingerprint: u64) -> bool {
        false
    }

    fn known(&mut self, known: Known<'_>) -> Result<(), InvalidResourceId> {
        let Known { id, fingerprint, state, missing, seen, .. } = known;
        self.0.push(KnownResource { id: ResourceId::parse(id)?, fingerprint, state, missing, seen });
        Ok(())
    }

    fn end(self: Box<Self>) -> Delta {
        Delta::default()
    }
}
