//! The rows of `dropped`: each names something that was deleted, and whose remaining rows have to be deleted.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::super::super::Result;
use super::super::damage::{self, Damages};
use super::super::fair_pool::Flow;
use super::super::fault::Fault;
use super::super::writing::Writing;
use crate::model::{AccountId, HookId, TokenId};

/// Something that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Dropped {
    Hook(HookId),
    /// Its hooks go with it.
    Token(AccountId, TokenId),
    Account(AccountId),
    /// One that is there still, without tokens and polls: its hooks go first, and then it goes.
    Leaving(AccountId),
}

impl Dropped {
    /// As the columns `kind`, `account` and `id` have it.
    pub(super) fn columns(self) -> [i64; 3] {
        match self {
            Dropped::Hook(hook) => [0, 0, hook.0],
            Dropped::Token(account, token) => [1, account.0, token.0],
            Dropped::Account(account) => [2, account.0, 0],
            Dropped::Leaving(account) => [3, account.0, 0],
        }
    }

    /// Whether what it had is still to be deleted.
    pub(in super::super) fn is_noted(self, connection: &Connection) -> Result<bool> {
        let sql = "SELECT 1 FROM dropped WHERE kind = ?1 AND account = ?2 AND id = ?3";
        Ok(connection.prepare_cached(sql)?.exists(self.columns())?)
    }

    /// In whose turn it is deleted.
    pub(super) fn flow(self) -> Flow {
        match self {
            Dropped::Hook(_) => Flow::Host,
            Dropped::Token(account, _) | Dropped::Account(account) | Dropped::Leaving(account) => {
                Flow::Account(account)
            }
        }
    }

    /// Nothing where no host has written such a row.
    fn read([kind, account, id]: [i64; 3]) -> Option<Dropped> {
        match (kind, account, id) {
            (0, 0, id) => Some(Dropped::Hook(HookId(id))),
            (1, account, id) => Some(Dropped::Token(AccountId(account), TokenId(id))),
            (2, account, 0) => Some(Dropped::Account(AccountId(account))),
            (3, account, 0) => Some(Dropped::Leaving(AccountId(account))),
            _ => None,
        }
    }

    /// Whether it is there still: then nothing of it may be deleted. Of an account that is leaving the contrary is so: one
    /// that is gone has nothing left to leave.
    pub(in super::super) fn is_there(self, connection: &Connection) -> Result<bool> {
        let (sql, id) = match self {
            Dropped::Leaving(account) => return Ok(!Dropped::Account(account).is_there(connection)?),
            Dropped::Hook(hook) => ("SELECT 1 FROM hooks WHERE id = ?1", hook.0),
            Dropped::Token(_, token) => ("SELECT 1 FROM tokens WHERE id = ?1", token.0),
            Dropped::Account(account) => ("SELECT 1 FROM accounts WHERE id = ?1", account.0),
        };
        Ok(connection.prepare_cached(sql)?.exists([id])?)
    }
}

/// Whether the account is leaving: nothing can be added to it any more.
pub(in super::super) fn is_leaving(connection: &Connection, account: AccountId) -> Result<bool> {
    Dropped::Leaving(account).is_noted(connection)
}

/// Errs where nothing can be added to the account any more.
pub(in super::super) fn require_account(writing: &Writing<'_>, account: AccountId) -> Result<()> {
    let is_there = Dropped::Account(account).is_there(writing.connection)?;
    match is_there && !is_leaving(writing.connection, account)? {
        true => Ok(()),
        false => Err(Fault::NoAccount(account).into()),
    }
}

/// Takes down that what this had is to be deleted.
pub(in super::super) fn note(writing: &Writing<'_>, dropped: Dropped) -> Result<()> {
    writing
        .prepare("INSERT OR IGNORE INTO dropped (kind, account, id) VALUES (?1, ?2, ?3)")?
        .execute(dropped.columns())?;
    Ok(())
}

/// A row, as it is stored.
pub(in super::super) type Stored = [Value; 3];

pub(super) fn next(reading: &Connection) -> Result<Option<Stored>> {
    // Tokens before hooks: theirs are active until they are removed.
    let mut select = reading.prepare_cached("SELECT kind, account, id FROM dropped ORDER BY kind DESC LIMIT 1")?;
    Ok(select.query_row((), stored).optional()?)
}

pub(in super::super) fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok([damage::key_value(row, 0)?, damage::key_value(row, 1)?, damage::key_value(row, 2)?])
}

pub(in super::super) fn whole(row: &Stored) -> Option<Dropped> {
    match *row {
        [Value::Integer(kind), Value::Integer(account), Value::Integer(id)] => Dropped::read([kind, account, id]),
        _ => None,
    }
}

/// Takes away a row that says nothing, or speaks of what is there.
pub(in super::super) fn forget_damaged(connection: &Connection, damages: &Damages, row: &Stored) -> Result<()> {
    let sql = "DELETE FROM dropped WHERE (kind IS ?1 OR kind IS CAST(?1 AS TEXT))
               AND (account IS ?2 OR account IS CAST(?2 AS TEXT)) AND (id IS ?3 OR id IS CAST(?3 AS TEXT))";
    connection.prepare_cached(sql)?.execute(params_from_iter(row))?;
    damages.note_repaired("dropped", row.to_vec(), "kind", "nothing that is gone is called so");
    Ok(())
}
