//! Tools for authors of drivers: cassettes, which simulate a provider, and the conformance suite, which tests a driver
//! with them. They run drivers as the host does; the host does not depend on them.

pub mod cassette;
pub mod conformance;
