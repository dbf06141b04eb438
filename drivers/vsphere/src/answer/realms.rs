//! Clusters, or hosts, as realms.

use tracker_driver_sdk::{Error, Realm, RealmState};

use super::object::Object;
use super::{Inventory, path};
use crate::Realms;

impl Inventory<'_, Realm> {
    /// Takes an object of the answer.
    pub(crate) fn realm(&mut self, object: Object, realms: Realms) -> Result<(), Error> {
        let is_one = match realms {
            Realms::Clusters => matches!(object.kind.as_str(), "ClusterComputeResource" | "ComputeResource"),
            Realms::Hosts => object.kind == "HostSystem",
        };
        if !is_one {
            return self.omit(object);
        }
        if self.is_there(&object) {
            self.items.push(realm(object));
        }
        Ok(())
    }
}

/// A host is there for virtual machines if it is on, connected and not in maintenance; a cluster if one of its hosts is, which
/// the server counts. The colour of alarms says nothing of that.
fn realm(object: Object) -> Realm {
    let (mut name, mut hosts) = (None, 0u32);
    let (mut is_connected, mut is_working, mut is_on) = (false, false, true);
    let is_host = object.kind == "HostSystem";
    for (path, value) in object.values {
        let text = value.text();
        let word = text.as_deref().unwrap_or_default();
        match path.as_str() {
            path::CONNECTION => is_connected = word == "connected",
            path::MAINTENANCE => is_working = matches!(word.trim(), "false" | "0"),
            path::POWER => is_on = word == "poweredOn",
            path::EFFECTIVE_HOSTS => hosts = word.trim().parse().unwrap_or(0),
            path::NAME => name = text,
            _ => {}
        }
    }
    let is_available = if is_host { is_connected && is_working && is_on } else { hosts > 0 };
    let state = if is_available { RealmState::Available } else { RealmState::Unavailable };
    Realm::new(object.id.clone(), name.unwrap_or(object.id), state)
}
