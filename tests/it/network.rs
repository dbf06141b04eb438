//! The clients that everything goes out by, on routes of their own: private roots, client certificates, proxies
//! and sockets, against real ones. What fails says so in its own kind, and what to do.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracker::net::{
    AddressPolicy, ClientSettings, Clients, Identity, PrivateRoots, Proxy, ProxyChoice, RootsReach, Route, SendError,
    SocketFault, TlsFault, Via,
};

use crate::support::gate::Gate;
use crate::support::pki::{Authority, Certified};

/// A server that keeps its connections open and says 204 to everything.
async fn origin() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("written");
                    }
                }
            });
        }
    });
    (address, serving)
}

/// A server that says this to whatever it is sent first.
async fn saying(answer: &'static [u8]) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            assert!(stream.read(&mut head).await.expect("read") > 0, "it closed the connection");
            stream.write_all(answer).await.expect("written");
        }
    });
    (address, serving)
}

fn clients() -> Clients {
    Clients::new(ClientSettings::default()).expect("clients")
}

/// This machine may be reached, and all else is as given.
fn route(via: Via) -> Route {
    let here = ["127.0.0.0/8", "::1/128"].map(|range| range.parse().expect("a range"));
    Route { addresses: AddressPolicy::opening(here.into()), via }
}

fn trusting(authority: &Authority) -> Via {
    let roots = PrivateRoots::from_pem(authority.pem().as_bytes(), RootsReach::Only).expect("roots");
    Via { roots: Some(roots), ..Via::default() }
}

fn showing(certified: &Certified, via: Via) -> Via {
    let identity = Identity::from_pem(certified.pem.as_bytes(), certified.key_pem().as_bytes());
    Via { identity: Some(identity.expect("an identity")), ..via }
}

fn by(proxy: &Gate, user: &str, password: Option<&str>) -> Via {
    let url = format!("http://{user}{}", proxy.address()).parse().expect("a URL");
    let proxy = Proxy::new(url, password.map(SecretString::from));
    Via { proxy: ProxyChoice::Through(proxy), ..Via::default() }
}

async fn get(clients: &Clients, via: &Via, url: &str) -> Result<u16, SendError> {
    let client = clients.on(&route(via.clone())).expect("a client");
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse().expect("a URL"));
    client.send(request).await.map(|response| response.status().as_u16())
}

#[tokio::test]
async fn a_private_authority_is_believed_where_it_was_given_and_only_there() {
    let (lab, other) = (Authority::new("lab"), Authority::new("other"));
    let (origin, _serving) = origin().await;
    let gate = Gate::tls(origin, &lab.certify("server", &["localhost"]), None).await;
    let url = format!("https://localhost:{}/", gate.port());
    let clients = clients();
    assert_eq!(get(&clients, &trusting(&lab), &url).await.expect("believed"), 204);
    let error = get(&clients, &trusting(&other), &url).await.expect_err("another authority");
    assert!(matches!(error, SendError::Tls(TlsFault::UnknownIssuer)), "{error:?}");
    let error = get(&clients, &Via::default(), &url).await.expect_err("the machine does not know it");
    assert!(matches!(error, SendError::Tls(TlsFault::UnknownIssuer) | SendError::NoRoots), "{error:?}");
    assert_eq!(get(&clients, &trusting(&lab), &url).await.expect("believed"), 204);
    assert_eq!(gate.connections().len(), 1, "the pool of the route was used again, and nobody else got in");
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_named() {
    let (lab, other) = (Authority::new("lab"), Authority::new("other"));
    let (origin, _serving) = origin().await;
    let clients = clients();
    let told = async |port: u16, via: Via, want: fn(&TlsFault) -> bool| match get(
        &clients,
        &via,
        &format!("https://localhost:{port}/"),
    )
    .await
    {
        Err(SendError::Tls(fault)) if want(&fault) => {
            let says = fault.to_string();
            let public = SendError::Tls(fault).public();
            assert!(public.len() > "no secure connection could be made".len(), "its owner is not told: {says}");
            says
        }
        other => panic!("{other:?}"),
    };
    let check = async |server: Certified, asked: Option<&Authority>, via: Via, want: fn(&TlsFault) -> bool| {
        let gate = Gate::tls(origin, &server, asked).await;
        told(gate.port(), via, want).await
    };
    let at = ["localhost"];
    let says = check(lab.certify_once(&at), None, trusting(&lab), |fault| *fault == TlsFault::Expired).await;
    assert!(says.contains("has to be renewed"), "{says}");
    check(lab.certify_later(&at), None, trusting(&lab), |fault| *fault == TlsFault::NotYetValid).await;
    let itself = Authority::certify_itself(&at);
    check(itself, None, trusting(&lab), |fault| *fault == TlsFault::UnknownIssuer).await;
    let elsewhere = lab.certify("server", &["elsewhere.invalid"]);
    check(elsewhere, None, trusting(&lab), |fault| *fault == TlsFault::WrongName).await;

    let server = || lab.certify("server", &at);
    let says = check(server(), Some(&lab), trusting(&lab), |fault| *fault == TlsFault::CertificateRequired).await;
    assert!(says.contains("client_certificate_file"), "{says}");
    let stranger = showing(&other.certify("stranger", &[]), trusting(&lab));
    check(server(), Some(&lab), stranger, |fault| matches!(fault, TlsFault::CertificateRejected(_))).await;
    let late = showing(&lab.certify_once(&[]), trusting(&lab));
    check(server(), Some(&lab), late, |fault| matches!(fault, TlsFault::CertificateRejected(_))).await;

    let (plain, _serving) = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    told(plain.port(), trusting(&lab), |fault| *fault == TlsFault::NotTls).await;
    // What a server of TLS 1.1 says to whoever offers it nothing before 1.2: an alert that is fatal, of the version.
    let (old, _serving_old) = saying(&[0x15, 3, 2, 0, 2, 2, 70]).await;
    told(old.port(), trusting(&lab), |fault| *fault == TlsFault::TooOld).await;
}

#[tokio::test]
async fn a_connection_serves_the_certificate_that_it_was_made_with() {
    let lab = Authority::new("lab");
    let (ann, bob) = (lab.certify("ann", &[]), lab.certify("bob", &[]));
    let (origin, _serving) = origin().await;
    let gate = Gate::tls(origin, &lab.certify("server", &["localhost"]), Some(&lab)).await;
    let clients = clients();
    let routes = [("ann", showing(&ann, trusting(&lab))), ("bob", showing(&bob, trusting(&lab)))];
    for _ in 0..3 {
        for (user, via) in &routes {
            let url = format!("https://localhost:{}/{user}", gate.port());
            assert_eq!(get(&clients, via, &url).await.expect("let in"), 204);
        }
    }
    let connections = gate.connections();
    assert_eq!(connections.len(), 2, "one for each, used again: {connections:?}");
    for (connection, (user, certified)) in connections.iter().zip([("ann", &ann), ("bob", &bob)]) {
        assert_eq!(connection.shown.as_ref(), Some(&certified.certificate));
        assert_eq!(connection.sent.matches(&format!("GET /{user} ")).count(), 3, "{}", connection.sent);
        assert_eq!(connection.sent.matches("GET ").count(), 3, "{}", connection.sent);
    }
}

#[tokio::test]
async fn a_proxy_is_a_tunnel_for_what_is_secure() {
    let lab = Authority::new("lab");
    let (origin, _serving) = origin().await;
    let gate = Gate::tls(origin, &lab.certify("server", &["lab.invalid"]), None).await;
    // `user:hunter2` in base64.
    let proxy = Gate::proxy(gate.address(), Some("dXNlcjpodW50ZXIy")).await;
    let clients = clients();
    let through =
        |user: &str, password: Option<&str>| Via { roots: trusting(&lab).roots, ..by(&proxy, user, password) };
    let known = through("user@", Some("hunter2"));
    let url = "https://lab.invalid/path?query";
    assert_eq!(get(&clients, &known, url).await.expect("let through"), 204);
    assert_eq!(get(&clients, &known, "http://lab.invalid/").await.expect("the proxy answers"), 204);

    for via in [through("", None), through("user@", Some("hunter3"))] {
        for url in [url, "http://lab.invalid/"] {
            let error = get(&clients, &via, url).await.expect_err("not let in");
            assert!(matches!(&error, SendError::ProxyCredentials { .. }), "{error:?}");
            assert!(!error.to_string().contains("hunter3"), "{error}");
        }
    }
    let error = get(&clients, &known, "https://forbidden.invalid/").await.expect_err("not let through");
    assert!(matches!(&error, SendError::ProxyRefused { .. }), "{error:?}");
    let error = get(&clients, &known, "https://other.invalid/").await.expect_err("behind it is another name");
    assert!(matches!(&error, SendError::Tls(TlsFault::WrongName)), "{error:?}");
    // What is written as an address is judged here all the same.
    let client = clients.on(&Route { via: known, ..Route::default() }).expect("a client");
    let request = reqwest::Request::new(reqwest::Method::GET, "https://127.0.0.1/".parse().expect("a URL"));
    assert!(matches!(client.send(request).await, Err(SendError::Refused(_))));

    let seen = proxy.connections();
    assert!(seen[0].sent.starts_with("CONNECT lab.invalid:443 HTTP/1.1\r\n"), "{seen:?}");
    let tunnelled: Vec<_> = seen.iter().filter(|connection| connection.sent.starts_with("CONNECT")).collect();
    assert!(tunnelled.iter().all(|connection| !connection.sent.contains("query")), "it sees a tunnel: {tunnelled:?}");
    assert!(gate.connections()[0].sent.starts_with("GET /path?query HTTP/1.1\r\n"), "{:?}", gate.connections());
    assert!(!gate.connections()[0].sent.contains("proxy-authorization"), "the server does not see who is at the proxy");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named_and_none_can_be_chosen() {
    let (origin, _serving) = origin().await;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("bound")
    };
    let url = format!("http://127.0.0.1:{}/", origin.port());
    let proxy = format!("http://user:hunter2@{gone}").parse().expect("a URL");
    let clients = Clients::new(ClientSettings { proxy: Some(proxy), ..ClientSettings::default() }).expect("clients");
    for url in [url.as_str(), "https://lab.invalid/"] {
        let error = get(&clients, &trusting(&Authority::new("lab")), url).await.expect_err("no proxy");
        assert!(matches!(&error, SendError::Proxy { proxy, .. } if *proxy == format!("http://{gone}")), "{error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let direct = Via { proxy: ProxyChoice::Direct, ..Via::default() };
    assert_eq!(get(&clients, &direct, &url).await.expect("without it"), 204);
    let lost = Via {
        proxy: ProxyChoice::Through(Proxy::new("http://no-such-proxy.invalid:1".parse().expect("a URL"), None)),
        ..Via::default()
    };
    let error = get(&clients, &lost, &url).await.expect_err("its name does not resolve");
    assert!(matches!(&error, SendError::Proxy { .. }), "{error:?}");
}

#[tokio::test]
async fn a_socket_is_reached_or_what_is_wrong_with_it_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let (origin, _serving) = origin().await;
    let path = folder.path().join("engine.sock");
    let gate = Gate::socket(&path, origin);
    let clients = clients();
    let at = |path: &Path| Via { socket: Some(path.to_owned()), ..Via::default() };
    for _ in 0..2 {
        assert_eq!(get(&clients, &at(&path), "http://localhost/containers").await.expect("reached"), 204);
    }
    let connections = gate.connections();
    assert_eq!(connections.len(), 1, "its connections are kept: {connections:?}");
    let sent = &connections[0].sent;
    assert!(sent.starts_with("GET /containers HTTP/1.1\r\n") && sent.contains("\r\nhost: localhost\r\n"), "{sent}");

    let check = async |path: &Path, want: SocketFault| match get(&clients, &at(path), "http://localhost/").await {
        Err(SendError::Socket { path: named, fault }) => assert_eq!((named.as_path(), fault), (path, want)),
        other => panic!("{other:?}"),
    };
    check(&folder.path().join("none.sock"), SocketFault::Missing).await;
    let stale = folder.path().join("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&stale).expect("bound"));
    check(&stale, SocketFault::Silent).await;
}
