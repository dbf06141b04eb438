//! The origin of drivers, and why they are trusted: sources, approvals and grants of the operator, signatures. Nothing
//! of a file is parsed before it is admitted here.

mod admission;
mod evidence;
mod file;
pub mod grants;
mod lock;
pub mod signature;
pub mod source;
mod tested;
pub mod verify;

pub(crate) use admission::Admitted;
pub use admission::{AdmissionError, Settings};
pub use evidence::Evidence;
pub(crate) use file::DriverFile;
pub use file::{sha256, wasm_files};
pub use grants::EndpointSource;
pub use lock::{Approval, Lock, LockError, Role, Tested};
pub use source::{FetchError, Fetcher, Source};
pub use tested::SUITE;
