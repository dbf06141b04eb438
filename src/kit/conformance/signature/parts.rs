//! The signed parts of a request: headers and parameters in their canonical forms, and the key id.

use std::collections::BTreeMap;

use http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::driver::wire::Asked;
use crate::model::Timestamp;

/// Who signs, and when.
pub(in crate::kit::conformance) struct Credentials<'a> {
    pub(in crate::kit::conformance) user: &'a str,
    pub(in crate::kit::conformance) secrets: Vec<&'a str>,
    pub(in crate::kit::conformance) options: Vec<&'a str>,
    /// What the account says of the region, in so many words.
    pub(in crate::kit::conformance) region: Option<&'a str>,
    pub(in crate::kit::conformance) provider: &'a str,
    pub(in crate::kit::conformance) at: Timestamp,
}

/// RFC 3986: what is not reserved is written as it is.
pub(super) const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What an `Authorization` says behind its algorithm: `Name=value` and commas.
pub(super) struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    /// None of a request that is not signed in this way.
    pub(super) fn of(sent: &'a Asked, algorithm: &str) -> Option<Fields<'a>> {
        let fields = header_of(sent, header::AUTHORIZATION.as_str())?.strip_prefix(algorithm)?;
        Some(Fields(fields.split(',').filter_map(|field| field.trim().split_once('=')).collect()))
    }

    pub(super) fn get(&self, name: &str) -> Result<&'a str, String> {
        self.0.get(name).copied().ok_or_else(|| format!("its Authorization has no {name}"))
    }
}

pub(super) fn header_of<'a>(sent: &'a Asked, name: &str) -> Option<&'a str> {
    sent.headers.get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn is_users(key: &str, credentials: &Credentials<'_>) -> Result<(), String> {
    match key == credentials.user || credentials.options.contains(&key) {
        true => Ok(()),
        false => Err("its access key is not the account's user".into()),
    }
}

/// Whether the time at which a request says that it is made is that of the clock, give or take so many seconds.
pub(super) fn is_now(stamp: &str, at: Option<i64>, (most, credentials): (u64, &Credentials<'_>)) -> Result<(), String> {
    match at {
        Some(at) if at.abs_diff(credentials.at.as_seconds()) <= most => Ok(()),
        _ => Err(format!("its date is {stamp}, and it is {}", credentials.at)),
    }
}

/// Whether these are among the headers that are signed, written with semicolons.
pub(super) fn are_signed(headers: &str, names: &[&str]) -> Result<(), String> {
    match names.iter().find(|name| !headers.split(';').any(|header| header == **name)) {
        Some(name) => Err(format!("its {name} is not signed")),
        None => Ok(()),
    }
}

/// The lines of the headers that are signed, in the order of their names.
pub(super) fn canonical_headers(sent: &Asked, headers: &str, written: fn(&[u8]) -> String) -> Result<String, String> {
    if !headers.split(';').is_sorted() {
        return Err("the headers that it signs are not sorted".into());
    }
    let authority = match sent.url.port() {
        Some(port) => format!("{}:{port}", sent.url.host_str().unwrap_or_default()),
        None => sent.url.host_str().unwrap_or_default().to_owned(),
    };
    let mut lines = String::new();
    for name in headers.split(';') {
        let values: Vec<String> = sent.headers.get_all(name).iter().map(|value| written(value.as_bytes())).collect();
        let value = match (name, values.is_empty()) {
            ("host", _) => authority.clone(),
            (_, true) => return Err(format!("it signs the header {name}, and does not send it")),
            (_, false) => values.join(","),
        };
        lines.push_str(&format!("{name}:{value}\n"));
    }
    Ok(lines)
}

/// The parameters of a query or a form but for one, each encoded as RFC 3986 has it, sorted.
pub(super) fn canonical_query(query: &str, without: Option<&str>) -> String {
    let encode = |text: &str| utf8_percent_encode(&percent_decode_str(text).decode_utf8_lossy(), RESERVED).to_string();
    let fields = query.split('&').filter(|field| !field.is_empty());
    let pairs = fields.map(|field| field.split_once('=').unwrap_or((field, "")));
    let mut encoded: Vec<(String, String)> =
        pairs.filter(|(name, _)| Some(*name) != without).map(|(name, value)| (encode(name), encode(value))).collect();
    encoded.sort();
    encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A value with runs of blanks made one.
pub(super) fn squeezed(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parameters of a query and, of a request that has one, of a form.
pub(super) fn parameters(sent: &Asked) -> Vec<(String, String)> {
    let is_form = header_of(sent, header::CONTENT_TYPE.as_str())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    let form = if is_form { sent.body.as_ref() } else { &[] };
    let pairs = sent.url.query_pairs().chain(url::form_urlencoded::parse(form));
    pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
