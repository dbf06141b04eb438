//! Import cycles between the files of a room. A file imports the file that defines an item, wherever it names that item: in
//! a `use` or in any other path, tests included. A `mod` declaration is no import, and neither is a `pub use` of an item
//! that the file itself does not use.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tokens::{Token, tokens};

/// A module's path, or an item's.
type Path<'a> = Vec<&'a str>;

/// How many re-exports are followed from a name to its definition.
const MOST_REEXPORTS: usize = 8;

/// What a file says of modules and paths.
#[derive(Default)]
struct Source<'a> {
    module: Path<'a>,
    /// Modules in files of their own.
    children: BTreeSet<&'a str>,
    /// What `use` brings to the top level, by name.
    names: HashMap<&'a str, Path<'a>>,
    /// Every path in use, from the crate's root.
    used: Vec<Path<'a>>,
}

/// The imports between files of a room that are part of a cycle, one sentence for each.
pub(super) fn import_cycles(room: &str, files: &[(String, String)]) -> Vec<String> {
    let sources = files.iter().filter_map(|(path, text)| {
        let module: Path<'_> = path.strip_prefix("src/")?.strip_suffix(".rs")?.split('/').collect();
        (module[0] == room).then(|| (module.clone(), Source::read(module, text)))
    });
    let sources: BTreeMap<Path<'_>, Source<'_>> = sources.collect();
    let imports = |module: &[&str]| -> BTreeSet<Path<'_>> {
        let found = sources[module].used.iter().filter_map(|path| defined_in(&sources, path.clone(), MOST_REEXPORTS));
        found.filter(|other| other != module).collect()
    };
    let imports: BTreeMap<&Path<'_>, BTreeSet<Path<'_>>> =
        sources.keys().map(|module| (module, imports(module))).collect();
    let reaches = |from: &Path<'_>, to: &Path<'_>| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            next.extend(imports[module].iter().filter(|other| reached.insert(*other)));
        }
        reached.contains(to)
    };
    let file = |module: &Path<'_>| format!("src/{}.rs", module.join("/"));
    let all = imports.iter().flat_map(|(module, others)| others.iter().map(move |other| (*module, other)));
    all.filter(|(module, other)| reaches(other, module))
        .map(|(module, other)| format!("{} imports {}, which is part of an import cycle", file(module), file(other)))
        .collect()
}

/// The file that defines what a path names; none where it is no file of these.
fn defined_in<'a>(sources: &BTreeMap<Path<'a>, Source<'a>>, path: Path<'a>, left: usize) -> Option<Path<'a>> {
    let depth = (1..=path.len()).rev().find(|depth| sources.contains_key(&path[..*depth]))?;
    let (module, rest) = path.split_at(depth);
    match rest.first().and_then(|name| sources[module].names.get(name)) {
        Some(reexported) if left > 0 => defined_in(sources, [&reexported[..], &rest[1..]].concat(), left - 1),
        _ => Some(module.to_vec()),
    }
}

impl<'a> Source<'a> {
    fn read(module: Path<'a>, text: &'a str) -> Source<'a> {
        let tokens = tokens(text);
        let word = |at: usize| tokens.get(at).map_or("", |token| token.text);
        let mut source = Source { module, ..Source::default() };
        // The inline modules and other braces around a place; every word outside of `use` and `mod`; all paths.
        let (mut around, mut words, mut paths) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut brought = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let before = at.checked_sub(1).map_or("", word);
            let is_visibility = before == "in" && at > 1 && word(at - 2) == "(";
            let within: Path<'_> = around.iter().copied().flatten().collect();
            match (word(at), word(at + 1), word(at + 2)) {
                ("mod", name, ";") => {
                    source.children.insert(name);
                    at += 3;
                }
                ("mod", name, "{") => {
                    around.push(Some(name));
                    at += 3;
                }
                ("use", next, _) if next != "<" => {
                    let is_top = around.is_empty();
                    let mut leaves = Vec::new();
                    at = leaves_of(&tokens, at + 1, &[], &mut leaves);
                    let leaf = |(name, path)| (name, path, within.clone(), is_top, matches!(before, "pub" | ")"));
                    brought.extend(leaves.into_iter().map(leaf));
                }
                (first, "::", _) if before != "::" && !is_visibility => {
                    let mut path = vec![first];
                    while word(at + 1) == "::" && word(at + 2).starts_with(|c: char| c.is_alphabetic() || c == '_') {
                        path.push(word(at + 2));
                        at += 2;
                    }
                    words.extend(path.iter().copied());
                    paths.push((path, within));
                    at += 1;
                }
                (other, ..) => {
                    if other == "}" {
                        around.pop();
                    } else if other == "{" {
                        around.push(None);
                    } else {
                        words.insert(other);
                    }
                    at += 1;
                }
            }
        }
        for (name, path, within, is_top, is_reexport) in brought {
            let Some(path) = source.absolute(&path, &within) else { continue };
            if !(is_top && is_reexport) || words.contains(name) {
                source.used.push(path.clone());
            }
            if is_top {
                source.names.insert(name, path);
            }
        }
        let used: Vec<Path<'a>> = paths.iter().filter_map(|(path, within)| source.absolute(path, within)).collect();
        source.used.extend(used);
        source
    }

    /// A path that stands within inline modules, from the crate's root; none of another crate's.
    fn absolute(&self, path: &[&'a str], within: &[&'a str]) -> Option<Path<'a>> {
        let (first, rest) = path.split_first()?;
        let mut base = [&self.module[..], within].concat();
        match *first {
            "crate" => Some(rest.to_vec()),
            "self" => Some([&base[..], rest].concat()),
            "super" => {
                let steps = path.iter().take_while(|segment| **segment == "super").count();
                base.truncate(base.len().saturating_sub(steps));
                Some([&base[..], &path[steps..]].concat())
            }
            first if within.is_empty() && self.children.contains(first) => Some([&base[..], path].concat()),
            first => Some([&self.names.get(first)?[..], rest].concat()),
        }
    }
}

/// The names that a `use` brings, each with its path; gives the place behind it.
fn leaves_of<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    around: &[&'a str],
    leaves: &mut Vec<(&'a str, Path<'a>)>,
) -> usize {
    let word = |at: usize| tokens.get(at).map_or(";", |token| token.text);
    let mut path = around.to_vec();
    loop {
        match word(at) {
            "::" => {}
            "{" => {
                at += 1;
                while !matches!(word(at), "}" | ";") {
                    at = leaves_of(tokens, at, &path, leaves);
                    at += usize::from(word(at) == ",");
                }
                return at + 1;
            }
            "as" => {
                leaves.push((word(at + 1), path));
                return at + 2;
            }
            "*" => {
                leaves.push(("*", path));
                return at + 1;
            }
            "self" if !path.is_empty() => {}
            "," | "}" | ";" => {
                leaves.push((path.last().copied().unwrap_or_default(), path.clone()));
                return at;
            }
            segment => path.push(segment),
        }
        at += 1;
    }
}

#[test]
fn import_cycles_are_found() {
    let check = |files: &[(&str, &str)], want: &[&str]| {
        let files: Vec<(String, String)> =
            files.iter().map(|(name, text)| (format!("src/room{name}.rs"), (*text).to_owned())).collect();
        let found = import_cycles("room", &files);
        let found: Vec<&str> = found.iter().map(|found| found.split(',').next().unwrap_or_default()).collect();
        assert_eq!(found, want, "{files:?}");
    };
    let both = ["src/room/a.rs imports src/room/b.rs", "src/room/b.rs imports src/room/a.rs"];
    check(&[("/a", "use super::b::B;"), ("/b", "use crate::room::{a::{A, C}, d};")], &both);
    check(&[("/a", "fn f() { super::b::g() }"), ("/b", "fn g() { crate::room::a::f() }")], &both);
    check(&[("/a", "use super::b; fn f() { b::g() }"), ("/b", "mod tests { use super::super::a::f; }")], &both);
    check(&[("/a", "use super::b::B;"), ("/b", "use crate::other::a::A; // crate::room::a::A")], &[]);
    check(&[("/a", "pub(in crate::room::b) fn f() {}"), ("/b", "use super::a::*;")], &[]);

    // Through a re-export of the parent, whether relative or from the root.
    let parent = ("", "mod a; mod b; pub use a::A; pub(crate) use b::B as Other;");
    check(&[parent, ("/a", "use super::Other;"), ("/b", "use super::A;")], &both);
    check(&[parent, ("/a", "use crate::room::Other;"), ("/b", "")], &[]);
    // A parent that defines or uses an item itself is part of the cycle.
    let (down, up) = ("src/room.rs imports src/room/a.rs", "src/room/a.rs imports src/room.rs");
    check(&[("", "mod a; use a::A; struct B(A);"), ("/a", "use super::B;")], &[down, up]);
    check(&[("", "mod a; pub use a::A; struct B(A);"), ("/a", "use super::B;")], &[down, up]);
    check(&[("", "mod a; pub use a::A; struct B;"), ("/a", "use super::B;")], &[]);
    check(&[("", "mod a; fn f() { a::g() }"), ("/a", "mod t { use super::super::f; }")], &[down, up]);
    check(&[("", "mod a; fn f() {}\nmod t { use super::*; }"), ("/a", "use super::*;")], &[]);
    check(
        &[("/a", "use super::b::B;"), ("/b", "use super::c::C;"), ("/c", "use super::a::A;")],
        &[
            "src/room/a.rs imports src/room/b.rs",
            "src/room/b.rs imports src/room/c.rs",
            "src/room/c.rs imports src/room/a.rs",
        ],
    );
}
