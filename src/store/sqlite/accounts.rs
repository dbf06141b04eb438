//! Accounts in SQLite.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Credential, Enrolment, Forgetting, Result, StoreError};
use super::columns::{account_key, get, origin_text};
use super::damage::{Key, Reading, Source};
use super::dropped::notes::{self, Dropped};
use super::fault::Fault;
use super::writing::Writing;
use super::{damage, due_polls};
use crate::model::{AccountId, AccountKey, BudgetMark, Origin, Sealed, Timestamp};

/// How old the time of an account's last use may get before it is written anew: clients may enrol with
/// each of their requests, and reading must not cost a write.
const USE_IS_NOTED_EVERY: Duration = Duration::from_secs(60);

/// A proof that the store can be written holds for this long, so that no prober makes it busy.
const PROOF_HOLDS: Duration = Duration::from_secs(1);

/// Takes down what an account's budget has left, if it is known.
pub(super) fn note_budget(writing: &Writing<'_>, account: AccountId, budget: Option<BudgetMark>) -> Result<()> {
    let Some(BudgetMark { left, at }) = budget else { return Ok(()) };
    let mut update = writing.prepare("UPDATE accounts SET budget_left = ?2, budget_at = ?3 WHERE id = ?1")?;
    update.execute(params![account.0, left, at.map(Timestamp::as_millis)])?;
    Ok(())
}

pub(super) struct Enrolled {
    pub(super) id: AccountId,
    origin: Origin,
    password: Sealed,
    used: Timestamp,
}

impl Enrolled {
    /// Whether the enrolment would change nothing worth a write.
    pub(super) fn is_as(&self, enrolment: &Enrolment) -> bool {
        let password_stays = self.password == enrolment.password || self.keeps_its_own(enrolment);
        let origin_stays = self.origin == enrolment.origin || self.keeps_its_own(enrolment);
        password_stays && origin_stays && enrolment.now.since(self.used) < USE_IS_NOTED_EVERY
    }

    /// An account of the configuration is polled with what stands there, whatever clients bring.
    fn keeps_its_own(&self, enrolment: &Enrolment) -> bool {
        self.origin == Origin::Config && enrolment.origin == Origin::Client
    }
}

/// Accounts by their ids, which come first in the row.
pub(super) fn source(account: Option<AccountId>) -> Source<'static> {
    Source { table: "accounts", account, key: Key::Columns(&[0]) }
}

fn read_enrolled(row: &Row<'_>) -> rusqlite::Result<Enrolled> {
    Ok(Enrolled { id: get(row, 0)?, origin: get(row, 1)?, password: get(row, 2)?, used: get(row, 3)? })
}

pub(super) const ENROLLED: &str =
    "SELECT id, origin, password, used FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3";

pub(super) fn enrolled(reading: &Reading<'_>, key: &AccountKey) -> Result<Option<Enrolled>> {
    let mut select = reading.prepare_cached(ENROLLED)?;
    let key = params![key.driver, key.provider, key.user];
    let known = select.query_row(key, |row| reading.damages.read(source(None), row, read_enrolled));
    let known = known.optional()?.flatten();
    refuse_leaving(reading, known.as_ref().map(|known| known.id))?;
    Ok(known)
}

/// Errs where an account of this name is being forgotten.
fn refuse_leaving(connection: &Connection, known: Option<AccountId>) -> Result<()> {
    match known {
        Some(id) if notes::is_leaving(connection, id)? => Err(Fault::Forgetting(id).into()),
        _ => Ok(()),
    }
}

/// Errs where as many other users have these credentials as may.
pub(super) fn require_room_for(connection: &Connection, user: &str, credential: &Credential) -> Result<()> {
    let limit = i64::try_from(credential.users).unwrap_or(i64::MAX);
    let mut select =
        connection.prepare_cached("SELECT DISTINCT user FROM accounts WHERE credential = ?1 ORDER BY user LIMIT ?2")?;
    let mut has = connection.prepare_cached("SELECT 1 FROM accounts WHERE credential = ?1 AND user = ?2")?;
    let mut users = HashSet::new();
    for print in &credential.prints {
        // Its accounts at other providers of the endpoint are those of the same user.
        if has.exists(params![print, user])? {
            return Ok(());
        }
        for user in select.query_map(params![print, limit], |row| Ok(row.get::<_, String>(0).ok()))? {
            users.insert(user?);
        }
    }
    match u64::try_from(users.len()).is_ok_and(|has| has < credential.users) {
        true => Ok(()),
        false => Err(StoreError::CredentialAtLimit { limit: credential.users }),
    }
}

pub(super) fn enrol(
    writing: &mut Writing<'_>,
    enrolment: &Enrolment,
    credential: Option<&Credential>,
) -> Result<AccountId> {
    let Enrolment { key, origin, password, now } = enrolment;
    let print = credential.and_then(|credential| credential.prints.first());
    let place = params![key.driver, key.provider, key.user];
    let damages = &writing.memory.damages;
    let mut select = writing.prepare(ENROLLED)?;
    let known = select.query_row(place, |row| {
        let id: AccountId = get(row, 0)?;
        Ok((id, damages.read(source(Some(id)), row, read_enrolled)?))
    });
    let known = known.optional()?;
    drop(select);
    refuse_leaving(writing.connection, known.as_ref().map(|(id, _)| *id))?;
    if let Some((id, None)) = known {
        // An enrolment brings all that there is of it.
        return heal(writing, id, enrolment, print);
    }
    let Some((_, Some(known))) = known else {
        writing.memory.bounds.require_room()?;
        if let Some(credential) = credential {
            require_room_for(writing.connection, &key.user, credential)?;
        }
        let mut insert = writing.prepare(
            "INSERT INTO accounts (driver, provider, user, origin, password, used, credential)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let id = AccountId(insert.insert(params![
            key.driver,
            key.provider,
            key.user,
            origin_text(origin),
            password.0,
            now.as_millis(),
            print
        ])?);
        if *origin == Origin::Config {
            due_polls::watch(writing, id, *now)?;
        }
        return Ok(id);
    };
    let was_watched = due_polls::is_watched(writing, known.id)?;
    let (origin, password) =
        if known.keeps_its_own(enrolment) { (&known.origin, &known.password) } else { (origin, password) };
    let sql = "UPDATE accounts SET origin = ?2, password = ?3, used = ?4, credential = COALESCE(?5, credential) WHERE id = ?1";
    writing.prepare(sql)?.execute(params![known.id.0, origin_text(origin), password.0, now.as_millis(), print])?;
    if *origin == Origin::Config && !was_watched {
        due_polls::watch(writing, known.id, *now)?;
    } else if was_watched {
        due_polls::resume(writing, known.id, *now)?;
    }
    Ok(known.id)
}

/// Writes a row anew that could not be read, and has its polls made that were set aside with it.
fn heal(
    writing: &mut Writing<'_>,
    id: AccountId,
    enrolment: &Enrolment,
    print: Option<&[u8; 32]>,
) -> Result<AccountId> {
    let Enrolment { origin, password, now, .. } = enrolment;
    let mut update = writing.prepare(
        "UPDATE accounts SET origin = ?2, password = ?3, used = ?4, unanswered = 0, unreachable = NULL,
         budget_left = NULL, budget_at = NULL, credential = ?5 WHERE id = ?1",
    )?;
    update.execute(params![id.0, origin_text(origin), password.0, now.as_millis(), print])?;
    drop(update);
    damage::set_aside(writing)?;
    if due_polls::is_watched(writing, id)? {
        due_polls::watch(writing, id, *now)?;
    }
    Ok(id)
}

pub(super) fn keep_configured(writing: &mut Writing<'_>, keep: &HashSet<AccountId>) -> Result<()> {
    let configured: Vec<AccountId> = writing
        .prepare("SELECT id FROM accounts WHERE origin = 'config'")?
        .query_map((), |row| get(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in configured {
        if !keep.contains(&id) {
            writing.prepare("UPDATE accounts SET origin = 'client' WHERE id = ?1")?.execute([id.0])?;
            due_polls::rest_if_unwatched(writing, id)?;
        }
    }
    Ok(())
}

/// How many accounts are looked at in one read for those that are idle.
const LOOKED_AT: usize = 1000;

/// What makes an account `a` idle since `?1`.
macro_rules! is_idle {
    () => {
        "a.origin = 'client' AND a.used < ?1
         AND NOT EXISTS (SELECT 1 FROM hooks WHERE hooks.account = a.id)
         AND NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.account = a.id
             AND (tokens.expires IS NULL OR tokens.expires > ?1))"
    };
}

/// Those of the next accounts that are idle, and the last one that was looked at, if there may be more.
pub(super) fn idle_accounts(
    reading: &Connection,
    since: Timestamp,
    after: AccountId,
) -> Result<(Vec<AccountId>, Option<AccountId>)> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT a.id, ",
        is_idle!(),
        " FROM accounts a WHERE a.id > ?2 ORDER BY a.id LIMIT ?3"
    ))?;
    let limit = i64::try_from(LOOKED_AT).unwrap_or(i64::MAX);
    let found: Vec<(AccountId, bool)> = select
        .query_map(params![since.as_millis(), after.0, limit], |row| Ok((get(row, 0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let last = found.last().map(|(account, _)| *account).filter(|_| found.len() == LOOKED_AT);
    Ok((found.into_iter().filter(|(_, is_idle)| *is_idle).map(|(account, _)| account).collect(), last))
}

/// Forgets an account, if it is idle still: there is no way to what is left of it.
pub(super) fn forget_idle(writing: &mut Writing<'_>, account: AccountId, since: Timestamp) -> Result<bool> {
    let sql = concat!("SELECT 1 FROM accounts a WHERE a.id = ?2 AND ", is_idle!(), " LIMIT 1");
    if !writing.prepare(sql)?.exists([since.as_millis(), account.0])? {
        return Ok(false);
    }
    drop_account(writing, account)
}

/// The same for an account of which nobody can be told whose it is.
pub(super) fn remove_damaged(writing: &mut Writing<'_>, account: AccountId) -> Result<bool> {
    let mut select = writing.prepare("SELECT driver, provider, user FROM accounts WHERE id = ?1")?;
    match select.query_row([account.0], |row| account_key(row, 0)) {
        Err(error) if damage::is_damage(&error) => {}
        named => {
            // One that is not there has what names it removed.
            let mut select =
                writing.prepare("SELECT 1 FROM hooks INDEXED BY hooks_owner WHERE account = ?1 LIMIT 1")?;
            if named.optional()?.is_some() || !select.exists([account.0])? {
                return Ok(false);
            }
        }
    }
    drop(select);
    drop_account(writing, account)
}

/// Takes away by what it is found and polled; its hooks go in steps.
pub(super) fn begin_to_forget(writing: &mut Writing<'_>, account: AccountId) -> Result<Forgetting> {
    let mut select = writing.prepare("SELECT origin = 'config' FROM accounts WHERE id = ?1")?;
    match select.query_row([account.0], |row| row.get(0)).optional()? {
        Some(true) => return Ok(Forgetting::Configured),
        Some(false) => notes::note(writing, Dropped::Leaving(account))?,
        // It was forgotten before.
        None => {}
    }
    delete_access(writing, account)?;
    Ok(Forgetting::Begun)
}

pub(super) fn drop_account(writing: &Writing<'_>, account: AccountId) -> Result<bool> {
    delete_access(writing, account)?;
    writing.prepare("DELETE FROM accounts WHERE id = ?1")?.execute([account.0])?;
    notes::note(writing, Dropped::Account(account))?;
    Ok(true)
}

fn delete_access(writing: &Writing<'_>, account: AccountId) -> Result<()> {
    for sql in [
        "DELETE FROM tokens WHERE account = ?1",
        "DELETE FROM sessions WHERE account = ?1",
        "DELETE FROM polls WHERE account = ?1",
        "DELETE FROM trimmed WHERE account = ?1",
    ] {
        writing.prepare(sql)?.execute([account.0])?;
    }
    Ok(())
}

pub(super) fn prove_writable(writing: &mut Writing<'_>) -> Result<()> {
    if writing.memory.proven.is_some_and(|since| since.elapsed() < PROOF_HOLDS) {
        return Ok(());
    }
    let sql = "INSERT INTO meta (name, value) VALUES ('pings', 1)
               ON CONFLICT (name) DO UPDATE SET value = CASE WHEN value < 1 << 62 THEN value + 1 ELSE 1 END";
    writing.prepare(sql)?.execute(())?;
    // It proves something once it is committed.
    writing.memory.proving = true;
    Ok(())
}
