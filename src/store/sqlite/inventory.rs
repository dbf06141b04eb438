//! What was last seen, for those who list it.

use async_trait::async_trait;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Inventory, ListQuery, Result, Seen, Track};
use super::columns::{get, kind_number, state_number};
use super::{SqliteStore, attributes, flaps, hooks, past};
use crate::model::{AccountId, Kind, Owner, Resource, ResourceId, Timestamp};

#[async_trait]
impl Inventory for SqliteStore {
    async fn list(&self, account: AccountId, query: ListQuery) -> Result<Vec<Seen>> {
        self.read(move |reading| match (&query.id, query.at) {
            (_, Some(at)) => past::list(reading, account, &query, at),
            (Some(id), None) => {
                let found = find(reading, account, query.kind, id, &query.owner)?;
                Ok(found.into_iter().filter(|seen| passes(seen, &query)).take(query.limit).collect())
            }
            (None, None) => list(reading, account, &query),
        })
        .await
    }

    async fn find(&self, account: AccountId, kind: Kind, id: &ResourceId, owner: &Owner) -> Result<Option<Seen>> {
        let (id, owner) = (id.clone(), owner.clone());
        self.read(move |reading| find(reading, account, kind, &id, &owner)).await
    }

    async fn find_at(&self, account: AccountId, kind: Kind, id: &ResourceId, at: Timestamp) -> Result<Option<Seen>> {
        let id = id.clone();
        self.read(move |reading| past::find(reading, account, kind, &id, at)).await
    }
}

/// A resource with all that is told of it; `?1`, `?2` and `?3` are account, kind and owner.
macro_rules! select_seen {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.state, b.name, b.realm, b.attributes, b.first_seen, r.missing, r.seen, b.state_since, \
             (SELECT last_complete FROM polls p WHERE p.account = r.account AND p.kind = r.kind), \
             h.id, h.url, h.token IS NOT NULL, h.status, h.disabled, h.reason \
             FROM resources r JOIN bodies b ON b.id = r.body \
             LEFT JOIN hooks h ON h.account = r.account AND h.kind = r.kind AND h.resource = r.id AND h.owner = ?3 \
             WHERE r.account = ?1 AND r.kind = ?2 AND ",
            $rest
        )
    };
}

fn find(reading: &Connection, account: AccountId, kind: Kind, id: &ResourceId, owner: &Owner) -> Result<Option<Seen>> {
    let mut select = reading.prepare_cached(select_seen!("r.id = ?4"))?;
    let place = params![account.0, kind_number(kind), owner.word(), id.as_str()];
    let mut seen = select.query_row(place, read_seen).optional()?;
    if kind == Kind::Realm {
        flaps::show(reading, account, seen.as_mut_slice())?;
    }
    Ok(seen)
}

fn list(reading: &Connection, account: AccountId, query: &ListQuery) -> Result<Vec<Seen>> {
    let mut select = reading.prepare_cached(select_seen!(
        "r.id > ?4 AND (?5 IS NULL OR r.state = ?5) AND (?6 IS NULL OR b.realm = ?6) ORDER BY r.id LIMIT ?7"
    ))?;
    let seen = select.query_map(
        params![
            account.0,
            kind_number(query.kind),
            query.owner.word(),
            // No id is empty, so all come after it.
            query.after.as_ref().map_or("", ResourceId::as_str),
            query.state.map(state_number),
            query.realm,
            i64::try_from(query.limit).unwrap_or(i64::MAX),
        ],
        read_seen,
    )?;
    let mut seen: Vec<Seen> = seen.collect::<rusqlite::Result<_>>()?;
    if query.kind == Kind::Realm {
        flaps::show(reading, account, &mut seen)?;
    }
    Ok(seen)
}

/// As the filters of `list` do it, for a resource that was found by its id.
fn passes(seen: &Seen, query: &ListQuery) -> bool {
    query.after.as_ref().is_none_or(|after| seen.resource.id() > after)
        && query.state.is_none_or(|state| seen.resource.state() == state)
        && query.realm.as_deref().is_none_or(|realm| seen.resource.realm() == Some(realm))
}

/// Reads id, state, name, realm and attributes, which come first in the row.
pub(super) fn read_resource(row: &Row<'_>) -> rusqlite::Result<Resource> {
    let columns = attributes::Columns { id: get(row, 0)?, state: get(row, 1)?, name: row.get(2)?, realm: row.get(3)? };
    attributes::read(columns, row.get_ref(4)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(4, Type::Text, Box::new(error)))
}

fn read_seen(row: &Row<'_>) -> rusqlite::Result<Seen> {
    let resource = read_resource(row)?;
    let missing: i64 = row.get(6)?;
    let seen: Timestamp = get(row, 7)?;
    let last_complete: Option<Timestamp> = get(row, 9)?;
    let track = match get(row, 10)? {
        Some(hook) => {
            Some(Track { hook, url: get(row, 11)?, token_set: row.get(12)?, status: hooks::read_status(row, 13)? })
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
