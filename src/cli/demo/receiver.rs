//! The demo's receiver of callbacks: the code that a client of Tracker writes. It is no part of the API, so it may name
//! axum. It verifies signatures with the `standardwebhooks` crate, which shares no code with this host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde::Deserialize;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::board::{Callback, Signature};
use crate::clock::Clock;
use crate::model::Timestamp;

/// The signing secrets, by the instance that the hook is on.
pub(super) type Secrets = HashMap<String, String>;

/// How long a callback waits for its hook's secret: the first may be here before the answer to the very
/// request that set the hook.
const SECRET_WAIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) secrets: watch::Receiver<Secrets>,
    pub(super) callbacks: mpsc::Sender<Callback>,
}

/// The members of a change that are shown.
#[derive(Deserialize)]
struct Change {
    id: String,
    #[serde(rename = "type")]
    change_type: String,
    resource: Resource,
    old_state: Option<String>,
    new_state: Option<String>,
    observed_at: Timestamp,
}

#[derive(Deserialize)]
struct Resource {
    id: String,
}

/// Takes callbacks at `/callback` until `token` is cancelled.
pub(super) async fn serve(listener: TcpListener, receiver: Receiver, token: CancellationToken) -> std::io::Result<()> {
    let router = Router::new().route("/callback", post(callback)).with_state(receiver);
    axum::serve(listener, router).with_graceful_shutdown(token.cancelled_owned()).await
}

/// Says 204 to what verifies, and 401 to what does not, which the tracker then sends again later.
async fn callback(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let at = receiver.clock.now();
    let Ok(change) = serde_json::from_slice::<Change>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let signature = receiver.verify(&change.resource.id, &headers, &body).await;
    let status = match signature {
        Signature::Verified => StatusCode::NO_CONTENT,
        Signature::Refused(_) => StatusCode::UNAUTHORIZED,
    };
    let callback = Callback {
        at,
        change: change.id,
        change_type: change.change_type,
        resource: change.resource.id,
        old_state: change.old_state,
        new_state: change.new_state,
        delay: Some(at.since(change.observed_at)),
        signature,
    };
    // Nobody listens any more only while the demo ends.
    let _ = receiver.callbacks.send(callback).await;
    status
}

impl Receiver {
    async fn verify(&self, resource: &str, headers: &HeaderMap, body: &[u8]) -> Signature {
        let mut secrets = self.secrets.clone();
        let known = tokio::time::timeout(SECRET_WAIT, secrets.wait_for(|secrets| secrets.contains_key(resource))).await;
        let secret = match known {
            Ok(Ok(secrets)) => secrets.get(resource).cloned(),
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(secret) = secret else {
            return Signature::Refused("its hook is not known here".into());
        };
        match Webhook::new(&secret).and_then(|webhook| webhook.verify(body, headers)) {
            Ok(()) => Signature::Verified,
            Err(error) => Signature::Refused(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[tokio::test]
    async fn only_what_is_signed_with_the_hooks_secret_is_taken() {
        let (secrets, known) = watch::channel(Secrets::from([("inst1".to_owned(), SECRET.to_owned())]));
        let (callbacks, mut called) = mpsc::channel(8);
        let receiver = Receiver { clock: Arc::new(SystemClock), secrets: known, callbacks };
        let body = |resource: &str| {
            format!(
                r#"{{"id":"chg_1","type":"instance.state","resource":{{"id":"{resource}"}},"old_state":null,
                "new_state":"RUNNING","observed_at":"2026-11-22T10:00:00.000Z"}}"#
            )
        };
        let headers = |signed: &str| {
            let seconds = SystemClock.now().as_seconds();
            let signature =
                Webhook::new(SECRET).and_then(|key| key.sign("chg_1", seconds, signed.as_bytes())).expect("signed");
            let mut headers = HeaderMap::new();
            headers.insert("webhook-id", "chg_1".parse().expect("value"));
            headers.insert("webhook-timestamp", seconds.to_string().parse().expect("value"));
            headers.insert("webhook-signature", signature.parse().expect("value"));
            headers
        };
        let call = async |headers: HeaderMap, body: String| {
            callback(State(receiver.clone()), headers, Bytes::from(body)).await.as_u16()
        };
        assert_eq!(call(headers(&body("inst1")), body("inst1")).await, 204);
        assert_eq!(called.recv().await.expect("a callback").signature, Signature::Verified);
        assert_eq!(call(headers("other"), body("inst1")).await, 401);
        assert_eq!(call(HeaderMap::new(), body("inst1")).await, 401);
        assert_eq!(call(HeaderMap::new(), "{".into()).await, 400);
        drop(secrets);
        assert_eq!(call(headers(&body("inst2")), body("inst2")).await, 401);
    }
}
