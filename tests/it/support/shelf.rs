//! A web server that hands out what is put on it, whole or not, in the clear or over TLS, and keeps what it was asked.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub(crate) struct Shelf {
    address: SocketAddr,
    /// What a client has to believe to speak TLS to it.
    pub(crate) root: Option<String>,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    items: HashMap<String, Item>,
    /// The heads of the requests.
    asked: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Item {
    Whole(Vec<u8>),
    /// What it announces is longer than what it sends.
    Half(Vec<u8>),
    /// It never ends, and does not say so.
    Endless,
    /// The request is read, and the connection left open.
    Silence,
    /// A status line behind `HTTP/1.1 `, and headers, each line ended.
    Head(String, String),
    /// What is given to whoever sends this header's line, and 401 with that challenge to others.
    For {
        header: String,
        challenge: String,
        bytes: Vec<u8>,
    },
}

impl Shelf {
    pub(crate) async fn start() -> Shelf {
        Shelf::open(None).await
    }

    /// One that speaks TLS as `localhost`, with a certificate that nobody else vouches for.
    pub(crate) async fn with_tls() -> Shelf {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key of its own making");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("the certificate is its own");
        Shelf::open(Some((TlsAcceptor::from(Arc::new(config)), cert.pem()))).await
    }

    async fn open(tls: Option<(TlsAcceptor, String)>) -> Shelf {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let state: Arc<Mutex<State>> = Arc::default();
        let (acceptor, root) = tls.unzip();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, acceptor, Arc::clone(&state)));
        Shelf { address, root, state, _serving: serving }
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        match self.root {
            None => format!("http://{}", self.address),
            Some(_) => format!("https://localhost:{}", self.address.port()),
        }
    }

    /// Host and port, as a registry's name.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn put(&self, path: &str, item: Item) {
        self.state().items.insert(path.to_owned(), item);
    }

    pub(crate) fn redirects(&self, path: &str, to: &str) {
        self.put(path, Item::Head("302 Found".into(), format!("Location: {to}\r\n")));
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        connections.spawn(async move {
            match acceptor {
                None => answer(stream, &state).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, &state).await;
                    }
                }
            }
        });
    }
}

/// One request, one answer, and the connection is closed.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, state: &Mutex<State>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let item = {
        let mut state = state.lock().expect("no holder panics");
        state.asked.push(head.clone());
        state.items.get(&path).cloned()
    };
    let whole = |status: &str, headers: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n").into_bytes()
    };
    let bytes = match item {
        None => whole("404 Not Found", "", 0),
        Some(Item::Whole(bytes)) => [whole("200 OK", "", bytes.len()), bytes].concat(),
        Some(Item::Half(bytes)) => [whole("200 OK", "", bytes.len()), bytes[..bytes.len() / 2].to_vec()].concat(),
        Some(Item::Head(status, headers)) => whole(&status, &headers, 0),
        Some(Item::For { header, bytes, .. }) if head.lines().any(|line| line.eq_ignore_ascii_case(&header)) => {
            [whole("200 OK", "", bytes.len()), bytes].concat()
        }
        Some(Item::For { challenge, .. }) => {
            whole("401 Unauthorized", &format!("WWW-Authenticate: {challenge}\r\n"), 0)
        }
        Some(Item::Silence) => return std::future::pending().await,
        Some(Item::Endless) => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await;
            // Until the other end has had enough.
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
            return;
        }
    };
    // Whoever asked may be gone.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}
