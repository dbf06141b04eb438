//! Chains of pages, followed by hand as a correct driver would follow them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::*;
use crate::driver::{Coverage, Listing, Usage};
use crate::kit::cassette::Cassette;
use crate::kit::conformance::stand::Run;
use crate::model::{Instance, InstanceState, Resource, ResourceId};

const ENDPOINT: &str = "https://api.cloud.example";

/// A list on some pages, as a driver listed it that asked for these addresses.
fn case<const PAGES: usize>(answers: [Value; PAGES], asked: [&str; PAGES], ids: &[&str]) -> Case {
    let exchange = |(url, answer): (&&str, &Value)| {
        json!({ "request": { "method": "GET", "url": format!("{ENDPOINT}{url}") },
                "answer": { "status": 200, "body_json": answer } })
    };
    let cassette = json!({
        "cassette": 1, "about": "pages", "source": "made up", "at": "2026-11-20T10:00:00Z", "list": "instances",
        "account": { "provider": "p", "endpoint": ENDPOINT, "user": "u" },
        "exchanges": asked.iter().zip(&answers).map(exchange).collect::<Vec<_>>(),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pages.json");
    std::fs::write(&path, cassette.to_string()).expect("written");
    let resource = |id: &&str| Resource::Instance(instance(id));
    let listing = Listing {
        resources: ids.iter().map(resource).collect(),
        coverage: Coverage::Complete,
        usage: Usage::default(),
        memory: Default::default(),
    };
    let run = Run {
        outcome: Ok(listing),
        pages: Vec::new(),
        omitted: 0,
        page_cpu: Duration::ZERO,
        slept: Duration::ZERO,
        memory: Vec::new(),
        refused: Vec::new(),
        logged: Vec::new(),
        asked: asked.iter().map(|url| get(&format!("{ENDPOINT}{url}"))).collect(),
        sent: Vec::new(),
    };
    Case { cassette: Cassette::read(&path).expect("a cassette"), run }
}

fn instance(id: &str) -> Instance {
    Instance {
        id: ResourceId::parse(id).expect("an id"),
        name: None,
        owner: None,
        realm: None,
        image: None,
        hardware_profile: None,
        state: InstanceState::Running,
        provider_state: "on".into(),
        launched_at: None,
        public_addresses: Box::default(),
        private_addresses: Box::default(),
        labels: Box::default(),
    }
}

fn get(url: &str) -> Asked {
    let url = url::Url::parse(url).expect(url);
    Asked { method: Method::GET, url, headers: HeaderMap::new(), body: Bytes::new() }
}

/// What a chain's pages have on them, from the first to the last, and the cursors that lead there.
struct Followed {
    pages: Vec<Vec<String>>,
    cursors: Vec<String>,
    totals: Vec<Option<u64>>,
}

/// Follows a chain: the first request, and what an answer makes the next one of, none at the end.
async fn follow(made: &Made, first: &str, next: impl Fn(&Value) -> Option<(String, String)>) -> Followed {
    let mut followed = Followed { pages: Vec::new(), cursors: Vec::new(), totals: Vec::new() };
    let mut url = Some(format!("{ENDPOINT}{first}"));
    while let Some(asked) = url.take() {
        assert!(followed.pages.len() < 200, "it has an end");
        let answered = made.chain.answer(&get(&asked)).await.expect("an answer");
        assert_eq!(answered.status, StatusCode::OK, "{asked}: {:?}", answered.body);
        let answer: Value = serde_json::from_slice(&answered.body).expect("JSON");
        let id = |entry: &Value| entry["id"].as_str().map_or_else(|| entry["id"].to_string(), str::to_owned);
        followed.pages.push(answer["vms"].as_array().expect("a list").iter().map(id).collect());
        followed.totals.push(answer["total"].as_u64());
        if let Some((cursor, address)) = next(&answer) {
            followed.cursors.push(cursor);
            url = Some(address);
        }
    }
    followed
}

fn encoded(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

fn check(made: &Made, followed: &Followed, shape: Shape) {
    assert_eq!(followed.pages.len(), shape.pages);
    let ids: BTreeSet<String> = followed.pages.iter().flatten().cloned().collect();
    assert_eq!(ids, made.ids, "all that is on a page is expected, and nothing else");
    assert_eq!(ids.len(), followed.pages.iter().map(Vec::len).sum::<usize>(), "each id stands there once");
    let empty = followed.pages.iter().filter(|page| page.is_empty()).count();
    assert_eq!(empty > 0, shape.has_empty_pages);
    assert!(!followed.pages[0].is_empty() && !followed.pages[shape.pages - 1].is_empty(), "those are in the middle");
    let cursors: BTreeSet<&String> = followed.cursors.iter().collect();
    assert_eq!(cursors.len(), shape.pages - 1, "each page has a cursor of its own");
}

#[tokio::test]
async fn a_chain_with_odd_cursors_and_empty_pages_is_followed_to_its_end() {
    let answers = [
        json!({ "vms": [{ "id": "vm-1" }, { "id": "vm-2" }], "next": "c2Vjb25k", "total": 3 }),
        json!({ "vms": [{ "id": "vm-3" }], "next": null, "total": 3 }),
    ];
    let case = case(answers, ["/vms?limit=2", "/vms?limit=2&after=c2Vjb25k"], &["vm-1", "vm-2", "vm-3"]);
    let link = Link::of(&case).expect("two requests that differ in one parameter");
    assert!(link.has_free_cursors() && link.says_what_is_next());
    for pages in [20, 100] {
        for (cursors, has_empty_pages) in [(Cursors::Alike, false), (Cursors::Odd, false), (Cursors::Odd, true)] {
            let shape = Shape { pages, cursors, has_empty_pages, entries: 5, blanks: 0 };
            let made = link.chain(&case, shape);
            let followed = follow(&made, "/vms?limit=2", |answer| {
                let next = answer["next"].as_str()?;
                Some((next.to_owned(), format!("{ENDPOINT}/vms?limit=2&{}", encoded("after", next))))
            })
            .await;
            check(&made, &followed, shape);
            assert!(followed.totals.iter().all(|total| *total == Some(made.ids.len() as u64)), "it counts them all");
            if cursors == Cursors::Odd {
                for part in [" ", "&", "+", "%", "\"", "<"] {
                    assert!(followed.cursors.iter().any(|cursor| cursor.contains(part)), "{part:?} is in one of them");
                }
                assert!(followed.cursors.iter().any(|cursor| cursor.len() >= 1_500), "one of them is long");
            }
        }
    }
}

#[tokio::test]
async fn a_chain_follows_numbers_and_links() {
    let answers = [
        json!({ "vms": [{ "id": 11 }, { "id": 12 }], "links": { "next": format!("{ENDPOINT}/vms?size=2&page=2") }, "total": 3 }),
        json!({ "vms": [{ "id": 13 }], "links": {}, "total": 3 }),
    ];
    let case = case(answers, ["/vms?page=1&size=2", "/vms?page=2&size=2"], &["11", "12", "13"]);
    let link = Link::of(&case).expect("two requests that differ in one parameter");
    assert!(!link.has_free_cursors() && link.says_what_is_next());
    let shape = Shape { pages: 20, cursors: Cursors::Alike, has_empty_pages: true, entries: 0, blanks: 0 };
    let made = link.chain(&case, shape);
    let followed = follow(&made, "/vms?page=1&size=2", |answer| {
        let link = answer["links"]["next"].as_str()?;
        Some((link.to_owned(), link.to_owned()))
    })
    .await;
    check(&made, &followed, shape);
}

#[tokio::test]
async fn a_cursor_that_no_page_gave_shows() {
    let answers = [json!({ "vms": [{ "id": "vm-1" }], "next": "b" }), json!({ "vms": [{ "id": "vm-2" }] })];
    let case = case(answers, ["/vms", "/vms?after=b"], &["vm-1", "vm-2"]);
    let link = Link::of(&case).expect("two requests that differ in one parameter");
    let shape = Shape { pages: 20, cursors: Cursors::Odd, has_empty_pages: false, entries: 0, blanks: 0 };
    let made = link.chain(&case, shape);
    let answered = made.chain.answer(&get(&format!("{ENDPOINT}/vms?after=b"))).await.expect("an answer");
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    assert_eq!(made.chain.asked(), [None]);
}

#[tokio::test]
async fn the_last_page_is_not_the_next_one() {
    let second = format!("{ENDPOINT}/vms?size=2&page=2");
    let answers = [
        json!({ "vms": [{ "id": 11 }, { "id": 12 }], "links": { "next": second, "last": second } }),
        json!({ "vms": [{ "id": 13 }], "links": {} }),
    ];
    let case = case(answers, ["/vms?page=1&size=2", "/vms?page=2&size=2"], &["11", "12", "13"]);
    let link = Link::of(&case).expect("two requests that differ in one parameter");
    let shape = Shape { pages: 20, cursors: Cursors::Alike, has_empty_pages: false, entries: 0, blanks: 0 };
    let made = link.chain(&case, shape);
    let by = |name: &'static str| {
        move |answer: &Value| {
            let link = answer["links"][name].as_str()?;
            Some((link.to_owned(), link.to_owned()))
        }
    };
    let followed = follow(&made, "/vms?page=1&size=2", by("next")).await;
    check(&made, &followed, shape);
    let skipped = follow(&made, "/vms?page=1&size=2", by("last")).await;
    assert_eq!(skipped.pages.len(), 2, "the last page is the 20th");
}

#[tokio::test]
async fn a_cursor_that_is_called_the_last_and_stands_nowhere_else_leads_on() {
    let answers = [json!({ "vms": [{ "id": "vm-1" }], "last": "b" }), json!({ "vms": [{ "id": "vm-2" }] })];
    let case = case(answers, ["/vms", "/vms?after=b"], &["vm-1", "vm-2"]);
    let link = Link::of(&case).expect("two requests that differ in one parameter");
    let shape = Shape { pages: 20, cursors: Cursors::Alike, has_empty_pages: false, entries: 0, blanks: 0 };
    let made = link.chain(&case, shape);
    let followed = follow(&made, "/vms", |answer| {
        let last = answer["last"].as_str()?;
        Some((last.to_owned(), format!("{ENDPOINT}/vms?{}", encoded("after", last))))
    });
    check(&made, &followed.await, shape);
}

#[tokio::test]
async fn a_list_of_one_page_goes_on_as_another_one() {
    let second = format!("{ENDPOINT}/vms?size=50&page=2");
    let answers = [
        json!({ "vms": [{ "id": 11 }, { "id": 12 }], "links": { "next": second }, "meta": { "total": 3 } }),
        json!({ "vms": [{ "id": 13 }], "links": {}, "meta": { "total": 3 } }),
    ];
    let paged = case(answers, ["/vms?page=1&size=50", "/vms?page=2&size=50"], &["11", "12", "13"]);
    let link = Link::of(&paged).expect("two requests that differ in one parameter");
    assert_eq!(link.page_size(), Some(50));
    let zones = |beside: Value| {
        let mut answer = json!({ "vms": [{ "id": "z-1" }, { "id": "z-2" }] });
        answer.as_object_mut().expect("an object").extend(beside.as_object().expect("an object").clone());
        answer
    };
    let single = |asked: &str, beside: Value| case([zones(beside)], [asked], &["z-1", "z-2"]);
    let check = async |single: Case, asked: &str| {
        let borrowed = link.borrowed(&paged, &single).expect(asked);
        let shape = Shape { pages: 3, cursors: Cursors::Alike, has_empty_pages: false, entries: 0, blanks: 0 };
        let made = borrowed.chain(&single, shape);
        let followed = follow(&made, asked, |answer| {
            let link = answer["links"]["next"].as_str()?;
            Some((link.to_owned(), link.to_owned()))
        });
        check(&made, &followed.await, shape);
    };
    check(single("/zones", json!({ "links": {}, "meta": { "total": 2 } })), "/zones").await;
    check(single("/zones?size=50&page=1", json!({})), "/zones?size=50&page=1").await;
    check(single("/zones", json!({ "links": { "next": null } })), "/zones").await;
    for beside in [json!({}), json!({ "links": null }), json!({ "meta": { "total": 2 } })] {
        assert!(link.borrowed(&paged, &single("/zones", beside)).is_none(), "nothing leads on");
    }
}

#[tokio::test]
async fn a_list_may_end_with_an_empty_page() {
    let last = json!({ "vms": [], "next": null });
    let pages = [
        json!({ "vms": [{ "id": "vm-1" }], "next": "b" }),
        json!({ "vms": [{ "id": "vm-2" }], "next": "c" }),
        last.clone(),
    ];
    let three = case(pages, ["/vms", "/vms?after=b", "/vms?after=c"], &["vm-1", "vm-2"]);
    let two = case([json!({ "vms": [{ "id": "vm-1" }], "next": "b" }), last], ["/vms", "/vms?after=b"], &["vm-1"]);
    for case in [three, two] {
        let link = Link::of(&case).expect("two requests that differ in one parameter");
        let shape = Shape { pages: 20, cursors: Cursors::Alike, has_empty_pages: false, entries: 0, blanks: 0 };
        let made = link.chain(&case, shape);
        let followed = follow(&made, "/vms", |answer| {
            let next = answer["next"].as_str()?;
            Some((next.to_owned(), format!("{ENDPOINT}/vms?{}", encoded("after", next))))
        })
        .await;
        assert_eq!(followed.pages.len(), 20);
        assert!(followed.pages[19].is_empty() && followed.pages[..19].iter().all(|page| page.len() == 1));
        assert_eq!(followed.pages.into_iter().flatten().collect::<BTreeSet<_>>(), made.ids);
    }
}
