//! A project as files: the files of a template with the driver's names in them. It is written completely or not at all.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use include_dir::Dir;

use super::language::Language;
use super::names::Names;
use super::sdk;

/// What tools leave behind in a folder, and is no part of a template.
const LEFT_BEHIND: &[&str] = &["__pycache__", "node_modules", "target", "dist", "build"];

/// The files, by their paths in the project.
#[derive(Debug)]
pub(super) struct Project {
    files: BTreeMap<PathBuf, Vec<u8>>,
    sdk: &'static str,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ProjectError {
    #[error("{0} exists and is not empty: move it away, or name another folder with --directory")]
    Occupied(PathBuf),
    #[error("{0} exists and is not a folder: name another one with --directory")]
    NoFolder(PathBuf),
    #[error("cannot write {path}: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Sdk(#[from] sdk::ManifestError),
}

impl Project {
    pub(super) fn of(language: &Language, names: &Names) -> Result<Project, ProjectError> {
        let mut files = BTreeMap::new();
        for folder in language.folders {
            take(folder.content, Path::new(folder.into), names, &mut files);
        }
        if language.name == "rust" {
            sdk::stand_alone(Path::new(language.sdk), &mut files)?;
        }
        Ok(Project { files, sdk: language.sdk })
    }

    /// What there is to be seen at first sight: each entry of the folder, with a word on those that are not the
    /// author's to change.
    pub(super) fn entries(&self) -> Vec<(String, &'static str)> {
        let mut entries: BTreeMap<String, &'static str> = BTreeMap::new();
        for path in self.files.keys() {
            let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
            let Some(first) = parts.next() else { continue };
            let what = match first.as_str() {
                "README.md" => "from here to a loaded driver",
                "cassettes" => "what the provider answers, for tests",
                "wit" => "the contract, with a comment on every field",
                sdk if sdk == self.sdk => "what a driver is written with",
                _ => "",
            };
            let entry = if parts.next().is_some() { first + "/" } else { first };
            entries.insert(entry, what);
        }
        entries.into_iter().collect()
    }

    /// Writes it beside the place where it is to be, and puts it there as one.
    pub(super) fn write(&self, directory: &Path) -> Result<(), ProjectError> {
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |source| ProjectError::Unwritable { path, source }
        };
        match std::fs::read_dir(directory) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(ProjectError::Occupied(directory.to_owned()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(ProjectError::NoFolder(directory.to_owned()));
            }
            Err(error) => return Err(unwritable(directory)(error)),
        }
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(unwritable(parent))?;
        // The permissions of any new folder, less what the user's mask takes away.
        let mut made = tempfile::Builder::new();
        made.prefix(".new-driver-").permissions(Permissions::from_mode(0o777));
        let made = made.tempdir_in(parent).map_err(unwritable(parent))?;
        for (path, content) in &self.files {
            let file = made.path().join(path);
            let folder = file.parent().unwrap_or(made.path());
            std::fs::create_dir_all(folder).map_err(unwritable(folder))?;
            std::fs::write(&file, content).map_err(unwritable(&directory.join(path)))?;
            // What is embedded has lost its permissions; a script is known by how it begins.
            if content.starts_with(b"#!") {
                std::fs::set_permissions(&file, Permissions::from_mode(0o755)).map_err(unwritable(&file))?;
            }
        }
        std::fs::rename(made.path(), directory).map_err(unwritable(directory))?;
        // It is not where it was made any more, and is to stay.
        let _ = made.keep();
        Ok(())
    }
}

/// Adds the files of a folder, with the names filled in, in what they are called and in what is in them.
fn take(folder: &Dir<'_>, into: &Path, names: &Names, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for file in folder.files() {
        let name = file.path().file_name().unwrap_or_default().to_string_lossy();
        let path = into.join(file_name(&names.fill(&name)));
        let content = match file.contents_utf8() {
            Some(text) => names.fill(text).into_bytes(),
            None => file.contents().to_vec(),
        };
        files.insert(path, content);
    }
    for inner in folder.dirs() {
        let name = inner.path().file_name().unwrap_or_default().to_string_lossy();
        if !LEFT_BEHIND.contains(&&*name) {
            take(inner, &into.join(names.fill(&name)), names, files);
        }
    }
}

/// Files that tools would take for their own where the template lies have other names there.
fn file_name(name: &str) -> String {
    let name = name.strip_suffix(".template").unwrap_or(name);
    match name.strip_prefix('_') {
        Some(hidden @ ("gitignore" | "gitattributes" | "npmrc" | "editorconfig")) => format!(".{hidden}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
