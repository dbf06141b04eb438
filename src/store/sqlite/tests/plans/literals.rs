//! Finds the SQL literals in the sources, so that SQL that no test runs is not overlooked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::noted::one_line;

/// Each piece of SQL in the sources that none of the statements has.
pub(super) fn not_among(statements: &BTreeSet<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for path in sources() {
        let source = fs::read_to_string(&path).expect("a source file");
        // What stands behind that is a test's own.
        let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        for literal in literals(source) {
            for piece in literal.split(['{', '}', ';']).map(one_line).filter(|piece| is_sql(piece)) {
                if !statements.iter().any(|sql| sql.contains(&piece)) {
                    missing.push(format!("no case of the contract runs this, of {}: {piece}", path.display()));
                }
            }
        }
    }
    missing
}

fn sources() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sqlite")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().unwrap_or_default();
            // What is damaged is put right at a start, or where it is met, which is seldom. A backup reads all that there is.
            if ["tests", "damage", "repair", "backup"].iter().any(|name| *name == stem) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(path);
            }
        }
    }
    sources.sort();
    sources
}

fn is_sql(piece: &str) -> bool {
    const WORDS: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "FROM", "WHERE", "JOIN", "LIMIT"];
    let has_parameter = piece.split('?').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    has_parameter || piece.split(' ').any(|word| WORDS.contains(&word))
}

/// The text of each string literal, its escaped line breaks taken out.
fn literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    for line_or_string in Pieces(source) {
        literals.push(line_or_string.replace("\\\n", " ").replace("\\\"", "\""));
    }
    literals
}

/// Goes from one string literal to the next, over comments and characters.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let at = self.0.find(['"', '/', '\''])?;
            let rest = &self.0[at..];
            if rest.starts_with("//") {
                self.0 = rest.split_once('\n')?.1;
            } else if let Some(text) = rest.strip_prefix('"') {
                let end = end_of_string(text);
                self.0 = text.get(end + 1..).unwrap_or_default();
                return Some(&text[..end]);
            } else if ["'\"'", "'/'", "'\\"].iter().any(|quoted| rest.starts_with(quoted)) {
                self.0 = &rest[3..];
            } else {
                self.0 = &rest[1..];
            }
        }
    }
}

fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn strings_are_found_and_nothing_else() {
    let source =
        "let a = \"SELECT 1\"; // \"no\"\nlet b = '\"'; let c = '\\''; f::<'a>(\"x \\\n    y\", \"\\\"q\\\"\") / 2";
    let found: Vec<String> = literals(source).iter().map(|text| one_line(text)).collect();
    assert_eq!(found, ["SELECT 1", "x y", "\"q\""]);
    assert!(is_sql("h.id = ?12") && is_sql("a LIMIT") && !is_sql("why?") && !is_sql("Select it"));
}
