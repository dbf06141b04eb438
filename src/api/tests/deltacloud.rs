//! Answers to clients of the Deltacloud API, beyond what `tests/it/deltacloud.rs` shows with a real driver: long lists,
//! data that is known already, and bad requests.

use roxmltree::Document;

use super::*;
use crate::model::InstanceState::{Running, Stopped};

const XML: &str = "application/xml; charset=utf-8";

impl House {
    /// As the account's owner, who wants XML.
    async fn xml(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let authorization = basic("user", "right");
        let own = [("authorization", authorization.as_str()), ("accept", "application/xml")];
        self.send("GET", path, &[&own, headers].concat(), "").await
    }
}

/// The ids of a document's items.
fn ids_in(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(XML)), "{}", answer.body);
    let document = Document::parse(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
    let items = document.root_element().children().filter(roxmltree::Node::is_element);
    items.map(|item| item.attribute("id").expect("an id").to_owned()).collect()
}

async fn with_instances(number: usize) -> House {
    let house = House::with(|settings| settings.page_items = 2);
    let state = |number: usize| if number.is_multiple_of(2) { Running } else { Stopped };
    let all = (0..number).map(|number| instance(&format!("i-{number}"), "us", state(number)));
    house.poll(Kind::Instance, all.collect()).await;
    house
}

#[tokio::test]
async fn a_list_is_whole_however_many_pages_it_takes() {
    for number in 0..=7 {
        let house = with_instances(number).await;
        let answer = house.xml("/api/instances", &[]).await;
        let want: Vec<String> = (0..number).map(|number| format!("i-{number}")).collect();
        assert_eq!(ids_in(&answer), want);
        assert_eq!(answer.header("link"), None, "there is no next page");
        assert!(answer.header("tracker-cursor").is_some());
        // What is longer than a page is sent while it is read, so that nothing is known of it before.
        assert_eq!(answer.header("etag").is_some(), number <= 2, "{number}");
    }
    let house = with_instances(7).await;
    assert_eq!(ids_in(&house.xml("/api/instances?state=STOPPED", &[]).await), ["i-1", "i-3", "i-5"]);
    assert_eq!(ids_in(&house.xml("/api/instances?realm_id=us&state=RUNNING", &[]).await).len(), 4);
    let head = house.send("HEAD", "/api/instances?format=xml", &[("authorization", &basic("user", "right"))], "").await;
    assert_eq!((head.status, head.header("content-type"), head.body.as_str()), (200, Some(XML), ""));
}

#[tokio::test]
async fn who_sets_a_limit_goes_from_page_to_page() {
    let house = with_instances(3).await;
    let right = basic("user", "right");
    // What the path and the query said of driver and form, the links say, too.
    let mut next = Some("/api;driver=mock;provider=default/instances?limit=2&format=xml".to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let answer = house.send("GET", &path, &[("authorization", &right)], "").await;
        seen.push(ids_in(&answer));
        next = answer.header("link").map(|link| {
            let url = link.strip_prefix("<https://tracker.example").and_then(|link| link.split('>').next());
            url.unwrap_or_else(|| panic!("{link}")).to_owned()
        });
        assert!(next.as_ref().is_none_or(|next| next.starts_with("/api;driver=mock;provider=default/")), "{next:?}");
    }
    assert_eq!(seen, [vec!["i-0", "i-1"], vec!["i-2"]]);
}

#[tokio::test]
async fn a_word_that_is_no_state_fits_nothing() {
    let house = with_instances(3).await;
    let answer = house.xml("/api/instances?state=ASLEEP", &[]).await;
    assert_eq!(ids_in(&answer), Vec::<String>::new());
    assert!(answer.header("tracker-cursor").is_some());
    house.get("/api/instances?state=ASLEEP").await.problem(400, "invalid-parameter");
    // What else is wrong is told all the same.
    assert_eq!(house.xml("/api/instances?state=ASLEEP&limit=0", &[]).await.status, 400);
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again_in_xml_either() {
    let house = with_instances(2).await;
    let first = house.xml("/api/instances", &[]).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    let again = house.xml("/api/instances", &[("if-none-match", &tag)]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(again.header("vary"), first.header("vary"));
    house.poll(Kind::Instance, vec![instance("i-0", "us", Stopped)]).await;
    assert_eq!(house.xml("/api/instances", &[("if-none-match", &tag)]).await.status, 200);
}

#[tokio::test]
async fn errors_are_in_the_form_that_is_asked_for() {
    let house = with_instances(1).await;
    let check = async |path: &str, headers: &[(&str, &str)], want: (&str, &str)| {
        let answer = house.xml(path, headers).await;
        assert_eq!(answer.header("content-type"), Some(XML), "{path}: {}", answer.body);
        let document = Document::parse(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        let error = document.root_element();
        assert_eq!(error.attribute("status"), Some(want.0), "{}", answer.body);
        assert_eq!(answer.status.to_string(), want.0);
        let url = path.split('?').next();
        assert!(
            error.attribute("url").is_some_and(|path| url.is_some_and(|url| url.ends_with(path))),
            "{}",
            answer.body
        );
        let text = |name: &str| error.children().find(|child| child.has_tag_name(name)).and_then(|child| child.text());
        assert_eq!((text("kind"), text("code")), (Some(want.1), Some(want.0)));
        assert!(text("message").is_some_and(|message| !message.is_empty()), "{}", answer.body);
        answer
    };
    check("/api/instances/i-9", &[], ("404", "instance-not-found")).await;
    check("/api/instances/", &[], ("404", "not-found")).await;
    check("/api/hooks/9", &[], ("404", "hook-not-found")).await;
    check("/api/instances?colour=red", &[], ("400", "unknown-parameter")).await;
    check("/api/instances?format=xml&format=xml", &[], ("400", "invalid-parameter")).await;
    check("/api/instances?id=%f", &[], ("400", "malformed-request")).await;
    check(
        "/api/realms/us",
        &[("x-deltacloud-driver", "gce"), ("x-deltacloud-provider", "x")],
        ("400", "unknown-driver"),
    )
    .await;
    check("/api/realms/a%01", &[], ("400", "invalid-id")).await;
    let answer = house.send("GET", "/api/realms", &[("accept", "application/xml")], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (401, Some(XML)));
    assert_eq!(answer.header("www-authenticate"), Some(r#"Basic realm="tracker""#));
    // An error of what is in the path is told to those who want JSON, too.
    house.get("/api;color=red/realms").await.problem(400, "unknown-parameter");
    let answer = house.xml("/api;color=red/realms", &[]).await;
    assert!(answer.status == 400 && answer.body.contains("<kind>unknown-parameter</kind>"), "{}", answer.body);
}

#[tokio::test]
async fn a_hook_is_set_and_shown_in_xml() {
    let house = with_instances(1).await;
    let right = basic("user", "right");
    let headers = [("authorization", right.as_str()), ("accept", "application/xml")];
    let put = async |path: &str| house.send("PUT", path, &headers, "").await;
    let track = |answer: &Answer| {
        let document = Document::parse(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
        let track = document.root_element().children().find(|child| child.has_tag_name("track"))?;
        let text = |name: &str| track.children().find(|child| child.has_tag_name(name)).and_then(|child| child.text());
        Some((text("hook")?.to_owned(), text("token")?.to_owned(), text("secret").is_some()))
    };
    let set = put("/api/instances/i-0?track_hook=https://93.184.216.34/cb?a%26b&track_token=s3cret").await;
    assert_eq!((set.status, track(&set)), (200, Some(("https://93.184.216.34/cb?a&b".into(), "true".into(), true))));
    let shown = house.xml("/api/instances/i-0", &[]).await;
    assert_eq!(track(&shown), Some(("https://93.184.216.34/cb?a&b".into(), "true".into(), false)));
    assert!(!shown.body.contains("s3cret"), "{}", shown.body);
    let unseen = put("/api/instances/i-9?track_hook=https://93.184.216.34/cb").await;
    assert_eq!((unseen.status, track(&unseen).map(|track| track.1)), (202, Some("false".into())));
    let removed = put("/api/instances/i-0?track_hook=none").await;
    assert_eq!((removed.status, track(&removed)), (200, None));
}

#[tokio::test]
async fn the_entry_point_is_found_from_the_host_alone() {
    let house = House::new();
    let answer = house.send("GET", "/", &[], "").await;
    assert_eq!((answer.status, answer.header("location")), (307, Some("https://tracker.example/api")));
    let entry = house.send("GET", "/api;driver=mock;provider=a%20b", &[], "").await.ok();
    assert_eq!((&entry["driver"], &entry["provider"]), (&"mock".into(), &"a b".into()));
    let links = entry["links"].as_array().expect("links");
    let realms = links.iter().find(|link| link["rel"] == "realms").expect("realms");
    assert_eq!(realms["href"], "https://tracker.example/api;driver=mock;provider=a%20b/realms");
}
