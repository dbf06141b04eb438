//! A server, as the provider's answer has it.

use serde_json::Value;
use tracker_driver_sdk::{Account, Address, Error, Instance, InstanceState, log, session, time};

use super::answers::get;
use super::{flaw, random, text};

/// A server, as the answer has it.
pub(crate) fn instance(account: &Account, entry: &Value, place: usize) -> Result<Instance, Error> {
    let word = text(entry, "status")?;
    let state = match word.as_str() {
        "new" => InstanceState::Pending,
        "off" if flaw(account, "misreads") => InstanceState::Running,
        "off" => InstanceState::Stopped,
        "on" => InstanceState::Running,
        other if flaw(account, "takes-beginnings") && other.starts_with("on") => InstanceState::Running,
        _ if flaw(account, "guesses") => InstanceState::Running,
        other if flaw(account, "refuses-unknown") => {
            return Err(Error::UnexpectedAnswer(format!("a server is in state {other}")));
        }
        _ => InstanceState::Unknown,
    };
    let id = entry["id"].as_u64().filter(|id| *id <= u64::from(u32::MAX) || !flaw(account, "small-ids"));
    let id = id.ok_or_else(|| Error::UnexpectedAnswer("a server has no id".into()))?;
    let kept = match account.option("flaw") {
        Some("changes-words") => word.to_uppercase(),
        Some("lower-words") => word.to_lowercase(),
        _ => word,
    };
    let mut item = Instance::new(id.to_string(), state, kept);
    item.name = match entry["name"].is_null() && !flaw(account, "needs-names") {
        true => None,
        false => Some(text(entry, "name")?),
    };
    item.realm = match entry["zone"].is_null() {
        true if flaw(account, "asks-for-zones") => {
            let _ = get(account, "/zones");
            None
        }
        true => None,
        false if flaw(account, "region-for-realm") => Some(text(entry, "zone")?[..1].to_owned()),
        false => Some(text(entry, "zone")?),
    };
    if flaw(account, "reads-relatives") {
        let zone = ["zone_id", "zoneId"].iter().find_map(|name| entry[*name].as_str());
        item.realm = zone.map(str::to_owned).or(item.realm);
    }
    if entry["busy"] == true && flaw(account, "busy-is-pending") {
        item.state = InstanceState::Pending;
    }
    item.launched_at = entry["made"].as_str().and_then(time::parse_rfc3339);
    if entry["made"].is_string() && item.launched_at.is_none() && flaw(account, "epoch") {
        item.launched_at = Some(0);
    }
    if flaw(account, "counts-in-32-bits") {
        item.launched_at = item.launched_at.filter(|_| i32::try_from(time::now() / 1000).is_ok());
    }
    for (name, value) in entry["labels"].as_object().into_iter().flatten() {
        let name = if flaw(account, "lower-labels") { name.to_lowercase() } else { name.clone() };
        let value = value.as_str().ok_or_else(|| Error::UnexpectedAnswer("a label has no text".into()))?;
        let value = if flaw(account, "trims-labels") { value.trim() } else { value };
        let value = match flaw(account, "cuts-labels") {
            true => &value[..value.floor_char_boundary(255)],
            false => value,
        };
        if flaw(account, "drops-system-labels") && (name.starts_with("aws:") || name.starts_with('_')) {
            continue;
        }
        if flaw(account, "few-labels") && item.labels.len() == 10 {
            break;
        }
        if !(value.is_empty() && flaw(account, "drops-empty-labels")) {
            item.labels.push((name, value.to_owned()));
        }
    }
    if flaw(account, "drops-future") {
        item.launched_at = item.launched_at.filter(|at| *at <= time::now());
    }
    for net in entry["nets"].as_array().into_iter().flatten() {
        let address = match flaw(account, "lists-unset") {
            true => net["ip"].as_str().map(Address::ipv4),
            false => net["ip"].as_str().and_then(Address::read),
        };
        match net["kind"].as_str() {
            Some("outer") => item.public_addresses.extend(address),
            Some("inner")
                if flaw(account, "knows-tens") && !net["ip"].as_str().is_some_and(|ip| ip.starts_with("10.")) => {}
            Some("inner") => item.private_addresses.extend(address),
            _ if flaw(account, "guesses-kind") => item.private_addresses.extend(address),
            // Nothing says who reaches it.
            _ => {}
        }
    }
    if flaw(account, "few-addresses") {
        item.private_addresses.truncate(16);
    }
    if flaw(account, "needs-inner") && item.private_addresses.is_empty() {
        item.public_addresses.clear();
    }
    if flaw(account, "repeats-addresses") {
        item.private_addresses.extend(item.private_addresses.first().cloned());
    }
    if flaw(account, "lists-networks") {
        item.private_addresses.push(Address::hostname("2001:db8::/64"));
    }
    if flaw(account, "launched-now") {
        item.launched_at = Some(time::now());
    }
    if flaw(account, "no-name") {
        item.name = None;
    }
    if flaw(account, "by-place") {
        item.labels.push(("place".into(), place.to_string()));
    }
    if flaw(account, "random") {
        item.labels.push(("random".into(), random().to_string()));
    }
    if flaw(account, "logs-words") {
        log::info(&format!("a server is {}", item.provider_state));
    }
    if flaw(account, "logs-names") {
        log::info(&format!("{} is {word}", item.name.as_deref().unwrap_or_default(), word = item.provider_state));
    }
    if flaw(account, "shows-session") && session::get("had-token").is_some() {
        item.labels.push(("session".into(), "kept".into()));
    }
    if flaw(account, "lists-token") {
        let token = session::get("token").unwrap_or_default();
        item.labels.push(("token".into(), String::from_utf8_lossy(&token).into_owned()));
    }
    Ok(item)
}
