//! The limits of the store, and of one account in it. At a limit, writes that would make it grow are refused: new
//! accounts, hooks, tokens and replays, and polls that saw something new. Everything else continues: reads, deletions,
//! retention, polls without changes, callbacks, and deliveries from the journal. So a store at its limit shrinks by
//! itself, and then accepts more.
//!
//! The last part of the store is a reserve. Once only the reserve is left, an account that uses more than an equal
//! share of the store is at its limit. So neither one account, nor a few accounts within their shares, can use up the
//! store.
//!
//! The size of the store is the number of its pages in use, which SQLite counts; free pages are reused before the file
//! grows. The size of an account is found by reading the store (`measure`). That happens only while the store is so
//! large that an account could be near its limit.

pub(super) mod measure;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use bytesize::ByteSize;
use rusqlite::Connection;

use super::super::{AccountSize, Fullness, Result, StoreError};
use super::settings::{Settings, part};
use crate::model::AccountId;

/// Bytes that may be taken, and from how many on a warning is given.
#[derive(Clone, Copy, Debug)]
struct Bound {
    limit: u64,
    warn_at: u64,
}

#[derive(Debug)]
pub(super) struct Bounds {
    store: Bound,
    account: Bound,
    /// How much the reserve has.
    reserve: u64,
    /// What the store takes.
    used: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the store, as it was told last.
    told: Fullness,
    /// What each account takes, of those that are near their bound or at it.
    large: HashMap<AccountId, u64>,
    /// Whether the accounts were measured.
    is_measured: bool,
    /// How many of them there were then.
    accounts: u64,
}

impl Bound {
    fn new(limit: u64, warn_at: f64) -> Bound {
        Bound { limit, warn_at: part(limit, warn_at) }
    }

    fn fullness(self, used: u64) -> Fullness {
        match used {
            used if used >= self.limit => Fullness::AtLimit,
            used if used >= self.warn_at => Fullness::NearLimit,
            _ => Fullness::Room,
        }
    }
}

impl Bounds {
    pub(super) fn new(settings: &Settings) -> Bounds {
        let size = settings.size as u64;
        Bounds {
            store: Bound::new(size, settings.warn_at),
            account: Bound::new(part(size, settings.account_share), settings.warn_at),
            reserve: part(size, settings.reserve),
            used: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Sees how large the store is, outside of a transaction.
    pub(super) fn look(&self, connection: &Connection) -> rusqlite::Result<()> {
        let read = |pragma: &str| {
            connection.prepare_cached(pragma)?.query_row((), |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
        };
        let pages = read("PRAGMA page_count")?.saturating_sub(read("PRAGMA freelist_count")?);
        let used = pages.saturating_mul(read("PRAGMA page_size")?);
        self.used.store(used, Ordering::Relaxed);
        let fullness = self.store.fullness(used);
        let told = std::mem::replace(&mut self.state().told, fullness);
        if told != fullness {
            self.tell(fullness, used);
        }
        Ok(())
    }

    fn tell(&self, fullness: Fullness, used: u64) {
        let (used, limit) = (ByteSize(used).to_string(), ByteSize(self.store.limit).to_string());
        match fullness {
            Fullness::Room => tracing::info!(used, limit, "the store has room again"),
            Fullness::NearLimit => tracing::warn!(
                used,
                limit,
                "the store is near its maximum size: raise store.size, or lower journal.keep_for or journal.keep_changes"
            ),
            Fullness::AtLimit => tracing::error!(
                used,
                limit,
                "the store is at its maximum size: the host records nothing new and is not ready until the store shrinks or \
                 store.size is raised"
            ),
        }
    }

    /// What the store takes, and may take.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.used.load(Ordering::Relaxed), self.store.limit)
    }

    /// An equal share of the store, where this number of accounts has something in it. The next account to come has a share,
    /// too: else a few accounts could fill the store before it comes.
    fn equal_share(&self, accounts: u64) -> u64 {
        self.store.limit / accounts.saturating_add(1)
    }

    /// What one account may take by now, where this number of accounts has something in the store.
    fn of_account(&self, accounts: u64) -> Bound {
        let left = self.store.limit.saturating_sub(self.used.load(Ordering::Relaxed));
        let equal = self.equal_share(accounts);
        match left < self.reserve && equal < self.account.limit {
            true => Bound { limit: equal, warn_at: self.account.warn_at.min(equal) },
            false => self.account,
        }
    }

    /// How many accounts are near their bound, and how many are at it.
    pub(super) fn large_accounts(&self) -> (u64, u64) {
        let state = self.state();
        let bound = self.of_account(state.accounts);
        let count = |fullness| state.large.values().filter(|used| bound.fullness(**used) == fullness).count() as u64;
        (count(Fullness::NearLimit), count(Fullness::AtLimit))
    }

    pub(super) fn size_of(&self, account: AccountId) -> AccountSize {
        let state = self.state();
        let bound = self.of_account(state.accounts);
        let used = state.large.get(&account).copied();
        let fullness = used.map_or(Fullness::Room, |used| bound.fullness(used));
        // Those that are within an equal share are kept for when the reserve begins only.
        AccountSize { used: used.filter(|_| fullness != Fullness::Room), limit: bound.limit, fullness }
    }

    /// Errs if the store is at its bound.
    pub(super) fn require_room(&self) -> Result<()> {
        let used = self.used.load(Ordering::Relaxed);
        match self.store.fullness(used) {
            Fullness::AtLimit => Err(StoreError::AtLimit { used, limit: self.store.limit }),
            Fullness::Room | Fullness::NearLimit => Ok(()),
        }
    }

    /// The same for what is added to an account.
    pub(super) fn require_room_for(&self, account: AccountId) -> Result<()> {
        self.require_room()?;
        match self.size_of(account) {
            AccountSize { used: Some(used), limit, fullness: Fullness::AtLimit } => {
                Err(StoreError::AccountAtLimit { used, limit })
            }
            _ => Ok(()),
        }
    }

    /// Whether an account could be near its bound, or the reserve is near, so that it is worth while to measure them.
    fn may_be_near(&self) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        used >= self.account.warn_at || used >= self.store.limit.saturating_sub(2 * self.reserve)
    }

    /// Takes in what all accounts take: each its part of the pages in use. Gives those whose fullness is another than before.
    fn take_in(&self, weights: &HashMap<AccountId, u64>) -> Vec<(AccountId, AccountSize)> {
        let used = self.used.load(Ordering::Relaxed);
        let all: u64 = weights.values().sum();
        let bytes = |weight: u64| part(used, weight as f64 / all.max(1) as f64);
        let large = weights.iter().map(|(account, weight)| (*account, bytes(*weight)));
        let accounts = weights.len() as u64;
        // The reserve may begin before they are measured again.
        let least = self.account.warn_at.min(self.equal_share(accounts));
        let large: HashMap<_, _> = large.filter(|(_, bytes)| *bytes >= least).collect();
        let mut state = self.state();
        let (before, now) = (self.of_account(state.accounts), self.of_account(accounts));
        let fullness = |of: &HashMap<AccountId, u64>, bound: Bound, account| {
            of.get(&account).map_or(Fullness::Room, |used| bound.fullness(*used))
        };
        let mut changed: Vec<AccountId> = large.keys().chain(state.large.keys()).copied().collect();
        changed.sort_unstable();
        changed.dedup();
        changed.retain(|account| fullness(&large, now, *account) != fullness(&state.large, before, *account));
        state.large = large;
        state.accounts = accounts;
        state.is_measured = true;
        drop(state);
        changed.into_iter().map(|account| (account, self.size_of(account))).collect()
    }

    /// No account can be near its bound.
    fn forget_accounts(&self) {
        let mut state = self.state();
        if std::mem::take(&mut state.is_measured) {
            state.large.clear();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_part_of_the_pages_in_use() {
        let settings = Settings { size: 1000, account_share: 0.5, warn_at: 0.8, reserve: 0.0, ..Settings::default() };
        let bounds = Bounds::new(&settings);
        let (ann, bob) = (AccountId(1), AccountId(2));
        let check = |used: u64, weights: [u64; 2], want: [Fullness; 2], changed: usize| {
            bounds.used.store(used, Ordering::Relaxed);
            let told = bounds.take_in(&HashMap::from([(ann, weights[0]), (bob, weights[1])]));
            assert_eq!([ann, bob].map(|account| bounds.size_of(account).fullness), want, "{used}: {weights:?}");
            assert_eq!(told.len(), changed, "{used}: {weights:?}: {told:?}");
        };
        check(900, [1, 1], [Fullness::NearLimit; 2], 2);
        check(900, [10, 10], [Fullness::NearLimit; 2], 0);
        check(900, [5, 4], [Fullness::AtLimit, Fullness::NearLimit], 1);
        assert!(bounds.require_room_for(ann).is_err() && bounds.require_room_for(bob).is_ok());
        check(900, [1, 8], [Fullness::Room, Fullness::AtLimit], 2);
        check(600, [1, 1], [Fullness::Room; 2], 1);
        assert!(bounds.require_room().is_ok());
        bounds.used.store(1000, Ordering::Relaxed);
        assert!(bounds.require_room_for(ann).is_err());
        assert!(bounds.may_be_near());
        bounds.used.store(399, Ordering::Relaxed);
        assert!(!bounds.may_be_near());
    }

    #[test]
    fn what_is_left_last_is_for_accounts_within_an_equal_share() {
        let settings = Settings { size: 1000, account_share: 0.25, warn_at: 0.8, reserve: 0.1, ..Settings::default() };
        let bounds = Bounds::new(&settings);
        let weights: HashMap<_, _> =
            [220, 220, 220, 220, 10].into_iter().zip(1..).map(|(weight, id)| (AccountId(id), weight)).collect();
        let measure = |used: u64| {
            bounds.used.store(used, Ordering::Relaxed);
            assert!(bounds.may_be_near());
            bounds.take_in(&weights);
        };
        // Four are within their share, and together take nearly all.
        measure(890);
        assert_eq!(bounds.large_accounts(), (4, 0));
        assert!((1..=5).all(|id| bounds.require_room_for(AccountId(id)).is_ok()));
        // It begins between two measurements.
        bounds.used.store(905, Ordering::Relaxed);
        assert_eq!(bounds.large_accounts(), (0, 4));
        assert_eq!(bounds.size_of(AccountId(1)).limit, 1000 / 6);
        assert!((1..=4).all(|id| bounds.require_room_for(AccountId(id)).is_err()));
        assert!(bounds.require_room_for(AccountId(5)).is_ok());
        measure(910);
        assert!(bounds.require_room_for(AccountId(1)).is_err() && bounds.require_room_for(AccountId(5)).is_ok());
        // One that is alone has its share.
        let alone = HashMap::from([(AccountId(1), 1)]);
        bounds.take_in(&alone);
        assert_eq!(bounds.size_of(AccountId(1)).limit, 250);
        measure(800);
        assert_eq!(bounds.large_accounts(), (0, 0));
    }

    #[test]
    fn accounts_that_together_have_the_whole_store_leave_the_reserve_to_a_newcomer() {
        let settings = Settings { size: 1000, account_share: 0.25, warn_at: 0.8, reserve: 0.1, ..Settings::default() };
        let bounds = Bounds::new(&settings);
        let four: HashMap<_, _> = (1..=4).map(|id| (AccountId(id), 1)).collect();
        bounds.used.store(890, Ordering::Relaxed);
        bounds.take_in(&four);
        assert!((1..=4).all(|id| bounds.require_room_for(AccountId(id)).is_ok()));
        bounds.used.store(905, Ordering::Relaxed);
        assert!((1..=4).all(|id| bounds.require_room_for(AccountId(id)).is_err()));
        assert!(bounds.require_room_for(AccountId(5)).is_ok());
    }
}
