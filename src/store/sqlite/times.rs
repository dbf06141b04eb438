//! The times in the store, taken together: which is the latest, and how they move when the clock is set.

use rusqlite::Connection;

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
    Ok(())
}

/// The latest time at which anything is known to have been done.
pub(super) fn latest(connection: &Connection) -> Result<Option<Timestamp>> {
    let sql = "SELECT MAX(latest) FROM (
                   SELECT MAX(last_attempt) AS latest FROM polls WHERE last_attempt < 1 << 48
                   UNION ALL SELECT MAX(used) FROM accounts WHERE used < 1 << 48)";
    Ok(connection.prepare_cached(sql)?.query_row((), |row| get(row, 0))?)
}
