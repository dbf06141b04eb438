//! Tokens of accounts.

use async_trait::async_trait;

use super::Result;
use crate::model::{Account, AccountId, Scope, Timestamp, Token, TokenId};

/// The SHA-256 of a token's secret.
pub type TokenHash = [u8; 32];

#[async_trait]
pub trait Tokens {
    async fn issue_token(&self, token: NewToken) -> Result<Token>;

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

    async fn count_tokens(&self, account: AccountId) -> Result<u64>;

    /// Gives it another secret, and another end: the one before is not taken any more. Its hooks stay. Says whether
    /// there is such a token, as `revoke_token` does.
    async fn rotate_token(
        &self,
        account: AccountId,
        id: TokenId,
        hash: TokenHash,
        expires: Option<Timestamp>,
    ) -> Result<bool>;

    /// Removes it, with its hooks and what they are still owed.
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
    pub now: Timestamp,
}
