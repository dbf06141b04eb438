//! What virtual machines refer to by ids: the cluster that a host is in, and the name of a custom attribute.

use std::collections::HashMap;

use tracker_driver_sdk::Error;

use super::object::Object;
use super::path;

#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// By host. A host that is in no cluster is in a resource of its own.
    clusters: HashMap<String, String>,
    /// By key.
    fields: HashMap<String, String>,
}

impl Lookup {
    pub(crate) fn add(&mut self, object: Object) -> Result<(), Error> {
        let Object { kind, id, values, .. } = object;
        for (path, value) in values {
            match (kind.as_str(), path.as_str()) {
                ("HostSystem", path::PARENT) => {
                    self.clusters.extend(value.text().map(|cluster| (id.clone(), cluster)));
                }
                ("CustomFieldsManager", path::FIELDS) => self.fields.extend(value.customs()),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn cluster(&self, host: &str) -> Option<&String> {
        self.clusters.get(host)
    }

    /// The name of an attribute; its key, where it can't be read.
    pub(super) fn field(&self, key: String) -> String {
        self.fields.get(&key).filter(|name| !name.is_empty()).cloned().unwrap_or(key)
    }
}
