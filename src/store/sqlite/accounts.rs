//! Accounts in SQLite.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{
    AccountSize, Accounts, Credential, DamagedRow, Enrolment, Forgetting, Result, StoreError, Unopened,
};
use super::columns::{account_key, get, origin_text};
use super::damage::{Key, Reading, Source};
use super::dropped::{self, Dropped};
use super::fair_pool::Flow;
use super::fault::Fault;
use super::writing::Writing;
use super::{SqliteStore, bounds, damage, polls, schema, turns, unopened};
use crate::metrics::Held;
use crate::model::{Account, AccountId, AccountKey, BudgetMark, Origin, Sealed, Timestamp};

/// How old the time of an account's last use may get before it is written anew: clients may enrol with
/// each of their requests, and reading must not cost a write.
const USE_IS_NOTED_EVERY: Duration = Duration::from_secs(60);

/// A proof that the store can be written holds for this long, so that no prober makes it busy.
const PROOF_HOLDS: Duration = Duration::from_secs(1);

#[async_trait]
impl Accounts for SqliteStore {
    async fn enrol(&self, enrolment: Enrolment) -> Result<AccountId> {
        let asked = enrolment.clone();
        let known = self.read(Flow::Key(asked.key.clone()), move |reading| enrolled(reading, &asked.key)).await?;
        if let Some(known) = known
            && known.is_as(&enrolment)
        {
            return Ok(known.id);
        }
        self.write(Flow::Key(enrolment.key.clone()), move |writing| enrol(writing, &enrolment, None)).await
    }

    async fn enrol_proven(&self, enrolment: Enrolment, credential: Credential) -> Result<AccountId> {
        let (asked, print) = (enrolment.key.clone(), credential.prints.first().copied());
        // Who is known with the same reads on, also where nothing can be written.
        let known = self.read(Flow::Key(asked.clone()), move |reading| {
            let Some(known) = enrolled(reading, &asked)? else { return Ok(None) };
            let mut select = reading.prepare_cached("SELECT credential IS ?2 FROM accounts WHERE id = ?1")?;
            let is_same: bool = select.query_row(params![known.id.0, print], |row| row.get(0))?;
            Ok(is_same.then_some(known))
        });
        if let Some(known) = known.await?
            && known.is_as(&enrolment)
        {
            return Ok(known.id);
        }
        let flow = Flow::Key(enrolment.key.clone());
        self.write(flow, move |writing| enrol(writing, &enrolment, Some(&credential))).await
    }

    async fn check_newcomer(&self, key: &AccountKey, credential: &Credential) -> Result<bool> {
        let (key, credential) = (key.clone(), credential.clone());
        self.read(Flow::Key(key.clone()), move |reading| {
            let is_known = reading.prepare_cached(ENROLLED)?.exists(params![key.driver, key.provider, key.user])?;
            if !is_known {
                require_room_for(reading, &key.user, &credential)?;
            }
            Ok(is_known)
        })
        .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.read(Flow::Account(id), move |reading| {
            let sql = "SELECT id, driver, provider, user, origin, password FROM accounts WHERE id = ?1";
            let mut select = reading.prepare_cached(sql)?;
            let found =
                select.query_row([id.0], |row| reading.damages.read(source(Some(id)), row, |row| read_account(row, 0)));
            Ok(found.optional()?.flatten())
        })
        .await
    }

    async fn damaged_rows(&self, account: AccountId) -> Result<Vec<DamagedRow>> {
        self.read(Flow::Account(account), move |reading| {
            damage::forget_healed(reading, reading.damages)?;
            Ok(reading.damages.of(account))
        })
        .await
    }

    async fn all_damaged_rows(&self) -> Result<Vec<(Option<AccountId>, DamagedRow)>> {
        self.read(Flow::Host, |reading| {
            damage::forget_healed(reading, reading.damages)?;
            Ok(reading.damages.all())
        })
        .await
    }

    async fn set_aside_unopened(&self, unopened: Unopened) -> Result<()> {
        self.write(Flow::Host, move |writing| unopened::note(writing, &unopened)).await
    }

    async fn accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>> {
        let after = after.map_or(i64::MIN, |after| after.0);
        self.read(Flow::Host, move |reading| {
            let sql = "SELECT id, driver, provider, user, origin, password FROM accounts
                       WHERE id > ?1 ORDER BY id LIMIT ?2";
            let mut select = reading.prepare_cached(sql)?;
            damage::page(limit, |limit| {
                let rows = select.query(params![after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
                Ok(reading.damages.rows(source(None), rows, |row| read_account(row, 0))?)
            })
        })
        .await
    }

    async fn remove_damaged_account(&self, account: AccountId) -> Result<bool> {
        let is_removed = self.write(Flow::Host, move |writing| remove_damaged(writing, account)).await?;
        if is_removed {
            dropped::clear(self, Dropped::Account(account)).await?;
        }
        Ok(is_removed)
    }

    async fn find_account(&self, key: &AccountKey) -> Result<Option<Account>> {
        let key = key.clone();
        self.read(Flow::Key(key.clone()), move |reading| {
            let sql = "SELECT id, driver, provider, user, origin, password FROM accounts
                       WHERE driver = ?1 AND provider = ?2 AND user = ?3";
            let mut select = reading.prepare_cached(sql)?;
            let key = params![key.driver, key.provider, key.user];
            let found =
                select.query_row(key, |row| reading.damages.read(source(None), row, |row| read_account(row, 0)));
            Ok(found.optional()?.flatten())
        })
        .await
    }

    async fn budgets(&self) -> Result<Vec<(AccountKey, BudgetMark)>> {
        self.read(Flow::Host, |reading| {
            let sql = "SELECT driver, provider, user, budget_left, budget_at, id FROM accounts
                       WHERE typeof(budget_left) IN ('real', 'integer') AND typeof(budget_at) IN ('null', 'integer')";
            let mut select = reading.prepare_cached(sql)?;
            let read = |row: &Row<'_>| Ok((account_key(row, 0)?, BudgetMark { left: row.get(3)?, at: get(row, 4)? }));
            let source = Source { key: Key::Columns(&[5]), ..source(None) };
            Ok(reading.damages.rows(source, select.query(())?, read)?.0)
        })
        .await
    }

    async fn note_budget(&self, key: &AccountKey, budget: BudgetMark) -> Result<()> {
        let key = key.clone();
        self.write_passing(Flow::Key(key.clone()), move |writing| {
            let account: Option<i64> = writing
                .prepare("SELECT id FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3")?
                .query_row(params![key.driver, key.provider, key.user], |row| row.get(0))
                .optional()?;
            match account {
                Some(account) => note_budget(writing, AccountId(account), Some(budget)),
                None => Ok(()),
            }
        })
        .await
    }

    async fn keep_configured(&self, keep: &[AccountId]) -> Result<()> {
        let keep: HashSet<AccountId> = keep.iter().copied().collect();
        self.write(Flow::Host, move |writing| keep_configured(writing, &keep)).await
    }

    async fn forget_account(&self, account: AccountId) -> Result<Forgetting> {
        self.write(Flow::Account(account), move |writing| begin_to_forget(writing, account)).await
    }

    async fn clear_account(&self, account: AccountId) -> Result<()> {
        for dropped in [Dropped::Leaving(account), Dropped::Account(account)] {
            let is_dropped = self.read(Flow::Account(account), move |reading| dropped.is_noted(reading)).await?;
            if is_dropped {
                dropped::clear(self, dropped).await?;
            }
        }
        Ok(())
    }

    async fn forget_idle_accounts(&self, since: Timestamp) -> Result<u64> {
        let (mut forgotten, mut after) = (0, AccountId(0));
        loop {
            // Looked for by readers; the writer looks again at those that were found.
            let (idle, last) = self.read(Flow::Host, move |reading| idle_accounts(reading, since, after)).await?;
            for account in idle {
                if self.write_step(Flow::Host, move |writing| forget_idle(writing, account, since)).await? {
                    forgotten += 1;
                    dropped::clear(self, Dropped::Account(account)).await?;
                }
            }
            match last {
                Some(last) => after = last,
                None => return Ok(forgotten),
            }
        }
    }

    async fn clear_dropped(&self) -> Result<()> {
        dropped::clear_all(self).await
    }

    async fn clock_set(&self, step: i64, at: Timestamp) -> Result<()> {
        self.write(Flow::Host, move |writing| {
            damage::mending(writing, || schema::shift(writing.connection, step, at))?;
            writing.memory.clock_set = writing.memory.clock_set.saturating_add(step);
            Ok(())
        })
        .await
    }

    async fn latest(&self) -> Result<Option<Timestamp>> {
        self.read(Flow::Host, |reading| schema::latest(reading)).await
    }

    async fn held(&self) -> Result<Held> {
        self.read(Flow::Host, move |reading| {
            damage::forget_healed(reading, reading.damages)?;
            let mut held = Held { damaged_rows: reading.damages.counts(), ..Held::default() };
            let mut select = reading.prepare_cached("SELECT name, number FROM counts")?;
            let mut rows = select.query(())?;
            while let Some(row) = rows.next()? {
                let number = row.get::<_, i64>(1).ok().and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
                match row.get_ref(0)?.as_str().unwrap_or_default() {
                    "accounts" => held.accounts = number,
                    "active" => held.hooks_active = number,
                    "paused" => held.hooks_paused = number,
                    "disabled" => held.hooks_disabled = number,
                    "damaged" => held.hooks_damaged = number,
                    "waiting" => held.callbacks_waiting = number,
                    _ => {}
                }
            }
            drop(rows);
            held.destinations_waiting = turns::waiting(reading)?;
            Ok(held)
        })
        .await
        .map(|held| {
            let (store_bytes, store_limit) = self.bounds.size();
            let (accounts_near_limit, accounts_at_limit) = self.bounds.large_accounts();
            Held { store_bytes, store_limit, accounts_near_limit, accounts_at_limit, ..held }
        })
    }

    async fn measure_accounts(&self) -> Result<()> {
        bounds::measure::measure(self).await
    }

    fn size(&self) -> (u64, u64) {
        self.bounds.size()
    }

    fn account_size(&self, account: AccountId) -> AccountSize {
        self.bounds.size_of(account)
    }

    async fn ping(&self) -> Result<()> {
        self.require_whole()?;
        self.bounds.require_room()?;
        self.read(Flow::Host, |reading| {
            Ok(reading.prepare_cached("SELECT COUNT(*) FROM meta")?.query_row((), |_| Ok(()))?)
        })
        .await?;
        self.write(Flow::Host, prove_writable).await
    }
}

/// Takes down what an account's budget has left, if it is known.
pub(super) fn note_budget(writing: &Writing<'_>, account: AccountId, budget: Option<BudgetMark>) -> Result<()> {
    let Some(BudgetMark { left, at }) = budget else { return Ok(()) };
    let mut update = writing.prepare("UPDATE accounts SET budget_left = ?2, budget_at = ?3 WHERE id = ?1")?;
    update.execute(params![account.0, left, at.map(Timestamp::as_millis)])?;
    Ok(())
}

/// Reads id, key, origin and password, in this order.
pub(super) fn read_account(row: &Row<'_>, index: usize) -> rusqlite::Result<Account> {
    Ok(Account {
        id: get(row, index)?,
        key: account_key(row, index + 1)?,
        origin: get(row, index + 4)?,
        password: get(row, index + 5)?,
    })
}

struct Enrolled {
    id: AccountId,
    origin: Origin,
    password: Sealed,
    used: Timestamp,
}

impl Enrolled {
    /// Whether the enrolment would change nothing worth a write.
    fn is_as(&self, enrolment: &Enrolment) -> bool {
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
fn source(account: Option<AccountId>) -> Source<'static> {
    Source { table: "accounts", account, key: Key::Columns(&[0]) }
}

fn read_enrolled(row: &Row<'_>) -> rusqlite::Result<Enrolled> {
    Ok(Enrolled { id: get(row, 0)?, origin: get(row, 1)?, password: get(row, 2)?, used: get(row, 3)? })
}

const ENROLLED: &str =
    "SELECT id, origin, password, used FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3";

fn enrolled(reading: &Reading<'_>, key: &AccountKey) -> Result<Option<Enrolled>> {
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
        Some(id) if dropped::is_leaving(connection, id)? => Err(Fault::Forgetting(id).into()),
        _ => Ok(()),
    }
}

/// Errs where as many other users have these credentials as may.
fn require_room_for(connection: &Connection, user: &str, credential: &Credential) -> Result<()> {
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

fn enrol(writing: &mut Writing<'_>, enrolment: &Enrolment, credential: Option<&Credential>) -> Result<AccountId> {
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
            polls::watch(writing, id, *now)?;
        }
        return Ok(id);
    };
    let was_watched = polls::is_watched(writing, known.id)?;
    let (origin, password) =
        if known.keeps_its_own(enrolment) { (&known.origin, &known.password) } else { (origin, password) };
    let sql = "UPDATE accounts SET origin = ?2, password = ?3, used = ?4, credential = COALESCE(?5, credential) WHERE id = ?1";
    writing.prepare(sql)?.execute(params![known.id.0, origin_text(origin), password.0, now.as_millis(), print])?;
    if *origin == Origin::Config && !was_watched {
        polls::watch(writing, known.id, *now)?;
    } else if was_watched {
        polls::resume(writing, known.id, *now)?;
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
    if polls::is_watched(writing, id)? {
        polls::watch(writing, id, *now)?;
    }
    Ok(id)
}

fn keep_configured(writing: &mut Writing<'_>, keep: &HashSet<AccountId>) -> Result<()> {
    let configured: Vec<AccountId> = writing
        .prepare("SELECT id FROM accounts WHERE origin = 'config'")?
        .query_map((), |row| get(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in configured {
        if !keep.contains(&id) {
            writing.prepare("UPDATE accounts SET origin = 'client' WHERE id = ?1")?.execute([id.0])?;
            polls::rest_if_unwatched(writing, id)?;
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
fn idle_accounts(
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
fn forget_idle(writing: &mut Writing<'_>, account: AccountId, since: Timestamp) -> Result<bool> {
    let sql = concat!("SELECT 1 FROM accounts a WHERE a.id = ?2 AND ", is_idle!(), " LIMIT 1");
    if !writing.prepare(sql)?.exists([since.as_millis(), account.0])? {
        return Ok(false);
    }
    drop_account(writing, account)
}

/// The same for an account of which nobody can be told whose it is.
fn remove_damaged(writing: &mut Writing<'_>, account: AccountId) -> Result<bool> {
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
fn begin_to_forget(writing: &mut Writing<'_>, account: AccountId) -> Result<Forgetting> {
    let mut select = writing.prepare("SELECT origin = 'config' FROM accounts WHERE id = ?1")?;
    match select.query_row([account.0], |row| row.get(0)).optional()? {
        Some(true) => return Ok(Forgetting::Configured),
        Some(false) => dropped::note(writing, Dropped::Leaving(account))?,
        // It was forgotten before.
        None => {}
    }
    delete_access(writing, account)?;
    Ok(Forgetting::Begun)
}

/// Errs where nothing can be added to the account any more.
pub(super) fn require(writing: &Writing<'_>, account: AccountId) -> Result<()> {
    let is_there = Dropped::Account(account).is_there(writing.connection)?;
    match is_there && !dropped::is_leaving(writing.connection, account)? {
        true => Ok(()),
        false => Err(Fault::NoAccount(account).into()),
    }
}

pub(super) fn drop_account(writing: &Writing<'_>, account: AccountId) -> Result<bool> {
    delete_access(writing, account)?;
    writing.prepare("DELETE FROM accounts WHERE id = ?1")?.execute([account.0])?;
    dropped::note(writing, Dropped::Account(account))?;
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

fn prove_writable(writing: &mut Writing<'_>) -> Result<()> {
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
