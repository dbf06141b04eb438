//! A part of a long list.

use std::ops::Deref;

/// Some of what was asked for, in order: as many as were asked for at most, and fewer where these take much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether more comes after the last of them.
    pub is_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Page<T> {
        Page { items: Vec::new(), is_more: false }
    }
}

impl<T> Page<T> {
    /// All that there is.
    pub fn of_all(items: Vec<T>) -> Page<T> {
        Page { items, is_more: false }
    }
}

impl<T> Deref for Page<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}
