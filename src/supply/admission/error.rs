//! Why a driver's file is not admitted.

use std::io;

use crate::supply::signature::Unsigned;

/// Why a file is not admitted: it is no component, or nobody vouches for it.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it has {found} bytes; limit {limit}, setting: drivers.limits.driver_bytes")]
    TooLarge { found: u64, limit: u64 },
    #[error("it is not WebAssembly: its first bytes are not those of a component")]
    NotWasm,
    #[error(
        "it is a core module, not a component: build it for wasm32-wasip2, or make a component of it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("it is not a valid component, perhaps truncated: {0}")]
    Malformed(String),
    #[error("it is not approved. To approve it: tracker driver approve {file}")]
    NotApproved { file: String },
    #[error(
        "its content changed since it was approved (SHA-256 then {approved}, now {found}). To approve it again: \
         tracker driver approve {file}"
    )]
    Changed { file: String, approved: String, found: String },
    #[error(transparent)]
    Unsigned(#[from] Unsigned),
    #[error("driver {name:?} is approved in drivers.lock, but its file is missing")]
    Missing { name: String },
    /// What an operator asks for who set `drivers.require_tested`.
    #[error("{} (setting: drivers.require_tested). To test it: tracker driver test {file} --cassettes DIR --admit", untested(*.passed, *.suite))]
    NotTested { file: String, passed: Option<u32>, suite: u32 },
    #[error(
        "it passed the conformance suite without a list of instances (setting: drivers.require_tested). To test it: \
         tracker driver test {file} --cassettes DIR --admit"
    )]
    NoInstancesTested { file: String },
    #[error("driver {name:?} is already loaded from {file}")]
    Twice { name: String, file: String },
}

fn untested(passed: Option<u32>, suite: u32) -> String {
    match passed {
        None => "it has no record that it passed the conformance suite, which this host requires".into(),
        Some(passed) => {
            format!("it passed version {passed} of the conformance suite, but this host requires version {suite}")
        }
    }
}
