//! Finds the rows of an account in every table of the store, including tables that are added later.

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
