//! Sealed columns that do not open with the host's key. The store has no key: whoever opens what it gives reports what does
//! not open, and the store sets that row aside like any other that can't be read.

use crate::model::{AccountId, AccountKey, HookId, Sealed};

/// A sealed column that does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    pub column: SealedColumn,
    /// What the column held. A row that holds something else by now is not set aside.
    pub sealed: Sealed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedColumn {
    AccountPassword(AccountId),
    HookToken(HookId),
    HookSecret(HookId),
    /// The secret before the last rotation.
    HookOldSecret(HookId),
    /// What a driver, by the SHA-256 of its file, remembers of an account.
    Session {
        account: AccountKey,
        driver: String,
    },
    /// The answer to a request, by what names the request in the store.
    Answer {
        account: AccountId,
        owner: String,
        key: String,
    },
}
