//! DescribeAvailabilityZones: the zones of a region, as realms.

use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, Page, Realm, RealmState, log};

use super::each_item;
use super::fault::{Fault, Head};

pub(crate) const ROOT: &str = "DescribeAvailabilityZonesResponse";

/// Reads the whole answer. Everything is on one page: the API gives it so.
pub fn zones(body: impl BufRead) -> Result<Page<Realm>, Error> {
    let mut xml = Reader::new(body);
    xml.root(ROOT)?;
    page(&mut xml, &Head::default())
}

/// The same behind the root.
pub(super) fn page<R: BufRead>(xml: &mut Reader<R>, head: &Head) -> Result<Page<Realm>, Error> {
    let mut realms: Option<Vec<Realm>> = None;
    while let Some(name) = xml.child()? {
        match name {
            "availabilityZoneInfo" => {
                let realms = realms.get_or_insert_default();
                each_item(xml, |xml| {
                    realms.push(zone(xml)?);
                    Ok(())
                })?;
            }
            "Errors" => Fault::none_in("Errors", xml, head)?,
            "Error" => Fault::none_in("Error", xml, head)?,
            _ => xml.skip()?,
        }
    }
    let missing = || Error::UnexpectedAnswer("the answer has no <availabilityZoneInfo>".to_owned());
    Ok(Page::complete(realms.ok_or_else(missing)?))
}

fn zone(xml: &mut Reader<impl BufRead>) -> Result<Realm, Error> {
    let (mut id, mut word) = (String::new(), String::new());
    while let Some(name) = xml.child()? {
        match name {
            "zoneName" => id = xml.text()?.to_owned(),
            "zoneState" => word = xml.text()?.to_owned(),
            _ => xml.skip()?,
        }
    }
    if id.is_empty() {
        return Err(Error::UnexpectedAnswer("a zone in the answer has no <zoneName>".to_owned()));
    }
    Ok(Realm::new(id.clone(), id, state(&word)))
}

/// A zone is a realm's equal where instances can be had of it. One that only has a message (`information`) or
/// is short of room (`constrained`) still gives some; one that is `impaired` can't be relied on. The contract
/// has no third state, so a word that is not known is not called available.
fn state(word: &str) -> RealmState {
    match word {
        "available" | "information" | "constrained" => RealmState::Available,
        "impaired" | "unavailable" => RealmState::Unavailable,
        other => {
            log::warn(&format!("a zone is in state `{}`, which this driver does not know", quote(other.as_bytes())));
            RealmState::Unavailable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_a_zone_is_mapped() {
        let check = |word: &str, expected: RealmState| assert_eq!(state(word), expected, "{word}");
        check("available", RealmState::Available);
        check("information", RealmState::Available);
        check("constrained", RealmState::Available);
        check("impaired", RealmState::Unavailable);
        check("unavailable", RealmState::Unavailable);
        check("", RealmState::Unavailable);
        check("sunny", RealmState::Unavailable);
    }
}
