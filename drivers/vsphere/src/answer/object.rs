//! Objects with those of their properties that were asked for, and those that could not be read.

use std::io::BufRead;

use tracker_driver_sdk::Error;
use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;

use super::{addresses, fault, path};

#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) kind: String,
    pub(crate) id: String,
    /// By path. What an object does not have is not there.
    pub(crate) values: Vec<(String, Value)>,
    /// By path, the fault that says why.
    pub(crate) missing: Vec<(String, String)>,
}

/// A property's value: a text, or what is made of an array.
#[derive(Debug)]
pub(crate) enum Value {
    Text(String),
    Array(Vec<Item>),
}

/// What is of use in an array.
#[derive(Debug)]
pub(crate) enum Item {
    Address(String),
    /// A custom attribute's key, and its name or a value of it.
    Custom(String, String),
    Word(String),
}

impl Value {
    /// The text, where it has one and is no array.
    pub(crate) fn text(self) -> Option<String> {
        match self {
            Value::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Value::Array(_) => None,
        }
    }

    pub(crate) fn items(self) -> Vec<Item> {
        match self {
            Value::Text(_) => Vec::new(),
            Value::Array(items) => items,
        }
    }

    pub(crate) fn words(self) -> Vec<String> {
        let words = self.items().into_iter().filter_map(|item| match item {
            Item::Word(word) => Some(word),
            _ => None,
        });
        words.collect()
    }

    pub(crate) fn customs(self) -> impl Iterator<Item = (String, String)> {
        self.items().into_iter().filter_map(|item| match item {
            Item::Custom(key, text) => Some((key, text)),
            _ => None,
        })
    }
}

/// Gives each object of a `RetrieveResult` to `each`, and the token to the next page. What is retrieved has the root folder in
/// it, so that an answer without a result is not an empty one.
pub(crate) fn objects<R: BufRead>(
    xml: &mut Reader<R>,
    each: &mut dyn FnMut(Object) -> Result<(), Error>,
) -> Result<Option<String>, Error> {
    let (mut is_there, mut token) = (false, None);
    while let Some(name) = xml.child()? {
        if name != "returnval" {
            xml.skip()?;
            continue;
        }
        is_there = true;
        while let Some(name) = xml.child()? {
            match name {
                "objects" => each(object(xml)?)?,
                "token" => token = Some(xml.text()?.to_owned()).filter(|token| !token.is_empty()),
                _ => xml.skip()?,
            }
        }
    }
    match is_there {
        true => Ok(token),
        false => Err(Error::UnexpectedAnswer("the answer has no <returnval>, not even of the root folder".to_owned())),
    }
}

fn object<R: BufRead>(xml: &mut Reader<R>) -> Result<Object, Error> {
    let mut found = Object { values: Vec::with_capacity(12), ..Object::default() };
    while let Some(name) = xml.child()? {
        match name {
            "obj" => {
                found.kind = xml.attribute("type")?.unwrap_or_default();
                found.id = xml.text()?.to_owned();
            }
            "propSet" => found.values.extend(property(xml)?),
            "missingSet" => found.missing.push(missing(xml)?),
            _ => xml.skip()?,
        }
    }
    match found.id.is_empty() || found.kind.is_empty() {
        true => Err(Error::UnexpectedAnswer("an object in the answer has no <obj> with a type".to_owned())),
        false => Ok(found),
    }
}

fn property<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<(String, Value)>, Error> {
    let (mut path, mut value) = (String::new(), None);
    while let Some(name) = xml.child()? {
        match name {
            "name" => path = xml.text()?.to_owned(),
            "val" => {
                value = match path.as_str() {
                    // Servers write the name first; else the type has to say what the value is.
                    "" if xml.attribute("xsi:type")?.is_some_and(|kind| kind.contains("ArrayOf")) => Some(array(xml)?),
                    "" => Some(text(xml)?),
                    known if path::ARRAYS.contains(&known) => Some(array(xml)?),
                    known if path::TEXTS.contains(&known) => Some(text(xml)?),
                    _ => {
                        xml.skip()?;
                        None
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok(value.map(|value| (path, value)))
}

fn text<R: BufRead>(xml: &mut Reader<R>) -> Result<Value, Error> {
    Ok(Value::Text(xml.text()?.to_owned()))
}

fn array<R: BufRead>(xml: &mut Reader<R>) -> Result<Value, Error> {
    let mut items = Vec::new();
    while let Some(name) = xml.child()? {
        match name {
            "GuestNicInfo" => addresses::of_nic(xml, &mut items)?,
            "CustomFieldValue" | "CustomFieldDef" => items.extend(custom(xml)?),
            "int" => items.push(Item::Word(xml.text()?.to_owned())),
            _ => xml.skip()?,
        }
    }
    Ok(Value::Array(items))
}

/// `<key>101</key>` with `<name>` (of a definition) or `<value>`.
fn custom<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<Item>, Error> {
    let (mut key, mut text) = (String::new(), None);
    while let Some(name) = xml.child()? {
        match name {
            "key" => key = xml.text()?.to_owned(),
            "name" | "value" => text = Some(xml.text()?.to_owned()),
            _ => xml.skip()?,
        }
    }
    Ok(text.filter(|_| !key.is_empty()).map(|text| Item::Custom(key, text)))
}

fn missing<R: BufRead>(xml: &mut Reader<R>) -> Result<(String, String), Error> {
    let (mut path, mut why) = (String::new(), String::new());
    while let Some(name) = xml.child()? {
        match name {
            "path" => path = quote(xml.text()?.as_bytes()),
            "fault" => {
                while let Some(name) = xml.child()? {
                    match name {
                        "fault" => why = fault::kind(xml, "fault")?,
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok((path, why))
}
