//! The outline of a component: the names of its imports and exports. It is read without compiling or validating the
//! component, so that a file of a different world costs next to nothing: one pass over the file, and memory only for
//! the names. Any process may read the outline of any file.

use serde::{Deserialize, Serialize};
use wasmtime::wasmparser::{ComponentInstance, ComponentTypeRef, ElementItems, ElementKind, Parser, Payload};

use super::error::LoadError;
use crate::driver::contract::{Contract, PACKAGE};

const INTERFACE: &str = "tracker:driver/inventory";
/// The most bytes of all names: a component of any toolchain has a few thousand.
const MOST_NAMES: usize = 256 << 10;
/// The most names: they may be empty, and each takes memory all the same.
const MOST_ITEMS: usize = 10_000;
/// The most elements of all passive segments, and segments, in all modules. A sandbox holds at most 32 bytes of the host's
/// memory for each, once for each of the at most 64 instances of its module. No toolchain that is known makes any.
const MOST_PASSIVE: usize = 400;
/// The most instances of components in one sandbox, of which each has a state of about 100 bytes. Those that toolchains
/// make have a few for each component that is in them.
const MOST_INSTANCES: usize = 8_192;
/// What a sandbox holds at most of these two, which nothing counts while it runs.
pub(in crate::driver) const MOST_BYTES: usize = 2 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// In the component's own order.
    pub imports: Vec<Item>,
    pub exports: Vec<String>,
    /// Elements of passive segments and these segments, in all modules.
    pub(in crate::driver) passive: usize,
    /// How many instances of components there may be, this one among them. There are fewer where not each component
    /// makes instances of each other.
    pub(in crate::driver) instances: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub name: String,
    pub(in crate::driver) kind: ItemKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::driver) enum ItemKind {
    Instance,
    Type,
    Other,
}

impl Outline {
    /// Reads a component. An error says where it is no sound one.
    pub fn of(component: &[u8]) -> Result<Outline, String> {
        let mut outline = Outline { instances: 1, ..Outline::default() };
        // Of each component or module that this is within, how many instances it makes of others.
        let mut around: Vec<usize> = vec![0];
        let (mut names, mut items) = (0_usize, 0_usize);
        let mut take = |name: &str| {
            names += name.len();
            items += 1;
            match (names > MOST_NAMES, items > MOST_ITEMS) {
                (true, _) => Err(format!("the names that it imports and exports have more than {MOST_NAMES} bytes")),
                (false, true) => Err(format!("it imports and exports more than {MOST_ITEMS} names")),
                (false, false) => Ok(name.to_owned()),
            }
        };
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(|error| error.to_string())? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => around.push(0),
                Payload::End(_) => {
                    let made = around.pop().unwrap_or_default();
                    outline.instances = outline.instances.saturating_mul(made.saturating_add(1));
                }
                Payload::ComponentInstanceSection(section) => {
                    for instance in section {
                        let instance = instance.map_err(|error| error.to_string())?;
                        if let (ComponentInstance::Instantiate { .. }, Some(made)) = (instance, around.last_mut()) {
                            *made += 1;
                        }
                    }
                }
                Payload::ComponentImportSection(section) if around.len() == 1 => {
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
                Payload::ComponentExportSection(section) if around.len() == 1 => {
                    for export in section {
                        let export = export.map_err(|error| error.to_string())?;
                        outline.exports.push(take(export.name.name)?);
                    }
                }
                Payload::ElementSection(section) => {
                    for element in section {
                        let element = element.map_err(|error| error.to_string())?;
                        if matches!(element.kind, ElementKind::Passive) {
                            let count = match element.items {
                                ElementItems::Functions(items) => items.count(),
                                ElementItems::Expressions(_, items) => items.count(),
                            };
                            outline.passive = outline.passive.saturating_add(1).saturating_add(count as usize);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(outline)
    }

    /// The version of the contract that its exports name; none where it is a component of another kind.
    pub(in crate::driver) fn contract(&self) -> Option<&str> {
        self.exports.iter().find_map(|name| {
            let (interface, version) = name.split_once('@')?;
            (interface.split('/').next() == Some(PACKAGE)).then_some(version)
        })
    }

    /// Refuses a component that would hold memory of the host in each sandbox that no limit counts.
    pub(in crate::driver) fn check_size(&self) -> Result<(), LoadError> {
        if self.passive > MOST_PASSIVE {
            let found = self.passive;
            return Err(LoadError::Unfit(format!(
                "its passive segments have {found} elements; a driver may have {MOST_PASSIVE}"
            )));
        }
        if self.instances > MOST_INSTANCES {
            return Err(LoadError::Unfit(format!("it may have more than {MOST_INSTANCES} instances of components")));
        }
        Ok(())
    }

    /// The contract that a component is made for. Refuses one of a contract that is not served, or of two, and one that
    /// asks for what no driver is lent.
    pub(in crate::driver) fn check_world(&self, is_linked: impl Fn(&str) -> bool) -> Result<Contract, LoadError> {
        let mut of = None;
        for name in self.exports.iter().chain(self.imports.iter().map(|import| &import.name)) {
            if let Some((interface, version)) = name.split_once('@')
                && interface.split('/').next() == Some(PACKAGE)
            {
                let contract = Contract::of(version).ok_or_else(|| LoadError::Version { found: version.to_owned() })?;
                let first = *of.get_or_insert(contract);
                if first != contract {
                    return Err(LoadError::OtherWorld(format!(
                        "it is built for {PACKAGE} {first} and {contract} at once"
                    )));
                }
            }
        }
        let exported = self.exports.iter().any(|name| name.split('@').next() == Some(INTERFACE));
        let Some(contract) = of.filter(|_| exported) else {
            return Err(LoadError::OtherWorld(match self.exports.is_empty() {
                true => format!("a driver exports {INTERFACE}, but it exports nothing"),
                false => format!("a driver exports {INTERFACE}, but it exports {}", self.exports.join(", ")),
            }));
        };
        let is_lent = |import: &&Item| match import.kind {
            ItemKind::Instance => is_linked(&import.name),
            // A type by its name takes nothing of the host.
            ItemKind::Type => true,
            ItemKind::Other => false,
        };
        match self.imports.iter().find(|import| !is_lent(import)) {
            None => Ok(contract),
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
                Ok(_) => assert_eq!(want, "", "{text}"),
                Err(error) => assert!(!want.is_empty() && error.to_string().contains(want), "{error}"),
            }
        };
        let driver = "(instance $i) (export \"tracker:driver/inventory@0.1.0\" (instance $i))";
        check(&format!("(component {driver})"), "");
        check(&format!("(component (import \"wasi:io/poll@0.2.9\" (instance)) {driver})"), "");
        check(&format!("(component (import \"a:b/c\" (instance)) {driver})"), "no driver gets: a:b/c");
        check(&format!("(component (import \"f\" (func)) {driver})"), "no driver gets: f");
        check("(component)", "it exports nothing");
        check("(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))", "it exports wasi:cli/run");
        let both = "(import \"tracker:driver/log@0.2.0\" (instance))";
        check(&format!("(component {both} {driver})"), "built for tracker:driver");
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
        // Sound or not: an import of an instance of type 0 with a name of no bytes, over and over.
        let imports = [0, 0, 5, 0].repeat(MOST_ITEMS + 1);
        let count = [0x91, 0xce, 0];
        let size = u32::try_from(count.len() + imports.len()).expect("small");
        let size = [0, 7, 14, 21].map(|shift| u8::try_from(size >> shift & 0x7f).expect("seven bits") | 0x80);
        let section = [&[10], &size[..3], &[size[3] & 0x7f], &count[..], &imports[..]].concat();
        let many = [&b"\0asm\x0d\0\x01\0"[..], &section].concat();
        let error = Outline::of(&many).expect_err("too many names");
        assert!(error.contains("more than 10000 names"), "{error}");
    }

    #[test]
    fn instances_of_components_are_counted_as_they_multiply() {
        let many = |count: usize, of: &str| format!("(instance (instantiate {of}))").repeat(count);
        let check = |text: &str, want: usize| assert_eq!(outline(text).instances, want, "{text:.100}");
        check("(component)", 1);
        check("(component (component $a) (instance $i) (instance (instantiate $a)))", 2);
        check("(component (core module $m) (core instance (instantiate $m)) (core instance (instantiate $m)))", 1);
        check(&format!("(component (component $b (component $c) {}) {})", many(4, "$c"), many(2, "$b")), 15);
        let outsized = format!("(component (component $b (component $c) {}) {})", many(90, "$c"), many(90, "$b"));
        let error = outline(&outsized).check_size().expect_err("too many").to_string();
        assert!(error.contains("more than 8192 instances"), "{error}");
    }

    #[test]
    fn passive_elements_are_counted_in_every_module() {
        let elements = |count: usize| format!("(func $f) (elem func{})", " $f".repeat(count));
        let check = |text: &str, want: usize| assert_eq!(outline(text).passive, want, "{text:.100}");
        check("(component (core module (table 9 funcref) (func $f) (elem (i32.const 0) func $f $f)))", 0);
        check("(component (core module (func $f) (elem declare func $f)))", 0);
        check("(component (core module (func $f) (elem funcref (ref.func $f) (ref.null func))))", 3);
        check(&format!("(component (core module {}) (component (core module {})))", elements(3), elements(4)), 9);
        assert!(outline(&format!("(component (core module {}))", elements(MOST_PASSIVE - 1))).check_size().is_ok());
        let many = outline(&format!("(component (core module {}))", elements(MOST_PASSIVE)));
        let error = many.check_size().expect_err("too many").to_string();
        assert!(error.contains("passive segments have 401 elements"), "{error}");
    }
}
