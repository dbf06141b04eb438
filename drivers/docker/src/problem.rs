//! How engines say that they refuse. Docker: `{"message": ..}`. Podman: `{"cause": .., "message": .., "response": 500}`, where
//! the message has the cause in it. Neither has a code, so that the status alone says what an error is.

use serde::Deserialize;
use tracker_driver_sdk::http::Response;
use tracker_driver_sdk::{Error, json};

#[derive(Deserialize)]
struct Problem {
    message: String,
}

/// The answer, or the error that its status means, in the engine's own words.
pub(crate) fn success(mut response: Response) -> Result<Response, Error> {
    if (200..300).contains(&response.status) {
        return Ok(response);
    }
    let start = response.start_of_body();
    Err(match message(&start) {
        Some(text) => response.error_quoting(text.as_bytes()),
        None => response.error_quoting(&start),
    })
}

/// What an engine says for people.
pub fn message(body: &[u8]) -> Option<String> {
    let Problem { message } = json::parse(body).ok()?;
    Some(message).filter(|text| !text.is_empty())
}
