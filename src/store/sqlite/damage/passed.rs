//! Damaged rows that can't be set aside: claims skip them, so that none is met again and again.

use std::time::Duration;

use rusqlite::types::Value;

use super::super::super::StoreError;
use super::{Damages, Noted, Pending, name, sound};
use crate::clock::Stopwatch;
use crate::model::AccountId;

/// How often it is looked for what made SQLite refuse a write, which reads whole tables.
const LOOKED_INTO_EVERY: Duration = Duration::from_secs(60);

impl Damages {
    /// Takes down that a row can't be set aside.
    pub(super) fn pass_over(&self, row: Pending, error: &StoreError) {
        let mut noted = self.lock();
        let (most, table) = (noted.most, row.table);
        if noted.passed.len() < most && !noted.is_passed(table, &row.key) {
            let shown = super::damaged_row(table, &row.key, "?", &error.to_string());
            name(&shown, "a damaged row can't be set aside and is passed over");
            noted.passed.push(row);
        }
    }

    /// Whether a poll, or its account, can't be set aside.
    pub(in super::super) fn is_passed_over(&self, account: AccountId, kind: i64) -> bool {
        let noted = self.lock();
        noted.is_passed("polls", &[Value::Integer(account.0), Value::Integer(kind)])
            || noted.is_passed("accounts", &[Value::Integer(account.0)])
    }

    /// Takes down that a write failed, if that was for the type of a value.
    pub(in super::super) fn note_refused(&self, error: &StoreError) {
        if sound::is_refused(error) {
            self.lock().is_refused = true;
        }
    }

    /// Whether a write was refused that is to be looked into.
    pub(super) fn take_refused(&self) -> bool {
        let mut noted = self.lock();
        let is_due = noted.looked_into.is_none_or(|since| since.elapsed() >= LOOKED_INTO_EVERY);
        if !is_due || !std::mem::take(&mut noted.is_refused) {
            return false;
        }
        noted.looked_into = Some(Stopwatch::start());
        true
    }
}

impl Noted {
    pub(super) fn is_passed(&self, table: &str, key: &[Value]) -> bool {
        self.passed.iter().any(|row| row.table == table && row.key == key)
    }
}
