//! The main job on real input: moto is the cloud, its owner acts on it through AWS's own client, and the
//! tracker watches it with the ec2 driver.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::lab::{step, steps};
use crate::support::{Client, Host, Moto, Receiver, Reply, Setup};

const TOKEN: &str = "s3cret-track-token";

/// A host that polls all of moto's instances, and the client of the account that it does so with.
async fn watching(moto: &Moto) -> (Host, Client) {
    let setup = Setup::new(&["ec2"]).provider("ec2", "moto", &moto.endpoint, "region = \"us-east-1\"").account(
        "ec2",
        "moto",
        "AKIAOWNER",
        "owner-secret-key",
    );
    let host = setup.start().await;
    let client = host.client().at("ec2", "moto").as_user("AKIAOWNER", "owner-secret-key");
    (host, client)
}

async fn seen_as(client: &Client, id: &str, state: &str) -> Value {
    client.until(&format!("/api/instances/{id}"), state, |instance| instance["state"] == state).await
}

#[tokio::test]
async fn every_step_is_called_back_signed_and_in_order() {
    let mut moto = Moto::start().await;
    let mut receiver = Receiver::start().await;
    let (_host, client) = watching(&moto).await;

    // The client registers what its create call gave back, whether or not it was polled meanwhile.
    let id = moto.cloud.run_named("web").await;
    let path = format!("/api/instances/{id}");
    let secret = client.track(&path, &receiver.url("web"), TOKEN).await;
    let instance = seen_as(&client, &id, "RUNNING").await;
    assert_eq!(instance["name"], "web");
    assert_eq!(instance["provider_state"], "running");
    assert_eq!(instance["track"]["hook"], receiver.url("web"));

    let mut changes = Vec::new();
    for (step, state) in [("stop", "STOPPED"), ("start", "RUNNING"), ("terminate", "FINISH")] {
        match step {
            "stop" => moto.cloud.stop(&id).await,
            "start" => moto.cloud.start_again(&id).await,
            _ => moto.cloud.terminate(&id).await,
        }
        let change = loop {
            let change = receiver.next().await.change(&secret);
            // Where it was first seen with the hook on it already, the hook hears of that, too.
            if change["type"] != "instance.created" {
                break change;
            }
        };
        assert_eq!(change["new_state"], state, "{change}");
        assert_eq!(seen_as(&client, &id, state).await["state"], state);
        changes.push(change);
    }
    assert_eq!(
        steps(&changes),
        [json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"]), json!(["RUNNING", "FINISH"])]
    );
    for change in &changes {
        assert_eq!(change["type"], "instance.state");
        assert_eq!((&change["driver"], &change["provider"]), (&json!("ec2"), &json!("moto")));
        assert_eq!(change["resource"]["kind"], "instance");
        assert_eq!(change["resource"]["id"], id);
        assert_eq!(change["track_token"], TOKEN);
        assert!(change["resource"]["href"].as_str().is_some_and(|href| href.ends_with(&path)), "{change}");
        assert!(change["observed_after"].as_str() <= change["observed_at"].as_str(), "{change}");
    }
    assert!(changes.is_sorted_by_key(|change| change["cursor"].as_str()), "cursors grow: {changes:#?}");
}

#[tokio::test]
async fn what_piled_up_is_delivered_in_order() {
    let mut moto = Moto::start().await;
    let mut receiver = Receiver::start().await;
    let (_host, client) = watching(&moto).await;
    let ids = moto.cloud.run(2).await;
    let mut secrets = Vec::new();
    for id in &ids {
        seen_as(&client, id, "RUNNING").await;
        secrets.push(client.track(&format!("/api/instances/{id}"), &receiver.url(id), TOKEN).await);
        receiver.replies(id, [Reply::Status(500)]);
    }
    for id in &ids {
        moto.cloud.stop(id).await;
        seen_as(&client, id, "STOPPED").await;
        moto.cloud.start_again(id).await;
        seen_as(&client, id, "RUNNING").await;
        moto.cloud.terminate(id).await;
        seen_as(&client, id, "FINISH").await;
    }
    // Up to here no callback got through, and only the first of each instance was tried.
    for id in &ids {
        receiver.replies(id, [Reply::Status(200)]);
    }
    let mut arrived: Vec<Vec<Value>> = vec![Vec::new(); ids.len()];
    while arrived.iter().any(|changes| changes.last().is_none_or(|last| last["new_state"] != "FINISH")) {
        let callback = receiver.next().await;
        let at = ids.iter().position(|id| callback.path.ends_with(id)).expect("a hook of this test");
        let change = callback.change(&secrets[at]);
        // A repeat is the same change with the same id; whoever drops repeats has each once.
        if arrived[at].last().is_none_or(|last| last["id"] != change["id"]) {
            arrived[at].push(change);
        }
    }
    let all = [json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"]), json!(["RUNNING", "FINISH"])];
    for changes in arrived {
        assert_eq!(steps(&changes), all);
    }
}

#[tokio::test]
async fn what_a_dead_receiver_missed_is_owed_once() {
    let mut moto = Moto::start().await;
    let mut receiver = Receiver::start().await;
    let (_host, client) = watching(&moto).await;
    let id = moto.cloud.run(1).await.remove(0);
    seen_as(&client, &id, "RUNNING").await;
    let secret = client.track(&format!("/api/instances/{id}"), &receiver.url("web"), TOKEN).await;

    receiver.down().await;
    moto.cloud.stop(&id).await;
    seen_as(&client, &id, "STOPPED").await;
    moto.cloud.start_again(&id).await;
    seen_as(&client, &id, "RUNNING").await;

    let owed = client.pending().await;
    assert_eq!(steps(&owed), [json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"])]);
    assert!(owed.iter().all(|change| change["track_token"] == TOKEN), "{owed:#?}");
    assert_eq!(client.pending().await, Vec::<Value>::new(), "what was taken is owed no more");

    // What was taken is not sent any more: the next callback is of the next change.
    receiver.up().await;
    moto.cloud.stop(&id).await;
    let change = receiver.next().await.change(&secret);
    assert_eq!(step(&change), json!(["RUNNING", "STOPPED"]));
    assert!(change["cursor"].as_str() > owed[1]["cursor"].as_str(), "it comes after what was taken");
}

#[tokio::test]
async fn a_host_killed_between_detection_and_delivery_delivers_after_its_restart() {
    let mut moto = Moto::start().await;
    let mut receiver = Receiver::start().await;
    let (mut host, client) = watching(&moto).await;
    let id = moto.cloud.run(1).await.remove(0);
    seen_as(&client, &id, "RUNNING").await;
    let secret = client.track(&format!("/api/instances/{id}"), &receiver.url("web"), TOKEN).await;

    receiver.down().await;
    moto.cloud.stop(&id).await;
    seen_as(&client, &id, "STOPPED").await;
    host.kill();
    receiver.up().await;
    host.start().await;

    let change = receiver.next().await.change(&secret);
    assert_eq!(step(&change), json!(["RUNNING", "STOPPED"]));
    assert_eq!(change["track_token"], TOKEN);

    // And it goes on: what it knew is known, so nothing is new but what happens now.
    moto.cloud.terminate(&id).await;
    assert_eq!(step(&receiver.next().await.change(&secret)), json!(["STOPPED", "FINISH"]));
}

#[tokio::test]
async fn wrong_keys_are_refused_and_right_ones_sign_as_aws_verifies() {
    let mut moto = Moto::start().await;
    let user = moto.cloud.user("watcher").await;
    let powerless = moto.cloud.powerless_user("nobody").await;
    let session = moto.cloud.session("watching-role").await;
    let id = moto.cloud.run(1).await.remove(0);
    moto.check_signatures().await;

    let token = session.token.expect("a session has a token");
    let setup = Setup::new(&["ec2"])
        .provider("ec2", "moto", &moto.endpoint, "region = \"us-east-1\"")
        .account("ec2", "moto", &session.id, &session.secret)
        .secret_option("session-token", &token)
        .default_provider("ec2", "moto");
    let host = setup.start().await;
    let client = host.client();

    seen_as(&client.as_user(&user.id, &user.secret), &id, "RUNNING").await;
    seen_as(&client.as_user(&session.id, &session.secret), &id, "RUNNING").await;

    for (user, password) in [(&*user.id, "wrong"), ("AKIANOBODY", "wrong"), (&session.id, "wrong"), ("", "")] {
        let answer = client.as_user(user, password).get("/api/instances").await;
        let challenge = answer.headers.get("www-authenticate").expect("a 401 says how to do better");
        assert!(challenge.to_str().expect("text").starts_with("Basic "), "{challenge:?}");
        let problem = answer.problem(401);
        assert!(!problem.to_string().contains("wrong"), "a password is never given back: {problem}");
    }
    client.get("/api/instances").await.problem(401);

    // The keys are right, and their owner may list nothing: that is another answer than a wrong key.
    client.as_user(&powerless.id, &powerless.secret).get("/api/instances").await.problem(403);
}

/// Of each instance the very same is read as AWS's own client reads: id, state, realm, all addresses and tags, over pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_instances_are_as_boto3_lists_them() {
    const FLEET: usize = 2500;
    let mut moto = Moto::start().await;
    moto.cloud.fleet(FLEET).await;
    let wanted: BTreeMap<String, Value> = by_id(moto.cloud.described().await);
    assert_eq!(wanted.len(), FLEET);
    let setup = Setup::new(&["ec2"]).provider("ec2", "moto", &moto.endpoint, "region = \"us-east-1\"").account(
        "ec2",
        "moto",
        "AKIAOWNER",
        "owner-secret-key",
    );
    // A page of a thousand takes moto many seconds, and more beside other tests.
    let setup = setup.limits("request_timeout = \"150s\"\npoll_timeout = \"170s\"\n");
    let ended = tokio::task::block_in_place(|| setup.run(&["poll", "--output", "json"])).succeeded();
    let listed: Vec<Value> = serde_json::from_str(&ended.stdout).expect("a list");
    let listed = by_id(listed);
    assert_eq!(listed.len(), FLEET, "{}", ended.stderr);
    for (id, wanted) in &wanted {
        let found = &listed[id];
        let mut as_boto3 = json!({});
        for member in ["id", "provider_state", "image", "hardware_profile", "realm"] {
            as_boto3[member] = found[member].clone();
        }
        as_boto3["labels"] = if found["labels"].is_null() { json!({}) } else { found["labels"].clone() };
        for member in ["public_addresses", "private_addresses"] {
            let mut texts: Vec<String> = found[member]
                .as_array()
                .into_iter()
                .flatten()
                .map(|address| address["value"].as_str().expect("text").to_owned())
                .collect();
            texts.sort();
            as_boto3[member] = json!(texts);
        }
        assert_eq!(&as_boto3, wanted);
    }
}

fn by_id(list: Vec<Value>) -> BTreeMap<String, Value> {
    list.into_iter().map(|one| (one["id"].as_str().expect("an id").to_owned(), one)).collect()
}
