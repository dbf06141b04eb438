//! Requests to a host on this machine through its control socket, for the command line.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Method, StatusCode};

use super::error::NetError;
use super::trust::Trust;

/// Loading drivers may take a while, when many have to be compiled.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("nothing listens at {socket}: is the host running with this configuration? ({source})")]
    NobodyThere { socket: PathBuf, source: io::Error },
    #[error("the host at {socket} gave no answer: {why}")]
    NoAnswer { socket: PathBuf, why: String },
    #[error(transparent)]
    Client(#[from] NetError),
    #[error("the host says: {0}")]
    Refused(String),
}

/// Sends one request, and gives the answer's body if it is a success.
pub async fn ask(socket: &Path, method: Method, path: &str, body: Option<Vec<u8>>) -> Result<Vec<u8>, LocalError> {
    // Tried first, for an error in plain words.
    UnixStream::connect(socket).map_err(|source| LocalError::NobodyThere { socket: socket.to_owned(), source })?;
    let trust = Trust::in_roots(rustls::RootCertStore::empty())?;
    let no_answer = |error: reqwest::Error| LocalError::NoAnswer {
        socket: socket.to_owned(),
        why: super::failure::innermost(&error.without_url()),
    };
    #[expect(clippy::disallowed_methods, reason = "this is the room that makes HTTP clients")]
    let client = reqwest::Client::builder()
        // Nothing here is encrypted, and the client is made for it all the same.
        .tls_backend_preconfigured(trust.config())
        .unix_socket(socket)
        .timeout(TIMEOUT)
        .build()
        .map_err(no_answer)?;
    let mut request = client.request(method, format!("http://localhost{path}"));
    if let Some(json) = body {
        request = request.header(http::header::CONTENT_TYPE, "application/json").body(json);
    }
    let answer = request.send().await.map_err(no_answer)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(no_answer)?;
    match status {
        StatusCode::OK => Ok(body.into()),
        _ => Err(LocalError::Refused(String::from_utf8_lossy(&body).into_owned())),
    }
}
