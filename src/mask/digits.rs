//! Decodes base64 and hexadecimal digits from any place where they may begin. The digits may be escaped, and split into
//! lines.

use std::cell::{Cell, RefCell};

use super::reading::{DEPTH, Ground, Readings, begins_escape};

/// A text as it is.
#[derive(Debug)]
pub(super) struct Raw<'a> {
    text: &'a [u8],
    /// Whether its end was reached, so that more of it could tell more.
    ran_out: Cell<bool>,
    /// How the text is read in the last places that were read from: each is come to again and again.
    memo: RefCell<Vec<Remembered>>,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    at: usize,
    depth: usize,
    ran_out: bool,
    readings: Readings<usize>,
}

/// As many places as escapes of escapes may take.
const REMEMBERED: usize = 32;

impl<'a> Raw<'a> {
    pub(super) fn of(text: &'a [u8]) -> Raw<'a> {
        Raw { text, ran_out: Cell::new(false), memo: RefCell::default() }
    }

    /// Whether its end was reached since this was asked the last time.
    pub(super) fn ran_out(&self) -> bool {
        self.ran_out.take()
    }
}

impl Ground for Raw<'_> {
    type Place = usize;

    fn byte(&self, at: usize) -> Option<(u8, usize)> {
        match self.text.get(at) {
            Some(byte) => Some((*byte, at + 1)),
            None => {
                self.ran_out.set(true);
                None
            }
        }
    }

    fn raw(&self, at: usize) -> usize {
        at
    }

    fn readings(&self, at: usize, depth: usize) -> Readings<usize> {
        let slot = (at % REMEMBERED) * DEPTH + depth.saturating_sub(1);
        if let Some(known) = self.memo.borrow().get(slot)
            && (known.at, known.depth) == (at, depth)
        {
            self.ran_out.set(self.ran_out.get() || known.ran_out);
            return known.readings;
        }
        let before = self.ran_out.take();
        let readings = Readings::of(self, at, depth);
        let ran_out = self.ran_out.get();
        let new = Remembered { at, depth, ran_out, readings };
        let mut memo = self.memo.borrow_mut();
        if memo.is_empty() {
            // None of them is of any place.
            memo.resize(REMEMBERED * DEPTH, Remembered { at: usize::MAX, ..new });
        }
        memo[slot] = new;
        self.ran_out.set(before || ran_out);
        readings
    }
}

/// What digits stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// In either alphabet (RFC 4648, 4 and 5).
    Base64,
    Hex,
}

impl Code {
    pub(super) fn digit(self, byte: u8) -> Option<u8> {
        let digits = match self {
            Code::Base64 => &BASE64_DIGITS,
            Code::Hex => &HEX_DIGITS,
        };
        let value = digits[usize::from(byte)];
        (value != NONE).then_some(value)
    }

    /// The digits of a value, the same twice where there is one.
    pub(super) fn written(self, value: u8) -> [u8; 2] {
        let alphabets: [&[u8]; 2] = match self {
            Code::Base64 => [BASE64_ALPHABETS[0], BASE64_ALPHABETS[1]],
            Code::Hex => [HEX_ALPHABETS[0], HEX_ALPHABETS[1]],
        };
        alphabets.map(|alphabet| alphabet[usize::from(value)])
    }

    fn bits(self) -> u8 {
        match self {
            Code::Base64 => 6,
            Code::Hex => 4,
        }
    }
}

const NONE: u8 = u8::MAX;
const BASE64_ALPHABETS: [&[u8; 64]; 2] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];
const HEX_ALPHABETS: [&[u8; 16]; 2] = [b"0123456789abcdef", b"0123456789ABCDEF"];
static BASE64_DIGITS: [u8; 256] = values(&BASE64_ALPHABETS);
static HEX_DIGITS: [u8; 256] = values(&HEX_ALPHABETS);

const fn values<const COUNT: usize>(alphabets: &[&[u8; COUNT]]) -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut alphabet = 0;
    while alphabet < alphabets.len() {
        let mut value = 0;
        while value < COUNT {
            values[alphabets[alphabet][value] as usize] = value as u8;
            value += 1;
        }
        alphabet += 1;
    }
    values
}

/// Whether another digit may come of what is none.
pub(super) fn may_go_on(byte: u8) -> bool {
    begins_escape(byte) || matches!(byte, b'\r' | b'\n')
}

/// There are too few digits.
pub(super) struct NoDigit;

/// How much white space may be between two lines of digits: a line end and some indentation.
const MOST_BLANKS: usize = 64;

/// The bytes that digits of a text stand for.
#[derive(Debug)]
pub(super) struct Digits<'a> {
    pub(super) text: &'a Raw<'a>,
    pub(super) code: Code,
}

/// Where the next digit is, and what is left of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DigitPlace {
    at: usize,
    rest: u8,
    bits: u8,
}

impl Digits<'_> {
    /// Behind a digit of this value, of which so many bits belong to what is read.
    pub(super) fn place(&self, value: u8, bits: u8, at: usize) -> DigitPlace {
        DigitPlace { at, rest: value & ((1 << bits) - 1), bits }
    }

    /// The first two bytes that are read from a place, if they can be told without reading escapes and line ends: an error
    /// where there are none.
    pub(super) fn two(&self, place: DigitPlace) -> Result<Option<(u8, u8)>, NoDigit> {
        let (mut value, mut bits, mut at) = (u32::from(place.rest), place.bits, place.at);
        while bits < 16 {
            let Some(byte) = self.text.text.get(at) else { return Ok(None) };
            let Some(digit) = self.code.digit(*byte) else {
                return if may_go_on(*byte) { Ok(None) } else { Err(NoDigit) };
            };
            value = value << self.code.bits() | u32::from(digit);
            (bits, at) = (bits + self.code.bits(), at + 1);
        }
        let [.., first, second] = (value >> (bits - 16)).to_be_bytes();
        Ok(Some((first, second)))
    }

    fn digit(&self, mut at: usize) -> Option<(u8, usize)> {
        let mut blanks = 0;
        while blanks <= MOST_BLANKS {
            let (byte, next) = self.text.byte(at)?;
            if let Some(value) = self.code.digit(byte) {
                return Some((value, next));
            }
            match byte {
                b'\r' | b'\n' => at = next,
                b' ' | b'\t' if blanks > 0 => at = next,
                byte if begins_escape(byte) => {
                    let readings = self.text.readings(at, DEPTH);
                    let ways = readings.as_slice().iter().filter_map(|way| Some((way.single()?, way.next)));
                    if let Some(digit) = ways.clone().find_map(|(byte, next)| Some((self.code.digit(byte)?, next))) {
                        return Some(digit);
                    }
                    at = ways.clone().find(|(byte, _)| matches!(byte, b'\r' | b'\n'))?.1;
                }
                _ => return None,
            }
            blanks += 1;
        }
        None
    }
}

impl Ground for Digits<'_> {
    type Place = DigitPlace;

    fn byte(&self, place: DigitPlace) -> Option<(u8, DigitPlace)> {
        let DigitPlace { mut at, rest, mut bits } = place;
        let mut value = u32::from(rest);
        while bits < 8 {
            let (digit, next) = self.digit(at)?;
            value = value << self.code.bits() | u32::from(digit);
            bits += self.code.bits();
            at = next;
        }
        bits -= 8;
        let [.., byte] = (value >> bits).to_be_bytes();
        let [.., rest] = (value & ((1 << bits) - 1)).to_be_bytes();
        Some((byte, DigitPlace { at, rest, bits }))
    }

    fn raw(&self, place: DigitPlace) -> usize {
        place.at
    }
}
