//! Whose turn it is: hooks take turns within their destination, and destinations among themselves, whatever
//! the length of their lines. A row for each that has something due; who was served goes to the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::Result;
use super::columns::get;
use super::writer::Writing;
use crate::model::{AccountId, HookId, Timestamp};

/// Hooks whose lines changed, and destinations whose hooks did: brought up to date together, once.
#[derive(Debug, Default)]
pub(super) struct Touched {
    hooks: BTreeSet<HookId>,
    destinations: BTreeSet<Arc<str>>,
}

/// What was served by a claim.
#[derive(Clone, Copy)]
pub(super) struct Served {
    pub(super) at: Timestamp,
    /// In microseconds: until when the hook has been sent all that its rate allows.
    pub(super) paced: i64,
}

impl Touched {
    pub(super) fn hook(&mut self, hook: HookId) {
        self.hooks.insert(hook);
    }

    pub(super) fn destination(&mut self, name: Arc<str>) {
        self.destinations.insert(name);
    }

    pub(super) fn refresh(mut self, writing: &Writing<'_>) -> Result<()> {
        for hook in std::mem::take(&mut self.hooks) {
            refresh_hook(writing, hook, None, &mut self)?;
        }
        for name in &self.destinations {
            refresh_destination(writing, name, None)?;
        }
        Ok(())
    }
}

/// Brings a hook's turn up to date after its lines changed, or it was served.
pub(super) fn refresh_hook(
    writing: &Writing<'_>,
    hook: HookId,
    served: Option<Served>,
    touched: &mut Touched,
) -> Result<()> {
    let mut select = writing.prepare(
        "SELECT destination,
             CASE status WHEN 'active' THEN
                 (SELECT MIN(due) FROM deliveries WHERE hook = hooks.id AND due IS NOT NULL) END
         FROM hooks WHERE id = ?1",
    )?;
    let found = select.query_row([hook.0], |row| Ok((row.get(0)?, get(row, 1)?))).optional()?;
    let found: Option<(Arc<str>, Option<Timestamp>)> = found;
    let Some((destination, earliest)) = found else { return Ok(()) };
    match earliest {
        None => {
            writing.prepare("DELETE FROM queues WHERE hook = ?1")?.execute([hook.0])?;
        }
        Some(earliest) => {
            let mut upsert = writing.prepare(
                "INSERT INTO queues (hook, destination, due, served, paced)
                 VALUES (?1, ?2, MAX(?3, COALESCE(?4, ?3), COALESCE(?5 / 1000, ?3)), COALESCE(?4, 0), COALESCE(?5, 0))
                 ON CONFLICT (hook) DO UPDATE SET destination = ?2,
                     due = MAX(?3, COALESCE(?4, served), COALESCE(?5, paced) / 1000),
                     served = COALESCE(?4, served), paced = COALESCE(?5, paced)",
            )?;
            let at = served.map(|served| served.at.as_millis());
            let paced = served.map(|served| served.paced);
            upsert.execute(params![hook.0, destination, earliest.as_millis(), at, paced])?;
        }
    }
    touched.destination(destination);
    Ok(())
}

/// Brings a destination's turn up to date after its hooks' turns changed, or it was served.
pub(super) fn refresh_destination(writing: &Writing<'_>, name: &str, served: Option<Timestamp>) -> Result<()> {
    let mut select = writing.prepare("SELECT MIN(due) FROM queues WHERE destination = ?1")?;
    let earliest: Option<i64> = select.query_row([name], |row| row.get(0))?;
    let Some(earliest) = earliest else {
        writing.prepare("DELETE FROM destinations WHERE name = ?1")?.execute([name])?;
        return Ok(());
    };
    let mut upsert = writing.prepare(
        "INSERT INTO destinations (name, due, served) VALUES (?1, MAX(?2, COALESCE(?3, ?2)), COALESCE(?3, 0))
         ON CONFLICT (name) DO UPDATE SET due = MAX(?2, COALESCE(?3, served), held), served = COALESCE(?3, served)
         WHERE due <> MAX(?2, COALESCE(?3, served), held) OR served <> COALESCE(?3, served)",
    )?;
    upsert.execute(params![name, earliest, served.map(Timestamp::as_millis)])?;
    Ok(())
}

/// Has nothing claimed for a destination until then.
pub(super) fn hold(writing: &Writing<'_>, name: &Arc<str>, until: Timestamp, touched: &mut Touched) -> Result<()> {
    let mut update = writing.prepare("UPDATE destinations SET held = ?2 WHERE name = ?1")?;
    update.execute(params![name, until.as_millis()])?;
    touched.destination(Arc::clone(name));
    Ok(())
}

/// Removes a hook, all that it was owed, and what is known of its attempts; says whose it was.
pub(super) fn drop_hook(writing: &Writing<'_>, hook: HookId) -> Result<Option<AccountId>> {
    for sql in [
        "DELETE FROM deliveries WHERE hook = ?1",
        "DELETE FROM queues WHERE hook = ?1",
        "DELETE FROM attempts WHERE hook = ?1",
    ] {
        writing.prepare(sql)?.execute([hook.0])?;
    }
    let mut delete = writing.prepare("DELETE FROM hooks WHERE id = ?1 RETURNING account, destination")?;
    let dropped = delete.query_row([hook.0], |row| Ok((get(row, 0)?, row.get(1)?))).optional()?;
    let Some((account, destination)) = dropped else { return Ok(None) };
    let destination: Arc<str> = destination;
    refresh_destination(writing, &destination, None)?;
    Ok(Some(account))
}

/// Makes all turns anew from what waits: the leases that they knew of are void.
pub(super) fn rebuild(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "DELETE FROM queues WHERE hook NOT IN (SELECT id FROM hooks WHERE status = 'active');
         INSERT INTO queues (hook, destination, due, served)
         SELECT d.hook, h.destination, MIN(d.due), 0 FROM deliveries d JOIN hooks h ON h.id = d.hook
         WHERE d.due IS NOT NULL AND h.status = 'active' GROUP BY d.hook
         ON CONFLICT (hook) DO UPDATE SET destination = excluded.destination, served = 0,
             due = MAX(excluded.due, paced / 1000)
         WHERE due <> MAX(excluded.due, paced / 1000) OR served <> 0 OR destination <> excluded.destination;
         DELETE FROM destinations WHERE name NOT IN (SELECT destination FROM queues);
         INSERT INTO destinations (name, due, served)
         SELECT destination, MIN(due), 0 FROM queues WHERE TRUE GROUP BY destination
         ON CONFLICT (name) DO UPDATE SET served = 0, due = MAX(excluded.due, held)
         WHERE due <> MAX(excluded.due, held) OR served <> 0;",
    )?;
    Ok(())
}
