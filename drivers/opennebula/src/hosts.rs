//! `HOST_POOL`: the hosts, as realms.

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::{Error, Realm, RealmState, log};

use crate::call::Document;

/// The hosts in the pool that the reader is in.
pub(crate) fn pool(xml: &mut Document<'_, '_>) -> Result<Vec<Realm>, Error> {
    let mut found = Vec::new();
    while let Some(name) = xml.child()? {
        match name {
            "HOST" => found.push(host(xml)?),
            _ => xml.skip()?,
        }
    }
    Ok(found)
}

fn host(xml: &mut Document<'_, '_>) -> Result<Realm, Error> {
    let (mut id, mut name, mut word) = (String::new(), String::new(), String::new());
    while let Some(member) = xml.child()? {
        match member {
            "ID" => id = xml.text()?.trim().to_owned(),
            "NAME" => name = xml.text()?.to_owned(),
            "STATE" => word = xml.text()?.trim().to_owned(),
            _ => xml.skip()?,
        }
    }
    if id.is_empty() {
        return Err(Error::UnexpectedAnswer("a host in the answer has no <ID>".to_owned()));
    }
    if name.is_empty() {
        name.clone_from(&id);
    }
    Ok(Realm::new(id, name, state(&word)))
}

/// A host takes VMs while it is monitored. INIT (0) and MONITORING_INIT (6) have not been reached yet, ERROR (3) and
/// MONITORING_ERROR (5) can't be, and DISABLED (4), MONITORING_DISABLED (7) and OFFLINE (8) are taken out by the operator.
fn state(word: &str) -> RealmState {
    match word {
        "1" | "2" => RealmState::Available,
        "0" | "3" | "4" | "5" | "6" | "7" | "8" => RealmState::Unavailable,
        other => {
            log::warn(&format!("a host is in state `{}`, which this driver does not know", quote(other.as_bytes())));
            RealmState::Unavailable
        }
    }
}

/// Whether the user that the reader is in sees every host: `oneadmin`, and who is in its group.
pub(crate) fn is_administrator(xml: &mut Document<'_, '_>) -> Result<bool, Error> {
    let mut is = false;
    while let Some(name) = xml.child()? {
        match name {
            "ID" | "GID" => is |= xml.text()?.trim() == "0",
            "GROUPS" => {
                while let Some(name) = xml.child()? {
                    match name {
                        "ID" => is |= xml.text()?.trim() == "0",
                        _ => xml.skip()?,
                    }
                }
            }
            _ => xml.skip()?,
        }
    }
    Ok(is)
}
