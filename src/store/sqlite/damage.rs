//! Damaged rows: rows that cannot be read. Each affects only itself. Readers continue as if it did not exist. It is
//! logged once, counted, and shown to its account. The writer sets it aside, so that nothing meets it again.
//!
//! Setting aside depends on the table. A hook and a delivery keep their rows, with a mark. Rows that the next poll
//! finds again (a resource, the record of a poll) are reset. Rows that contain only history (a version, an attempt) are
//! deleted. A change stays in the journal and is skipped until retention deletes it. If a resource's history can't be
//! found by its name, a new history begins. `aside` does this, and `healed` tells what repairs a row.

mod aside;
mod healed;
mod named;
mod passed;
mod sound;
mod source;
mod sweep;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::super::{DamagedRow, Page, Result, StoreError};
use super::bounded_page::{BoundedPage, text_of};
use crate::clock::Stopwatch;
use crate::metrics::DamagedRows;
use crate::model::{AccountId, Sealed, Timestamp};

pub(super) use aside::set_aside;
pub(super) use healed::forget_healed;
pub(super) use named::{explain, key_value};
pub(super) use sound::{delete_unnumbered, is_of_another_type, note_of_another_type};
pub(super) use source::{Key, Source};
pub(super) use sweep::{at_start, claimed_or_due_at_no_time, mend_refused, mending};

use named::{Culprit, column_of, culprit, damaged_row, reason_of};

/// What is known of damaged rows, shared by all who read.
#[derive(Clone, Debug, Default)]
pub(super) struct Damages(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    /// How many are remembered one by one: `damaged_rows` of the settings.
    most: usize,
    /// What each row is known by.
    known: HashSet<(&'static str, String)>,
    /// Those that are damaged still, in the order in which they were met.
    rows: Vec<Known>,
    /// How many were ever met.
    found: BTreeMap<&'static str, u64>,
    /// What the writer has to set aside.
    pending: VecDeque<Pending>,
    /// What it has set aside in the transaction that is not committed yet.
    taken: Vec<(Pending, Aside)>,
    /// What could not be set aside.
    passed: Vec<Pending>,
    /// Whether a write was refused for the type of a value, and nobody has looked for that row yet.
    is_refused: bool,
    /// Runs from when that was last done.
    looked_into: Option<Stopwatch>,
}

/// A damaged row.
#[derive(Clone, Debug)]
struct Known {
    account: Option<AccountId>,
    /// Where it is set aside. Of a row that is read along with another, `shown` names the other's table.
    table: &'static str,
    key: Vec<Value>,
    shown: DamagedRow,
    /// What does not open, where that is the damage: the column itself can be read.
    unopened: Option<Sealed>,
    /// Nothing until it is set aside.
    aside: Option<Aside>,
}

#[derive(Clone, Debug)]
struct Pending {
    table: &'static str,
    key: Vec<Value>,
    reason: String,
}

/// How things stood when a row was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Aside {
    /// Of what a list shows anew: the last one of its account that showed everything. Of the record of a poll: its lease.
    list: Option<i64>,
    /// Of what only tells of the past: the latest time at which anything was done.
    time: Option<Timestamp>,
    /// Whose it is, where that did not stand in the row.
    account: Option<AccountId>,
}

/// What readers work with: a connection, and where they note what is damaged.
pub(super) struct Reading<'a> {
    pub(super) connection: &'a Connection,
    pub(super) damages: &'a Damages,
    /// How many bytes a page takes at most.
    pub(super) page_bytes: usize,
    /// The store's own mark.
    pub(super) mark: u32,
}

impl Reading<'_> {
    /// A page of up to `limit` of the rows that can be read.
    pub(super) fn page<T>(
        &self,
        source: Source<'_>,
        mut rows: rusqlite::Rows<'_>,
        limit: usize,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Page<T>> {
        let mut page = BoundedPage::new(limit, self.page_bytes);
        while let Some(row) = rows.next()? {
            let Some(item) = self.damages.read(source, row, &mut read)? else { continue };
            if !page.has_room_for(text_of(row)) {
                break;
            }
            page.add(item);
        }
        Ok(page.finish())
    }
}

impl std::ops::Deref for Reading<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Damages {
    /// Remembers up to so many rows one by one.
    pub(super) fn new(most: usize) -> Damages {
        Damages(Arc::new(Mutex::new(Noted { most, ..Noted::default() })))
    }

    /// Reads a row. One that cannot be read is noted, and is as if it were not there.
    pub(super) fn read<T>(
        &self,
        source: Source<'_>,
        row: &Row<'_>,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        match read(row) {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_damage(&error) => {
                self.note_row(source, row, &error)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads rows as `read` does; gives how many there were, too.
    pub(super) fn rows<T>(
        &self,
        source: Source<'_>,
        mut rows: rusqlite::Rows<'_>,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<(Vec<T>, usize)> {
        let (mut found, mut number) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            number += 1;
            found.extend(self.read(source, row, &mut read)?);
        }
        Ok((found, number))
    }

    fn note_row(&self, source: Source<'_>, row: &Row<'_>, error: &rusqlite::Error) -> rusqlite::Result<()> {
        let key: Vec<Value> = match source.key {
            Key::Columns(columns) => columns.iter().map(|index| key_value(row, *index)).collect::<Result<_, _>>()?,
            Key::Values(values) => values.iter().map(|value| Value::Integer(*value)).collect(),
        };
        let column = column_of(row, error);
        let of_account = |account: AccountId| vec![Value::Integer(account.0)];
        match culprit(source, row, &key, &column) {
            // Whatever is read along with it, it is the account that is damaged, once.
            Culprit::Account(account) => {
                self.note("accounts", Some(account), of_account(account), &column, &reason_of(error));
            }
            Culprit::Missing(account) => {
                self.note_missing(account);
                // Nothing can be made of this row, either.
                let reason = format!("account: {MISSING}");
                self.lock().push(Pending { table: source.table, key, reason });
            }
            Culprit::Row => self.note(source.table, source.account, key, &column, &reason_of(error)),
        }
        Ok(())
    }

    /// Notes a row, and has it set aside.
    pub(super) fn note(
        &self,
        table: &'static str,
        account: Option<AccountId>,
        key: Vec<Value>,
        column: &str,
        reason: &str,
    ) {
        let shown = damaged_row(table, &key, column, reason);
        let pending = Pending { table, key: key.clone(), reason: format!("{}: {}", shown.column, shown.reason) };
        let mut noted = self.lock();
        noted.push(pending);
        noted.show(Known { account, table, key, shown, unopened: None, aside: None });
    }

    /// Notes an account that is not there, though other rows name it, and has its hooks set aside.
    pub(super) fn note_missing(&self, account: AccountId) {
        self.note("accounts", Some(account), vec![Value::Integer(account.0)], "id", MISSING);
    }

    /// Notes a row of which a column does not open, and has it set aside.
    pub(super) fn note_unopened(
        &self,
        table: &'static str,
        account: Option<AccountId>,
        key: Vec<Value>,
        column: &str,
        sealed: &Sealed,
    ) {
        let shown = damaged_row(table, &key, column, UNOPENED);
        let mut noted = self.lock();
        noted.push(Pending { table, key: key.clone(), reason: format!("{column}: {UNOPENED}") });
        noted.show(Known { account, table, key, shown, unopened: Some(sealed.clone()), aside: None });
    }

    /// Whether the account itself is damaged.
    pub(super) fn is_damaged(&self, account: AccountId) -> bool {
        self.lock().rows.iter().any(|row| row.table == "accounts" && row.account == Some(account))
    }

    /// Has a row set aside because its account is damaged, which is named instead.
    pub(super) fn set_aside_with_account(&self, table: &'static str, key: Vec<Value>) {
        self.lock().push(Pending { table, key, reason: "account: it is damaged itself".to_owned() });
    }

    /// Notes a row that is set aside already.
    pub(super) fn note_set_aside(
        &self,
        table: &'static str,
        account: Option<AccountId>,
        mut key: Vec<Value>,
        column: &str,
        reason: &str,
    ) {
        key.retain(|value| *value != Value::Null);
        let shown = damaged_row(table, &key, column, reason);
        self.lock().show(Known { account, table, key, shown, unopened: None, aside: Some(Aside::default()) });
    }

    /// Notes a row that was put right, or deleted, there and then.
    pub(super) fn note_repaired(&self, table: &'static str, mut key: Vec<Value>, column: &str, reason: &str) {
        key.retain(|value| *value != Value::Null);
        let shown = damaged_row(table, &key, column, reason);
        let mut noted = self.lock();
        let most = noted.most as u64;
        let found = noted.found.entry(shown.table).or_default();
        *found += 1;
        if *found <= most {
            name(&shown, "a stored row could not be read and was repaired");
        }
    }

    /// Those of an account, in the order in which they were met.
    pub(super) fn of(&self, account: AccountId) -> Vec<DamagedRow> {
        self.all().into_iter().filter(|(of, _)| *of == Some(account)).map(|(_, row)| row).collect()
    }

    /// All, with whose they are where that is known.
    pub(super) fn all(&self) -> Vec<(Option<AccountId>, DamagedRow)> {
        self.lock().rows.iter().map(|row| (row.account, row.shown.clone())).collect()
    }

    /// How many of each table are damaged still, as far as they are remembered, and how many were found since the start.
    pub(super) fn counts(&self) -> Vec<DamagedRows> {
        let noted = self.lock();
        let number = |table| noted.rows.iter().filter(|row| row.shown.table == table).count() as u64;
        noted.found.iter().map(|(&table, &found)| DamagedRows { table, now: number(table), found }).collect()
    }

    pub(super) fn is_any_pending(&self) -> bool {
        !self.lock().pending.is_empty()
    }

    /// What was set aside is so from now on.
    pub(super) fn committed(&self) {
        let mut noted = self.lock();
        for (pending, aside) in std::mem::take(&mut noted.taken) {
            let is_it = |row: &&mut Known| row.table == pending.table && row.key == pending.key;
            let mut rows: Vec<&mut Known> = noted.rows.iter_mut().filter(is_it).collect();
            // One that was set aside before, and is met again, was written anew meanwhile and is damaged again.
            if rows.iter().any(|row| row.aside.is_none()) {
                rows.retain(|row| row.aside.is_none());
            }
            for row in rows {
                row.account = row.account.or(aside.account);
                row.aside = Some(aside);
            }
        }
    }

    /// What was set aside is not so.
    pub(super) fn rolled_back(&self) {
        let mut noted = self.lock();
        let taken = std::mem::take(&mut noted.taken);
        noted.pending.extend(taken.into_iter().map(|(pending, _)| pending));
    }

    fn next(&self) -> Option<Pending> {
        self.lock().pending.pop_front()
    }

    fn take(&self, pending: Pending, aside: Aside) {
        self.lock().taken.push((pending, aside));
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl Noted {
    /// Has a row set aside.
    fn push(&mut self, row: Pending) {
        if self.pending.len() < self.most && !self.stays(&row) && !self.is_passed(row.table, &row.key) {
            self.pending.push_back(row);
        }
    }

    /// Whether it is set aside, and stays where it is, to be passed over each time.
    fn stays(&self, row: &Pending) -> bool {
        let is_aside = |known: &Known| known.aside.is_some() && known.table == row.table && known.key == row.key;
        ["changes", "tokens"].contains(&row.table) && self.rows.iter().any(is_aside)
    }

    fn show(&mut self, row: Known) {
        let known_by = (row.shown.table, row.shown.key.clone());
        if self.known.contains(&known_by) {
            // Written anew meanwhile, and damaged again: what does not open is something else now.
            let known =
                self.rows.iter_mut().find(|known| (known.shown.table, &known.shown.key) == (known_by.0, &known_by.1));
            if let Some(known) = known
                && row.unopened.is_some()
            {
                known.unopened = row.unopened;
            }
            return;
        }
        *self.found.entry(row.shown.table).or_default() += 1;
        if self.known.len() >= self.most {
            return;
        }
        name(&row.shown, "a stored row cannot be read and is set aside");
        self.known.insert(known_by);
        self.rows.push(row);
    }
}

/// Why an account is damaged that only other rows speak of.
const MISSING: &str = "no account has this number, though other rows name it";

/// Why a sealed column is damaged.
const UNOPENED: &str = "it does not open with the host's key";

fn name(row: &DamagedRow, what: &str) {
    tracing::error!(table = row.table, key = row.key, column = row.column, "{what}: {}", row.reason);
}

/// Whether it is what stands in a row that is wrong, and nothing else.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// A page of up to `limit` rows that can be read. Where some of what `read` finds can't, it is asked for more; it gives
/// what it read, and of how many rows.
pub(super) fn page<T>(limit: usize, mut read: impl FnMut(usize) -> Result<(Vec<T>, usize)>) -> Result<Vec<T>> {
    let mut wanted = limit;
    loop {
        let (mut found, rows) = read(wanted)?;
        if found.len() >= limit || rows < wanted {
            found.truncate(limit);
            return Ok(found);
        }
        wanted = wanted.saturating_mul(2);
    }
}

/// Whether an error of the store is that what stands in a row is wrong.
pub(super) fn is_damaged_row(error: &StoreError) -> bool {
    matches!(error, StoreError::Failed(source) if source.downcast_ref().is_some_and(is_damage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_is_named_and_counted_once() {
        let damages = Damages::new(10);
        for _ in 0..3 {
            damages.note("hooks", Some(AccountId(1)), vec![Value::Integer(7)], "url", "it is \u{1b}[2J no URL");
        }
        damages.note("changes", None, vec![Value::Integer(9)], "user", "it is not UTF-8");
        let counts = ["accounts", "hooks"].map(|table| DamagedRows { table, now: 1, found: 1 });
        assert_eq!(damages.counts(), counts);
        let shown = &damages.lock().rows[0].shown;
        assert_eq!((shown.table, shown.key.as_str(), shown.column.as_str()), ("hooks", "7", "url"));
        assert_eq!(shown.reason, "it is <U+001B>[2J no URL");
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let damages = Damages::new(3);
        for key in 0..5 {
            damages.note("versions", Some(AccountId(1)), vec![Value::Integer(key)], "state", "no state");
        }
        assert_eq!(damages.counts(), [DamagedRows { table: "versions", now: 3, found: 5 }]);
    }

    #[test]
    fn what_a_failed_transaction_set_aside_is_set_aside_anew() {
        let damages = Damages::new(10);
        damages.note("hooks", Some(AccountId(1)), vec![Value::Integer(7)], "url", "no URL");
        for _ in 0..2 {
            let pending = damages.next().expect("it is to be set aside");
            damages.take(pending, Aside::default());
            assert!(!damages.is_any_pending());
            damages.rolled_back();
        }
        damages.take(damages.next().expect("it is to be set aside"), Aside::default());
        damages.committed();
        damages.rolled_back();
        assert!(!damages.is_any_pending());
        assert!(damages.lock().rows[0].aside.is_some());
    }

    #[test]
    fn a_page_is_full_whatever_cannot_be_read() {
        let rows: Vec<u32> = (0..100).collect();
        // Every number but the multiples of ten is damaged.
        let read = |limit: usize| {
            let looked_at = &rows[..limit.min(rows.len())];
            Ok((looked_at.iter().copied().filter(|number| number % 10 == 0).collect(), looked_at.len()))
        };
        assert_eq!(page(3, read).expect("read"), [0, 10, 20]);
        assert_eq!(page(50, read).expect("read").len(), 10);
    }
}
