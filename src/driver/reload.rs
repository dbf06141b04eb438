//! The outcome of a reload: which drivers are new, which replaced others, which continue.

use super::catalog::Catalog;
use crate::supply::Role;

/// One driver of the catalog before, of the one after, or of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    pub name: String,
    pub role: Role,
    pub outcome: Outcome,
}

/// A version is the driver's own word for it, with the beginning of its file's SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Loaded { version: String },
    Replaced { before: String, version: String },
    Unchanged { version: String },
    Dropped { before: String },
}

impl Catalog {
    /// What became of each driver from `before` to this catalog, by name.
    pub fn since(&self, before: &Catalog) -> Vec<Reloaded> {
        let mut reloaded = Vec::new();
        for role in [Role::Current, Role::Shadow] {
            let (old, new) = (before.versions(role), self.versions(role));
            for (name, version) in &new {
                let outcome = match old.iter().find(|(other, _)| other == name) {
                    None => Outcome::Loaded { version: version.clone() },
                    Some((_, before)) if before == version => Outcome::Unchanged { version: version.clone() },
                    Some((_, before)) => Outcome::Replaced { before: before.clone(), version: version.clone() },
                };
                reloaded.push(Reloaded { name: name.clone(), role, outcome });
            }
            for (name, before) in old.into_iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name)) {
                reloaded.push(Reloaded { name, role, outcome: Outcome::Dropped { before } });
            }
        }
        reloaded.sort_by(|a, b| (&a.name, a.role).cmp(&(&b.name, b.role)));
        reloaded
    }

    fn versions(&self, role: Role) -> Vec<(String, String)> {
        let drivers: Vec<_> = match role {
            Role::Current => self.drivers().collect(),
            Role::Shadow => self.shadows().map(|shadow| shadow.driver()).collect(),
        };
        let version = |digest: &str, version: &str| format!("{version} ({})", digest.get(..12).unwrap_or(digest));
        drivers
            .into_iter()
            .map(|driver| driver.info())
            .map(|info| (info.name.clone(), version(&info.digest, &info.version)))
            .collect()
    }
}
