//! The digest of a backup: SHA-256 over every row of every table. SQLite's own check finds malformed pages, but no
//! changed byte inside a row. The digest is in a separate table, which the store does not have.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

/// Makes the table anew, with the digest of all others.
pub(super) fn write(backup: &Connection) -> rusqlite::Result<()> {
    drop_table(backup)?;
    let digest = of(backup)?;
    backup.execute_batch("CREATE TABLE backup (sha256 BLOB NOT NULL) STRICT")?;
    backup.execute("INSERT INTO backup (sha256) VALUES (?1)", [digest.as_slice()])?;
    Ok(())
}

/// Whether the content of a backup is what its digest was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digest {
    Fits,
    Differs,
    /// A copy of a store's file has none.
    Absent,
}

/// Compares the content with the digest, and drops its table.
pub(super) fn verify(backup: &Connection) -> rusqlite::Result<Digest> {
    let is_there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'backup'";
    if backup.query_row(is_there, (), |_| Ok(())).optional()?.is_none() {
        return Ok(Digest::Absent);
    }
    let expected =
        backup.query_row("SELECT sha256 FROM backup", (), |row| Ok(row.get::<_, Vec<u8>>(0).ok())).optional()?;
    let fits = expected.flatten() == Some(of(backup)?);
    drop_table(backup)?;
    Ok(if fits { Digest::Fits } else { Digest::Differs })
}

fn drop_table(backup: &Connection) -> rusqlite::Result<()> {
    backup.execute_batch("DROP TABLE IF EXISTS backup")
}

/// The digest of all tables but its own, in the order of their names, and of their rows in the order in which they are stored.
fn of(backup: &Connection) -> rusqlite::Result<Vec<u8>> {
    let mut digest = Sha256::new();
    let mut schema = backup.prepare(
        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE tbl_name <> 'backup' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY type, name",
    )?;
    let entries = schema.query_map((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
    let entries: Vec<[String; 3]> = entries.collect::<rusqlite::Result<_>>()?;
    for entry in &entries {
        entry.iter().for_each(|part| add(&mut digest, ValueRef::Text(part.as_bytes())));
    }
    for [kind, name, _] in &entries {
        if kind != "table" {
            continue;
        }
        // By the table itself: a later version of SQLite may prefer one of its indexes, with another order.
        let mut select = backup.prepare(&format!("SELECT * FROM \"{}\" NOT INDEXED", name.replace('"', "\"\"")))?;
        let columns = select.column_count();
        let mut rows = select.query(())?;
        while let Some(row) = rows.next()? {
            digest.update([b'r']);
            for column in 0..columns {
                add(&mut digest, row.get_ref(column)?);
            }
        }
        digest.update([b't']);
    }
    Ok(digest.finalize().to_vec())
}

/// Adds a value, such that no two sequences of values give the same bytes.
fn add(digest: &mut Sha256, value: ValueRef<'_>) {
    let (tag, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (b'0', &[]),
        ValueRef::Integer(number) => return add_number(digest, b'1', number.to_be_bytes()),
        ValueRef::Real(number) => return add_number(digest, b'2', number.to_bits().to_be_bytes()),
        ValueRef::Text(text) => (b'3', text),
        ValueRef::Blob(bytes) => (b'4', bytes),
    };
    add_number(digest, tag, u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(bytes);
}

fn add_number(digest: &mut Sha256, tag: u8, number: [u8; 8]) {
    digest.update([tag]);
    digest.update(number);
}
