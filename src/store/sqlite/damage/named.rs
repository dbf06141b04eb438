//! The description of a damaged row: its table, key and column, and the error, all legible and of bounded length.

use rusqlite::Row;
use rusqlite::types::{Value, ValueRef};

use super::super::super::DamagedRow;
use super::source::Source;
use crate::model::{AccountId, legible::legible};

/// How much of a key and of a reason is shown, in bytes.
const SHOWN_BYTES: usize = 200;

/// The column of which the error tells, as it is called in its table.
pub(super) fn column_of(row: &Row<'_>, error: &rusqlite::Error) -> String {
    let index = match error {
        rusqlite::Error::FromSqlConversionFailure(index, ..)
        | rusqlite::Error::IntegralValueOutOfRange(index, _)
        | rusqlite::Error::InvalidColumnType(index, ..)
        | rusqlite::Error::Utf8Error(index, _) => *index,
        _ => usize::MAX,
    };
    row.as_ref().column_name(index).map_or_else(|_| "?".to_owned(), str::to_owned)
}

/// What can't be read, and why, in words for whoever owns it.
pub(in super::super) fn explain(row: &Row<'_>, error: &rusqlite::Error) -> String {
    shown(&format!("{}: {}", column_of(row, error), reason_of(error)))
}

pub(super) fn reason_of(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::FromSqlConversionFailure(_, _, source) => source.to_string(),
        rusqlite::Error::InvalidColumnType(_, _, found) => format!("it holds {found}, which is of another type"),
        rusqlite::Error::IntegralValueOutOfRange(_, number) => format!("{number} is out of range"),
        rusqlite::Error::Utf8Error(..) => "it is not UTF-8".to_owned(),
        other => other.to_string(),
    }
}

pub(super) fn damaged_row(table: &'static str, key: &[Value], column: &str, reason: &str) -> DamagedRow {
    DamagedRow {
        table: home(table, column),
        key: shown(&key.iter().map(key_text).collect::<Vec<_>>().join("/")),
        column: shown(column),
        reason: shown(reason),
    }
}

const OF_AN_ACCOUNT: [&str; 5] = ["driver", "provider", "user", "origin", "password"];

/// What is damaged where a row can't be read.
pub(super) enum Culprit {
    Row,
    /// The account that was read along with a row of another table.
    Account(AccountId),
    /// The account of which the row speaks is not there.
    Missing(AccountId),
}

pub(super) fn culprit(source: Source<'_>, row: &Row<'_>, key: &[Value], column: &str) -> Culprit {
    if source.table == "accounts" || home(source.table, column) != "accounts" {
        return Culprit::Row;
    }
    let is_there = |name: &&str| {
        let value = row.as_ref().column_index(name).and_then(|index| row.get_ref(index));
        value.is_ok_and(|value| value != ValueRef::Null)
    };
    let account = match key.first() {
        Some(Value::Integer(account)) if ["polls", "sessions"].contains(&source.table) => Some(AccountId(*account)),
        _ => source.account,
    };
    match account {
        Some(account) if OF_AN_ACCOUNT.iter().any(is_there) => Culprit::Account(account),
        Some(account) => Culprit::Missing(account),
        None => Culprit::Row,
    }
}

/// The table in which a column stands that was read along with another table's.
fn home(table: &'static str, column: &str) -> &'static str {
    match (table, column) {
        ("changes" | "deliveries" | "polls" | "sessions" | "tokens", column) if OF_AN_ACCOUNT.contains(&column) => {
            "accounts"
        }
        ("resources" | "versions", "name" | "realm" | "attributes" | "first_seen" | "state_since") => "bodies",
        _ => table,
    }
}

/// Text as its bytes, which need not be UTF-8.
pub(in super::super) fn key_value(row: &Row<'_>, index: usize) -> rusqlite::Result<Value> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}

fn key_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn shown(text: &str) -> String {
    let text = legible(text);
    text[..text.floor_char_boundary(SHOWN_BYTES)].to_owned()
}
