//! What was computed with secrets in a poll and given to the driver, as contract 0.1 does; looked for in whatever leaves
//! the sandbox but for requests. Pure.

use std::collections::{HashMap, HashSet};

use super::signing;

/// A signature a request, and some for what is signed within it. Each is looked for until the poll ends.
const MOST: usize = 1024;
/// What is looked for first: as many characters as no two values have in common.
const BEGINNING: usize = 16;
/// What stands in its place.
const MASK: &str = "[signature]";

#[derive(Debug, Default)]
pub(super) struct Computed {
    values: HashSet<Vec<u8>>,
    /// The forms in which a text may have them, by their beginnings.
    by_beginning: HashMap<[u8; BEGINNING], Vec<String>>,
}

impl Computed {
    /// Notes a value; false where there are too many.
    pub(super) fn note(&mut self, value: &[u8]) -> bool {
        if self.values.contains(value) {
            return true;
        }
        if self.values.len() >= MOST {
            return false;
        }
        self.values.insert(value.to_vec());
        for form in signing::forms(value) {
            if let Some(beginning) = form.as_bytes().first_chunk() {
                let forms = self.by_beginning.entry(*beginning).or_default();
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The text with a mask in the place of each value.
    pub(super) fn mask(&self, mut text: String) -> String {
        if self.is_empty() {
            return text;
        }
        let mut from = 0;
        while let Some((start, length)) = self.find(text.as_bytes(), from) {
            text.replace_range(start..start + length, MASK);
            from = start + MASK.len();
        }
        text
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.find(text.as_bytes(), 0).is_some()
    }

    /// Whether a value is in it as a text, or as it is.
    pub(super) fn is_in_bytes(&self, bytes: &[u8]) -> bool {
        self.find(bytes, 0).is_some() || self.values.iter().any(|value| memchr::memmem::find(bytes, value).is_some())
    }

    /// Where the first value is at or behind a place, and how long it is. Values are plain ASCII in every form.
    fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        if self.is_empty() {
            return None;
        }
        (from..text.len().saturating_sub(BEGINNING - 1)).find_map(|start| {
            let rest = &text[start..];
            let forms = self.by_beginning.get(rest.first_chunk::<BEGINNING>()?)?;
            let longest = forms.iter().filter(|form| rest.starts_with(form.as_bytes())).map(String::len).max()?;
            Some((start, longest))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_every_form_and_wherever_it_stands() {
        let value: Vec<u8> = (0..32_u8).map(|n| n.wrapping_mul(9).wrapping_add(200)).collect();
        let mut computed = Computed::default();
        assert_eq!(computed.mask("nothing yet".into()), "nothing yet");
        assert!(computed.note(&value) && computed.note(&value));
        assert!(computed.note(&[1; 32]));
        for form in signing::forms(&value) {
            for (before, after) in [("", ""), ("ü", "ü"), ("Signature=", "="), ("a", "b")] {
                let text = format!("{before}{form}{after}");
                assert!(computed.is_in(&text));
                assert!(computed.is_in_bytes(text.as_bytes()));
                assert_eq!(computed.mask(text), format!("{before}{MASK}{after}"));
            }
            assert_eq!(computed.mask(format!("{form}{form}")), format!("{MASK}{MASK}"));
            assert_eq!(computed.mask(form[1..].to_owned()), form[1..]);
        }
        assert!(computed.is_in_bytes(&[b"token", &value[..]].concat()));
        assert!(!computed.is_in_bytes(b"another token, longer than a beginning"));
    }

    #[test]
    fn there_are_only_so_many() {
        let mut computed = Computed::default();
        let noted = (0..2 * MOST).filter(|n| computed.note(&n.to_be_bytes().repeat(4))).count();
        assert_eq!(noted, MOST);
    }
}
