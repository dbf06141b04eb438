//! The driver for OpenStack on the whole host, with a real Keystone and a real Nova.

mod cloud;

use reqwest::Method;
use serde_json::{Value, json};

use self::cloud::{ADMIN, Cloud, IMAGE, PASSWORD, PROJECT, Service, USER};
use crate::support::lab::step;
use crate::support::{Ended, Setup, Watched};

async fn watched(setup: Setup, instances: usize, user: &str, password: &str) -> Watched {
    Watched::start(setup, instances, |client| client.at("openstack", "lab").as_user(user, password)).await
}

fn poll(setup: &Setup, arguments: &[&str]) -> Ended {
    tokio::task::block_in_place(|| setup.run(&[&["poll"], arguments].concat()))
}

/// Servers of these names that run, which are more than Nova gives at once.
async fn servers(cloud: &Cloud, names: [&str; 3]) -> [String; 3] {
    let mut ids = [const { String::new() }; 3];
    for (id, name) in ids.iter_mut().zip(names) {
        *id = cloud.create(name, "small", json!({})).await;
    }
    for id in &ids {
        cloud.until(id, "ACTIVE").await;
    }
    ids
}

#[tokio::test]
async fn each_step_of_a_server_is_seen_and_called_back() {
    let cloud = Cloud::start().await;
    let [one, two, three] = servers(&cloud, ["one", "two", "three"]).await;
    let mut watched = watched(cloud.setup_with(PASSWORD), 3, USER, PASSWORD).await;
    let realms = watched.client.get("/api/realms").await.ok()["realms"].take();
    assert_eq!((&realms[0]["id"], &realms[0]["state"]), (&json!("nova"), &json!("AVAILABLE")), "{realms}");
    assert_eq!(realms.as_array().map(Vec::len), Some(1), "{realms}");

    let instance = watched.sees(&one, "RUNNING").await;
    let [name, word, realm, image, profile] =
        ["name", "provider_state", "realm", "image", "hardware_profile"].map(|field| instance[field].clone());
    assert_eq!(json!([name, word, realm, image, profile]), json!(["one", "ACTIVE", "nova", IMAGE, "small"]));
    assert!(instance["launched_at"].is_string(), "{instance}");
    let address = |field: &str| instance[field][0]["value"].as_str().unwrap_or_default().to_owned();
    let (public, private) = (address("public_addresses"), address("private_addresses"));
    assert_eq!(public.strip_prefix("203.0.113."), private.strip_prefix("192.168.1."), "{instance}");
    assert!(!public.is_empty(), "{instance}");

    let steps = [
        (json!({ "os-stop": null }), "RUNNING", "STOPPED", "SHUTOFF"),
        (json!({ "os-start": null }), "STOPPED", "RUNNING", "ACTIVE"),
        (json!({ "pause": null }), "RUNNING", "STOPPED", "PAUSED"),
        (json!({ "unpause": null }), "STOPPED", "RUNNING", "ACTIVE"),
        (json!({ "suspend": null }), "RUNNING", "STOPPED", "SUSPENDED"),
        (json!({ "resume": null }), "STOPPED", "RUNNING", "ACTIVE"),
        (json!({ "shelve": null }), "RUNNING", "STOPPED", "SHELVED"),
        (json!({ "shelveOffload": null }), "STOPPED", "STOPPED", "SHELVED_OFFLOADED"),
        (json!({ "unshelve": null }), "STOPPED", "RUNNING", "ACTIVE"),
        (json!({ "os-resetState": { "state": "error" } }), "RUNNING", "ERROR", "ERROR"),
        (json!({ "os-resetState": { "state": "active" } }), "ERROR", "RUNNING", "ACTIVE"),
        (json!({ "rescue": {} }), "RUNNING", "RUNNING", "RESCUE"),
        (json!({ "unrescue": null }), "RUNNING", "RUNNING", "ACTIVE"),
    ];
    for (action, before, after, word) in steps {
        cloud.act(&one, &action).await;
        let path = format!("/api/instances/{one}");
        let seen = watched.client.until(&path, word, |instance| instance["provider_state"] == word).await;
        assert_eq!(seen["state"], after, "{action}: {seen}");
        if before != after {
            let change = called_back(&mut watched, &one, "instance.state").await;
            assert_eq!(step(&change), json!([before, after]), "{action}: {change}");
        }
    }

    cloud.nova(Method::POST, &format!("servers/{two}/metadata"), &json!({ "metadata": { "team": "shop" } })).await;
    let change = called_back(&mut watched, &two, "instance.updated").await;
    assert_eq!(change["resource"]["id"], two.as_str());
    assert_eq!(watched.sees(&two, "RUNNING").await["labels"], json!({ "team": "shop" }));

    // Nova finds no host that is large enough.
    let four = cloud.create("four", "huge", json!({ "metadata": { "a": "b" } })).await;
    called_back(&mut watched, &four, "instance.created").await;
    let instance = watched.sees(&four, "ERROR").await;
    assert_eq!((&instance["labels"], &instance["hardware_profile"]), (&json!({ "a": "b" }), &json!("huge")));

    for id in [&four, &two] {
        cloud.delete(id).await;
        let change = called_back(&mut watched, id, "instance.removed").await;
        assert_eq!(change["new_state"], "FINISH", "{change}");
    }
    assert_eq!(watched.removed().await, [four, two]);
    watched.sees(&three, "RUNNING").await;
}

/// The next change of this type: on the way, there may be others.
async fn called_back(watched: &mut Watched, id: &str, kind: &str) -> Value {
    loop {
        let change = watched.called_back(id).await;
        if change["type"] == kind {
            return change;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_and_tokens_that_end_are_told_and_remove_nothing() {
    let cloud = Cloud::start().await;
    let ids = servers(&cloud, ["one", "two", "three"]).await;
    let wrong = poll(&cloud.setup_with("wrong & more"), &[]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""), "{wrong:#?}");
    assert!(wrong.stderr.contains("does not accept the credentials"), "{wrong:#?}");
    assert!(!wrong.stderr.contains("wrong & more"), "{wrong:#?}");

    // An administrator sees other projects, too.
    cloud.project_of("attic").await;
    let four = cloud.create_in("attic", "four").await;
    cloud.until(&four, "ACTIVE").await;
    for (all, listed) in [("false", "3 listed, complete; 2 pages,"), ("true", "4 listed, complete; 3 pages,")] {
        let setup = cloud.setup().account("openstack", "lab", ADMIN.0, ADMIN.1);
        let setup = setup.account_options(&format!("project = {PROJECT:?}\nall-projects = \"{all}\""));
        let ended = poll(&setup, &[]).succeeded();
        assert!(ended.stderr.contains(listed), "{ended:#?}");
    }

    let (credential, secret) = cloud.application_credential("watcher").await;
    let setup = cloud.setup_with(PASSWORD).account("openstack", "lab", &credential, &secret);
    let setup = setup.account_options("auth = \"application-credential\"");
    let by_password = watched(setup, 3, USER, PASSWORD).await;
    let by_credential = by_password.client.as_user(&credential, &secret);
    let seen = |list: &Value| list["instances"].as_array().is_some_and(|list| list.len() == 3);
    by_credential.until("/api/instances", "an application credential sees them", seen).await;
    by_password.client.as_user(USER, "wrong & more").get("/api/instances").await.problem(401);
    by_password.client.as_user(&credential, PASSWORD).get("/api/instances").await.problem(401);

    // Tokens that are revoked lead to new ones. Only what Keystone issues within the very second it takes for revoked, too.
    let revoked = cloud.token((USER, PASSWORD), PROJECT).await.expect("the reader may log in");
    assert_eq!(cloud.lists_with(&revoked).await, 200);
    cloud.change_user(&json!({ "password": PASSWORD })).await;
    assert_eq!(cloud.lists_with(&revoked).await, 401);
    by_password.lists_again().await;
    let polls = by_password.client.get("/api/account").await.ok()["polls"].take();
    for kind in ["instances", "realms"] {
        let error = &polls[kind]["last_error"];
        assert!(error.is_null() || error["code"] == "unauthorized", "{kind}: {error}");
    }

    // A user who is disabled, and comes back.
    cloud.change_user(&json!({ "enabled": false })).await;
    by_password.fails("unauthorized").await;
    assert_eq!(by_password.instances().await.len(), 3);
    cloud.change_user(&json!({ "enabled": true })).await;
    by_password.lists_again().await;

    // An application credential that is deleted.
    cloud.delete_credential(&credential).await;
    let account = by_credential.until("/api/account", "it is told", |account| {
        let polls = &account["polls"]["instances"];
        polls["last_error"]["code"] == "unauthorized"
            && polls["last_error"]["at"].as_str() > polls["last_complete"].as_str()
    });
    account.await;
    assert_eq!(by_credential.get("/api/instances").await.ok()["instances"].as_array().map(Vec::len), Some(3));

    // A password that is another one.
    cloud.change_user(&json!({ "password": "another one" })).await;
    by_password.fails("unauthorized").await;
    for id in &ids {
        by_password.sees(id, "RUNNING").await;
    }
    assert_eq!(by_password.removed().await, Vec::<String>::new());
}

#[tokio::test]
async fn services_that_hang_or_start_anew_lose_nothing() {
    let mut cloud = Cloud::start().await;
    let [one, two, three] = servers(&cloud, ["one", "two", "three"]).await;
    let mut watched = watched(cloud.setup_with(PASSWORD), 3, USER, PASSWORD).await;

    cloud.hangs(Service::Nova);
    let error = watched.fails("limit.request_timeout").await;
    assert!(error["message"].as_str().is_some_and(|message| message.contains("10s")), "{error}");
    assert_eq!(watched.instances().await.len(), 3);
    cloud.goes_on(Service::Nova);
    watched.lists_again().await;

    // Nova has nobody to ask who a token is of.
    cloud.goes_down(Service::Keystone);
    watched.fails("unavailable").await;
    assert_eq!(watched.instances().await.len(), 3);
    cloud.goes_up(Service::Keystone).await;
    watched.lists_again().await;

    cloud.goes_down(Service::Nova);
    watched.fails("unavailable").await;
    assert_eq!(watched.instances().await.len(), 3);
    cloud.goes_up(Service::Nova).await;
    watched.lists_again().await;
    assert_eq!(watched.removed().await, Vec::<String>::new());

    // It goes on with what it has.
    cloud.act(&one, &json!({ "os-resetState": { "state": "error" } })).await;
    let change = called_back(&mut watched, &one, "instance.state").await;
    assert_eq!(step(&change), json!(["RUNNING", "ERROR"]), "{change}");
    cloud.delete(&two).await;
    called_back(&mut watched, &two, "instance.removed").await;
    assert_eq!(watched.removed().await, [two]);
    watched.sees(&three, "RUNNING").await;
}
