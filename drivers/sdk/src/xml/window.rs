//! The part of a document that is in hand: filled from the body as it is read, and searched eight bytes
//! at a time, for the searching is most of what reading XML costs.

use std::io::BufRead;

use crate::Error;

/// How much is in hand at once, in bytes, and what it may grow to for one tag or text.
const SIZE: usize = 64 * 1024;
const LARGEST: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Window<R> {
    inner: R,
    /// Only `at..end` is of the document.
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    /// How many bytes of the document lie before the buffer's start.
    before: u64,
}

impl<R: BufRead> Window<R> {
    pub(super) fn new(inner: R) -> Self {
        Window { inner, buffer: Vec::new(), at: 0, end: 0, before: 0 }
    }

    /// How much of the document has come so far, in bytes.
    pub(super) fn read(&self) -> u64 {
        self.before + self.end as u64
    }

    /// What is in hand.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.at..self.end]
    }

    /// Passes over so many bytes, which have to be in hand.
    pub(super) fn pass(&mut self, length: usize) {
        self.at = self.end.min(self.at + length);
    }

    /// Passes over so many bytes, which have to be in hand, and gives them.
    pub(super) fn take(&mut self, length: usize) -> &[u8] {
        let from = self.at;
        self.pass(length);
        &self.buffer[from..self.at]
    }

    /// More of the document behind what is in hand; false at its end.
    fn fill(&mut self) -> Result<bool, Error> {
        if self.at > 0 {
            self.buffer.copy_within(self.at..self.end, 0);
            self.before += self.at as u64;
            self.end -= self.at;
            self.at = 0;
        }
        loop {
            let came = match self.inner.fill_buf() {
                Ok(came) => came,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let full = self.end == self.buffer.len();
            if full && self.end >= LARGEST {
                let message = format!("the answer has a tag or text of more than {LARGEST} bytes");
                return Err(Error::UnexpectedAnswer(message));
            }
            // As large as the pieces are that come, within reason; larger where one tag or text needs it.
            let wanted = (self.end + came.len()).min(if full { self.end * 2 } else { 0 }.max(SIZE));
            if wanted > self.buffer.len() {
                self.buffer.resize(wanted, 0);
            }
            let length = came.len().min(self.buffer.len() - self.end);
            self.buffer[self.end..self.end + length].copy_from_slice(&came[..length]);
            self.inner.consume(length);
            self.end += length;
            return Ok(length > 0);
        }
    }

    /// The byte so far ahead; none where the document ends before it.
    pub(super) fn byte(&mut self, ahead: usize) -> Result<Option<u8>, Error> {
        loop {
            if let Some(byte) = self.rest().get(ahead) {
                return Ok(Some(*byte));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    pub(super) fn starts_with(&mut self, prefix: &[u8]) -> Result<bool, Error> {
        // Asked for from its first byte on, so that a short document is compared as far as it goes.
        for (ahead, expected) in prefix.iter().enumerate() {
            if self.byte(ahead)? != Some(*expected) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub(super) fn skip_byte_order_mark(&mut self) -> Result<(), Error> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if self.starts_with(MARK)? {
            self.pass(MARK.len());
        }
        Ok(())
    }

    /// Passes over space, and gives the byte behind it.
    pub(super) fn next_unless_space(&mut self) -> Result<Option<u8>, Error> {
        loop {
            match self.byte(0)? {
                Some(byte) if byte.is_ascii_whitespace() => self.pass(1),
                other => return Ok(other),
            }
        }
    }

    /// Where the next such byte is, counted from the window's start, from so far ahead on.
    pub(super) fn find(&mut self, byte: u8, ahead: usize) -> Result<Option<usize>, Error> {
        let mut from = ahead;
        loop {
            if let Some(rest) = self.rest().get(from..) {
                if let Some(found) = position(rest, [byte]) {
                    return Ok(Some(from + found));
                }
                from += rest.len();
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Passes over text up to the next `<`; false where there is none.
    pub(super) fn find_markup(&mut self) -> Result<bool, Error> {
        if self.rest().first() == Some(&b'<') {
            return Ok(true);
        }
        loop {
            if let Some(found) = position(self.rest(), [b'<']) {
                self.at += found;
                return Ok(true);
            }
            self.at = self.end;
            if !self.fill()? {
                return Ok(false);
            }
        }
    }

    /// How long the text at the window's start is. `plain` becomes false where it has an entity in it.
    pub(super) fn text_end(&mut self, plain: &mut bool) -> Result<Option<usize>, Error> {
        if *plain {
            if let Some(found) = position(self.rest(), [b'<', b'&'])
                && self.rest()[found] == b'<'
            {
                return Ok(Some(found));
            }
            let end = self.find(b'<', 0)?;
            *plain = end.is_some_and(|end| !self.rest()[..end].contains(&b'&'));
            return Ok(end);
        }
        self.find(b'<', 0)
    }

    /// How long the name in the tag at the window's start is, where the tag is `<name>`, whole and in ASCII.
    pub(super) fn plain_tag(&self) -> Option<usize> {
        let tag = self.rest().get(1..)?;
        let length = tag.iter().position(|byte| !PLAIN[usize::from(*byte)])?;
        (tag[length] == b'>').then_some(length)
    }

    /// Where the tag at the window's start ends: at the first `>` that is not in an attribute's value.
    pub(super) fn tag_end(&mut self) -> Result<Option<usize>, Error> {
        loop {
            if let Some(end) = tag_end(self.rest()) {
                return Ok(Some(end));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Passes over elements, as deep in one another as `depth` says at any time. Stops at an end tag at depth 0,
    /// or at what is no element; false where the document ends before.
    pub(super) fn skip_balanced(&mut self, depth: &mut usize) -> Result<bool, Error> {
        loop {
            let rest = self.rest();
            let mut at = 0;
            while let Some(markup) = position(&rest[at..], [b'<']) {
                at += markup;
                let length = match rest.get(at + 1) {
                    Some(b'/') if *depth > 0 => position(&rest[at + 2..], [b'>']).map(|end| {
                        *depth -= 1;
                        end + 3
                    }),
                    Some(b'/' | b'!' | b'?') => {
                        self.at += at;
                        return Ok(true);
                    }
                    Some(_) => tag_end(&rest[at..]).map(|end| {
                        if rest[at + end - 1] != b'/' {
                            *depth += 1;
                        }
                        end + 1
                    }),
                    None => None,
                };
                // Of a tag that is not whole yet nothing has been counted.
                match length {
                    Some(length) => at += length,
                    None => break,
                }
            }
            // Nothing but text behind the last tag: it need not be kept.
            let whole = position(&rest[at..], [b'<']).is_none();
            self.at = if whole { self.end } else { self.at + at };
            if !self.fill()? {
                return Ok(false);
            }
        }
    }
}

/// The bytes that a name without a prefix is made of, in ASCII.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'_' | b'-' | b'.');
        byte += 1;
    }
    plain
};

/// Where the tag that these bytes begin with ends.
fn tag_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += position(bytes.get(at..)?, [b'>', b'"', b'\''])?;
        let found = bytes[at];
        if found == b'>' {
            return Some(at);
        }
        // Past the attribute's value.
        at += 1;
        at += position(bytes.get(at..)?, [found])? + 1;
    }
}

/// Where the first of these bytes is. Eight at a time: a byte of `x` is zero where the two are the same,
/// and only a zero byte, or one above a zero byte, borrows into its highest bit.
#[inline]
fn position<const N: usize>(bytes: &[u8], wanted: [u8; N]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let (eights, rest) = bytes.as_chunks::<8>();
    for (index, eight) in eights.iter().enumerate() {
        let word = u64::from_le_bytes(*eight);
        let mut hits = 0;
        for byte in wanted {
            let x = word ^ (ONES * u64::from(byte));
            hits |= x.wrapping_sub(ONES) & !x & HIGHS;
        }
        if hits != 0 {
            return Some(index * 8 + hits.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| wanted.contains(byte)).map(|found| eights.len() * 8 + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_is() {
        for length in 0..40 {
            for place in 0..length {
                let mut bytes = vec![0x80; length];
                bytes[place] = b'<';
                if place + 1 < length {
                    bytes[place + 1] = b'=';
                }
                for later in bytes.iter_mut().skip(place + 2) {
                    *later = b'<';
                }
                assert_eq!(position(&bytes, [b'<']), Some(place), "{place} of {length}");
                assert_eq!(position(&bytes, [b'&', b'<']), Some(place), "{place} of {length}");
                assert_eq!(position(&bytes[..place], [b'<']), None);
            }
        }
    }

    #[test]
    fn a_tag_ends_outside_quotes() {
        let check = |tag: &str, expected: Option<usize>| assert_eq!(tag_end(tag.as_bytes()), expected, "{tag}");
        check("<a>b>", Some(2));
        check("<a b=\">\" c='\">'>x", Some(15));
        check("<a b=\">", None);
        check("<a", None);
        check("", None);
    }
}
