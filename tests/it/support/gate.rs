//! What may stand before a provider: TLS that asks for a certificate, a socket of this machine, an HTTP proxy.
//! Each lets through what it should to the provider behind it, and keeps what it was sent.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::pki::{Authority, Certified};

pub(crate) struct Gate {
    port: u16,
    connections: Connections,
    _open: JoinSet<()>,
}

type Connections = Arc<Mutex<Vec<Connection>>>;

#[derive(Clone)]
enum Kind {
    Tls(TlsAcceptor),
    Proxy { credentials: Option<&'static str> },
}

/// A connection that was let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// The certificate that the client showed.
    pub(crate) shown: Option<CertificateDer<'static>>,
    /// What it sent, without TLS.
    pub(crate) sent: String,
}

impl Gate {
    /// Speaks TLS on a port of its own. With an authority it lets in only whom that vouches for.
    pub(crate) async fn tls(target: SocketAddr, own: &Certified, clients: Option<&Authority>) -> Gate {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(authority.certificate()).expect("a root");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let chain = vec![own.certificate.clone()];
        let config = builder.with_single_cert(chain, own.key()).expect("the certificate is its own");
        Gate::open(Kind::Tls(TlsAcceptor::from(Arc::new(config))), target).await
    }

    /// An HTTP proxy, on a port of its own, to which every host is this one target. With credentials (user, colon,
    /// password, in base64) it lets in nobody without them; with none it takes whoever comes.
    pub(crate) async fn proxy(target: SocketAddr, credentials: Option<&'static str>) -> Gate {
        Gate::open(Kind::Proxy { credentials }, target).await
    }

    /// A socket at this path.
    pub(crate) fn socket(path: &Path, target: SocketAddr) -> Gate {
        let listener = UnixListener::bind(path).expect("a socket");
        let connections = Connections::default();
        let kept = Arc::clone(&connections);
        let mut open = JoinSet::new();
        open.spawn(async move {
            let mut streams = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                streams.spawn(async move { relay(stream, target, &kept, Connection::default()).await });
            }
        });
        Gate { port: 0, connections, _open: open }
    }

    async fn open(kind: Kind, target: SocketAddr) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let connections = Connections::default();
        let kept = Arc::clone(&connections);
        let mut open = JoinSet::new();
        open.spawn(async move {
            let mut streams = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (kind, kept) = (kind.clone(), Arc::clone(&kept));
                streams.spawn(async move {
                    match kind {
                        Kind::Tls(acceptor) => through_tls(stream, &acceptor, target, &kept).await,
                        Kind::Proxy { credentials } => through_proxy(stream, credentials, target, &kept).await,
                    }
                });
            }
        });
        Gate { port, connections, _open: open }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Every connection that was let in.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.connections.lock().expect("no holder panics").clone()
    }
}

async fn through_tls(stream: TcpStream, acceptor: &TlsAcceptor, target: SocketAddr, connections: &Connections) {
    match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => {
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let connection =
                Connection { shown: shown.map(|shown| shown.clone().into_owned()), ..Connection::default() };
            relay(stream, target, connections, connection).await;
        }
        Err((_, mut stream)) => {
            // A connection that is closed with something unread is reset, and the alert may be lost with that.
            let _ = stream.shutdown().await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    }
}

async fn through_proxy(
    mut stream: TcpStream,
    credentials: Option<&'static str>,
    target: SocketAddr,
    connections: &Connections,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).expect("a head is text");
    let is_let_in = credentials.is_none_or(|credentials| {
        head.lines().any(|line| {
            line.to_ascii_lowercase().starts_with("proxy-authorization: basic ") && line.ends_with(credentials)
        })
    });
    let answer: &[u8] = match () {
        () if !is_let_in => b"HTTP/1.1 407 Who Are You\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
        () if head.contains("forbidden.invalid") => b"HTTP/1.1 403 Not There\r\nContent-Length: 0\r\n\r\n",
        () if head.starts_with("CONNECT ") => b"HTTP/1.1 200 Connected\r\n\r\n",
        () => b"HTTP/1.1 204 From The Proxy\r\n\r\n",
    };
    let is_tunnel = answer.starts_with(b"HTTP/1.1 200");
    let connection = Connection { sent: head, ..Connection::default() };
    if stream.write_all(answer).await.is_err() {
        return;
    }
    if is_tunnel {
        relay(stream, target, connections, connection).await;
    } else {
        connections.lock().expect("no holder panics").push(connection);
        let _ = stream.shutdown().await;
    }
}

/// Carries bytes between a connection and a new one to the target, until either ends.
async fn relay(
    mut outside: impl AsyncRead + AsyncWrite + Unpin,
    target: SocketAddr,
    connections: &Connections,
    connection: Connection,
) {
    let at = {
        let mut connections = connections.lock().expect("no holder panics");
        connections.push(connection);
        connections.len() - 1
    };
    let Ok(mut inside) = TcpStream::connect(target).await else { return };
    let (mut asked, mut answered) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    loop {
        tokio::select! {
            read = outside.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let text = String::from_utf8_lossy(&asked[..length]).into_owned();
                connections.lock().expect("no holder panics")[at].sent.push_str(&text);
                if inside.write_all(&asked[..length]).await.is_err() {
                    return;
                }
            }
            read = inside.read(&mut answered) => {
                let Ok(length @ 1..) = read else {
                    let _ = outside.shutdown().await;
                    return;
                };
                if outside.write_all(&answered[..length]).await.is_err() || outside.flush().await.is_err() {
                    return;
                }
            }
        }
    }
}
