//! How the API says that it refuses. The reason stands in the status line, which no driver sees, and in newer versions as
//! `message` in the body, too.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracker_driver_sdk::http::Response;
use tracker_driver_sdk::{Error, json};

#[derive(Deserialize)]
struct Problem {
    message: Option<String>,
    /// What is wrong with each parameter.
    errors: Option<BTreeMap<String, String>>,
}

/// What the API has in the body of every error: the member `data`, which is null.
#[derive(Deserialize)]
struct NoData {
    #[serde(rename = "data")]
    _data: (),
}

/// The error of an answer's status, in the API's own words.
pub(crate) fn refusal(mut response: Response) -> Error {
    let start = response.start_of_body();
    match said(&start) {
        Some(text) => response.error_quoting(text.as_bytes()),
        None => response.error_quoting(&start),
    }
}

/// The reason in an error's body, empty where none is given. Nothing where the API did not write the body.
pub(crate) fn of_the_api(body: &[u8]) -> Option<String> {
    json::parse::<NoData>(body).ok()?;
    Some(said(body).unwrap_or_default())
}

fn said(body: &[u8]) -> Option<String> {
    let Problem { message, errors } = json::parse(body).ok()?;
    let errors = errors.into_iter().flatten().map(|(name, why)| format!("{name}: {why}"));
    let words: Vec<String> = message.into_iter().chain(errors).filter(|text| !text.trim().is_empty()).collect();
    (!words.is_empty()).then(|| words.join("; "))
}
