//! Tokens of accounts.

use async_trait::async_trait;

use super::{Once, Result, Written};
use crate::model::{Account, AccountId, Scope, Timestamp, Token, TokenId};

/// The SHA-256 of a token's secret.
pub type TokenHash = [u8; 32];

#[async_trait]
pub trait Tokens {
    async fn create_token(&self, token: NewToken, once: Option<Once<Token>>) -> Result<Written<Token>>;

    /// The token with this secret, expired or not, and its account.
    async fn find_token(&self, hash: TokenHash) -> Result<Option<(Token, Account)>>;

    /// A page of the account's tokens, in ascending order of ids.
    async fn tokens(
        &self,
        account: AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<Result<Token, DamagedToken>>>;

    async fn token(&self, account: AccountId, id: TokenId) -> Result<Option<Result<Token, DamagedToken>>>;

    /// Gives a token a new secret and a new expiry. The old secret is no longer accepted; its hooks stay.
    async fn renew_token(&self, renewed: RenewedToken, once: Option<Once<Token>>) -> Result<Written<Token>>;

    /// Deletes a token, with its hooks and their pending deliveries. Returns whether there was one. `clear_dropped`
    /// deletes the rows that are left when this returns.
    async fn revoke_token(&self, account: AccountId, id: TokenId) -> Result<bool>;

    /// Records that the token, and with it its account, is in use.
    async fn note_token_used(&self, id: TokenId, now: Timestamp) -> Result<()>;
}

/// A token with unreadable stored values: it authenticates nobody, and can only be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedToken {
    pub id: TokenId,
    /// The part that cannot be read, and why.
    pub reason: String,
}

#[derive(Clone, Debug)]
pub struct NewToken {
    pub account: AccountId,
    pub name: String,
    pub scope: Scope,
    pub hash: TokenHash,
    pub expires: Option<Timestamp>,
    /// The maximum number of tokens of the account.
    pub limit: u64,
    pub now: Timestamp,
}

/// The new secret and expiry of a token.
#[derive(Clone, Debug)]
pub struct RenewedToken {
    pub account: AccountId,
    pub id: TokenId,
    pub hash: TokenHash,
    pub expires: Option<Timestamp>,
}
