//! The hooks of the accounts that had changes last, kept in the writer's memory from one change to the next.
//!
//! SQLite itself says which rows of `hooks` were written, so that no statement can forget to: the rows are read anew when
//! the account has its next change. What was read within a transaction that is taken back is read anew as well.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::super::Result;
use super::damage::Damages;
use super::hook_index::HookIndex;
use super::listeners;
use crate::model::{AccountId, HookId};

/// How much is kept of all accounts together, the one apart that has a change: a part for each hook, and for each id and
/// realm that its filter names. These are some tens of megabytes.
const MOST_PARTS: usize = 200_000;

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
    pub(super) fn follow(connection: &mut Connection, damages: Damages) -> rusqlite::Result<HookCache> {
        let cache = HookCache { damages, ..HookCache::default() };
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
            let index = HookIndex::of(listeners::filtering(connection, &self.damages, account)?);
            self.make_room(index.parts());
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
            match listeners::filtering_one(connection, &self.damages, hook)? {
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
        Ok(Arc::clone(&kept.index))
    }

    /// Finds out whose hooks those are that were written.
    fn sort_out(&mut self, connection: &Connection, account: AccountId) -> Result<()> {
        let written = std::mem::take(&mut *self.written.lock().expect("invariant: no holder of this lock can panic"));
        // Should one of them not be readable, all are looked at again.
        self.unsure.extend(&written);
        for hook in written {
            let holder = match self.holders.get(&hook) {
                Some(holder) => Some(*holder),
                None => listeners::account_of(connection, hook)?,
            };
            if let Some(holder) = holder
                && (holder == account || self.accounts.contains_key(&holder))
            {
                self.stale.entry(holder).or_default().insert(hook);
            }
        }
        Ok(())
    }

    fn make_room(&mut self, parts: usize) {
        let mut kept = parts + self.accounts.values().map(|kept| kept.index.parts()).sum::<usize>();
        if kept <= MOST_PARTS {
            return;
        }
        let mut oldest: Vec<(u64, AccountId)> = self.accounts.iter().map(|(id, kept)| (kept.turn, *id)).collect();
        oldest.sort_unstable();
        for (_, account) in oldest {
            // Some more than have to, so that this is not done for each change.
            if kept <= MOST_PARTS / 2 {
                break;
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
