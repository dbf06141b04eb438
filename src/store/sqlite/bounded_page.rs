//! Pages that end at a number of items or of bytes, whichever comes first. So neither a long filter of a client nor
//! many labels of a provider increase the memory for a page.

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::super::Page;

/// What an item takes beside its text, about.
const ITEM_BYTES: usize = 256;

pub(super) struct BoundedPage<T> {
    page: Page<T>,
    items: usize,
    /// What is left.
    bytes: usize,
}

impl<T> BoundedPage<T> {
    pub(super) fn new(items: usize, bytes: usize) -> BoundedPage<T> {
        BoundedPage { page: Page::default(), items, bytes }
    }

    /// Whether there is room for an item with so much text, which is then to be added. The first one always has room, so
    /// that there is a next page to go on with.
    pub(super) fn has_room_for(&mut self, text: usize) -> bool {
        let left = self.bytes.checked_sub(text.saturating_add(ITEM_BYTES));
        let is_first = self.page.is_empty() && self.items > 0;
        if !is_first && (self.page.len() >= self.items || left.is_none()) {
            self.page.is_more = true;
            return false;
        }
        self.bytes = left.unwrap_or(0);
        true
    }

    pub(super) fn add(&mut self, item: T) {
        self.page.items.push(item);
    }

    pub(super) fn finish(self) -> Page<T> {
        self.page
    }
}

/// How many bytes of text a row has.
pub(super) fn text_of(row: &Row<'_>) -> usize {
    let columns = 0..row.as_ref().column_count();
    let text = columns.map(|index| match row.get_ref(index) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len(),
        _ => 0,
    });
    text.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_items_or_bytes_and_has_at_least_one_item() {
        let check = |items: usize, bytes: usize, texts: &[usize], want: usize| {
            let mut page = BoundedPage::new(items, bytes);
            for &text in texts {
                if !page.has_room_for(text) {
                    break;
                }
                page.add(text);
            }
            let page = page.finish();
            assert_eq!((page.len(), page.is_more), (want, want < texts.len()), "{items} {bytes} {texts:?}");
        };
        check(3, 10_000, &[], 0);
        check(3, 10_000, &[1, 1, 1], 3);
        check(3, 10_000, &[1, 1, 1, 1], 3);
        check(9, 2 * ITEM_BYTES + 30, &[10, 20], 2);
        check(9, 2 * ITEM_BYTES + 30, &[10, 21], 1);
        check(9, 0, &[1000, 1], 1);
        check(0, 1000, &[1], 0);
        check(9, 1000, &[usize::MAX, 1], 1);
    }
}
