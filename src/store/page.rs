//! A page of a long list.

use std::ops::Deref;

/// A page of items, in order: at most as many as requested, and fewer if they use much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether there are more items after the last one.
    pub is_more: bool,
}

impl<T> Default for Page<T> {
    fn default() -> Page<T> {
        Page { items: Vec::new(), is_more: false }
    }
}

impl<T> Page<T> {
    /// A page with all items.
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
