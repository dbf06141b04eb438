//! Names that were retired stay retired: what the configuration, the command line, the API and the metrics call things.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::{Setup, tracker};

/// Public names that are no longer in use, and what took their place.
const RETIRED: [(&str, &str); 12] = [
    ("answers_kept", "idempotency_for"),
    ("cursor-forgotten", "cursor-expired"),
    ("delivery-not-found", "no-dead-letter"),
    ("feed_looked_at", "feed_scan"),
    ("fold_after", "checkpoint_after"),
    ("look_every", "scan_every"),
    ("owed_changes", "pending_changes"),
    ("past-forgotten", "history-unavailable"),
    ("request-under-way", "nothing: the second request waits for the first one's answer"),
    ("storm", "mass-change"),
    ("storms", "mass_changes"),
    ("xml_items", "nothing: XML has the whole list"),
];

/// Words that no public name is made of, and those that are said instead (docs/glossary.md).
const RETIRED_WORDS: [(&str, &str); 13] = [
    ("candidate", "shadow"),
    ("discard", "reject"),
    ("lane", "ordering key"),
    ("look", "poll"),
    ("owed", "pending"),
    ("past", "history"),
    ("plugin", "driver"),
    ("stage", "conformance"),
    ("storm", "mass change"),
    ("tape", "cassette"),
    ("telling", "change"),
    ("tiding", "change"),
    ("vet", "approve"),
];

/// The change type that the design of 2012 has.
const KEPT: [&str; 1] = ["tracker.storm"];

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn add(&mut self, name: &str) {
        if !KEPT.contains(&name) {
            self.0.insert(name.to_owned());
        }
    }

    /// The keys and tables of the configuration.
    fn of_configuration(&mut self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
        let text = std::fs::read_to_string(path).expect("the example");
        for line in text.lines().map(|line| line.trim_start_matches(['#', ' '])) {
            let name = match (line.strip_prefix('['), line.split_once('=')) {
                (Some(table), _) => table.trim_start_matches('[').split(']').next(),
                (None, Some((key, _))) => Some(key.trim()),
                (None, None) => None,
            };
            let is_name = |name: &&str| {
                !name.is_empty() && name.bytes().all(|byte| b"._".contains(&byte) || byte.is_ascii_lowercase())
            };
            name.filter(is_name).into_iter().flat_map(|name| name.split('.')).for_each(|name| self.add(name));
        }
    }

    /// The commands, from the names of their manual pages, and the options in them.
    fn of_command_line(&mut self) {
        let folder = tempfile::tempdir().expect("a folder");
        tracker(folder.path(), &["man", "."]).succeeded();
        for page in std::fs::read_dir(folder.path()).expect("pages") {
            let path = page.expect("a page").path();
            let command = path.file_stem().and_then(|name| name.to_str()).expect("a name");
            self.add(command.rsplit("tracker-").next().unwrap_or(command));
            let text = std::fs::read_to_string(&path).expect("text").replace("\\-", "-");
            for option in text.split("--").skip(1) {
                let end = option.find(|c: char| c != '-' && !c.is_ascii_lowercase()).unwrap_or(option.len());
                self.add(option[..end].trim_matches('-'));
            }
        }
    }

    /// Paths, parameters, members and enumerated values of the API, wherever they stand in its description.
    fn of_description(&mut self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.of_description(value)),
            Value::Object(members) => {
                for (name, value) in members {
                    match (name.as_str(), value) {
                        ("properties" | "paths", Value::Object(named)) => named.keys().for_each(|name| self.add(name)),
                        ("name" | "const" | "operationId", Value::String(text)) => self.add(text),
                        ("enum", Value::Array(values)) => {
                            values.iter().filter_map(Value::as_str).for_each(|text| self.add(text));
                        }
                        _ => {}
                    }
                    self.of_description(value);
                }
            }
            _ => {}
        }
    }

    fn of_metrics(&mut self, text: &str) {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).for_each(|name| self.add(name));
    }
}

/// The words that a name is made of.
fn words(name: &str) -> Vec<String> {
    let apart = name.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii_uppercase() && text.ends_with(|before: char| before.is_ascii_lowercase()) {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
        text
    });
    apart.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect()
}

#[tokio::test]
async fn retired_names_stay_retired() {
    let mut names = Names::default();
    names.of_configuration();
    names.of_command_line();
    let host = Setup::new(&["mock"]).start().await;
    names.of_description(&host.client().get("/openapi.json").await.ok());
    names.of_metrics(&host.client().get("/metrics").await.text);
    for known in ["instances_every", "mass-change", "config", "url", "/api/changes", "tracker_polls"] {
        assert!(names.0.iter().any(|name| name.starts_with(known)), "{known} is not among {:?}", names.0);
    }
    for name in &names.0 {
        if let Some((_, now)) = RETIRED.iter().find(|(retired, _)| retired == name) {
            panic!("{name} was retired for {now:?}");
        }
        for word in words(name) {
            if let Some((_, now)) = RETIRED_WORDS.iter().find(|(retired, _)| *retired == word) {
                panic!("{name} has the word {word:?}; say {now:?} (docs/glossary.md)");
            }
        }
    }
}

#[test]
fn names_are_taken_apart() {
    assert_eq!(words("owedChanges_of-Hook.v2"), ["owed", "changes", "of", "hook", "v2"]);
}
