//! What resources were before they changed or went: each time a version ends, it is put aside with the times
//! between which it was what the tracker knew.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{ListQuery, Result, Seen, StoreError};
use super::columns::{get, kind_number, state_number};
use super::inventory::read_resource;
use super::writer::Writing;
use crate::model::{AccountId, Kind, ResourceId, Timestamp};

/// The name in `meta` of the time since which nothing of the past was forgotten.
pub(super) const MARK: &str = "past";

/// What a resource is, as far as it does not stand in its body.
pub(super) struct Standing<'a> {
    pub(super) account: AccountId,
    pub(super) kind: Kind,
    pub(super) id: &'a ResourceId,
    pub(super) state: i64,
    /// When it was last seen.
    pub(super) seen: Timestamp,
    pub(super) body: i64,
    /// Since when it was as its body says.
    pub(super) since: Timestamp,
}

/// Puts aside what a resource is, which at `until` is found to be no longer so. Its body is the version's from now on.
pub(super) fn keep(writing: &Writing<'_>, standing: &Standing<'_>, until: Timestamp) -> Result<()> {
    if standing.since >= until {
        // After a step of the clock backward it ended before it began: nobody can ask for it.
        writing.prepare("DELETE FROM bodies WHERE id = ?1")?.execute([standing.body])?;
        return Ok(());
    }
    let mut insert = writing.prepare(
        "INSERT INTO versions (account, kind, id, until, state, seen, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        standing.account.0,
        kind_number(standing.kind),
        standing.id.as_str(),
        until.as_millis(),
        standing.state,
        standing.seen.as_millis(),
        standing.body,
    ])?;
    Ok(())
}

/// What the columns of a version are called here, of those that are and of those that were; `?1` and `?2` are account
/// and kind, `?3` is the time.
macro_rules! versions {
    ($is:literal, $was:literal, $rest:literal) => {
        concat!(
            "SELECT r.id, r.state, b.name, b.realm, b.attributes, b.first_seen, \
             MIN(CASE WHEN r.missing = 0 THEN MAX(r.seen, COALESCE(p.last_complete, r.seen)) ELSE r.seen END, ?3), \
             b.state_since \
             FROM resources r JOIN bodies b ON b.id = r.body \
             LEFT JOIN polls p ON p.account = r.account AND p.kind = r.kind \
             WHERE r.account = ?1 AND r.kind = ?2 AND b.since <= ?3 AND ",
            $is,
            " UNION ALL \
             SELECT v.id, v.state, b.name, b.realm, b.attributes, b.first_seen, MIN(v.seen, ?3), b.state_since \
             FROM versions v JOIN bodies b ON b.id = v.body \
             WHERE v.account = ?1 AND v.kind = ?2 AND v.until > ?3 AND b.since <= ?3 AND ",
            $was,
            $rest
        )
    };
}

/// A page of what was known at that time, sorted by id. Whose hooks there are is a matter of the present.
pub(super) fn list(reading: &Connection, account: AccountId, query: &ListQuery, at: Timestamp) -> Result<Vec<Seen>> {
    check_known(reading, at)?;
    let mut select = reading.prepare_cached(versions!(
        "r.id > ?4 AND (?5 IS NULL OR r.state = ?5) AND (?6 IS NULL OR b.realm = ?6) AND (?7 IS NULL OR r.id = ?7)",
        "v.id > ?4 AND (?5 IS NULL OR v.state = ?5) AND (?6 IS NULL OR b.realm = ?6) AND (?7 IS NULL OR v.id = ?7)",
        " ORDER BY 1 LIMIT ?8"
    ))?;
    let seen = select.query_map(
        params![
            account.0,
            kind_number(query.kind),
            at.as_millis(),
            // No id is empty, so all come after it.
            query.after.as_ref().map_or("", ResourceId::as_str),
            query.state.map(state_number),
            query.realm,
            query.id.as_ref().map(ResourceId::as_str),
            i64::try_from(query.limit).unwrap_or(i64::MAX),
        ],
        read_seen,
    )?;
    let mut seen: Vec<Seen> = seen.collect::<rusqlite::Result<_>>()?;
    // Where the clock was set back, two versions may both be of that time.
    seen.dedup_by(|next, before| next.resource.id() == before.resource.id());
    Ok(seen)
}

pub(super) fn find(
    reading: &Connection,
    account: AccountId,
    kind: Kind,
    id: &ResourceId,
    at: Timestamp,
) -> Result<Option<Seen>> {
    check_known(reading, at)?;
    let mut select = reading.prepare_cached(versions!("r.id = ?4", "v.id = ?4", " LIMIT 1"))?;
    let place = params![account.0, kind_number(kind), at.as_millis(), id.as_str()];
    Ok(select.query_row(place, read_seen).optional()?)
}

fn read_seen(row: &Row<'_>) -> rusqlite::Result<Seen> {
    Ok(Seen {
        resource: read_resource(row)?,
        first_seen: get(row, 5)?,
        last_seen: get(row, 6)?,
        state_since: get(row, 7)?,
        flapping: None,
        track: None,
    })
}

fn check_known(reading: &Connection, at: Timestamp) -> Result<()> {
    let since = known_since(reading)?;
    if at < since { Err(StoreError::PastForgotten { since }) } else { Ok(()) }
}

/// Since when nothing was forgotten; long ago, if nothing ever was.
pub(super) fn known_since(reading: &Connection) -> Result<Timestamp> {
    let mut select = reading.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let since = select.query_row([MARK], |row| get(row, 0)).optional()?;
    Ok(since.unwrap_or(Timestamp::from_millis(i64::MIN)))
}

/// Whether there are versions that were over by then, among the oldest.
pub(super) fn is_any_before(reading: &Connection, time: Timestamp, oldest: i64) -> Result<bool> {
    let mut select = reading.prepare_cached(
        "SELECT 1 FROM (SELECT until FROM versions ORDER BY number LIMIT ?2) WHERE until <= ?1 LIMIT 1",
    )?;
    Ok(select.exists([time.as_millis(), oldest])?)
}

/// Forgets those of the oldest versions that were over before the mark.
pub(super) fn forget(writing: &mut Writing<'_>, oldest: i64) -> Result<()> {
    let since = known_since(writing.connection)?;
    for sql in [
        "DELETE FROM bodies WHERE id IN (SELECT body FROM versions
         WHERE number IN (SELECT number FROM versions ORDER BY number LIMIT ?2) AND until <= ?1)",
        "DELETE FROM versions WHERE number IN (SELECT number FROM versions ORDER BY number LIMIT ?2) AND until <= ?1",
    ] {
        writing.prepare(sql)?.execute([since.as_millis(), oldest])?;
    }
    Ok(())
}
