//! Contracts: what was built for the older one loads and passes, and the SDKs in Python and JavaScript speak the whole
//! of the newest in a sandbox, where their own tests have a pretend host.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64_URL};
use ring::{digest, hmac, signature};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use tracker::clock::SystemClock;
use tracker::driver::{Catalog, Coverage, Driver, Engine, Limits, Listing, RoleTarget, SecretKind, Target, Wire};
use tracker::model::{AccountKey, Address, AddressKind, Instance, Kind, Resource, ResourceId, Timestamp};
use tracker::net::{AddressPolicy, ClientSettings, Clients, Via};
use tracker::supply::signature::Policy;
use tracker::supply::{Approval, EndpointSource, Lock, Role, Settings};

use crate::support::{Setup, built_faulty, tracker};

#[test]
fn a_driver_of_the_older_contract_loads_and_passes() {
    let setup = Setup::new(&[]);
    setup.driver_file("older-cloud.wasm", &built_faulty("older"));
    let inspected = setup.run(&["driver", "inspect", "drivers/older-cloud.wasm"]).succeeded().stdout;
    assert!(inspected.contains("World      tracker:driver/driver 0.1.0 "), "{inspected}");
    setup.run(&["driver", "approve", "older-cloud", "--yes"]).succeeded();
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    let line = list.lines().find(|line| line.starts_with("older-cloud")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.ends_with(" loaded"), "{list}");

    // It speaks to the templates' provider, so the cassettes of any project of that name are its own.
    let folder = tempfile::tempdir().expect("a folder");
    tracker(folder.path(), &["driver", "new", "older-cloud", "--lang", "rust"]).succeeded();
    let cassettes = folder.path().join("older-cloud/cassettes").display().to_string();
    setup.run(&["driver", "test", "drivers/older-cloud.wasm", "--cassettes", &cassettes]).succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_speaks_the_whole_contract() {
    speaks_the_whole_contract("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_javascript_sdk_speaks_the_whole_contract() {
    speaks_the_whole_contract("javascript").await;
}

const USER: &str = "user";
const PASSWORD: &str = "a \"quoted\" <secret> & 'more'/+\u{e9}";
const TOKEN: &str = "a-token-that-signs";
const KEY: &str = include_str!("../data/rs256.pem");

async fn speaks_the_whole_contract(language: &str) {
    let driver = loaded(language).await;
    let info = driver.info();
    assert_eq!((info.delta, info.by_id, info.requests_per_minute.map(u32::from)), (true, true, Some(60)));
    let roles: Vec<_> = info.roles.iter().map(|role| (role.name.as_str(), role.required)).collect();
    assert_eq!(roles, [("identity", true), ("image", false)]);
    assert_eq!(info.secrets, [SecretKind::Password, SecretKind::PrivateKey, SecretKind::AccessToken]);
    assert_eq!(info.providers[0].endpoints["identity"], "https://id.whole.example/v3");

    let server = Server::start();
    let target = |options: &[(&str, &str)]| target(&server.endpoint(), options);
    let list = async |target: &Target, kind, since| -> Listing {
        driver.list_since(target, kind, since).await.unwrap_or_else(|failure| panic!("{language}: {}", failure.error))
    };

    // Two instances and one entry that is none are three; where the provider says four, one is missing.
    let listed = list(&target(&[]), Kind::Instance, None).await;
    assert_eq!((ids(&listed), listed.usage.pages), (vec!["i-1".to_owned(), "i-2".to_owned()], 2));
    assert_eq!(listed.coverage, Coverage::Complete);
    let short = list(&target(&[("total", "4")]), Kind::Instance, None).await;
    assert!(matches!(short.coverage, Coverage::Misfit(_)), "{:?}", short.coverage);

    let told = labels(&listed);
    let of = |name: &str| told[name].as_str();
    assert_eq!(of("endpoint"), "https://api.whole.example");
    assert_eq!((of("identity"), of("image")), (format!("{}/v3", server.endpoint()).as_str(), "none"));
    assert_eq!((of("secret"), of("expires")), ("access-token", "1795341600000"));
    assert_eq!((of("absent"), of("matches")), ("false", "true"));
    assert!(of("refused").contains("compared with one text"), "{told:?}");
    let kinds: Vec<_> = first(&listed).public_addresses.iter().map(|Address { kind, .. }| *kind).collect();
    assert_eq!(kinds, [AddressKind::Ipv4, AddressKind::Ipv6, AddressKind::Hostname]);

    // The provider sends back what it was sent; the driver reads no value of it.
    let answer = of("answer");
    assert!(answer.contains("secret raw: [secret]") && answer.contains("hmac sha1 hex: [signature]"), "{answer}");
    assert!(!answer.contains("tracker-placeholder-") && !answer.contains("quoted"), "{answer}");
    let sent = &server.requests()[0].lines;
    assert!(sent.len() > 30, "more than a request that is signed has: {sent:?}");
    for (line, value) in sent.iter().filter(|(_, value)| value.len() > 16) {
        assert!(!answer.contains(value.as_str()), "{line} {value} in {answer}");
    }
    check_words(&server.requests()[0]);

    let since = Timestamp::from_millis(1_795_000_000_000);
    let delta = list(&target(&[]), Kind::Instance, Some(since)).await;
    assert_eq!(delta.coverage, Coverage::Delta(vec![ResourceId::parse("i-9").expect("an id")]));
    assert_eq!(labels(&delta)["since"], "1795000000000");

    // Single instances: of those that are asked for, the ones that there are.
    let asked = ["i-7", "i-9"].map(|id| ResourceId::parse(id).expect("an id"));
    let found = driver.list_ids(&target(&[]), &asked).await;
    assert_eq!(ids(&found.unwrap_or_else(|failure| panic!("{language}: {}", failure.error))), ["i-7"]);

    // The session is kept from one poll to the next.
    let mut names = Vec::new();
    for _ in 0..2 {
        let realms = list(&target(&[]), Kind::Realm, None).await;
        let [Resource::Realm(realm)] = &realms.resources[..] else { panic!("{:?}", realms.resources) };
        assert_eq!((realm.limit, &realms.coverage), (Some(7), &Coverage::Complete));
        names.push(realm.name.to_string());
    }
    assert_eq!(names, ["nothing", "nothing, this"]);
}

/// What a request had where the driver wrote words, computed here by other means.
fn check_words(request: &Received) {
    let lines = &request.lines;
    let check = |line: &str, want: &str| assert_eq!(lines.get(line).map(String::as_str), Some(want), "{line}");
    check("secret raw", PASSWORD);
    check("secret basic", &BASE64.encode(format!("{USER}:{PASSWORD}")));
    check("secret json", "a \\\"quoted\\\" <secret> & 'more'/+\u{e9}");
    check("secret form", "a+%22quoted%22+%3Csecret%3E+%26+%27more%27%2F%2B%C3%A9");
    check("secret xml", "a &quot;quoted&quot; &lt;secret&gt; &amp; &apos;more&apos;/+\u{e9}");
    let in_query = "a%20%22quoted%22%20%3Csecret%3E%20%26%20%27more%27%2F%2B%C3%A9";
    check("secret query", in_query);

    let text = format!("<{PASSWORD}>");
    let hashes = [
        ("sha1", hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA1_FOR_LEGACY_USE_ONLY),
        ("sha256", hmac::HMAC_SHA256, &digest::SHA256),
        ("sha512", hmac::HMAC_SHA512, &digest::SHA512),
    ];
    for (name, keyed, hash) in hashes {
        let first = format!("P{TOKEN}").into_bytes();
        let chained = ["first", "second", &text].iter().fold(first, |key, message| mac(keyed, &key, message));
        for (form, mac) in forms(&chained) {
            check(&format!("hmac {name} {form}"), &mac);
        }
        for (form, digest) in forms(digest::digest(hash, text.as_bytes()).as_ref()) {
            check(&format!("digest {name} {form}"), &digest);
        }
    }
    check("digest of text", &hex(digest::digest(&digest::SHA256, b"text").as_ref()));
    let digest = hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref());
    check("hmac of digest", &hex(&mac(hmac::HMAC_SHA256, TOKEN.as_bytes(), &digest)));

    let public = public_key();
    for (line, algorithm) in
        [("sign rs256", &signature::RSA_PKCS1_2048_8192_SHA256), ("sign ps256", &signature::RSA_PSS_2048_8192_SHA256)]
    {
        let signed = BASE64.decode(&lines[line]).expect("base64");
        let key = signature::UnparsedPublicKey::new(algorithm, &public);
        assert_eq!(key.verify(b"a message to sign", &signed), Ok(()), "{line}");
    }

    let [_, _, _, (_, in_a_query)] = forms(&mac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, TOKEN.as_bytes(), "text"));
    let first = format!("POST /v3/sign?key={in_query}&signature={in_a_query} HTTP/1.1\r\n");
    assert!(request.head.starts_with(&first), "{}", request.head);
    assert!(
        request.head.to_lowercase().contains(&format!("\r\nauthorization: bearer {TOKEN}\r\n")),
        "{}",
        request.head
    );
}

fn mac(algorithm: hmac::Algorithm, key: &[u8], message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), message.as_bytes()).as_ref().to_vec()
}

/// A computed value in each form, by the name that the contract has for it.
fn forms(value: &[u8]) -> [(&'static str, String); 4] {
    let base64 = BASE64.encode(value);
    let query = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    [("hex", hex(value)), ("base64", base64), ("base64url", BASE64_URL.encode(value)), ("base64-query", query)]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn public_key() -> Vec<u8> {
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("PEM");
    let pair = match &key {
        PrivateKeyDer::Pkcs8(der) => signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        other => panic!("{other:?}"),
    };
    pair.expect("an RSA key").public().as_ref().to_vec()
}

fn ids(listed: &Listing) -> Vec<String> {
    listed.resources.iter().map(|resource| resource.id().to_string()).collect()
}

fn first(listed: &Listing) -> &Instance {
    match &listed.resources[0] {
        Resource::Instance(instance) => instance,
        other => panic!("{other:?}"),
    }
}

/// The labels of the first instance, in which the driver says what it was told.
fn labels(listed: &Listing) -> BTreeMap<String, String> {
    first(listed).labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Made of `tests/whole` by `make whole`, and loaded as a host does.
async fn loaded(language: &str) -> Arc<Driver> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/whole");
    let file = format!("{language}.wasm");
    let path = directory.join(&file);
    let content = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run `make whole`", path.display()));
    let clients = Clients::new(ClientSettings::default()).expect("clients");
    let engine = Engine::new(Limits::default(), clients, Arc::new(SystemClock)).expect("engine");
    let mut lock = Lock::default();
    lock.approve(Approval {
        name: "whole".into(),
        version: "0.1.0".into(),
        role: Role::Current,
        file,
        source: None,
        sha256: hex(&Sha256::digest(&content)),
        endpoints: vec!["https://api.whole.example".into()],
        approved_at: Timestamp::from_millis(0),
        approved_by: "a test".into(),
    });
    let settings = Settings {
        directory,
        lock: PathBuf::new(),
        cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"),
        signatures: Policy::default(),
        require_tested: false,
    };
    let catalog = Catalog::load(&engine, &settings, &lock).await.expect("loaded");
    Arc::clone(catalog.driver("whole").unwrap_or_else(|| panic!("{:?}", catalog.rejected())))
}

/// An account with an access token, and with an endpoint for one of the roles.
fn target(identity: &str, options: &[(&str, &str)]) -> Target {
    let addresses = AddressPolicy::opening(vec!["127.0.0.0/8".parse().expect("a range")]);
    let identity = RoleTarget { endpoint: format!("{identity}/v3"), addresses: addresses.clone(), via: Via::default() };
    Target {
        key: AccountKey { driver: "whole".into(), provider: "main".into(), user: USER.into() },
        endpoint: "https://api.whole.example".into(),
        roles: BTreeMap::from([("identity".to_owned(), identity)]),
        endpoint_source: EndpointSource::Operator,
        options: options.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        password: PASSWORD.into(),
        secret: SecretKind::AccessToken,
        secret_expires: Some(Timestamp::from_millis(1_795_341_600_000)),
        secrets: BTreeMap::from([("token".to_owned(), TOKEN.into()), ("key".to_owned(), KEY.into())]),
        addresses,
        via: Via::default(),
        wire: Wire::default(),
        budget: None,
    }
}

/// A request as it came.
#[derive(Clone)]
struct Received {
    /// Its first line and its headers.
    head: String,
    /// The body: a name and a value on each line.
    lines: BTreeMap<String, String>,
}

/// A bare HTTP/1.1 server that keeps what it was sent, and sends the first lines of each body back.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let requests: Arc<Mutex<Vec<Received>>> = Arc::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || while serve(&mut BufReader::new(&stream), &kept).is_some() {});
            }
        });
        Server { address, requests }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn requests(&self) -> Vec<Received> {
        self.requests.lock().expect("kept").clone()
    }
}

/// How many lines of a body are sent back: of the values of one request the host masks sixteen.
const SENT_BACK: usize = 10;

/// Takes one request and answers it; nothing at the end of the connection.
fn serve(stream: &mut BufReader<&TcpStream>, kept: &Mutex<Vec<Received>>) -> Option<()> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    kept.lock().expect("kept").push(Received { head, lines: body.lines().filter_map(pair).collect() });
    let back: String = body.split_inclusive('\n').take(SENT_BACK).collect();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{back}", back.len());
    stream.get_mut().write_all(answer.as_bytes()).ok()
}
