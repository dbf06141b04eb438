//! Cassettes: what a provider answered, kept in plain files, so that a driver is tried without the provider and
//! without an account. One file is one scenario: an account, the list that is asked for, the exchanges that it
//! takes, and what is expected to come of them. `docs/drivers/cassettes.md` describes the form for authors.

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
