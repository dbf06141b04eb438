//! The origin of a row, for reports of damage.

use crate::model::AccountId;

/// Whose rows are read, and by which columns of the statement each is known.
#[derive(Clone, Copy)]
pub(in super::super) struct Source<'a> {
    pub(in super::super) table: &'static str,
    pub(in super::super) account: Option<AccountId>,
    pub(in super::super) key: Key<'a>,
}

#[derive(Clone, Copy)]
pub(in super::super) enum Key<'a> {
    /// By their indexes in the row, in the order of the table's primary key.
    Columns(&'a [usize]),
    /// Known beforehand.
    Values(&'a [i64]),
}
