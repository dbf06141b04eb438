//! What every answer is in: an XML-RPC response with an array of whether the call succeeded, a document or a message, and a
//! code; or a fault, of a server that does not know the call.

use std::io::{BufRead, Read};

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;

use crate::text::Text;

/// How much stands before the document at most, in bytes.
const HEAD: usize = 4 * 1024;

/// Why there is no document.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// OpenNebula refused the call, with one of its codes.
    Refused { code: i64, message: String },
    /// The XML-RPC server did, and OpenNebula never saw the call.
    Fault { code: i64, message: String },
    /// It is no answer to a call.
    Unreadable(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Unreadable(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Unreadable(error.into())
    }
}

/// What `read` makes of the document in an answer. It is given a reader behind the document's root, which has that name.
/// The envelope has to be whole, too: an answer without its end was cut off.
pub(crate) fn document<B: BufRead, T>(
    mut body: B,
    root: &str,
    read: impl FnOnce(&mut Reader<&mut Text<&mut B>>) -> Result<T, Error>,
) -> Result<T, Failure> {
    let mut head = Vec::new();
    if !reaches_document(&mut body, &mut head)? {
        return Err(failure(&mut Reader::new(head.as_slice().chain(body)))?);
    }
    let mut text = Text::new(&mut body);
    let mut xml = Reader::new(&mut text);
    xml.root(root)?;
    let found = read(&mut xml)?;
    let rest = text.rest()?;
    match envelope(&mut Reader::new(head.as_slice().chain(rest)))? {
        Envelope::Array { succeeded: Some(true), .. } => Ok(found),
        _ => Err(not_an_answer().into()),
    }
}

/// The failure that a body is, where it is one.
pub(crate) fn failure_in(body: &[u8]) -> Option<Failure> {
    failure(&mut Reader::new(body)).ok()
}

/// Reads up to where the document begins. False where there is none: what was read of the body is in `head`, too.
fn reaches_document(body: &mut impl BufRead, head: &mut Vec<u8>) -> Result<bool, Error> {
    let mut succeeded = false;
    loop {
        let start = head.len();
        let room = HEAD.saturating_sub(start);
        if body.by_ref().take(room as u64).read_until(b'>', head)? == 0 {
            return Ok(false);
        }
        let piece = &head[start..];
        let tag = piece.iter().rposition(|byte| *byte == b'<').unwrap_or(piece.len());
        let (text, tag) = piece.split_at(tag);
        match tag {
            b"</boolean>" => succeeded = is_true(text),
            b"<string>" if succeeded => return Ok(true),
            // A value without a type is a string.
            b"<value>" if succeeded && body.fill_buf()?.first() == Some(&b'&') => return Ok(true),
            _ => {}
        }
    }
}

fn is_true(text: &[u8]) -> bool {
    matches!(text.trim_ascii(), b"1" | b"true")
}

enum Envelope {
    /// The document or message is a text here.
    Array {
        succeeded: Option<bool>,
        text: Option<String>,
        code: Option<i64>,
    },
    Fault {
        code: i64,
        message: String,
    },
}

fn failure<R: BufRead>(xml: &mut Reader<R>) -> Result<Failure, Error> {
    match envelope(xml)? {
        Envelope::Fault { code, message } => Ok(Failure::Fault { code, message }),
        Envelope::Array { succeeded: Some(false), text, code: Some(code) } => {
            Ok(Failure::Refused { code, message: quote(text.unwrap_or_default().as_bytes()) })
        }
        Envelope::Array { succeeded: Some(true), .. } => {
            Err(Error::UnexpectedAnswer("the answer has no document in it".to_owned()))
        }
        Envelope::Array { .. } => Err(not_an_answer()),
    }
}

fn not_an_answer() -> Error {
    Error::UnexpectedAnswer("the answer is not one of an OpenNebula call".to_owned())
}

fn envelope<R: BufRead>(xml: &mut Reader<R>) -> Result<Envelope, Error> {
    xml.root("methodResponse")?;
    let mut found = None;
    while let Some(name) = xml.child()? {
        match name {
            "params" => found = Some(params(xml)?),
            "fault" => found = Some(fault(xml)?),
            _ => xml.skip()?,
        }
    }
    found.ok_or_else(not_an_answer)
}

/// `<param><value><array><data>`, and the values in it, whose order tells what they are.
fn params<R: BufRead>(xml: &mut Reader<R>) -> Result<Envelope, Error> {
    let mut values = Vec::new();
    enter(xml, &["param", "value", "array", "data"], &mut |xml| {
        while let Some(name) = xml.child()? {
            match name {
                "value" => values.push(scalar(xml)?),
                _ => xml.skip()?,
            }
        }
        Ok(())
    })?;
    let mut values = values.into_iter();
    let succeeded = values.next().map(|value| is_true(value.as_bytes()));
    let text = values.next();
    let code = values.next().and_then(|value| value.trim().parse().ok());
    Ok(Envelope::Array { succeeded, text, code })
}

/// `<value><struct><member>` with `faultCode` and `faultString`.
fn fault<R: BufRead>(xml: &mut Reader<R>) -> Result<Envelope, Error> {
    let (mut code, mut message) = (None, String::new());
    enter(xml, &["value", "struct", "member"], &mut |xml| {
        let (mut member, mut value) = (String::new(), String::new());
        while let Some(name) = xml.child()? {
            match name {
                "name" => member = xml.text()?.to_owned(),
                "value" => value = scalar(xml)?,
                _ => xml.skip()?,
            }
        }
        match member.as_str() {
            "faultCode" => code = value.trim().parse().ok(),
            "faultString" => message = quote(value.as_bytes()),
            _ => {}
        }
        Ok(())
    })?;
    let code = code.ok_or_else(|| Error::UnexpectedAnswer("the answer is a fault without a code".to_owned()))?;
    Ok(Envelope::Fault { code, message })
}

/// Runs `read` in each element at the end of this path.
fn enter<R: BufRead>(
    xml: &mut Reader<R>,
    path: &[&str],
    read: &mut impl FnMut(&mut Reader<R>) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some((first, rest)) = path.split_first() else { return read(xml) };
    while let Some(name) = xml.child()? {
        match name == *first {
            true => enter(xml, rest, read)?,
            false => xml.skip()?,
        }
    }
    Ok(())
}

/// A value with its type around it, or without: `<i4>256</i4>`.
fn scalar<R: BufRead>(xml: &mut Reader<R>) -> Result<String, Error> {
    let mut text = String::new();
    while let Some(name) = xml.child()? {
        match name {
            "boolean" | "string" | "int" | "i4" | "i8" => match xml.text_if_plain()? {
                Some(found) => text = found.to_owned(),
                None => xml.skip()?,
            },
            _ => xml.skip()?,
        }
    }
    Ok(text)
}
