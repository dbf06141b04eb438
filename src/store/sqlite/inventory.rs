//! The last known resources, for lists.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::super::{ListQuery, Page, Result, Seen, Track};
use super::columns::{get, kind_number, state_number};
use super::damage::{Damages, Key, Reading, Source};
use super::{attributes, flaps, hooks};
use crate::model::{AccountId, Kind, Owner, Resource, ResourceId, Timestamp};

/// A resource with all that is told of it; `?1`, `?2` and `?3` are account, kind and owner.
macro_rules! select_seen {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.state, b.name, b.realm, b.attributes, b.first_seen, r.missing, r.seen, b.state_since, \
             (SELECT last_complete FROM polls p WHERE p.account = r.account AND p.kind = r.kind), \
             h.id, h.url, h.token IS NOT NULL, h.status, h.disabled, h.reason, r.account, r.kind \
             FROM resources r LEFT JOIN bodies b ON b.id = r.body \
             LEFT JOIN hooks h ON h.account = r.account AND h.kind = r.kind AND h.resource = r.id AND h.owner = ?3 \
             AND h.status <> 'damaged' \
             WHERE r.account = ?1 AND r.kind = ?2 AND ",
            $rest
        )
    };
}

pub(super) fn find(
    reading: &Reading<'_>,
    account: AccountId,
    kind: Kind,
    id: &ResourceId,
    owner: &Owner,
) -> Result<Option<Seen>> {
    let mut select = reading.prepare_cached(select_seen!("r.id = ?4"))?;
    let place = params![account.0, kind_number(kind), owner.word(), id.as_str()];
    let damages = reading.damages;
    let read = |row: &Row<'_>| damages.read(source(account), row, |row| read_seen(row, damages, account));
    let mut seen = select.query_row(place, read).optional()?.flatten();
    if kind == Kind::Realm {
        flaps::show(reading, account, seen.as_mut_slice())?;
    }
    Ok(seen)
}

pub(super) fn list(reading: &Reading<'_>, account: AccountId, query: &ListQuery) -> Result<Page<Seen>> {
    if query.limit == 0 {
        return Ok(Page::default());
    }
    let mut select = reading.prepare_cached(select_seen!(
        "r.id > ?4 AND (?5 IS NULL OR r.state = ?5) AND (?6 IS NULL OR b.realm = ?6) ORDER BY r.id LIMIT ?7"
    ))?;
    let damages = reading.damages;
    let rows = select.query(params![
        account.0,
        kind_number(query.kind),
        query.owner.word(),
        // No id is empty, so all come after it.
        query.after.as_ref().map_or("", ResourceId::as_str),
        query.state.map(state_number),
        query.realm,
        // The page ends where it has enough that can be read.
        i64::MAX,
    ])?;
    let mut page = reading.page(source(account), rows, query.limit, |row| read_seen(row, damages, account))?;
    if query.kind == Kind::Realm {
        flaps::show(reading, account, &mut page.items)?;
    }
    Ok(page)
}

/// Resources of `select_seen!`.
fn source(account: AccountId) -> Source<'static> {
    Source { table: "resources", account: Some(account), key: Key::Columns(&[16, 17, 0]) }
}

/// As the filters of `list` do it, for a resource that was found by its id.
pub(super) fn passes(seen: &Seen, query: &ListQuery) -> bool {
    query.after.as_ref().is_none_or(|after| seen.resource.id() > after)
        && query.state.is_none_or(|state| seen.resource.state() == state)
        && query.realm.as_deref().is_none_or(|realm| seen.resource.realm() == Some(realm))
}

/// Reads id, state, name, realm and attributes, which come first in the row.
pub(super) fn read_resource(row: &Row<'_>) -> rusqlite::Result<Resource> {
    let columns = attributes::Columns { id: get(row, 0)?, state: get(row, 1)?, name: row.get(2)?, realm: row.get(3)? };
    fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
        rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error))
    }
    attributes::read(columns, row.get_ref(4)?.as_str().map_err(unreadable)?).map_err(unreadable)
}

fn read_seen(row: &Row<'_>, damages: &Damages, account: AccountId) -> rusqlite::Result<Seen> {
    let resource = read_resource(row)?;
    let missing: i64 = row.get(6)?;
    let seen: Timestamp = get(row, 7)?;
    let last_complete: Option<Timestamp> = get(row, 9)?;
    let track = match get(row, 10)? {
        Some(hook) => {
            let source = Source { table: "hooks", account: Some(account), key: Key::Columns(&[10]) };
            damages.read(source, row, |row| {
                let status = hooks::read_status(row, 13)?;
                Ok(Track { hook, url: get(row, 11)?, token_set: row.get(12)?, status })
            })?
        }
        None => None,
    };
    Ok(Seen {
        resource,
        first_seen: get(row, 5)?,
        // Nothing is written of a resource that a complete list shows unchanged: the list's own time
        // stands for it.
        last_seen: match last_complete {
            Some(complete) if missing == 0 => complete.max(seen),
            _ => seen,
        },
        state_since: get(row, 8)?,
        flapping: None,
        track,
    })
}
