//! Repairs of a damaged file at the start, before anything relies on it.

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::super::Result;
use super::columns::account_key;
use super::damage::{self, Damages, Key, Source};
use super::dropped::notes;
use super::due_polls;
use crate::model::AccountId;

/// What becomes of rows that are damaged.
#[derive(Clone, Copy)]
enum Fate {
    /// They are put right, or deleted.
    Repaired,
    /// They stay, and their owners see them.
    SetAside,
}

/// Puts right what queries rely on without reading it, and names it: times by which rows are found, and rows that belong to
/// nothing. What was set aside before is named again. `deliveries` are those that may have such times.
pub(super) fn repair(connection: &Connection, damages: &Damages, deliveries: &[[i64; 2]]) -> Result<()> {
    let number = |row: &rusqlite::Row<'_>, index| row.get(index).map_or(Value::Null, Value::Integer);
    let note_as = |fate, table, column: &str, reason: &str, sql: &str| -> Result<()> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let key = vec![number(row, 0), number(row, 1)];
            let said: Option<String> = row.get(2).unwrap_or_default();
            let (account, reason) = (row.get(3).ok().map(AccountId), said.as_deref().unwrap_or(reason));
            match fate {
                Fate::Repaired => damages.note_repaired(table, key, column, reason),
                Fate::SetAside => damages.note_set_aside(table, account, key, column, reason),
            }
        }
        Ok(())
    };
    let note = |table, column: &str, reason: &str, sql: &str| note_as(Fate::Repaired, table, column, reason, sql);
    // Numbers are given one after the other: none is so large, and one that is would leave none for others.
    for (table, key) in
        [("accounts", "id"), ("hooks", "id"), ("tokens", "id"), ("changes", "sequence"), ("histories", "number")]
    {
        let sql = format!("DELETE FROM {table} WHERE {key} > 1 << 62 RETURNING {key}, NULL, NULL, NULL");
        note(table, key, "no number is so large", &sql)?;
    }
    // The number that was given last: from here on there are some for all that will ever be, and none is given twice.
    note(
        "sqlite_sequence",
        "seq",
        "no number is so large",
        "UPDATE sqlite_sequence SET seq = 1 << 52 WHERE typeof(seq) <> 'integer' OR seq NOT BETWEEN 0 AND 1 << 62
         RETURNING NULL, NULL, NULL, NULL",
    )?;
    damage::at_start(connection, damages, deliveries)?;
    note(
        "counts",
        "number",
        "it is no count",
        "DELETE FROM counts WHERE name NOT IN ('accounts', 'active', 'paused', 'disabled', 'damaged', 'waiting')
             OR typeof(number) <> 'integer' OR number NOT BETWEEN 0 AND 1 << 48
         RETURNING NULL, NULL, NULL, NULL",
    )?;
    note_as(
        Fate::SetAside,
        "hooks",
        "destination",
        "it is no destination, or its account no number",
        "UPDATE hooks SET status = 'damaged', disabled = NULL, reason = 'destination: it is none, or its account no number'
         WHERE status <> 'damaged'
             AND (typeof(destination) <> 'text' OR destination GLOB '*[^ -~]*' OR typeof(account) <> 'integer')
             AND EXISTS (SELECT 1 FROM deliveries WHERE hook = hooks.id AND due IS NOT NULL)
         RETURNING id, NULL, NULL, account",
    )?;
    note(
        "polls",
        "account",
        "there is no such account, or no such kind",
        "DELETE FROM polls WHERE kind NOT IN (0, 1) OR account NOT IN (SELECT id FROM accounts)
         RETURNING account, kind, NULL, account",
    )?;
    note(
        "polls",
        "due",
        "it is no time",
        "UPDATE polls SET due = 0, claimed = NULL, asked = NULL
         WHERE due IS NOT NULL AND (typeof(due) <> 'integer' OR due > 1 << 48)
             OR claimed IS NOT NULL AND (typeof(claimed) <> 'integer' OR claimed > 1 << 48)
             OR asked IS NOT NULL AND typeof(asked) <> 'integer' OR claimed IS NOT NULL AND due IS NULL
         RETURNING account, kind, NULL, account",
    )?;
    for delivery in deliveries {
        let sql = "UPDATE deliveries SET due = 0, claimed = NULL
                   WHERE hook = ?1 AND change = ?2 AND due IS NOT NULL AND (typeof(due) <> 'integer' OR due > 1 << 48
                       OR claimed IS NOT NULL AND (typeof(claimed) <> 'integer' OR claimed > 1 << 48))";
        if connection.prepare_cached(sql)?.execute(*delivery)? > 0 {
            damages.note_repaired("deliveries", delivery.map(Value::Integer).to_vec(), "due", "it is no time");
        }
    }
    connection.execute_batch(
        "DELETE FROM providers WHERE typeof(driver) <> 'text' OR typeof(provider) <> 'text' OR typeof(endpoint) <> 'text';
         DELETE FROM endpoints WHERE typeof(name) <> 'text' OR slow NOT IN (0, 1) OR class NOT IN (0, 1, 2, 3)
             OR typeof(due) NOT IN ('integer', 'null') OR typeof(served) <> 'integer'
             OR typeof(held_until) <> 'integer' OR held_until > 1 << 48;
         UPDATE polls SET slow = 0, endpoint = COALESCE((
             SELECT COALESCE(p.endpoint, a.driver || ' ' || a.provider)
             FROM accounts a LEFT JOIN providers p ON p.driver = a.driver AND p.provider = a.provider
             WHERE a.id = polls.account), '')
         WHERE typeof(endpoint) <> 'text' OR endpoint GLOB '*[^ -~]*' OR slow NOT IN (0, 1);",
    )?;
    due_polls::give_polls(connection)?;
    // Hook by hook, and not by all that waits for them.
    let mut hook = Value::Integer(i64::MIN);
    // What is no number sorts behind all numbers.
    note(
        "deliveries",
        "hook",
        "it is no number",
        "DELETE FROM deliveries WHERE hook >= '' RETURNING NULL, change, NULL, NULL",
    )?;
    let mut next = connection.prepare("SELECT MIN(hook) FROM deliveries WHERE hook > ?1")?;
    loop {
        hook = next.query_row([&hook], |row| row.get(0))?;
        if hook == Value::Null {
            break;
        }
        // Those of a hook that was removed go in steps.
        let sql = "SELECT 1 FROM hooks WHERE id = ?1 UNION ALL SELECT 1 FROM dropped WHERE kind = 0 AND account = 0 AND id = ?1";
        if !connection.prepare_cached(sql)?.exists([&hook])? {
            connection.execute("DELETE FROM deliveries WHERE hook = ?1", [&hook])?;
            damages.note_repaired("deliveries", vec![hook.clone()], "hook", "there is no such hook");
        }
    }
    note_as(
        Fate::SetAside,
        "deliveries",
        "change",
        "it can't be made",
        "SELECT d.hook, d.change, d.damaged, h.account FROM deliveries d JOIN hooks h ON h.id = d.hook
         WHERE d.damaged IS NOT NULL AND d.damaged NOT GLOB 'account: *' ORDER BY d.change DESC LIMIT 1000",
    )?;
    // Those of an account that can't be read were set aside with it.
    note_as(
        Fate::SetAside,
        "hooks",
        "status",
        "it can't be read",
        "SELECT id, NULL, reason, account FROM hooks WHERE status = 'damaged' AND reason NOT GLOB 'account: *'
         ORDER BY id LIMIT 1000",
    )?;
    accounts(connection, damages)?;
    tokens(connection, damages)?;
    dropped(connection, damages)?;
    note(
        "requests",
        "begun",
        "it is no time",
        "DELETE FROM requests WHERE begun > 1 << 48 OR begun < 0 RETURNING NULL, NULL, NULL, NULL",
    )?;
    note(
        "sessions",
        "until",
        "it is no time, or there is no such account",
        "DELETE FROM sessions WHERE typeof(until) <> 'integer' OR until NOT BETWEEN 0 AND 1 << 48
             OR account NOT IN (SELECT id FROM accounts)
         RETURNING NULL, NULL, NULL, account",
    )?;
    note(
        "histories",
        "account",
        "it is no number",
        "DELETE FROM histories WHERE account >= '' RETURNING number, NULL, NULL, NULL",
    )?;
    // Last, when all else is as it will be.
    connection.execute(
        "INSERT INTO counts (name, number) SELECT n.column1, CASE n.column1
             WHEN 'accounts' THEN (SELECT COUNT(*) FROM accounts)
             WHEN 'waiting' THEN (SELECT COUNT(*) FROM deliveries WHERE dead IS NULL)
             ELSE (SELECT COUNT(*) FROM hooks WHERE status = n.column1) END
         FROM (VALUES ('accounts'), ('active'), ('paused'), ('disabled'), ('damaged'), ('waiting')) n
         WHERE n.column1 NOT IN (SELECT name FROM counts)",
        (),
    )?;
    Ok(())
}

/// Names the accounts of which nobody can be told whose they are. The writer sets them aside before anything else.
fn accounts(connection: &Connection, damages: &Damages) -> Result<()> {
    let mut select = connection.prepare("SELECT id, driver, provider, user FROM accounts")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let source = Source { table: "accounts", account: row.get(0).ok().map(AccountId), key: Key::Columns(&[0]) };
        damages.read(source, row, |row: &Row<'_>| account_key(row, 1))?;
    }
    drop(rows);
    let mut select = connection.prepare(
        "SELECT DISTINCT account FROM hooks
         WHERE typeof(account) = 'integer' AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = hooks.account)",
    )?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        damages.note_missing(AccountId(row.get(0)?));
    }
    Ok(())
}

/// Deletes tokens that are nobody's, and gives their hooks to the account that these are of.
fn tokens(connection: &Connection, damages: &Damages) -> Result<()> {
    let mut select = connection.prepare(
        "SELECT t.id FROM tokens t WHERE typeof(t.account) <> 'integer'
             OR NOT EXISTS (SELECT 1 FROM accounts a WHERE a.id = t.account)",
    )?;
    let lost: Vec<i64> = select.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for token in lost {
        connection.execute("DELETE FROM tokens WHERE id = ?1", [token])?;
        connection
            .execute("UPDATE OR IGNORE hooks SET owner = 'account' WHERE owner = ?1", [format!("token:{token}")])?;
        damages.note_repaired("tokens", vec![Value::Integer(token)], "account", "there is no such account");
    }
    Ok(())
}

/// Takes away what is damaged, and finds what it may have spoken of: what is left of accounts that are gone. That of hooks
/// is found at every start.
fn dropped(connection: &Connection, damages: &Damages) -> Result<()> {
    let mut select = connection.prepare("SELECT kind, account, id FROM dropped")?;
    let mut damaged = Vec::new();
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let row = notes::stored(row)?;
        match notes::whole(&row) {
            Some(dropped) if !dropped.is_there(connection)? => {}
            _ => damaged.push(row),
        }
    }
    drop(rows);
    for row in &damaged {
        notes::forget_damaged(connection, damages, row)?;
    }
    if damaged.is_empty() {
        return Ok(());
    }
    for table in [
        "resources",
        "versions INDEXED BY versions_resource",
        "changes INDEXED BY changes_account",
        "histories INDEXED BY histories_resource",
        "flaps",
    ] {
        let sql = format!(
            "INSERT OR IGNORE INTO dropped (kind, account, id) SELECT DISTINCT 2, account, 0 FROM {table}
             WHERE typeof(account) = 'integer' AND account NOT IN (SELECT id FROM accounts)"
        );
        connection.execute(&sql, ())?;
    }
    Ok(())
}
