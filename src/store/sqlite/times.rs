//! All times in the store: the latest one, and how they move when the clock is set.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::Result;
use super::columns::get;
use crate::model::Timestamp;

/// Moves all that is counted from by so many milliseconds: what is due, and what was last seen when. What was told stays
/// as it was told.
///
/// All of it moves in one transaction, where other long work goes in steps. Between two steps some rows would go by the time
/// before and some by the time after. Whoever claims there would take a lease for over that holds, or a retry for due that
/// is not; what is written there by the time before would never be moved; and a host that ends there could not tell which
/// rows were moved. A clock is seldom set, and what is most (deliveries that are due anyway) is not touched.
pub(super) fn shift(connection: &Connection, step: i64, at: Timestamp) -> Result<()> {
    // What is due now, by the time before and by the time after, need not move: only retries and claims are left.
    let due = at.as_millis().min(at.as_millis().saturating_add(step));
    connection
        .prepare_cached(
            "UPDATE deliveries INDEXED BY deliveries_due
             SET due = MIN(due, 1 << 60) + ?1, claimed = MIN(claimed, 1 << 60) + ?1
             WHERE hook IN (SELECT id FROM hooks) AND due > ?2",
        )?
        .execute([step, due])?;
    // A number beyond every time stays one.
    let moved = |columns: &[&str]| {
        let moved = columns.iter().map(|column| format!("{column} = MAX(MIN({column}, 1 << 60), -(1 << 60)) + ?1"));
        moved.collect::<Vec<_>>().join(", ")
    };
    let polls = [
        "due",
        "claimed",
        "asked",
        "put_off",
        "changed",
        "hook_set",
        "last_attempt",
        "last_complete",
        "last_full",
        "gap_told",
        "retry",
        "list_due",
        "ids_polled",
    ];
    for sql in [
        format!("UPDATE deliveries INDEXED BY deliveries_lent SET {} WHERE lent IS NOT NULL", moved(&["lent_until"])),
        format!("UPDATE polls SET {}", moved(&polls)),
        // Damaged rows stay as they are.
        format!(
            "UPDATE requests SET {} WHERE typeof(account) = 'integer' AND typeof(owner) = 'text' AND typeof(key) = 'text'
             AND typeof(fingerprint) = 'blob' AND typeof(begun) = 'integer' AND typeof(done) = 'integer'
             AND typeof(reached) = 'integer' AND typeof(answer) IN ('blob', 'null')",
            moved(&["begun"])
        ),
        format!("UPDATE hooks SET {} WHERE old_until IS NOT NULL", moved(&["old_until"])),
        format!("UPDATE keys SET {} WHERE until IS NOT NULL", moved(&["until"])),
        format!("UPDATE accounts SET {}", moved(&["used", "unreachable", "budget_at"])),
        format!(
            "UPDATE hooks SET {} WHERE disabled IS NOT NULL OR failing IS NOT NULL OR failed IS NOT NULL",
            moved(&["disabled", "failing", "failed"])
        ),
        // The pace is in microseconds.
        format!(
            "UPDATE queues SET {}, paced = CASE WHEN paced > 0 THEN MAX(MIN(paced, 1 << 60) + ?1 * 1000, 0) ELSE 0 END",
            moved(&["due", "served"])
        ),
        format!("UPDATE shares SET {}", moved(&["due", "served", "turn"])),
        format!("UPDATE claimants SET {}", moved(&["due", "served"])),
        format!(
            "UPDATE destinations SET {}, left_out = CASE WHEN left_out > 0 THEN MAX(MIN(left_out, 1 << 60) + ?1, 0) ELSE 0 END,
             held = CASE WHEN held > 0 THEN MAX(MIN(held, 1 << 60) + ?1, 0) ELSE 0 END",
            moved(&["due", "served"])
        ),
    ] {
        connection.prepare_cached(&sql)?.execute([step])?;
    }
    for sql in [
        // Where these were later than the polls of their endpoint; the rest moved with the polls.
        "UPDATE endpoints SET served = CASE WHEN served > 0 THEN MAX(MIN(served, 1 << 60) + ?1, 0) ELSE 0 END,
         held_until = CASE WHEN held_until > 0 THEN MAX(MIN(held_until, 1 << 60) + ?1, 0) ELSE 0 END",
        "UPDATE endpoints SET due = (
             SELECT MAX(p.due, served, held_until) FROM polls p WHERE p.endpoint = endpoints.name AND p.slow = endpoints.slow
             AND p.due IS NOT NULL ORDER BY p.due LIMIT 1) WHERE ?1 <> 0",
    ] {
        connection.prepare_cached(sql)?.execute([step])?;
    }
    note_forward(connection, step, at)
}

/// By how much the clock was set forward in all, and the time that it showed after the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) by: Duration,
    pub(super) at: Timestamp,
}

/// The names in `meta` of these.
pub(super) const FORWARD_BY: &str = "set_forward";
pub(super) const FORWARD_AT: &str = "set_forward_at";

/// Notes a step, so that changes from before it are kept longer. A step back takes one forward back.
fn note_forward(connection: &Connection, step: i64, at: Timestamp) -> Result<()> {
    let before = set_forward(connection)?;
    if before.is_none() && step <= 0 {
        return Ok(());
    }
    let before = before.map_or(0, |before| i64::try_from(before.by.as_millis()).unwrap_or(i64::MAX));
    let mut upsert = connection
        .prepare_cached("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")?;
    for (name, value) in
        [(FORWARD_BY, before.saturating_add(step).max(0)), (FORWARD_AT, at.as_millis().saturating_add(step))]
    {
        upsert.execute(params![name, value])?;
    }
    Ok(())
}

/// By how much the clock was set forward, where that is not forgotten.
pub(super) fn set_forward(connection: &Connection) -> Result<Option<Forward>> {
    let mut select = connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let mut value = |name: &str| select.query_row([name], |row| row.get::<_, i64>(0)).optional();
    Ok(match (value(FORWARD_BY)?, value(FORWARD_AT)?) {
        (Some(by), Some(at)) => {
            let by = Duration::from_millis(by.max(0).unsigned_abs());
            Some(Forward { by, at: Timestamp::from_millis(at) })
        }
        _ => None,
    })
}

/// Forgets the steps: what was from before them is gone.
pub(super) fn forget_set_forward(connection: &Connection) -> Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM meta WHERE name IN (?1, ?2)")?;
    delete.execute([FORWARD_BY, FORWARD_AT])?;
    Ok(())
}

/// The latest time at which anything is known to have been done.
pub(super) fn latest(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT MAX(latest) FROM (
                   SELECT MAX(last_attempt) AS latest FROM polls WHERE last_attempt < 1 << 48
                   UNION ALL SELECT MAX(used) FROM accounts WHERE used < 1 << 48)";
    Ok(connection.prepare_cached(sql)?.query_row((), |row| get(row, 0))?)
}
