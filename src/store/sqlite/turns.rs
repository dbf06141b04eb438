//! Turns: accounts take turns, then destinations, then accounts within a destination, then hooks within an account at a
//! destination, whatever the length of their queues. Each with something due has a row. After its turn it goes to the
//! end.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::Result;
use super::columns::get;
use super::damage::{self, Key, Source};
use super::dropped::rows;
use super::writing::Writing;
use crate::model::breaker::Standing;
use crate::model::{AccountId, HookId, Timestamp};

/// Hooks whose lines changed, and destinations whose hooks did: brought up to date together, once.
#[derive(Debug, Default)]
pub(super) struct Touched {
    hooks: BTreeSet<HookId>,
    shares: BTreeSet<(Arc<str>, AccountId)>,
    claimants: BTreeSet<AccountId>,
    destinations: BTreeSet<Arc<str>>,
}

/// The standing of a destination, as its row has it. Claims take them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Proven = 0,
    /// Proven to the host before the last start.
    ProvenBefore = 1,
    Unproven = 2,
    Slow = 3,
    TimedOut = 4,
}

impl Stored {
    pub(super) fn of(standing: Standing) -> Stored {
        match standing {
            Standing::Proven => Stored::Proven,
            Standing::Unproven => Stored::Unproven,
            Standing::Slow => Stored::Slow,
            Standing::TimedOut => Stored::TimedOut,
        }
    }

    pub(super) fn standing(self) -> Standing {
        match self {
            Stored::Proven => Standing::Proven,
            Stored::ProvenBefore | Stored::Unproven => Standing::Unproven,
            Stored::Slow => Standing::Slow,
            Stored::TimedOut => Standing::TimedOut,
        }
    }

    pub(super) fn number(self) -> i64 {
        self as i64
    }

    /// What no version writes is as good as unproven.
    pub(super) fn read(number: i64) -> Stored {
        let all = [Stored::Proven, Stored::ProvenBefore, Stored::Unproven, Stored::Slow, Stored::TimedOut];
        all.into_iter().find(|stored| stored.number() == number).unwrap_or(Stored::Unproven)
    }
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

    /// An account at a destination: one of its hooks there is gone, or has moved.
    pub(super) fn share(&mut self, destination: Arc<str>, account: AccountId) {
        self.shares.insert((destination, account));
    }

    pub(super) fn refresh(self, writing: &Writing<'_>) -> Result<()> {
        or_rebuild(writing, self.refresh_each(writing))
    }

    fn refresh_each(mut self, writing: &Writing<'_>) -> Result<()> {
        for hook in std::mem::take(&mut self.hooks) {
            refresh_hook(writing, hook, None, &mut self)?;
        }
        for (destination, account) in std::mem::take(&mut self.shares) {
            refresh_share(writing, &destination, account, None)?;
            self.claimants.insert(account);
            self.destinations.insert(destination);
        }
        for account in self.claimants {
            refresh_claimant(writing, account, None)?;
        }
        for name in &self.destinations {
            refresh_destination(writing, name, None)?;
        }
        Ok(())
    }
}

/// Makes all turns anew where one of them can't be read: they follow from what waits.
pub(super) fn or_rebuild(writing: &Writing<'_>, refreshed: Result<()>) -> Result<()> {
    match refreshed {
        Err(error) if damage::is_damaged_row(&error) => {
            writing.memory.damages.note("queues", None, Vec::new(), "destination", &error.to_string());
            rebuild(writing.connection)
        }
        refreshed => refreshed,
    }
}

/// Brings up to date what an account at a destination, which lost a hook, is part of.
fn refresh_without(writing: &Writing<'_>, destination: &str, account: AccountId) -> Result<()> {
    refresh_share(writing, destination, account, None)?;
    refresh_claimant(writing, account, None)?;
    refresh_destination(writing, destination, None)
}

/// Brings a hook's turn up to date after its lines changed, or it was served.
pub(super) fn refresh_hook(
    writing: &Writing<'_>,
    hook: HookId,
    served: Option<Served>,
    touched: &mut Touched,
) -> Result<()> {
    let mut select = writing.prepare(
        "SELECT destination, account,
             CASE status WHEN 'active' THEN
                 (SELECT MIN(due) FROM deliveries WHERE hook = hooks.id AND due IS NOT NULL) END
         FROM hooks WHERE id = ?1",
    )?;
    let found = select.query_row([hook.0], |row| {
        let source = Source { table: "hooks", account: get(row, 1).ok(), key: Key::Values(&[hook.0]) };
        writing.memory.damages.read(source, row, |row| Ok((row.get(0)?, get(row, 1)?, get(row, 2)?)))
    });
    let found: Option<(Arc<str>, AccountId, Option<Timestamp>)> = found.optional()?.flatten();
    let Some((destination, account, earliest)) = found else { return Ok(()) };
    match earliest {
        None => {
            writing.prepare("DELETE FROM queues WHERE hook = ?1")?.execute([hook.0])?;
        }
        Some(earliest) => {
            let mut upsert = writing.prepare(
                "INSERT INTO queues (hook, destination, due, served, paced, account)
                 VALUES (?1, ?2, MAX(?3, COALESCE(?4, ?3), COALESCE(?5 / 1000, ?3)), COALESCE(?4, 0), COALESCE(?5, 0), ?6)
                 ON CONFLICT (hook) DO UPDATE SET destination = ?2,
                     due = MAX(?3, COALESCE(?4, served), COALESCE(?5, paced) / 1000),
                     served = COALESCE(?4, served), paced = COALESCE(?5, paced)",
            )?;
            let at = served.map(|served| served.at.as_millis());
            let paced = served.map(|served| served.paced);
            upsert.execute(params![hook.0, destination, earliest.as_millis(), at, paced, account.0])?;
        }
    }
    touched.share(destination, account);
    Ok(())
}

/// Brings the turn of an account at a destination up to date after its hooks' turns changed, or it was served.
pub(super) fn refresh_share(
    writing: &Writing<'_>,
    destination: &str,
    account: AccountId,
    served: Option<Timestamp>,
) -> Result<()> {
    let mut select = writing.prepare("SELECT MIN(due) FROM queues WHERE destination = ?1 AND account = ?2")?;
    let earliest: Option<i64> = select.query_row(params![destination, account.0], |row| row.get(0))?;
    let Some(earliest) = earliest else {
        let mut delete = writing.prepare("DELETE FROM shares WHERE destination = ?1 AND account = ?2")?;
        delete.execute(params![destination, account.0])?;
        return Ok(());
    };
    let mut upsert = writing.prepare(
        "INSERT INTO shares (destination, account, due, served, turn)
         VALUES (?1, ?2, MAX(?3, COALESCE(?4, ?3)), COALESCE(?4, 0), MAX(?3, COALESCE(?4, ?3)))
         ON CONFLICT (destination, account) DO UPDATE
         SET due = MAX(?3, COALESCE(?4, served)), served = COALESCE(?4, served), turn = MAX(?3, COALESCE(?4, served))
         WHERE due <> MAX(?3, COALESCE(?4, served)) OR served <> COALESCE(?4, served)",
    )?;
    upsert.execute(params![destination, account.0, earliest, served.map(Timestamp::as_millis)])?;
    Ok(())
}

/// Brings the turn of an account up to date after its shares' turns changed, or it was served.
pub(super) fn refresh_claimant(writing: &Writing<'_>, account: AccountId, served: Option<Timestamp>) -> Result<()> {
    let mut select = writing.prepare("SELECT MIN(turn) FROM shares WHERE account = ?1")?;
    let earliest: Option<i64> = select.query_row([account.0], |row| row.get(0))?;
    let Some(earliest) = earliest else {
        writing.prepare("DELETE FROM claimants WHERE account = ?1")?.execute([account.0])?;
        return Ok(());
    };
    let mut upsert = writing.prepare(
        "INSERT INTO claimants (account, due, served) VALUES (?1, MAX(?2, COALESCE(?3, ?2)), COALESCE(?3, 0))
         ON CONFLICT (account) DO UPDATE SET due = MAX(?2, COALESCE(?3, served)), served = COALESCE(?3, served)
         WHERE due <> MAX(?2, COALESCE(?3, served)) OR served <> COALESCE(?3, served)",
    )?;
    upsert.execute(params![account.0, earliest, served.map(Timestamp::as_millis)])?;
    Ok(())
}

/// Has an account pass over a destination until then. In the turns of the destination this changes nothing.
pub(super) fn pass_over(writing: &Writing<'_>, destination: &str, account: AccountId, until: Timestamp) -> Result<()> {
    let mut update = writing.prepare("UPDATE shares SET turn = ?3 WHERE destination = ?1 AND account = ?2")?;
    update.execute(params![destination, account.0, until.as_millis()])?;
    Ok(())
}

/// Brings a destination's turn up to date after its hooks' turns changed, or it was served.
pub(super) fn refresh_destination(writing: &Writing<'_>, name: &str, served: Option<Timestamp>) -> Result<()> {
    let mut select = writing.prepare("SELECT MIN(due) FROM shares WHERE destination = ?1")?;
    let earliest: Option<i64> = select.query_row([name], |row| row.get(0))?;
    let Some(earliest) = earliest else {
        // The row stays for as long as there are hooks of it: it has the standing.
        writing.prepare("UPDATE destinations SET due = NULL WHERE name = ?1 AND due IS NOT NULL")?.execute([name])?;
        return Ok(());
    };
    let mut upsert = writing.prepare(
        "INSERT INTO destinations (name, due, served) VALUES (?1, MAX(?2, COALESCE(?3, ?2)), COALESCE(?3, 0))
         ON CONFLICT (name) DO UPDATE
         SET due = MAX(?2, COALESCE(?3, served), held, left_out), served = COALESCE(?3, served)
         WHERE due IS NOT MAX(?2, COALESCE(?3, served), held, left_out) OR served <> COALESCE(?3, served)",
    )?;
    upsert.execute(params![name, earliest, served.map(Timestamp::as_millis)])?;
    Ok(())
}

/// Has nothing claimed for a destination until then.
pub(super) fn hold(writing: &Writing<'_>, name: &Arc<str>, until: Timestamp, touched: &mut Touched) -> Result<()> {
    let mut update = writing.prepare("UPDATE destinations SET held = ?2 WHERE name = ?1")?;
    update.execute(params![name, until.as_millis()])?;
    touched.destinations.insert(Arc::clone(name));
    Ok(())
}

/// Has claims pass over a destination until then, or until attempts at it have ended.
pub(super) fn leave_out(writing: &Writing<'_>, name: &str, until: Timestamp) -> Result<()> {
    let mut update = writing
        .prepare("UPDATE destinations SET left_out = ?2, due = MAX(due, ?2) WHERE name = ?1 AND due IS NOT NULL")?;
    update.execute(params![name, until.as_millis()])?;
    Ok(())
}

/// Attempts at a destination have ended: it has room again, and this standing.
pub(super) fn landed(writing: &Writing<'_>, name: &Arc<str>, standing: Standing, touched: &mut Touched) -> Result<()> {
    let mut update = writing.prepare(
        "UPDATE destinations SET left_out = 0, standing = ?2 WHERE name = ?1 AND (left_out <> 0 OR standing <> ?2)",
    )?;
    if update.execute(params![name, Stored::of(standing).number()])? > 0 {
        touched.destinations.insert(Arc::clone(name));
    }
    Ok(())
}

/// Forgets a destination that no hook has any more.
pub(super) fn forget_destination(writing: &Writing<'_>, name: &str) -> Result<()> {
    let mut delete = writing.prepare(
        "DELETE FROM destinations WHERE name = ?1 AND due IS NULL
         AND NOT EXISTS (SELECT 1 FROM hooks WHERE destination = ?1)",
    )?;
    delete.execute([name])?;
    Ok(())
}

/// Removes a hook, all that it was owed, and what is known of its attempts, much of it later; says whose it was.
pub(super) fn drop_hook(writing: &Writing<'_>, hook: HookId) -> Result<Option<AccountId>> {
    writing.prepare("DELETE FROM queues WHERE hook = ?1")?.execute([hook.0])?;
    rows::hook(writing, hook)?;
    let mut delete = writing.prepare("DELETE FROM hooks WHERE id = ?1 RETURNING account, destination")?;
    let dropped = delete.query_row([hook.0], |row| Ok((get(row, 0)?, row.get(1).ok()))).optional()?;
    let Some((account, destination)) = dropped else { return Ok(None) };
    let destination: Option<Arc<str>> = destination;
    let account: AccountId = account;
    match destination {
        Some(destination) => {
            or_rebuild(writing, refresh_without(writing, &destination, account))?;
            forget_destination(writing, &destination)?;
        }
        None => rebuild(writing.connection)?,
    }
    Ok(Some(account))
}

/// Takes a hook out of its turn.
pub(super) fn drop_queue(writing: &Writing<'_>, hook: HookId) -> Result<()> {
    let mut delete = writing.prepare("DELETE FROM queues WHERE hook = ?1 RETURNING destination, account")?;
    let dropped = delete.query_row([hook.0], |row| Ok((row.get(0)?, get(row, 1)?))).optional();
    drop(delete);
    let dropped: rusqlite::Result<Option<(Arc<str>, AccountId)>> = dropped;
    match dropped {
        Ok(Some((destination, account))) => or_rebuild(writing, refresh_without(writing, &destination, account)),
        Ok(None) => Ok(()),
        Err(error) if damage::is_damage(&error) => {
            // It was not deleted with the statement that failed.
            writing.prepare("DELETE FROM queues WHERE hook = ?1")?.execute([hook.0])?;
            rebuild(writing.connection)
        }
        Err(error) => Err(error.into()),
    }
}

/// Of how many destinations of one standing it is known that something waits: of more it is enough to know that.
const MOST_COUNTED: u32 = 10_000;

/// How many destinations of each standing something waits for, up to `MOST_COUNTED`.
pub(super) fn waiting(reading: &Connection) -> Result<Vec<(&'static str, u64)>> {
    let mut select = reading.prepare_cached(
        "SELECT COUNT(*) FROM (
             SELECT 1 FROM destinations INDEXED BY destinations_turn WHERE standing = ?1 AND due IS NOT NULL LIMIT ?2)",
    )?;
    let mut found = Vec::new();
    for (word, all) in [
        ("proven", &[Stored::Proven][..]),
        ("unproven", &[Stored::ProvenBefore, Stored::Unproven]),
        ("slow", &[Stored::Slow]),
        ("timed-out", &[Stored::TimedOut]),
    ] {
        let mut count = 0;
        for stored in all {
            let number: i64 = select.query_row(params![stored.number(), MOST_COUNTED], |row| row.get(0))?;
            count += number.unsigned_abs();
        }
        found.push((word, count));
    }
    Ok(found)
}

/// Makes all turns anew from what waits: the leases that they knew of are void.
pub(super) fn rebuild(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        // What can't be right goes first: no turn is longer than a day behind what waits.
        "DELETE FROM queues WHERE hook NOT IN (SELECT id FROM hooks WHERE status = 'active')
             OR typeof(account) <> 'integer' OR typeof(destination) <> 'text' OR typeof(due) <> 'integer'
             OR typeof(served) <> 'integer' OR typeof(paced) <> 'integer'
             OR NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.hook = queues.hook AND d.due IS NOT NULL);
         UPDATE queues SET paced = 0
         WHERE paced / 1000 - 86400000 > (SELECT MAX(d.due) FROM deliveries d WHERE d.hook = queues.hook AND d.due IS NOT NULL);
         DELETE FROM destinations WHERE typeof(name) <> 'text' OR typeof(due) NOT IN ('integer', 'null')
             OR typeof(served) <> 'integer' OR typeof(held) <> 'integer' OR typeof(left_out) <> 'integer'
             OR typeof(standing) <> 'integer' OR standing NOT BETWEEN 0 AND 4;
         INSERT INTO queues (hook, account, destination, due, served)
         SELECT hook, account, destination, due, 0 FROM (
             SELECT h.id AS hook, h.account, h.destination, (
                 SELECT d.due FROM deliveries d WHERE d.hook = h.id AND d.due IS NOT NULL ORDER BY d.due LIMIT 1) AS due
             FROM hooks h WHERE h.status = 'active')
         WHERE due IS NOT NULL
         ON CONFLICT (hook) DO UPDATE SET account = excluded.account, destination = excluded.destination, served = 0,
             due = MAX(excluded.due, paced / 1000)
         WHERE due <> MAX(excluded.due, paced / 1000) OR served <> 0 OR destination <> excluded.destination
             OR account <> excluded.account;
         DELETE FROM shares;
         INSERT INTO shares (destination, account, due, served, turn)
         SELECT destination, account, MIN(due), 0, MIN(due) FROM queues GROUP BY destination, account;
         DELETE FROM claimants;
         INSERT INTO claimants (account, due, served) SELECT account, MIN(turn), 0 FROM shares GROUP BY account;
         DELETE FROM destinations WHERE name NOT IN (SELECT destination FROM hooks);
         UPDATE destinations SET held = 0
         WHERE held - 86400000 > (SELECT MAX(due) FROM queues WHERE destination = destinations.name);
         UPDATE destinations SET due = NULL, served = 0, left_out = 0,
             standing = CASE standing WHEN 0 THEN 1 ELSE standing END;
         INSERT INTO destinations (name, due, served)
         SELECT destination, MIN(due), 0 FROM shares WHERE TRUE GROUP BY destination
         ON CONFLICT (name) DO UPDATE SET due = MAX(excluded.due, held);",
    )?;
    Ok(())
}
