//! The document in an answer: OpenNebula sends a whole XML document as the text of a `<string>`, escaped. It is many
//! megabytes, so it is unescaped as it comes, and never held whole.

use std::io::{self, BufRead, Read};

/// No entity is longer (`&#x10FFFF;`), and neither is what begins or ends a CDATA section.
const LONGEST: usize = 10;

const CDATA: &[u8] = b"<![CDATA[";
const CDATA_END: &[u8] = b"]]>";

/// Reads the text that begins at the body's place, up to the end tag that follows it.
#[derive(Debug)]
pub(crate) struct Text<B> {
    body: B,
    /// What is unescaped: `at..end` of it, which has not been read yet.
    ready: Vec<u8>,
    at: usize,
    end: usize,
    /// What may become an entity, a CDATA section or the end tag, and is not whole yet.
    begun: Vec<u8>,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Text,
    Entity,
    Markup,
    Cdata,
    End,
}

impl<B: BufRead> Text<B> {
    pub(crate) fn new(body: B) -> Self {
        Text { body, ready: Vec::new(), at: 0, end: 0, begun: Vec::new(), part: Part::Text }
    }

    /// What of the body follows the text, from its end tag on. Behind the document stands nothing but space.
    pub(crate) fn rest(mut self) -> io::Result<impl BufRead> {
        loop {
            let found = self.fill_buf()?;
            if found.is_empty() {
                return Ok(io::Cursor::new(self.begun).chain(self.body));
            }
            if !found.trim_ascii().is_empty() {
                return Err(invalid("something stands behind the document in the answer"));
            }
            let length = found.len();
            self.consume(length);
        }
    }

    /// Unescapes one piece of the body.
    fn advance(&mut self) -> io::Result<()> {
        (self.at, self.end) = (0, 0);
        let piece = self.body.fill_buf()?;
        if piece.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended within the document"));
        }
        // Unescaped, it is no longer; but what has begun in the piece before may come with it.
        let room = piece.len() + LONGEST;
        if self.ready.len() < room {
            self.ready.resize(room, 0);
        }
        let mut at = 0;
        while at < piece.len() && self.part != Part::End {
            match self.part {
                Part::Text => {
                    let (read, written) = plain(&piece[at..], &mut self.ready[self.end..], &mut self.part);
                    at += read;
                    self.end += written;
                }
                Part::Entity => {
                    self.begun.push(piece[at]);
                    at += 1;
                    if self.begun.ends_with(b";") {
                        self.end += unescape(&self.begun, &mut self.ready[self.end..])?;
                        self.begun.clear();
                        self.part = Part::Text;
                    } else if self.begun.len() > LONGEST {
                        return Err(invalid("the answer is not XML: an entity in it does not end"));
                    }
                }
                Part::Markup => {
                    self.begun.push(piece[at]);
                    at += 1;
                    if self.begun == CDATA {
                        self.begun.clear();
                        self.part = Part::Cdata;
                    } else if !CDATA.starts_with(&self.begun) {
                        self.part = Part::End;
                    }
                }
                Part::Cdata => {
                    self.begun.push(piece[at]);
                    at += 1;
                    if self.begun == CDATA_END {
                        self.begun.clear();
                        self.part = Part::Text;
                    }
                    while !CDATA_END.starts_with(&self.begun) {
                        self.ready[self.end] = self.begun.remove(0);
                        self.end += 1;
                    }
                }
                Part::End => {}
            }
        }
        self.body.consume(at);
        Ok(())
    }
}

impl<B: BufRead> Read for Text<B> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(into.len());
        into[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<B: BufRead> BufRead for Text<B> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at >= self.end && self.part != Part::End {
            self.advance()?;
        }
        Ok(&self.ready[self.at..self.end])
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.end.min(self.at + amount);
    }
}

/// Unescapes what is text and the entities that are nearly all there are, eight bytes at a time: there is an entity every
/// few bytes, and a copy of its own for each stretch between them takes longer than all else. Stops before anything else,
/// says what part that is, and gives how far it came in the piece and in what it wrote.
fn plain(piece: &[u8], into: &mut [u8], part: &mut Part) -> (usize, usize) {
    let (mut at, mut end) = (0, 0);
    while let Some(byte) = piece.get(at) {
        if !matches!(byte, b'&' | b'<') {
            let length = match (piece[at..].first_chunk::<8>(), into[end..].first_chunk_mut::<8>()) {
                (Some(eight), Some(room)) => {
                    *room = *eight;
                    before_markup(u64::from_le_bytes(*eight))
                }
                _ => {
                    into[end] = *byte;
                    1
                }
            };
            at += length;
            end += length;
            continue;
        }
        into[end] = match piece[at..].first_chunk() {
            Some(b"&lt;") => b'<',
            Some(b"&gt;") => b'>',
            _ => {
                *part = if *byte == b'&' { Part::Entity } else { Part::Markup };
                break;
            }
        };
        at += 4;
        end += 1;
    }
    (at, end)
}

/// How many of eight bytes come before the first `&` or `<`. A byte of `x` is zero where the two are the same, and only a zero
/// byte, or one above a zero byte, borrows into its highest bit.
fn before_markup(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let hits = |byte: u8| {
        let x = word ^ (ONES * u64::from(byte));
        x.wrapping_sub(ONES) & !x & HIGHS
    };
    (hits(b'&') | hits(b'<')).trailing_zeros() as usize / 8
}

/// `&lt;` and its like, with the ampersand and the semicolon. Gives how much it wrote.
fn unescape(entity: &[u8], into: &mut [u8]) -> io::Result<usize> {
    let number = |digits: &[u8], radix: u32| {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        char::from_u32(u32::from_str_radix(digits, radix).ok()?)
    };
    let found = match &entity[1..entity.len() - 1] {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x' | b'X', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    };
    let found = found.ok_or_else(|| invalid("the answer is not XML: an entity in it is not known"))?;
    Ok(found.encode_utf8(into).len())
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, and what follows it, read in pieces of that many bytes.
    fn read(body: &str, piece: usize) -> io::Result<(String, String)> {
        let mut text = Text::new(io::BufReader::with_capacity(piece, body.as_bytes()));
        let mut found = String::new();
        text.read_to_string(&mut found)?;
        let mut rest = String::new();
        text.rest()?.read_to_string(&mut rest)?;
        Ok((found, rest))
    }

    #[test]
    fn a_text_is_unescaped_wherever_it_is_cut() {
        let body = "&lt;A&gt;b &amp;amp; &quot;&apos;&#233;&#x20AC;<![CDATA[&lt;c]]]&gt;<x>]]>d&lt;/A&gt;</string><z/>";
        for piece in 1..body.len() {
            let (text, rest) = read(body, piece).expect("a text");
            assert_eq!(text, "<A>b &amp; \"'é€&lt;c]]]&gt;<x>d</A>", "{piece}");
            assert_eq!(rest, "</string><z/>", "{piece}");
        }
    }

    #[test]
    fn what_is_no_text_is_an_error() {
        for body in ["&lt;A&gt;", "a", "", "a&lt", "<![CDATA[a]]"] {
            assert_eq!(read(body, 3).map_err(|e| e.kind()), Err(io::ErrorKind::UnexpectedEof), "{body}");
        }
        for body in ["&nbsp;</string>", "&#xD800;</string>", "&#+9;</string>", "&;</string>", "& and so on</string>"] {
            assert_eq!(read(body, 3).map_err(|e| e.kind()), Err(io::ErrorKind::InvalidData), "{body}");
        }
        let mut text = Text::new(&b"  x</string>"[..]);
        text.consume(0);
        assert!(text.rest().is_err(), "something stands behind the document");
    }
}
