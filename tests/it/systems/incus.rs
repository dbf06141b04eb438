//! The driver for Incus on the whole host, with a real Incus and its containers.

mod daemon;

use serde_json::{Value, json};

use self::daemon::{Incus, unique};
use crate::support::pki::Authority;
use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Ended, Setup, Watched};

const USER: &str = "tracker";
const PASSWORD: &str = "of no use to the server";

fn setup(incus: &Incus) -> Setup {
    let setup = Setup::new(&["incus"]).limits("request_timeout = \"2s\"");
    setup.provider("incus", "box", &incus.endpoint(), "").account("incus", "box", USER, PASSWORD)
}

async fn watched(setup: Setup, instances: usize) -> Watched {
    Watched::start(setup, instances, client).await
}

fn client(client: Client) -> Client {
    client.at("incus", "box").as_user(USER, PASSWORD)
}

/// A container in a project of its own, with the images and profiles of the others.
fn init_in_attic(incus: &Incus, name: &str) {
    let shared = ["--config", "features.images=false", "--config", "features.profiles=false"];
    incus.run(&[&["project", "create", "attic"][..], &shared].concat());
    incus.run(&["init", "small", name, "--project", "attic"]);
}

#[tokio::test]
async fn each_step_of_a_container_is_seen_and_called_back() {
    let incus = Incus::start().await;
    let (one, two, three) = (&*unique("one"), &*unique("two"), &*unique("three"));
    incus.run(&["init", "small", one, "--config", "user.team=shop", "--config", "user.user-data=a secret"]);
    incus.run(&["config", "device", "add", one, "eth0", "nic", "nictype=p2p"]);
    init_in_attic(&incus, two);
    let mut watched = watched(setup(&incus), 2).await;

    let instance = watched.sees(one, "STOPPED").await;
    assert_eq!((&instance["name"], &instance["owner"]), (&json!(one), &json!("default")), "{instance}");
    assert_eq!(
        (&instance["labels"], &instance["realm"]),
        (&json!({ "user.team": "shop" }), &json!("none")),
        "{instance}"
    );
    assert_eq!((&instance["image"], &instance["hardware_profile"]), (&json!(incus.image()), &json!("default")));
    assert!(instance["launched_at"].is_string(), "{instance}");
    let realms = watched.client.get("/api/realms").await.ok()["realms"].take();
    assert_eq!((&realms[0]["id"], &realms[0]["state"]), (&json!("none"), &json!("AVAILABLE")), "{realms}");

    let steps = [
        (&["start"][..], "STOPPED", "RUNNING", "Running"),
        (&["pause"][..], "RUNNING", "STOPPED", "Frozen"),
        (&["resume"][..], "STOPPED", "RUNNING", "Running"),
        (&["stop", "--force"], "RUNNING", "STOPPED", "Stopped"),
        (&["start"][..], "STOPPED", "RUNNING", "Running"),
    ];
    for (action, before, after, word) in steps {
        incus.run(&[action, &[one]].concat());
        changes_to(&mut watched, one, before, after).await;
        assert_eq!(watched.sees(one, after).await["provider_state"], word, "{action:?}");
    }

    incus.run(&["exec", one, "--", "/bin/busybox", "ip", "addr", "add", "198.51.100.7/24", "dev", "eth0"]);
    incus.run(&["exec", one, "--", "/bin/busybox", "ip", "addr", "add", "10.20.30.40/24", "dev", "eth0"]);
    incus.run(&["exec", one, "--", "/bin/busybox", "ip", "link", "set", "eth0", "up"]);
    let path = format!("/api/instances/{one}");
    let addresses = |instance: &Value| {
        let of = |kind: &str| instance[kind][0]["value"].as_str().map(str::to_owned);
        of("public_addresses").zip(of("private_addresses"))
    };
    let wanted = Some(("198.51.100.7".to_owned(), "10.20.30.40".to_owned()));
    watched.client.until(&path, "its addresses", |instance| addresses(instance) == wanted).await;
    incus.run(&["config", "set", one, "user.team=attic"]);
    watched.client.until(&path, "its label", |instance| instance["labels"] == json!({ "user.team": "attic" })).await;

    // One that is made meanwhile, and one of another project.
    incus.run(&["init", "small", three]);
    assert_eq!(watched.called_back(three).await["type"], "instance.created");
    let two = &*format!("attic/{two}");
    incus.run(&["start", two.trim_start_matches("attic/"), "--project", "attic"]);
    changes_to(&mut watched, two, "STOPPED", "RUNNING").await;

    // A renamed one is another one.
    let four = &*unique("four");
    incus.run(&["rename", three, four]);
    assert_eq!(watched.called_back(four).await["type"], "instance.created");
    assert_eq!(removed(&mut watched, three).await["new_state"], "FINISH");
    incus.run(&["delete", one, "--force"]);
    assert_eq!(removed(&mut watched, one).await["new_state"], "FINISH");
    assert_eq!(watched.removed().await, [three, one]);
    watched.sees(&two.replace('/', "%2F"), "RUNNING").await;
}

/// Waits for a change of the state from one to the other, on the way to which there may be others: what lasts a moment is seen
/// or not.
async fn changes_to(watched: &mut Watched, id: &str, before: &str, after: &str) {
    let mut from = json!(before);
    loop {
        let change = watched.called_back(id).await;
        if change["type"] != "instance.state" {
            continue;
        }
        assert_eq!(change["old_state"], from, "{change}");
        if change["new_state"] == after {
            return;
        }
        from = change["new_state"].clone();
    }
}

async fn removed(watched: &mut Watched, id: &str) -> Value {
    loop {
        let change = watched.called_back(id).await;
        if change["type"] == "instance.removed" {
            return change;
        }
    }
}

#[tokio::test]
async fn a_daemon_that_hangs_or_starts_anew_loses_nothing() {
    let mut incus = Incus::start().await;
    let (one, two) = (&*unique("one"), &*unique("two"));
    incus.run(&["launch", "small", one]);
    incus.run(&["init", "small", two]);
    let mut watched = watched(setup(&incus), 2).await;
    watched.sees(one, "RUNNING").await;

    incus.hangs().await;
    let error = watched.fails("limit.request_timeout").await;
    assert!(error["message"].as_str().is_some_and(|message| message.contains("2s")), "{error}");
    assert_eq!(watched.instances().await.len(), 2);
    incus.goes_on().await;
    watched.lists_again().await;

    incus.goes_down().await;
    watched.fails("unavailable").await;
    assert_eq!(watched.instances().await.len(), 2);
    incus.goes_up().await;
    watched.lists_again().await;
    watched.sees(one, "RUNNING").await;
    let states = watched.client.feed("/api/changes?since=0").await;
    let states: Vec<_> = states.iter().filter(|change| change["type"] == "instance.state").collect();
    assert!(states.is_empty(), "its containers go on without it: {states:#?}");

    // It starts what ran when the power went.
    incus.loses_power();
    watched.fails("unavailable").await;
    assert_eq!(watched.instances().await.len(), 2);
    incus.goes_up().await;
    watched.lists_again().await;
    watched.sees(one, "RUNNING").await;
    assert_eq!(watched.removed().await, Vec::<String>::new());
    incus.run(&["start", two]);
    changes_to(&mut watched, two, "STOPPED", "RUNNING").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_shows_the_projects_that_it_is_for() {
    let incus = Incus::with_https().await;
    let (one, two) = (&*unique("alone"), &*unique("aside"));
    incus.run(&["init", "small", one]);
    init_in_attic(&incus, two);
    let authority = Authority::new("an authority that Incus does not know");
    let [whole, limited, stranger] = ["whole", "limited", "stranger"].map(|name| {
        let client = authority.certify(name, &[]);
        (name, incus.file(&format!("{name}.crt"), &client.pem), incus.file(&format!("{name}.key"), &client.key_pem()))
    });
    let setup = |(_, certificate, key): &(&str, String, String)| {
        let network = format!(
            "roots_file = {:?}\nclient_certificate_file = {certificate:?}\nclient_key_file = {key:?}",
            incus.certificate()
        );
        let setup = Setup::new(&["incus"]).provider("incus", "box", &incus.https_endpoint(), "");
        setup.provider_network(&network).account("incus", "box", USER, PASSWORD)
    };
    incus.run(&["config", "trust", "add-certificate", &whole.1, "--name", "whole"]);
    let limits = ["--name", "limited", "--restricted", "--projects", "attic"];
    incus.run(&[&["config", "trust", "add-certificate", &limited.1], &limits[..]].concat());

    let ended = poll(&setup(&whole)).succeeded();
    assert!(ended.stdout.contains(one) && ended.stdout.contains(&format!("attic/{two}")), "{ended:#?}");
    let ended = poll(&setup(&limited)).succeeded();
    assert!(!ended.stdout.contains(one) && ended.stdout.contains(&format!("attic/{two}")), "{ended:#?}");
    let ended = poll(&setup(&stranger));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("a client that is not trusted gets this, too"), "{ended:#?}");

    // A client that is trusted no longer.
    let watched = watched(setup(&limited), 1).await;
    let fingerprint = incus.run(&["config", "trust", "list", "--format", "json"]);
    let trusted: Vec<Value> = serde_json::from_str(&fingerprint).expect("JSON");
    let limited = trusted.iter().find(|client| client["name"] == "limited").expect("it is trusted");
    incus.run(&["config", "trust", "remove", limited["fingerprint"].as_str().expect("a fingerprint")]);
    watched.fails("forbidden").await;
    let realms = async || {
        let account = watched.client.get("/api/account").await.ok();
        let code = &account["polls"]["realms"]["last_error"]["code"];
        if code == "unauthorized" { Ok(()) } else { Err(account.to_string()) }
    };
    eventually(SOON, "the realms are refused, too", realms).await;
    assert_eq!(watched.instances().await.len(), 1);
    assert_eq!(watched.removed().await, Vec::<String>::new());
}

fn poll(setup: &Setup) -> Ended {
    tokio::task::block_in_place(|| setup.run(&["poll"]))
}
