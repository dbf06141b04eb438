//! Checks the approved drivers without running, compiling or loading any of them, for `tracker driver verify`, which
//! may run anywhere and at any time.

use std::io;
use std::path::{Path, PathBuf};

use super::admission::{AdmissionError, Settings};
use super::evidence::Evidence;
use super::file::{DriverFile, wasm_files};
use super::lock::{Approval, Lock, Role};
use super::source::{InvalidSource, Source};

/// One approval, and what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    pub name: String,
    pub version: String,
    pub role: Role,
    /// Where its file is, or should be.
    pub file: PathBuf,
    pub faults: Vec<Fault>,
}

#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("its file is missing. {}", remedy(*.has_source))]
    Missing { has_source: bool },
    #[error("drivers.lock names the file {0:?}, which is not a name in the directory of drivers")]
    FileName(String),
    #[error(transparent)]
    File(#[from] AdmissionError),
    /// It is not made for a contract that this host serves.
    #[error("{0}")]
    Contract(String),
    #[error("its source: {0}")]
    Source(InvalidSource),
    #[error("{path}: {source}, so its signatures are unknown. Remove the file, or approve the driver again", path = path.display())]
    Evidence { path: PathBuf, source: io::Error },
}

fn remedy(has_source: bool) -> &'static str {
    match has_source {
        true => "To fetch it: tracker driver pull",
        false => "There is no source to fetch it from: put it back, or revoke it",
    }
}

/// What is in the directory and in the lock, held against each other.
#[derive(Debug)]
pub struct Verified {
    /// In the lock's order.
    pub approvals: Vec<Checked>,
    /// Driver files that nobody approved: they are not loaded.
    pub unapproved: Vec<PathBuf>,
}

impl Verified {
    pub fn is_good(&self) -> bool {
        self.approvals.iter().all(|checked| checked.faults.is_empty())
    }
}

/// Says why a component is not made for a contract that this host serves, if it is not. Those who run drivers know.
pub type CheckContract = fn(&[u8]) -> Result<(), String>;

/// Looks at every approval and every file of the directory. An error is of the directory as a whole.
pub fn verify(
    settings: &Settings,
    lock: &Lock,
    driver_bytes: u64,
    check_contract: CheckContract,
) -> io::Result<Verified> {
    let directory = settings.directory.as_path();
    let files = wasm_files(directory)?;
    let read = |path: &PathBuf| DriverFile::read(path, driver_bytes);
    let mut found: Vec<(PathBuf, Result<DriverFile, AdmissionError>)> =
        files.into_iter().map(|path| (path.clone(), read(&path))).collect();
    let mut approvals = Vec::new();
    for approval in lock.drivers() {
        approvals.push(check((settings, check_contract), lock, approval, &mut found));
    }
    let of_lock = |path: &Path, file: &Result<DriverFile, AdmissionError>| {
        file.as_ref().is_ok_and(|file| lock.by_digest(&file.sha256).is_some())
            || lock.drivers().iter().any(|approval| directory.join(&approval.file) == path)
    };
    let unapproved = found.into_iter().filter(|(path, file)| !of_lock(path, file)).map(|(path, _)| path).collect();
    Ok(Verified { approvals, unapproved })
}

fn check(
    (settings, check_contract): (&Settings, CheckContract),
    lock: &Lock,
    approval: &Approval,
    found: &mut [(PathBuf, Result<DriverFile, AdmissionError>)],
) -> Checked {
    let Approval { name, version, role, .. } = approval;
    let mut faults = Vec::new();
    let mut file = settings.directory.join(&approval.file);
    if Path::new(&approval.file).file_name().is_none_or(|name| name != approval.file.as_str()) {
        faults.push(Fault::FileName(approval.file.clone()));
    }
    if let Some(Err(error)) = approval.source.as_deref().map(str::parse::<Source>) {
        faults.push(Fault::Source(error));
    }
    // What counts is the digest, under whatever name the file lies there.
    let good = |(_, file): &&mut (PathBuf, Result<DriverFile, AdmissionError>)| {
        file.as_ref().is_ok_and(|file| file.sha256 == approval.sha256)
    };
    if let Some((path, Ok(content))) = found.iter_mut().find(good) {
        file.clone_from(path);
        faults.extend(content_fault(content, check_contract));
        faults.extend(settings.check_policies(lock, path, content).err().map(Fault::File));
        if let Err(source) = Evidence::read(path) {
            faults.push(Fault::Evidence { path: Evidence::path_of(path), source });
        }
    } else {
        faults.push(match found.iter_mut().find(|(path, _)| *path == file) {
            None => Fault::Missing { has_source: approval.source.is_some() },
            Some((path, Ok(content))) => Fault::File(AdmissionError::Changed {
                file: path.display().to_string(),
                approved: approval.sha256.clone(),
                found: content.sha256.clone(),
            }),
            Some((_, unread)) => {
                let none = || AdmissionError::NotApproved { file: file.display().to_string() };
                Fault::File(std::mem::replace(unread, Err(none())).err().unwrap_or_else(none))
            }
        });
    }
    Checked { name: name.clone(), version: version.clone(), role: *role, file, faults }
}

/// What is wrong with a file that is the approved one.
fn content_fault(file: &DriverFile, check_contract: CheckContract) -> Option<Fault> {
    if let Err(error) = file.check_header() {
        return Some(error.into());
    }
    check_contract(&file.bytes).err().map(Fault::Contract)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::supply::file::sha256;
    use crate::supply::signature::Policy;
    use crate::supply::source::keep;

    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    /// In the place of those who run drivers.
    fn contract_of(component: &[u8]) -> Result<(), String> {
        let why = if component == EMPTY_COMPONENT { "another kind" } else { "not a valid component" };
        Err(format!("it is {why}"))
    }

    fn lock_of(bytes: &[u8], change: impl FnOnce(&mut Approval)) -> Lock {
        let mut approval = Approval {
            name: "ec2".into(),
            version: "1.0.0".into(),
            role: Role::Current,
            file: "ec2.wasm".into(),
            source: None,
            sha256: sha256(bytes),
            endpoints: Vec::new(),
            approved_at: Timestamp::from_millis(0),
            approved_by: "root".into(),
        };
        change(&mut approval);
        let mut lock = Lock::default();
        lock.approve(approval);
        lock
    }

    #[test]
    fn each_fault_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let check = |lock: &Lock, want: &[&str]| {
            let settings = Settings {
                directory: folder.path().to_owned(),
                lock: folder.path().join("drivers.lock"),
                cache: folder.path().join("compiled"),
                signatures: Policy::default(),
                require_tested: false,
            };
            let verified = verify(&settings, lock, 100, contract_of).expect("read");
            let faults: Vec<String> =
                verified.approvals.iter().flat_map(|checked| &checked.faults).map(ToString::to_string).collect();
            assert_eq!(faults.len(), want.len(), "{faults:?}");
            for (fault, want) in faults.iter().zip(want) {
                assert!(fault.contains(want), "{fault}");
            }
            assert_eq!(verified.is_good(), want.is_empty());
            verified.unapproved.len()
        };
        let as_it_is = |bytes: &[u8]| lock_of(bytes, |_| {});
        check(&as_it_is(b"x"), &["put it back"]);
        let remote = lock_of(b"x", |approval| approval.source = Some("https://example.com/ec2.wasm".into()));
        check(&remote, &["tracker driver pull"]);
        let wrong = lock_of(b"x", |approval| approval.source = Some("http://example.com/ec2.wasm".into()));
        check(&wrong, &["its source: http://", "tracker driver pull"]);
        let outside = lock_of(b"x", |approval| approval.file = "../ec2.wasm".into());
        check(&outside, &["not a name in the directory", "missing"]);

        let path = folder.path().join("ec2.wasm");
        let write = |bytes: &[u8]| keep(&path, bytes, None).expect("kept");
        write(b"x");
        check(&as_it_is(b"x"), &["not WebAssembly"]);
        check(&as_it_is(b"y"), &["its content changed"]);
        write(b"\0asm\x01\0\0\0");
        check(&as_it_is(b"\0asm\x01\0\0\0"), &["core module"]);
        write(&[EMPTY_COMPONENT, b"garbage"].concat());
        check(&as_it_is(&[EMPTY_COMPONENT, b"garbage"].concat()), &["not a valid component"]);
        write(&[0; 101]);
        check(&as_it_is(b"x"), &["drivers.limits.driver_bytes"]);
        write(EMPTY_COMPONENT);
        std::fs::write(Evidence::path_of(&path), "{").expect("written");
        check(&as_it_is(EMPTY_COMPONENT), &["another kind", "ec2.wasm.cosign.json"]);
        std::fs::write(folder.path().join("stray.wasm"), "x").expect("written");
        assert_eq!(check(&as_it_is(EMPTY_COMPONENT), &["another kind", "signatures are unknown"]), 1);
    }
}
