//! Places where a pattern may begin, recognised by two bytes. Most of a text is skipped by this alone.

use std::sync::LazyLock;

use super::digits::{Code, may_go_on};
use super::reading::{begins_passed_over, may_escape};

/// As it stands there.
pub(super) const PLAIN: u8 = 1;
/// In hexadecimal digits.
pub(super) const HEX: u8 = 2;
/// In base64, of whose first digit so many bits belong to it: by what stands before it.
pub(super) const BASE64: [(u8, u8); 3] = [(4, 6), (8, 4), (16, 2)];
/// With an escape, in any of these.
const ESCAPED: u8 = PLAIN | HEX | 4 | 8 | 16;

/// What may begin at each pair of bytes.
#[derive(Clone)]
pub(super) struct Starts(Box<[u8; 1 << 16]>);

impl std::fmt::Debug for Starts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Starts")
    }
}

impl Starts {
    /// Of no pattern but for escapes, of which each may be the beginning of any.
    pub(super) fn new() -> Starts {
        static OF_ESCAPES: LazyLock<Starts> = LazyLock::new(Starts::of_escapes);
        OF_ESCAPES.clone()
    }

    fn of_escapes() -> Starts {
        let mut starts = Starts(vec![0; 1 << 16].into_boxed_slice().try_into().expect("invariant: it has that length"));
        for first in *b"\\&%" {
            (0..=u8::MAX)
                .filter(|second| may_escape(first, *second))
                .for_each(|second| starts.set(first, second, ESCAPED));
            // An escape within digits may be the beginning as well.
            starts.add_coded(first);
        }
        for first in 0..=u8::MAX {
            let hex = if Code::Hex.digit(first).is_some() { HEX } else { 0 };
            if Code::Base64.digit(first).is_some() {
                // What follows is not to be told from two bytes.
                for second in *b"\\&%\r\n" {
                    starts.set(first, second, ESCAPED & !PLAIN & !HEX | hex);
                }
            }
        }
        starts
    }

    pub(super) fn add(&mut self, pattern: &[u8]) {
        let [first, second, ..] = *pattern else { return };
        self.set(first, second, PLAIN);
        // A blank may be a plus.
        let firsts = [first, if first == b' ' { b'+' } else { first }];
        for first in firsts {
            for second in [second, b'\\', b'&', b'%', b'+'] {
                self.set(first, second, PLAIN);
            }
            (0..=u8::MAX)
                .filter(|second| begins_passed_over(*second))
                .for_each(|second| self.set(first, second, PLAIN));
            self.add_coded(first);
        }
    }

    /// Where a byte may begin that digits stand for.
    fn add_coded(&mut self, byte: u8) {
        self.set_digits(Code::Hex, byte >> 4, byte & 0xf, HEX);
        for (flag, bits) in BASE64 {
            // What is left of the second digit, and what stands before in the first.
            let left = bits + 6 - 8;
            for before in 0..1_u8 << (6 - bits) {
                for behind in 0..1_u8 << left {
                    let first = before << bits | byte >> (8 - bits);
                    let second = (byte << left | behind) & 0x3f;
                    self.set_digits(Code::Base64, first, second, flag);
                }
            }
        }
    }

    fn set_digits(&mut self, code: Code, first: u8, second: u8, flag: u8) {
        for first in code.written(first) {
            for second in code.written(second) {
                self.set(first, second, flag);
            }
        }
    }

    fn set(&mut self, first: u8, second: u8, flags: u8) {
        self.0[place(first, second)] |= flags;
    }

    /// Whether a text may begin so.
    pub(super) fn begin(&self, first: u8, second: u8) -> bool {
        self.0[place(first, second)] & PLAIN != 0
    }

    /// Whether a pattern begins with it.
    fn begin_with(&self, byte: u8) -> bool {
        self.begin(byte, b'\0')
    }

    /// Whether nothing begins here after all. A document within a document is full of references, which begin no digits and
    /// few patterns. Of base64, the bytes behind tell what two of what it stands for are.
    pub(super) fn is_ruled_out(&self, text: &[u8], at: usize, flags: u8) -> bool {
        let sign = |at: usize| text.get(at..).and_then(sign);
        if let Some(sign) = sign(at) {
            return !self.begin_with(b'&') && !self.begin_with(sign);
        }
        if flags & PLAIN != 0 {
            return false;
        }
        // One digit alone stands for nothing.
        if sign(at + 1).is_some() {
            return true;
        }
        if flags & HEX != 0 {
            return false;
        }
        let Some([one, two, three, four]) = text.get(at..).and_then(|text| text.first_chunk()) else { return false };
        let digit = |byte: u8| Code::Base64.digit(byte).map(u32::from);
        let (Some(one), Some(two)) = (digit(*one), digit(*two)) else { return false };
        let Some(three) = digit(*three) else { return !may_go_on(*three) || sign(at + 2).is_some() };
        let Some(four) = digit(*four) else { return false };
        let value = one << 18 | two << 12 | three << 6 | four;
        let begins = |shift: u32| {
            let [.., first, second] = (value >> shift).to_be_bytes();
            self.begin(first, second)
        };
        !(begins(8) | begins(6) | begins(4))
    }

    /// The first place from `at` on where anything may begin, and what. The last byte of a text is not looked at.
    pub(super) fn next(&self, text: &[u8], mut at: usize) -> Option<(usize, u8)> {
        let mut first = *text.get(at)?;
        // Every byte of every answer comes through here, so it is kept to what is quick without an optimizer, too.
        while at + 1 < text.len() {
            let second = text[at + 1];
            let flags = self.0[(first as usize) << 8 | second as usize];
            if flags != 0 {
                return Some((at, flags));
            }
            (first, at) = (second, at + 1);
        }
        None
    }
}

/// The sign that a text begins with a reference to, of those that stand for markup: none of them is a digit, a line end or the
/// beginning of an escape.
fn sign(text: &[u8]) -> Option<u8> {
    const SIGNS: [(&[u8], u8); 4] = [(b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    if text.first() != Some(&b'&') {
        return None;
    }
    SIGNS.into_iter().find(|(reference, _)| text.starts_with(reference)).map(|(_, sign)| sign)
}

fn place(first: u8, second: u8) -> usize {
    usize::from(first) << 8 | usize::from(second)
}
