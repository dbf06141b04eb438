//! The tables, and the migrations from earlier versions.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::super::{Result, StoreError};
use super::damage::{self, Damages};
use super::seen::{Age, Run, new_mark};
use super::{endpoints, keys, repair, times, turns};

/// Written into the file's header, so that a file of another program is told from an empty one: "TRKR".
pub(super) const APPLICATION: i32 = 0x5452_4B52;

/// Each brings a file from the version that is its index to the next. One that was released is never
/// changed; what is to be different is a further one.
const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The version that this tracker writes.
pub(super) const NEWEST: usize = MIGRATIONS.len();

/// Whether a database has any table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Nothing,
    Tables,
}

/// Refuses what is not a store of the tracker's, or is one that this version does not know.
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<Content> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let is_empty: bool = connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", (), |r| r.get(0))?;
    if application != APPLICATION && !is_empty {
        return Err(StoreError::Unusable(format!(
            "{} is the database of another program: name another path for the tracker's store",
            path.display()
        )));
    }
    let (version, newest) = (version(connection)?, NEWEST);
    if !usize::try_from(version).is_ok_and(|version| version <= newest) {
        return Err(StoreError::Unusable(format!(
            "the store {} is of version {version}, and this tracker knows versions up to {newest}: run the newer \
             tracker that wrote it, or restore a backup from before the upgrade",
            path.display()
        )));
    }
    Ok(if is_empty { Content::Nothing } else { Content::Tables })
}

/// Whether it is the tracker's, of whatever version.
pub(super) fn is_store(connection: &Connection) -> rusqlite::Result<bool> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(application == APPLICATION)
}

fn version(connection: &Connection) -> Result<i32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Makes or migrates the tables, in one transaction. Says whether they were there.
pub(super) fn bring_up_to_date(connection: &mut Connection) -> Result<Age> {
    bring_to(connection, NEWEST)
}

/// Brings the tables to that version, if they are of an earlier one.
pub(super) fn bring_to(connection: &mut Connection, wanted: usize) -> Result<Age> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for (migration, version) in MIGRATIONS[..wanted].iter().zip(1..) {
        if version > found {
            transaction.execute_batch(migration)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", version)?;
        }
        if found == 0 && version == 1 {
            make_mark(&transaction)?;
        }
    }
    transaction.commit()?;
    Ok(if found == 0 { Age::New } else { Age::Old })
}

/// What may stand in `meta`, all of it whole numbers.
const META: [&str; 8] =
    ["store", "forgotten", super::past::MARK, "pings", "key", "run", times::FORWARD_BY, times::FORWARD_AT];

/// Holds `meta` to be what this version wrote: what the whole store hangs on can't be guessed. Gives the store's mark.
///
/// # Errors
/// `Unusable` where something in it can't be read, or is missing.
pub(super) fn check_meta(connection: &Connection, path: &Path) -> Result<u32> {
    let refuse = |table: &str, why: &str| {
        StoreError::Unusable(format!(
            "the store {} is damaged: in its table {table}, {why}; restore it from a backup, or move it away, with all that \
             begins with its name, to start anew",
            path.display()
        ))
    };
    let damaged = |why: String| refuse("meta", &why);
    let mut mark = None;
    let mut select = connection.prepare("SELECT name, value FROM meta")?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let name = match row.get_ref(0)?.as_str() {
            Ok(name) => name,
            Err(_) => return Err(damaged("a name is not UTF-8".to_owned())),
        };
        if !META.contains(&name) {
            return Err(damaged(format!("{name:?} is not a name that this version knows")));
        }
        let value: i64 = match row.get(1) {
            Ok(value) => value,
            Err(_) => return Err(damaged(format!("{name} is not a whole number"))),
        };
        match name {
            "store" => {
                mark = Some(u32::try_from(value).map_err(|_| damaged(format!("store is {value}, which is no mark")))?);
            }
            "forgotten" if value < 0 => return Err(damaged(format!("forgotten is {value}, which is no place"))),
            _ => {}
        }
    }
    keys::check(connection).map_err(|why| refuse("keys", &why))?;
    mark.ok_or_else(|| damaged("the store's mark is missing".to_owned()))
}

/// Gives a new store its mark.
fn make_mark(connection: &Connection) -> Result<()> {
    connection.execute("INSERT INTO meta (name, value) VALUES ('store', ?1)", [new_mark()?])?;
    Ok(())
}

/// Begins a host's run: what the last host had claimed is due as it was before. No transaction is under way on this
/// connection.
pub(super) fn begin_run(connection: &Connection, damages: &Damages, run: Run) -> Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    run.write(&transaction)?;
    // By the heads of the lines, and not by all that waits behind them. With many lines that is the longest part of a start.
    let deliveries = damage::claimed_or_due_at_no_time(&transaction)?;
    repair::repair(&transaction, damages, &deliveries)?;
    // What the polls that were under way have spent is not known, which is held to be all that there was.
    transaction.execute(
        "UPDATE accounts SET budget_left = 0, budget_at = NULL
         WHERE budget_left IS NOT NULL AND id IN (SELECT account FROM polls WHERE claimed IS NOT NULL)",
        (),
    )?;
    transaction.execute(
        "UPDATE polls SET due = claimed, claimed = NULL, wanted = NULL, list_due = NULL WHERE claimed IS NOT NULL",
        (),
    )?;
    let sql = "UPDATE deliveries SET due = claimed, claimed = NULL
               WHERE hook = ?1 AND change = ?2 AND due IS NOT NULL AND claimed IS NOT NULL AND lent IS NULL";
    for delivery in deliveries {
        transaction.prepare_cached(sql)?.execute(delivery)?;
    }
    transaction.execute(
        "UPDATE deliveries INDEXED BY deliveries_lent SET lent = NULL, lent_until = NULL,
             due = COALESCE(claimed, due), claimed = NULL WHERE lent < 0",
        (),
    )?;
    turns::rebuild(&transaction)?;
    endpoints::rebuild(&transaction)?;
    transaction.commit()?;
    Ok(())
}
