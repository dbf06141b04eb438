//! Finds the rows of an account in every table of the store, including tables that are added later, and times in them.

use std::path::Path;

use rusqlite::Connection;

/// Tables of the store as a whole, in which nothing of an account is.
const OF_THE_STORE: [&str; 6] = ["meta", "keys", "counts", "endpoints", "providers", "sqlite_sequence"];

/// The tables that have rows of accounts, with their number.
pub(crate) fn left(path: &Path) -> Vec<(String, i64)> {
    let connection = Connection::open(path).expect("the store's file");
    let mut select = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").expect("read");
    let tables = select.query_map((), |row| row.get(0)).expect("read").collect::<rusqlite::Result<Vec<String>>>();
    let count = |table: &String| {
        connection.query_row(&format!("SELECT COUNT(*) FROM {table}"), (), |row| row.get(0)).expect("counted")
    };
    let tables = tables.expect("read").into_iter().filter(|table| !OF_THE_STORE.contains(&table.as_str()));
    tables.map(|table| (table.clone(), count(&table))).filter(|(_, rows)| *rows > 0).collect()
}

/// The columns that go by the host's clock and have a later time than this, in milliseconds. A number beyond every time is none.
pub(crate) fn later_than(path: &Path, latest: i64) -> Vec<String> {
    let connection = Connection::open(path).expect("the store's file");
    let mut later = Vec::new();
    for (table, columns) in [
        ("accounts", &["used", "unreachable"][..]),
        ("deliveries", &["due", "claimed", "lent_until"]),
        ("hooks", &["old_until", "disabled", "failing", "failed"]),
        ("keys", &["until"]),
        ("polls", &["due", "claimed", "asked", "changed", "hook_set", "last_attempt", "list_due", "ids_polled"]),
        ("requests", &["begun"]),
    ] {
        for column in columns {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {column} > ?1 AND {column} < 1 << 48");
            let number: i64 = connection.query_row(&sql, [latest], |row| row.get(0)).expect("counted");
            later.extend((number > 0).then(|| format!("{table}.{column} of {number} rows")));
        }
    }
    later
}
