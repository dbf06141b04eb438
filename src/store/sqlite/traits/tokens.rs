//! Tokens of accounts.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row};

use super::super::columns::{account_key, get};
use super::super::damage::Source;
use super::super::dropped;
use super::super::dropped::notes::{self, Dropped};
use super::super::fair_pool::Flow;
use super::super::tokens::{self, select_tokens};
use super::super::writing::Writing;
use super::super::{SqliteStore, requests};
use crate::model::{Account, AccountId, Timestamp, Token, TokenId};
use crate::store::{DamagedToken, NewToken, Once, RenewedToken, Result, TokenHash, Tokens, Written};

#[async_trait]
impl Tokens for SqliteStore {
    async fn create_token(&self, token: NewToken, once: Option<Once<Token>>) -> Result<Written<Token>> {
        self.write(Flow::Account(token.account), move |writing| {
            requests::once(writing, once, |writing| tokens::create(writing, &token))
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
                Ok((tokens::read_token(row)?, account))
            };
            let found = select.query_row([hash], |row| {
                let account = get(row, 7).ok();
                reading.damages.read(Source { account, ..tokens::source() }, row, read)
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
            let tokens = select.query_map(place, |row| tokens::read_any(reading, account, row))?;
            Ok(tokens.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn token(&self, account: AccountId, id: TokenId) -> Result<Option<Result<Token, DamagedToken>>> {
        self.read(Flow::Account(account), move |reading| tokens::find(reading, account, id)).await
    }

    async fn renew_token(&self, renewed: RenewedToken, once: Option<Once<Token>>) -> Result<Written<Token>> {
        self.write(Flow::Account(renewed.account), move |writing| {
            requests::once(writing, once, |writing| tokens::renew(writing, &renewed))
        })
        .await
    }

    async fn revoke_token(&self, account: AccountId, id: TokenId) -> Result<bool> {
        let revoke = move |writing: &mut Writing<'_>| {
            let sql = "DELETE FROM tokens WHERE account = ?1 AND id = ?2";
            if writing.prepare(sql)?.execute([account.0, id.0])? == 0 {
                return Ok(false);
            }
            notes::note(writing, Dropped::Token(account, id)).map(|()| true)
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
