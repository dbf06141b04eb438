//! The request budget of an account: a token bucket. Every request to the provider is paid from it: lists of instances
//! and of realms, proofs of credentials, a shadow's lists. It holds a minute's worth, is full at first, and refills
//! evenly.
//!
//! Time is the machine's uptime: setting the wall clock has no effect.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::Clock;
use crate::model::{AccountKey, BudgetMark, Timestamp, whole_millis};

/// Requests a minute where neither the operator nor the driver says otherwise: five a second, which is less than what
/// any large provider lets one user have.
const USUAL: NonZeroU32 = NonZeroU32::new(300).expect("invariant: it is not 0");

/// A request, in the parts of one that come in: as many a millisecond as requests come in a minute.
const REQUEST: u64 = 60_000;

/// From how many buckets on those that are full again are given up; more than one host has accounts at work, mostly.
const MANY: usize = 1024;

/// The buckets of all accounts that made a request of late.
#[derive(Debug)]
pub struct Budgets {
    clock: Arc<dyn Clock>,
    accounts: Mutex<Accounts>,
}

#[derive(Debug)]
struct Accounts {
    by_key: HashMap<AccountKey, Arc<Budget>>,
    /// What the last host had left to those of which nobody has asked yet.
    marks: HashMap<AccountKey, BudgetMark>,
    /// At which number they are looked through for what can be given up.
    sweep_at: usize,
}

/// What an account may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    pub per_minute: NonZeroU32,
    pub set_by: SetBy,
}

/// Whose word an allowance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    Operator,
    Driver,
    /// Nobody's: it is the host's default.
    Host,
}

impl SetBy {
    pub fn as_str(self) -> &'static str {
        match self {
            SetBy::Operator => "operator",
            SetBy::Driver => "driver",
            SetBy::Host => "default",
        }
    }
}

impl Allowance {
    /// The operator's word stands over the driver's.
    pub fn of(operator: Option<NonZeroU32>, driver: Option<NonZeroU32>) -> Allowance {
        let (per_minute, set_by) = match (operator, driver) {
            (Some(per_minute), _) => (per_minute, SetBy::Operator),
            (None, Some(per_minute)) => (per_minute, SetBy::Driver),
            (None, None) => (USUAL, SetBy::Host),
        };
        Allowance { per_minute, set_by }
    }
}

impl Budgets {
    /// `marks` is what the last host had left.
    pub fn new(clock: Arc<dyn Clock>, marks: Vec<(AccountKey, BudgetMark)>) -> Budgets {
        let accounts = Accounts { by_key: HashMap::new(), marks: marks.into_iter().collect(), sweep_at: MANY };
        Budgets { clock, accounts: Mutex::new(accounts) }
    }

    /// The account's bucket, which fills up at this rate from now on.
    pub fn of(&self, key: &AccountKey, allowance: Allowance) -> Arc<Budget> {
        let mut accounts = self.accounts.lock().expect("invariant: no holder of this lock can panic");
        if let Some(budget) = accounts.by_key.get(key) {
            budget.allow(allowance);
            return Arc::clone(budget);
        }
        if accounts.by_key.len() >= accounts.sweep_at {
            // What is full and in nobody's hands is made anew as it was.
            accounts.by_key.retain(|_, budget| Arc::strong_count(budget) > 1 || budget.view().spent > 0);
            accounts.sweep_at = (accounts.by_key.len() * 2).max(MANY);
        }
        let mark = accounts.marks.remove(key);
        let budget = Arc::new(Budget::new(Arc::clone(&self.clock), allowance, mark));
        accounts.by_key.insert(key.clone(), Arc::clone(&budget));
        budget
    }
}

/// One account's bucket.
#[derive(Debug)]
pub struct Budget {
    clock: Arc<dyn Clock>,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    allowance: Allowance,
    /// In parts of a request.
    left: u64,
    /// The uptime at which that was left, in whole milliseconds.
    at: u64,
}

/// A bucket, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetView {
    pub allowance: Allowance,
    /// Requests that can be made at once.
    pub left: u32,
    /// What is missing from a full bucket.
    pub spent: u32,
    /// When it is full again, if nothing more is spent.
    pub full_at: Timestamp,
}

impl Budget {
    /// Full, but for what the last host had spent.
    fn new(clock: Arc<dyn Clock>, allowance: Allowance, mark: Option<BudgetMark>) -> Budget {
        let mut level = Level { allowance, left: most(allowance), at: whole_millis(clock.uptime()) };
        if let Some(BudgetMark { left, at }) = mark {
            // That host may have ended at any time before now, but not later: a clock that was set back gives nothing.
            let since = at.map_or(Duration::ZERO, |at| clock.now().since(at));
            let left = (left * REQUEST as f64) as u64;
            level.left = left.saturating_add(level.in_time(whole_millis(since))).min(level.left);
        }
        Budget { clock, level: Mutex::new(level) }
    }

    /// Pays for one request; or says for how long to wait until it can be paid for.
    pub fn take(&self) -> Result<(), Duration> {
        let mut level = self.refilled();
        if level.left >= REQUEST {
            level.left -= REQUEST;
            return Ok(());
        }
        Err(level.wait_for(REQUEST))
    }

    /// For how long to wait until so many requests can be made, or as many as ever can be at once.
    pub fn wait_for(&self, requests: u32) -> Duration {
        let level = self.refilled();
        level.wait_for((u64::from(requests) * REQUEST).min(most(level.allowance)))
    }

    pub fn allowance(&self) -> Allowance {
        self.lock().allowance
    }

    /// What is left, for the next host.
    pub fn mark(&self) -> BudgetMark {
        BudgetMark { left: self.refilled().left as f64 / REQUEST as f64, at: Some(self.clock.now()) }
    }

    pub fn view(&self) -> BudgetView {
        let level = self.refilled();
        let most = most(level.allowance);
        let left = u32::try_from(level.left / REQUEST).unwrap_or(u32::MAX);
        let full_at = self.clock.now().after(level.wait_for(most));
        let spent = level.allowance.per_minute.get().saturating_sub(left);
        BudgetView { allowance: level.allowance, left, spent, full_at }
    }

    fn allow(&self, allowance: Allowance) {
        let mut level = self.refilled();
        if level.allowance != allowance {
            level.allowance = allowance;
            level.left = level.left.min(most(allowance));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Level> {
        self.level.lock().expect("invariant: no holder of this lock can panic")
    }

    fn refilled(&self) -> MutexGuard<'_, Level> {
        let now = whole_millis(self.clock.uptime());
        let mut level = self.lock();
        let since = now.saturating_sub(level.at);
        level.left = level.left.saturating_add(level.in_time(since)).min(most(level.allowance));
        level.at = level.at.max(now);
        level
    }
}

impl Level {
    /// What comes in in so many milliseconds.
    fn in_time(&self, millis: u64) -> u64 {
        millis.saturating_mul(self.allowance.per_minute.get().into())
    }

    fn wait_for(&self, wanted: u64) -> Duration {
        // Rounded up, so that after the wait it is there.
        Duration::from_millis(wanted.saturating_sub(self.left).div_ceil(self.allowance.per_minute.get().into()))
    }
}

/// How much a bucket holds, in parts of a request.
fn most(allowance: Allowance) -> u64 {
    u64::from(allowance.per_minute.get()) * REQUEST
}

#[cfg(test)]
mod tests;
