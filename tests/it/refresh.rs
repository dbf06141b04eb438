//! A poll now, for who asks for it; and a list that leads on into the feed.

use crate::support::{Client, Host, Provider, Setup};

/// An account that is polled once an hour.
async fn hourly() -> (Provider, Host, Client) {
    let provider = Provider::start().await;
    provider.has(&[("i-1", "running")]);
    let setup = Setup::new(&["ec2"])
        .polls("[polling]\ninstances_every = \"1h\"\nrealms_every = \"1h\"\n\n[api]\nrefresh_every = \"0s\"\n")
        .provider("ec2", "lab", &provider.endpoint(), "region = \"us-east-1\"")
        .account("ec2", "lab", "AKIAEXAMPLE", "a-secret-key");
    let host = setup.start().await;
    let client = host.client().at("ec2", "lab").as_user("AKIAEXAMPLE", "a-secret-key");
    client.until("/api/instances/i-1", "it is seen", |instance| instance["state"] == "RUNNING").await;
    (provider, host, client)
}

#[tokio::test]
async fn a_refresh_polls_now() {
    let (provider, _host, client) = hourly().await;
    provider.has(&[("i-1", "stopped")]);
    let refreshed = client.post_text("/api/refresh?kind=instance", "").await.ok();
    assert_eq!(refreshed["instances"]["outcome"], "polled");
    assert!(refreshed.get("realms").is_none());
    assert_eq!(client.get("/api/instances/i-1").await.ok()["state"], "STOPPED");

    // Many at once are served by few polls, and both kinds are polled where none is named.
    let before = provider.requests();
    let asked: Vec<_> = (0..20).map(|_| client.post_text("/api/refresh", "")).collect();
    for answer in futures_util::future::join_all(asked).await {
        let answer = answer.ok();
        assert_eq!(answer["realms"]["error"], serde_json::Value::Null);
        assert!(answer["instances"]["last_complete"].is_string());
    }
    assert!(provider.requests() - before < 40, "they join one another: {}", provider.requests() - before);
    client.post_text("/api/refresh?kind=volume", "").await.problem(400);
}

#[tokio::test]
async fn one_instance_is_asked_for_by_itself() {
    let (provider, _host, client) = hourly().await;
    provider.has(&[("i-1", "stopped"), ("i-2", "running")]);
    let lists = provider.lists();
    let refreshed = client.post_text("/api/refresh?id=i-1", "").await.ok();
    assert_eq!(refreshed["instances"]["outcome"], "polled");
    assert_eq!(client.get("/api/instances/i-1").await.ok()["state"], "STOPPED");
    client.get("/api/instances/i-2").await.problem(404);
    assert_eq!(provider.lists(), lists, "nothing else was asked for");

    // What the provider does not list is no longer there, or is it: a list of everything tells.
    provider.has(&[("i-2", "running")]);
    client.post_text("/api/refresh?id=i-1", "").await.ok();
    client.until("/api/instances/i-2", "everything is listed", |instance| instance["state"] == "RUNNING").await;
    assert!(provider.lists() > lists);
}

#[tokio::test]
async fn a_list_leads_on_into_the_feed() {
    let (provider, _host, client) = hourly().await;
    let list = client.get("/api/instances").await;
    let cursor = list.headers["tracker-cursor"].to_str().expect("text").to_owned();
    provider.has(&[("i-1", "stopped"), ("i-2", "pending")]);
    client.post_text("/api/refresh?kind=instance", "").await.ok();
    let followed = client.get(&format!("/api/changes?since={cursor}")).await.ok();
    let followed = followed.as_array().expect("an array");
    let what = |at: usize| (followed[at]["type"].as_str(), followed[at]["resource"]["id"].as_str());
    assert_eq!(followed.len(), 2);
    assert_eq!((what(0), what(1)), ((Some("instance.state"), Some("i-1")), (Some("instance.created"), Some("i-2"))));
}
