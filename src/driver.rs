//! Drivers: loaded from admitted files, and run in a fresh sandbox for each poll. The only module that names wasmtime.

mod bindings;
mod call;
pub mod catalog;
mod contract;
mod engine;
mod error;
mod gather;
mod info;
mod lane;
mod limits;
mod listing;
pub mod load;
mod message;
mod page;
pub mod reload;
mod requests;
mod sandbox;
mod session;
pub mod shadow;
mod target;
mod usage;

pub use call::Driver;
pub use catalog::{Catalog, Rejected};
pub use contract::{Contract, SERVED};
pub use engine::{Engine, EngineError};
pub use error::{CallError, CallFailure};
#[cfg(test)]
pub(crate) use gather::pretend;
pub use info::{DriverInfo, KnownProvider, OptionInfo, RoleInfo, SecretKind};
pub use limits::Limits;
pub use limits::budget::{Allowance, Budget, BudgetView, Budgets};
pub use limits::memory::ListMemory;
pub use listing::{Coverage, Listing};
pub use load::anatomy::{self, Anatomy};
pub use load::outline::Outline;
pub use load::{Import, Inspected, Lent, LoadError, compile};
pub use requests::pulse::{Answers, Asking, Pulse};
pub use requests::wire::{self, Wire};
pub(crate) use requests::{secrets, signing};
pub use session::{SavedSession, SessionKey, Sessions, UnsavedSession};
pub use shadow::Shadow;
pub use target::{RoleTarget, Target};
pub use usage::Usage;
