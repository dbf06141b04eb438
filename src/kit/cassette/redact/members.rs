//! Finds secrets in bodies: by the names of JSON members, XML elements, XML attributes and form parameters, and by the
//! shape of values that are secrets whatever their names.

use serde_json::Value;

use super::found::Found;
use super::loose::{found, found_in_json};
use super::names::{holds_a_name, holds_a_value, is_credential};
use super::scan::unescaped;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// How a body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `name=value&...`
    Pairs,
    /// JSON, XML, or any other text.
    Document,
}

/// Shows every secret of a body to a function, and puts in its place what that gives. Nothing where all stays.
pub(super) fn rewritten(text: &str, form: Form, replace: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    if form == Form::Pairs {
        return pairs(text, replace);
    }
    if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        return rewritten(rest, form, replace).map(|rest| format!("{BYTE_ORDER_MARK}{rest}"));
    }
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        let mut changed = false;
        walk(&mut value, false, &mut |secret| {
            let replacement = replace(secret);
            changed |= replacement.is_some();
            replacement
        });
        // The parser keeps only the last of several members with the same name. An unchanged text still has the others.
        return if changed { Some(value.to_string()) } else { replaced(text, found_in_json(text), replace) };
    }
    replaced(text, found(text), replace)
}

fn pairs(text: &str, replace: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let mut out = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let replacement = if is_credential(&name) { replace(&value) } else { None };
        changed |= replacement.is_some();
        out.append_pair(&name, replacement.as_deref().unwrap_or(&value));
    }
    changed.then(|| out.finish())
}

/// A secret is a text or a number under such a name, also in a list; an object is looked into, and its own names
/// say what is in it. So do names that are values themselves.
fn walk(value: &mut Value, secret: bool, replace: &mut dyn FnMut(&str) -> Option<String>) {
    match value {
        Value::Object(members) => {
            let says =
                |(name, member): (&String, &Value)| holds_a_name(name) && member.as_str().is_some_and(is_credential);
            let has_value = members.iter().any(says);
            for (name, member) in members {
                walk(member, is_credential(name) || has_value && holds_a_value(name), replace);
            }
        }
        Value::Array(items)
            if let [Value::String(name), Value::String(_)] = items.as_slice()
                && is_credential(name) =>
        {
            walk(&mut items[1], true, replace);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, secret, replace)),
        Value::String(text) => {
            let replacement = match secret {
                true => replace(text),
                // A document in a text. Each level of them is shorter.
                false if text.trim_start().starts_with(['{', '[', '<']) => rewritten(text, Form::Document, replace),
                false => None,
            };
            if let Some(replacement) = replacement {
                *text = replacement;
            }
        }
        // Read as a number it has to stay.
        Value::Number(number) if secret && replace(&number.to_string()).is_some() => *number = 0.into(),
        _ => {}
    }
}

/// The text with each of these secrets replaced.
fn replaced(text: &str, secrets: Vec<Found>, replace: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for Found { range, is_number } in secrets {
        if let Some(replacement) = replace(&unescaped(&text[range.clone()])) {
            out.push_str(&text[copied..range.start]);
            // Read as a number it has to stay.
            out.push_str(if is_number { "0" } else { &replacement });
            copied = range.end;
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// What is a secret whatever its name: a JSON Web Token, a private key in PEM.
pub(super) fn shaped(text: &str) -> impl Iterator<Item = &str> {
    tokens(text).chain(private_keys(text))
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.split(move |c: char| !of_token(c)).map(|word| word.trim_matches('.')).filter(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        word.starts_with("eyJ") && matches!(parts[..], [header, claims, _] if header.len() > 8 && claims.len() > 8)
    })
}

fn private_keys(text: &str) -> impl Iterator<Item = &str> {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "PRIVATE KEY-----";
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text[from..].find(BEGIN)?;
            from = start + BEGIN.len();
            let head = text[from..].find("-----").map(|at| from + at + 5)?;
            if !text[start..head].ends_with(END) {
                continue;
            }
            // One that is cut short is a secret to its end.
            let end = text[head..].find(END).map_or(text.len(), |at| head + at + END.len());
            from = end;
            return Some(&text[start..end]);
        }
    })
}
