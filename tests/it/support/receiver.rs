//! A receiver of callbacks: a web server that keeps what it was sent, verifies it as a stranger would, and
//! answers as it is told, or not at all.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::wait::{SOON, eventually};

pub(crate) struct Receiver {
    /// Its own, so that going down takes the open connections along. Absent while it is down.
    runtime: Option<Runtime>,
    address: SocketAddr,
    shared: Shared,
    callbacks: UnboundedReceiver<Callback>,
}

/// How a callback is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// Taken in, and never answered.
    Hang,
    /// The consent to callbacks from this host, as CloudEvents' web hooks have it.
    Consent(&'static str),
}

#[derive(Debug)]
pub(crate) struct Callback {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) method: Method,
}

#[derive(Clone)]
struct Shared {
    replies: Arc<Mutex<HashMap<String, VecDeque<Reply>>>>,
    received: UnboundedSender<Callback>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let (received, callbacks) = unbounded_channel();
        let shared = Shared { replies: Arc::default(), received };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut receiver = Receiver { runtime: None, address, shared, callbacks };
        receiver.up().await;
        receiver
    }

    /// A hook of this name; each has replies of its own.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// How the next callbacks to this hook are answered, in turn. The last reply holds for all that follow; a
    /// hook without any is answered with 204.
    pub(crate) fn replies(&self, name: &str, replies: impl IntoIterator<Item = Reply>) {
        let mut all = self.shared.replies.lock().expect("no holder panics");
        all.insert(format!("/{name}"), replies.into_iter().collect());
    }

    /// The next callback, whichever hook it is for.
    pub(crate) async fn next(&mut self) -> Callback {
        match tokio::time::timeout(SOON, self.callbacks.recv()).await {
            Ok(callback) => callback.expect("this holds a sender"),
            Err(_) => panic!("no callback within {SOON:?}"),
        }
    }

    /// Closes the door: connections are cut, and new ones refused.
    pub(crate) async fn down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        let address = self.address;
        eventually(SOON, "the receiver refuses connections", async || {
            match tokio::net::TcpStream::connect(address).await {
                Ok(_) => Err("it takes them".into()),
                Err(_) => Ok(()),
            }
        })
        .await;
    }

    /// Opens it again, at the same address.
    pub(crate) async fn up(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (address, shared) = (self.address, self.shared.clone());
        let serving = async move {
            let listener = TcpListener::bind(address).await.expect("the receiver's port is free");
            let address = listener.local_addr().expect("bound");
            let router = axum::Router::new().fallback(receive).with_state(shared);
            tokio::spawn(async move { axum::serve(listener, router).await });
            address
        };
        self.address = runtime.spawn(serving).await.expect("the receiver is up");
        self.runtime = Some(runtime);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Callback {
    /// The change in it, once its signature was found good by an implementation that is not the tracker's.
    pub(crate) fn change(&self, secret: &str) -> Value {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a secret as Standard Webhooks writes it");
        webhook.verify(&self.body, &self.headers).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        assert_eq!(self.method, Method::POST);
        assert_eq!(
            self.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()),
            Some(&b"application/json"[..])
        );
        let change: Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(change["id"], self.id(), "a change's id is the webhook's");
        change
    }

    /// By which receivers drop repeats.
    pub(crate) fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().expect("text")
    }
}

async fn receive(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let path = uri.path().to_owned();
    let reply = {
        let mut replies = shared.replies.lock().expect("no holder panics");
        match replies.get_mut(&path) {
            Some(replies) if replies.len() > 1 => replies.pop_front(),
            Some(replies) => replies.front().copied(),
            None => None,
        }
    };
    // The test may be over; then nobody wants it.
    let _ = shared.received.send(Callback { path, headers, body, method });
    match reply.unwrap_or(Reply::Status(204)) {
        Reply::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Reply::Hang => std::future::pending().await,
        Reply::Consent(origin) => [("WebHook-Allowed-Origin", origin)].into_response(),
    }
}
