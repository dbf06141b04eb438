//! Accounts, and what clients' enrolment makes of them.

use async_trait::async_trait;

use super::{Result, Unopened};
use crate::metrics::Held;
use crate::model::{Account, AccountId, AccountKey, BudgetMark, Origin, Sealed, Timestamp};

#[async_trait]
pub trait Accounts {
    /// Makes the account known, or brings its origin and password up to date. An account of the
    /// configuration is due for its polls at once if it was not polled before, and stays the
    /// configuration's, with the password from there, when a client enrols it again.
    ///
    /// An enrolment also notes that the account is in use, to the minute. One that brings the very sealed
    /// bytes that are known, within that minute, writes nothing: a caller that enrols often keeps them.
    async fn enrol(&self, enrolment: Enrolment) -> Result<AccountId>;

    /// The same for an account that a client proved with these credentials.
    ///
    /// # Errors
    /// `CredentialAtLimit` where the account is not known, and as many other users have the same credentials as may have them.
    async fn enrol_proven(&self, enrolment: Enrolment, credential: Credential) -> Result<AccountId>;

    /// Whether the account is known.
    ///
    /// # Errors
    /// `CredentialAtLimit` where `enrol_proven` would refuse it.
    async fn check_newcomer(&self, key: &AccountKey, credential: &Credential) -> Result<bool>;

    async fn account(&self, id: AccountId) -> Result<Option<Account>>;

    /// The rows of the account that were met since the host started and can't be read, until they are removed, written anew
    /// or made up for by what is listed since.
    async fn damaged_rows(&self, account: AccountId) -> Result<Vec<DamagedRow>>;

    /// The same of all accounts, with those of which it can't be told whose they are.
    async fn all_damaged_rows(&self) -> Result<Vec<(Option<AccountId>, DamagedRow)>>;

    /// Removes an account of which a name can't be read, so that nobody can be told whose it is, with all that it has. Says
    /// whether there was one.
    async fn remove_damaged_account(&self, account: AccountId) -> Result<bool>;

    /// Sets a row aside of which a sealed column does not open, as one that can't be read. An account is not polled until it
    /// is enrolled anew, a hook is sent nothing, and what a driver remembers is forgotten. Of an account that is damaged itself
    /// the hooks are not named beside it: what is sealed is bound to its names.
    async fn set_aside_unopened(&self, unopened: Unopened) -> Result<()>;

    /// Accounts that can be read, in the order of their ids, after this one: up to `limit`, none only if there are no more.
    async fn accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>>;

    async fn find_account(&self, key: &AccountKey) -> Result<Option<Account>>;

    /// What the accounts' budgets of requests had left, of all of which that was ever noted.
    async fn budgets(&self) -> Result<Vec<(AccountKey, BudgetMark)>>;

    /// Takes down what the account's budget has left, where the account is known. May be lost in a power cut.
    async fn note_budget(&self, key: &AccountKey, budget: BudgetMark) -> Result<()>;

    /// Accounts of the configuration that are not among `keep` become clients' accounts: polled only
    /// while they have hooks.
    async fn keep_configured(&self, keep: &[AccountId]) -> Result<()>;

    /// Begins to forget a client's account: its credentials and tokens are gone at once, its polls under way are not recorded
    /// any more, and nothing can be added to it. Nobody can enrol it before all of it is gone, which `clear_account` sees
    /// to, or else `clear_dropped`, also after a restart.
    async fn forget_account(&self, account: AccountId) -> Result<Forgetting>;

    /// Deletes what an account that is being forgotten had, in steps: its hooks first, with what they are still owed.
    async fn clear_account(&self, account: AccountId) -> Result<()>;

    /// Forgets clients' accounts without a hook or a token that is still good, that no client has used since `since`, with their
    /// credentials and all that was seen of them. Gives their number.
    async fn forget_idle_accounts(&self, since: Timestamp) -> Result<u64>;

    /// Deletes what hooks, tokens and accounts that are gone had and was too much to be deleted with them, in steps.
    async fn clear_dropped(&self) -> Result<()>;

    /// Moves what is to come, and what later times are held against, along with a clock that was set by so many
    /// milliseconds when it showed `at`. What was told stays as it was told; so does, of deliveries, what is due by both
    /// times, which may be a million.
    async fn clock_set(&self, step: i64, at: Timestamp) -> Result<()>;

    /// The latest time at which anything is known to have been done.
    async fn latest(&self) -> Result<Option<Timestamp>>;

    /// How much there is of what operators watch.
    async fn held(&self) -> Result<Held>;

    /// Finds what each account takes of the store, if the store is so large that one could be near its bound, and says in the
    /// log which of them came near it. Reads the whole store, in steps.
    async fn measure_accounts(&self) -> Result<()>;

    /// How many bytes the store takes in its file, and how many it may take.
    fn size(&self) -> (u64, u64);

    /// What was found of one account.
    fn account_size(&self, account: AccountId) -> AccountSize;

    /// Answers if the store can be read, written, and added to: for readiness.
    async fn ping(&self) -> Result<()>;
}

/// Whether an account is being forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgetting {
    Begun,
    /// It is the configuration's, which would enrol it again.
    Configured,
}

/// What an account takes of the store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountSize {
    /// Where it is near its bound or at it, when it was last measured.
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

/// What a client proved: at some providers the user is any name, and one secret proves them all.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Keyed hashes of endpoint and secret, under each of the host's keys, the current one's first.
    pub prints: Vec<[u8; 32]>,
    /// How many users there may be whose accounts are enrolled with it.
    pub users: u64,
}

/// A stored row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRow {
    /// The table that it stands in.
    pub table: &'static str,
    /// Its primary key; the parts of one are joined by slashes.
    pub key: String,
    pub column: String,
    pub reason: String,
}
