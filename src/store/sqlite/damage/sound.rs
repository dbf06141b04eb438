//! Rows with a value of the wrong type for its column. One flipped bit can change the type of a value. SQLite then
//! refuses every statement that writes the row, even in a different column, so one row would fail each statement that
//! writes many. This file converts the value to the right type, so that the row can be written and set aside.

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, ffi, params_from_iter};

use super::super::super::{Result, StoreError};
use super::super::writing::Writing;
use crate::model::{AccountId, HookId};

/// What is said of such a value.
pub(super) const REASON: &str = "its value is of another type than the column's";

/// A column, as the schema has it.
struct Column {
    name: String,
    declared: String,
    is_required: bool,
    default: Option<String>,
    /// Its place in the primary key, from one on.
    key: i64,
}

/// The columns of a table.
pub(super) struct Columns(Vec<Column>);

impl Columns {
    pub(super) fn of(connection: &Connection, table: &'static str) -> Result<Columns> {
        let mut select = connection.prepare_cached(&format!("PRAGMA table_info({table})"))?;
        let columns = select.query_map((), |row| {
            Ok(Column {
                name: row.get(1)?,
                declared: row.get(2)?,
                is_required: row.get(3)?,
                default: row.get(4)?,
                key: row.get(5)?,
            })
        })?;
        Ok(Columns(columns.collect::<rusqlite::Result<_>>()?))
    }

    /// The columns of the primary key, in its order.
    pub(super) fn key(&self) -> Vec<&str> {
        let mut key: Vec<&Column> = self.0.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key.into_iter().map(|column| column.name.as_str()).collect()
    }

    /// The condition by which a row is found, with the key as parameters.
    fn by_key(&self) -> String {
        let parts = self.key().into_iter().zip(1..).map(|(name, number)| format!("{name} = ?{number}"));
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// An expression: the first column of which the value is of another type, or NULL where there is none. It leaves out
    /// these columns.
    pub(super) fn wrong(&self, except: &[&str]) -> String {
        let looked_at = self.0.iter().filter(|column| !except.contains(&column.name.as_str()));
        let cases: Vec<String> = looked_at
            .filter_map(|column| Some(format!("WHEN {} THEN '{}'", column.is_wrong()?, column.name)))
            .collect();
        format!("CASE {} END", cases.join(" "))
    }
}

impl Column {
    /// The condition under which the value is not of the column's type; none for a column that takes every type.
    fn is_wrong(&self) -> Option<String> {
        let own = match self.declared.as_str() {
            declared @ ("INTEGER" | "TEXT" | "BLOB" | "REAL") => declared.to_ascii_lowercase(),
            _ => return None,
        };
        let name = &self.name;
        Some(match self.is_required {
            true => format!("typeof({name}) <> '{own}'"),
            false => format!("typeof({name}) NOT IN ('{own}', 'null')"),
        })
    }

    /// What takes the place of a value of another type. Text and bytes keep what they are made of; a number is not
    /// guessed.
    fn sound(&self, table: &str) -> String {
        let name = &self.name;
        match (table, name.as_str()) {
            // The schema takes nothing else.
            ("hooks", "status") => "'damaged'".to_owned(),
            ("accounts", "origin") => {
                format!("CASE WHEN CAST({name} AS TEXT) = 'config' THEN 'config' ELSE 'client' END")
            }
            ("polls", "held_decision") => "NULL".to_owned(),
            // One whose time is not known was used as lately as any: it is not forgotten for being idle.
            ("accounts", "used") => {
                "(SELECT COALESCE(MAX(used), 0) FROM accounts WHERE typeof(used) = 'integer' AND used < 1 << 48)"
                    .to_owned()
            }
            _ => {
                let (kept, empty) = match self.declared.as_str() {
                    "TEXT" => (format!("CAST({name} AS TEXT)"), "''"),
                    "BLOB" => (format!("CAST({name} AS BLOB)"), "x''"),
                    // No number that a host writes.
                    _ => ("NULL".to_owned(), "-1"),
                };
                match self.is_required {
                    true => format!("COALESCE({kept}, {})", self.default.as_deref().unwrap_or(empty)),
                    false => kept,
                }
            }
        }
    }
}

/// Gives a row, known by its primary key, values of the right types; gives the names of the columns that had others.
pub(super) fn mend(connection: &Connection, table: &'static str, key: &[Value]) -> Result<Vec<String>> {
    let columns = Columns::of(connection, table)?;
    let by_key = columns.by_key();
    let mut wrong: Vec<&Column> = Vec::new();
    for column in &columns.0 {
        let Some(is_wrong) = column.is_wrong() else { continue };
        let sql = format!("SELECT 1 FROM {table} WHERE {by_key} AND {is_wrong}");
        if connection.prepare_cached(&sql)?.exists(params_from_iter(key))? {
            wrong.push(column);
        }
    }
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    let write = |spoilt: &str| {
        let sound = wrong.iter().map(|column| match column.declared.as_str() {
            "TEXT" => format!("{} = {}{spoilt}", column.name, column.sound(table)),
            _ => format!("{} = {}", column.name, column.sound(table)),
        });
        let sql = format!("UPDATE {table} SET {} WHERE {by_key}", sound.collect::<Vec<_>>().join(", "));
        connection.prepare(&sql)?.execute(params_from_iter(key))
    };
    let mut written = write("");
    if written.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)) {
        // Indexes have what stood there before.
        connection.execute_batch(&format!("REINDEX {table}"))?;
        written = write("");
    }
    if written.as_ref().is_err_and(|error| error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)) {
        // Another row was given these names meanwhile. This one is given such as can't be read.
        written = write(" || CAST(x'ff' AS TEXT)");
    }
    written?;
    Ok(wrong.into_iter().map(|column| column.name.clone()).collect())
}

/// The first column of a row, known by its primary key, of which the value is of another type.
fn first_wrong(connection: &Connection, table: &'static str, key: &[Value]) -> Result<String> {
    let columns = Columns::of(connection, table)?;
    let sql = format!("SELECT {} FROM {table} WHERE {}", columns.wrong(&[]), columns.by_key());
    let column = connection.prepare(&sql)?.query_row(params_from_iter(key), |row| row.get(0)).optional()?;
    Ok(column.flatten().unwrap_or_else(|| "?".to_owned()))
}

/// Notes a row that SQLite refused to write, known by its primary key, and has it set aside.
pub(in super::super) fn note_of_another_type(
    writing: &Writing<'_>,
    table: &'static str,
    account: Option<AccountId>,
    key: Vec<Value>,
) -> Result<()> {
    let column = first_wrong(writing.connection, table, &key)?;
    // As they are read, see `key_value`.
    let bytes = |value| if let Value::Text(text) = value { Value::Blob(text.into_bytes()) } else { value };
    let key = key.into_iter().map(bytes).collect();
    writing.memory.damages.note(table, account, key, &column, REASON);
    Ok(())
}

/// Deletes what a hook that is gone has of changes that there can't be: without a number they are not found one by one.
pub(in super::super) fn delete_unnumbered(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    for table in ["deliveries", "attempts"] {
        let sql = format!("DELETE FROM {table} WHERE hook = ?1 AND typeof(change) <> 'integer'");
        writing.prepare(&sql)?.execute([hook.0])?;
    }
    Ok(())
}

/// Whether SQLite refused to write a row for the type of a value, which may be that of a column that was not written.
pub(super) fn is_refused(error: &StoreError) -> bool {
    let StoreError::Failed(source) = error else { return false };
    source.downcast_ref().is_some_and(is_of_another_type)
}

pub(in super::super) fn is_of_another_type(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(failure, _) if failure.extended_code == ffi::SQLITE_CONSTRAINT_DATATYPE)
}

/// Runs `work` so that it has written nothing where it fails, and only that is taken back.
pub(super) fn apart<T>(connection: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    connection.prepare_cached("SAVEPOINT apart")?.execute(())?;
    let done = work();
    // Where SQLite has ended the whole transaction there is no savepoint any more.
    if !connection.is_autocommit() {
        if done.is_err() {
            connection.prepare_cached("ROLLBACK TO apart")?.execute(())?;
        }
        connection.prepare_cached("RELEASE apart")?.execute(())?;
    }
    done
}
