//! Taking what is still owed: a client that asks gets it there and then, and no callback is sent for it.

use std::collections::{BTreeSet, HashMap};

use rusqlite::params;

use super::super::{Owed, Result};
use super::columns::get;
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::queue::{self, Line};
use super::writer::Writing;
use crate::model::{AccountId, Owner, Timestamp};

/// Dead letters are owed, too: who asks after an outage of its receiver misses nothing.
pub(super) fn take(writing: &mut Writing<'_>, account: AccountId, owner: &Owner, limit: usize) -> Result<Vec<Owed>> {
    let mut select = writing.prepare(concat!(
        "SELECT ",
        change_columns!(),
        ", d.id, h.token, d.hook, d.kind, d.resource, COALESCE(d.claimed, d.due)
         FROM deliveries d JOIN hooks h ON h.id = d.hook
         JOIN changes c ON c.sequence = d.change JOIN accounts a ON a.id = c.account
         WHERE d.account = ?1 AND d.owner = ?2 ORDER BY d.change, d.id LIMIT ?3"
    ))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query(params![account.0, owner.as_str(), limit])?;
    let mut taken: Vec<i64> = Vec::new();
    let mut owed = Vec::new();
    let mut touched = BTreeSet::new();
    let mut headless: HashMap<Line, Timestamp> = HashMap::new();
    while let Some(row) = rows.next()? {
        const AT: usize = CHANGE_COLUMNS;
        taken.push(row.get(AT)?);
        owed.push(Owed { change: read_change(row, writing.memory.mark)?, token: get(row, AT + 1)? });
        let due: Option<Timestamp> = get(row, AT + 5)?;
        if let Some(due) = due {
            let line = Line { hook: get(row, AT + 2)?, kind: get(row, AT + 3)?, resource: get(row, AT + 4)? };
            touched.insert(line.hook);
            headless.insert(line, due);
        }
    }
    drop(rows);

    for id in taken {
        writing.prepare("DELETE FROM deliveries WHERE id = ?1")?.execute([id])?;
    }
    // What stays behind was not asked for by reason of the limit alone; it is due as its head was, so that
    // a receiver that is being spared is spared still.
    for (line, due) in headless {
        queue::promote(writing, &line, due)?;
    }
    for hook in touched {
        queue::refresh(writing, hook, None)?;
    }
    Ok(owed)
}
