//! Stores fetched files in the directory of drivers, under names that contain the version, and never overwrites a file.

use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::Builder;

use super::error::FetchError;
use crate::supply::evidence::Evidence;

/// What of a driver's own words goes into a file's name.
const MOST_OF_VERSION: usize = 40;
/// Signatures beside a file: as many, and as large, as are looked at when it is loaded.
const MOST_SIGNATURES: usize = 16;
const SIGNATURE_BYTES: u64 = 64 << 10;

/// What a driver's file is called when the host puts it there: another version is another file, so that the one which
/// a running host may load later stays as it is.
pub fn file_name(name: &str, version: &str, sha256: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || "+.-".contains(c) { c } else { '_' };
    let version: String = version.chars().take(MOST_OF_VERSION).map(fits).collect();
    format!("{name}-{version}-{}.wasm", sha256.get(..12).unwrap_or(sha256))
}

/// Writes a file with its evidence: whole or not at all.
pub fn keep(path: &Path, bytes: &[u8], evidence: Option<&Evidence>) -> Result<(), FetchError> {
    let not_written = |source| FetchError::NotWritten { path: path.to_owned(), source };
    // The evidence comes first: a driver is never there without it.
    if let Some(evidence) = evidence {
        let text = serde_json::to_vec_pretty(evidence).map_err(io::Error::from).map_err(not_written)?;
        let path = Evidence::path_of(path);
        replace(&path, &text).map_err(|source| FetchError::NotWritten { path: path.clone(), source })?;
    }
    replace(path, bytes).map_err(not_written)
}

/// Through a new file beside it, whose name no one takes for a driver's.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder)?;
    let mut part = Builder::new();
    part.prefix(".fetched-").suffix(".part").permissions(Permissions::from_mode(0o644));
    let mut part = part.tempfile_in(folder)?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    part.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

/// The signatures that lie beside a driver's file (`NAME.wasm.sig`, `NAME.wasm.ANYTHING.sig` and the same with
/// `.sigstore.json`), each with what it is called beside a copy of that other name.
pub fn signatures_beside(file: &Path, copy: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder_of(file))? {
        let entry = entry?;
        let beside = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = beside.strip_prefix(&name).filter(|rest| rest.starts_with('.')) else { continue };
        let is_signature = rest.ends_with(".sig") || rest.ends_with(".sigstore.json");
        if is_signature && entry.metadata()?.is_file() && entry.metadata()?.len() <= SIGNATURE_BYTES {
            let mut to = copy.as_os_str().to_owned();
            to.push(rest);
            found.push((entry.path(), PathBuf::from(to)));
        }
    }
    found.sort();
    found.truncate(MOST_SIGNATURES);
    Ok(found)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply::evidence::SignedPayload;

    #[test]
    fn a_name_says_which_file_it_is() {
        let check = |version: &str, want: &str| assert_eq!(file_name("ec2", version, &"ab".repeat(32)), want);
        check("1.2.0", "ec2-1.2.0-abababababab.wasm");
        check("1.2.0-rc.1+x", "ec2-1.2.0-rc.1+x-abababababab.wasm");
        check("../../x y", "ec2-.._.._x_y-abababababab.wasm");
        check(&"9".repeat(100), &format!("ec2-{}-abababababab.wasm", "9".repeat(40)));
    }

    #[test]
    fn a_file_is_there_whole_and_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("folder");
        let directory = folder.path().join("drivers");
        let path = directory.join("a.wasm");
        let signatures = vec![SignedPayload { payload: vec![1], signature: vec![2] }];
        let evidence = Evidence { manifest: b"{}".to_vec(), signatures };
        keep(&path, b"first", None).expect("kept");
        keep(&path, b"second", Some(&evidence)).expect("kept");
        assert_eq!(std::fs::read(&path).expect("read"), b"second");
        assert_eq!(Evidence::read(&path).expect("read"), Some(evidence));
        assert_eq!(std::fs::read_dir(&directory).expect("read").count(), 2);
        let taken = directory.join("folder.wasm");
        std::fs::create_dir(&taken).expect("made");
        assert!(matches!(keep(&taken, b"x", None), Err(FetchError::NotWritten { .. })));
        assert_eq!(std::fs::read_dir(&directory).expect("read").count(), 3, "nothing half is left");
    }

    #[test]
    fn signatures_go_with_their_file() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("ec2.wasm");
        for name in ["ec2.wasm", "ec2.wasm.sig", "ec2.wasm.me.sigstore.json", "ec2.wasmX.sig", "other.wasm.sig"] {
            std::fs::write(folder.path().join(name), name).expect("written");
        }
        std::fs::write(folder.path().join("ec2.wasm.big.sig"), vec![0; 70_000]).expect("written");
        let found = signatures_beside(&file, Path::new("/d/ec2-1.wasm")).expect("read");
        let to: Vec<_> = found.iter().map(|(_, to)| to.to_str().expect("UTF-8")).collect();
        assert_eq!(to, ["/d/ec2-1.wasm.me.sigstore.json", "/d/ec2-1.wasm.sig"]);
    }
}
