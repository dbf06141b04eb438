//! Why a driver is not loaded.

use std::io;
use std::path::Path;

use crate::driver::contract::{Contract, PACKAGE, SERVED};
use crate::driver::error::CallError;
use crate::supply::AdmissionError;
use crate::supply::source::FetchError;

/// Why a file is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    #[error("it is a component of a different world: {0}")]
    OtherWorld(String),
    #[error("it is built for {PACKAGE} {found}, but this host supports {SERVED}: {}", remedy(.found))]
    Version { found: String },
    #[error("it imports something that no driver gets: {0}")]
    Imports(String),
    /// It is sound, and a sandbox has no room for its parts. What a sandbox may have is no setting.
    #[error("it does not fit into a sandbox: {0}")]
    Unfit(String),
    /// A limit on compiling it, with the setting that moves it.
    #[error("compiling it exceeded the limit of {limit} ({value}); setting: drivers.compile.{setting}")]
    CompileLimit { limit: &'static str, setting: &'static str, value: String },
    #[error("it was not compiled because of a fault of the compiler: {0}")]
    Compiler(String),
    #[error("it was not compiled because there is no room for the compiled code: {0}")]
    NoRoom(String),
    #[error("it was approved as driver {approved:?}, but describes itself as {found:?}")]
    Renamed { approved: String, found: String },
    #[error("its file is missing and cannot be fetched: {0}")]
    Unfetched(#[from] FetchError),
    #[error("it does not describe itself: {0}")]
    Describe(CallError),
    #[error("its description violates the contract: {0}")]
    Description(String),
}

impl LoadError {
    /// Of a file that holds what was compiled, and can't be written.
    pub(in crate::driver) fn unkept(path: &Path, error: &io::Error) -> LoadError {
        let why = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                LoadError::NoRoom(why)
            }
            _ => LoadError::Compiler(why),
        }
    }

    /// Whether another try may succeed although nobody changes the file, what is approved or the configuration.
    pub fn is_passing(&self) -> bool {
        match self {
            LoadError::Admission(AdmissionError::Unreadable(error)) => {
                !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
            }
            LoadError::NoRoom(_) | LoadError::Compiler(_) => true,
            // A machine that is short of memory or time now may have both later. How much CPU time it takes stays the same.
            LoadError::CompileLimit { setting, .. } => *setting != "cpu",
            LoadError::Describe(CallError::Limit { setting, .. }) => {
                matches!(*setting, "total_memory" | "request_timeout")
            }
            LoadError::Describe(error) => *error == CallError::HostFault,
            LoadError::Unfetched(error) => error.is_passing(),
            _ => false,
        }
    }

    /// Whether nobody approved the file.
    pub fn is_unapproved(&self) -> bool {
        matches!(self, LoadError::Admission(AdmissionError::NotApproved { .. }))
    }

    /// A stable word for why it is not loaded at present, as readiness and metrics have it.
    pub fn word(&self) -> &'static str {
        match self {
            LoadError::NoRoom(_) => "disk-full",
            LoadError::CompileLimit { .. } => "compile-limit",
            LoadError::Unfetched(_) => "not-fetched",
            LoadError::Admission(AdmissionError::Unreadable(_)) => "unreadable",
            _ => "not-loaded",
        }
    }
}

fn remedy(found: &str) -> &'static str {
    let number = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    match Contract::ALL.iter().all(|served| number(found) > number(served.as_str())) {
        true => "update the host",
        false => "build the driver against a contract of this host",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_is_wrong_with_the_file() {
        let check = |error: LoadError, want: bool| assert_eq!(error.is_passing(), want, "{error}");
        let text = || "why".to_owned();
        let written = |kind: io::ErrorKind| LoadError::unkept(Path::new("compiled"), &kind.into());
        let limit = |setting| LoadError::CompileLimit { limit: "a limit", setting, value: text() };
        let described = |setting| LoadError::Describe(CallError::Limit { limit: "a limit", setting, value: text() });
        for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge] {
            check(written(kind), true);
            assert_eq!(written(kind).word(), "disk-full");
        }
        check(written(io::ErrorKind::Other), true);
        check(LoadError::Compiler(text()), true);
        let admission = |error: AdmissionError, want: bool| check(error.into(), want);
        admission(AdmissionError::Unreadable(io::Error::from_raw_os_error(24)), true);
        check(limit("time"), true);
        check(limit("memory"), true);
        check(described("total_memory"), true);
        check(LoadError::Describe(CallError::HostFault), true);

        check(limit("cpu"), false);
        check(described("cpu_per_page"), false);
        check(LoadError::Describe(CallError::Crashed(text())), false);
        admission(AdmissionError::Unreadable(io::ErrorKind::NotFound.into()), false);
        admission(AdmissionError::NotWasm, false);
        admission(AdmissionError::Malformed(text()), false);
        check(LoadError::Unfit(text()), false);
        check(LoadError::OtherWorld(text()), false);
        admission(AdmissionError::NotApproved { file: text() }, false);
        admission(AdmissionError::Missing { name: text() }, false);
    }
}
