//! The ids of the host's keys, which the store names but does not contain, and the secrets sealed with them.

use async_trait::async_trait;

use super::{Result, SealedColumn};
use crate::model::{AccountId, AccountKey, KeyId, Sealed, Timestamp};

#[async_trait]
pub trait Keys {
    /// The keys that the host needs, the current one first. Empty for a new store.
    async fn keys(&self) -> Result<Vec<StoreKey>>;

    /// Stores the id of the key that seals from now on, before anything is sealed with it. The current key becomes an
    /// old one.
    async fn set_current_key(&self, key: KeyId) -> Result<()>;

    /// About `limit` sealed values after this place, in order. Unreadable ones are skipped.
    async fn sealed(&self, after: SealedPlace, limit: usize) -> Result<SealedPage>;

    /// Replaces each value with the resealed one, in steps. A value that has changed meanwhile is kept.
    async fn reseal(&self, resealed: Vec<Resealed>) -> Result<()>;

    /// Stores that everything is sealed with this key, and until when hashes made with old keys are valid. An old key
    /// for which that was stored before keeps its time. Returns whether this key is the current one; otherwise nothing
    /// is stored.
    async fn note_resealed(&self, current: KeyId, until: Timestamp) -> Result<bool>;

    /// Deletes the id of an old key that nothing uses any more.
    async fn forget_key(&self, key: KeyId) -> Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreKey {
    pub id: KeyId,
    pub used: KeyUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// The key seals.
    Current,
    /// Some secrets may still be sealed with it.
    Sealed,
    /// Nothing is sealed with it any more. Until this time, hashes made with it may exist.
    Hashed(Timestamp),
}

/// Where `Keys::sealed` continues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SealedPlace {
    #[default]
    Start,
    Account(AccountId),
    Hook(i64),
    Answer {
        account: AccountId,
        owner: String,
        key: String,
    },
    Session(AccountId, String),
}

#[derive(Debug, Default)]
pub struct SealedPage {
    pub values: Vec<SealedValue>,
    /// None if there are no more.
    pub next: Option<SealedPlace>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    pub column: SealedColumn,
    /// The account whose names it is sealed for.
    pub account: AccountKey,
    pub sealed: Sealed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    pub column: SealedColumn,
    pub was: Sealed,
    pub sealed: Sealed,
}
