//! Against real listeners on loopback.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that reads the head of each request, gives `answer` and keeps the connection open. Counts the
/// connections that it takes.
async fn serve(answer: &'static str) -> (SocketAddr, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            *counted.lock().unwrap() += 1;
            tokio::spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            });
        }
    });
    (address, connections)
}

fn clients() -> Clients {
    Clients::new(ClientSettings { connect_timeout: Duration::from_secs(5), ..ClientSettings::default() }).unwrap()
}

fn client(opened: &str) -> Client {
    let opened = opened.split_whitespace().map(|range| range.parse().unwrap()).collect();
    clients().under(&AddressPolicy::opening(opened)).unwrap()
}

const LOOPBACK: &str = "127.0.0.0/8 ::1/128";

fn get(url: &str) -> reqwest::Request {
    reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap())
}

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn a_closed_address_gets_no_connection() {
    let (address, connections) = serve(OK).await;
    let port = address.port();
    let client = client("");
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
    ] {
        let url = format!("http://{host}:{port}/");
        let error = client.send(get(&url)).await.expect_err(host);
        assert!(matches!(error, SendError::Refused(_)), "{host}: {error:?}");
        assert!(!error.public().contains("loopback"), "what is inside is not told: {}", error.public());
    }
    assert_eq!(*connections.lock().unwrap(), 0);
}

#[test]
fn only_an_address_that_a_url_names_is_judged_before_it_is_called() {
    let check = |host: &str, is_closed: bool| {
        let refused = client("").check_literal(&format!("http://{host}/").parse().unwrap());
        assert_eq!(refused.is_err(), is_closed, "{host}");
    };
    for closed in ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "[::1]", "[::ffff:7f00:1]", "10.0.0.1"] {
        check(closed, true);
    }
    for open in ["localhost", "no-such-host.invalid", "example.com", "192.88.98.1"] {
        check(open, false);
    }
}

#[tokio::test]
async fn an_opened_address_is_reached_by_number_and_by_name() {
    let (address, connections) = serve(OK).await;
    let client = client(LOOPBACK);
    for host in ["127.0.0.1", "localhost", "127.0.0.1"] {
        let url = format!("http://{host}:{}/", address.port());
        client.check_literal(&url.parse().unwrap()).unwrap();
        assert_eq!(client.send(get(&url)).await.unwrap().status(), 204, "{host}");
    }
    assert_eq!(*connections.lock().unwrap(), 2, "the third request went over the first one's connection");
}

#[tokio::test]
async fn a_redirect_is_given_back_and_not_followed() {
    let (address, connections) = serve("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n").await;
    let response = client(LOOPBACK).send(get(&format!("http://{address}/"))).await.unwrap();
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "/elsewhere");
    assert_eq!(*connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn each_failure_has_its_own_kind() {
    let client = client(LOOPBACK);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    let error = client.send(get(&format!("http://{gone}/?secret=x"))).await.unwrap_err();
    assert!(matches!(&error, SendError::Connect(detail) if !detail.contains("secret")), "{error:?}");

    let (hangs, _) = serve("").await;
    let mut request = get(&format!("http://{hangs}/"));
    *request.timeout_mut() = Some(Duration::from_millis(50));
    let error = client.send(request).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout), "{error:?}");

    let (garbage, _) = serve("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    let error = client.send(get(&format!("http://{garbage}/"))).await.unwrap_err();
    assert!(matches!(error, SendError::Broken(_)), "{error:?}");

    let error = client.send(get("http://no-such-host.invalid/")).await.unwrap_err();
    assert!(matches!(error, SendError::Unresolved), "{error:?}");

    let error = client.send(get("ftp://127.0.0.1/")).await.unwrap_err();
    assert!(matches!(error, SendError::Unsendable(_)), "{error:?}");
}

#[tokio::test]
async fn without_root_certificates_only_https_fails() {
    let (address, _) = serve(OK).await;
    let trust = Trust::in_roots(rustls::RootCertStore::empty()).unwrap();
    let clients = Clients::trusting(ClientSettings::default(), trust).unwrap();
    let client = clients.under(&AddressPolicy::opening(vec!["127.0.0.0/8".parse().unwrap()])).unwrap();
    assert_eq!(client.send(get(&format!("http://{address}/"))).await.unwrap().status(), 204);
    let error = client.send(get(&format!("https://{address}/"))).await.unwrap_err();
    assert!(matches!(error, SendError::NoRoots), "{error:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_no_secure_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let mut trust = Trust::in_roots(rustls::RootCertStore::empty()).unwrap();
    trust.roots = 1;
    let clients = Clients::trusting(ClientSettings::default(), trust).unwrap();
    let client = clients.under(&AddressPolicy::opening(vec!["127.0.0.0/8".parse().unwrap()])).unwrap();
    let error = client.send(get(&format!("https://{plain}/"))).await.unwrap_err();
    assert!(matches!(error, SendError::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn one_client_serves_one_policy_and_their_number_is_bounded() {
    let settings = ClientSettings { clients: 2, ..ClientSettings::default() };
    let clients = Clients::new(settings).unwrap();
    let (address, connections) = serve(OK).await;
    let send = async |range: &str| {
        let client = clients.under(&AddressPolicy::opening(vec![range.parse().unwrap()])).unwrap();
        client.send(get(&format!("http://{address}/"))).await.unwrap();
        *connections.lock().unwrap()
    };
    assert_eq!(send("127.0.0.0/8").await, 1);
    assert_eq!(send("127.0.0.0/8").await, 1, "the pool is the same");
    assert_eq!(send("127.0.0.0/9").await, 2, "another policy has a pool of its own");
    assert_eq!(send("127.0.0.0/8").await, 2);
    assert_eq!(send("127.0.0.0/10").await, 3);
    assert_eq!(send("127.0.0.0/8").await, 3, "the least recently used one went");
    assert_eq!(send("127.0.0.0/9").await, 4);
}

#[tokio::test]
async fn a_proxy_takes_everything_but_closed_literals() {
    let (proxy, connections) = serve(OK).await;
    let settings = ClientSettings {
        proxy: Some(format!("http://user:pass@{proxy}").parse().unwrap()),
        ..ClientSettings::default()
    };
    assert!(!format!("{settings:?}").contains("pass"));
    let client = Clients::new(settings).unwrap().under(&AddressPolicy::default()).unwrap();
    assert_eq!(client.send(get("http://no-such-host.invalid/")).await.unwrap().status(), 204);
    assert_eq!(*connections.lock().unwrap(), 1);
    let error = client.send(get("http://127.0.0.1/")).await.unwrap_err();
    assert!(matches!(error, SendError::Refused(_)), "{error:?}");
}

/// A peer that sends something else than an answer, without end, until the connection is closed.
fn flood(piece: &'static [u8]) -> (SocketAddr, std::thread::JoinHandle<usize>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let flooding = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).unwrap();
        let pieces = piece.repeat(1024);
        std::iter::repeat(()).map_while(|()| stream.write_all(&pieces).ok()).count()
    });
    (address, flooding)
}

/// What a peer sends without end is read by threads of the connections' own, and only while somebody waits for the answer.
#[tokio::test]
async fn a_peer_that_floods_takes_nothing_from_the_caller_and_no_longer_than_the_request() {
    let client = client(LOOPBACK);
    for piece in [
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 199 \r\nA: b\r\n\r\n",
    ] {
        let (address, flooding) = flood(piece.as_bytes());
        let mut request = get(&format!("http://{address}/"));
        *request.timeout_mut() = Some(Duration::from_secs(1));
        let before = crate::clock::thread_cpu_time();
        assert!(matches!(client.send(request).await, Err(SendError::Timeout)), "{piece:?}");
        let used = crate::clock::thread_cpu_time() - before;
        assert!(used < Duration::from_millis(100), "{piece:?} took {used:?} of the caller's thread");
        let sent =
            tokio::task::spawn_blocking(|| flooding.join()).await.unwrap().expect("the peer saw its connection close");
        assert!(sent > 100, "{piece:?} was no flood");
    }
}
