//! Taking what is still owed: a client that asks gets it there and then, and no callback is sent for it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use rusqlite::{Connection, Row, params};

use super::super::{Owed, Result};
use super::SqliteStore;
use super::catch_up::OfOwner;
use super::columns::get;
use super::damage::{Key, Source};
use super::fair_pool::Flow;
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::queue::{self, Line};
use super::turns::Touched;
use super::writer::Writing;
use crate::model::{AccountId, HookId, Owner, Timestamp};

/// Dead letters are owed, too: who asks after an outage of its receiver misses nothing. Nor does one whose
/// hooks rest: they catch up first, in steps.
pub(super) async fn take(store: &SqliteStore, account: AccountId, owner: Owner, limit: usize) -> Result<Vec<Owed>> {
    let mut catching_up = OfOwner::new(account, owner.clone(), limit, Timestamp::default());
    let rows = store.step_rows;
    let is_behind = {
        let owner = owner.clone();
        store.read(Flow::Account(account), move |reading| is_behind(reading, account, &owner)).await?
    };
    let mut is_more = is_behind;
    while is_more {
        (catching_up, is_more) = store
            .write_step(Flow::Account(account), move |writing| {
                let is_more = catching_up.step(writing, rows)?;
                Ok((catching_up, is_more))
            })
            .await?;
    }
    store.write(Flow::Account(account), move |writing| take_now(writing, account, &owner, limit)).await
}

fn is_behind(reading: &Connection, account: AccountId, owner: &Owner) -> Result<bool> {
    let sql = "SELECT 1 FROM hooks INDEXED BY hooks_owner
               WHERE account = ?1 AND owner = ?2 AND behind IS NOT NULL LIMIT 1";
    Ok(reading.prepare_cached(sql)?.exists(params![account.0, owner.word()])?)
}

fn take_now(writing: &mut Writing<'_>, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<Owed>> {
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", h.token, d.history, c.history, COALESCE(d.claimed, d.due), d.hook, d.change
         FROM deliveries d CROSS JOIN hooks h ON h.id = d.hook
         LEFT JOIN changes c ON c.sequence = d.change LEFT JOIN accounts a ON a.id = c.account
         WHERE d.hook = ?1 AND d.change = ?2"
    ))?;
    let taken = oldest(writing, account, owner, limit)?;
    let mut owed = Vec::with_capacity(taken.len());
    let mut touched = Touched::default();
    let mut headless: HashMap<Line, Timestamp> = HashMap::new();
    for &(hook, change) in &taken {
        const AT: usize = CHANGE_COLUMNS;
        let mut rows = select.query([hook, change])?;
        let Some(row) = rows.next()? else { continue };
        let source = Source { table: "deliveries", account: Some(account), key: Key::Columns(&[AT + 4, AT + 5]) };
        let mark = writing.memory.mark;
        let read = |row: &Row<'_>| {
            let line = Line::read(row, AT + 1, HookId(hook))?;
            let due: Option<Timestamp> = get(row, AT + 3)?;
            let owed = Owed { hook: line.hook, change: read_change(row, mark)?, token: get(row, AT)? };
            Ok((owed, line, due))
        };
        // What can't be read goes with the rest: there is nothing of it to give.
        let Some((one, line, due)) = writing.memory.damages.read(source, row, read)? else { continue };
        owed.push(one);
        if let Some(due) = due {
            touched.hook(line.hook);
            headless.insert(line, due);
        }
    }

    for (hook, change) in taken {
        writing.prepare("DELETE FROM deliveries WHERE hook = ?1 AND change = ?2")?.execute([hook, change])?;
    }
    // What stays behind was not asked for by reason of the limit alone; it is due as its head was, so that
    // a receiver that is being spared is spared still.
    for (line, due) in headless {
        queue::promote(writing, &line, due)?;
    }
    touched.refresh(writing)?;
    Ok(owed)
}

/// Hook and change of the oldest deliveries of the owner's hooks, in the order of changes. Each hook's are in that order
/// already: one after the other is taken from the hook that has the oldest, so that backlogs are not read whole.
fn oldest(writing: &Writing<'_>, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<(i64, i64)>> {
    let hooks: Vec<i64> = writing
        .prepare("SELECT id FROM hooks INDEXED BY hooks_owner WHERE account = ?1 AND owner = ?2")?
        .query_map(params![account.0, owner.word()], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut select = writing.prepare("SELECT MIN(change) FROM deliveries WHERE hook = ?1 AND change > ?2")?;
    let mut next = |hook: i64, after: i64| -> Result<Option<Reverse<(i64, i64)>>> {
        // What is no number is no change's.
        let change: Option<i64> = select.query_row([hook, after], |row| Ok(row.get(0).ok().flatten()))?;
        Ok(change.map(|change| Reverse((change, hook))))
    };
    let mut heads = BinaryHeap::new();
    for hook in hooks {
        heads.extend(next(hook, 0)?);
    }
    let mut oldest = Vec::new();
    while oldest.len() < limit
        && let Some(Reverse((change, hook))) = heads.pop()
    {
        oldest.push((hook, change));
        heads.extend(next(hook, change)?);
    }
    Ok(oldest)
}
