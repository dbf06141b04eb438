//! The list of a poll, and its usage.

use super::limits::memory::ListMemory;
use super::usage::Usage;
use crate::model::{Resource, ResourceId};

/// Everything that one poll listed.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Sorted by id (bytewise), each id once.
    pub resources: Vec<Resource>,
    pub coverage: Coverage,
    pub usage: Usage,
    /// Counts the list as memory of its poll until it is dropped.
    pub memory: ListMemory,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    Complete,
    /// Something is missing, for this reason: nothing may be removed because of it.
    Partial(String),
    /// The provider gave everything that it was asked for, and it does not fit together, for this reason. It is partial,
    /// and asked for again at once.
    Misfit(String),
    /// Only what changed since the time that was asked for; and the ids of what is no more, sorted, none of them listed.
    Delta(Vec<ResourceId>),
}
