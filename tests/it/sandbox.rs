//! A driver that misbehaves, in the sandbox: each limit ends its poll with the limit's name, each way out is
//! closed, and the driver beside it does not notice.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracker::clock::SystemClock;
use tracker::driver::{CallError, Catalog, Coverage, Driver, Engine, Limits, Listing, SecretKind, Target};
use tracker::model::{AccountKey, ErrorCode, Kind, Resource, Timestamp};
use tracker::net::{
    AddressPolicy, ClientSettings, Clients, Identity, PrivateRoots, Proxy, ProxyChoice, RootsReach, Via,
};
use tracker::supply::signature::Policy;
use tracker::supply::{Approval, EndpointSource, Lock, Role, Settings};

use crate::support::gate::Gate;
use crate::support::pki::Authority;

/// Made of `tests/faulty` by `make faulty`.
fn faulty_wasm() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faulty/wasm32-wasip2/release/faulty.wasm");
    assert!(path.exists(), "{} is not there: run `make faulty`", path.display());
    path
}

async fn faulty(limits: Limits, granted: &[&str]) -> Arc<Driver> {
    let clients = Clients::new(ClientSettings::default()).expect("clients");
    let engine = Engine::new(limits, clients, Arc::new(SystemClock)).expect("engine");
    let file = faulty_wasm();
    let inspected = tracker::driver::load::inspect(&engine, &file, None).await.expect("inspected");
    let mut lock = Lock::default();
    lock.approve(Approval {
        name: "faulty".into(),
        version: inspected.info.version,
        role: Role::Current,
        file: "faulty.wasm".into(),
        source: None,
        sha256: inspected.info.digest,
        endpoints: granted.iter().map(|&text| text.to_owned()).collect(),
        approved_at: Timestamp::from_millis(0),
        approved_by: "a test".into(),
    });
    let settings = Settings {
        directory: file.parent().expect("a folder").to_owned(),
        lock: PathBuf::new(),
        cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"),
        signatures: Policy::default(),
        require_tested: false,
    };
    let catalog = Catalog::load(&engine, &settings, &lock).await.expect("loaded");
    Arc::clone(catalog.driver("faulty").unwrap_or_else(|| panic!("{:?}", catalog.rejected())))
}

fn target(endpoint: &str, options: &[(&str, &str)]) -> Target {
    Target {
        key: AccountKey { driver: "faulty".into(), provider: "nowhere".into(), user: "user".into() },
        endpoint: endpoint.to_owned(),
        roles: BTreeMap::new(),
        endpoint_source: EndpointSource::Operator,
        secret: SecretKind::Password,
        secret_expires: None,
        options: options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        password: "correct-horse".into(),
        secrets: BTreeMap::new(),
        addresses: AddressPolicy::opening(vec!["127.0.0.0/8".parse().expect("a range")]),
        via: Via::default(),
        wire: tracker::driver::Wire::default(),
        budget: None,
    }
}

async fn list(driver: &Driver, options: &[(&str, &str)]) -> Result<Listing, CallError> {
    list_at(driver, "https://nowhere.invalid", options).await
}

async fn list_at(driver: &Driver, endpoint: &str, options: &[(&str, &str)]) -> Result<Listing, CallError> {
    driver.list(&target(endpoint, options), Kind::Instance).await.map_err(|failure| failure.error)
}

/// The name of the only instance listed.
fn name(listed: Result<Listing, CallError>) -> String {
    let listing = listed.expect("a list");
    match &listing.resources[..] {
        [Resource::Instance(instance)] => instance.name.clone().unwrap_or_default().into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_ends_the_poll_by_its_name() {
    let limits = Limits {
        memory: 8 << 20,
        cpu_per_page: Duration::from_millis(100),
        // In the slow lane it would wait for the tests beside it, and may pass the limit on time first.
        heavy_after: Duration::from_secs(1),
        request_timeout: Duration::from_millis(300),
        poll_timeout: Duration::from_secs(2),
        pages: 5,
        items: 100,
        answer_bytes: 1 << 20,
        requests: 3,
        ..Limits::default()
    };
    let driver = faulty(limits, &[]).await;
    let server = Server::start(Answer::Endless);
    let silent = Server::start(Answer::Nothing);
    let check =
        async |endpoint: &str, options: &[(&str, &str)], want: &str| match list_at(&driver, endpoint, options).await {
            Err(CallError::Limit { setting, .. }) => assert_eq!(setting, want),
            other => panic!("{options:?}: {other:?}"),
        };
    let nowhere = "https://nowhere.invalid";
    check(nowhere, &[("do", "spin")], "cpu_per_page").await;
    check(nowhere, &[("do", "allocate")], "memory").await;
    check(nowhere, &[("do", "sleep")], "poll_timeout").await;
    check(nowhere, &[("do", "endless")], "pages").await;
    check(nowhere, &[("do", "many"), ("count", "101")], "items").await;
    check(&server.endpoint(), &[("do", "fetch")], "answer_bytes").await;
    check(&silent.endpoint(), &[("do", "fetch")], "request_timeout").await;
    check(&silent.endpoint(), &[("do", "fetch-many"), ("count", "4")], "request_timeout").await;
    check(nowhere, &[("do", "fetch-many"), ("count", "4")], "requests").await;

    // After all of that the engine serves as before.
    let listing = list(&driver, &[("do", "many"), ("count", "100")]).await.expect("within its limits");
    assert_eq!((listing.resources.len(), listing.usage.pages), (100, 1));
    assert!(listing.usage.cpu > Duration::ZERO && listing.usage.memory > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_contract_is_an_error_and_not_a_list() {
    let driver = faulty(Limits::default(), &[]).await;
    let check = async |options: &[(&str, &str)], want: &str| {
        let error = list(&driver, options).await.expect_err("no list");
        assert!(error.to_string().contains(want), "{options:?}: {error}");
        error.code()
    };
    assert_eq!(check(&[("do", "panic")], "told to panic").await, ErrorCode::Crashed);
    assert_eq!(check(&[("do", "recurse")], "wasm trap").await, ErrorCode::Crashed);
    assert_eq!(check(&[("do", "same-cursor")], "same cursor twice").await, ErrorCode::UnexpectedAnswer);
    assert_eq!(check(&[("do", "long-name")], "name of \"i-1\" has 1048576 bytes").await, ErrorCode::Contract);
    assert_eq!(check(&[("do", "bad-id")], "control characters").await, ErrorCode::Contract);
    assert_eq!(check(&[("do", "delta")], "a delta").await, ErrorCode::Contract);
    assert_eq!(check(&[("do", "nothing known")], "there is no \"nothing known\"").await, ErrorCode::InvalidAccount);
    assert_eq!(check(&[("do", "throttled")], "slow down").await, ErrorCode::Throttled);
    let partial = list(&driver, &[("do", "partial")]).await.expect("a list");
    assert_eq!(partial.coverage, Coverage::Partial("half is down".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_proven_where_the_provider_accepts_them() {
    let driver = faulty(Limits::default(), &[]).await;
    let prove = async |what: &str| driver.prove(&target("https://nowhere.invalid", &[("do", what)])).await;
    assert!(prove("").await.is_ok());
    assert!(prove("forbidden").await.is_ok(), "forbidden is said to those who are known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinning_driver_holds_up_no_other() {
    let limits = Limits { cpu_per_page: Duration::from_secs(1), ..Limits::default() };
    let driver = faulty(limits, &[]).await;
    let spinning: Vec<_> = (0..4)
        .map(|_| {
            let driver = Arc::clone(&driver);
            tokio::spawn(async move { list(&driver, &[("do", "spin")]).await })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(name(list(&driver, &[]).await), "name");
    }
    for spinning in spinning {
        assert!(matches!(spinning.await.expect("joined"), Err(CallError::Limit { setting: "cpu_per_page", .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_has_no_files_environment_arguments_or_sockets() {
    let driver = faulty(Limits::default(), &[]).await;
    assert_eq!(
        name(list(&driver, &[("do", "look")]).await),
        "/=false .=false /etc/passwd=false env=0 args=0 socket=false lookup=false"
    );
    assert_eq!(name(list(&driver, &[("do", "print")]).await), "name", "a flood of output is cut, not an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_its_accounts_own() {
    let driver = faulty(Limits::default(), &[]).await;
    let remember = async |endpoint: &str, user: &str, password: &str| {
        let mut target = target(endpoint, &[("do", "remember"), ("value", "kept")]);
        target.key.user = user.into();
        target.password = password.into();
        name(driver.list(&target, Kind::Instance).await.map_err(|failure| failure.error))
    };
    let here = "https://nowhere.invalid";
    assert_eq!(remember(here, "a", "one").await, "");
    assert_eq!(remember(here, "a", "one").await, "kept");
    assert_eq!(remember(here, "b", "one").await, "", "another account");
    assert_eq!(remember(here, "a", "two").await, "", "other credentials");
    assert_eq!(remember("https://elsewhere.invalid", "a", "two").await, "", "another cloud");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_provider_and_never_the_driver() {
    let driver = faulty(Limits::default(), &[]).await;
    let server = Server::start(Answer::Echo);
    let echoed = name(list_at(&driver, &server.endpoint(), &[("do", "fetch")]).await);
    let sent = server.requests().pop().expect("one request");
    assert!(sent.contains("authorization: Basic dXNlcjpjb3JyZWN0LWhvcnNl"), "{sent}");
    assert!(sent.contains("{\"password\":\"correct-horse\"}"), "{sent}");
    assert!(sent.starts_with("POST /?p=tracker-placeholder-"), "a path carries no secret: {sent}");
    assert!(!echoed.contains("correct-horse") && !echoed.contains("dXNlcjpjb3JyZWN0LWhvcnNl"), "{echoed}");
    assert!(echoed.contains("authorization: Basic [secret]"), "{echoed}");
    assert!(echoed.contains("{\"password\":\"[secret]\"}"), "{echoed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_goes_nowhere_but_where_it_was_let() {
    let driver = faulty(Limits::default(), &["https://*.sites.invalid"]).await;
    let server = Server::start(Answer::Echo);
    let check = async |target: Target, want: &[&str]| {
        let error = driver.list(&target, Kind::Instance).await.expect_err("no way out").error;
        assert_eq!(error.code(), ErrorCode::Refused, "{error}");
        for part in want {
            assert!(error.to_string().contains(part), "{error}");
        }
    };
    let elsewhere = |endpoint: &str, url: &str| target(endpoint, &[("do", "fetch-elsewhere"), ("url", url)]);
    let own = "https://a.sites.invalid";
    check(elsewhere(own, &server.endpoint()), &["driver \"faulty\"", &server.endpoint(), "set endpoint"]).await;
    check(elsewhere(own, "https://login.invalid/x"), &["add \"https://login.invalid\"", "drivers.lock"]).await;
    check(elsewhere(own, "https://b.sites.invalid/x"), &["must not reach it"]).await;
    // The account's own endpoint, but at an address that is closed for it.
    let mut closed = target(&server.endpoint(), &[("do", "fetch")]);
    closed.addresses = AddressPolicy::default();
    check(closed, &["127.0.0.1", "allow_addresses", "provider \"nowhere\""]).await;
    assert_eq!(server.requests(), Vec::<String>::new(), "nothing went out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_an_answer_and_not_followed() {
    let driver = faulty(Limits::default(), &[]).await;
    let other = Server::start(Answer::Echo);
    let server = Server::start(Answer::Redirect(other.endpoint()));
    let listing = list_at(&driver, &server.endpoint(), &[("do", "fetch")]).await.expect("an answer");
    let [Resource::Instance(instance)] = &listing.resources[..] else { panic!("{listing:?}") };
    assert_eq!(instance.provider_state, "302");
    assert_eq!(other.requests(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_for_an_endpoint_stays_there_and_a_proxy_serves_all() {
    let driver = faulty(Limits::default(), &["https://login.invalid"]).await;
    let lab = Authority::new("lab");
    let server = Server::start(Answer::Echo);
    let certificate = lab.certify("server", &["own.invalid", "login.invalid"]);
    let gate = Gate::tls(server.address, &certificate, Some(&lab)).await;
    let proxy = Gate::proxy(gate.address(), None).await;
    let shown = lab.certify("ann", &[]);
    let identity = Identity::from_pem(shown.pem.as_bytes(), shown.key_pem().as_bytes()).expect("an identity");
    let via = Via {
        roots: Some(PrivateRoots::from_pem(lab.pem().as_bytes(), RootsReach::Only).expect("roots")),
        identity: Some(identity),
        proxy: ProxyChoice::Through(Proxy::new(format!("http://{}", proxy.address()).parse().expect("a URL"), None)),
        socket: None,
    };
    let own = "https://own.invalid";
    let with_via = |options: &[(&str, &str)]| Target { via: via.clone(), ..target(own, options) };
    let list = async |options: &[(&str, &str)]| driver.list(&with_via(options), Kind::Instance).await;

    list(&[("do", "fetch")]).await.expect("its own endpoint");
    let [connection] = &gate.connections()[..] else { panic!("{:?}", gate.connections()) };
    assert_eq!(connection.shown.as_ref(), Some(&shown.certificate));

    // Another endpoint, which is granted: through the proxy too, but neither is the private authority believed nor
    // the certificate shown.
    let error = list(&[("do", "fetch-elsewhere"), ("url", "https://login.invalid/x")]).await.expect_err("not believed");
    assert_eq!(error.error.code(), ErrorCode::Unavailable, "{error}");
    assert!(
        error.to_string().contains("https://login.invalid: no secure connection: no trusted authority"),
        "is there a package of root certificates (ca-certificates)? {error}",
    );
    assert_eq!(gate.connections().len(), 1);
}

/// What a server does with each request.
enum Answer {
    /// Sends the request back as the body.
    Echo,
    Redirect(String),
    /// A body without end.
    Endless,
    /// Takes the request and stays silent.
    Nothing,
}

/// A bare HTTP/1.1 server, one connection a thread, that keeps what it was sent.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: Answer) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&requests);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &kept, &answer));
            }
        });
        Server { address, requests }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("kept").clone()
    }
}

fn serve(mut stream: std::net::TcpStream, kept: &Mutex<Vec<String>>, answer: &Answer) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // The driver's body ends its request, and is JSON.
    while !request.ends_with(b"}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    kept.lock().expect("kept").push(request.clone());
    let _ = match answer {
        Answer::Echo => {
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{request}", request.len())
        }
        Answer::Redirect(to) => {
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
        }
        Answer::Endless => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'x'; 64 << 10]).is_ok() {}
            Ok(())
        }
        Answer::Nothing => stream.read(&mut buffer).map(drop),
    };
}
