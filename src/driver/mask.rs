//! Masks secrets in what a provider sends back, before a driver reads it. Pure, and streaming: a secret
//! that is split over two chunks is found.

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::Bytes;

/// What stands where a secret stood. It is always the same, so that an echo does not look like a change
/// from one poll to the next.
pub(super) const MASK: &[u8] = b"[secret]";

/// Shorter secrets are not masked: they would be found in ordinary words.
pub(super) const SHORTEST: usize = 6;

/// The forms of secrets that are looked for.
#[derive(Debug)]
pub(super) struct Mask {
    finder: Option<AhoCorasick>,
    longest: usize,
}

impl Mask {
    pub(super) fn new(mut forms: Vec<Vec<u8>>) -> Mask {
        forms.retain(|form| form.len() >= SHORTEST);
        forms.sort();
        forms.dedup();
        let longest = forms.iter().map(Vec::len).max().unwrap_or(0);
        let finder = (longest > 0).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&forms)
                .expect("invariant: a few short patterns make an automaton")
        });
        Mask { finder, longest }
    }

    /// Masks what is whole, such as a header's value.
    pub(super) fn apply(&self, whole: &[u8]) -> Option<Vec<u8>> {
        let finder = self.finder.as_ref()?;
        finder.is_match(whole).then(|| finder.replace_all_bytes(whole, &vec![MASK; finder.patterns_len()]))
    }
}

/// Masks one body, chunk after chunk.
#[derive(Debug, Default)]
pub(super) struct Masker {
    /// The end of what came, held back since a secret may have begun in it.
    held: Vec<u8>,
}

impl Masker {
    /// Takes a chunk and gives what can't be part of a secret any more, masked.
    pub(super) fn push(&mut self, mask: &Mask, chunk: Bytes) -> Bytes {
        let Some(finder) = &mask.finder else { return chunk };
        let mut text = std::mem::take(&mut self.held);
        text.extend_from_slice(&chunk);
        self.pass(finder, text, mask.longest - 1)
    }

    /// Gives the rest, at the end of the body.
    pub(super) fn finish(&mut self, mask: &Mask) -> Bytes {
        let text = std::mem::take(&mut self.held);
        match &mask.finder {
            Some(finder) => self.pass(finder, text, 0),
            None => text.into(),
        }
    }

    /// Masks `text`, holding back up to `hold` bytes of its end. A match that begins in what is held
    /// back is left for later, as more may show a longer one.
    fn pass(&mut self, finder: &AhoCorasick, mut text: Vec<u8>, hold: usize) -> Bytes {
        let mut settled = text.len().saturating_sub(hold);
        let mut masked: Option<Vec<u8>> = None;
        let mut copied = 0;
        for found in finder.find_iter(&text) {
            if found.start() >= settled {
                break;
            }
            let out = masked.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(&text[copied..found.start()]);
            out.extend_from_slice(MASK);
            copied = found.end();
            settled = settled.max(copied);
        }
        self.held = text.split_off(settled);
        match masked {
            Some(mut out) => {
                out.extend_from_slice(&text[copied..]);
                out.into()
            }
            None => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(forms: &[&str], text: &str, chunk: usize) -> String {
        let mask = Mask::new(forms.iter().map(|form| form.as_bytes().to_vec()).collect());
        let mut masker = Masker::default();
        let mut out = Vec::new();
        for piece in text.as_bytes().chunks(chunk) {
            out.extend_from_slice(&masker.push(&mask, Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&masker.finish(&mask));
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn secrets_are_masked_however_they_are_cut() {
        let check = |forms: &[&str], text: &str, want: &str| {
            for chunk in 1..=text.len().max(1) {
                assert_eq!(masked(forms, text, chunk), want, "in chunks of {chunk}");
            }
        };
        check(&["s3cretword"], "", "");
        check(&["s3cretword"], "nothing here", "nothing here");
        check(&["s3cretword"], "s3cretword", "[secret]");
        check(&["s3cretword"], "a s3cretword, s3cretwors3cretword!", "a [secret], s3cretwor[secret]!");
        check(&["s3cretword"], "s3cretwords3cretword", "[secret][secret]");
        check(&["s3cret", "s3cretword"], "xs3cretwordx s3cretx", "x[secret]x [secret]x");
        check(&["aaaaaa"], "aaaaaaaaaaaaaaa", "[secret][secret]aaa");
        check(&["short"], "short secrets stay", "short secrets stay");
    }

    #[test]
    fn headers_are_masked_whole() {
        let mask = Mask::new(vec![b"s3cretword".to_vec()]);
        assert_eq!(mask.apply(b"token=s3cretword;").as_deref(), Some(b"token=[secret];".as_slice()));
        assert_eq!(mask.apply(b"nothing"), None);
    }
}
