//! The requests that go out, in addition to the tests of the sandbox.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::request::HOSTS_OWN_HEADERS;
use super::*;
use crate::clock::ManualClock;
use crate::driver::info::SecretKind;
use crate::driver::limits::memory::Pool;
use crate::model::{AccountKey, Timestamp};
use crate::net::{ClientSettings, Via};
use crate::supply::grants::{Endpoint, EndpointSource, Grants};

async fn egress(endpoint: &str) -> Egress {
    let target = Target {
        key: AccountKey { driver: "d".into(), provider: "p".into(), user: "u".into() },
        endpoint: endpoint.into(),
        roles: BTreeMap::new(),
        endpoint_source: EndpointSource::Operator,
        secret: SecretKind::Password,
        secret_expires: None,
        options: BTreeMap::new(),
        password: "password".into(),
        secrets: BTreeMap::new(),
        addresses: AddressPolicy::opening(vec!["127.0.0.1/32".parse().unwrap()]),
        via: Via::default(),
        wire: Wire::default(),
        budget: None,
    };
    let reach = Reach::of_account(&Grants::default(), [Endpoint::parse(endpoint).ok()], EndpointSource::Operator);
    let clients = Clients::new(ClientSettings::default()).unwrap();
    let driver = DriverInfo { name: "d".into(), ..DriverInfo::default() };
    let limits = Limits::default();
    let memory = Pool::new(&limits).unwrap().admit(None).await;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    Egress::new(&driver, &target, reach, (&clients, &limits, &clock), memory).unwrap()
}

#[tokio::test]
async fn what_speaks_of_a_connection_does_not_go_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\nbody") {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0);
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let mut request = http::Request::post(format!("{endpoint}/path"));
    for name in HOSTS_OWN_HEADERS {
        request = request.header(name, "smuggled");
    }
    let (parts, ()) = request.header("x-kept", "kept").body(()).unwrap().into_parts();
    let egress = egress(&endpoint).await;
    let (url, client) = egress.admit(&parts.method, &parts.uri).unwrap();
    egress.exchange(url, client.clone(), &parts, Bytes::from_static(b"body")).await.unwrap();

    let sent = serving.await.unwrap();
    assert!(!sent.contains("smuggled"), "{sent}");
    assert!(sent.contains("x-kept: kept\r\n") && sent.contains("content-length: 4\r\n"), "{sent}");
    assert!(sent.contains(&format!("host: {}\r\n", endpoint.trim_start_matches("http://"))), "{sent}");
}

#[tokio::test]
async fn nobody_asks_for_a_tunnel() {
    let egress = egress("http://127.0.0.1:9").await;
    let check = |method: http::Method, want: bool| {
        let admitted = egress.admit(&method, &"http://127.0.0.1:9/".parse().unwrap());
        assert_eq!(admitted.is_ok(), want, "{method}");
    };
    check(http::Method::GET, true);
    check(http::Method::CONNECT, false);
}
