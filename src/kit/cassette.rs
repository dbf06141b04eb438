//! Cassettes: answers of a provider in plain files, to test a driver without the provider and without an account. One
//! file is one scenario: an account, a list to ask for, the exchanges for it, and the expected outcome.
//! `docs/drivers/cassettes.md` describes the format for authors.

mod directory;
mod error;
mod expect;
mod file;
mod form;
pub mod leak;
pub mod record;
pub mod redact;
mod replay;
mod scenario;

pub(crate) use record::FAKE_KEY;

pub use directory::{Cassettes, MANIFEST};
pub use error::{CassetteError, VERSION};
pub use expect::{Expect, ExpectedCoverage, ExpectedWait, Row};
pub use replay::{Replay, Surprise};
pub use scenario::{Account, Answer, Body, Cassette, Outcome, Recorded, Request};
