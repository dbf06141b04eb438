//! A hook with the columns that decide which changes match it.

use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::Result;
use super::columns::{get, subject_number};
use super::damage::{Damages, Key, Source};
use super::words::Words;
use crate::model::{AccountId, ChangeType, Filter, HookId, IdPattern, Mode, NewChange, Owner, ResourceId, Subject};

/// A hook, as far as it takes to know what it hears of.
#[derive(Clone, Debug)]
pub(super) struct Listener {
    pub(super) hook: HookId,
    pub(super) mode: Mode,
    /// Behind which place of the journal it is not owed anything yet.
    pub(super) behind: Option<i64>,
    /// Whether it is sent anything at present.
    pub(super) is_active: bool,
    track: Option<(Subject, ResourceId)>,
    pub(super) filter: Filter,
}

/// The columns that `read` reads.
macro_rules! listener_columns {
    () => {
        "id, mode, behind, kind, resource, words, account, owner, status = 'active'"
    };
}

impl Listener {
    fn read(row: &Row<'_>) -> rusqlite::Result<Listener> {
        let track: (Option<Subject>, Option<ResourceId>) = (get(row, 3)?, get(row, 4)?);
        // One without its resource would hear of all, and one without its owner could be removed by nobody.
        if track.0.is_some() != track.1.is_some() {
            return Err(rusqlite::Error::FromSqlConversionFailure(4, Type::Null, Box::new(FromSqlError::InvalidType)));
        }
        let _: Owner = get(row, 7)?;
        let words: Words = get(row, 5)?;
        Ok(Listener {
            hook: get(row, 0)?,
            mode: get(row, 1)?,
            behind: row.get(2)?,
            is_active: row.get(8)?,
            track: track.0.zip(track.1),
            filter: words.filter,
        })
    }

    /// None where it can't be read.
    pub(super) fn one(connection: &Connection, damages: &Damages, hook: HookId) -> Result<Option<Listener>> {
        let sql = concat!("SELECT ", listener_columns!(), " FROM hooks WHERE id = ?1");
        let mut select = connection.prepare_cached(sql)?;
        let found = select.query_row([hook.0], |row| damages.read(source(get(row, 6).ok()), row, Listener::read));
        Ok(found.optional()?.flatten())
    }

    #[cfg(test)]
    pub(super) fn filtering(hook: HookId, filter: Filter, behind: Option<i64>) -> Listener {
        Listener { hook, mode: Mode::Every, behind, is_active: true, track: None, filter }
    }

    pub(super) fn hears(&self, change: &NewChange) -> bool {
        if change.change_type == ChangeType::HookTest {
            // It concerns the one hook that is tried.
            return change.resource.as_str() == self.hook.to_string();
        }
        // What became of hooks is told in the feed; a hook hears of it only if it names the type.
        if change.subject == Subject::Hook && !self.filter.types.contains(&change.change_type) {
            return false;
        }
        let on_its_resource = match &self.track {
            Some((subject, resource)) => {
                change.subject == *subject && change.resource == *resource && change.change_type.is_tracked()
            }
            None => true,
        };
        on_its_resource && self.filter.matches(change)
    }

    /// Whether it names this very resource, seen or not.
    pub(super) fn awaits(&self, change: &NewChange) -> bool {
        let named = self.filter.ids.iter().any(|pattern| match pattern {
            IdPattern::Exact(id) => id == change.resource.as_str(),
            IdPattern::Prefix(_) => false,
        });
        (named || self.track.is_some()) && self.hears(change)
    }
}

/// Hooks by their ids, which come first in the row.
fn source(account: Option<AccountId>) -> Source<'static> {
    Source { table: "hooks", account, key: Key::Columns(&[0]) }
}

/// The account's hooks that their filters direct, as far as they can be read.
pub(super) fn filtering(connection: &Connection, damages: &Damages, account: AccountId) -> Result<Vec<Listener>> {
    let sql = concat!(
        "SELECT ",
        listener_columns!(),
        " FROM hooks WHERE account = ?1 AND kind IS NULL AND status <> 'damaged'"
    );
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query([account.0])?;
    Ok(damages.rows(source(Some(account)), rows, Listener::read)?.0)
}

/// One hook, if its filter directs it and it can be read.
pub(super) fn filtering_one(connection: &Connection, damages: &Damages, hook: HookId) -> Result<Option<Listener>> {
    let sql =
        concat!("SELECT ", listener_columns!(), " FROM hooks WHERE id = ?1 AND kind IS NULL AND status <> 'damaged'");
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row([hook.0], |row| damages.read(source(get(row, 6).ok()), row, Listener::read));
    Ok(found.optional()?.flatten())
}

/// The account's hooks that are set on the resource of a change, as far as they can be read.
pub(super) fn tracking(
    connection: &Connection,
    damages: &Damages,
    account: AccountId,
    change: &NewChange,
) -> Result<Vec<Listener>> {
    let sql = concat!(
        "SELECT ",
        listener_columns!(),
        " FROM hooks WHERE account = ?1 AND kind = ?2 AND resource = ?3 AND status <> 'damaged'"
    );
    let place = params![account.0, subject_number(change.subject), change.resource.as_str()];
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query(place)?;
    Ok(damages.rows(source(Some(account)), rows, Listener::read)?.0)
}

/// Whose a hook is, if there is one.
pub(super) fn account_of(connection: &Connection, hook: HookId) -> Result<Option<AccountId>> {
    let mut select = connection.prepare_cached("SELECT account FROM hooks WHERE id = ?1")?;
    Ok(select.query_row([hook.0], |row| Ok(get(row, 0).ok())).optional()?.flatten())
}
