//! The feed: the journal from a cursor on, filtered, without marking anything.

use serde_json::json;

use super::*;
use crate::model::InstanceState::{Pending, Running, Stopped};
use crate::model::RealmState::Available;

impl House {
    /// One page, and the path of the next.
    async fn feed(&self, path: &str) -> (Vec<Value>, String) {
        let answer = self.get(path).await;
        let link = answer.header("link").unwrap_or_else(|| panic!("a link: {}", answer.body)).to_owned();
        let next = link.strip_suffix(">; rel=\"next\"").and_then(|link| link.strip_prefix("<https://tracker.example"));
        let next = next.unwrap_or_else(|| panic!("a next page: {link}")).to_owned();
        (answer.ok().as_array().expect("a bare array").clone(), next)
    }

    async fn has_history(&self) {
        self.poll(Kind::Realm, vec![realm("us", Available)]).await;
        for state in [Pending, Running, Stopped] {
            let instances = vec![instance("db-1", "eu", state), instance("web-1", "us", state)];
            self.poll(Kind::Instance, instances).await;
        }
    }
}

#[tokio::test]
async fn a_feed_is_read_to_its_end_and_on() {
    let house = House::new();
    let (none, first) = house.feed("/api/changes?since=0").await;
    assert_eq!(none, Vec::<Value>::new());
    house.has_history().await;
    let (all, end) = house.feed(&first).await;
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by_key(|change| change["cursor"].as_str()));
    assert!(all.iter().all(|change| change.get("track_token").is_none()));
    assert_eq!(end, format!("/api/changes?since={}", all[6]["cursor"].as_str().expect("a cursor")));
    let (rest, same) = house.feed(&end).await;
    assert_eq!((rest.len(), &same), (0, &end));
    house.poll(Kind::Instance, vec![instance("new", "us", Pending)]).await;
    assert_eq!(house.feed(&end).await.0[0]["resource"]["id"], "new");

    // Reading marks nothing, and now is the end.
    assert_eq!(house.feed("/api/changes?since=0").await.0.len(), 8);
    let (none, now) = house.feed("/api/changes?since=now").await;
    assert_eq!(none, Vec::<Value>::new());
    house.poll(Kind::Realm, vec![realm("eu", Available)]).await;
    assert_eq!(house.feed(&now).await.0[0]["resource"]["id"], "eu");
}

#[tokio::test]
async fn pages_are_bounded_and_none_is_lost_between_them() {
    // Of each three changes that are looked at, one or two are let through, or none.
    let house = House::with(|settings| settings.feed_scan = 3);
    house.has_history().await;
    let (mut path, mut seen) = ("/api/changes?since=0&limit=2&id=web-*".to_owned(), Vec::new());
    for _ in 0..5 {
        let (page, next) = house.feed(&path).await;
        assert!(page.len() <= 2);
        assert!(next.contains("limit=2&id=web-*") || next.contains("limit=2&id=web-%2A"), "{next}");
        seen.extend(page.iter().map(|change| change["new_state"].clone()));
        path = next;
    }
    assert_eq!(seen, ["PENDING", "RUNNING", "STOPPED"]);
}

#[tokio::test]
async fn a_feed_is_filtered_as_a_hook_is() {
    let house = House::new();
    house.has_history().await;
    let check = async |query: &str, want: usize| {
        let (found, _) = house.feed(&format!("/api/changes?since=0&{query}")).await;
        assert_eq!(found.len(), want, "{query}: {found:#?}");
    };
    check("kind=realm", 1).await;
    check("kind=instance,realm", 7).await;
    check("id=db-1", 3).await;
    check("id=db-1,web-*", 6).await;
    check("realm_id=us", 1).await;
    check("type=realm.state", 1).await;
    check("to=RUNNING,STOPPED&id=db-1", 2).await;
    check("from=RUNNING", 0).await;
}

#[tokio::test]
async fn a_feed_that_cant_be_is_refused() {
    let house = House::new();
    let check = async |query: &str, slug: &str, parameter: &str| {
        let problem = house.get(&format!("/api/changes?{query}")).await.problem(400, slug);
        assert_eq!(problem["parameter"], parameter, "{query}");
    };
    check("since=", "invalid-parameter", "since").await;
    check("since=yesterday", "invalid-parameter", "since").await;
    check("since=000000000000000000000001", "foreign-cursor", "since").await;
    check("since=0&kind=pod", "invalid-parameter", "kind").await;
    check("since=0&limit=0", "invalid-parameter", "limit").await;
    check("since=0&color=red", "unknown-parameter", "color").await;
    check("kind=realm", "unknown-parameter", "kind").await;
    let links = house.get("/api").await.ok();
    let rels: Vec<&Value> = links["links"].as_array().expect("links").iter().map(|link| &link["rel"]).collect();
    assert!(rels.contains(&&json!("hooks")) && rels.contains(&&json!("changes")), "{rels:?}");
}

#[tokio::test]
async fn a_long_poll_waits_until_something_comes() {
    let house = Arc::new(House::new());
    let (_, end) = house.feed("/api/changes?since=now").await;
    // Nothing comes: the answer says where to go on all the same.
    let (none, next) = house.feed(&format!("{end}&wait=1")).await;
    assert_eq!(none, Vec::<Value>::new());
    assert_eq!(next, end.replace("?since", "?wait=1&since"));

    let waiting = {
        let house = Arc::clone(&house);
        tokio::spawn(async move { house.feed(&format!("{end}&wait=30&id=web-*")).await.0 })
    };
    // What its filter keeps back does not end the wait.
    house.poll(Kind::Instance, vec![instance("db-1", "us", Pending)]).await;
    house.poll(Kind::Instance, vec![instance("web-1", "us", Pending)]).await;
    let found = waiting.await.expect("answered");
    assert_eq!(found[0]["resource"]["id"], "web-1");

    let check = async |query: &str, parameter: &str| {
        let problem = house.get(&format!("/api/changes?{query}")).await.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], parameter, "{query}");
    };
    check("since=0&wait=31", "wait").await;
    check("since=0&wait=-1", "wait").await;
    check("since=0&wait=1.5", "wait").await;
    house.get("/api/changes?wait=1").await.problem(400, "unknown-parameter");
}

#[tokio::test]
async fn a_cursor_of_what_was_forgotten_has_a_way_on() {
    let house = House::new();
    house.has_history().await;
    let (_, end) = house.feed("/api/changes?since=0").await;
    let old = house.feed("/api/changes?since=0&limit=1").await.1;
    let sweep = crate::store::Sweep::default();
    let kept = crate::store::KeptChanges { since: Timestamp::from_millis(0), changes: 2 };
    assert_eq!(house.context.store.forget_changes(kept, sweep).await.expect("forgotten"), None);

    let problem = house.get(&old).await.problem(410, "cursor-expired");
    assert_eq!(problem["list"], json!(["/api/instances", "/api/realms"]));
    let oldest = problem["oldest"].as_str().expect("a cursor");
    let (kept, _) = house.feed(&format!("/api/changes?since={oldest}")).await;
    assert_eq!(kept.len(), 2);
    assert_eq!(house.feed("/api/changes?since=0").await.0, kept);
    assert_eq!(house.feed(&end).await.0.len(), 0, "nothing was missed");
    let gone = format!("/api/instances/db-1/history?before={}", &old["/api/changes?limit=1&since=".len()..]);
    house.get(&gone).await.problem(410, "cursor-expired");
    let stream = [("authorization", basic("user", "right")), ("accept", "text/event-stream".to_owned())];
    let stream = stream.each_ref().map(|(name, value)| (*name, value.as_str()));
    house.send("GET", &old.replace("limit=1&", ""), &stream, "").await.problem(410, "cursor-expired");
}

#[tokio::test]
async fn the_past_is_shown_as_it_was() {
    let house = House::new();
    let begun = house.now();
    let mut first = None;
    for state in [Pending, Running] {
        house.clock.advance(Duration::from_secs(3600));
        house.poll(Kind::Instance, vec![instance("db-1", "eu", state)]).await;
        first.get_or_insert(house.now());
    }
    for path in ["instances", "instances/db-1", "instances/db-2", "instances?state=STOPPED", "instances?limit=1"] {
        let query = if path.contains('?') { "&" } else { "?" };
        for at in [begun, begun.after(Duration::from_millis(3_599_999))] {
            let problem = house.get(&format!("/api/{path}{query}at={at}")).await.problem(410, "history-unavailable");
            assert_eq!(problem["since"], json!(first), "{path}");
        }
    }
    let state = async |at: Timestamp| {
        let list = house.get(&format!("/api/instances?at={at}")).await;
        assert_eq!(list.header("tracker-cursor"), None, "nothing follows from the past");
        let list = list.ok();
        let first = list["instances"][0].clone();
        match house.get(&format!("/api/instances/db-1?at={at}")).await {
            one if one.status == 200 => assert_eq!(one.ok(), first),
            none => drop(none.problem(404, "instance-not-found")),
        }
        first["state"].clone()
    };
    assert_eq!(state(begun.after(Duration::from_secs(3600))).await, "PENDING");
    assert_eq!(state(begun.after(Duration::from_secs(7199))).await, "PENDING");
    assert_eq!(state(house.now()).await, "RUNNING");
    let history = house.get("/api/instances/db-1/history?limit=1").await;
    let link = history.header("link").expect("a next page").to_owned();
    assert_eq!(history.ok()[0]["new_state"], "RUNNING");
    let next = link.strip_prefix("<https://tracker.example").and_then(|link| link.split('>').next()).expect(&link);
    let last = house.get(next).await;
    assert_eq!(last.header("link"), None);
    assert_eq!(last.ok()[0]["new_state"], "PENDING");
    assert_eq!(house.get("/api/realms/db-1/history").await.ok(), json!([]));

    let later = house.now().after(Duration::from_millis(1));
    let check = async |path: &str, parameter: &str| {
        let problem = house.get(path).await.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], parameter, "{path}");
    };
    check(&format!("/api/instances?at={later}"), "at").await;
    check("/api/instances?at=yesterday", "at").await;
    let beyond = house.get("/api/instances?at=10000-01-01T00:00:00Z").await.problem(400, "invalid-parameter");
    let detail = beyond["detail"].as_str().expect("a detail");
    assert!(detail.contains("out of range") && detail.contains("9999-12-31T23:59:59.999Z"), "{detail}");
    check("/api/instances/db-1?at=", "at").await;
    check("/api/instances/db-1/history?limit=0", "limit").await;
    check("/api/instances/db-1/history?before=1", "before").await;
}
