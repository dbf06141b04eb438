//! Pages of the feed. Changes that a filter leaves out are skipped by a few of their columns. If a filter names ids,
//! their changes are looked up.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{After, ChangePage, ChangeQuery, Result, StoreError};
use super::bounded_page::{BoundedPage, text_of};
use super::columns::{get, state_number, subject_number};
use super::damage::Reading;
use super::journal::{change_columns, newest, read_change, source};
use super::marks::oldest_of;
use crate::model::{AccountId, Change, ChangeType, Cursor, Filter, IdPattern, State, Subject};

/// How many ids are looked up one by one; the changes of more than that are found among all.
const MOST_IDS: usize = 64;

/// How many changes of an id are looked up at least, so that few pages come back all but empty.
const LEAST_OF_AN_ID: usize = 16;

/// Changes that the filter may let through, in order.
struct Found {
    numbers: Vec<i64>,
    /// The last change that was looked at or passed over; nothing at the end of the journal.
    reached: Option<i64>,
}

pub(super) fn page(reading: &Reading<'_>, mark: u32, account: AccountId, query: &ChangeQuery) -> Result<ChangePage> {
    let after = place(reading, mark, account, query.after)?;
    if query.filter != Filter::default() {
        return filtered(reading, mark, account, query, after);
    }
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        " FROM changes c INDEXED BY changes_account CROSS JOIN accounts a ON a.id = c.account
         WHERE c.account = ?1 AND c.sequence > ?2 ORDER BY c.sequence LIMIT ?3"
    ))?;
    let looked_at = i64::try_from(query.looked_at).unwrap_or(i64::MAX);
    let mut rows = select.query(params![account.0, after, looked_at])?;
    let mut found = ChangePage { changes: Vec::new(), next: Cursor { store: mark, sequence: after }, at_end: false };
    let mut left = query.looked_at;
    let mut room = BoundedPage::new(query.limit, reading.page_bytes);
    if query.limit == 0 {
        return Ok(found);
    }
    loop {
        let Some(row) = rows.next()? else {
            found.at_end = left > 0;
            if found.at_end {
                // Of the whole journal, not of this account's part: who goes on from there is not told one day that
                // what it has not missed is no longer kept.
                found.next.sequence = newest(reading)?.max(found.next.sequence);
            }
            break;
        };
        left -= 1;
        let Some(change) = reading.damages.read(source(Some(account)), row, |row| read_change(row, mark))? else {
            found.next.sequence = row.get(0)?;
            continue;
        };
        if !room.has_room_for(text_of(row)) {
            break;
        }
        found.next = change.cursor;
        room.add(change);
    }
    found.changes = room.finish().items;
    Ok(found)
}

/// The number after which to read; an error where something behind it may have been forgotten.
fn place(reading: &Connection, mark: u32, account: AccountId, after: After) -> Result<i64> {
    let oldest = oldest_of(reading, account)?;
    match after {
        After::Oldest => Ok(oldest),
        After::Number(number) if number >= oldest => Ok(number),
        After::Number(_) => Err(StoreError::Forgotten { oldest: Cursor { store: mark, sequence: oldest } }),
    }
}

fn filtered(
    reading: &Reading<'_>,
    mark: u32,
    account: AccountId,
    query: &ChangeQuery,
    after: i64,
) -> Result<ChangePage> {
    let found = match named(&query.filter) {
        Some(ids) => of_ids(reading, account, query, after, &ids)?,
        None => among_all(reading, account, query, after)?,
    };
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        " FROM changes c CROSS JOIN accounts a ON a.id = c.account WHERE c.sequence = ?1"
    ))?;
    let mut page = ChangePage { changes: Vec::new(), next: Cursor { store: mark, sequence: after }, at_end: false };
    let mut room = BoundedPage::new(query.limit, reading.page_bytes);
    for number in found.numbers {
        let read = select.query_row([number], |row| Ok((read_change(row, mark)?, text_of(row)))).optional()?;
        let read: Option<(Change, usize)> = read.filter(|(change, _): &(Change, _)| query.filter.matches(&change.what));
        if let Some((change, text)) = read {
            if !room.has_room_for(text) {
                page.changes = room.finish().items;
                return Ok(page);
            }
            room.add(change);
        }
        page.next.sequence = number;
    }
    page.changes = room.finish().items;
    // One more might have been found if this were not full.
    if page.changes.len() == query.limit {
        return Ok(page);
    }
    page.at_end = found.reached.is_none();
    // At the end it is that of the whole journal, not of this account's part: who goes on from there is not told one day
    // that what it has not missed is no longer kept.
    let reached = found.reached.map_or_else(|| newest(reading), Ok)?;
    page.next.sequence = reached.max(page.next.sequence);
    Ok(page)
}

/// The ids that the filter names, if these are all that it lets through and are few.
fn named(filter: &Filter) -> Option<Vec<&str>> {
    if filter.ids.is_empty() || filter.ids.len() > MOST_IDS {
        return None;
    }
    let mut ids = Vec::with_capacity(filter.ids.len());
    for pattern in &filter.ids {
        match pattern {
            IdPattern::Exact(id) => ids.push(id.as_str()),
            IdPattern::Prefix(_) => return None,
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Some(ids)
}

/// The next changes of each of these ids, as far as those of all of them are known.
fn of_ids(reading: &Connection, account: AccountId, query: &ChangeQuery, after: i64, ids: &[&str]) -> Result<Found> {
    let subjects: Vec<Subject> = match query.filter.kinds.as_slice() {
        [] => Subject::ALL.to_vec(),
        kinds => kinds.iter().map(|kind| Subject::from(*kind)).collect(),
    };
    let each = (2 * query.limit / (ids.len() * subjects.len())).max(LEAST_OF_AN_ID).min(query.looked_at);
    let mut select = reading.prepare_cached(
        "SELECT sequence FROM changes INDEXED BY changes_history
         WHERE history = (SELECT number FROM histories WHERE account = ?1 AND kind = ?2 AND resource = ?3)
             AND sequence > ?4 ORDER BY sequence LIMIT ?5",
    )?;
    let mut found = Found { numbers: Vec::new(), reached: None };
    for id in ids {
        for subject in &subjects {
            let place =
                params![account.0, subject_number(*subject), id, after, i64::try_from(each).unwrap_or(i64::MAX)];
            let next: Vec<i64> = select.query_map(place, |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            // Behind the last of these there may be more of the same id, which come before what others have there.
            let last = next.last().copied().filter(|_| next.len() == each);
            found.reached = found.reached.into_iter().chain(last).min();
            found.numbers.extend(next);
        }
    }
    let reached = found.reached.unwrap_or(i64::MAX);
    found.numbers.retain(|number| *number <= reached);
    found.numbers.sort_unstable();
    found.numbers.dedup();
    Ok(found)
}

/// Those of the next changes of the account that may match, until there are enough or enough were looked at.
fn among_all(reading: &Connection, account: AccountId, query: &ChangeQuery, after: i64) -> Result<Found> {
    let mut select = reading.prepare_cached(
        "SELECT sequence, type, kind, resource, realm, old_state, new_state FROM changes INDEXED BY changes_account
         WHERE account = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
    )?;
    let looked_at = i64::try_from(query.looked_at).unwrap_or(i64::MAX);
    let mut rows = select.query(params![account.0, after, looked_at])?;
    let mut found = Found { numbers: Vec::new(), reached: Some(after) };
    let mut left = query.looked_at;
    while found.numbers.len() < query.limit {
        let Some(row) = rows.next()? else {
            if left > 0 {
                found.reached = None;
            }
            break;
        };
        left -= 1;
        let number = row.get(0)?;
        found.reached = Some(number);
        // What can't be read here is read whole, and says so then.
        if may_match(&query.filter, row).unwrap_or(true) {
            found.numbers.push(number);
        }
    }
    Ok(found)
}

/// Whether the filter lets the change of a row through, without a copy of anything.
fn may_match(filter: &Filter, row: &Row<'_>) -> rusqlite::Result<bool> {
    let subject: Subject = get(row, 2)?;
    let text = |index| Ok::<_, rusqlite::Error>(row.get_ref(index)?.as_str_or_null()?);
    let is_of_kind = filter.kinds.is_empty() || filter.kinds.iter().any(|kind| Subject::from(*kind) == subject);
    let is_of_type =
        || Ok::<_, rusqlite::Error>(filter.types.is_empty() || filter.types.contains(&get::<ChangeType>(row, 1)?));
    let has_id = || {
        let id = text(3)?.unwrap_or_default();
        Ok::<_, rusqlite::Error>(filter.ids.is_empty() || filter.ids.iter().any(|pattern| pattern.matches(id)))
    };
    let is_in_realm = || {
        let realm = text(if subject == Subject::Realm { 3 } else { 4 })?;
        Ok::<_, rusqlite::Error>(
            filter.realms.is_empty() || filter.realms.iter().any(|known| Some(known.as_str()) == realm),
        )
    };
    let has_state = |states: &[State], index| {
        let state: Option<i64> = row.get(index)?;
        Ok::<_, rusqlite::Error>(states.is_empty() || states.iter().any(|known| Some(state_number(*known)) == state))
    };
    Ok(is_of_kind
        && is_of_type()?
        && has_id()?
        && is_in_realm()?
        && has_state(&filter.from, 5)?
        && has_state(&filter.to, 6)?)
}
