//! The patterns, sorted, so that a text is compared with all of them at once, byte after byte.

/// Shorter secrets are not looked for: they would be found in ordinary words.
pub const SHORTEST: usize = 6;

#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    sorted: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    bytes: Box<[u8]>,
    label: &'static str,
}

/// The patterns that begin with what was read so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidates {
    from: u32,
    to: u32,
    /// How many bytes were read.
    read: u32,
    /// How much was passed over since the last of them.
    passed_over: u8,
}

/// Of how much of a secret it is enough that it stands there, if it is at least a half: part of a secret is cut off in many
/// messages.
pub(super) const PART: usize = 16;
/// How much may be passed over between two bytes of a secret: as much as UTF-32 has between two of ASCII, and a line end.
const MOST_PASSED_OVER: u8 = 8;

impl Candidates {
    /// The same behind something that is no part of any secret. It can't be where none has begun.
    pub(super) fn pass_over(self) -> Option<Candidates> {
        let may = self.read > 0 && self.passed_over < MOST_PASSED_OVER;
        may.then(|| Candidates { passed_over: self.passed_over + 1, ..self })
    }
}

impl Patterns {
    /// False for one that is too short, or known already.
    pub(super) fn add(&mut self, bytes: &[u8], label: &'static str) -> bool {
        if bytes.len() < SHORTEST {
            return false;
        }
        match self.sorted.binary_search_by(|pattern| (*pattern.bytes).cmp(bytes)) {
            Ok(_) => false,
            Err(place) => {
                self.sorted.insert(place, Pattern { bytes: bytes.into(), label });
                true
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// All of them: nothing was read.
    pub(super) fn all(&self) -> Candidates {
        Candidates { from: 0, to: u32::try_from(self.sorted.len()).unwrap_or(u32::MAX), read: 0, passed_over: 0 }
    }

    /// Those of the candidates that go on with this byte, if any does.
    pub(super) fn after(&self, candidates: Candidates, byte: u8) -> Option<Candidates> {
        let Candidates { from, to, read, .. } = candidates;
        let among = &self.sorted[from as usize..to as usize];
        let next = |pattern: &Pattern| pattern.bytes.get(read as usize).copied();
        let (skipped, kept) = match among {
            [only] => (0, usize::from(next(only) == Some(byte))),
            _ => {
                // One that has ended sorts before those that go on.
                let skipped = among.partition_point(|pattern| next(pattern) < Some(byte));
                (skipped, among[skipped..].partition_point(|pattern| next(pattern) == Some(byte)))
            }
        };
        let from = from + u32::try_from(skipped).unwrap_or(u32::MAX);
        let to = from + u32::try_from(kept).unwrap_or(u32::MAX);
        (kept > 0).then_some(Candidates { from, to, read: read + 1, passed_over: 0 })
    }

    /// What to write in the place of what was read, where that is a whole pattern, or most of one.
    pub(super) fn label_of_most(&self, candidates: Candidates) -> Option<&'static str> {
        let read = candidates.read as usize;
        if read < PART {
            return self.label(candidates);
        }
        let among = &self.sorted[candidates.from as usize..candidates.to as usize];
        among.iter().find(|pattern| pattern.bytes.len() <= 2 * read).map(|pattern| pattern.label)
    }

    /// The same of a whole pattern.
    pub(super) fn label(&self, candidates: Candidates) -> Option<&'static str> {
        let first = &self.sorted[candidates.from as usize];
        (first.bytes.len() == candidates.read as usize).then_some(first.label)
    }

    /// Whether more could be read.
    pub(super) fn go_on(&self, candidates: Candidates) -> bool {
        candidates.to - candidates.from > 1 || self.label(candidates).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_those_that_begin_with_what_was_read() {
        let mut patterns = Patterns::default();
        for (text, is_new) in [
            ("secret-2", true),
            ("secret", true),
            ("secret-10", true),
            ("seven!", true),
            ("secret", false),
            ("five5", false),
        ] {
            assert_eq!(patterns.add(text.as_bytes(), "[x]"), is_new, "{text}");
        }
        let read = |text: &str| {
            text.bytes().try_fold(patterns.all(), |candidates, byte| patterns.after(candidates, byte)).map(
                |candidates| {
                    (candidates.to - candidates.from, patterns.label(candidates).is_some(), patterns.go_on(candidates))
                },
            )
        };
        assert_eq!(read("se"), Some((4, false, true)));
        assert_eq!(read("secret"), Some((3, true, true)));
        assert_eq!(read("secret-"), Some((2, false, true)));
        assert_eq!(read("secret-2"), Some((1, true, false)));
        assert_eq!(read("secret-3"), None);
        assert_eq!(read("a"), None);
    }
}
