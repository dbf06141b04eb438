//! Sealed columns that do not open with the host's key. The store has no key. So the code that opens a column reports a
//! failure, and the store sets the row aside like any other damaged row.

use crate::model::{AccountId, AccountKey, HookId, Sealed};

/// A sealed column that does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    pub column: SealedColumn,
    /// The value of the column. If the row has another value by now, it is not set aside.
    pub sealed: Sealed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealedColumn {
    AccountPassword(AccountId),
    HookToken(HookId),
    HookSecret(HookId),
    /// The secret before the last rotation.
    HookOldSecret(HookId),
    /// The session of a driver, named by the SHA-256 of its file, for an account.
    Session {
        account: AccountKey,
        driver: String,
    },
    /// The answer to a request, named as in the store.
    Answer {
        account: AccountId,
        owner: String,
        key: String,
    },
}
