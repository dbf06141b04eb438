//! Tokens of accounts.

use async_trait::async_trait;

use super::{Once, Result, Written};
use crate::model::{Account, AccountId, Scope, Timestamp, Token, TokenId};

/// The SHA-256 of a token's secret.
pub type TokenHash = [u8; 32];

#[async_trait]
pub trait Tokens {
    async fn create_token(&self, token: NewToken, once: Option<Once<Token>>) -> Result<Written<Token>>;

    /// The token with that secret, expired or not, and whose it is.
    async fn find_token(&self, hash: TokenHash) -> Result<Option<(Token, Account)>>;

    /// A page of the account's tokens, by their ids from below.
    async fn tokens(
        &self,
        account: AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<Result<Token, DamagedToken>>>;

    async fn token(&self, account: AccountId, id: TokenId) -> Result<Option<Result<Token, DamagedToken>>>;

    /// Gives a token a new secret and a new end. The secret before is not taken any more; its hooks stay.
    async fn renew_token(&self, renewed: RenewedToken, once: Option<Once<Token>>) -> Result<Written<Token>>;

    /// Removes it, with its hooks and what they are still owed. Says whether there was one. What is not deleted by the
    /// time that this returns is deleted by `clear_dropped`.
    async fn revoke_token(&self, account: AccountId, id: TokenId) -> Result<bool>;

    /// Notes that it is in use, and with it its account.
    async fn note_token_used(&self, id: TokenId, now: Timestamp) -> Result<()>;
}

/// A token of which something stored can't be read: it opens nothing, and can only be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedToken {
    pub id: TokenId,
    /// What can't be read, and why.
    pub reason: String,
}

#[derive(Clone, Debug)]
pub struct NewToken {
    pub account: AccountId,
    pub name: String,
    pub scope: Scope,
    pub hash: TokenHash,
    pub expires: Option<Timestamp>,
    /// How many tokens the account may have.
    pub limit: u64,
    pub now: Timestamp,
}

/// A token's new secret and end.
#[derive(Clone, Debug)]
pub struct RenewedToken {
    pub account: AccountId,
    pub id: TokenId,
    pub hash: TokenHash,
    pub expires: Option<Timestamp>,
}
