//! XML answers, read as they come: `quick-xml` under the few calls that a driver needs of it. It holds one
//! tag or text of the document at a time and never the whole of it.
//!
//! Made for lists of thousands of records of which a driver wants a tenth: the rest is skipped subtree by
//! subtree. No DOCTYPE is read, so there are no entities to expand but XML's own five and numbers.
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

use std::io::BufRead;

use quick_xml::XmlVersion;
use quick_xml::errors::SyntaxError;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};

use crate::Error;
use crate::error::quote;

/// How deep elements may stand in one another.
const DEPTH: usize = 128;

/// Reads one document from its root down. There is always a current element; each call enters a child of
/// it, leaves it, or both.
pub struct Reader<R> {
    xml: quick_xml::Reader<R>,
    /// What `quick-xml` reads the next tag or text into.
    buffer: Vec<u8>,
    /// The start tag of the element that was entered last, without the angle brackets.
    tag: String,
    /// How much of it is the name.
    name: usize,
    /// The text that was read last.
    text: String,
    depth: usize,
}

impl<R: BufRead> Reader<R> {
    pub fn new(inner: R) -> Self {
        let mut xml = quick_xml::Reader::from_reader(inner);
        // `<a/>` comes as a start and an end, like `<a></a>`.
        xml.config_mut().expand_empty_elements = true;
        Reader { xml, buffer: Vec::new(), tag: String::new(), name: 0, text: String::new(), depth: 0 }
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
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer) {
                Ok(Event::Start(start)) => {
                    self.name = start.name().as_ref().len();
                    self.tag.clear();
                    self.tag.push_str(&start);
                    break;
                }
                Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
                Ok(Event::Text(text)) if text.trim_ascii().is_empty() => {}
                Ok(Event::Eof) => {
                    return Err(Error::UnexpectedAnswer("the answer is empty where XML was expected".to_owned()));
                }
                Ok(Event::DocType(start)) => return Err(no_api(&start)),
                Ok(other) => {
                    let start = quote(other.as_bytes());
                    return Err(Error::UnexpectedAnswer(format!("the answer is not XML: `{start}`")));
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.enter()?;
        Ok(self.name())
    }

    /// Enters the current element's next child and gives its name without its prefix; or, where there is no
    /// further one, leaves the current element. Text between children is passed over.
    pub fn child(&mut self) -> Result<Option<&str>, Error> {
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer) {
                Ok(Event::Start(start)) => {
                    self.name = start.name().as_ref().len();
                    self.tag.clear();
                    self.tag.push_str(&start);
                    break;
                }
                Ok(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(None);
                }
                Ok(Event::DocType(start)) => return Err(no_api(&start)),
                Ok(Event::Eof) => return Err(self.broken_off()),
                Ok(_) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        self.enter()?;
        Ok(Some(self.name()))
    }

    /// The current element's text, and leaves it. An element in it is an error.
    pub fn text(&mut self) -> Result<&str, Error> {
        self.text.clear();
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer) {
                Ok(Event::Text(piece)) => self.text.push_str(&piece),
                Ok(Event::CData(piece)) => self.text.push_str(&piece),
                Ok(Event::GeneralRef(reference)) => self.text.push(resolve(&reference)?),
                Ok(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(&self.text);
                }
                Ok(Event::Start(_)) => {
                    let name = quote(self.name().as_bytes());
                    return Err(Error::UnexpectedAnswer(format!("<{name}> holds elements where text was expected")));
                }
                Ok(Event::DocType(start)) => return Err(no_api(&start)),
                Ok(Event::Eof) => return Err(self.broken_off()),
                Ok(_) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Leaves the current element with all that is in it. Its content is balanced, and not checked further.
    pub fn skip(&mut self) -> Result<(), Error> {
        let mut depth = 1;
        while depth > 0 {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer) {
                Ok(Event::Start(_)) => depth += 1,
                Ok(Event::End(_)) => depth -= 1,
                Ok(Event::Eof) => return Err(self.broken_off()),
                Ok(_) => {}
                Err(error) => return Err(self.failed(error)),
            }
            if self.depth + depth > DEPTH + 1 {
                return Err(too_deep());
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// An attribute of the element that was entered last, while nothing has been read of it: found by its
    /// whole name or by its name without a prefix.
    pub fn attribute(&self, name: &str) -> Result<Option<String>, Error> {
        let wrong = || Error::UnexpectedAnswer(format!("the answer is not XML at `{}`", quote(self.tag.as_bytes())));
        for attribute in BytesStart::from_content(self.tag.as_str(), self.name).attributes() {
            let attribute = attribute.map_err(|_| wrong())?;
            if attribute.key.as_ref() == name || attribute.key.local_name().as_ref() == name {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| wrong())?;
                return Ok(Some(value.into_owned()));
            }
        }
        Ok(None)
    }

    /// Takes up the start tag that was just read.
    fn enter(&mut self) -> Result<(), Error> {
        let name = self.name();
        if name.is_empty() || name.contains(['<', '=', '"', '\'', '&', '/']) {
            let tag = quote(self.tag.as_bytes());
            return Err(Error::UnexpectedAnswer(format!("the answer is not XML at `<{tag}>`")));
        }
        self.depth += 1;
        if self.depth > DEPTH { Err(too_deep()) } else { Ok(()) }
    }

    /// The name of the element that was entered last, without its prefix.
    fn name(&self) -> &str {
        let name = &self.tag[..self.name];
        name.split_once(':').map_or(name, |(_, local)| local)
    }

    fn failed(&self, error: quick_xml::Error) -> Error {
        match error {
            quick_xml::Error::Io(error) => std::io::Error::new(error.kind(), error.to_string()).into(),
            // What began and did not end before the document did.
            quick_xml::Error::Syntax(error) if error != SyntaxError::InvalidBangMarkup => self.broken_off(),
            other => Error::UnexpectedAnswer(format!("the answer is not XML: {other}")),
        }
    }

    /// The document ended inside an element: it was cut off, and what came of it is not an answer.
    fn broken_off(&self) -> Error {
        let inside = match self.name() {
            "" => "before its root element".to_owned(),
            name => format!("in or after <{}>", quote(name.as_bytes())),
        };
        Error::Unavailable(format!("the answer broke off after {} bytes, {inside}", self.xml.buffer_position()))
    }
}

/// XML's own five entities, and numbers of characters.
fn resolve(reference: &BytesRef<'_>) -> Result<char, Error> {
    let wrong = || Error::UnexpectedAnswer(format!("the answer is not XML at `&{};`", quote(reference.as_bytes())));
    if let Some(char) = reference.resolve_char_ref().map_err(|_| wrong())? {
        return Ok(char);
    }
    let text = resolve_predefined_entity(reference).ok_or_else(wrong)?;
    text.chars().next().ok_or_else(wrong)
}

fn too_deep() -> Error {
    Error::UnexpectedAnswer(format!("the answer's elements stand more than {DEPTH} deep"))
}

fn no_api(start: &str) -> Error {
    let start = quote(start.as_bytes());
    Error::UnexpectedAnswer(format!("the answer is not what an API answers with: `<!DOCTYPE {start}>`"))
}
