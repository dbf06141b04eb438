//! The properties that are asked for, by their paths. Those of the summary are known of a virtual machine even where its
//! configuration can't be read.

pub(crate) const NAME: &str = "name";
pub(crate) const PARENT: &str = "parent";

/// Of virtual machines.
pub(crate) const TEMPLATE: &str = "summary.config.template";
pub(crate) const CPUS: &str = "summary.config.numCpu";
pub(crate) const MEMORY: &str = "summary.config.memorySizeMB";
pub(crate) const HOST: &str = "summary.runtime.host";
pub(crate) const BOOT_TIME: &str = "summary.runtime.bootTime";
pub(crate) const ADDRESS: &str = "summary.guest.ipAddress";
pub(crate) const NICS: &str = "guest.net";
pub(crate) const CUSTOM_VALUES: &str = "customValue";

/// Of virtual machines, and of hosts.
pub(crate) const POWER: &str = "summary.runtime.powerState";
pub(crate) const CONNECTION: &str = "summary.runtime.connectionState";

/// Of hosts, clusters, the custom attributes, and the root folder.
pub(crate) const MAINTENANCE: &str = "summary.runtime.inMaintenanceMode";
pub(crate) const EFFECTIVE_HOSTS: &str = "summary.numEffectiveHosts";
pub(crate) const FIELDS: &str = "field";
pub(crate) const ROLES: &str = "effectiveRole";

/// Whose values are arrays.
pub(super) const ARRAYS: [&str; 4] = [NICS, CUSTOM_VALUES, FIELDS, ROLES];

/// Whose values are texts, words, numbers, times or references.
pub(super) const TEXTS: [&str; 12] =
    [NAME, PARENT, TEMPLATE, CPUS, MEMORY, HOST, BOOT_TIME, ADDRESS, POWER, CONNECTION, MAINTENANCE, EFFECTIVE_HOSTS];
