//! More vanishes at once than is believed: the host asks again before it tells, or waits for its operator.

use serde_json::Value;

use crate::support::host::QUICK_POLLS;
use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Provider, Setup};

/// What a provider has: so many instances, running.
fn fleet(count: usize) -> Vec<(String, &'static str)> {
    (0..count).map(|number| (format!("i-{number:03}"), "running")).collect()
}

fn has(provider: &Provider, fleet: &[(String, &'static str)]) {
    let borrowed: Vec<(&str, &str)> = fleet.iter().map(|(id, state)| (id.as_str(), *state)).collect();
    provider.has(&borrowed);
}

async fn watched(polls: &str) -> (Provider, Host, Client) {
    let provider = Provider::start().await;
    has(&provider, &fleet(60));
    let setup = Setup::new(&["ec2"])
        .polls(&format!("{QUICK_POLLS}\n{polls}"))
        .provider("ec2", "lab", &provider.endpoint(), "region = \"us-east-1\"")
        .account("ec2", "lab", "AKIAEXAMPLE", "a-secret-key");
    let host = setup.start().await;
    let client = host.client().at("ec2", "lab").as_user("AKIAEXAMPLE", "a-secret-key");
    client.until("/api/instances?limit=100", "all are seen", |page| count(page) == 60).await;
    (provider, host, client)
}

fn count(page: &Value) -> usize {
    page["instances"].as_array().map_or(0, Vec::len)
}

async fn changes(client: &Client) -> Vec<Value> {
    client.get("/api/changes?since=0&limit=100").await.ok().as_array().expect("an array").clone()
}

#[tokio::test]
async fn half_a_fleet_that_vanishes_is_told_as_a_mass_change() {
    let (provider, _host, client) = watched("").await;
    has(&provider, &fleet(30));
    client.until("/api/instances?limit=100", "half of them are gone", |page| count(page) == 30).await;
    let told = changes(&client).await;
    assert_eq!(told.len(), 31, "the mass change and those that vanished");
    assert_eq!(
        (&told[0]["type"], &told[0]["affected"], &told[0]["known"]),
        (&"tracker.storm".into(), &30.into(), &60.into())
    );
    assert_eq!(told[0]["resource"]["kind"], "account");
    assert!(told[1..].iter().all(|change| change["type"] == "instance.removed" && change["new_state"] == "FINISH"));
}

#[tokio::test]
async fn the_operator_accepts_a_mass_change_silently_or_rejects_it() {
    let (provider, host, client) = watched("[polling.mass_changes]\nuntil = \"accepted\"").await;
    let run = |arguments: &[&str]| host.setup().run(&[&["mass-change"], arguments].concat());
    let listed = async |part: &str| {
        let listed = async || {
            let listed = run(&["list"]).succeeded().stdout;
            if listed.contains(part) { Ok(listed) } else { Err(listed) }
        };
        eventually(SOON, "the mass change is held", listed).await
    };
    has(&provider, &fleet(30));
    let held = listed("30 of 60").await;
    assert!(held.contains("ec2/lab/AKIAEXAMPLE"), "{held}");
    assert_eq!(count(&client.get("/api/instances?limit=100").await.ok()), 60);
    assert_eq!(changes(&client).await, Vec::<Value>::new());

    let refused = run(&["accept", "ec2/lab/nobody"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("the host holds no mass change of instances for ec2/lab/nobody"), "{refused:#?}");

    run(&["reject", "ec2/lab/AKIAEXAMPLE"]).succeeded();
    let rejected = listed("reject").await;
    let lists = rejected.lines().nth(1).expect("a row").split_whitespace().rev().nth(1).expect("a number").to_owned();
    eventually(SOON, "the rejected list comes again", async || {
        let listed = run(&["list"]).succeeded().stdout;
        if listed.contains("reject") && !listed.contains(&format!(" {lists} ")) { Ok(()) } else { Err(listed) }
    })
    .await;
    assert_eq!(count(&client.get("/api/instances?limit=100").await.ok()), 60);

    // Another list is another mass change, to which no answer is that was meant for the one before.
    let id = |listed: &str| listed.lines().nth(1).expect("a row").split_whitespace().nth(2).expect("an id").to_owned();
    has(&provider, &fleet(29));
    let anew = listed("31 of 60").await;
    assert!(!anew.contains("reject"), "{anew}");
    let stale = run(&["accept", "ec2/lab/AKIAEXAMPLE", &id(&held)]);
    assert_eq!(stale.code, Some(1), "{stale:#?}");
    let now = format!("another list is held now: {}, with 31 of 60 instances", id(&anew));
    assert!(stale.stderr.contains(&now), "{now}: {stale:#?}");
    let malformed = run(&["accept", "ec2/lab/AKIAEXAMPLE", "31"]);
    assert!(malformed.code == Some(2) && malformed.stderr.contains("not the id of a held list"), "{malformed:#?}");
    assert!(!listed("31 of 60").await.contains("accept"), "nothing was decided");
    run(&["accept", "--silent", "ec2/lab/AKIAEXAMPLE", &id(&anew)]).succeeded();
    client.until("/api/instances?limit=100", "half of them are gone", |page| count(page) == 29).await;
    let told = changes(&client).await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((&told[0]["type"], &told[0]["silent"]), (&"tracker.storm".into(), &true.into()));
    assert_eq!(run(&["list"]).succeeded().stdout, "No mass change is held.\n");
}
