//! Texts of resources, and texts that many resources share: realm, image, hardware profile, the provider's word for the
//! state. A list of a million resources has a few hundred of the latter; each is stored once.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A text of a resource. Up to 24 bytes are in the value itself. Nearly all texts are that short, and a list can have a
/// million resources with a dozen texts each.
pub type Text = compact_str::CompactString;

/// A shared text, the size of a pointer.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(Arc<Text>);

impl Word {
    /// The bytes that one uses on the heap.
    pub fn bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        let outside = if self.0.is_heap_allocated() { self.0.capacity() } else { 0 };
        COUNTS + size_of::<Text>() + outside
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl From<Text> for Word {
    fn from(text: Text) -> Word {
        Word(Arc::new(text))
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Word {
        Word(Arc::new(text.into()))
    }
}

impl From<String> for Word {
    fn from(text: String) -> Word {
        Word(Arc::new(text.into()))
    }
}

impl From<Cow<'_, str>> for Word {
    fn from(text: Cow<'_, str>) -> Word {
        Word(Arc::new(text.into()))
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Word {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

/// The words of a list, to store each once. It has a fixed number of places: if two words have the same place, the
/// later one is kept, and the earlier one may be stored twice.
#[derive(Debug)]
pub struct Words(Vec<Option<Word>>);

/// Many more than the words of a list, at 8 bytes each.
const PLACES: usize = 1024;

impl Default for Words {
    fn default() -> Words {
        Words(vec![None; PLACES])
    }
}

impl Words {
    /// The word of a text, and whether it is new.
    pub fn of(&mut self, text: String) -> (Word, bool) {
        let place = &mut self.0[place_of(text.as_bytes())];
        match place {
            Some(word) if *word == text => (word.clone(), false),
            _ => (place.insert(Word::from(text)).clone(), true),
        }
    }
}

/// By the length and the last bytes, because words of one kind have the same beginnings.
fn place_of(text: &[u8]) -> usize {
    let mut last = [0; 8];
    let count = text.len().min(8);
    last[..count].copy_from_slice(&text[text.len() - count..]);
    let mixed = (u64::from_le_bytes(last) ^ (text.len() as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 54).unwrap_or(0) % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once() {
        let mut words = Words::default();
        let texts = ["", "running", "us-east-1a", "us-east-1b", &"x".repeat(300), "ü"];
        for text in texts {
            let (first, is_new) = words.of(text.into());
            assert!(is_new, "{text}");
            let (again, is_new) = words.of(text.into());
            assert!(!is_new && Arc::ptr_eq(&first.0, &again.0), "{text}");
            assert_eq!(again, *text);
            assert!(first.bytes() >= text.len());
        }
    }

    #[test]
    fn there_may_be_any_number_of_words() {
        let mut words = Words::default();
        for number in 0..10 * PLACES {
            let text = format!("word-{number}");
            assert_eq!(words.of(text.clone()).0, text);
        }
        assert_eq!(words.0.len(), PLACES);
    }
}
