//! Accounts, facts about the store as a whole, and readiness.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::super::accounts::{self, ENROLLED};
use super::super::columns::{account_key, get, read_account};
use super::super::damage::{Key, Source};
use super::super::dropped;
use super::super::dropped::notes::Dropped;
use super::super::fair_pool::Flow;
use super::super::{SqliteStore, bounds, damage, times, turns, unopened};
use crate::metrics::Held;
use crate::model::{Account, AccountId, AccountKey, BudgetMark, Timestamp};
use crate::store::{AccountSize, Accounts, Credential, DamagedRow, Enrolment, Forgetting, Result, Unopened};

#[async_trait]
impl Accounts for SqliteStore {
    async fn enrol(&self, enrolment: Enrolment) -> Result<AccountId> {
        let asked = enrolment.clone();
        let known =
            self.read(Flow::Key(asked.key.clone()), move |reading| accounts::enrolled(reading, &asked.key)).await?;
        if let Some(known) = known
            && known.is_as(&enrolment)
        {
            return Ok(known.id);
        }
        self.write(Flow::Key(enrolment.key.clone()), move |writing| accounts::enrol(writing, &enrolment, None)).await
    }

    async fn enrol_proven(&self, enrolment: Enrolment, credential: Credential) -> Result<AccountId> {
        let (asked, print) = (enrolment.key.clone(), credential.prints.first().copied());
        // Who is known with the same reads on, also where nothing can be written.
        let known = self.read(Flow::Key(asked.clone()), move |reading| {
            let Some(known) = accounts::enrolled(reading, &asked)? else { return Ok(None) };
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
        self.write(flow, move |writing| accounts::enrol(writing, &enrolment, Some(&credential))).await
    }

    async fn check_newcomer(&self, key: &AccountKey, credential: &Credential) -> Result<bool> {
        let (key, credential) = (key.clone(), credential.clone());
        self.read(Flow::Key(key.clone()), move |reading| {
            let is_known = reading.prepare_cached(ENROLLED)?.exists(params![key.driver, key.provider, key.user])?;
            if !is_known {
                accounts::require_room_for(reading, &key.user, &credential)?;
            }
            Ok(is_known)
        })
        .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.read(Flow::Account(id), move |reading| {
            let sql = "SELECT id, driver, provider, user, origin, password FROM accounts WHERE id = ?1";
            let mut select = reading.prepare_cached(sql)?;
            let found = select.query_row([id.0], |row| {
                reading.damages.read(accounts::source(Some(id)), row, |row| read_account(row, 0))
            });
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
                Ok(reading.damages.rows(accounts::source(None), rows, |row| read_account(row, 0))?)
            })
        })
        .await
    }

    async fn remove_damaged_account(&self, account: AccountId) -> Result<bool> {
        let is_removed = self.write(Flow::Host, move |writing| accounts::remove_damaged(writing, account)).await?;
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
            let found = select
                .query_row(key, |row| reading.damages.read(accounts::source(None), row, |row| read_account(row, 0)));
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
            let source = Source { key: Key::Columns(&[5]), ..accounts::source(None) };
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
                Some(account) => accounts::note_budget(writing, AccountId(account), Some(budget)),
                None => Ok(()),
            }
        })
        .await
    }

    async fn keep_configured(&self, keep: &[AccountId]) -> Result<()> {
        let keep: HashSet<AccountId> = keep.iter().copied().collect();
        self.write(Flow::Host, move |writing| accounts::keep_configured(writing, &keep)).await
    }

    async fn forget_account(&self, account: AccountId) -> Result<Forgetting> {
        self.write(Flow::Account(account), move |writing| accounts::begin_to_forget(writing, account)).await
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
            let (idle, last) =
                self.read(Flow::Host, move |reading| accounts::idle_accounts(reading, since, after)).await?;
            for account in idle {
                if self.write_step(Flow::Host, move |writing| accounts::forget_idle(writing, account, since)).await? {
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
            damage::mending(writing, || times::shift(writing.connection, step, at))?;
            writing.memory.clock_set = writing.memory.clock_set.saturating_add(step);
            Ok(())
        })
        .await
    }

    async fn kept_longer(&self, now: Timestamp, keep_for: Duration) -> Result<Duration> {
        let Some(forward) = self.read(Flow::Host, |reading| times::set_forward(reading)).await? else {
            return Ok(Duration::ZERO);
        };
        if now < forward.at.after(keep_for) {
            return Ok(forward.by);
        }
        self.write(Flow::Host, |writing| times::forget_set_forward(writing.connection)).await?;
        Ok(Duration::ZERO)
    }

    async fn latest(&self) -> Result<Option<Timestamp>> {
        self.read(Flow::Host, |reading| times::latest(reading)).await
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
        self.write(Flow::Host, accounts::prove_writable).await
    }
}
