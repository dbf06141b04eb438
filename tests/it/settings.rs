//! Settings at their floors and ceilings: whatever a configuration may say, the host works.

use serde_json::json;
use toml::{Table, Value};
use tracker::config::{Config, EXAMPLE};

use crate::support::host::QUICK_POLLS;
use crate::support::{Lab, Receiver, Setup};

/// The sections of the example with the keys that have a default.
fn defaults() -> Table {
    let lines = EXAMPLE.lines().filter_map(|line| match line.strip_prefix('#') {
        None => Some(line),
        Some(default) => Some(default).filter(|default| !default.starts_with(' ')),
    });
    lines.collect::<Vec<_>>().join("\n").parse().expect("TOML")
}

/// The floor and the ceiling of a key, as the error of a value outside them says.
fn bounds(section: &str, key: &str, default: &Value) -> Option<[Value; 2]> {
    let outside = match default {
        Value::Integer(_) => "9223372036854775807",
        Value::String(text) if text.ends_with('B') => "9223372036854775807",
        Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit()) => "\"1000000 days\"",
        _ => return None,
    };
    let error = Config::parse(&format!("[{section}]\n{key} = {outside}"), "", &|_| None).err()?.to_string();
    let (least, most) = error.lines().next()?.split_once(" takes ")?.1.split_once(" to ")?;
    let value = |text: &str| match default {
        Value::Integer(_) => Value::Integer(text.parse().expect("a number")),
        _ => Value::String(text.to_owned()),
    };
    Some([value(least), value(most)])
}

/// A section with each key that has bounds at the one or the other, as far as the keys hold beside one another.
fn extreme(section: &str, keys: &Table, ceiling: bool) -> Table {
    let mut set = Table::new();
    for (key, default) in keys {
        let is_time = default.as_str().is_some_and(|text| !text.ends_with('B'));
        // A host that may wait for next to nothing works on a machine that nothing else runs on, and one that may ask once a
        // minute works for whoever is patient.
        if !ceiling && (is_time || key == "requests_per_minute") {
            continue;
        }
        if let Some(bounds) = bounds(section, key, default) {
            let [least, most] = bounds;
            let before = set.insert(key.clone(), if ceiling { most } else { least });
            assert_eq!(before, None);
            if Config::parse(&written(section, &set), "", &|_| None).is_err() {
                set.remove(key);
            }
        }
    }
    set
}

fn written(section: &str, keys: &Table) -> String {
    let mut text = format!("[{section}]\n");
    for (key, value) in keys {
        text += &format!("{key} = {value}\n");
    }
    text
}

/// A host with this section polls, records, and calls a hook.
async fn works(section: &str, keys: Table) {
    let quick: Table = QUICK_POLLS.parse().expect("TOML");
    let with = |setup: Setup| {
        match section {
            "drivers" => return setup.drivers(&keys.to_string()),
            "drivers.limits" => return setup.limits(&keys.to_string()),
            "drivers.compile" => return setup.drivers(&written(section, &keys)),
            _ => {}
        }
        if section.starts_with("delivery") {
            let mut keys = keys.clone();
            if section == "delivery" {
                keys.insert("allow_addresses".into(), Value::Array(vec![Value::String("127.0.0.0/8".into())]));
                return setup.delivery(&written(section, &keys));
            }
            let text = format!("[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\n{}", written(section, &keys));
            return setup.delivery(&text);
        }
        let mut text = String::new();
        let mut all = quick.clone();
        let mut place = &mut all;
        for name in section.split('.') {
            let inner = place.entry(name).or_insert_with(|| Value::Table(Table::new()));
            place = inner.as_table_mut().expect("a section");
        }
        for (key, value) in keys.clone() {
            // How soon the test gets on is the test's own.
            place.entry(key).or_insert(value);
        }
        text += &all.to_string();
        setup.polls(&text)
    };
    let mut receiver = Receiver::start().await;
    let lab = Lab::with(&[("i-1", "running")], with).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    // Where an account may have no hooks, that is what it is told.
    let made = lab.client.post("/api/hooks", &json!({ "url": receiver.url("cb") })).await;
    if keys.get("hooks_per_account") == Some(&Value::Integer(0)) {
        made.problem(403);
        return;
    }
    let secret = made.ok()["secret"].as_str().expect("a secret").to_owned();
    lab.becomes(&[("i-1", "running")]).await;
    receiver.next().await.change(&secret);
}

async fn all_work(ceiling: bool) {
    let mut sections: Vec<(String, Table)> = Vec::new();
    for (name, section) in defaults() {
        let Value::Table(section) = section else { continue };
        let inner =
            section.iter().filter_map(|(key, value)| Some((format!("{name}.{key}"), value.as_table()?.clone())));
        sections.extend(inner.collect::<Vec<_>>());
        sections.push((name, section));
    }
    assert!(sections.len() > 12);
    let mut set = 0;
    for (section, keys) in sections {
        let keys = extreme(&section, &keys, ceiling);
        if keys.is_empty() {
            continue;
        }
        set += keys.len();
        works(&section, keys).await;
    }
    assert!(set > 80, "{set} keys were set");
}

#[tokio::test]
async fn a_host_works_at_the_floor_of_each_number_and_size() {
    all_work(false).await;
}

#[tokio::test]
async fn a_host_works_at_the_ceiling_of_each_setting() {
    all_work(true).await;
}
