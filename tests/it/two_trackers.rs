//! One Tracker that watches another through the driver for Deltacloud: what is above is what is below.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::host::QUICK_POLLS;
use crate::support::lab::step;
use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Lab, Misbehaviour, Setup, Watched};

const USER: &str = "site-2";

/// A token with which the account's lists can be read, and its name.
async fn token(lower: &Client) -> (String, String) {
    let made = lower.post("/api/tokens", &json!({ "name": "upper", "scope": "read" })).await.ok();
    let text = |member: &str| made[member].as_str().unwrap_or_else(|| panic!("{member} of {made}")).to_owned();
    (text("token"), text("id"))
}

/// A host that watches the account of a token.
fn above(lower: &Client, token: &str) -> Setup {
    let setup = Setup::new(&["deltacloud"]).provider("deltacloud", "site", &lower.base(), "");
    setup.account_of_kind("deltacloud", "site", USER, token, "access-token")
}

fn seen_above(client: &Client, token: &str) -> Client {
    client.at("deltacloud", "site").as_user(USER, token)
}

async fn watched(lower: &Client, token: &str, instances: usize) -> Watched {
    Watched::start(above(lower, token), instances, |client| seen_above(&client, token)).await
}

/// All resources of a kind by their ids, without what a host has for itself.
async fn listed(client: &Client, kind: &str) -> BTreeMap<String, Value> {
    let (mut all, mut next) = (BTreeMap::new(), Some(format!("/api/{kind}?limit=1000")));
    while let Some(path) = next {
        let answer = client.get(&path).await;
        next = answer.next_page();
        let mut page = answer.ok();
        for mut resource in page[kind].take().as_array().expect("a list").clone() {
            let members = resource.as_object_mut().expect("an object");
            members.retain(|name, _| !["href", "first_seen", "last_seen", "state_since"].contains(&name.as_str()));
            all.insert(resource["id"].as_str().expect("an id").to_owned(), resource);
        }
    }
    all
}

/// Waits until both have the very same resources of a kind.
async fn same(lower: &Client, upper: &Client, kind: &str) -> BTreeMap<String, Value> {
    eventually(SOON, &format!("the same {kind} above as below"), async || {
        let (below, above) = (listed(lower, kind).await, listed(upper, kind).await);
        let differs = |id: &&String| below.get(*id) != above.get(*id);
        match below.keys().chain(above.keys()).find(differs) {
            Some(id) => Err(format!("below {:?}, above {:?}", below.get(id), above.get(id))),
            None => Ok(below),
        }
    })
    .await
}

#[tokio::test]
async fn a_long_list_that_changes_is_the_same_above_as_below() {
    // The lower host lists when it is told to: between two lists, both have the time to be compared.
    let seldom = QUICK_POLLS.replace("300ms", "1h").replace("\"1s\"", "\"1h\"");
    let setup = Setup::new(&["mock"]).polls(&seldom).account("mock", "default", "mockuser", "mockpassword");
    let host = setup.account_options("count = \"2500\"\nchurn = \"60\"").start().await;
    let lower = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    lower
        .until("/api/account", "it is listed", |account| account["polls"]["instances"]["last_complete"].is_string())
        .await;
    let (token, _) = token(&lower).await;
    let above = above(&lower, &token).start().await;
    let upper = seen_above(&above.client(), &token);
    let first = same(&lower, &upper, "instances").await;
    assert!(first.len() >= 2400, "most of 2,500 are there at any time: {}", first.len());
    assert!(!same(&lower, &upper, "realms").await.is_empty());

    eventually(SOON, "the list below has changed", async || {
        let refreshed = lower.post("/api/refresh", &json!({})).await;
        assert!(refreshed.status.is_success(), "{}", refreshed.text);
        if listed(&lower, "instances").await == first { Err("it is as it was".into()) } else { Ok(()) }
    })
    .await;
    assert_ne!(same(&lower, &upper, "instances").await, first);
}

#[tokio::test]
async fn changes_below_are_called_back_above() {
    let lab = Lab::start(&[("i-1", "running"), ("i-2", "running")]).await;
    let (token, _) = token(&lab.client).await;
    let mut watched = watched(&lab.client, &token, 2).await;
    let mut now = vec![("i-1", "running"), ("i-2", "running")];
    for (word, before, after) in [
        ("stopping", "RUNNING", "STOPPING"),
        ("stopped", "STOPPING", "STOPPED"),
        ("pending", "STOPPED", "PENDING"),
        ("running", "PENDING", "RUNNING"),
        ("shutting-down", "RUNNING", "SHUTTING_DOWN"),
    ] {
        now[0].1 = word;
        lab.becomes(&now).await;
        let change = watched.called_back("i-1").await;
        assert_eq!((&change["type"], step(&change)), (&json!("instance.state"), json!([before, after])), "{change}");
        assert_eq!((&change["driver"], &change["provider"]), (&json!("deltacloud"), &json!("site")));
        assert_eq!(watched.sees("i-1", after).await["provider_state"], word);
    }
    lab.becomes(&[("i-1", "terminated"), ("i-2", "running"), ("i-3", "pending")]).await;
    assert_eq!(step(&watched.called_back("i-1").await), json!(["SHUTTING_DOWN", "FINISH"]));
    assert_eq!(watched.called_back("i-3").await["type"], "instance.created");
    lab.becomes(&[("i-3", "pending")]).await;
    let change = watched.called_back("i-2").await;
    assert_eq!((&change["type"], &change["new_state"]), (&json!("instance.removed"), &json!("FINISH")), "{change}");
    same(&lab.client, &watched.client, "instances").await;
}

#[tokio::test]
async fn trouble_below_loses_nothing_above() {
    let mut lab = Lab::start(&[("i-1", "running"), ("i-2", "stopped")]).await;
    let (token, id) = token(&lab.client).await;
    let mut watched = watched(&lab.client, &token, 2).await;

    // The lower host answers with what it last knew while its own provider fails.
    lab.fails(Misbehaviour::Status(500)).await;
    watched.lists_again().await;
    assert_eq!(watched.instances().await.len(), 2);
    lab.recovers().await;

    lab.host.stop().await;
    let error = watched.fails("unavailable").await;
    assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    assert_eq!(watched.sees("i-2", "STOPPED").await["provider_state"], "stopped");
    assert_eq!(watched.instances().await.len(), 2);
    lab.provider.has(&[("i-1", "stopped"), ("i-2", "stopped")]);
    lab.host.start().await;
    assert_eq!(step(&watched.called_back("i-1").await), json!(["RUNNING", "STOPPED"]));
    watched.lists_again().await;

    assert_eq!(lab.client.delete(&format!("/api/tokens/{id}")).await.status, 204);
    watched.fails("unauthorized").await;
    assert_eq!(watched.removed().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_refused_and_the_clouds_own_credentials_do() {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let lower = &lab.client;
    let (token, _) = token(lower).await;
    let poll = |setup: &Setup| tokio::task::block_in_place(|| setup.run(&["poll"]));
    let wrong = format!("{}x", &token[..token.len() - 1]);
    let ended = poll(&above(lower, &wrong));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("does not accept the credentials"), "{ended:#?}");
    assert!(!ended.stderr.contains(&wrong), "{ended:#?}");

    let host: Host = above(lower, &token).start().await;
    seen_above(&host.client(), &wrong).get("/api/instances").await.problem(401);
    let list = seen_above(&host.client(), &token);
    list.until("/api/instances", "it is seen", |list| list["instances"][0]["id"] == "i-1").await;

    let options = "driver = \"ec2\", provider = \"lab\"";
    let setup = Setup::new(&["deltacloud"]).provider("deltacloud", "site", &lower.base(), options);
    let (user, password) = (crate::support::lab::USER, crate::support::lab::PASSWORD);
    let ended = poll(&setup.account("deltacloud", "site", user, password)).succeeded();
    assert!(ended.stderr.contains("1 listed, complete"), "{ended:#?}");
}
