//! Records the statements that a store runs, for tests that check them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};

pub(super) type Statements = Arc<Mutex<BTreeSet<String>>>;

thread_local! {
    /// Where the statements of stores that this thread opens are noted.
    pub(super) static NOTED: RefCell<Option<Statements>> = const { RefCell::new(None) };
}

/// Notes the statements of a connection that was just opened, where this thread asks for it.
pub(in crate::store::sqlite) fn noting(mut connection: Connection) -> rusqlite::Result<Connection> {
    let Some(noted) = NOTED.with_borrow(Clone::clone) else { return Ok(connection) };
    let note = move |event: TraceEvent<'_>| {
        if let TraceEvent::Stmt(_, sql) = event {
            noted.lock().expect("no holder panics").insert(one_line(sql));
        }
    };
    connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note))?;
    Ok(connection)
}

/// The statement without its line breaks.
pub(super) fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
