//! Finds the file of a driver, and tells versions apart.

use std::path::{Path, PathBuf};

use crate::cli::usage::UsageError;
use crate::model::legible;
use crate::supply::wasm_files;

/// The file that is meant: a path as it is, a name as `NAME.wasm` in the directory of drivers.
pub(super) fn find(what: &str, directory: &Path) -> Result<PathBuf, UsageError> {
    let path = Path::new(what);
    let is_path = what.contains('/') || path.extension().is_some_and(|extension| extension == "wasm");
    let file = match is_path {
        true => path.to_owned(),
        false => directory.join(format!("{what}.wasm")),
    };
    if file.is_file() {
        return Ok(file);
    }
    if is_path {
        return Err(UsageError(format!("there is no file {}", file.display())));
    }
    let there = wasm_files(directory).unwrap_or_default();
    let there: Vec<_> = there.iter().filter_map(|file| Some(legible(file.file_stem()?.to_str()?))).collect();
    let there = match there.is_empty() {
        true => "it has no drivers".to_owned(),
        false => format!("it has: {}", there.join(", ")),
    };
    let directory = directory.display();
    Err(UsageError(format!("there is no {what}.wasm in {directory}; {there} (setting: drivers.directory)")))
}

/// The beginning of a SHA-256, enough to tell two files apart by eye.
pub(super) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_of_the_directory() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("mock.wasm");
        std::fs::write(&file, "").expect("written");
        assert_eq!(find("mock", folder.path()).expect("found"), file);
        assert_eq!(find(&file.display().to_string(), Path::new("/")).expect("found"), file);
        let check = |what: &str, want: &str| {
            let error = find(what, folder.path()).expect_err(what).to_string();
            assert!(error.contains(want), "{error}");
        };
        check("ec2", "it has: mock");
        check("./ec2.wasm", "there is no file ./ec2.wasm");
        // A name in the directory ends no line.
        std::fs::write(folder.path().join("z\nerror: none.wasm"), "").expect("written");
        check("ec2", "it has: mock, z error: none (setting");
    }
}
