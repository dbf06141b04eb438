//! A file that was fetched from a source.

use super::Source;
use crate::supply::evidence::Evidence;

/// What sets the limit on a driver's size.
pub(super) const DRIVER_BYTES: &str = "setting: drivers.limits.driver_bytes";

/// What a source gave, checked against every digest that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub bytes: Vec<u8>,
    /// In hexadecimal.
    pub sha256: String,
    /// What a registry has of signatures, which nobody verified yet.
    pub evidence: Option<Evidence>,
    /// The source as it goes on to mean this file: pinned, where it can be.
    pub resolved: Source,
}
