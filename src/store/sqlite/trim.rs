//! The limit on the number of changes in the journal. If all accounts together exceed it, the accounts with the most
//! changes lose their oldest. So an account that makes many changes, or tests its hooks without end, loses its own
//! history and nobody else's.
//!
//! Each account has a separate mark, in addition to that of all accounts: nothing before it is promised any more. Then
//! the changes before it are deleted, in steps. A change with a pending delivery stays until that is settled.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::Result;
use super::SqliteStore;
use super::fair_pool::Flow;
use super::forget::{forget, owed};
use super::journal::newest;
use super::marks::{mark_of, oldest, oldest_of};
use super::past;
use super::writing::Writing;
use crate::model::{AccountId, Timestamp};

/// How many changes, or versions of resources, one step looks at.
const AT_ONCE: i64 = 10_000;
/// How many of these one step deletes.
const DELETED_AT_ONCE: i64 = 1000;

/// One round: first the marks are moved, so that no more than `most` changes are promised, and then what lies before them goes.
pub(super) async fn round(store: &SqliteStore, most: u64) -> Result<()> {
    let between = store.read(Flow::Host, |reading| Ok(newest(reading)?.saturating_sub(oldest(reading)?))).await?;
    if between.unsigned_abs() > most {
        let counts = count(store).await?;
        let share = share(counts.iter().map(|counted| counted.changes).collect(), most);
        for Counted { account, after, changes } in counts {
            if changes > share {
                let change = nth(store, account, after, changes - share).await?;
                let past = store.write_passing(Flow::Host, move |writing| move_mark(writing, account, change)).await?;
                forget_versions(store, account, past).await?;
            }
        }
    }
    sweep(store).await
}

/// What each may have at most, so that all have `most` together and nobody loses anything who has less.
fn share(mut counts: Vec<u64>, most: u64) -> u64 {
    counts.sort_unstable();
    let (mut left, mut others) = (most, counts.len() as u64);
    for count in counts {
        let share = left / others;
        if count > share {
            return share.max(1);
        }
        left -= count;
        others -= 1;
    }
    u64::MAX
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    account: AccountId,
    /// Its mark, or that of all accounts.
    after: i64,
    /// How many it has behind that.
    changes: u64,
}

/// How many changes each account has.
async fn count(store: &SqliteStore) -> Result<Vec<Counted>> {
    let mut counted = Vec::new();
    let mut account = AccountId(i64::MIN);
    while let Some((next, after)) = store.read(Flow::Host, move |reading| next_account(reading, account)).await? {
        let (mut changes, mut place) = (0, after);
        loop {
            let (number, last) = store.read(Flow::Host, move |reading| hop(reading, next, place, AT_ONCE)).await?;
            changes += number.unsigned_abs();
            match last {
                Some(last) if number == AT_ONCE => place = last,
                _ => break,
            }
        }
        counted.push(Counted { account: next, after, changes });
        account = next;
    }
    Ok(counted)
}

/// The next account that has changes, and the mark behind which these are promised.
fn next_account(reading: &Connection, after: AccountId) -> Result<Option<(AccountId, i64)>> {
    let mut select = reading.prepare_cached("SELECT MIN(account) FROM changes WHERE account > ?1")?;
    // What is no number sorts behind all numbers.
    let next = select.query_row([after.0], |row| Ok(row.get(0).ok().flatten()))?;
    let Some(account) = next.map(AccountId) else { return Ok(None) };
    Ok(Some((account, oldest_of(reading, account)?)))
}

/// How many of the account's next changes there are, `limit` at most, and the last of these.
fn hop(reading: &Connection, account: AccountId, after: i64, limit: i64) -> Result<(i64, Option<i64>)> {
    let mut select = reading.prepare_cached(
        "SELECT COUNT(*), MAX(sequence) FROM (
             SELECT sequence FROM changes INDEXED BY changes_account WHERE account = ?1 AND sequence > ?2
             ORDER BY sequence LIMIT ?3)",
    )?;
    Ok(select.query_row(params![account.0, after, limit], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// The place of the account's change with this number among those that come after a place.
async fn nth(store: &SqliteStore, account: AccountId, after: i64, number: u64) -> Result<i64> {
    let (mut place, mut left) = (after, i64::try_from(number).unwrap_or(i64::MAX));
    while left > 0 {
        let limit = left.min(AT_ONCE);
        match store.read(Flow::Host, move |reading| hop(reading, account, place, limit)).await? {
            (number, Some(last)) if number > 0 => (place, left) = (last, left - number),
            _ => break,
        }
    }
    Ok(place)
}

/// Gives since when the past of the account is known.
fn move_mark(writing: &mut Writing<'_>, account: AccountId, change: i64) -> Result<Timestamp> {
    let mut select = writing.prepare("SELECT recorded FROM changes WHERE sequence = ?1")?;
    let recorded = select.query_row([change], |row| Ok(row.get(0).ok())).optional()?.flatten();
    let recorded = Timestamp::from_millis(recorded.filter(|at| (0..1 << 48).contains(at)).unwrap_or(0));
    let before = mark_of(writing.connection, account)?;
    let (change, past) = before.map_or((change, recorded), |mark| (mark.change.max(change), mark.past.max(recorded)));
    // Whatever the row was before.
    let sql = "INSERT OR REPLACE INTO trimmed (account, change, past) VALUES (?1, ?2, ?3)";
    writing.prepare(sql)?.execute(params![account.0, change, past.as_millis()])?;
    Ok(past)
}

/// Forgets what lies before the marks of accounts, as far as it is owed to nobody.
async fn sweep(store: &SqliteStore) -> Result<()> {
    let mut account = AccountId(i64::MIN);
    while let Some(next) = store.read(Flow::Host, move |reading| next_trimmed(reading, account)).await? {
        account = next;
        let mut after = 0;
        while let Some(last) = sweep_some(store, account, after).await? {
            after = last;
        }
    }
    Ok(())
}

fn next_trimmed(reading: &Connection, after: AccountId) -> Result<Option<AccountId>> {
    let mut select =
        reading.prepare_cached("SELECT account FROM trimmed WHERE account > ?1 ORDER BY account LIMIT 1")?;
    Ok(select.query_row([after.0], |row| row.get(0)).optional()?.map(AccountId))
}

/// Gives the last change that was looked at, unless it was the last there is.
async fn sweep_some(store: &SqliteStore, account: AccountId, after: i64) -> Result<Option<i64>> {
    let (mut changes, last) = store
        .read(Flow::Host, move |reading| {
            let mark = mark_of(reading, account)?.map_or(0, |mark| mark.change);
            let mut select = reading.prepare_cached(
                "SELECT sequence FROM changes INDEXED BY changes_account
                 WHERE account = ?1 AND sequence > ?2 AND sequence <= ?3 ORDER BY sequence LIMIT ?4",
            )?;
            let found = select.query_map([account.0, after, mark, DELETED_AT_ONCE], |row| row.get(0))?;
            let mut changes: Vec<i64> = found.collect::<rusqlite::Result<_>>()?;
            let is_full = i64::try_from(changes.len()) == Ok(DELETED_AT_ONCE);
            let last = changes.last().copied();
            if let (Some(first), Some(last)) = (changes.first().copied(), last) {
                let owed = owed(reading, first, last)?;
                changes.retain(|change| !owed.contains(change));
            }
            Ok((changes, last.filter(|_| is_full)))
        })
        .await?;
    while !changes.is_empty() {
        changes = store.write_passing_step(Flow::Host, move |writing| forget(writing, changes)).await?;
    }
    Ok(last)
}

/// A place among the versions of an account, in the order of their index.
type VersionPlace = (i64, String, i64);

/// Forgets what the account's resources were before that.
async fn forget_versions(store: &SqliteStore, account: AccountId, since: Timestamp) -> Result<()> {
    let mut place: VersionPlace = (i64::MIN, String::new(), i64::MIN);
    loop {
        let before = place.clone();
        let (mut versions, last) =
            store.read(Flow::Host, move |reading| past_versions(reading, account, since, &before)).await?;
        while !versions.is_empty() {
            versions =
                store.write_passing_step(Flow::Host, move |writing| past::forget_these(writing, versions)).await?;
        }
        match last {
            Some(last) => place = last,
            None => return Ok(()),
        }
    }
}

/// The numbers of those that were over by then among the next ones, and the last that was looked at, if there may be more.
fn past_versions(
    reading: &Connection,
    account: AccountId,
    since: Timestamp,
    (kind, id, until): &VersionPlace,
) -> Result<(Vec<i64>, Option<VersionPlace>)> {
    let mut select = reading.prepare_cached(
        "SELECT number, kind, id, until FROM versions INDEXED BY versions_resource
         WHERE account = ?1 AND (kind, id, until) > (?2, ?3, ?4) ORDER BY kind, id, until LIMIT ?5",
    )?;
    let mut rows = select.query(params![account.0, kind, id, until, AT_ONCE])?;
    let (mut found, mut last, mut looked_at) = (Vec::new(), None, 0);
    while let Some(row) = rows.next()? {
        looked_at += 1;
        // One that can't be read is passed over by those who read it.
        let (Ok(number), Ok(place)) = (row.get(0), version_place(row)) else { continue };
        if place.2 <= since.as_millis() {
            found.push(number);
        }
        last = Some(place);
    }
    Ok((found, last.filter(|_| looked_at == AT_ONCE)))
}

fn version_place(row: &rusqlite::Row<'_>) -> rusqlite::Result<VersionPlace> {
    Ok((row.get(1)?, row.get(2)?, row.get(3)?))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn nobody_loses_anything_who_has_less_than_a_share() {
        let check = |counts: &[u64], most: u64, want: u64| {
            let got = share(counts.to_vec(), most);
            assert_eq!(got, want, "{counts:?} of {most}");
            let left: u64 = counts.iter().map(|count| *count.min(&got)).sum();
            assert!(left <= most.max(counts.len() as u64), "{left} of {most} are left");
        };
        check(&[], 100, u64::MAX);
        check(&[100], 100, u64::MAX);
        check(&[101], 100, 100);
        check(&[10, 1000], 100, 90);
        check(&[1000, 10, 20], 100, 70);
        check(&[1000, 10, 900], 100, 45);
        check(&[5, 5, 5], 2, 1);
    }
}
