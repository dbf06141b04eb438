//! Taking what is still owed: a client that asks gets it there and then, and no callback is sent for it.

use std::collections::HashMap;

use rusqlite::params;

use super::super::{Owed, Result};
use super::catch_up;
use super::columns::get;
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::queue::{self, Line};
use super::turns::Touched;
use super::writer::Writing;
use crate::model::{AccountId, HookId, Owner, Timestamp};

/// Dead letters are owed, too: who asks after an outage of its receiver misses nothing. Nor does one whose
/// hooks rest.
pub(super) fn take(writing: &mut Writing<'_>, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<Owed>> {
    catch_up::catch_up_owner(writing, account, owner, limit, Timestamp::default())?;
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", h.token, d.hook, d.kind, d.resource, COALESCE(d.claimed, d.due)
         FROM (SELECT d.hook, d.change FROM hooks h JOIN deliveries d ON d.hook = h.id
               WHERE h.account = ?1 AND h.owner = ?2 ORDER BY d.change, d.hook LIMIT ?3) first
         JOIN deliveries d ON d.hook = first.hook AND d.change = first.change
         JOIN hooks h ON h.id = d.hook
         JOIN changes c ON c.sequence = d.change JOIN accounts a ON a.id = c.account
         ORDER BY d.change, d.hook"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query(params![account.0, owner.word(), limit])?;
    let mut taken: Vec<(i64, i64)> = Vec::new();
    let mut owed = Vec::new();
    let mut touched = Touched::default();
    let mut headless: HashMap<Line, Timestamp> = HashMap::new();
    while let Some(row) = rows.next()? {
        const AT: usize = CHANGE_COLUMNS;
        let change = read_change(row, writing.memory.mark)?;
        let hook: HookId = get(row, AT + 1)?;
        taken.push((hook.0, change.cursor.sequence));
        owed.push(Owed { change, token: get(row, AT)? });
        let due: Option<Timestamp> = get(row, AT + 4)?;
        if let Some(due) = due {
            let line = Line { hook, subject: get(row, AT + 2)?, resource: get(row, AT + 3)? };
            touched.hook(hook);
            headless.insert(line, due);
        }
    }
    drop(rows);

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
