//! What is retrieved: some properties of objects of some types, found in the view or by their ids.

use super::body::object;
use crate::answer::path;
use crate::session::Session;

pub(crate) enum Filter<'a> {
    VirtualMachines,
    /// These virtual machines alone.
    Single(&'a [String]),
    Clusters,
    Hosts,
    /// What virtual machines refer to.
    Lookup,
}

const VIRTUAL_MACHINE: &[&str] = &[
    path::NAME,
    path::TEMPLATE,
    path::CPUS,
    path::MEMORY,
    path::POWER,
    path::CONNECTION,
    path::HOST,
    path::BOOT_TIME,
    path::ADDRESS,
    path::NICS,
    path::CUSTOM_VALUES,
];
const COMPUTE_RESOURCE: &[&str] = &[path::NAME, path::EFFECTIVE_HOSTS];
const HOST: &[&str] = &[path::NAME, path::CONNECTION, path::MAINTENANCE, path::POWER];

/// The view leads to what is in it.
const INTO_VIEW: &str = "<skip>true</skip><selectSet xsi:type=\"TraversalSpec\"><name>view</name>\
                         <type>ContainerView</type><path>view</path><skip>false</skip></selectSet>";

impl Filter<'_> {
    /// Whether it gives a page of a list, of any length.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Filter::VirtualMachines | Filter::Clusters | Filter::Hosts)
    }

    pub(super) fn specification(&self, session: &Session) -> String {
        let mut properties = match self {
            Filter::VirtualMachines | Filter::Single(_) => properties("VirtualMachine", VIRTUAL_MACHINE),
            // The API does not say whether what is asked of a type is asked of those derived from it.
            Filter::Clusters => {
                properties("ComputeResource", COMPUTE_RESOURCE)
                    + &properties("ClusterComputeResource", COMPUTE_RESOURCE)
            }
            Filter::Hosts => properties("HostSystem", HOST),
            Filter::Lookup => {
                properties("HostSystem", &[path::PARENT]) + &properties("CustomFieldsManager", &[path::FIELDS])
            }
        };
        let mut objects = match (self, &session.view) {
            (Filter::Single(ids), _) => ids.iter().map(|id| selected("VirtualMachine", id, "")).collect(),
            (_, Some(view)) => selected("ContainerView", view, INTO_VIEW),
            (_, None) => String::new(),
        };
        if let (Filter::Lookup, Some(manager)) = (self, &session.custom_fields) {
            objects.push_str(&selected("CustomFieldsManager", manager, ""));
        }
        // The root folder is there for every user, and so in each answer: one that has nothing at all is no empty list. What
        // the user may do in it says whether an empty list is one.
        properties.push_str(&self::properties("Folder", &[path::ROLES]));
        objects.push_str(&selected("Folder", &session.root, ""));
        // Of a view that is gone the server has to say so: what is in it would be left out, and taken for gone, too.
        let leaves_out_missing = matches!(self, Filter::Single(_));
        format!(
            "{properties}{objects}<reportMissingObjectsInResults>{leaves_out_missing}</reportMissingObjectsInResults>"
        )
    }
}

fn properties(kind: &str, paths: &[&str]) -> String {
    let paths: String = paths.iter().map(|path| format!("<pathSet>{path}</pathSet>")).collect();
    format!("<propSet><type>{kind}</type><all>false</all>{paths}</propSet>")
}

fn selected(kind: &str, id: &str, how: &str) -> String {
    format!("<objectSet>{}{how}</objectSet>", object("obj", kind, id))
}
