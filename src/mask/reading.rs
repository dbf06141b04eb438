//! The ways to decode a text from a place: as it is, or as an escape of JSON and similar languages, of XML and HTML, of
//! URLs and forms; and as escapes within escapes. Nothing is decided here: a secret may itself look like an escape.

use super::entities;

/// How many times a text may have been escaped: JSON in JSON in a query is three times.
pub(super) const DEPTH: usize = 3;

/// The most ways that are looked at in one place: a run of backslashes may stand for 1, 2, 4 or 8 of itself, and what is
/// behind it for a few characters.
const MOST: usize = 12;

/// The most digits of a character reference, leading zeros and all.
const MOST_DIGITS: usize = 32;

/// A text that is read byte by byte, from any place.
pub(super) trait Ground {
    type Place: Copy + Ord + Default;

    /// The byte at a place, and the place behind it; nothing at the end.
    fn byte(&self, at: Self::Place) -> Option<(u8, Self::Place)>;

    /// Where in the raw text a place is.
    fn raw(&self, at: Self::Place) -> usize;

    /// All ways to read on from a place.
    fn readings(&self, at: Self::Place, depth: usize) -> Readings<Self::Place>
    where
        Self: Sized,
    {
        Readings::of(self, at, depth)
    }
}

/// One way to read on: these bytes, and the rest from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading<P> {
    bytes: [u8; 4],
    length: u8,
    /// How many escapes deep it is.
    level: u8,
    pub(super) next: P,
}

impl<P> Reading<P> {
    fn byte(byte: u8, next: P) -> Reading<P> {
        Reading { bytes: [byte, 0, 0, 0], length: 1, level: 0, next }
    }

    fn char(c: char, next: P) -> Reading<P> {
        let mut bytes = [0; 4];
        let length = c.encode_utf8(&mut bytes).len();
        Reading { bytes, length: u8::try_from(length).unwrap_or(0), level: 0, next }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The place behind it, if it is a character that nobody sees, or begins one.
    pub(super) fn passed_over<G: Ground<Place = P>>(&self, ground: &G, depth: usize) -> Option<P>
    where
        P: Copy + Ord + Default,
    {
        match self.single() {
            Some(byte) => passed_over(ground, byte, self.next, depth),
            None => PASSED_OVER.contains(&self.bytes()).then_some(self.next),
        }
    }

    /// The byte, where it is one.
    pub(super) fn single(&self) -> Option<u8> {
        (self.length == 1).then_some(self.bytes[0])
    }
}

/// All ways to read on from one place, the plainest first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readings<P> {
    ways: [Reading<P>; MOST],
    count: usize,
}

impl<P: Copy + Ord + Default> Readings<P> {
    fn push(&mut self, way: Reading<P>, level: u8) {
        let is_known = |known: &Reading<P>| known.bytes() == way.bytes() && known.next == way.next;
        if self.count < MOST && !self.as_slice().iter().any(is_known) {
            self.ways[self.count] = Reading { level, ..way };
            self.count += 1;
        }
    }

    pub(super) fn as_slice(&self) -> &[Reading<P>] {
        &self.ways[..self.count]
    }

    /// At most so many escapes deep.
    pub(super) fn of<G: Ground<Place = P>>(ground: &G, at: P, depth: usize) -> Readings<P> {
        let mut readings = Readings { ways: [Reading::default(); MOST], count: 0 };
        let Some((byte, next)) = ground.byte(at) else { return readings };
        readings.push(Reading::byte(byte, next), 0);
        if !begins_escape(byte) || depth == 0 {
            return readings;
        }
        let mut place = 0;
        if byte == b'\\' {
            place = readings.backslashes(ground, next, depth);
        }
        // What one level reads may begin an escape of the next.
        while place < readings.count {
            let way = readings.ways[place];
            if usize::from(way.level) < depth
                && let Some(first) = way.single()
            {
                Escape { ground, depth: depth - 1, level: way.level + 1 }.read(first, way.next, &mut readings);
            }
            place += 1;
        }
        readings
    }

    /// Reads on behind a backslash. Each level writes two for one, so of several only 1, 2, 4 and so on stand for one. To
    /// try each with each would be much, and texts of backslashes are easily made. Gives how many ways are done with.
    fn backslashes<G: Ground<Place = P>>(&mut self, ground: &G, mut end: P, depth: usize) -> usize {
        let (mut run, most) = (1_u32, 1 << depth);
        while run < most
            && let Some((b'\\', next)) = ground.byte(end)
        {
            (run, end) = (run + 1, next);
            if run.is_power_of_two() {
                self.push(Reading::byte(b'\\', end), log2(run));
            }
        }
        let done = self.count;
        // Of more than these, nothing comes but backslashes.
        if run < most {
            for place in 0..done {
                let way = self.ways[place];
                let escape = Escape { ground, depth: depth - 1, level: way.level + 1 };
                escape.backslash(way.next, end, self);
            }
        }
        done
    }
}

/// Characters that may stand within a secret and are no part of it: what UTF-16 and UTF-32 have beside ASCII, line ends, and
/// what has no width (U+00AD, U+200B to U+200D, U+2060, U+FEFF).
const PASSED_OVER: [&[u8]; 9] = [
    b"\0",
    b"\r",
    b"\n",
    b"\xc2\xad",
    b"\xe2\x80\x8b",
    b"\xe2\x80\x8c",
    b"\xe2\x80\x8d",
    b"\xe2\x81\xa0",
    b"\xef\xbb\xbf",
];

/// What such characters begin with.
pub(super) fn begins_passed_over(byte: u8) -> bool {
    matches!(byte, 0 | b'\r' | b'\n' | 0xc2 | 0xe2 | 0xef)
}

/// The place behind a character that nobody sees, if one begins with this byte, behind which is `next`. Its bytes may be escaped
/// one by one.
pub(super) fn passed_over<G: Ground>(ground: &G, byte: u8, next: G::Place, depth: usize) -> Option<G::Place> {
    if !begins_passed_over(byte) {
        return None;
    }
    let (mut bytes, mut length, mut end) = ([byte, 0, 0], 1, next);
    while !PASSED_OVER.contains(&&bytes[..length]) {
        let slot = bytes.get_mut(length)?;
        let (byte, next) = ground.byte(end)?;
        (*slot, end) = match begins_escape(byte) && depth > 0 {
            false => (byte, next),
            true => {
                let readings = ground.readings(end, depth);
                let mut ways = readings.as_slice().iter();
                ways.find_map(|way| way.single().filter(|byte| !byte.is_ascii()).map(|byte| (byte, way.next)))?
            }
        };
        length += 1;
    }
    Some(end)
}

/// Whether an escape may begin with it.
pub(super) fn begins_escape(byte: u8) -> bool {
    matches!(byte, b'\\' | b'&' | b'%' | b'+')
}

/// Whether a backslash before it may stand for nothing but that.
fn is_quoted(byte: u8) -> bool {
    byte.is_ascii_punctuation() || byte == b' '
}

fn log2(run: u32) -> u8 {
    u8::try_from(run.ilog2()).unwrap_or(u8::MAX)
}

/// Whether an escape may begin so.
pub(super) fn may_escape(first: u8, second: u8) -> bool {
    match first {
        b'\\' => is_quoted(second) || b"bfnrtuUx".contains(&second),
        b'&' => second.is_ascii_alphanumeric() || second == b'#' || begins_escape(second),
        b'%' => second.is_ascii_hexdigit() || second == b'u' || begins_escape(second),
        _ => false,
    }
}

/// Reads escapes, of which each character may be an escape again.
struct Escape<'a, G> {
    ground: &'a G,
    /// How deep escapes may be in the rest of it.
    depth: usize,
    /// How deep it is itself.
    level: u8,
}

impl<G: Ground> Escape<'_, G> {
    fn read(&self, first: u8, at: G::Place, out: &mut Readings<G::Place>) {
        match first {
            b'\\' => self.backslash(at, at, out),
            b'%' => self.percent(at, out),
            b'&' => self.reference(at, out),
            // As forms have it.
            b'+' => out.push(Reading::byte(b' ', at), self.level),
            _ => {}
        }
    }

    /// The first way to read a byte here that fits.
    fn one(&self, at: G::Place, fits: impl Fn(u8) -> bool) -> Option<(u8, G::Place)> {
        let (byte, next) = self.ground.byte(at)?;
        if !begins_escape(byte) || self.depth == 0 {
            return fits(byte).then_some((byte, next));
        }
        let readings = self.ground.readings(at, self.depth);
        let mut ways = readings.as_slice().iter();
        ways.find_map(|way| way.single().filter(|byte| fits(*byte)).map(|byte| (byte, way.next)))
    }

    fn this(&self, at: G::Place, wanted: u8) -> Option<G::Place> {
        self.one(at, |byte| byte == wanted).map(|(_, next)| next)
    }

    /// JSON's escapes, and those of the languages that write texts as it does. Backslashes up to `done` are read already.
    fn backslash(&self, at: G::Place, done: G::Place, out: &mut Readings<G::Place>) {
        let mut second = |byte: u8, next: G::Place| match byte {
            b'\\' if next <= done => {}
            b'b' => out.push(Reading::byte(8, next), self.level),
            b'f' => out.push(Reading::byte(12, next), self.level),
            b'n' => out.push(Reading::byte(b'\n', next), self.level),
            b'r' => out.push(Reading::byte(b'\r', next), self.level),
            b't' => out.push(Reading::byte(b'\t', next), self.level),
            b'u' => {
                let in_braces = self.this(next, b'{').and_then(|at| self.in_braces(at));
                let unit = in_braces.or_else(|| self.of_units(next, Unit::Backslash));
                self.char(unit, out);
            }
            b'U' => self.char(self.digits(next, 16, 8..=8), out),
            b'x' => self.octet(next, out),
            // What begins an escape of another kind is not written so, and would be read in two ways.
            byte if byte == b'\\' || !begins_escape(byte) && is_quoted(byte) => {
                out.push(Reading::byte(byte, next), self.level)
            }
            _ => {}
        };
        if self.depth == 0 {
            if let Some((byte, next)) = self.ground.byte(at) {
                second(byte, next);
            }
            return;
        }
        for way in self.ground.readings(at, self.depth).as_slice() {
            if let Some(byte) = way.single() {
                second(byte, way.next);
            }
        }
    }

    fn in_braces(&self, at: G::Place) -> Option<(u32, G::Place)> {
        let (value, next) = self.digits(at, 16, 1..=8)?;
        Some((value, self.this(next, b'}')?))
    }

    /// RFC 3986, and what `escape` of JavaScript makes of characters beyond ASCII.
    fn percent(&self, at: G::Place, out: &mut Readings<G::Place>) {
        match self.one(at, |byte| byte == b'u' || byte.is_ascii_hexdigit()) {
            Some((b'u', next)) => self.char(self.of_units(next, Unit::Percent), out),
            Some(_) => self.octet(at, out),
            None => {}
        }
    }

    /// Two hexadecimal digits: of a byte, or of a character of Latin-1.
    fn octet(&self, at: G::Place, out: &mut Readings<G::Place>) {
        let Some((value, next)) = self.digits(at, 16, 2..=2) else { return };
        if let Ok(byte) = u8::try_from(value) {
            out.push(Reading::byte(byte, next), self.level);
            if !byte.is_ascii() {
                out.push(Reading::char(char::from(byte), next), self.level);
            }
        }
    }

    /// Character references of XML and HTML, by number or by name, also without the semicolon, as browsers read them.
    fn reference(&self, at: G::Place, out: &mut Readings<G::Place>) {
        match self.one(at, |byte| byte == b'#' || byte.is_ascii_alphanumeric()) {
            Some((b'#', _)) => {
                self.char(self.of_units(at, Unit::Reference), out);
                // What follows a number without a semicolon may be the next character, and no further digit.
                return self.char(Escape { depth: 0, ..*self }.of_units(at, Unit::Reference), out);
            }
            Some(_) => {}
            None => return,
        }
        let mut name = [0; entities::LONGEST];
        let mut ends = [at; entities::LONGEST];
        let mut length = 0;
        let mut end = at;
        while length < entities::LONGEST
            && let Some((byte, next)) = self.one(end, |byte| byte.is_ascii_alphanumeric())
        {
            (name[length], ends[length], end) = (byte, next, next);
            length += 1;
        }
        if let Some(c) = entities::named(&name[..length])
            && let Some(next) = self.this(end, b';')
        {
            out.push(Reading::char(c, next), self.level);
        }
        for short in 2..=length.min(entities::LONGEST_BARE) {
            if let Some(c) = entities::bare(&name[..short]) {
                out.push(Reading::char(c, ends[short - 1]), self.level);
            }
        }
    }

    fn char(&self, value: Option<(u32, G::Place)>, out: &mut Readings<G::Place>) {
        if let Some((value, next)) = value
            && let Some(c) = char::from_u32(value)
        {
            out.push(Reading::char(c, next), self.level);
        }
    }

    /// A number, or the character that two of them make as a surrogate pair.
    fn of_units(&self, at: G::Place, unit: Unit) -> Option<(u32, G::Place)> {
        let (high, next) = self.unit(at, unit)?;
        if !(0xD800..0xDC00).contains(&high) {
            return Some((high, next));
        }
        let first = match unit {
            Unit::Backslash => b'\\',
            Unit::Percent => b'%',
            Unit::Reference => b'&',
        };
        // What begins the other half may stand for itself here, or be the end of an escape.
        self.ground.readings(next, self.depth).as_slice().iter().find_map(|way| {
            let at = (way.single() == Some(first)).then_some(way.next)?;
            let at = if unit == Unit::Reference { at } else { self.this(at, b'u')? };
            let (low, next) = self.unit(at, unit)?;
            (0xDC00..0xE000).contains(&low).then(|| (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), next))
        })
    }

    fn unit(&self, at: G::Place, unit: Unit) -> Option<(u32, G::Place)> {
        if unit != Unit::Reference {
            return self.digits(at, 16, 4..=4);
        }
        let at = self.this(at, b'#')?;
        let (value, end) = match self.one(at, |byte| byte == b'x' || byte == b'X') {
            Some((_, at)) => self.digits(at, 16, 1..=MOST_DIGITS)?,
            None => self.digits(at, 10, 1..=MOST_DIGITS)?,
        };
        Some((value, self.this(end, b';').unwrap_or(end)))
    }

    /// A number of so many digits, or as many as there are.
    fn digits(&self, at: G::Place, radix: u32, count: std::ops::RangeInclusive<usize>) -> Option<(u32, G::Place)> {
        let (mut value, mut end, mut read) = (0_u32, at, 0);
        let is_digit = |byte: u8| char::from(byte).is_digit(radix);
        while read < *count.end()
            && let Some((byte, next)) = self.one(end, is_digit)
        {
            let digit = char::from(byte).to_digit(radix).unwrap_or(0);
            value = value.saturating_mul(radix).saturating_add(digit);
            (end, read) = (next, read + 1);
        }
        (read >= *count.start()).then_some((value, end))
    }
}

/// How the halves of a surrogate pair are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Backslash,
    Percent,
    Reference,
}
