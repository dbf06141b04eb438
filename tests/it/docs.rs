//! The documentation: that its links lead somewhere, that the book has every page, that its reference names all there is, and
//! (`commands`) that its commands do what is printed.

mod commands;
mod markdown;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracker::metrics::{DamagedRows, Held, LogLines, Metrics, Operation, Poll, PollMemory};
use tracker::model::{Kind, Timestamp};

use crate::support::tracker as run_tracker;
use markdown::Page;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Why a block of commands is not run: the word behind `norun`, and what it stands for.
const REASONS: &[(&str, &str)] = &[
    ("build", "builds the program or a driver, which takes minutes"),
    ("cloud", "takes an account of a real cloud"),
    ("fault", "takes a fault of a cloud or of a disk"),
    ("forever", "runs until it is stopped"),
    ("registry", "takes a registry, or a driver of the reader's own"),
    ("scaffold", "tests/it/scaffold.rs runs the same on new projects"),
    ("tools", "takes tools that are not needed for anything else"),
];

/// Each committed file of Markdown, by its path below the root.
fn pages() -> Vec<Page> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && !["target", "node_modules"].contains(&name.as_str()) {
                visit(&path, found);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    visit(Path::new(ROOT), &mut found);
    found.sort();
    let pages: Vec<Page> = found.iter().map(|path| Page::read(Path::new(ROOT), path)).collect();
    assert!(pages.len() > 50, "{} pages", pages.len());
    pages
}

fn page(path: &str) -> Page {
    Page::read(Path::new(ROOT), &Path::new(ROOT).join(path))
}

fn fail_with(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_link_leads_to_something() {
    let pages = pages();
    let mut faults = Vec::new();
    for page in &pages {
        for link in page.links() {
            let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
            let Some(target) = page.relative(path) else {
                faults.push(format!("{page}:{}: {} leads out of the repository", link.line, link.target));
                continue;
            };
            if page.is_of_the_book() && !(target.starts_with("docs/") && target.ends_with(".md")) {
                faults.push(format!("{page}:{}: {} is not in the book: name the file instead", link.line, link.target));
            } else if !Path::new(ROOT).join(&target).exists() {
                faults.push(format!("{page}:{}: there is no {target}", link.line));
            } else if !anchor.is_empty() {
                let other = pages.iter().find(|other| other.path == target);
                if !other.is_some_and(|other| other.anchors().iter().any(|known| known == anchor)) {
                    faults.push(format!("{page}:{}: {target} has no heading #{anchor}", link.line));
                }
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn the_book_has_every_page_once() {
    let summary: Vec<String> =
        page("docs/SUMMARY.md").links().into_iter().map(|link| format!("docs/{}", link.target)).collect();
    let listed: BTreeSet<String> = summary.iter().cloned().collect();
    assert_eq!(listed.len(), summary.len(), "a page is listed twice");
    let there: BTreeSet<String> = pages()
        .into_iter()
        .filter(|page| page.is_of_the_book() && page.path != "docs/SUMMARY.md")
        .map(|page| page.path)
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn the_readme_is_short() {
    let lines = page("README.md").text.lines().count();
    assert!(lines <= 150, "README.md has {lines} lines: move what is not for everybody into docs/");
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let mut faults = Vec::new();
    for page in pages().iter().filter(|page| page.path == "README.md" || page.is_of_the_book()) {
        for block in page.blocks() {
            let words: Vec<&str> = block.info.split(',').collect();
            let fault = match words.as_slice() {
                ["sh"] | ["sh", "background"] => continue,
                ["sh", "norun", reason] if REASONS.iter().any(|(known, _)| known == reason) => continue,
                ["sh" | "console" | "bash" | "shell", ..] => {
                    let known: Vec<String> =
                        REASONS.iter().map(|(word, means)| format!("  sh,norun,{word}: {means}")).collect();
                    format!("it is run as `sh` or `sh,background`, or it is one of:\n{}", known.join("\n"))
                }
                [] | [""] => "it says of what language it is, or that it is text".to_owned(),
                [_] | [_, "output" | "eventually"] => continue,
                _ => format!("{:?} is no word of these tests", block.info),
            };
            faults.push(format!("{page}:{}: {fault}", block.line));
        }
    }
    fail_with(&faults);
}

#[test]
fn each_decision_names_code_that_is_there() {
    let mut faults = Vec::new();
    for page in pages().iter().filter(|page| page.path.starts_with("docs/decisions/")) {
        for line in page.text.lines().filter_map(|line| line.strip_prefix("Code: ")) {
            for path in line.split('`').skip(1).step_by(2) {
                if !Path::new(ROOT).join("src").join(path).exists() {
                    faults.push(format!("{page}: there is no src/{path}"));
                }
            }
        }
    }
    fail_with(&faults);
}

#[test]
fn the_reference_names_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    run_tracker(folder.path(), &["man", "pages"]).succeeded();
    let named: Vec<String> = page("docs/reference/command-line.md")
        .text
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|code| code.replace(' ', "-"))
        .collect();
    let mut commands = 0;
    for entry in std::fs::read_dir(folder.path().join("pages")).expect("the manual") {
        let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let command = file.trim_end_matches(".1");
        commands += 1;
        let is_named = named.iter().any(|code| {
            let rest = code.strip_prefix(command);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        });
        assert!(is_named, "docs/reference/command-line.md has no `{}`", command.replace('-', " "));
    }
    assert!(commands > 20, "{commands}");
}

#[test]
fn the_reference_names_every_metric() {
    let text = every_metric().text(Some(held())).expect("text");
    let known: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    assert!(known.len() > 30, "{known:?}");
    let page = page("docs/reference/metrics.md");
    let named: BTreeSet<&str> =
        page.text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let base = |name: &str| name.trim_end_matches("_total").trim_end_matches("_info").to_owned();
    let named: BTreeSet<String> = named.into_iter().map(base).collect();
    let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
    assert_eq!(named, known, "docs/reference/metrics.md, and the metrics that there are");
}

#[test]
fn the_overview_of_drivers_names_each() {
    let overview = page("docs/operate/drivers.md").text;
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers")).expect("drivers");
    let folders = folders.map(|entry| entry.expect("an entry").path());
    let names = folders.filter(|path| path.join("Cargo.toml").exists()).filter_map(|path| {
        let name = path.file_name()?.to_str()?.to_owned();
        (name != "sdk").then_some(name)
    });
    let missing: Vec<String> =
        names.filter(|name| !overview.contains(&format!("| [`{name}`](../drivers/{name}.md) |"))).collect();
    assert!(missing.is_empty(), "docs/operate/drivers.md has no row for {missing:?}");
}

/// Counts something of everything: what was never counted is not shown.
fn every_metric() -> Metrics {
    let mut metrics = Metrics::default();
    metrics.show_poll_memory(&PollMemory::default());
    metrics.show_log_lines(&LogLines::default());
    let (took, late, now) = (Duration::ZERO, Duration::ZERO, Timestamp::default());
    metrics.polls.ended(Poll { driver: "mock", kind: Kind::Instance, outcome: "complete", took, late, requests: 1 });
    metrics.work.succeeded(Operation::Ping, now);
    metrics.work.host_fault("poll");
    metrics.callbacks.sent("delivered", took);
    metrics.callbacks.in_flight("all", 1, 1);
    metrics.requests.answered("GET", "/api", 200, took);
    metrics.requests.connection_opened();
    metrics.requests.connection_closed("ended");
    metrics.providers.endpoints("answers", 1);
    metrics.providers.in_flight("polls", "prompt", 1);
    metrics.providers.gave_way("polls");
    metrics
}

fn held() -> Held {
    let damaged_rows = vec![DamagedRows { table: "hooks", now: 1, found: 1 }];
    Held { destinations_waiting: vec![("healthy", 1)], damaged_rows, ..Held::default() }
}
