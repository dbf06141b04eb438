//! A table for a terminal: columns as wide as necessary, and no control characters in cells.

use std::fmt::Write as _;

use crate::model::legible;

/// The rows under their headings, each line ended.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
    let mut widths = headings.map(width);
    for row in &rows {
        for (column, cell) in widths.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    let mut text = String::new();
    let mut line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, column) in cells.iter().zip(widths) {
            // Padding by characters: what is wider or narrower than one moves its own line only.
            let _ = write!(line, "{cell:column$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line(headings);
    for row in &rows {
        line(row.each_ref().map(String::as_str));
    }
    text
}

/// Text of someone else's (a provider's, a driver's) as it may go to a terminal, where control characters
/// could do anything.
pub(super) fn printable(text: &str) -> String {
    legible(text).into_owned()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [["inst0", "RUNNING"], ["i-0123456789", ""]].map(|row| row.map(String::from));
        assert_eq!(table(["ID", "STATE"], rows), "ID            STATE\ninst0         RUNNING\ni-0123456789\n");
        assert_eq!(table(["ID"], []), "ID\n");
        assert_eq!(printable("a\x1b[2Jb\n"), "a<U+001B>[2Jb ");
    }
}
