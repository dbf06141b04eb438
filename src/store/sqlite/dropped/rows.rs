//! Deletes rows in steps, and first those of a deleted hook.

use rusqlite::{Params, params};

use super::super::super::Result;
use super::super::damage;
use super::super::writing::Writing;
use super::notes::{Dropped, note};
use crate::model::HookId;

/// How many rows of a hook are deleted with it; what is more is left to further steps.
const WITH_A_HOOK: usize = 100;

/// Deletes what a hook that is gone was owed, and what is known of its attempts; if that is much, later.
pub(in super::super) fn hook(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut left = WITH_A_HOOK;
    if clear_hook(writing, hook, &mut left)? { Ok(()) } else { note(writing, Dropped::Hook(hook)) }
}

pub(super) fn clear_hook(writing: &Writing<'_>, hook: HookId, left: &mut usize) -> Result<bool> {
    match clear_changes(writing, hook, left) {
        Err(error) if damage::is_damaged_row(&error) => {
            damage::delete_unnumbered(writing, hook)?;
            clear_changes(writing, hook, left)
        }
        cleared => cleared,
    }
}

fn clear_changes(writing: &Writing<'_>, hook: HookId, left: &mut usize) -> Result<bool> {
    let deliveries = "SELECT change FROM deliveries WHERE hook = ?1 LIMIT ?2";
    let is_all = each(writing, deliveries, [hook.0], left, |writing, [change, _]| {
        execute(writing, "DELETE FROM deliveries WHERE hook = ?1 AND change = ?2", [hook.0, change])
    })?;
    if !is_all {
        return Ok(false);
    }
    // Those of one change, which are few, go together.
    each(writing, "SELECT change FROM attempts WHERE hook = ?1 LIMIT ?2", [hook.0], left, |writing, [change, _]| {
        execute(writing, "DELETE FROM attempts WHERE hook = ?1 AND change = ?2", [hook.0, change])
    })
}

/// Calls `delete` with the first two columns of each row that the statement selects, until none is left, so many were
/// deleted, or the turn is over. The last parameter of the statement is a limit. Says whether none is left.
pub(super) fn each(
    writing: &Writing<'_>,
    select: &str,
    [id]: [i64; 1],
    left: &mut usize,
    delete: impl Fn(&Writing<'_>, [i64; 2]) -> Result<()>,
) -> Result<bool> {
    /// How many are selected at once: what was selected is deleted within a few milliseconds.
    const AT_ONCE: usize = 100;
    while *left > 0 {
        let limit = AT_ONCE.min(*left);
        let rows: Vec<[i64; 2]> = {
            let mut select = writing.prepare(select)?;
            let has_two = select.column_count() > 1;
            let read = |row: &rusqlite::Row<'_>| Ok([row.get(0)?, if has_two { row.get(1)? } else { 0 }]);
            let rows = select.query_map(params![id, i64::try_from(limit).unwrap_or(i64::MAX)], read)?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        for row in &rows {
            delete(writing, *row)?;
        }
        *left -= rows.len();
        if rows.len() < limit {
            return Ok(true);
        }
        if writing.is_turn_over() {
            break;
        }
    }
    Ok(false)
}

pub(super) fn execute(writing: &Writing<'_>, sql: &str, parameters: impl Params) -> Result<()> {
    writing.prepare(sql)?.execute(parameters)?;
    Ok(())
}
