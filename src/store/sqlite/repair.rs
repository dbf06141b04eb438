//! What a start puts right in a damaged file before anything relies on it.

use rusqlite::Connection;
use rusqlite::types::Value;

use super::super::Result;
use super::damage::Damages;
use crate::model::AccountId;

/// Puts right what queries rely on without reading it, and names it: times by which rows are found, and rows that belong to
/// nothing. What was set aside before is named again.
pub(super) fn repair(connection: &Connection, damages: &Damages) -> Result<()> {
    let number = |row: &rusqlite::Row<'_>, index| row.get(index).map_or(Value::Null, Value::Integer);
    let note = |table, column: &str, reason: &str, sql: &str| -> Result<()> {
        let mut statement = connection.prepare(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let key = vec![number(row, 0), number(row, 1)];
            let said: Option<String> = row.get(2).unwrap_or_default();
            let account = row.get(3).ok().map(AccountId);
            damages.note_only(table, account, key, column, said.as_deref().unwrap_or(reason));
        }
        Ok(())
    };
    // Numbers are given one after the other: none is so large, and one that is would leave none for others.
    for (table, key) in [("accounts", "id"), ("hooks", "id"), ("tokens", "id"), ("changes", "sequence")] {
        let sql = format!("DELETE FROM {table} WHERE {key} > 1 << 62 RETURNING {key}, NULL, NULL, NULL");
        note(table, key, "no number is so large", &sql)?;
    }
    note(
        "counts",
        "number",
        "it is no count",
        "DELETE FROM counts WHERE name NOT IN ('accounts', 'active', 'paused', 'disabled', 'damaged', 'waiting')
             OR typeof(number) <> 'integer' OR number NOT BETWEEN 0 AND 1 << 48
         RETURNING NULL, NULL, NULL, NULL",
    )?;
    note(
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
    note(
        "deliveries",
        "due",
        "it is no time",
        "UPDATE deliveries INDEXED BY deliveries_due SET due = 0, claimed = NULL
         WHERE due IS NOT NULL AND (typeof(due) <> 'integer' OR due > 1 << 48
             OR claimed IS NOT NULL AND (typeof(claimed) <> 'integer' OR claimed > 1 << 48))
         RETURNING hook, change, NULL, NULL",
    )?;
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
    // An account without one of its polls, which may have gone with its kind, is given it again.
    connection.execute(
        "INSERT INTO polls (account, kind, due) SELECT a.id, k.column1, 0 FROM accounts a, (VALUES (0), (1)) k
         WHERE (a.origin = 'config' OR EXISTS (SELECT 1 FROM hooks h WHERE h.account = a.id))
         ON CONFLICT (account, kind) DO NOTHING",
        (),
    )?;
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
            damages.note_only("deliveries", None, vec![hook.clone()], "hook", "there is no such hook");
        }
    }
    note(
        "deliveries",
        "change",
        "it can't be made",
        "SELECT d.hook, d.change, d.damaged, h.account FROM deliveries d JOIN hooks h ON h.id = d.hook
         WHERE d.damaged IS NOT NULL ORDER BY d.change DESC LIMIT 1000",
    )?;
    note(
        "hooks",
        "status",
        "it can't be read",
        "SELECT id, NULL, reason, account FROM hooks WHERE status = 'damaged' ORDER BY id LIMIT 1000",
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
