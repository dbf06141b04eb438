//! The whole driver against a pretend host: what it sends, and what it makes of each failure.

use nutanix::Nutanix;
use serde_json::{Value, json};
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Driver, Error, Instance, Query};

const E: &str = "https://prism.example:9440";
const VMS: &str = "/api/vmm/v4.0/ahv/config/vms";
const CLUSTERS: &str = "/api/clustermgmt/v4.0/config/clusters";
const CATEGORIES: &str = "/api/prism/v4.0/config/categories";
const ID: &str = "4e0c9101-77aa-4d1e-8b0c-5a2f6d3e9001";
const OTHER: &str = "4e0c9101-77aa-4d1e-8b0c-5a2f6d3e9002";

fn account(options: &[(&str, &str)]) -> Account {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Account { options, ..Account::new("lab", E, "tracker") }
}

fn vm(id: &str, categories: &[&str]) -> Value {
    let categories: Vec<Value> = categories.iter().map(|id| json!({ "extId": id })).collect();
    json!({ "extId": id, "powerState": "ON", "categories": categories })
}

fn list(entries: Value, total: u64) -> Answer {
    Answer::new(200).body(json!({ "data": entries, "metadata": { "totalAvailableResults": total } }).to_string())
}

fn refusal(status: u16) -> Answer {
    let messages = json!([{ "message": "because", "code": "VMM-1" }, { "message": "and" }]);
    let body =
        json!({ "data": { "error": messages }, "metadata": { "flags": [{ "name": "hasError", "value": true }] } });
    Answer::new(status).body(body.to_string())
}

/// All pages of a list, and the paths that were asked for.
fn instances(
    account: &Account,
    ids: &[&str],
    answers: Vec<Answer>,
) -> (Result<Vec<Instance>, Error>, Vec<String>, Seen) {
    let host = answers.into_iter().fold(Host::new().user("tracker").secret("password", "t0ken-of-mine"), Host::answer);
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let (found, seen) = host.run(|| {
        let (mut items, mut cursor) = (Vec::new(), None);
        loop {
            let page = Nutanix::list_instances(account, &Query { cursor, ids: ids.clone(), ..Query::default() })?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(items);
            }
        }
    });
    let paths = seen.sent.iter().map(|sent| sent.url.trim_start_matches(E).to_owned()).collect();
    (found, paths, seen)
}

fn page_of(path: &str, number: u64) -> String {
    format!("{path}?%24page={number}&%24limit=100")
}

#[test]
fn machines_are_listed_page_by_page() {
    let (found, paths, seen) =
        instances(&account(&[]), &[], vec![list(json!([vm(ID, &[])]), 101), list(json!([vm(OTHER, &[])]), 101)]);
    assert_eq!(found.unwrap().iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), [ID, OTHER]);
    assert_eq!(paths, [page_of(VMS, 0), page_of(VMS, 1)]);
    let basic = format!("Basic {}", Host::placeholder("password", Encoding::Basic));
    assert!(seen.sent.iter().all(|sent| sent.header("authorization") == Some(&basic)));

    let (_, _, seen) = instances(&account(&[("authentication", "api-key")]), &[], vec![list(json!([vm(ID, &[])]), 1)]);
    assert_eq!(seen.sent[0].header("x-ntnx-api-key"), Some(&*Host::placeholder("password", Encoding::Raw)));
    assert_eq!(seen.sent[0].header("authorization"), None);
    assert!(!format!("{seen:?}").contains("t0ken-of-mine"));
}

#[test]
fn categories_get_their_names_where_the_account_wants_them() {
    let category = |id: &str, key: &str, value: &str| json!({ "extId": id, "key": key, "value": value });
    let names = account(&[("categories", "names")]);
    let links = json!([{ "rel": "next", "href": "/x?$page=1" }]);
    let first = json!({ "data": [category("1", "Team", "red"), category("2", "Tier", "")],
                        "metadata": { "totalAvailableResults": 3, "links": links } });
    let answers = vec![
        list(json!([vm(ID, &["1", "3", "2", "9"])]), 101),
        Answer::new(200).body(first.to_string()),
        list(json!([category("3", "Team", "blue")]), 3),
        list(json!([vm(OTHER, &["2"])]), 101),
    ];
    let (found, paths, _) = instances(&names, &[], answers);
    let found = found.unwrap();
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    assert_eq!(found[0].labels, pairs(&[("9", ""), ("Team", "blue,red"), ("Tier", "")]));
    assert_eq!(found[1].labels, pairs(&[("Tier", "")]));
    assert_eq!(paths, [page_of(VMS, 0), page_of(CATEGORIES, 0), page_of(CATEGORIES, 1), page_of(VMS, 1)]);
    // A page that leads on for ever ends, too.
    let endless = (1..=102).map(|next| {
        let links = json!([{ "rel": "next", "href": format!("/x?$page={next}") }]);
        Answer::new(200)
            .body(json!({ "data": [], "metadata": { "totalAvailableResults": 0, "links": links } }).to_string())
    });
    let (found, paths, _) =
        instances(&names, &[], [list(json!([vm(ID, &["1"])]), 1)].into_iter().chain(endless).collect());
    assert!(matches!(found, Err(Error::UnexpectedAnswer(_))) && paths.len() == 101, "{found:?} {}", paths.len());
}

#[test]
fn categories_are_asked_for_once_and_only_where_a_machine_has_one() {
    let names = account(&[("categories", "names")]);
    let one = |id: &str, categories: &[&str]| Answer::new(200).body(json!({ "data": vm(id, categories) }).to_string());
    let categories = || list(json!([{ "extId": "1", "key": "Team", "value": "red" }]), 1);
    let answers = vec![list(json!([vm(ID, &[])]), 101), list(json!([vm(OTHER, &["1"])]), 101), categories()];
    let (found, paths, _) = instances(&names, &[], answers);
    assert_eq!(found.unwrap()[1].labels, [("Team".to_owned(), "red".to_owned())]);
    assert_eq!(paths, [page_of(VMS, 0), page_of(VMS, 1), page_of(CATEGORIES, 0)]);
    let (_, paths, _) = instances(&names, &[], vec![list(json!([vm(ID, &[])]), 1)]);
    assert_eq!(paths, [page_of(VMS, 0)]);
    // Whichever of the single machines has one: the first is no id here, and the second is gone.
    let answers = vec![refusal(404), one(ID, &["1"]), categories()];
    let (found, paths, _) = instances(&names, &["..", OTHER, ID], answers);
    assert_eq!(found.unwrap()[0].labels, [("Team".to_owned(), "red".to_owned())]);
    assert_eq!(paths, [format!("{VMS}/{OTHER}"), format!("{VMS}/{ID}"), page_of(CATEGORIES, 0)]);
    let (found, paths, _) = instances(&names, &[ID, OTHER], vec![one(ID, &["1"]), categories(), one(OTHER, &["1"])]);
    assert_eq!((found.unwrap()[1].labels[0].0.as_str(), paths.len()), ("Team", 3));
}

#[test]
fn without_all_categories_there_is_no_list() {
    let names = account(&[("categories", "names")]);
    let category = json!({ "extId": "1", "key": "Team", "value": "red" });
    let truncated = json!({ "totalAvailableResults": 1, "flags": [{ "name": "isTruncated", "value": true }] });
    for (answer, kind) in [
        (Answer::new(200).body(json!({ "data": [category], "metadata": truncated }).to_string()), "UnexpectedAnswer"),
        (Answer::new(200).body(json!({ "data": [category], "metadata": {} }).to_string()), "UnexpectedAnswer"),
        // One was removed from the first page while the list was read.
        (list(json!([category]), 2), "UnexpectedAnswer"),
        (refusal(403), "Forbidden"),
        (refusal(429), "Throttled"),
        (refusal(503), "Unavailable"),
    ] {
        let (found, _, _) = instances(&names, &[], vec![list(json!([vm(ID, &["1"])]), 1), answer]);
        let error = format!("{:?}", found.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains("categories"), "{kind}: {error}");
    }
}

#[test]
fn an_empty_list_is_right_only_for_a_user_that_sees_a_cluster() {
    let none = || list(json!([]), 0);
    let absent = || Answer::new(200).body(json!({ "metadata": { "totalAvailableResults": 0 } }).to_string());
    let (found, paths, _) = instances(&account(&[]), &[], vec![none(), list(json!([{ "extId": "c" }]), 1)]);
    assert_eq!((found, paths), (Ok(vec![]), vec![page_of(VMS, 0), page_of(CLUSTERS, 0)]));
    for (machines, clusters) in [(none(), none()), (absent(), absent()), (none(), refusal(403))] {
        let (found, _, _) = instances(&account(&[]), &[], vec![machines, clusters]);
        assert!(matches!(found, Err(Error::Forbidden(_))), "{found:?}");
    }
    let (found, _, _) = instances(&account(&[]), &[], vec![none(), refusal(503)]);
    assert!(matches!(found, Err(Error::Unavailable(_))), "{found:?}");
    // Single machines that are not there say nothing of rights.
    let (found, paths, _) = instances(&account(&[]), &[ID], vec![refusal(404)]);
    assert_eq!((found, paths.len()), (Ok(vec![]), 1));
}

#[test]
fn single_machines_are_asked_for_one_by_one_and_may_be_absent() {
    let one = |id: &str| Answer::new(200).body(json!({ "data": vm(id, &[]) }).to_string());
    let (found, paths, _) = instances(&account(&[]), &[OTHER, "..", ID], vec![refusal(404), one(ID)]);
    assert_eq!(found.unwrap().iter().map(|item| item.id.as_str()).collect::<Vec<_>>(), [ID]);
    assert_eq!(paths, [format!("{VMS}/{OTHER}"), format!("{VMS}/{ID}")]);
    let many: Vec<String> = (0..21).map(|number| format!("4e0c9101-77aa-4d1e-8b0c-5a2f6d3e90{number:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(instances(&account(&[]), &many, vec![Answer::new(503)]).1, [page_of(VMS, 0)]);
    // A 404 that is not the API's own says nothing of a machine; nor does an answer with another one.
    for answer in
        [Answer::new(404), Answer::new(404).body("<html>"), refusal(200), refusal(400), one(OTHER), list(json!([]), 0)]
    {
        let (found, _, _) = instances(&account(&[]), &[ID], vec![answer]);
        assert!(matches!(found, Err(Error::UnexpectedAnswer(_))), "{found:?}");
    }
}

#[test]
fn clusters_are_asked_for_by_their_own_path() {
    let host = Host::new()
        .secret("password", "x")
        .answer(list(json!([{ "extId": "c", "config": { "isAvailable": true } }]), 1));
    let (page, seen) = host.run(|| Nutanix::list_realms(&account(&[]), &Query::default()));
    assert_eq!(page.unwrap().items.len(), 1);
    assert_eq!(seen.sent[0].url, format!("{E}{}", page_of(CLUSTERS, 0)));
}

#[test]
fn an_account_that_is_not_usable_asks_nothing() {
    for option in [("authentication", "Basic"), ("authentication", ""), ("categories", "all"), ("categories", "")] {
        let (found, paths, _) = instances(&account(&[option]), &[], vec![]);
        assert!(matches!(found, Err(Error::InvalidAccount(_))) && paths.is_empty(), "{option:?}: {found:?}");
        let (found, _) = Host::new().run(|| Nutanix::list_realms(&account(&[option]), &Query::default()));
        assert!(matches!(found, Err(Error::InvalidAccount(_))), "{option:?}: {found:?}");
    }
    let (found, _) = Host::new().run(|| Nutanix::list_instances(&account(&[]), &Query::default()));
    assert!(matches!(found, Err(Error::InvalidAccount(_))), "{found:?}");
}

#[test]
fn errors_are_told_in_the_words_of_prism_central() {
    let check = |answer: Answer, kind: &str, words: &str| {
        let error = format!("{:?}", instances(&account(&[]), &[], vec![answer]).0.expect_err("no list"));
        assert!(error.starts_with(&format!("Error::{kind}(")) && error.contains(words), "{kind} {words}: {error}");
        assert!(error.contains("GET https://prism.example:9440/api/vmm/v4.0/ahv/config/vms"), "{error}");
    };
    for (status, kind) in [
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (429, "Throttled"),
        (500, "Unavailable"),
        (503, "Unavailable"),
        (400, "UnexpectedAnswer"),
        (404, "UnexpectedAnswer"),
        (200, "UnexpectedAnswer"),
    ] {
        check(refusal(status), kind, &format!("answered {status}: VMM-1: because; and"));
        check(Answer::new(status).body("<html>Sign in</html>"), kind, "Sign in");
    }
    for (code, kind) in
        [(401, "Unauthorized"), (403, "Forbidden"), (429, "Throttled"), (503, "Unavailable"), (400, "UnexpectedAnswer")]
    {
        let fault = json!({ "statusCode": code, "error": "No", "validationErrorMessages": [{ "message": "why" }] });
        for status in [200, 400] {
            let body = json!({ "data": { "error": fault } }).to_string();
            check(Answer::new(status).body(body), kind, &format!("answered {status}: No; why"));
        }
    }
    check(Answer::new(302).header("Location", "https://login.example/"), "UnexpectedAnswer", "not followed");
    check(Answer::new(200).body(r#"{"data": ["#), "Unavailable", "broke off");
}

#[test]
fn a_throttled_request_says_how_long() {
    let check = |headers: &[(&str, &str)], expected: Option<u32>| {
        let answer = headers.iter().fold(refusal(429), |answer, (name, value)| answer.header(name, value));
        let (found, _, _) = instances(&account(&[]), &[], vec![answer]);
        assert!(
            matches!(&found, Err(Error::Throttled(throttle)) if throttle.retry_after == expected),
            "{headers:?} {found:?}"
        );
    };
    check(&[], None);
    check(&[("X-Api-RateLimit-Refresh-Period-Seconds", "1"), ("X-Api-RateLimit-Reset", "128")], Some(1));
    check(&[("X-Api-RateLimit-Refresh-Period-Seconds", "60"), ("Retry-After", "7")], Some(7));
    for none in ["0", "-1", "soon", "99999999999", "3601"] {
        check(&[("X-Api-RateLimit-Refresh-Period-Seconds", none)], None);
    }
    check(&[("X-RateLimit-Reset", "0"), ("X-RateLimit-Remaining", "0")], None);
}
