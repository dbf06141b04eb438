//! The way through the zones: which are asked, in which order, and what one that fails leaves of the list.

use scaleway::{Scaleway, zone};
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Page, Query, RealmState};

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Account { options, ..Account::new("main", "https://api.scaleway.com", "me") }
}

/// An answer with these ids, the first of so many servers.
fn of(ids: &[&str], total: &str) -> Answer {
    let servers: Vec<_> = ids.iter().map(|id| serde_json::json!({ "id": id, "state": "running" })).collect();
    Answer::new(200).header("X-Total-Count", total).body(serde_json::json!({ "servers": servers }).to_string())
}

fn next(answer: Answer, page: u64) -> Answer {
    answer.header("Link", &format!("</servers?page={page}&per_page=100>; rel=\"next\""))
}

fn down() -> Answer {
    Answer::new(503).body(r#"{"type": "unavailable", "message": "no"}"#)
}

/// What came of all pages.
#[derive(Debug, Default)]
struct Listed {
    ids: Vec<String>,
    totals: Vec<Option<u64>>,
    partial: Vec<String>,
    /// Zone and page of each request.
    asked: Vec<String>,
}

fn list(zones: &str, answers: Vec<Answer>) -> Result<Listed, Error> {
    let host = answers.into_iter().fold(Host::new().secret("password", "s3cret-key"), Host::answer);
    let (listed, seen) = host.run(|| {
        let (mut listed, mut cursor) = (Listed::default(), None);
        loop {
            let query = Query { cursor, ..Query::default() };
            let page: Page<_> = Scaleway::list_instances(&account(&[("zones", zones)]), &query)?;
            listed.ids.extend(page.items.into_iter().map(|item| item.id));
            listed.totals.push(page.total);
            if let Coverage::Partial(why) = page.coverage {
                listed.partial.push(why);
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok::<_, Error>(listed);
            }
        }
    });
    let mut listed = listed?;
    for sent in seen.sent {
        let (path, query) = sent.url.split_once('?').expect("a query");
        let zone = path.split('/').nth(6).expect("a zone");
        let page = query.split('&').find_map(|pair| pair.strip_prefix("page=")).expect("a page");
        listed.asked.push(format!("{zone} {page}"));
    }
    Ok(listed)
}

#[test]
fn each_zone_is_listed_to_its_end_and_all_are_counted() {
    let answers = vec![next(of(&["a", "b"], "3"), 2), of(&["c"], "3"), of(&[], "0"), of(&["d"], "1")];
    let listed = list("fr-par-1, nl-ams-1,pl-waw-2", answers).unwrap();
    assert_eq!(listed.ids, ["a", "b", "c", "d"]);
    assert_eq!(listed.asked, ["fr-par-1 1", "fr-par-1 2", "nl-ams-1 1", "pl-waw-2 1"]);
    assert_eq!(listed.totals, [None, None, None, Some(4)], "all are known at the end");
    assert!(listed.partial.is_empty());
}

#[test]
fn all_zones_are_asked_unless_some_are_named() {
    assert_eq!(zone::of(&account(&[])).unwrap(), zone::ALL);
    let (page, seen) = Host::new().run(|| Scaleway::list_realms(&account(&[]), &Query::default()));
    let realms = page.unwrap().items;
    assert!(realms.iter().all(|realm| realm.state == RealmState::Available && realm.name == realm.id));
    assert_eq!((realms.len(), seen.sent.len()), (10, 0));
}

#[test]
fn a_server_is_in_the_zone_that_was_asked_unless_it_says_so() {
    let servers =
        r#"{"servers": [{"id": "a", "state": "running"}, {"id": "b", "state": "running", "zone": "fr-par-1"}]}"#;
    let host = Host::new().secret("password", "s3cret-key");
    let host = host.answer(Answer::new(200).header("X-Total-Count", "2").body(servers));
    // Named as it was before there were regions.
    let account = account(&[("zones", "par1")]);
    let (page, seen) = host.run(|| Scaleway::list_instances(&account, &Query::default()));
    let realms: Vec<_> = page.unwrap().items.into_iter().filter_map(|item| item.realm).collect();
    assert_eq!(realms, ["par1", "fr-par-1"]);
    assert!(seen.sent[0].url.starts_with("https://api.scaleway.com/instance/v1/zones/par1/servers?"));
    assert_eq!(zone::of(&self::account(&[("zones", "ams1,nl-ams-2")])).unwrap(), ["ams1", "nl-ams-2"]);
}

#[test]
fn a_zone_that_fails_leaves_the_others() {
    for (answers, ids, zone) in [
        (vec![down(), of(&["a"], "1"), of(&["b"], "1")], vec!["a", "b"], "fr-par-1"),
        (vec![of(&["a"], "1"), Answer::new(500).body("<html>"), of(&["b"], "1")], vec!["a", "b"], "nl-ams-1"),
        (vec![of(&["a"], "1"), of(&["b"], "1"), of(&["c"], "1").broken("reset")], vec!["a", "b"], "pl-waw-2"),
        (vec![of(&[], "0"), of(&[], "0"), down()], vec![], "pl-waw-2"),
        // In the middle of it: what it gave stays.
        (vec![next(of(&["a"], "2"), 2), down(), of(&["b"], "1"), of(&[], "0")], vec!["a", "b"], "fr-par-1"),
        (vec![of(&[], "0"), Answer::new(404).body("<html>"), of(&["a"], "1")], vec!["a"], "nl-ams-1"),
        // It is not there.
        (
            vec![Answer::new(404).body(r#"{"type": "not_found", "message": "no"}"#), of(&["a"], "1"), of(&[], "0")],
            vec!["a"],
            "fr-par-1",
        ),
    ] {
        let listed = list("fr-par-1,nl-ams-1,pl-waw-2", answers).unwrap();
        assert_eq!(listed.ids, ids, "{zone}");
        assert_eq!(listed.partial.len(), 1, "{listed:?}");
        let why = &listed.partial[0];
        assert!(
            why.starts_with(&format!("{zone} is left out: GET https://api.scaleway.com/instance/v1/zones/")),
            "{why}"
        );
        assert!(listed.totals.iter().all(Option::is_none), "it is not known how many there are");
    }
}

#[test]
fn where_no_zone_answers_the_list_fails() {
    for zones in ["fr-par-1", "fr-par-1,nl-ams-1", "fr-par-1,nl-ams-1,pl-waw-1"] {
        let answers = zones.split(',').map(|_| down()).collect();
        assert!(matches!(list(zones, answers), Err(Error::Unavailable(_))), "{zones}");
    }
    assert!(matches!(list("fr-par-1", vec![]), Err(Error::Unavailable(_))));
    let absent = || Answer::new(404).body("<html>");
    assert!(matches!(list("fr-par-1,nl-ams-1", vec![absent(), absent()]), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn what_is_of_all_zones_fails_the_list() {
    let denied =
        |status: u16, kind: &str| Answer::new(status).body(format!(r#"{{"type": "{kind}", "message": "no"}}"#));
    let after_one =
        |answer: Answer| list("fr-par-1,nl-ams-1,pl-waw-1", vec![of(&["a"], "1"), answer]).expect_err("no list");
    assert!(matches!(after_one(denied(401, "denied_authentication")), Error::Unauthorized(_)));
    assert!(matches!(after_one(denied(403, "permissions_denied")), Error::Forbidden(_)));
    assert!(matches!(after_one(denied(429, "too_many_requests")), Error::Throttled(_)));
    for odd in [
        denied(404, "other"),
        denied(400, "invalid_request_error"),
        Answer::new(200).body(r#"{"servers": [{"id": "b"}]}"#),
        Answer::new(200).body("<html>log in</html>"),
    ] {
        assert!(matches!(after_one(odd), Error::UnexpectedAnswer(_)));
    }
}

#[test]
fn a_zone_that_changes_while_it_is_listed_makes_the_list_partial() {
    let listed = list("fr-par-1,nl-ams-1", vec![next(of(&["a"], "3"), 2), of(&["b"], "2"), of(&[], "0")]).unwrap();
    assert_eq!(listed.partial, ["fr-par-1 had 3 servers, and then 2: it changed while it was listed"]);
    assert_eq!(listed.totals.last(), Some(&Some(2)));
    let uncounted = Answer::new(200).body(r#"{"servers": []}"#);
    let listed = list("fr-par-1,nl-ams-1", vec![uncounted, of(&["b"], "1")]).unwrap();
    assert_eq!(listed.partial, ["fr-par-1 does not say how many servers it has"]);
    assert_eq!(listed.totals, [None, None]);
}

#[test]
fn cursors_are_the_drivers_own() {
    let account = account(&[("zones", "fr-par-1,nl-ams-1")]);
    for odd in [
        "",
        "2",
        "fr-par-1/2",
        "fr-par-9/1/0//y",
        "fr-par-1/x/0//y",
        "fr-par-1/1/x//y",
        "fr-par-1/1/0/-1/y",
        "fr-par-1/1/0//z",
        "fr-par-1/1/0//y/",
    ] {
        let query = Query { cursor: Some(odd.into()), ..Query::default() };
        let (page, seen) = Host::new().run(|| Scaleway::list_instances(&account, &query));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{odd}: {page:?}");
        assert!(seen.sent.is_empty(), "{odd}");
    }
}

#[test]
fn options_are_checked_before_anything_is_asked() {
    const ID: &str = "11111111-2222-4333-8444-555555555555";
    let many: Vec<String> = (0..21).map(|number| format!("fr-par-{number}")).collect();
    let check = |name: &str, value: &str| {
        let account = account(&[(name, value)]);
        let (page, seen) = Host::new().run(|| Scaleway::list_instances(&account, &Query::default()));
        let Err(Error::InvalidAccount(why)) = page else { panic!("{name} {value}: {page:?}") };
        assert!(why.contains(&format!("`{name}`")) && seen.sent.is_empty(), "{why}");
    };
    let odd_zones = [
        "",
        ",",
        "fr-par",
        "FR-PAR-1",
        "par2",
        "fr-par-1;nl-ams-1",
        "fr-par-1,",
        "fr-par-1,fr-par-1",
        "fr-par-1/..",
        "é-par-1",
    ];
    odd_zones.into_iter().chain([many.join(",").as_str()]).for_each(|zones| check("zones", zones));
    for name in ["project", "organization"] {
        for odd in ["", "blue", &ID[1..], &ID.replace('-', ""), &ID.replace('1', "g"), &format!("{ID}&x=1")] {
            check(name, odd);
        }
    }
    let ok = account(&[("zones", "fr-par-1"), ("organization", ID), ("project", ID)]);
    let host = Host::new().secret("password", "s3cret-key").answer(of(&["a"], "1"));
    let (page, seen) = host.run(|| Scaleway::list_instances(&ok, &Query::default()));
    assert_eq!(page.unwrap().total, Some(1));
    let base =
        "https://api.scaleway.com/instance/v1/zones/fr-par-1/servers?per_page=100&page=1&order=creation_date_asc";
    assert_eq!(seen.sent[0].url, format!("{base}&project={ID}&organization={ID}"));
}
