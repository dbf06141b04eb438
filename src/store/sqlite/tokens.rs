//! Tokens of accounts: the hashes of their secrets, and the hooks that are deleted with them.

use rusqlite::{OptionalExtension, Row, params};

use super::super::{DamagedToken, NewToken, Refusal, RenewedToken, Result, TokenHash};
use super::columns::get;
use super::damage::{self, Key, Reading, Source};
use super::dropped::notes::require_account;
use super::writing::Writing;
use crate::model::{AccountId, Timestamp, Token, TokenId};

/// A token; the columns that `read_token` reads, and the condition.
macro_rules! select_tokens {
    ($rest:literal) => {
        concat!("SELECT t.id, t.name, t.scope, t.created, t.expires, t.used, t.hash FROM tokens t WHERE ", $rest)
    };
}
pub(super) use select_tokens;

pub(super) fn create(writing: &mut Writing<'_>, token: &NewToken) -> Result<Result<Token, Refusal>> {
    writing.memory.bounds.require_room_for(token.account)?;
    let NewToken { account, name, scope, hash, expires, limit, now } = token;
    require_account(writing, *account)?;
    let limit = i64::try_from(*limit).unwrap_or(i64::MAX);
    let sql = "SELECT COUNT(*) FROM (SELECT 1 FROM tokens WHERE account = ?1 LIMIT ?2)";
    if writing.prepare(sql)?.query_row([account.0, limit], |row| row.get::<_, i64>(0))? >= limit {
        return Ok(Err(Refusal::LimitReached));
    }
    let mut insert = writing
        .prepare("INSERT INTO tokens (account, name, scope, hash, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let expires_at = expires.map(Timestamp::as_millis);
    let id = insert.insert(params![account.0, name, scope.as_str(), hash, now.as_millis(), expires_at])?;
    writing.memory.gave_id = true;
    Ok(Ok(Token {
        id: TokenId(id),
        name: name.clone(),
        scope: *scope,
        created: *now,
        expires: *expires,
        last_used: None,
    }))
}

pub(super) fn renew(writing: &mut Writing<'_>, renewed: &RenewedToken) -> Result<Result<Token, Refusal>> {
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

pub(super) fn is_there(writing: &Writing<'_>, account: AccountId, id: TokenId) -> Result<bool> {
    Ok(writing.prepare("SELECT 1 FROM tokens WHERE account = ?1 AND id = ?2")?.exists([account.0, id.0])?)
}

pub(super) fn find(
    reading: &Reading<'_>,
    account: AccountId,
    id: TokenId,
) -> Result<Option<Result<Token, DamagedToken>>> {
    let mut select = reading.prepare_cached(select_tokens!("t.account = ?1 AND t.id = ?2"))?;
    Ok(select.query_row([account.0, id.0], |row| read_any(reading, account, row)).optional()?)
}

/// Tokens by their ids, which come first in the row.
pub(super) fn source() -> Source<'static> {
    Source { table: "tokens", account: None, key: Key::Columns(&[0]) }
}

/// A token, or why it can't be read.
pub(super) fn read_any(
    reading: &Reading<'_>,
    account: AccountId,
    row: &Row<'_>,
) -> rusqlite::Result<Result<Token, DamagedToken>> {
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
