//! The host's keys, which the store names and does not have, and what is sealed with them.

use async_trait::async_trait;

use super::{Result, SealedColumn};
use crate::model::{AccountId, AccountKey, KeyId, Sealed, Timestamp};

#[async_trait]
pub trait Keys {
    /// The keys that the host needs, the current one first. None of a store that is new.
    async fn keys(&self) -> Result<Vec<StoreKey>>;

    /// Notes the key that seals from now on, before anything is sealed with it. The one before becomes an old one.
    async fn set_current_key(&self, key: KeyId) -> Result<()>;

    /// What is sealed, in the order of places, after this one: about `limit` of it. What can't be read is passed over.
    async fn sealed(&self, after: SealedPlace, limit: usize) -> Result<SealedPage>;

    /// Writes each of these in the place of what it held, in steps. A place that holds something else by now keeps that.
    async fn reseal(&self, resealed: Vec<Resealed>) -> Result<()>;

    /// Notes that everything is sealed with this key, and until when what was hashed with old keys is good. An old key of
    /// which that was noted before keeps its time. Says whether this key is the current one: else nothing is noted.
    async fn note_resealed(&self, current: KeyId, until: Timestamp) -> Result<bool>;

    /// Forgets an old key, of which nothing is left.
    async fn forget_key(&self, key: KeyId) -> Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreKey {
    pub id: KeyId,
    pub used: KeyUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// It seals.
    Current,
    /// Some secrets may still be sealed with it.
    Sealed,
    /// Nothing is sealed with it any more. Until then there may be hashes that were made with it.
    Hashed(Timestamp),
}

/// Where `Keys::sealed` goes on.
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
    /// None: there are no more.
    pub next: Option<SealedPlace>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedValue {
    pub column: SealedColumn,
    /// Whose it is: it is sealed for these names.
    pub account: AccountKey,
    pub sealed: Sealed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resealed {
    pub column: SealedColumn,
    pub was: Sealed,
    pub sealed: Sealed,
}
