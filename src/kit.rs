//! Tools for those who write drivers: cassettes, which stand for a provider, and the conformance suite, which tries a
//! driver with them. They run drivers as the host does, and the host knows nothing of them.

pub mod cassette;
pub mod conformance;
