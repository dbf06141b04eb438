//! Resource Graph against a pretend host.

use crate::setup::{SUBSCRIPTION, account, fixture, granted, host, list, none, ok, paths};
use serde_json::{Value, json};
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Address, Coverage, Error};

fn graph() -> Account {
    account(&[("source", "resource-graph"), ("scale-sets", "none")])
}

/// The entries of a fixture as rows.
fn rows(name: &str) -> Vec<Value> {
    let list: Value = serde_json::from_slice(&fixture(name)).expect("JSON");
    let row = |mut row: Value| {
        row["type"] = row["type"].as_str().map(str::to_lowercase).into();
        row
    };
    list["value"].as_array().expect("a list").iter().cloned().map(row).collect()
}

fn answer(rows: &[Value], total: u64, next: Option<&str>) -> Answer {
    let mut body = json!({ "totalRecords": total, "count": rows.len(), "data": rows, "resultTruncated": "false" });
    if let Some(next) = next {
        body["$skipToken"] = next.into();
    }
    ok(body.to_string())
}

fn run(
    answers: Vec<Answer>,
) -> (Result<tracker_driver_sdk::Page<tracker_driver_sdk::Instance>, Error>, Vec<String>, Vec<Value>) {
    let (listed, seen) = answers.into_iter().fold(host().answer(granted()), Host::answer).run(|| list(&graph()));
    let bodies = seen.sent.iter().skip(1).map(|sent| serde_json::from_slice(&sent.body).unwrap_or_default()).collect();
    (listed, paths(&seen), bodies)
}

#[test]
fn rows_are_joined_over_pages() {
    let mut machines = rows("machines");
    machines[0]["properties"]["extended"] =
        json!({ "instanceView": { "powerState": { "code": "PowerState/running" } } });
    let before: Vec<Value> = rows("public-addresses").into_iter().chain(rows("interfaces")).collect();
    let token = "ew0K/+==";
    let (listed, paths, bodies) = run(vec![answer(&before, 10, Some(token)), answer(&machines, 10, None)]);
    let page = listed.unwrap();
    assert_eq!((page.items.len(), page.omitted, page.coverage), (3, 7, Coverage::Complete));
    assert_eq!(page.items[0].public_addresses[0], Address::ipv4("203.0.113.10"));
    assert_eq!(page.items[0].provider_state, "PowerState/running");
    assert_eq!(page.items[1].provider_state, "Succeeded");
    assert_eq!(paths[1..], ["/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"; 2]);
    assert_eq!(bodies[0]["subscriptions"], json!([SUBSCRIPTION]));
    assert_eq!(bodies[0]["options"], json!({ "$top": 1000, "resultFormat": "objectArray" }));
    assert_eq!(bodies[1]["options"]["$skipToken"], token);
    assert_eq!(bodies[0]["query"], bodies[1]["query"]);
}

#[test]
fn less_than_everything_is_partial_and_nothing_is_confirmed() {
    let machines = rows("machines");
    let partial = |answer: Answer| matches!(run(vec![answer]).0.unwrap().coverage, Coverage::Partial(_));
    assert!(!partial(answer(&machines, 3, None)));
    assert!(partial(answer(&machines, 4, None)));
    assert!(partial(answer(&machines, 3, None).header("x-ms-tenant-subscription-limit-hit", "true")));
    for (truncated, is_cut) in [
        (json!("true"), true),
        (json!("True"), true),
        (json!(true), true),
        (json!("false"), false),
        (json!(false), false),
        (json!(null), false),
    ] {
        let body = json!({ "totalRecords": 3, "data": machines, "resultTruncated": truncated });
        assert_eq!(partial(ok(body.to_string())), is_cut, "{truncated}");
    }
    // No rows at all may mean no rights.
    let (listed, paths, _) = run(vec![answer(&[], 0, None), none()]);
    assert_eq!(listed.unwrap().coverage, Coverage::Complete);
    assert!(paths[2].contains("/providers/Microsoft.Compute/virtualMachines?"), "{paths:?}");
    let (listed, ..) = run(vec![answer(&[], 0, None), ok(fixture("machines"))]);
    assert!(matches!(listed.unwrap().coverage, Coverage::Partial(_)));
    let (listed, ..) = run(vec![answer(&[], 0, None), Answer::new(403).body(fixture("error-forbidden"))]);
    assert!(matches!(listed, Err(Error::Forbidden(_))), "{listed:?}");
}

#[test]
fn what_is_no_list_of_rows_is_an_error() {
    for body in [
        "{}",
        r#"{"data": null}"#,
        r#"{"data": [{}]}"#,
        r#"{"data": [{"type": "microsoft.storage/accounts", "id": "/subscriptions/s"}]}"#,
        r#"{"data": [], "error": {"code": "x", "message": "y"}}"#,
        "<html>",
    ] {
        let (listed, ..) = run(vec![ok(body)]);
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{body}: {listed:?}");
    }
    let limited = r#"{"error": {"code": "RateLimiting", "message": "slow"}}"#;
    let waiting = Answer::new(429).header("x-ms-user-quota-resets-after", "00:00:05").body(limited);
    let Err(Error::Throttled(throttle)) = run(vec![waiting]).0 else { panic!("throttled") };
    assert_eq!(throttle.retry_after, Some(5));
}
