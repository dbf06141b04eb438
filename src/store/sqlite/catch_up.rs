//! Creates deliveries from the journal for hooks that were resumed, and for replays. The work is in steps, bounded in
//! number and in time, so that neither a transaction nor a hook's backlog grows without limit.

use rusqlite::{Connection, Row, params};

use super::super::{CatchUp, CaughtUp, Result};
use super::columns::get;
use super::histories::HistoryId;
use super::journal::{self, CHANGE_COLUMNS, Tidings, change_columns, read_change};
use super::listener::{self, Listener};
use super::turns::Touched;
use super::writing::Writing;
use super::{marks, queue};
use crate::model::{Change, HookId, Timestamp};

/// How many hooks one step serves.
const HOOKS: usize = 16;

pub(super) fn is_any_behind(reading: &Connection) -> Result<bool> {
    let mut select = reading.prepare_cached(
        "SELECT 1 FROM hooks INDEXED BY hooks_behind WHERE behind IS NOT NULL AND status = 'active' LIMIT 1",
    )?;
    Ok(select.exists(())?)
}

pub(super) fn catch_up(writing: &mut Writing<'_>, now: Timestamp, limits: CatchUp) -> Result<CaughtUp> {
    let hooks = next_behind(writing)?;
    let each = (limits.changes / hooks.len().max(1)).max(1);
    let mut touched = Touched::default();
    let mut reached = if hooks.len() == HOOKS { CaughtUp::Some } else { CaughtUp::All };
    for hook in hooks {
        if writing.is_turn_over() {
            reached = CaughtUp::Some;
            break;
        }
        writing.memory.caught_up = hook.0;
        let Some(listener) = Listener::one(writing.connection, &writing.memory.damages, hook)? else { continue };
        if !has_room(writing, hook, limits.backlog)? {
            if reached == CaughtUp::All {
                reached = CaughtUp::Full;
            }
            continue;
        }
        let step = Step { at_most: each, now };
        if step.go(writing, &listener, &mut touched)?.at == Reached::TheEnd {
            // In this very transaction: what comes next in the journal finds it among those that are owed.
            writing.prepare("UPDATE hooks SET behind = NULL WHERE id = ?1")?.execute([hook.0])?;
        } else {
            reached = CaughtUp::Some;
        }
    }
    touched.refresh(writing)?;
    Ok(reached)
}

/// The next active hooks that are behind, those after the last one served first.
fn next_behind(writing: &Writing<'_>) -> Result<Vec<HookId>> {
    let mut select = writing.prepare(
        "SELECT id FROM hooks INDEXED BY hooks_behind
         WHERE behind IS NOT NULL AND status = 'active' AND id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
    )?;
    let last = writing.memory.caught_up;
    let mut hooks = Vec::with_capacity(HOOKS);
    for [after, until] in [[last, i64::MAX], [0, last]] {
        let left = (HOOKS - hooks.len()) as i64;
        let next = select.query_map([after, until, left], |row| get(row, 0))?;
        hooks.extend(next.collect::<rusqlite::Result<Vec<HookId>>>()?);
    }
    Ok(hooks)
}

fn has_room(writing: &Writing<'_>, hook: HookId, backlog: usize) -> Result<bool> {
    let mut count = writing.prepare(
        "SELECT COUNT(*) FROM (SELECT 1 FROM deliveries INDEXED BY deliveries_line
             WHERE hook = ?1 AND dead IS NULL LIMIT ?2)",
    )?;
    let waiting: i64 =
        count.query_row(params![hook.0, i64::try_from(backlog).unwrap_or(i64::MAX)], |row| row.get(0))?;
    Ok(usize::try_from(waiting).is_ok_and(|waiting| waiting < backlog))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    TheEnd,
    ItsLimit,
}

pub(super) struct Gone {
    pub(super) at: Reached,
    /// Up to which number of the journal.
    pub(super) to: i64,
    /// How many changes were looked at.
    pub(super) looked_at: usize,
}

/// What comes next in the journal.
struct Next {
    /// Those that can be read.
    changes: Vec<(Change, HistoryId)>,
    /// Of how many.
    rows: usize,
    /// The number of the last of all of them.
    last: i64,
}

/// How far a hook that is behind goes at once.
pub(super) struct Step {
    /// How many changes are looked at.
    pub(super) at_most: usize,
    pub(super) now: Timestamp,
}

impl Step {
    /// Owes one hook more of the journal, and notes how far that went.
    pub(super) fn go(&self, writing: &mut Writing<'_>, listener: &Listener, touched: &mut Touched) -> Result<Gone> {
        let Some(behind) = listener.behind else { return Ok(Gone { at: Reached::TheEnd, to: 0, looked_at: 0 }) };
        let hook = listener.hook;
        // What was forgotten while it rested is not owed any more, though some of it be kept for other hooks.
        let oldest = match listener::account_of(writing.connection, hook)? {
            Some(account) => marks::oldest_of(writing.connection, account)?,
            None => marks::oldest(writing.connection)?,
        };
        let behind = behind.max(oldest);
        let Next { changes, rows, last } = self.read(writing, hook, behind)?;
        let mut looked_at = 0;
        for (change, history) in &changes {
            if looked_at > 0 && writing.is_turn_over() {
                break;
            }
            looked_at += 1;
            if listener.hears(&change.what) {
                let tidings = Tidings { number: change.cursor.sequence, history: *history, change: &change.what };
                queue::insert_again(writing, listener, &tidings, self.now, touched)?;
            }
        }
        let is_all = looked_at == changes.len();
        let at_end = is_all && rows < self.at_most;
        let reached = match changes[..looked_at].last() {
            _ if at_end => journal::newest(writing.connection)?.max(behind),
            // What comes after it and can't be read is passed over.
            _ if is_all => last,
            Some((change, _)) => change.cursor.sequence,
            None => behind,
        };
        let looked_at = if is_all { rows } else { looked_at };
        writing.prepare("UPDATE hooks SET behind = ?2 WHERE id = ?1")?.execute([hook.0, reached])?;
        Ok(Gone { at: if at_end { Reached::TheEnd } else { Reached::ItsLimit }, to: reached, looked_at })
    }

    fn read(&self, writing: &Writing<'_>, hook: HookId, behind: i64) -> Result<Next> {
        let mut select = writing.prepare(concat!(
            "SELECT ",
            change_columns!(),
            ", c.history FROM changes c INDEXED BY changes_account CROSS JOIN accounts a ON a.id = c.account
             WHERE c.account = (SELECT account FROM hooks WHERE id = ?1) AND c.sequence > ?2
             ORDER BY c.sequence LIMIT ?3"
        ))?;
        let mark = writing.memory.mark;
        let limit = i64::try_from(self.at_most).unwrap_or(i64::MAX);
        let mut last = behind;
        let rows = select.query(params![hook.0, behind, limit])?;
        let (changes, rows) = writing.memory.damages.rows(journal::source(None), rows, |row: &Row<'_>| {
            last = row.get(0)?;
            Ok((read_change(row, mark)?, get(row, CHANGE_COLUMNS)?))
        })?;
        Ok(Next { changes, rows, last })
    }
}
