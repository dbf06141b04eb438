//! The feed: the journal from a place on, filtered, and nothing marked.

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
    let house = House::with(|settings| settings.feed_looked_at = 3);
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
