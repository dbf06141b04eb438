//! Instances that are polled alone, between two complete polls. They are in the row of the poll. A complete poll that
//! becomes due replaces them, so that no list waits for them.

use rusqlite::types::Type;
use rusqlite::{OptionalExtension, Row, params};

use super::super::{Again, Result, WantedIds};
use super::columns::{get, kind_number};
use super::due_polls;
use super::writing::Writing;
use crate::model::{AccountId, Kind, MOST_IDS, ResourceId, Timestamp};

const KIND: Kind = Kind::Instance;

/// Reads `wanted` and `list_due` from that index on.
pub(super) fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<WantedIds>> {
    let Some(ids) = row.get::<_, Option<String>>(index)? else { return Ok(None) };
    let damaged = |error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error)
    };
    let ids: Vec<String> = serde_json::from_str(&ids).map_err(|error| damaged(Box::new(error)))?;
    let ids = ids.into_iter().map(ResourceId::parse).collect::<std::result::Result<_, _>>();
    let ids = ids.map_err(|error| damaged(Box::new(error)))?;
    Ok(Some(WantedIds { ids, list_due: get(row, index + 1)? }))
}

/// The poll that these ids are to be added to.
struct Pending {
    wanted: Vec<ResourceId>,
    is_claimed: bool,
    due: Option<Timestamp>,
    has_baseline: bool,
}

pub(super) fn request(
    writing: &mut Writing<'_>,
    account: AccountId,
    ids: Vec<ResourceId>,
    at: Timestamp,
) -> Result<()> {
    let mut select = writing.prepare(
        "SELECT wanted, list_due, claimed IS NOT NULL, due, last_complete IS NOT NULL
         FROM polls WHERE account = ?1 AND kind = ?2",
    )?;
    let pending = select.query_row(params![account.0, kind_number(KIND)], |row| {
        let wanted = read(row, 0)?.map(|wanted| wanted.ids).unwrap_or_default();
        Ok(Pending { wanted, is_claimed: row.get(2)?, due: get(row, 3)?, has_baseline: row.get(4)? })
    });
    // What can't be read of it is set aside when it is claimed.
    let pending = match pending.optional() {
        Err(error) if super::damage::is_damage(&error) => None,
        pending => pending?,
    };
    drop(select);
    let Some(mut pending) = pending.filter(|pending| pending.has_baseline) else {
        return due_polls::request(writing, account, KIND, at);
    };
    // Everything is polled as soon.
    if !pending.is_claimed && pending.wanted.is_empty() && pending.due.is_some_and(|due| due <= at) {
        writing.wake_polls();
        return Ok(());
    }
    pending.wanted.extend(ids);
    pending.wanted.sort();
    pending.wanted.dedup();
    if pending.wanted.len() > MOST_IDS {
        return due_polls::request(writing, account, KIND, at);
    }
    let mut update = writing.prepare(
        "UPDATE polls SET wanted = ?3,
         list_due = CASE WHEN claimed IS NOT NULL THEN NULL WHEN wanted IS NULL THEN due ELSE list_due END,
         due = CASE WHEN claimed IS NULL THEN MIN(?4, COALESCE(due, ?4)) ELSE due END
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![account.0, kind_number(KIND), text(&pending.wanted), at.as_millis()])?;
    writing.wake_polls();
    Ok(())
}

fn text(ids: &[ResourceId]) -> String {
    let ids: Vec<&str> = ids.iter().map(ResourceId::as_str).collect();
    serde_json::Value::from(ids).to_string()
}

/// Has instances polled alone once a poll is given back: at `now` those that were asked for while it was under way, and
/// those of `again` in their time, or with these.
pub(super) fn go_on(
    writing: &Writing<'_>,
    account: AccountId,
    kind: Kind,
    now: Timestamp,
    again: Option<Again>,
) -> Result<()> {
    let mut select = writing.prepare("SELECT wanted, list_due FROM polls WHERE account = ?1 AND kind = ?2")?;
    let wanted = select.query_row(params![account.0, kind_number(kind)], |row| read(row, 0))?;
    let (mut ids, at) = match (wanted, &again) {
        (None, None) => return Ok(()),
        (Some(wanted), _) => (wanted.ids, now),
        (None, Some(again)) => (Vec::new(), again.at),
    };
    ids.extend(again.into_iter().flat_map(|again| again.ids));
    ids.sort();
    ids.dedup();
    if ids.len() > MOST_IDS {
        // A list answers for all of them.
        let mut update = writing
            .prepare("UPDATE polls SET due = ?3, wanted = NULL, list_due = NULL WHERE account = ?1 AND kind = ?2")?;
        update.execute(params![account.0, kind_number(kind), at.as_millis()])?;
        return Ok(());
    }
    // Where everything is polled as soon, that answers for them.
    let mut update = writing.prepare(
        "UPDATE polls SET wanted = CASE WHEN due <= ?4 THEN NULL ELSE ?3 END,
         list_due = CASE WHEN due <= ?4 THEN NULL ELSE due END, due = MIN(?4, COALESCE(due, ?4))
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![account.0, kind_number(kind), text(&ids), at.as_millis()])?;
    Ok(())
}
