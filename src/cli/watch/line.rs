//! One change, or one existing resource, as a line for people. Pure.

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::cli::table::printable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    On,
    Off,
}

/// Of an event's name and data. What is no JSON of the host's is shown as it is.
pub(super) fn of(name: &str, data: &str, colour: Colour) -> String {
    let Ok(value) = serde_json::from_str::<Value>(data) else { return printable(data) };
    match name {
        "snapshot" => existing(&value, colour),
        _ => change(&value, colour),
    }
}

fn change(change: &Value, colour: Colour) -> String {
    let text = |value: &Value| printable(value.as_str().unwrap_or(""));
    let resource = &change["resource"];
    let named = match text(&resource["name"]) {
        name if name.is_empty() => String::new(),
        name => format!(" ({name})"),
    };
    let states = match (change["old_state"].as_str(), change["new_state"].as_str()) {
        (old, new) if old == new => String::new(),
        (old, new) => format!(
            "  {} -> {}",
            old.map_or_else(|| "-".into(), |old| state(old, colour)),
            new.map_or_else(|| "-".into(), |new| state(new, colour))
        ),
    };
    let more = [
        change["why"].as_str().map(|why| format!("  {}", printable(why))),
        change["may_have_passed_over"]
            .as_bool()
            .filter(|may| *may)
            .map(|_| "  (states may have been passed over)".into()),
    ];
    let more: String = more.into_iter().flatten().collect();
    format!(
        "{}  {:<16}  {}{named}{states}{more}",
        painted(&text(&change["timestamp"]), Style::new().dimmed(), colour),
        text(&change["type"]),
        painted(&text(&resource["id"]), Style::new().bold(), colour),
    )
}

fn existing(snapshot: &Value, colour: Colour) -> String {
    let resource = &snapshot["resource"];
    let text = |value: &Value| printable(value.as_str().unwrap_or(""));
    let name = match text(&resource["name"]) {
        name if name.is_empty() => name,
        name => format!(" ({name})"),
    };
    format!(
        "{}  {:<16}  {}{name}  {}",
        painted(&text(&resource["state_since"]), Style::new().dimmed(), colour),
        text(&snapshot["kind"]),
        painted(&text(&resource["id"]), Style::new().bold(), colour),
        state(&text(&resource["state"]), colour),
    )
}

/// Good news is green, bad news is red, and what passes is yellow.
fn state(state: &str, colour: Colour) -> String {
    let paint = match state {
        "RUNNING" | "AVAILABLE" => AnsiColor::Green,
        "ERROR" | "UNAVAILABLE" => AnsiColor::Red,
        "PENDING" | "STOPPING" | "SHUTTING_DOWN" => AnsiColor::Yellow,
        _ => AnsiColor::Cyan,
    };
    painted(&printable(state), paint.on_default(), colour)
}

fn painted(text: &str, style: Style, colour: Colour) -> String {
    match colour {
        Colour::On => format!("{style}{text}{style:#}"),
        Colour::Off => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_when_what_and_of_which() {
        let check = |name: &str, data: &Value, want: &str| assert_eq!(of(name, &data.to_string(), Colour::Off), want);
        let change = json!({
            "timestamp": "2026-11-22T10:00:00.123Z", "type": "instance.state", "old_state": "RUNNING",
            "new_state": "STOPPED", "resource": { "kind": "instance", "id": "i-1", "name": "web\u{1b}[2J" },
            "may_have_passed_over": true,
        });
        check(
            "message",
            &change,
            "2026-11-22T10:00:00.123Z  instance.state    i-1 (web<U+001B>[2J)  RUNNING -> STOPPED  (states may have been passed over)",
        );
        let gap = json!({ "timestamp": "T", "type": "tracker.gap", "resource": { "id": "main" }, "why": "no answer" });
        check("message", &gap, "T  tracker.gap       main  no answer");
        let exists = json!({ "kind": "realm", "resource": { "id": "us", "state": "AVAILABLE", "state_since": "T" } });
        check("snapshot", &exists, "T  realm             us  AVAILABLE");
        assert_eq!(of("message", "no JSON", Colour::Off), "no JSON");
        assert!(of("message", &change.to_string(), Colour::On).contains("\u{1b}[32mRUNNING\u{1b}[0m"));
    }
}
