//! What Azure's answers mean. Nothing in here makes a request: everything takes what was answered and gives what it
//! says.

pub mod id;
pub mod location;
pub mod machine;
pub mod network;
pub mod state;

use serde::Deserialize;

/// A reference to another resource.
#[derive(Debug, Clone, Deserialize)]
pub struct Reference {
    pub id: Option<String>,
}

impl Reference {
    /// The id that it refers to, in the form in which ids are compared.
    pub(crate) fn key(&self) -> Option<String> {
        self.id.as_deref().filter(|id| !id.is_empty()).map(id::key)
    }
}
