//! The hooks of the accounts with the most recent changes, cached in the writer's memory.
//!
//! SQLite itself reports which rows of `hooks` were written, so that no statement can forget to invalidate the cache.
//! These rows are read again at the account's next change. Rows that were read within a transaction that is rolled back
//! are read again as well.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::super::Result;
use super::damage::Damages;
use super::hook_index::HookIndex;
use super::listener;
use crate::model::{AccountId, HookId};

#[derive(Debug, Default)]
pub(super) struct HookCache {
    accounts: HashMap<AccountId, Kept>,
    holders: HashMap<HookId, AccountId>,
    /// Rows that were written and not read since.
    written: Arc<Mutex<HashSet<HookId>>>,
    /// The same, where it is known whose they are.
    stale: HashMap<AccountId, HashSet<HookId>>,
    /// Rows that were read within the present transaction after it had written them.
    unsure: HashSet<HookId>,
    damages: Damages,
    /// How much is kept of all accounts together, the one apart that has a change; see `HookIndex::parts`.
    most_parts: usize,
    turn: u64,
}

#[derive(Debug)]
struct Kept {
    index: Arc<HookIndex>,
    /// When it was used last.
    turn: u64,
}

impl HookCache {
    /// Follows what the connection, which is the only one that does, writes to hooks.
    pub(super) fn follow(
        connection: &mut Connection,
        damages: Damages,
        most_parts: usize,
    ) -> rusqlite::Result<HookCache> {
        let cache = HookCache { damages, most_parts, ..HookCache::default() };
        let written = Arc::clone(&cache.written);
        connection.update_hook(Some(move |_, _: &str, table: &str, row: i64| {
            if table == "hooks" {
                written.lock().expect("invariant: no holder of this lock can panic").insert(HookId(row));
            }
        }))?;
        Ok(cache)
    }

    /// The account's hooks that their filters direct, as they are now.
    pub(super) fn of(&mut self, connection: &Connection, account: AccountId) -> Result<Arc<HookIndex>> {
        self.turn += 1;
        self.sort_out(connection, account)?;
        if !self.accounts.contains_key(&account) {
            let index = HookIndex::of(listener::filtering(connection, &self.damages, account)?);
            self.holders.extend(index.hooks().map(|hook| (hook, account)));
            self.accounts.insert(account, Kept { index: Arc::new(index), turn: self.turn });
            self.stale.remove(&account);
        }
        let kept = self.accounts.get_mut(&account).expect("invariant: it was put there just now");
        kept.turn = self.turn;
        let stale = self.stale.remove(&account).unwrap_or_default();
        self.unsure.extend(&stale);
        for hook in stale {
            let index = Arc::make_mut(&mut kept.index);
            match listener::filtering_one(connection, &self.damages, hook)? {
                Some(listener) => {
                    index.put(listener);
                    self.holders.insert(hook, account);
                }
                None => {
                    index.remove(hook);
                    self.holders.remove(&hook);
                }
            }
        }
        let index = Arc::clone(&kept.index);
        // What was known of it before may have grown, too.
        self.make_room(account);
        Ok(index)
    }

    /// Finds out whose hooks those are that were written.
    fn sort_out(&mut self, connection: &Connection, account: AccountId) -> Result<()> {
        let written = std::mem::take(&mut *self.written.lock().expect("invariant: no holder of this lock can panic"));
        // Should one of them not be readable, all are looked at again.
        self.unsure.extend(&written);
        for hook in written {
            let holder = match self.holders.get(&hook) {
                Some(holder) => Some(*holder),
                None => listener::account_of(connection, hook)?,
            };
            if let Some(holder) = holder
                && (holder == account || self.accounts.contains_key(&holder))
            {
                self.stale.entry(holder).or_default().insert(hook);
            }
        }
        Ok(())
    }

    /// Takes out others than this one, which has a change: first those that take more than an equal share, so that no account
    /// with few hooks is read anew because another has many, and of these the one that was used longest ago.
    fn make_room(&mut self, present: AccountId) {
        let mut kept = self.accounts.values().map(|kept| kept.index.parts()).sum::<usize>();
        if kept <= self.most_parts {
            return;
        }
        let share = self.most_parts / self.accounts.len().max(1);
        let others = self.accounts.iter().filter(|(id, _)| **id != present);
        let mut in_order: Vec<(bool, u64, AccountId)> =
            others.map(|(id, kept)| (kept.index.parts() <= share, kept.turn, *id)).collect();
        in_order.sort_unstable();
        let mut enough = self.most_parts;
        for (is_within_share, _, account) in in_order {
            if kept <= enough {
                break;
            }
            if is_within_share {
                // Of these some more than have to, so that this is not done for each change.
                enough = self.most_parts / 2;
            }
            if let Some(gone) = self.accounts.remove(&account) {
                kept -= gone.index.parts();
                for hook in gone.index.hooks() {
                    self.holders.remove(&hook);
                }
                self.stale.remove(&account);
            }
        }
    }

    pub(super) fn committed(&mut self) {
        self.unsure.clear();
    }

    /// What was written since the transaction or the job began is not so.
    pub(super) fn rolled_back(&mut self) {
        let mut written = self.written.lock().expect("invariant: no holder of this lock can panic");
        written.extend(self.unsure.drain());
        written.extend(self.stale.drain().flat_map(|(_, hooks)| hooks));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::random::Dice;

    const ACCOUNTS: u64 = 6;
    const HOOKS: u64 = 5;

    fn tables() -> Connection {
        let connection = Connection::open_in_memory().expect("a store");
        connection.execute_batch(include_str!("schema/1.sql")).expect("the tables");
        for account in 1..=ACCOUNTS {
            let sql = "INSERT INTO accounts (driver, provider, user, origin, password, used) VALUES ('d', 'p', ?1, 'client', x'01', 1)";
            connection.execute(sql, [number(account)]).expect("an account");
        }
        connection
    }

    fn set(connection: &Connection, account: u64, prefix: u64) {
        let sql = "INSERT INTO hooks (account, owner, url, destination, secret, words, format, mode, status, created)
                   VALUES (?1, 'account', 'https://a.example/', 'https://a.example', x'01', ?2, 'json', 'every', 'active', 1)";
        connection.execute(sql, rusqlite::params![number(account), words(prefix)]).expect("a hook");
    }

    fn number(number: u64) -> i64 {
        i64::try_from(number).expect("a small one")
    }

    fn words(prefix: u64) -> String {
        format!("{{\"ids\":[\"i-{prefix}*\"]}}")
    }

    fn filters(index: &HookIndex) -> Vec<String> {
        let mut filters: Vec<String> = index.listeners().map(|one| format!("{} {:?}", one.hook, one.filter)).collect();
        filters.sort();
        filters
    }

    /// With room for about two accounts of six, whatever is written, rolled back or taken out: what is kept is what a
    /// cache that has just begun reads.
    #[test]
    fn what_was_taken_out_for_room_is_read_anew() {
        let mut connection = tables();
        // An account, and its hooks with a prefix each.
        let most = 2 * (1 + 2 * usize::try_from(HOOKS).expect("few"));
        let mut cache = HookCache::follow(&mut connection, Damages::new(10), most).expect("followed");
        let mut dice = Dice(0x2026_1129);
        let mut taken_out = 0;
        for _ in 0..2_000 {
            let account = 1 + dice.below(ACCOUNTS);
            connection.execute_batch("BEGIN").expect("begun");
            match dice.below(4) {
                0 => {
                    let sql = "DELETE FROM hooks WHERE id = (SELECT MIN(id) FROM hooks WHERE account = ?1)";
                    connection.execute(sql, [number(account)]).expect("deleted");
                }
                1 => {
                    let count = "SELECT COUNT(*) FROM hooks WHERE account = ?1";
                    let hooks: i64 = connection.query_row(count, [number(account)], |row| row.get(0)).expect("counted");
                    if hooks < number(HOOKS) {
                        set(&connection, account, dice.below(9));
                    }
                }
                2 => {
                    let sql = "UPDATE hooks SET words = ?2 WHERE id = (SELECT MAX(id) FROM hooks WHERE account = ?1)";
                    connection.execute(sql, rusqlite::params![number(account), words(dice.below(9))]).expect("changed");
                }
                _ => {}
            }
            let asked = AccountId(1 + number(dice.below(ACCOUNTS)));
            let before = cache.accounts.len();
            cache.of(&connection, asked).expect("read");
            taken_out += usize::from(cache.accounts.len() < before);
            if dice.below(4) == 0 {
                connection.execute_batch("ROLLBACK").expect("taken back");
                cache.rolled_back();
            } else {
                connection.execute_batch("COMMIT").expect("committed");
                cache.committed();
            }
            let kept = cache.of(&connection, asked).expect("read");
            let fresh = HookIndex::of(listener::filtering(&connection, &Damages::new(10), asked).expect("read"));
            assert_eq!(filters(&kept), filters(&fresh));
            let others = cache.accounts.iter().filter(|(account, _)| **account != asked);
            let parts: usize = others.map(|(_, kept)| kept.index.parts()).sum();
            assert!(parts <= most, "{parts} parts are kept");
            assert!(cache.holders.values().all(|holder| cache.accounts.contains_key(holder)));
        }
        assert!(taken_out > 20, "only {taken_out} times anything was taken out");
    }

    #[test]
    fn an_account_of_large_filters_does_not_push_out_those_of_small_ones() {
        let mut connection = tables();
        let large = [1, 2];
        for account in 1..=ACCOUNTS {
            set(&connection, account, account);
        }
        for account in large {
            let ids: Vec<String> = (0..40).map(|id| format!("\"i-{id}\"")).collect();
            let sql = "UPDATE hooks SET words = ?2 WHERE account = ?1";
            let words = format!("{{\"ids\":[{}]}}", ids.join(","));
            connection.execute(sql, rusqlite::params![number(account), words]).expect("changed");
        }
        // Room for one large account and all small ones.
        let mut cache = HookCache::follow(&mut connection, Damages::new(10), 60).expect("followed");
        let small: Vec<AccountId> =
            (1..=ACCOUNTS).filter(|account| !large.contains(account)).map(|one| AccountId(number(one))).collect();
        for &account in &small {
            cache.of(&connection, account).expect("read");
        }
        for round in 0..3 {
            for account in large {
                cache.of(&connection, AccountId(number(account))).expect("read");
                assert!(small.iter().all(|one| cache.accounts.contains_key(one)), "round {round}, account {account}");
            }
        }
    }
}
