//! The operator's own door: a Unix socket in the data directory, which only the host's user can open. Behind it drivers are
//! loaded anew, what their shadows saw is told, lists that are held are decided on, keys are rotated. It is no part of the API
//! that clients have, and neither knows the other. Liveness and metrics, which are asked over TCP, are routes of `api`.

mod control;
mod damaged;
mod keys;
mod mass_changes;
mod reload;
mod shadows;
mod state;

pub use control::{listen, serve};
pub use damaged::{DamagedRowDocument, DamagedRowsDocument};
pub use keys::{KeyDocument, KeysDocument, WrittenKeyUse};
pub use mass_changes::{DecidedDocument, DecisionDocument, MassChangeDocument, MassChangesDocument, WrittenDecision};
pub use reload::{NotLoadedDocument, ReloadDocument, ReloadedDocument};
pub use shadows::{DifferencesDocument, ExampleDocument, FailureDocument, ShadowDocument, ShadowsDocument};
pub use state::{Control, ReloadRequest, Reloads};

#[cfg(test)]
mod tests;
