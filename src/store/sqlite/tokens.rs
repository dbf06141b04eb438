//! Tokens of accounts: their secrets' hashes, and the hooks that go with them.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, params};

use super::super::{DamagedToken, NewToken, Once, Refusal, RenewedToken, Result, TokenHash, Tokens, Written};
use super::columns::{account_key, get};
use super::damage::{self, Key, Reading, Source};
use super::dropped::{self, Dropped};
use super::fair_pool::Flow;
use super::writing::Writing;
use super::{SqliteStore, accounts, requests};
use crate::model::{Account, AccountId, Timestamp, Token, TokenId};

/// A token; the columns that `read_token` reads, and the condition.
macro_rules! select_tokens {
    ($rest:literal) => {
        concat!("SELECT t.id, t.name, t.scope, t.created, t.expires, t.used, t.hash FROM tokens t WHERE ", $rest)
    };
}

#[async_trait]
impl Tokens for SqliteStore {
    async fn create_token(&self, token: NewToken, once: Option<Once<Token>>) -> Result<Written<Token>> {
        self.write(Flow::Account(token.account), move |writing| {
            requests::once(writing, once, |writing| create(writing, &token))
        })
        .await
    }

    async fn find_token(&self, hash: TokenHash) -> Result<Option<(Token, Account)>> {
        self.read(Flow::Token(hash), move |reading| {
            let mut select = reading.prepare_cached(
                "SELECT t.id, t.name, t.scope, t.created, t.expires, t.used, t.hash,
                     a.id, a.driver, a.provider, a.user, a.origin, a.password
                 FROM tokens t CROSS JOIN accounts a ON a.id = t.account WHERE t.hash = ?1",
            )?;
            let read = |row: &Row<'_>| {
                let account = Account {
                    id: get(row, 7)?,
                    key: account_key(row, 8)?,
                    origin: get(row, 11)?,
                    password: get(row, 12)?,
                };
                Ok((read_token(row)?, account))
            };
            let found = select.query_row([hash], |row| {
                let account = get(row, 7).ok();
                reading.damages.read(Source { account, ..source() }, row, read)
            });
            Ok(found.optional()?.flatten())
        })
        .await
    }

    async fn tokens(
        &self,
        account: AccountId,
        after: Option<TokenId>,
        limit: usize,
    ) -> Result<Vec<Result<Token, DamagedToken>>> {
        self.read(Flow::Account(account), move |reading| {
            let sql = select_tokens!("t.account = ?1 AND t.id > ?2 ORDER BY t.id LIMIT ?3");
            let after = after.map_or(i64::MIN, |after| after.0);
            let mut select = reading.prepare_cached(sql)?;
            let place = [account.0, after, i64::try_from(limit).unwrap_or(i64::MAX)];
            let tokens = select.query_map(place, |row| read_any(reading, account, row))?;
            Ok(tokens.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn token(&self, account: AccountId, id: TokenId) -> Result<Option<Result<Token, DamagedToken>>> {
        self.read(Flow::Account(account), move |reading| find(reading, account, id)).await
    }

    async fn renew_token(&self, renewed: RenewedToken, once: Option<Once<Token>>) -> Result<Written<Token>> {
        self.write(Flow::Account(renewed.account), move |writing| {
            requests::once(writing, once, |writing| renew(writing, &renewed))
        })
        .await
    }

    async fn revoke_token(&self, account: AccountId, id: TokenId) -> Result<bool> {
        let revoke = move |writing: &mut Writing<'_>| {
            let sql = "DELETE FROM tokens WHERE account = ?1 AND id = ?2";
            if writing.prepare(sql)?.execute([account.0, id.0])? == 0 {
                return Ok(false);
            }
            dropped::note(writing, Dropped::Token(account, id)).map(|()| true)
        };
        let is_revoked = self.write(Flow::Account(account), revoke).await?;
        if is_revoked {
            dropped::clear_or_leave(self, Dropped::Token(account, id)).await;
        }
        Ok(is_revoked)
    }

    async fn note_token_used(&self, id: TokenId, now: Timestamp) -> Result<()> {
        self.write_passing(Flow::Host, move |writing| {
            writing.prepare("UPDATE tokens SET used = ?2 WHERE id = ?1")?.execute([id.0, now.as_millis()])?;
            let sql = "UPDATE accounts SET used = ?2 WHERE id = (SELECT account FROM tokens WHERE id = ?1)";
            writing.prepare(sql)?.execute([id.0, now.as_millis()])?;
            Ok(())
        })
        .await
    }
}

fn create(writing: &mut Writing<'_>, token: &NewToken) -> Result<Result<Token, Refusal>> {
    writing.memory.bounds.require_room_for(token.account)?;
    let NewToken { account, name, scope, hash, expires, limit, now } = token;
    accounts::require(writing, *account)?;
    let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM tokens WHERE account = ?1 LIMIT ?2)";
    if writing.prepare(sql)?.query_row([account.0, limit], |row| row.get::<_, i64>(0))? >= limit {
        return Ok(Err(Refusal::LimitReached));
    }
    let mut insert = writing
        .prepare("INSERT INTO tokens (account, name, scope, hash, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let expires_at = expires.map(Timestamp::as_millis);
    let id = insert.insert(params![account.0, name, scope.as_str(), hash, now.as_millis(), expires_at])?;
    Ok(Ok(Token {
        id: TokenId(id),
        name: name.clone(),
        scope: *scope,
        created: *now,
        expires: *expires,
        last_used: None,
    }))
}

fn renew(writing: &mut Writing<'_>, renewed: &RenewedToken) -> Result<Result<Token, Refusal>> {
    let RenewedToken { account, id, hash, expires } = renewed;
    let token = match find(&writing.reading(), *account, *id)? {
        None => return Ok(Err(Refusal::NotFound)),
        Some(Err(damaged)) => return Ok(Err(Refusal::Damaged(damaged.reason))),
        Some(Ok(token)) => token,
    };
    let sql = "UPDATE tokens SET hash = ?3, expires = ?4 WHERE account = ?1 AND id = ?2";
    writing.prepare(sql)?.execute(params![account.0, id.0, hash, expires.map(Timestamp::as_millis)])?;
    Ok(Ok(Token { expires: *expires, ..token }))
}

fn find(reading: &Reading<'_>, account: AccountId, id: TokenId) -> Result<Option<Result<Token, DamagedToken>>> {
    let mut select = reading.prepare_cached(select_tokens!("t.account = ?1 AND t.id = ?2"))?;
    Ok(select.query_row([account.0, id.0], |row| read_any(reading, account, row)).optional()?)
}

/// Tokens by their ids, which come first in the row.
fn source() -> Source<'static> {
    Source { table: "tokens", account: None, key: Key::Columns(&[0]) }
}

/// A token, or why it can't be read.
fn read_any(reading: &Reading<'_>, account: AccountId, row: &Row<'_>) -> rusqlite::Result<Result<Token, DamagedToken>> {
    let id: TokenId = get(row, 0)?;
    let source = Source { account: Some(account), ..source() };
    let mut reason = String::new();
    let token = reading
        .damages
        .read(source, row, |row| read_token(row).inspect_err(|error| reason = damage::explain(row, error)))?;
    Ok(token.ok_or(DamagedToken { id, reason }))
}

pub(super) fn read_token(row: &Row<'_>) -> rusqlite::Result<Token> {
    // By what is no hash, nobody could have it.
    let _: TokenHash = row.get(6)?;
    Ok(Token {
        id: get(row, 0)?,
        name: row.get(1)?,
        scope: get(row, 2)?,
        created: get(row, 3)?,
        expires: get(row, 4)?,
        last_used: get(row, 5)?,
    })
}
