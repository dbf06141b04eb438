//! A secret that was found in a text.

use std::ops::Range;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    /// It stands where JSON has a number.
    pub(super) is_number: bool,
}
