//! Accounts whose requests go out each by a way of its own, in a host that polls: a private authority and client
//! certificates, a proxy, a socket. Whoever lacks what another has does not get there by the other's connection.

use serde_json::Value;

use crate::support::gate::{Connection, Gate};
use crate::support::pki::{Authority, Certified};
use crate::support::{Client, Host, Provider, Setup};

const REGION: &str = "region = \"us-east-1\"";
const PASSWORD: &str = "a-secret-access-key";

async fn provider() -> Provider {
    let provider = Provider::start().await;
    provider.has(&[("i-1", "running")]);
    provider
}

/// The keys that name a client certificate, which is written beside the configuration.
fn certificate(setup: &Setup, name: &str, certified: &Certified) -> String {
    let certificate = setup.secret_file(&format!("{name}.pem"), &certified.pem);
    let key = setup.secret_file(&format!("{name}.key"), &certified.key_pem());
    format!("client_certificate_file = {certificate:?}\nclient_key_file = {key:?}\n")
}

fn roots(setup: &Setup, authority: &Authority) -> String {
    format!("roots_file = {:?}\n", setup.secret_file("ca.pem", &authority.pem()))
}

fn client(host: &Host, provider: &str, user: &str) -> Client {
    host.client().at("ec2", provider).as_user(user, PASSWORD)
}

/// Waits until an account's instance was seen.
async fn seen(host: &Host, provider: &str, user: &str) {
    client(host, provider, user).until("/api/instances/i-1", "it is seen", |_| true).await;
}

/// Waits for the error of an account that is polled, as the host logs it.
async fn logged(host: &Host, account: &str, parts: &[&str]) {
    let is_it = |line: &str| line.contains(account) && parts.iter().all(|part| line.contains(part));
    host.log().find(&format!("{account}: {parts:?}"), |line| is_it(line).then_some(())).await;
}

/// Who asked over these connections. One that was just opened has nobody yet.
fn users<'a>(connections: impl IntoIterator<Item = &'a Connection>) -> Vec<String> {
    let credentials = connections.into_iter().flat_map(|connection| connection.sent.split("Credential=").skip(1));
    let mut users: Vec<_> =
        credentials.filter_map(|rest| rest.split_once('/')).map(|(user, _)| user.to_owned()).collect();
    users.sort();
    users.dedup();
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_comes_with_its_own_certificate() {
    let provider = provider().await;
    let lab = Authority::new("lab");
    let [ann, bob, all] = ["ann", "bob", "all"].map(|name| lab.certify(name, &[]));
    let gate = Gate::tls(provider.address(), &lab.certify("server", &["localhost"]), Some(&lab)).await;
    let endpoint = format!("https://localhost:{}", gate.port());

    let setup = Setup::new(&["ec2"]);
    let (ann_keys, bob_keys) = (certificate(&setup, "ann", &ann), certificate(&setup, "bob", &bob));
    let all_keys = format!("{}roots = \"only\"\n{}", roots(&setup, &lab), certificate(&setup, "all", &all));
    let trusts = roots(&setup, &lab);
    let host = setup
        .provider("ec2", "lab", &endpoint, REGION)
        .provider_network(&all_keys)
        .account("ec2", "lab", "AKIAANN", PASSWORD)
        .account_network(&ann_keys)
        .account("ec2", "lab", "AKIABOB", PASSWORD)
        .account_network(&bob_keys)
        // The same endpoint, for one that does not know the authority, and for one that has no certificate.
        .provider("ec2", "stranger", &endpoint, REGION)
        .account("ec2", "stranger", "AKIASTRANGER", PASSWORD)
        .provider("ec2", "nobody", &endpoint, REGION)
        .provider_network(&trusts)
        .account("ec2", "nobody", "AKIANOBODY", PASSWORD)
        .start()
        .await;

    seen(&host, "lab", "AKIAANN").await;
    seen(&host, "lab", "AKIABOB").await;
    // A client's own account, which no configuration knows: it goes out as its provider says.
    seen(&host, "lab", "AKIACLIENT").await;
    logged(&host, "AKIASTRANGER", &["no secure connection", "roots_file"]).await;
    logged(&host, "AKIANOBODY", &["asks for a client certificate", "client_certificate_file"]).await;

    let connections = gate.connections();
    let of = |certified: &Certified| {
        users(connections.iter().filter(|connection| connection.shown.as_ref() == Some(&certified.certificate)))
    };
    assert_eq!(of(&ann), ["AKIAANN"]);
    assert_eq!(of(&bob), ["AKIABOB"]);
    assert_eq!(of(&all), ["AKIACLIENT"]);
    assert!(!host.log().text().contains("PRIVATE KEY"));

    let polled = host.setup().run(&["poll", "--account", "ec2/lab/AKIABOB"]).succeeded();
    assert!(polled.stdout.contains("i-1"), "{polled:?}");
    let refused = host.setup().run(&["poll", "--account", "ec2/stranger/AKIASTRANGER"]);
    assert!(refused.code != Some(0) && refused.stderr.contains("roots_file"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_behind_a_proxy_is_polled_through_it() {
    let provider = provider().await;
    let lab = Authority::new("lab");
    let gate = Gate::tls(provider.address(), &lab.certify("server", &["lab.invalid"]), None).await;
    // `tracker:proxy-password` in base64.
    let proxy = Gate::proxy(gate.address(), Some("dHJhY2tlcjpwcm94eS1wYXNzd29yZA==")).await;

    let setup = Setup::new(&["ec2"]);
    let password = setup.secret_file("proxy-password", "proxy-password");
    let wrong = setup.secret_file("wrong-password", "wrong-password");
    let through =
        |password| format!("proxy = \"http://tracker@{}\"\nproxy_password_file = {password:?}\n", proxy.address());
    let keys = format!("{}{}", roots(&setup, &lab), through(password));
    // A name that does not resolve here: only the proxy knows where it is.
    let host = setup
        .provider("ec2", "lab", "https://lab.invalid", REGION)
        .provider_network(&keys)
        .account("ec2", "lab", "AKIAINSIDE", PASSWORD)
        .account("ec2", "lab", "AKIAWRONG", PASSWORD)
        .account_network(&through(wrong))
        .account("ec2", "lab", "AKIADIRECT", PASSWORD)
        .account_network("proxy = \"none\"\n")
        .start()
        .await;

    seen(&host, "lab", "AKIAINSIDE").await;
    logged(&host, "AKIAWRONG", &["the proxy", "does not accept the login"]).await;
    logged(&host, "AKIADIRECT", &["unavailable"]).await;
    let seen_by_proxy = proxy.connections();
    assert!(
        seen_by_proxy
            .iter()
            .all(|connection| connection.sent.starts_with("CONNECT lab.invalid:443 ")
                && !connection.sent.contains("AKIA")),
        "a proxy sees tunnels and nothing in them: {seen_by_proxy:?}",
    );
    assert_eq!(users(&gate.connections()), ["AKIAINSIDE"]);
    let log = host.log().text();
    assert!(!log.contains("proxy-password\"") && !log.contains("wrong-password\""), "{log}");
    assert!(!log.contains("dHJhY2tlcj"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_reached_by_the_accounts_of_its_provider_alone() {
    let provider = provider().await;
    let setup = Setup::new(&["ec2"]);
    let path = setup.path("engine.sock");
    let gate = Gate::socket(&path, provider.address());
    let missing = setup.path("missing.sock");
    let host = setup
        .provider("ec2", "engine", &format!("unix:{}", path.display()), REGION)
        .account("ec2", "engine", "AKIAENGINE", PASSWORD)
        // What a driver is told of a socket is no way to it.
        .provider("ec2", "plain", "http://localhost:9", REGION)
        .account("ec2", "plain", "AKIAPLAIN", PASSWORD)
        .provider("ec2", "gone", &format!("unix://{}", missing.display()), REGION)
        .account("ec2", "gone", "AKIAGONE", PASSWORD)
        .start()
        .await;

    seen(&host, "engine", "AKIAENGINE").await;
    logged(&host, "AKIAPLAIN", &["unavailable"]).await;
    logged(&host, "AKIAGONE", &["missing.sock", "it does not exist"]).await;
    let connections = gate.connections();
    assert_eq!(users(&connections), ["AKIAENGINE"]);
    assert!(connections[0].sent.contains("\r\nhost: localhost\r\n"), "{connections:?}");
    let account: Value = client(&host, "engine", "AKIAENGINE").get("/api/account").await.ok();
    assert!(account["polls"]["instances"]["last_error"].is_null(), "{account}");
}

#[test]
fn a_host_with_a_wrong_file_says_which_and_does_not_start() {
    let lab = Authority::new("lab");
    let (one, other) = (lab.certify("one", &[]), lab.certify("other", &[]));
    let setup = Setup::new(&[]);
    let certificate = setup.secret_file("one.pem", &one.pem);
    let key = setup.secret_file("other.key", &other.key_pem());
    let keys = format!("client_certificate_file = {certificate:?}\nclient_key_file = {key:?}\n");
    let setup = setup.provider("ec2", "lab", "https://localhost", REGION).provider_network(&keys);
    let ended = setup.run(&["serve"]);
    assert_ne!(ended.code, Some(0), "{ended:?}");
    for part in ["tracker.toml:", "provider \"lab\"", "one.pem", "other.key", "does not fit"] {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
}
