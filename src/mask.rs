//! Masks secrets in texts from others: in answers of providers, before a driver reads them; in everything of a driver
//! that leaves the sandbox; and in responses of receivers. Pure, and streaming: a secret that is split over two chunks
//! is found.
//!
//! A secret may appear in an endless number of forms, so the mask does not search for forms. It decodes the text from
//! each place where a secret may begin, in each possible way (`reading`, `digits`), and compares the result with the
//! secrets themselves (`patterns`). A match is a range of the original text. So a secret is found whichever of its
//! characters are escaped, by any escapes, up to `DEPTH` deep; in base64 and hexadecimal, anywhere in a longer text,
//! with escapes within and without; in Latin-1, UTF-16 and UTF-32; with invisible characters in it; and with its end
//! cut off.
//!
//! A text costs about the same for each byte, whatever it contains. Two bytes show where nothing can begin (`starts`),
//! which is nearly everywhere. Other places share a budget that grows with the text. A place that would take more
//! contains the beginning of a secret over and over, and is masked.

mod digits;
mod encodings;
mod entities;
mod patterns;
mod reading;
mod starts;

use std::ops::Range;

use bytes::Bytes;

use digits::{Code, Digits, NoDigit, Raw};
pub use patterns::SHORTEST;
use patterns::{Candidates, PART, Patterns};
use reading::{DEPTH, Ground, begins_escape};
use starts::{BASE64, HEX, PLAIN, Starts};

/// What stands where a secret stood. It is always the same, so that an echo does not look like a change
/// from one poll to the next.
pub const SECRET: &str = "[secret]";
/// What stands where something stood that was computed with a secret and given to the driver.
pub const SIGNATURE: &str = "[signature]";
/// What stands there where the secret is a part of these.
const STARS: &str = "[***]";

/// How deep escapes may be within what digits stand for.
const DEPTH_IN_DIGITS: usize = 2;

/// How much of a text that comes in chunks may be held back, since a secret may have begun in it: many times the secret,
/// as each of its bytes may be an escape of escapes.
const HELD_PER_BYTE: usize = 16;
const LEAST_HELD: usize = 64 << 10;
const MOST_HELD: usize = 128 << 10;

/// How many steps a byte of a text may take, and how many may be saved up: as many as a long private key takes in escapes.
const STEPS_PER_BYTE: usize = 16;
/// How many ways that are open count for one.
const OPEN_PER_STEP: usize = 16;
/// What an escape counts for.
const STEPS_PER_ESCAPE: usize = 8;
const MOST_STEPS: usize = 256 << 10;

/// The secrets that are looked for.
#[derive(Clone, Debug)]
pub struct Mask {
    patterns: Patterns,
    starts: Option<Starts>,
    longest: usize,
    /// A text with fewer bytes has none of them, nor enough of one.
    shortest: usize,
}

/// A secret in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    end: usize,
    label: &'static str,
}

impl Mask {
    pub fn none() -> Mask {
        Mask { patterns: Patterns::default(), starts: None, longest: 0, shortest: usize::MAX }
    }

    /// Of these secrets, but for those that are too short.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Mask {
        let mut mask = Mask::none();
        secrets.into_iter().for_each(|secret| mask.add(secret, SECRET));
        mask
    }

    /// Has one more looked for, and this written in its place.
    pub fn add(&mut self, secret: &[u8], label: &'static str) {
        let label = if memchr::memmem::find(label.as_bytes(), secret).is_some() { STARS } else { label };
        for form in std::iter::once(secret.to_vec()).chain(encodings::forms(secret)) {
            if self.patterns.add(&form, label) {
                self.starts.get_or_insert_with(Starts::new).add(&form);
                self.longest = self.longest.max(form.len());
                self.shortest = self.shortest.min(form.len()).min(PART);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Masks what is whole, such as a header's value; nothing where all stays.
    pub fn apply(&self, whole: &[u8]) -> Option<Vec<u8>> {
        let mut masked = Masked::of(whole);
        self.scan(whole, true, &mut |range, label| masked.put(range, label));
        masked.finish(whole.len())
    }

    /// Masks a text.
    pub fn text(&self, text: String) -> String {
        match self.apply(text.as_bytes()) {
            None => text,
            Some(masked) => {
                String::from_utf8(masked).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
        }
    }

    /// Whether there is anything to be masked in it.
    pub fn is_in(&self, whole: &[u8]) -> bool {
        let mut is_in = false;
        self.scan(whole, true, &mut |_, _| is_in = true);
        is_in
    }

    /// Shows all that is to be masked, in order. Gives up to where the text is settled, if more of it comes.
    fn scan(&self, text: &[u8], is_whole: bool, show: &mut dyn FnMut(Range<usize>, &'static str)) -> usize {
        let Some(starts) = &self.starts else { return text.len() };
        // Most of what a list has is that short. Nothing that stands for a byte is shorter than a byte.
        if is_whole && text.len() < self.shortest {
            return text.len();
        }
        let raw = Raw::of(text);
        let mut steps = Steps { left: MOST_STEPS, until: 0 };
        let mut at = 0;
        while let Some((start, flags)) = starts.next(text, at) {
            if starts.is_ruled_out(text, start, flags) {
                at = start + 1;
                continue;
            }
            steps.reach(start);
            let found = self.at(&raw, start, flags, &mut steps);
            // What may go on is left for later, but not without end.
            if raw.ran_out() && !is_whole && text.len() - start <= self.most_held() {
                return start;
            }
            at = start + 1;
            if let Some(Found { end, label }) = found {
                at = at.max(end);
                show(start..at, label);
            }
        }
        // One byte tells nothing.
        if is_whole { text.len() } else { at.max(text.len().saturating_sub(1)) }
    }

    fn most_held(&self) -> usize {
        self.longest.saturating_mul(HELD_PER_BYTE).clamp(LEAST_HELD, MOST_HELD)
    }

    /// The longest secret that begins here.
    fn at(&self, raw: &Raw<'_>, start: usize, flags: u8, steps: &mut Steps) -> Option<Found> {
        let (byte, next) = raw.byte(start)?;
        let all = self.patterns.all();
        let mut found = None;
        if !begins_escape(byte) || byte == b'+' {
            if flags & PLAIN != 0 {
                self.follow(raw, (start, all), DEPTH, steps, &mut found);
            }
            self.at_digit(raw, (byte, next), flags, steps, &mut found);
            return found;
        }
        self.follow(raw, (start, all), DEPTH, steps, &mut found);
        for way in raw.readings(start, DEPTH).as_slice() {
            if let Some(byte) = way.single() {
                self.at_digit(raw, (byte, way.next), flags, steps, &mut found);
            }
        }
        found
    }

    /// What begins with a digit.
    fn at_digit(
        &self,
        raw: &Raw<'_>,
        (byte, next): (u8, usize),
        flags: u8,
        steps: &mut Steps,
        found: &mut Option<Found>,
    ) {
        let Some(starts) = &self.starts else { return };
        let mut begin = |code: Code, bits: u8| {
            let Some(value) = code.digit(byte) else { return };
            let digits = Digits { text: raw, code };
            let place = digits.place(value, bits, next);
            let begins = match digits.two(place) {
                Ok(Some((first, second))) => starts.begin(first, second),
                Ok(None) => true,
                Err(NoDigit) => false,
            };
            if begins {
                self.follow(&digits, (place, self.patterns.all()), DEPTH_IN_DIGITS, steps, found);
            }
        };
        if flags & HEX != 0 {
            begin(Code::Hex, 4);
        }
        for (flag, bits) in BASE64 {
            if flags & flag != 0 {
                begin(Code::Base64, bits);
            }
        }
    }

    /// Reads on from a place in every way for as long as a secret may come of it.
    fn follow<G: Ground>(
        &self,
        ground: &G,
        start: (G::Place, Candidates),
        depth: usize,
        steps: &mut Steps,
        found: &mut Option<Found>,
    ) {
        let mut open: Vec<(G::Place, Candidates)> = Vec::new();
        let mut here = Some(start);
        while let Some((at, candidates)) = here {
            let cost = self.step(ground, (at, candidates), depth, &mut |state, label| {
                let (next, candidates) = state;
                if let Some(label) = label {
                    note(found, Found { end: ground.raw(next), label });
                }
                if self.patterns.go_on(candidates) && !open.contains(&state) {
                    open.push(state);
                }
            });
            // In order, so that each place is read from once, whatever led there.
            let first = open.iter().enumerate().min_by_key(|(_, (place, _))| *place).map(|(index, _)| index);
            here = first.map(|index| open.swap_remove(index));
            // To begin is paid for by the text.
            if let Some((at, _)) = here
                && !steps.take(cost + open.len() / OPEN_PER_STEP)
            {
                note(found, Found { end: ground.raw(at), label: SECRET });
                return;
            }
        }
    }

    /// One step on, in every way. Gives what it costs.
    fn step<G: Ground>(
        &self,
        ground: &G,
        (at, candidates): (G::Place, Candidates),
        depth: usize,
        reached: &mut dyn FnMut((G::Place, Candidates), Option<&'static str>),
    ) -> usize {
        let Some((byte, next)) = ground.byte(at) else { return 1 };
        if !begins_escape(byte) {
            if let Some(candidates) = self.patterns.after(candidates, byte) {
                reached((next, candidates), self.patterns.label_of_most(candidates));
            }
            if let Some(next) = reading::passed_over(ground, byte, next, depth)
                && let Some(candidates) = candidates.pass_over()
            {
                reached((next, candidates), None);
            }
            return 1;
        }
        for way in ground.readings(at, depth).as_slice() {
            let read = |candidates, byte: &u8| self.patterns.after(candidates, *byte);
            if let Some(candidates) = way.bytes().iter().try_fold(candidates, read) {
                reached((way.next, candidates), self.patterns.label_of_most(candidates));
            }
            if let Some(next) = way.passed_over(ground, depth)
                && let Some(candidates) = candidates.pass_over()
            {
                reached((next, candidates), None);
            }
        }
        STEPS_PER_ESCAPE
    }
}

/// The longest is kept, and of two that are as long the first.
fn note(found: &mut Option<Found>, new: Found) {
    if found.is_none_or(|found| new.end > found.end) {
        *found = Some(new);
    }
}

/// What may be spent on looking.
struct Steps {
    left: usize,
    /// Up to where the text has paid for it.
    until: usize,
}

impl Steps {
    fn reach(&mut self, at: usize) {
        self.left = MOST_STEPS.min(self.left + at.saturating_sub(self.until).saturating_mul(STEPS_PER_BYTE));
        self.until = at;
    }

    fn take(&mut self, steps: usize) -> bool {
        match self.left.checked_sub(steps) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

/// A text, and what of it is written anew so far.
struct Masked<'a> {
    text: &'a [u8],
    written: Option<Vec<u8>>,
    copied: usize,
}

impl<'a> Masked<'a> {
    fn of(text: &'a [u8]) -> Masked<'a> {
        Masked { text, written: None, copied: 0 }
    }

    fn put(&mut self, range: Range<usize>, label: &str) {
        let written = self.written.get_or_insert_with(|| Vec::with_capacity(self.text.len()));
        written.extend_from_slice(&self.text[self.copied..range.start]);
        written.extend_from_slice(label.as_bytes());
        self.copied = range.end;
    }

    /// What is written of the text up to there, if it differs.
    fn finish(self, end: usize) -> Option<Vec<u8>> {
        let mut written = self.written?;
        written.extend_from_slice(&self.text[self.copied..end]);
        Some(written)
    }
}

/// Masks one body, chunk after chunk.
#[derive(Debug, Default)]
pub struct Masker {
    /// The end of what came, held back since a secret may have begun in it.
    held: Vec<u8>,
    /// How much there has to be before it is looked at again: twice what was held back, so that a text in tiny chunks is
    /// looked at no more than twice.
    enough: usize,
}

impl Masker {
    /// Takes a chunk and gives what can't be part of a secret any more, masked.
    pub fn push(&mut self, mask: &Mask, chunk: Bytes) -> Bytes {
        if mask.is_empty() {
            return chunk;
        }
        let text = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            if self.held.len() < self.enough {
                return Bytes::new();
            }
            std::mem::take(&mut self.held).into()
        };
        let (settled, rest) = pass(mask, text, false);
        self.enough = 2 * rest.len();
        self.held = rest.into();
        settled
    }

    /// Gives the rest, at the end of the body.
    pub fn finish(&mut self, mask: &Mask) -> Bytes {
        pass(mask, std::mem::take(&mut self.held).into(), true).0
    }
}

/// What is settled of a text, masked, and the rest.
fn pass(mask: &Mask, mut text: Bytes, is_whole: bool) -> (Bytes, Bytes) {
    let mut masked = Masked::of(&text);
    let settled = mask.scan(&text, is_whole, &mut |range, label| masked.put(range, label));
    let masked = masked.finish(settled);
    let rest = text.split_off(settled);
    (masked.map_or(text, Bytes::from), rest)
}

#[cfg(test)]
mod tests;
