//! What a component says of itself at its edge: the names that it imports and exports. Read without compiling or
//! validating what is inside, so that a file of another world costs next to nothing.

use serde::{Deserialize, Serialize};
use wasmtime::wasmparser::{ComponentTypeRef, Parser, Payload};

use super::load::{LoadError, PACKAGE, served};

const INTERFACE: &str = "tracker:driver/inventory";
/// The most bytes of all names: a component of any toolchain has a few thousand.
const MOST_NAMES: usize = 256 << 10;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outline {
    /// In the component's own order.
    pub(super) imports: Vec<Item>,
    pub(super) exports: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) kind: ItemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ItemKind {
    Instance,
    Type,
    Other,
}

impl Outline {
    /// Reads a component. An error says where it is no sound one.
    pub(super) fn of(component: &[u8]) -> Result<Outline, String> {
        let mut outline = Outline::default();
        let mut depth = 0_usize;
        let mut names = 0_usize;
        let mut take = |name: &str| {
            names += name.len();
            match names > MOST_NAMES {
                true => Err(format!("the names that it imports and exports have more than {MOST_NAMES} bytes")),
                false => Ok(name.to_owned()),
            }
        };
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(|error| error.to_string())? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        let import = import.map_err(|error| error.to_string())?;
                        let kind = match import.ty {
                            ComponentTypeRef::Instance(_) => ItemKind::Instance,
                            ComponentTypeRef::Type(_) => ItemKind::Type,
                            _ => ItemKind::Other,
                        };
                        outline.imports.push(Item { name: take(import.name.name)?, kind });
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        let export = export.map_err(|error| error.to_string())?;
                        outline.exports.push(take(export.name.name)?);
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    /// Refuses a component of another contract, or one that asks for what no driver is lent.
    pub(super) fn check_world(&self, is_linked: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        for name in self.exports.iter().chain(self.imports.iter().map(|import| &import.name)) {
            if let Some((interface, version)) = name.split_once('@')
                && interface.split('/').next() == Some(PACKAGE)
                && !served(version)
            {
                return Err(LoadError::Version { found: version.to_owned() });
            }
        }
        if !self.exports.iter().any(|name| name.split('@').next() == Some(INTERFACE)) {
            return Err(LoadError::OtherWorld(match self.exports.is_empty() {
                true => format!("a driver exports {INTERFACE}, and it exports nothing"),
                false => format!("a driver exports {INTERFACE}, and it exports {}", self.exports.join(", ")),
            }));
        }
        let is_lent = |import: &&Item| match import.kind {
            ItemKind::Instance => is_linked(&import.name),
            // A type by its name takes nothing of the host.
            ItemKind::Type => true,
            ItemKind::Other => false,
        };
        match self.imports.iter().find(|import| !is_lent(import)) {
            None => Ok(()),
            Some(import) => Err(LoadError::Imports(import.name.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        Outline::of(&wat::parse_str(text).expect("WebAssembly text")).expect("a component")
    }

    #[test]
    fn only_the_edge_is_read() {
        let found = outline(
            "(component
                (import \"wasi:io/poll@0.2.0\" (instance))
                (import \"a-type\" (type (sub resource)))
                (import \"a-function\" (func))
                (component (import \"inner\" (func)) (export \"inner-too\" (func 0)))
                (core module (import \"a\" \"b\" (func)))
                (instance $i) (export \"tracker:driver/inventory@0.1.0\" (instance $i)))",
        );
        let kinds: Vec<_> = found.imports.iter().map(|import| (import.name.as_str(), import.kind)).collect();
        let instance = ("wasi:io/poll@0.2.0", ItemKind::Instance);
        assert_eq!(kinds, [instance, ("a-type", ItemKind::Type), ("a-function", ItemKind::Other)]);
        assert_eq!(found.exports, ["tracker:driver/inventory@0.1.0"]);
    }

    #[test]
    fn another_world_is_refused_by_its_names() {
        let check = |text: &str, want: &str| {
            let checked = outline(text).check_world(|name| name.starts_with("wasi:io/"));
            match checked {
                Ok(()) => assert_eq!(want, "", "{text}"),
                Err(error) => assert!(!want.is_empty() && error.to_string().contains(want), "{error}"),
            }
        };
        let driver = "(instance $i) (export \"tracker:driver/inventory@0.1.0\" (instance $i))";
        check(&format!("(component {driver})"), "");
        check(&format!("(component (import \"wasi:io/poll@0.2.9\" (instance)) {driver})"), "");
        check(&format!("(component (import \"a:b/c\" (instance)) {driver})"), "no driver is lent: a:b/c");
        check(&format!("(component (import \"f\" (func)) {driver})"), "no driver is lent: f");
        check("(component)", "it exports nothing");
        check("(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))", "it exports wasi:cli/run");
        let newer = "(component (instance $i) (export \"tracker:driver/inventory@0.9.0\" (instance $i)))";
        check(newer, "update the host");
    }

    #[test]
    fn what_is_cut_short_or_endless_is_told() {
        let whole = wat::parse_str("(component (core module (func)))").expect("WebAssembly text");
        assert!(Outline::of(&whole[..whole.len() - 3]).is_err());
        let names: String = (0..3000).map(|n| format!("(import \"n{n}-{}\" (instance))", "x".repeat(90))).collect();
        let many = wat::parse_str(format!("(component {names})")).expect("WebAssembly text");
        let error = Outline::of(&many).expect_err("too many names");
        assert!(error.contains("more than 262144 bytes"), "{error}");
    }
}
