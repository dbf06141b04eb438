//! `clusters`, as realms, and the data centers that they are in, which have the status.

use std::io::BufRead;

use tracker_driver_sdk::error::quote;
use tracker_driver_sdk::xml::Reader;
use tracker_driver_sdk::{Error, RealmState, log};

use crate::fault;
use crate::vms::{id, status};

#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The id of its data center; absent where it is in none, and can't run anything.
    pub(crate) data_center: Option<String>,
    /// Whether the engine put the data center itself into the list, and not only its id.
    pub(crate) is_followed: bool,
    /// The status of the data center, where it is in the list.
    pub(crate) status: Option<String>,
}

/// The clusters in the list that the reader is in.
pub(crate) fn list<R: BufRead>(xml: &mut Reader<R>) -> Result<Vec<Cluster>, Error> {
    let mut found = Vec::new();
    while let Some(name) = xml.child()? {
        match name {
            "cluster" => found.push(cluster(xml)?),
            other => {
                fault::require_none(other)?;
                xml.skip()?;
            }
        }
    }
    Ok(found)
}

fn cluster<R: BufRead>(xml: &mut Reader<R>) -> Result<Cluster, Error> {
    let id = identity(xml, "a cluster")?;
    let mut cluster = Cluster { name: id.clone(), id, data_center: None, is_followed: false, status: None };
    while let Some(name) = xml.child()? {
        match name {
            "name" => {
                let name = xml.text()?;
                if !name.is_empty() {
                    name.clone_into(&mut cluster.name);
                }
            }
            "data_center" => {
                cluster.data_center = crate::vms::id(xml)?;
                (cluster.is_followed, cluster.status) = data_center(xml)?;
            }
            _ => xml.skip()?,
        }
    }
    Ok(cluster)
}

/// The id and the status of each data center in the list that the reader is in.
pub(crate) fn data_centers<R: BufRead>(xml: &mut Reader<R>) -> Result<Vec<(String, String)>, Error> {
    let mut found = Vec::new();
    while let Some(name) = xml.child()? {
        match name {
            "data_center" => {
                let id = identity(xml, "a data center")?;
                found.push((id, data_center(xml)?.1.unwrap_or_default()));
            }
            other => {
                fault::require_none(other)?;
                xml.skip()?;
            }
        }
    }
    Ok(found)
}

/// Whether anything stands in the data center that the reader is in, and its status.
fn data_center<R: BufRead>(xml: &mut Reader<R>) -> Result<(bool, Option<String>), Error> {
    let (mut is_followed, mut word) = (false, None);
    while let Some(name) = xml.child()? {
        is_followed = true;
        match name {
            "status" => word = Some(status(xml)?.word),
            _ => xml.skip()?,
        }
    }
    Ok((is_followed, word))
}

fn identity<R: BufRead>(xml: &Reader<R>, what: &str) -> Result<String, Error> {
    id(xml)?.ok_or_else(|| Error::UnexpectedAnswer(format!("{what} in the answer has no id")))
}

/// A data center's status (`DataCenterStatus` in the API reference). In one that is problematic or contended storage or its
/// manager is missing.
pub(crate) fn state(word: &str) -> RealmState {
    match word.to_ascii_lowercase().as_str() {
        "up" => RealmState::Available,
        "uninitialized" | "maintenance" | "not_operational" | "problematic" | "contend" => RealmState::Unavailable,
        other => {
            let word = quote(other.as_bytes());
            log::warn(&format!("a data center is in status `{word}`, which this driver does not know"));
            RealmState::Unavailable
        }
    }
}
