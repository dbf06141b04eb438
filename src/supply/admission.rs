//! Admits a file in the directory of drivers: the operator approved its digest, and it is signed and tested as the
//! operator requires. Nothing of a file is parsed or compiled before that.

mod error;

use std::path::{Path, PathBuf};

use super::file::DriverFile;
use super::lock::{Approval, Lock};
use super::signature::Policy;
use super::tested::check_tested;

pub use error::AdmissionError;

/// Where drivers come from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every `*.wasm` in it is a driver.
    pub directory: PathBuf,
    /// `drivers.lock`.
    pub lock: PathBuf,
    /// Where compiled drivers are kept.
    pub cache: PathBuf,
    /// Whose signatures a driver must bear.
    pub signatures: Policy,
    /// Whether only what passed the conformance suite is loaded.
    pub require_tested: bool,
}

/// A file that may be looked into.
pub(crate) struct Admitted<'a> {
    pub(crate) path: PathBuf,
    pub(crate) file: DriverFile,
    pub(crate) approval: &'a Approval,
    /// The keys of the policy that signed it.
    pub(crate) signed_by: Vec<String>,
}

impl Settings {
    /// Reads a file and holds it against the lock and the operator's policies: what does not pass is never compiled.
    /// `found` are the approvals whose files were found before.
    pub(crate) fn admit<'a>(
        &self,
        (lock, mut found): (&'a Lock, impl Iterator<Item = &'a Approval>),
        path: &Path,
        driver_bytes: u64,
    ) -> Result<Admitted<'a>, AdmissionError> {
        let file = DriverFile::read(path, driver_bytes)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(approval) = lock.by_digest(&file.sha256) else {
            // A file that is no component is better told so than that it is not approved.
            file.check_header()?;
            let shown = path.display().to_string();
            return Err(match lock.by_file(&name) {
                None => AdmissionError::NotApproved { file: shown },
                Some(old) => AdmissionError::Changed { file: shown, approved: old.sha256.clone(), found: file.sha256 },
            });
        };
        if found.any(|other| other.sha256 == approval.sha256) {
            return Err(AdmissionError::Twice { name: approval.name.clone(), file: approval.file.clone() });
        }
        let signed_by = self.check_policies(lock, path, &file)?;
        Ok(Admitted { path: path.to_owned(), file, approval, signed_by })
    }

    /// Holds an approved file against what the operator asks of it beyond that; gives the keys that signed it.
    pub(crate) fn check_policies(
        &self,
        lock: &Lock,
        path: &Path,
        file: &DriverFile,
    ) -> Result<Vec<String>, AdmissionError> {
        if self.require_tested {
            check_tested(lock, path, &file.sha256)?;
        }
        Ok(self.signatures.check(path, &file.bytes, &file.sha256)?)
    }
}
