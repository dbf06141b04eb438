//! The control socket of the operator: a Unix socket in the data directory, which only the host's user can open. It
//! reloads drivers, reports on shadows, decides on held lists and rotates keys. It is independent of the API for
//! clients. Liveness and metrics are requested over TCP, and are routes of `api`.

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
