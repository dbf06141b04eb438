//! What a Deltacloud server's documents mean. They are read as they come; none is ever held whole.

use std::collections::BTreeMap;
use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::http::{Body, Response, retry_after};
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Instance, InstanceState, Realm, RealmState};

use crate::address;
use crate::fault::{self, Fault};

/// What a collection is of.
pub(crate) trait Resource: Sized {
    /// The name of the collection, in the address and as the root of a list.
    const COLLECTION: &'static str;
    /// The name of one of it.
    const ELEMENT: &'static str;

    /// One of it, whose element has been entered.
    fn read<R: BufRead>(xml: &mut Reader<R>) -> Result<Self, Error>;
}

/// A list.
pub(crate) fn list<T: Resource>(response: Response) -> Result<Vec<T>, Error> {
    let mut xml = behind_root(response, T::COLLECTION)?;
    let mut items = Vec::new();
    let mut stranger = None;
    while let Some(name) = xml.child()? {
        match name {
            name if name == T::ELEMENT => items.push(T::read(&mut xml)?),
            // What stands beside an error is not what there is.
            fault::ROOT => return Err(Fault::behind_root(&mut xml)?.in_success(None)),
            name => {
                stranger.get_or_insert_with(|| quote(name.as_bytes()));
                xml.skip()?;
            }
        }
    }
    match stranger.filter(|_| items.is_empty()) {
        Some(name) => Err(Error::UnexpectedAnswer(format!("the list has a <{name}>, and no <{}>", T::ELEMENT))),
        None => Ok(items),
    }
}

/// One by itself.
pub(crate) fn one<T: Resource>(response: Response) -> Result<T, Error> {
    T::read(&mut behind_root(response, T::ELEMENT)?)
}

/// Enters the root, which has that name, or is an error: proxies send it with the status of a success, too.
fn behind_root(response: Response, root: &str) -> Result<Reader<Body>, Error> {
    let wait = retry_after(&response.headers);
    let mut xml = Reader::new(response.reader());
    let found = xml.any_root()?;
    if found == root {
        return Ok(xml);
    }
    if found == fault::ROOT {
        return Err(Fault::behind_root(&mut xml)?.in_success(wait));
    }
    let found = quote(found.as_bytes());
    Err(Error::UnexpectedAnswer(format!("the answer is a <{found}> where <{root}> was expected")))
}

impl Resource for Instance {
    const COLLECTION: &'static str = "instances";
    const ELEMENT: &'static str = "instance";

    fn read<R: BufRead>(xml: &mut Reader<R>) -> Result<Self, Error> {
        let mut id = own_id(xml)?;
        let (mut word, mut provider_word) = (None, None);
        let mut item = Instance::new(String::new(), InstanceState::Unknown, String::new());
        let mut public = Vec::new();
        let mut labels = BTreeMap::new();
        while let Some(name) = xml.child()? {
            match name {
                "id" => id = some(Some(xml.text()?.to_owned())).or(id),
                "name" => item.name = text(xml)?,
                "owner_id" => item.owner = text(xml)?,
                "image" => item.image = reference(xml)?,
                "realm" => item.realm = reference(xml)?,
                // Before version 0.1 they were flavors.
                "hardware_profile" | "hardware-profile" | "flavor" => item.hardware_profile = reference(xml)?,
                "state" => word = text(xml)?,
                "provider_state" => provider_word = text(xml)?,
                "launch_time" => item.launched_at = address::time(xml.text()?),
                "create_time" => item.launched_at = item.launched_at.or(address::time(xml.text()?)),
                "public_addresses" | "public-addresses" => public = address::list(xml)?,
                "private_addresses" | "private-addresses" => item.private_addresses = address::list(xml)?,
                "labels" => read_labels(xml, &mut labels)?,
                _ => xml.skip()?,
            }
        }
        item.id = required(id, "an instance", "id")?;
        let word = required(word, "an instance", "<state>")?;
        item.state = state(&word);
        // Another Tracker's word for the state is our own: the provider's is the one below it.
        item.provider_state = provider_word.unwrap_or(word);
        item.public_addresses = address::public(public, &item.private_addresses);
        item.labels = labels.into_iter().collect();
        Ok(item)
    }
}

impl Resource for Realm {
    const COLLECTION: &'static str = "realms";
    const ELEMENT: &'static str = "realm";

    fn read<R: BufRead>(xml: &mut Reader<R>) -> Result<Self, Error> {
        let mut id = own_id(xml)?;
        let (mut title, mut word, mut limit) = (None, None, None);
        while let Some(name) = xml.child()? {
            match name {
                "id" => id = some(Some(xml.text()?.to_owned())).or(id),
                "name" => title = text(xml)?,
                "state" => word = text(xml)?,
                // Empty where there is none.
                "limit" => limit = xml.text()?.trim().parse().ok(),
                _ => xml.skip()?,
            }
        }
        let id = required(id, "a realm", "id")?;
        let state = match word {
            Some(word) if word.eq_ignore_ascii_case("AVAILABLE") => RealmState::Available,
            _ => RealmState::Unavailable,
        };
        let title = title.unwrap_or_else(|| id.clone());
        Ok(Realm { limit, ..Realm::new(id, title, state) })
    }
}

/// Deltacloud's words, and those that Tracker has beside them.
fn state(word: &str) -> InstanceState {
    match word.to_ascii_uppercase().as_str() {
        "PENDING" => InstanceState::Pending,
        "RUNNING" => InstanceState::Running,
        "STOPPING" => InstanceState::Stopping,
        "STOPPED" => InstanceState::Stopped,
        "SHUTTING_DOWN" => InstanceState::ShuttingDown,
        "FINISH" => InstanceState::Finish,
        "ERROR" => InstanceState::Error,
        _ => InstanceState::Unknown,
    }
}

/// The id of the element that was entered: its attribute, or else the end of its address.
fn own_id<R: BufRead>(xml: &Reader<R>) -> Result<Option<String>, Error> {
    if let Some(id) = some(xml.attribute("id")?) {
        return Ok(Some(id));
    }
    let address = xml.attribute("href")?;
    Ok(some(address.as_deref().and_then(|address| address.rsplit_once('/')).and_then(|(_, last)| decoded(last))))
}

/// The id that an element refers to: its own, or that of a child, which older servers have.
fn reference<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<String>, Error> {
    let mut id = own_id(xml)?;
    while let Some(name) = xml.child()? {
        match name {
            "id" => id = text(xml)?.or(id),
            _ => xml.skip()?,
        }
    }
    Ok(id)
}

/// A part of a path as it was meant.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn read_labels<R: BufRead>(xml: &mut Reader<R>, labels: &mut BTreeMap<String, String>) -> Result<(), Error> {
    while let Some(element) = xml.child()? {
        let is_label = element == "label";
        match xml.attribute("name")?.filter(|_| is_label) {
            Some(name) => {
                labels.insert(name, xml.text()?.to_owned());
            }
            None => xml.skip()?,
        }
    }
    Ok(())
}

fn text<R: BufRead>(xml: &mut Reader<R>) -> Result<Option<String>, Error> {
    Ok(some(Some(xml.text()?.to_owned())))
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn required(value: Option<String>, of: &str, what: &str) -> Result<String, Error> {
    value.ok_or_else(|| Error::UnexpectedAnswer(format!("{of} in the answer has no {what}")))
}
