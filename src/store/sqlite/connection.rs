//! A connection to the file of the store, and the setup of SQLite on it.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::Result;
use super::settings::{Disk, Settings, Synchronous};

pub(super) fn connect(path: &Path, settings: &Settings) -> rusqlite::Result<Connection> {
    // SQLite's own locks are not needed: a connection is never used by two threads at a time.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match settings.disk {
        Disk::System => Connection::open_with_flags(path, flags)?,
        Disk::Other { vfs, .. } => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
    };
    connection.busy_timeout(settings.busy_timeout)?;
    #[cfg(test)]
    let connection = super::tests::noted::noting(connection)?;
    Ok(connection)
}

pub(super) fn configure(connection: &Connection, settings: &Settings, cache_kib: usize) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    // Without this a statement may be planned anew each time that its parameters are bound, which costs more
    // than to run it. No plan here hangs on a parameter's value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The log is folded into the file by the writer, and when it ends; what is left then is not waited for.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    let synchronous = match settings.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Negative: in KiB, not in pages.
    connection.pragma_update(None, "cache_size", -i64::try_from(cache_kib.max(64)).unwrap_or(i64::MAX))?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // What is deleted is overwritten: what a client takes back does not remain in free parts of the file.
    connection.pragma_update(None, "secure_delete", "on")?;
    // After a big transaction the log is cut back to this, rather than staying at its largest.
    let log = i64::try_from(settings.log.saturating_mul(4)).unwrap_or(i64::MAX);
    connection.pragma_update(None, "journal_size_limit", log)?;
    // The writer folds the log into the file, see `flush`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(())
}
