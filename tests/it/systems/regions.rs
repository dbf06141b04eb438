//! One account of EC2 that lists several regions, on the whole host: moto has them all at one endpoint.

mod gate;

use serde_json::{Value, json};

use self::gate::{Gate, Instead};
use crate::support::lab::step;
use crate::support::{Moto, Setup, Watched};

const USER: &str = "AKIAOWNER";
const PASSWORD: &str = "owner-secret-key";
const HERE: &str = "us-east-1";
const THERE: &str = "eu-west-1";

fn setup(endpoint: &str, regions: &str) -> Setup {
    let options = format!("region = {HERE:?}, regions = {regions:?}");
    Setup::new(&["ec2"]).provider("ec2", "moto", endpoint, &options).account("ec2", "moto", USER, PASSWORD)
}

async fn watched(gate: &Gate, instances: usize) -> Watched {
    let setup = setup(&gate.endpoint, &format!("{HERE}, {THERE}")).limits("request_timeout = \"5s\"");
    Watched::start(setup, instances, |client| client.at("ec2", "moto").as_user(USER, PASSWORD)).await
}

#[tokio::test]
async fn each_step_in_two_regions_is_seen_and_called_back() {
    let moto = Moto::start().await;
    let gate = Gate::before(&moto.endpoint).await;
    let mut watched = watched(&gate, 0).await;
    let realms = watched.client.get("/api/realms?limit=100").await.ok()["realms"].take();
    let realms: Vec<&str> =
        realms.as_array().expect("a list").iter().filter_map(|realm| realm["id"].as_str()).collect();
    for region in [HERE, THERE] {
        assert!(realms.contains(&format!("{region}a").as_str()), "{realms:?}");
    }
    for region in [HERE, THERE] {
        let mut cloud = moto.cloud_in(region);
        let id = cloud.run_named(region).await;
        let change = watched.called_back(&id).await;
        assert_eq!(
            (&change["type"], &change["new_state"]),
            (&json!("instance.created"), &json!("RUNNING")),
            "{change}"
        );
        let realm = watched.sees(&id, "RUNNING").await["realm"].take();
        assert!(realm.as_str().is_some_and(|realm| realm.starts_with(region)), "{realm}");

        cloud.stop(&id).await;
        assert_eq!(step(&watched.called_back(&id).await), json!(["RUNNING", "STOPPED"]));
        watched.sees(&id, "STOPPED").await;
        cloud.start_again(&id).await;
        assert_eq!(step(&watched.called_back(&id).await), json!(["STOPPED", "RUNNING"]));
        watched.sees(&id, "RUNNING").await;

        // By itself it is found in whichever region it is.
        let alone = watched.client.post(&format!("/api/refresh?kind=instance&id={id}"), &json!({})).await;
        assert!(alone.status.is_success(), "{}", alone.text);

        cloud.terminate(&id).await;
        assert_eq!(step(&watched.called_back(&id).await), json!(["RUNNING", "FINISH"]));
    }
    watched.lists_again().await;
}

#[tokio::test]
async fn a_region_that_fails_is_told_and_loses_nothing() {
    let moto = Moto::start().await;
    let gate = Gate::before(&moto.endpoint).await;
    let (mut here, mut there) = (moto.cloud_in(HERE), moto.cloud_in(THERE));
    let (near, far) = (here.run(2).await, there.run(3).await);
    let mut watched = watched(&gate, 5).await;

    for (at, instead) in [Instead::Unavailable, Instead::Refusal].into_iter().enumerate() {
        gate.shuts(THERE, instead);
        let partial = watched.client.until("/api/account", "the list is partial", |account| {
            let polls = &account["polls"]["instances"];
            polls["failures"] == 0 && polls["nothing_removed"].as_str().is_some_and(|why| why.contains(THERE))
        });
        let polls = partial.await["polls"]["instances"].take();
        assert!(polls["partial_reason"].as_str().is_some_and(|why| why.contains(THERE)), "{polls}");
        // The other region goes on, and this one stays as it was.
        here.stop(&near[at]).await;
        assert_eq!(step(&watched.called_back(&near[at]).await), json!(["RUNNING", "STOPPED"]));
        there.stop(&far[at]).await;
        assert_eq!(states(&watched, &far[at..]).await, vec!["RUNNING"; 3 - at], "{instead:?}");
        gate.opens();
        assert_eq!(step(&watched.called_back(&far[at]).await), json!(["RUNNING", "STOPPED"]));
        watched.lists_again().await;
    }

    // What takes too long ends the poll, in whichever region.
    gate.shuts(THERE, Instead::Silence);
    watched.fails("limit.request_timeout").await;
    gate.opens();
    watched.lists_again().await;

    // So does an error of the account's own region.
    for (instead, code) in [(Instead::Unavailable, "unavailable"), (Instead::Refusal, "forbidden")] {
        gate.shuts(HERE, instead);
        watched.fails(code).await;
        assert_eq!(states(&watched, &near).await, ["STOPPED", "STOPPED"]);
        assert_eq!(states(&watched, &far).await, ["STOPPED", "STOPPED", "RUNNING"]);
        gate.opens();
        watched.lists_again().await;
    }
    assert_eq!(watched.removed().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_regions_of_the_account_are_listed_and_unknown_ones_told() {
    let moto = Moto::start().await;
    let mut ids = Vec::new();
    for region in [HERE, THERE, "ap-south-1"] {
        ids.extend(moto.cloud_in(region).run(2).await);
    }
    ids.sort();
    let poll = |regions: &str| {
        let setup = setup(&moto.endpoint, regions);
        let ended = tokio::task::block_in_place(|| setup.run(&["poll", "--output", "json"])).succeeded();
        let list: Vec<Value> = serde_json::from_str(&ended.stdout).expect("a list");
        let mut ids: Vec<String> = list.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        ids.sort();
        (ids, ended.stderr)
    };
    let (listed, stderr) = poll("opted-in");
    assert_eq!(listed, ids, "{stderr}");
    assert!(stderr.contains("6 listed, complete"), "{stderr}");
    let (listed, stderr) = poll("us-east-1 mars-north-1");
    assert_eq!(listed.len(), 2, "{stderr}");
    assert!(stderr.contains("2 listed, NOT complete: the account can't use the region mars-north-1"), "{stderr}");
}

async fn states(watched: &Watched, ids: &[String]) -> Vec<String> {
    let instances = watched.instances().await;
    let state = |id: &String| {
        let found = instances.iter().find(|instance| instance["id"] == *id);
        found.map_or_else(|| "gone".to_owned(), |instance| instance["state"].as_str().expect("a state").to_owned())
    };
    ids.iter().map(state).collect()
}
