//! Makes the Rust SDK a standalone package. In the repository it is part of a workspace, whose settings it shares, and
//! the contract is two folders up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The workspace of the drivers, from which the SDK has its versions.
const WORKSPACE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/drivers/Cargo.toml"));
/// Where the SDK's bindings look for the contract, and where it is in a project.
const WIT_HERE: &str = "\"../../wit/0.2.0\"";
const WIT_THERE: &str = "\"../wit\"";
const HEAD: &str =
    "# The SDK of Tracker's drivers, as it was when this project was made. There is no need to change it.\n\n";

#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("the SDK in this program is damaged: its Cargo.toml is not TOML: {0}")]
    Unreadable(#[from] toml::de::Error),
    #[error("the SDK in this program is damaged: its Cargo.toml cannot be written: {0}")]
    Unwritable(#[from] toml::ser::Error),
    #[error("the SDK in this program is damaged: {0}")]
    Unsound(&'static str),
}

/// Changes the SDK in that folder so that it needs nothing of the repository. Its own tests stay there.
pub(super) fn stand_alone(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> Result<(), ManifestError> {
    files.retain(|path, _| !path.starts_with(folder.join("tests")));
    let manifest = files.get_mut(&folder.join("Cargo.toml")).ok_or(ManifestError::Unsound("it has no Cargo.toml"))?;
    let workspace: Table = WORKSPACE.parse()?;
    *manifest = alone(&String::from_utf8_lossy(manifest), &workspace)?.into_bytes();
    let path = folder.join("src/bindings.rs");
    let bindings = files.get_mut(&path).ok_or(ManifestError::Unsound("it has no bindings"))?;
    let text = String::from_utf8_lossy(bindings);
    if !text.contains(WIT_HERE) {
        return Err(ManifestError::Unsound("its bindings look for the contract elsewhere"));
    }
    *bindings = text.replace(WIT_HERE, WIT_THERE).into_bytes();
    Ok(())
}

/// A manifest with the values of its workspace in the place of `workspace = true`.
fn alone(manifest: &str, workspace: &Table) -> Result<String, ManifestError> {
    let mut manifest: Table = manifest.parse()?;
    let shared = workspace.get("workspace").and_then(Value::as_table);
    let shared = shared.ok_or(ManifestError::Unsound("its workspace has none"))?;
    // What only the SDK's own tests need, and the repository's taste.
    manifest.remove("dev-dependencies");
    manifest.remove("lints");
    inherit(&mut manifest, "package", shared.get("package"))?;
    inherit(&mut manifest, "dependencies", shared.get("dependencies"))?;
    if let Some(targets) = manifest.get_mut("target").and_then(Value::as_table_mut) {
        for (_, target) in targets.iter_mut().filter_map(|(name, target)| Some((name, target.as_table_mut()?))) {
            inherit(target, "dependencies", shared.get("dependencies"))?;
        }
    }
    Ok(HEAD.to_owned() + &toml::to_string(&manifest)?)
}

/// Puts the workspace's values where a table says that it has them from there.
fn inherit(of: &mut Table, table: &str, shared: Option<&Value>) -> Result<(), ManifestError> {
    let Some(values) = of.get_mut(table).and_then(Value::as_table_mut) else { return Ok(()) };
    for (name, value) in values.iter_mut() {
        if value.get("workspace").is_some() {
            let shared = shared.and_then(|shared| shared.get(name));
            *value = shared.ok_or(ManifestError::Unsound("its workspace lacks what it has from there"))?.clone();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_the_workspace() {
        let workspace: Table = "[workspace.package]\nedition = \"2024\"\n[workspace.dependencies]\n\
             a = { version = \"1\", features = [\"x\"] }\nb = \"2\"\n"
            .parse()
            .expect("TOML");
        let check = |manifest: &str, want: &str| {
            let text = alone(manifest, &workspace).expect("alone");
            let (found, want): (Table, Table) = (text.parse().expect("TOML"), want.parse().expect("TOML"));
            assert_eq!(found, want, "{text}");
        };
        check("[package]\nname = \"s\"\nedition.workspace = true", "[package]\nname = \"s\"\nedition = \"2024\"");
        check(
            "[dependencies]\nc = \"3\"\na.workspace = true",
            "[dependencies]\nc = \"3\"\na = { version = \"1\", features = [\"x\"] }",
        );
        check("[target.'cfg(unix)'.dependencies]\nb.workspace = true", "[target.'cfg(unix)'.dependencies]\nb = \"2\"");
        check("[lints]\nworkspace = true\n[dev-dependencies]\nz.workspace = true", "");
        assert!(alone("[dependencies]\nz.workspace = true", &workspace).is_err());
    }
}
