//! Accounts: enrolment, by the configuration or by clients.

use std::time::Duration;

use async_trait::async_trait;

use super::{Result, Unopened};
use crate::metrics::Held;
use crate::model::{Account, AccountId, AccountKey, BudgetMark, Origin, Sealed, Timestamp};

#[async_trait]
pub trait Accounts {
    /// Adds the account, or updates its origin and password. An account of the configuration is due for its polls at
    /// once if it was not polled before. It stays the configuration's, with the configured password, when a client
    /// enrols it again.
    ///
    /// An enrolment also notes that the account is in use, to the minute. An enrolment within that minute with the same
    /// sealed bytes writes nothing: a caller that enrols often keeps these bytes.
    async fn enrol(&self, enrolment: Enrolment) -> Result<AccountId>;

    /// The same for an account that a client proved with these credentials.
    ///
    /// # Errors
    /// `CredentialAtLimit` if the account is unknown, and the maximum number of other users have the same credentials.
    async fn enrol_proven(&self, enrolment: Enrolment, credential: Credential) -> Result<AccountId>;

    /// Whether the account is known.
    ///
    /// # Errors
    /// `CredentialAtLimit` if `enrol_proven` would refuse it.
    async fn check_newcomer(&self, key: &AccountKey, credential: &Credential) -> Result<bool>;

    async fn account(&self, id: AccountId) -> Result<Option<Account>>;

    /// The damaged rows of the account that were met since the host started, until they are removed, rewritten, or
    /// replaced by newer data.
    async fn damaged_rows(&self, account: AccountId) -> Result<Vec<DamagedRow>>;

    /// The same of all accounts, including rows whose account is unknown.
    async fn all_damaged_rows(&self) -> Result<Vec<(Option<AccountId>, DamagedRow)>>;

    /// Deletes an account with an unreadable name, for which no client can authenticate, with everything that belongs
    /// to it. Returns whether there was one.
    async fn remove_damaged_account(&self, account: AccountId) -> Result<bool>;

    /// Sets aside a row with a sealed column that does not open, as a damaged row. An account is not polled until it is
    /// enrolled again, a hook receives nothing, and the session of a driver is deleted. If the account itself is
    /// damaged, its hooks are not named separately, because sealed values are bound to the account's names.
    async fn set_aside_unopened(&self, unopened: Unopened) -> Result<()>;

    /// The undamaged accounts after this one, sorted by id: up to `limit`, and none only if there are no more.
    async fn accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>>;

    async fn find_account(&self, key: &AccountKey) -> Result<Option<Account>>;

    /// The remaining request budgets of the accounts, as they were last stored.
    async fn budgets(&self) -> Result<Vec<(AccountKey, BudgetMark)>>;

    /// Stores the remaining request budget of the account, if the account is known. May be lost in a power cut.
    async fn note_budget(&self, key: &AccountKey, budget: BudgetMark) -> Result<()>;

    /// Turns accounts of the configuration that are not among `keep` into clients' accounts, which are polled only
    /// while they have hooks.
    async fn keep_configured(&self, keep: &[AccountId]) -> Result<()>;

    /// Begins to delete a client's account. Its credentials and tokens are gone at once, its polls in progress are not
    /// recorded, and nothing can be added to it. Nobody can enrol it before it is deleted completely, by
    /// `clear_account`, or by `clear_dropped`, also after a restart.
    async fn forget_account(&self, account: AccountId) -> Result<Forgetting>;

    /// Deletes the rows of an account that is being deleted, in steps: its hooks first, with their pending deliveries.
    async fn clear_account(&self, account: AccountId) -> Result<()>;

    /// Deletes clients' accounts without a hook and without a valid token that no client has used since `since`, with
    /// their credentials and resources. Returns their number.
    async fn forget_idle_accounts(&self, since: Timestamp) -> Result<u64>;

    /// Deletes the remaining rows of deleted hooks, tokens and accounts, in steps.
    async fn clear_dropped(&self) -> Result<()>;

    /// Moves due times, and times that later times are compared with, along with a clock that was set by `step`
    /// milliseconds when it showed `at`. Reported times stay. So do deliveries that are due by both clocks, because
    /// there may be a million of them.
    async fn clock_set(&self, step: i64, at: Timestamp) -> Result<()>;

    /// By how much changes are kept longer than `keep_for`: as much as the clock was set forward, until all changes from
    /// before that are as old as that. Outlasts the host.
    async fn kept_longer(&self, now: Timestamp, keep_for: Duration) -> Result<Duration>;

    /// The latest time that is stored for any action.
    async fn latest(&self) -> Result<Option<Timestamp>>;

    /// The figures that operators watch.
    async fn held(&self) -> Result<Held>;

    /// Measures the size of each account, if the store is so large that an account could be near its limit, and logs
    /// the accounts that are near it. Reads the whole store, in steps.
    async fn measure_accounts(&self) -> Result<()>;

    /// The size of the store in its file and its maximum, in bytes.
    fn size(&self) -> (u64, u64);

    /// The last measured size of an account.
    fn account_size(&self, account: AccountId) -> AccountSize;

    /// Succeeds if the store can be read and written and has room: for readiness.
    async fn ping(&self) -> Result<()>;
}

/// Whether an account is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgetting {
    Begun,
    /// It is in the configuration, which would enrol it again.
    Configured,
}

/// The size of an account in the store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSize {
    /// Only if the account was near or at its limit when it was last measured.
    pub used: Option<u64>,
    pub limit: u64,
    pub fullness: Fullness,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fullness {
    #[default]
    Room,
    NearLimit,
    AtLimit,
}

#[derive(Clone, Debug)]
pub struct Enrolment {
    pub key: AccountKey,
    pub origin: Origin,
    pub password: Sealed,
    pub now: Timestamp,
}

/// Proven credentials: at some providers the user is any name, and one secret proves all of them.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Keyed hashes of endpoint and secret, under each of the host's keys, the current one's first.
    pub prints: Vec<[u8; 32]>,
    /// The maximum number of users that may be enrolled with these credentials.
    pub users: u64,
}

/// A stored row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// Its table.
    pub table: &'static str,
    /// Its primary key; slashes join the parts.
    pub key: String,
    pub column: String,
    pub reason: String,
}
