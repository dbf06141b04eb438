//! XML answers, read as they come: a pull reader for the XML that APIs answer with. It holds a window of
//! the document and never the whole of it, and hands out text where it lies in that window.
//!
//! It is made for lists of thousands of records of which a driver wants a tenth: what is asked for is
//! checked (names that match, UTF-8, entities), what is skipped is only balanced. A list of 3 MB takes a third
//! of what a general parser takes for it, on a budget of milliseconds. No DOCTYPE is read, so there are
//! no entities to expand but XML's own five and numbers.
//!
//! ```
//! use tracker_driver_sdk::xml::Reader;
//!
//! let mut xml = Reader::new(&b"<list><item><id>7</id><size>9</size></item></list>"[..]);
//! xml.root("list")?;
//! while let Some(name) = xml.child()? {
//!     assert_eq!(name, "item");
//!     while let Some(name) = xml.child()? {
//!         match name {
//!             "id" => assert_eq!(xml.text()?, "7"),
//!             _ => xml.skip()?,
//!         }
//!     }
//! }
//! # Ok::<(), tracker_driver_sdk::Error>(())
//! ```

mod entity;
mod window;

use std::io::BufRead;

use crate::Error;
use crate::error::quote;
use window::Window;

/// How deep elements may stand in one another.
const DEPTH: usize = 128;

/// Reads one document from its root down. There is always a current element; each call enters a child of
/// it, leaves it, or both.
#[derive(Debug)]
pub struct Reader<R> {
    window: Window<R>,
    /// The names of the elements that are open, one behind the other.
    names: String,
    /// Where in `names` each open element's name begins.
    open: Vec<usize>,
    /// The attributes of the element last entered, as they were written.
    attributes: Vec<u8>,
    /// The element last entered was written `<name/>`: it has no end tag to come.
    empty: bool,
    /// Some name so far had a prefix: mostly none has, and none need be looked for.
    prefixed: bool,
    /// Text that had to be put together: entities, CDATA, comments in between.
    assembled: Vec<u8>,
}

/// What the text of an element turned out to be.
enum Text {
    /// So many bytes at the window's start, as they are, and so many with the end tag behind them.
    Plain { length: usize, with_tag: usize },
    /// It stands in `assembled`.
    Assembled,
    /// An element stands in it, at the window's start or behind some text. The current element is still open.
    Elements,
}

impl<R: BufRead> Reader<R> {
    pub fn new(inner: R) -> Self {
        Reader {
            window: Window::new(inner),
            names: String::new(),
            open: Vec::new(),
            attributes: Vec::new(),
            empty: false,
            prefixed: false,
            assembled: Vec::new(),
        }
    }

    /// Enters the root element, which has to have this name.
    pub fn root(&mut self, expected: &str) -> Result<(), Error> {
        let found = self.any_root()?;
        if found == expected {
            return Ok(());
        }
        let found = quote(found.as_bytes());
        Err(Error::UnexpectedAnswer(format!("the answer is a <{found}> where <{expected}> was expected")))
    }

    /// Enters the root element, whatever its name, without its prefix.
    pub fn any_root(&mut self) -> Result<&str, Error> {
        self.window.skip_byte_order_mark()?;
        match self.window.next_unless_space()? {
            Some(b'<') => {}
            Some(_) => {
                let start = quote(self.window.rest());
                return Err(Error::UnexpectedAnswer(format!("the answer is not XML: `{start}`")));
            }
            None => {
                return Err(Error::UnexpectedAnswer("the answer is empty where XML was expected".to_owned()));
            }
        }
        match self.child()? {
            Some(_) => Ok(self.name()),
            None => Err(Error::UnexpectedAnswer("the answer has no root element".to_owned())),
        }
    }

    /// Enters the current element's next child and gives its name without its prefix; or, where there is no
    /// further one, leaves the current element. Text between children is passed over.
    pub fn child(&mut self) -> Result<Option<&str>, Error> {
        if self.empty {
            self.leave();
            return Ok(None);
        }
        loop {
            if !self.window.find_markup()? {
                return Err(self.broken_off());
            }
            match self.window.byte(1)? {
                Some(b'/') => {
                    self.end_tag()?;
                    return Ok(None);
                }
                Some(b'!' | b'?') => self.aside(false)?,
                Some(_) => {
                    self.start_tag()?;
                    return Ok(Some(self.name()));
                }
                None => return Err(self.broken_off()),
            }
        }
    }

    /// The current element's text, and leaves it. An element in it is an error.
    pub fn text(&mut self) -> Result<&str, Error> {
        let text = self.read_text()?;
        if matches!(text, Text::Elements) {
            let name = self.name().to_owned();
            return Err(Error::UnexpectedAnswer(format!("<{name}> holds elements where text was expected")));
        }
        self.legible(text)
    }

    /// The current element's text, and leaves it. Or nothing where an element stands in it, which is then still open, for
    /// [`Reader::child`] or [`Reader::skip`]: for members that have more than one form.
    pub fn text_if_plain(&mut self) -> Result<Option<&str>, Error> {
        match self.read_text()? {
            Text::Elements => Ok(None),
            text => self.legible(text).map(Some),
        }
    }

    /// A text that was read, where it is UTF-8.
    fn legible(&mut self, text: Text) -> Result<&str, Error> {
        let bytes = match text {
            Text::Plain { length, with_tag } => &self.window.take(with_tag)[..length],
            Text::Assembled | Text::Elements => &self.assembled,
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(_) => Err(Error::UnexpectedAnswer(format!("the answer is not UTF-8: `{}`", quote(bytes)))),
        }
    }

    /// Leaves the current element with all that is in it. Its content is balanced, and not checked further.
    pub fn skip(&mut self) -> Result<(), Error> {
        if self.empty {
            self.leave();
            return Ok(());
        }
        let mut depth = 0;
        loop {
            if !self.window.skip_balanced(&mut depth)? {
                return Err(self.broken_off());
            }
            match self.window.byte(1)? {
                Some(b'/') => return self.end_tag(),
                Some(_) => self.aside(false)?,
                None => return Err(self.broken_off()),
            }
        }
    }

    /// An attribute of the element that was entered last, while nothing has been read of it.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, Error> {
        entity::attribute(&self.attributes, name)
    }

    /// The name of the current element, without its prefix.
    fn name(&self) -> &str {
        let name = self.full_name();
        if self.prefixed { name.split_once(':').map_or(name, |(_, local)| local) } else { name }
    }

    /// The name of the current element as it is written.
    fn full_name(&self) -> &str {
        self.open.last().map_or("", |start| &self.names[*start..])
    }

    fn enter(&mut self, length: usize) -> Result<(), Error> {
        if self.open.len() >= DEPTH {
            return Err(Error::UnexpectedAnswer(format!("the answer's elements stand more than {DEPTH} deep")));
        }
        let name = &self.window.rest()[1..=length];
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(Error::UnexpectedAnswer(format!("the answer is not XML at `{}`", quote(self.window.rest()))));
        };
        self.open.push(self.names.len());
        self.names.push_str(name);
        Ok(())
    }

    fn leave(&mut self) {
        self.empty = false;
        if let Some(start) = self.open.pop() {
            self.names.truncate(start);
        }
    }

    /// `<name attributes>` or `<name/>` at the window's start.
    fn start_tag(&mut self) -> Result<(), Error> {
        self.attributes.clear();
        // Nearly all tags are a plain name, and that is all that is to be known of them.
        if let Some(length) = self.window.plain_tag() {
            self.enter(length)?;
            self.window.pass(length + 2);
            self.empty = false;
            return Ok(());
        }
        let Some(end) = self.window.tag_end()? else { return Err(self.broken_off()) };
        let inside = &self.window.rest()[1..end];
        let (inside, empty) = match inside {
            [inside @ .., b'/'] => (inside, true),
            _ => (inside, false),
        };
        let length = inside.iter().position(u8::is_ascii_whitespace).unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(length);
        if name.iter().any(|byte| b"<=\"'&/".contains(byte)) {
            return Err(Error::UnexpectedAnswer(format!("the answer is not XML at `{}`", quote(self.window.rest()))));
        }
        self.attributes.extend_from_slice(attributes);
        self.prefixed |= name.contains(&b':');
        self.enter(length)?;
        self.window.pass(end + 1);
        self.empty = empty;
        Ok(())
    }

    /// Leaves the current element by its end tag at the window's start.
    fn end_tag(&mut self) -> Result<(), Error> {
        let length = self.matching_end_tag(0)?;
        self.window.pass(length);
        self.leave();
        Ok(())
    }

    /// Checks that the end tag so many bytes ahead is the current element's, and gives where it ends.
    fn matching_end_tag(&mut self, ahead: usize) -> Result<usize, Error> {
        let name = self.open.last().map_or("", |start| &self.names[*start..]);
        let tag = self.window.rest().get(ahead + 2..).unwrap_or_default();
        if tag.starts_with(name.as_bytes()) && tag.get(name.len()) == Some(&b'>') {
            return Ok(ahead + name.len() + 3);
        }
        let Some(end) = self.window.find(b'>', ahead + 2)? else { return Err(self.broken_off()) };
        let tag = &self.window.rest()[ahead + 2..end];
        if tag.trim_ascii_end() == self.full_name().as_bytes() {
            return Ok(end + 1);
        }
        let (found, name) = (quote(tag), quote(self.full_name().as_bytes()));
        Err(Error::UnexpectedAnswer(format!("the answer is not XML: </{found}> where </{name}> was expected")))
    }

    /// What is no element, at the window's start: a comment, CDATA, a processing instruction. CDATA is kept
    /// as text where text is being read.
    fn aside(&mut self, keep: bool) -> Result<(), Error> {
        const CDATA: &[u8] = b"<![CDATA[";
        let (start, end): (usize, &[u8]) = if self.window.starts_with(b"<?")? {
            (2, b"?>")
        } else if self.window.starts_with(b"<!--")? {
            (4, b"-->")
        } else if self.window.starts_with(CDATA)? {
            (CDATA.len(), b"]]>")
        } else if self.window.starts_with(b"<!DOCTYPE")? || self.window.starts_with(b"<!doctype")? {
            let start = quote(self.window.rest());
            return Err(Error::UnexpectedAnswer(format!("the answer is not what an API answers with: `{start}`")));
        } else if self.window.rest().len() < CDATA.len() {
            return Err(self.broken_off());
        } else {
            let start = quote(self.window.rest());
            return Err(Error::UnexpectedAnswer(format!("the answer is not XML at `{start}`")));
        };
        self.window.pass(start);
        let keep = keep && end == b"]]>";
        while let Some(at) = self.window.find(end[0], 0)? {
            let piece = self.window.take(at);
            if keep {
                self.assembled.extend_from_slice(piece);
            }
            if self.window.starts_with(end)? {
                self.window.pass(end.len());
                return Ok(());
            }
            self.window.pass(1);
            if keep {
                self.assembled.push(end[0]);
            }
        }
        Err(self.broken_off())
    }

    /// Reads the current element's text up to and with its end tag. A plain text is left where it lies.
    fn read_text(&mut self) -> Result<Text, Error> {
        self.assembled.clear();
        if self.empty {
            self.leave();
            return Ok(Text::Assembled);
        }
        let mut plain = true;
        loop {
            let Some(length) = self.window.text_end(&mut plain)? else { return Err(self.broken_off()) };
            match self.window.byte(length + 1)? {
                Some(b'/') if plain => {
                    let with_tag = self.matching_end_tag(length)?;
                    self.leave();
                    return Ok(Text::Plain { length, with_tag });
                }
                Some(b'/') => {
                    entity::unescape(self.window.take(length), &mut self.assembled)?;
                    self.end_tag()?;
                    return Ok(Text::Assembled);
                }
                Some(b'!' | b'?') => {
                    entity::unescape(self.window.take(length), &mut self.assembled)?;
                    self.aside(true)?;
                    plain = false;
                }
                Some(_) => return Ok(Text::Elements),
                None => return Err(self.broken_off()),
            }
        }
    }

    /// The document ended inside an element: it was cut off, and what came of it is not an answer.
    fn broken_off(&self) -> Error {
        let inside = match self.name() {
            "" => "before its root element".to_owned(),
            name => format!("inside <{}>", quote(name.as_bytes())),
        };
        Error::Unavailable(format!("the answer broke off after {} bytes, {inside}", self.window.read()))
    }
}
