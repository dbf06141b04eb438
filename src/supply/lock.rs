//! `drivers.lock`: the digests of the driver files that the operator approved, and the grants of each. A driver loads
//! only with an entry here.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::grants::{InvalidEndpoint, Pattern};
use crate::model::Timestamp;

/// The form of the file; a host reads no later one.
const VERSION: u32 = 1;

const HEADING: &str = "# Drivers that this host may load, written by `tracker driver approve`.\n\
                       # `endpoints` may be cut down by hand; a file whose SHA-256 is not here is not loaded.\n\n";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    drivers: Vec<Approval>,
    tested: Vec<Tested>,
}

/// What an approved driver is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Its lists count.
    #[default]
    Current,
    /// A candidate for the current one's place: it polls beside that one, its lists are compared and
    /// reported, and nothing comes of them.
    Shadow,
}

impl Role {
    fn is_current(&self) -> bool {
        *self == Role::Current
    }
}

/// One vetted driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    pub name: String,
    pub version: String,
    /// One driver of a name is current, and one at most its shadow.
    #[serde(default, skip_serializing_if = "Role::is_current")]
    pub role: Role,
    /// The file's name in the directory of drivers.
    pub file: String,
    /// Where the file is fetched from should it not be there: `https://...` or `oci://...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// In hexadecimal, of the file's bytes.
    pub sha256: String,
    /// Patterns of endpoints that it may reach, see `supply::grants`.
    pub endpoints: Vec<String>,
    pub approved_at: Timestamp,
    /// The user who approved it.
    pub approved_by: String,
}

/// A file that passed the conformance suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tested {
    /// In hexadecimal, of the file's bytes.
    pub sha256: String,
    /// Which form of the suite it passed; a later suite asks for more.
    pub suite: u32,
    /// How many checks that were.
    pub checks: u32,
    /// Of the cassettes that it passed with, in hexadecimal.
    #[serde(default)]
    pub cassettes_sha256: String,
    /// Of what its author declared beside them.
    #[serde(default)]
    pub declarations_sha256: String,
    /// Which lists were tested: `instances`, `realms`.
    #[serde(default)]
    pub lists: Vec<String>,
    pub tested_at: Timestamp,
    /// The user who ran the suite.
    pub tested_by: String,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {path}: {source}")]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("{path} is not a lock file: {message}")]
    Malformed { path: PathBuf, message: String },
    #[error("{path} has format {found}, but this host reads format {VERSION}: update the host")]
    TooNew { path: PathBuf, found: u32 },
    #[error("{path}: driver {driver:?}: {source}")]
    Endpoint { path: PathBuf, driver: String, source: InvalidEndpoint },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    version: u32,
    #[serde(default, rename = "driver")]
    drivers: Vec<Approval>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tested: Vec<Tested>,
}

/// What is wrong, and in which line. The line is not shown: it may be of another file, which has a key or a password.
fn placed(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

impl Lock {
    /// Reads the file; one that is not there approves nothing.
    pub fn read(path: &Path) -> Result<Lock, LockError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lock::default()),
            Err(source) => return Err(LockError::Unreadable { path: path.to_owned(), source }),
        };
        // The version comes first: what a later form has in it is not an error of this one.
        let malformed =
            |error: toml::de::Error| LockError::Malformed { path: path.to_owned(), message: placed(&error, &text) };
        let table: toml::Table = text.parse().map_err(malformed)?;
        if let Some(found) = table.get("version").and_then(toml::Value::as_integer)
            && found > i64::from(VERSION)
        {
            return Err(LockError::TooNew { path: path.to_owned(), found: u32::try_from(found).unwrap_or(u32::MAX) });
        }
        let file: LockFile = toml::from_str(&text).map_err(malformed)?;
        for approval in &file.drivers {
            approval.patterns().map_err(|source| LockError::Endpoint {
                path: path.to_owned(),
                driver: approval.name.clone(),
                source,
            })?;
        }
        Ok(Lock { drivers: file.drivers, tested: file.tested })
    }

    /// Writes the file whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), LockError> {
        let file = LockFile { version: VERSION, drivers: self.drivers.clone(), tested: self.tested.clone() };
        let text = toml::to_string_pretty(&file)
            .map_err(|error| LockError::NotWritten { path: path.to_owned(), source: io::Error::other(error) })?;
        replace(path, &[HEADING, &text].concat())
            .map_err(|source| LockError::NotWritten { path: path.to_owned(), source })
    }

    pub fn drivers(&self) -> &[Approval] {
        &self.drivers
    }

    /// The current driver of that name.
    pub fn by_name(&self, name: &str) -> Option<&Approval> {
        self.in_role(name, Role::Current)
    }

    pub fn in_role(&self, name: &str, role: Role) -> Option<&Approval> {
        self.drivers.iter().find(|approval| approval.name == name && approval.role == role)
    }

    pub fn by_digest(&self, sha256: &str) -> Option<&Approval> {
        self.drivers.iter().find(|approval| approval.sha256 == sha256)
    }

    pub fn by_file(&self, file: &str) -> Option<&Approval> {
        self.drivers.iter().find(|approval| approval.file == file)
    }

    /// Takes up an approval in the place of the one that the driver had in that role. A shadow that becomes
    /// current is a shadow no more.
    pub fn approve(&mut self, approval: Approval) {
        self.drivers.retain(|other| {
            other.sha256 != approval.sha256 && (&other.name, other.role) != (&approval.name, approval.role)
        });
        self.drivers.push(approval);
        self.drivers.sort_by(|a, b| (&a.name, a.role).cmp(&(&b.name, b.role)));
    }

    /// Takes a driver's approval back; in both roles where none is named. Gives what was taken back.
    pub fn revoke(&mut self, name: &str, role: Option<Role>) -> Vec<Approval> {
        let taken = |approval: &Approval| approval.name == name && role.is_none_or(|role| role == approval.role);
        let (revoked, kept) = self.drivers.drain(..).partition(taken);
        self.drivers = kept;
        revoked
    }

    pub fn tested(&self, sha256: &str) -> Option<&Tested> {
        self.tested.iter().find(|tested| tested.sha256 == sha256)
    }

    /// Records that a file passed the suite.
    pub fn record_tested(&mut self, tested: Tested) {
        self.tested.retain(|other| other.sha256 != tested.sha256);
        self.tested.push(tested);
        self.tested.sort_by(|a, b| a.sha256.cmp(&b.sha256));
    }
}

impl Approval {
    pub fn patterns(&self) -> Result<Vec<Pattern>, InvalidEndpoint> {
        self.endpoints.iter().map(|text| Pattern::parse(text)).collect()
    }
}

/// Replaces a file's content through a new file beside it, so that a reader sees the old or the new.
fn replace(path: &Path, content: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside = folder.join(name);
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_lock_is_not_quoted() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "# keys\nxAhwD6+NrRyG5GCHCKd0nZq1XvEWQV4s=\n").expect("written");
        let error = Lock::read(&path).expect_err("it is no lock").to_string();
        assert!(error.contains("is not a lock file: line 2: ") && !error.contains("xAhw"), "{error}");
    }

    fn approval(name: &str, sha256: &str) -> Approval {
        Approval {
            name: name.into(),
            version: "1.0.0".into(),
            role: Role::Current,
            file: format!("{name}.wasm"),
            source: None,
            sha256: sha256.into(),
            endpoints: vec!["https://ec2.*.example.com".into()],
            approved_at: Timestamp::from_millis(0),
            approved_by: "root".into(),
        }
    }

    #[test]
    fn is_read_as_it_was_written() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("drivers.lock");
        assert_eq!(Lock::read(&path).expect("nothing there"), Lock::default());
        let mut lock = Lock::default();
        lock.approve(approval("mock", "aa"));
        lock.approve(approval("ec2", "bb"));
        lock.approve(approval("mock", "cc"));
        let source = Some("oci://registry.example/drivers/mock:2".into());
        lock.approve(Approval { role: Role::Shadow, source, ..approval("mock", "dd") });
        lock.record_tested(Tested {
            sha256: "cc".into(),
            suite: 1,
            checks: 20,
            cassettes_sha256: "ca".into(),
            declarations_sha256: "de".into(),
            lists: vec!["instances".into()],
            tested_at: Timestamp::from_millis(0),
            tested_by: "root".into(),
        });
        lock.write(&path).expect("written");
        let read = Lock::read(&path).expect("read");
        assert_eq!(read, lock);
        let digests: Vec<_> = read.drivers().iter().map(|approval| approval.sha256.as_str()).collect();
        assert_eq!(digests, ["bb", "cc", "dd"]);
        assert_eq!(read.by_digest("aa"), None);
        assert_eq!(read.by_name("mock").map(|approval| approval.sha256.as_str()), Some("cc"));
        assert_eq!((read.tested("cc").map(|tested| tested.checks), read.tested("dd")), (Some(20), None));
    }

    #[test]
    fn a_driver_has_one_approval_in_each_role() {
        let mut lock = Lock::default();
        lock.approve(approval("mock", "aa"));
        lock.approve(Approval { role: Role::Shadow, ..approval("mock", "bb") });
        lock.approve(Approval { role: Role::Shadow, ..approval("mock", "cc") });
        let digests = |lock: &Lock| lock.drivers().iter().map(|approval| approval.sha256.clone()).collect::<Vec<_>>();
        assert_eq!(digests(&lock), ["aa", "cc"]);
        lock.approve(approval("mock", "cc"));
        assert_eq!((digests(&lock), lock.in_role("mock", Role::Shadow)), (vec!["cc".to_owned()], None));
        assert_eq!(lock.revoke("mock", Some(Role::Shadow)).len(), 0);
        assert_eq!(lock.revoke("mock", None).len(), 1);
        assert_eq!(lock.drivers(), []);
    }

    #[test]
    fn a_broken_file_says_what_is_wrong() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("drivers.lock");
        let check = |text: &str, want: &str| {
            std::fs::write(&path, text).expect("written");
            let error = Lock::read(&path).expect_err(text).to_string();
            assert!(error.contains(want), "{error}");
        };
        check("version = 2\nsomething = 1", "update the host");
        check("version = 1\nsomething = 1", "unknown field");
        check("nonsense", "not a lock file");
        let mut lock = Lock::default();
        lock.approve(Approval { endpoints: vec!["https://*.com".into()], ..approval("ec2", "aa") });
        lock.write(&path).expect("written");
        check(&std::fs::read_to_string(&path).expect("text"), "driver \"ec2\"");
    }
}
