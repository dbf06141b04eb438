//! The house rules of ARCHITECTURE.md and CONTRIBUTING.md that the compiler does not know: which room may
//! name which, which crate is named where, and how a source file begins. They are held against every source
//! file of the repository, and against small bad ones, so that the rules themselves are known to bite.

mod cycles;
mod tokens;

use std::path::{Path, PathBuf};

use cycles::import_cycles;
use tokens::{Token, tokens};

/// What everyone may know.
const GROUND: &[&str] = &["model", "metrics", "clock", "vault", "net"];

/// Each room of `src/`, with the rooms that it may name. Down only.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &[
            "serve",
            "config",
            "api",
            "operator",
            "poll",
            "deliver",
            "retention",
            "rotation",
            "roster",
            "kit",
            "driver",
            "supply",
            "store",
            "net",
            "mask",
            "vault",
            "clock",
            "metrics",
            "model",
        ],
    ),
    (
        "serve",
        &[
            "config",
            "api",
            "operator",
            "poll",
            "deliver",
            "retention",
            "rotation",
            "roster",
            "driver",
            "supply",
            "store",
            "net",
            "vault",
            "clock",
            "metrics",
            "model",
        ],
    ),
    // It fills in the settings of every room, and so is known only to those that join them.
    (
        "config",
        &[
            "api",
            "poll",
            "deliver",
            "retention",
            "rotation",
            "roster",
            "driver",
            "supply",
            "store",
            "net",
            "vault",
            "clock",
            "metrics",
            "model",
        ],
    ),
    // These meet in the store and never in one another.
    ("api", &["roster", "driver", "supply", "store", "net", "vault", "clock", "metrics", "model"]),
    ("operator", &["roster", "rotation", "driver", "supply", "store", "vault", "clock", "model"]),
    ("poll", &["roster", "driver", "store", "net", "vault", "clock", "metrics", "model"]),
    ("deliver", &["store", "net", "vault", "mask", "clock", "metrics", "model"]),
    ("retention", &["store", "clock", "metrics"]),
    ("rotation", &["store", "vault", "clock", "model"]),
    ("roster", &["driver", "supply", "net", "vault", "clock", "model"]),
    // Tools for those who write drivers: a host runs drivers without them.
    ("kit", &["driver", "supply", "net", "mask", "clock", "model"]),
    ("driver", &["supply", "net", "vault", "mask", "clock", "metrics", "model"]),
    ("supply", &["net", "mask", "clock", "model"]),
    ("store", GROUND),
    ("net", &["clock", "model"]),
    ("vault", &["model"]),
    ("mask", &[]),
    ("clock", &["model"]),
    ("metrics", &["model"]),
    ("model", &[]),
];

/// A crate that only some places may name.
struct Confined {
    /// The crate itself and those that begin with it and an underscore.
    name: &'static str,
    /// Beginnings of paths.
    allowed: &'static [&'static str],
    why: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined { name: "wasmtime", allowed: &["src/driver.rs", "src/driver/"], why: "only `driver` runs WebAssembly" },
    Confined {
        name: "rusqlite",
        allowed: &["src/store/", "benches/bench/journal.rs"],
        why: "only `store/*` names a database",
    },
    // `oci-client` makes an HTTP client of its own, beside those of `net`: it pushes, and goes where the operator says,
    // never where a client or a driver does. Logins and downloads go through `net`.
    Confined { name: "oci_client", allowed: &["src/supply/source"], why: "only `supply/source` speaks to registries" },
    Confined {
        name: "axum",
        // The demo's receiver stands for a client of the tracker: it is no part of the API.
        allowed: &["src/api.rs", "src/api/", "src/operator.rs", "src/operator/", "src/cli/demo"],
        why: "only `api` and `operator` serve HTTP",
    },
];

/// Types whose `now` reads a clock.
const CLOCKS: &[&str] = &["SystemTime", "Instant", "Timestamp", "Zoned", "OffsetDateTime", "Utc", "Local"];

/// Words for work that is left: it goes to the issues, or is done. Put together, so as not to be found here.
const LEFT_WORK: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// What is wrong with one source file; `path` is relative to the repository.
fn faults(path: &str, source: &str) -> Vec<String> {
    let tokens = tokens(source);
    let mut faults = Vec::new();
    let mut fault = |line: usize, what: String| faults.push(format!("{path}:{line}: {what}"));

    if !source.starts_with("//!") {
        fault(1, "opens with no //! that says what it is and why it exists".into());
    }
    if path.ends_with("/mod.rs") {
        fault(1, "is a mod.rs: name it after its module, beside the folder".into());
    }
    for (at, line) in source.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        if let Some(word) = words.find(|word| LEFT_WORK.contains(word)) {
            fault(at + 1, format!("leaves work behind ({word})"));
        }
    }
    for (at, window) in tokens.windows(3).enumerate() {
        let [a, b, c] = window else { continue };
        if (a.text, b.text, c.text) == ("#", "[", "ignore") {
            fault(a.line, "ignores a test: a thing that a test lacks is a failure".into());
        }
        let builds_client = (a.text, b.text) == ("reqwest", "::")
            && heads(&tokens[at + 2..]).iter().any(|head| matches!(head.text, "Client" | "ClientBuilder" | "blocking"));
        if builds_client && path.starts_with("src/") && !path.starts_with("src/net") {
            fault(a.line, "builds an HTTP client: only `net` does".into());
        }
        let reads_clock = CLOCKS.contains(&a.text) && (b.text, c.text) == ("::", "now");
        if reads_clock && path.starts_with("src/") && path != "src/clock.rs" {
            fault(a.line, format!("{}::now: only `clock` reads time", a.text));
        }
    }
    if let Some(room) = room_of(path) {
        for (line, other) in rooms_named(path, &tokens) {
            if other != room && !allowed(room).contains(&other) {
                fault(line, format!("{room} names {other}: there is no such arrow"));
            }
        }
        for crate_ in CONFINED.iter().filter(|crate_| !crate_.allowed.iter().any(|start| path.starts_with(start))) {
            for token in tokens.iter().filter(|token| is_crate(token.text, crate_.name)) {
                fault(token.line, format!("names {}: {}", token.text, crate_.why));
            }
        }
    }
    faults
}

/// The room that a file of `src/` belongs to; none for `lib.rs`, the table of contents.
fn room_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let room = inside.split('/').next()?;
    (room != "lib").then_some(room)
}

fn allowed(room: &str) -> &'static [&'static str] {
    ARROWS.iter().find(|(name, _)| *name == room).map_or(&[], |(_, others)| others)
}

fn is_crate(word: &str, name: &str) -> bool {
    word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// Every room that a file names, as `crate::room`, `crate::{room, ...}`, `tracker::room` or by climbing out
/// of its own with `super`.
fn rooms_named<'a>(path: &str, tokens: &[Token<'a>]) -> Vec<(usize, &'a str)> {
    let depth = path.matches('/').count();
    let mut named = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut climbed = 0;
        while tokens.get(at + 2 * climbed).is_some_and(|token| token.text == "super")
            && tokens.get(at + 2 * climbed + 1).is_some_and(|token| token.text == "::")
        {
            climbed += 1;
        }
        // The binary names the library as any other program would; elsewhere that word is one of many.
        let root = if path == "src/main.rs" { "tracker" } else { "crate" };
        let from_root = tokens[at].text == root
            && tokens.get(at + 1).is_some_and(|token| token.text == "::")
            && (at == 0 || tokens[at - 1].text != "::");
        let heads = match (climbed, from_root) {
            (_, true) => heads(&tokens[at + 2..]),
            // Inside a `mod tests` one step up is still the file itself, so only names of rooms count here.
            (steps, _) if steps >= depth && steps > 0 => heads(&tokens[at + 2 * steps..])
                .into_iter()
                .filter(|head| ARROWS.iter().any(|(room, _)| *room == head.text))
                .collect(),
            _ => Vec::new(),
        };
        named.extend(heads.iter().map(|head| (head.line, head.text)));
        at += (2 * climbed).max(1);
    }
    named
}

/// The first words of a path's rest: one, or those of a `{...}` group.
fn heads<'a>(rest: &[Token<'a>]) -> Vec<Token<'a>> {
    match rest.first() {
        Some(first) if first.text == "{" => {}
        Some(first) => return vec![*first],
        None => return Vec::new(),
    }
    let (mut heads, mut depth, mut expected) = (Vec::new(), 0, false);
    for token in rest {
        match token.text {
            "{" => (depth, expected) = (depth + 1, depth == 0),
            "}" => depth -= 1,
            "," => expected = depth == 1,
            _ if expected => {
                heads.push(*token);
                expected = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// Every Rust source file of the repository, in `src`, `tests`, `benches` and `drivers`.
fn sources(root: &Path) -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> = ["src", "tests", "benches", "drivers"].map(|name| root.join(name)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&path).expect("Rust source is UTF-8");
                let path = path.strip_prefix(root).expect("below the root");
                sources.push((path.display().to_string(), source));
            }
        }
    }
    sources.sort();
    sources
}

/// Files that no `mod` declaration leads to: the compiler does not read them.
fn undeclared(sources: &[(String, String)]) -> Vec<String> {
    let source_of = |path: &str| sources.iter().find(|(other, _)| other == path).map(|(_, source)| source.as_str());
    let is_declared = |path: &str| {
        let Some((folder, name)) = path.strip_suffix(".rs").and_then(|path| path.rsplit_once('/')) else { return true };
        let parents = [format!("{folder}.rs"), format!("{folder}/lib.rs"), format!("{folder}/main.rs")];
        parents.iter().filter_map(|parent| source_of(parent)).any(|source| {
            tokens(source).windows(3).any(|part| (part[0].text, part[1].text, part[2].text) == ("mod", name, ";"))
        })
    };
    let is_module = |path: &str| {
        ["src/", "tests/it/", "benches/"].iter().any(|folder| path.starts_with(folder))
            && !path.ends_with("/main.rs")
            && !path.ends_with("/lib.rs")
    };
    let paths = sources.iter().map(|(path, _)| path.as_str());
    paths
        .filter(|path| is_module(path) && !is_declared(path))
        .map(|path| format!("{path}: no mod declares it"))
        .collect()
}

#[test]
fn the_house_is_tidy() {
    let sources = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
    let mut faults: Vec<String> = sources.iter().flat_map(|(path, source)| faults(path, source)).collect();
    faults.extend(undeclared(&sources));
    faults.extend(ARROWS.iter().flat_map(|(room, _)| import_cycles(room, &sources)));
    assert!(faults.is_empty(), "house rules are broken:\n{}", faults.join("\n"));

    // A table that speaks of rooms that are not there, or not of one that is, would check nothing.
    let mut rooms: Vec<&str> = sources.iter().filter_map(|(path, _)| room_of(path)).collect();
    rooms.dedup();
    rooms.sort_unstable();
    rooms.dedup();
    let mut known: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    known.sort_unstable();
    assert_eq!(rooms, known, "the rooms of src/, and those of the table of arrows");
}

#[test]
fn arrows_go_down_only() {
    // `cli`, say, may reach `driver`, and nothing that `driver` reaches may reach `cli`.
    fn reaches(from: &str, to: &str) -> bool {
        allowed(from).iter().any(|next| *next == to || reaches(next, to))
    }
    for (room, _) in ARROWS {
        assert!(!reaches(room, room), "{room} comes back to itself");
    }
}

#[test]
fn a_file_that_no_module_declares_is_found() {
    let sources = [
        ("src/lib.rs", "pub mod a;"),
        ("src/a.rs", "mod b; // mod c;"),
        ("src/a/b.rs", ""),
        ("src/a/c.rs", ""),
        ("tests/it/main.rs", "mod d {}"),
        ("tests/it/d.rs", ""),
        ("drivers/mock/tests/driver.rs", ""),
    ];
    let sources = sources.map(|(path, source)| (path.to_owned(), source.to_owned()));
    assert_eq!(undeclared(&sources), ["src/a/c.rs: no mod declares it", "tests/it/d.rs: no mod declares it"]);
}

#[test]
fn every_rule_bites() {
    let check = |path: &str, body: &str, want: &[&str]| {
        let source = format!("//! A room.\n{body}");
        let found = faults(path, &source);
        assert_eq!(found.len(), want.len(), "{path}: {body}\nfound {found:#?}");
        for (found, want) in found.iter().zip(want) {
            assert!(found.contains(want), "{found:?} should say {want:?}");
        }
    };
    check("src/poll/run.rs", "use crate::store::Store;\nuse crate::model::{Kind, State};", &[]);
    check("src/poll/run.rs", "use crate::api::Page;", &["src/poll/run.rs:2: poll names api"]);
    check("src/poll.rs", "use crate::{model, deliver::{Wake, api}, net::Client};", &["poll names deliver"]);
    check("src/poll.rs", "use crate::{\n  api,\n  cli,\n};", &[":3: poll names api", ":4: poll names cli"]);
    check("src/deliver/send.rs", "fn f() { crate::driver::egress() }", &["deliver names driver"]);
    check("src/driver/call.rs", "fn f(store: &dyn crate::store::Store) {}", &["driver names store"]);
    check("src/driver/call.rs", "use crate::kit::cassette::Cassette;", &["driver names kit"]);
    check("src/supply/lock.rs", "use crate::{driver::Limits, model::Timestamp};", &["supply names driver"]);
    check("src/store.rs", "pub(crate) fn f() {} use crate::roster::Roster;", &["store names roster"]);
    check("src/store/sqlite/a.rs", "use super::super::super::driver::Target;", &["store names driver"]);
    check("src/store/sqlite/a.rs", "use super::super::Store; mod t { use super::super::b::C; }", &[]);
    check("src/model/hook.rs", "use crate::clock::Clock;", &["model names clock"]);
    check("src/api/view.rs", "use crate::config::Config;", &["api names config"]);
    check("src/api/account.rs", "use crate::operator::Control;", &["api names operator"]);
    check("src/operator/keys.rs", "use crate::api::Context;", &["operator names api"]);
    check("src/main.rs", "use tracker::cli; fn main() { tracker::serve::run() }", &["main names serve"]);
    check("src/cli/demo.rs", "mod tracker; use tracker::Tracker;", &[]);
    check("src/lib.rs", "pub mod api;", &[]);
    check("src/deliver.rs", "// crate::api is never named here\nconst A: &str = \"crate::api\";", &[]);

    check("src/poll.rs", "use wasmtime::Store;", &["only `driver` runs WebAssembly"]);
    check("src/kit/conformance.rs", "use wasmtime::Engine;", &["only `driver` runs WebAssembly"]);
    check("src/serve.rs", "fn f(_: wasmtime_wasi::WasiCtx) {}", &["only `driver` runs WebAssembly"]);
    check("src/cli/driver/pull.rs", "use oci_client::Reference;", &["only `supply/source` speaks to registries"]);
    check("src/driver/load.rs", "use oci_client::Client;", &["only `supply/source` speaks to registries"]);
    check("src/supply/source/registry.rs", "use oci_client::Client;", &[]);
    check("src/store.rs", "use rusqlite::Connection;", &["only `store/*` names a database"]);
    check("src/store/sqlite.rs", "use rusqlite::Connection;", &[]);
    check("src/serve.rs", "axum::serve(listener, router).await", &["only `api` and `operator` serve HTTP"]);
    check("src/cli/demo/receiver.rs", "use axum::Router;", &[]);
    check("src/deliver/send.rs", "let c = reqwest::Client::builder();", &["builds an HTTP client"]);
    check("src/deliver.rs", "use reqwest::{Method, Client};", &["builds an HTTP client"]);
    check("src/deliver.rs", "use reqwest::{Method, header::CONTENT_TYPE};", &[]);
    check("src/deliver/send.rs", "let now = Instant::now();", &["Instant::now: only `clock` reads time"]);
    check("src/net.rs", "let now = std::time::SystemTime::now();", &["only `clock` reads time"]);
    check("src/clock.rs", "SystemTime::now()", &[]);

    check("src/poll/mod.rs", "", &["is a mod.rs"]);
    check("tests/it/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", &["a.rs:3: ignores a test"]);
    for word in LEFT_WORK {
        check("drivers/ec2/src/lib.rs", &format!("fn f() {{}} // {word}: later"), &["lib.rs:2: leaves work behind"]);
    }
    assert_eq!(faults("src/net.rs", "use std::fmt;\n").len(), 1, "a file that does not say what it is");
}
