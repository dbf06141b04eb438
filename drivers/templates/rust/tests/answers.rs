//! What is made of recorded answers, whole and broken. They are the bodies that the cassettes play, too.

use {{name_snake}}::answer;

use tracker_driver_sdk::{Coverage, Error, InstanceState, RealmState};

fn recorded(name: &str) -> Vec<u8> {
    let path = format!("{}/cassettes/bodies/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn a_server_is_read_to_the_last_field() {
    let page = answer::servers(&recorded("servers-page-1.json")).expect("a list");
    assert_eq!(page.next.as_deref(), Some("srv-1004"));
    assert_eq!(page.coverage, Coverage::Complete);
    let server = &page.items[0];
    assert_eq!(server.id, "srv-1001");
    assert_eq!(server.name.as_deref(), Some("web-1"));
    assert_eq!(server.state, InstanceState::Running);
    assert_eq!(server.provider_state, "running");
    assert_eq!(server.realm.as_deref(), Some("north-1"));
    assert_eq!(server.image.as_deref(), Some("img-debian-13"));
    assert_eq!(server.hardware_profile.as_deref(), Some("small"));
    // 2026-11-02T08:15:00Z.
    assert_eq!(server.launched_at, Some(1_793_607_300_000));
    assert_eq!(server.public_addresses[0].value, "203.0.113.10");
    assert_eq!(server.private_addresses[0].value, "10.0.0.10");
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(server.labels, [label("role", "web"), label("team", "shop")]);
}

#[test]
fn each_state_has_its_meaning_and_keeps_its_word() {
    let check = |word: &str, state: InstanceState| {
        let body = format!(r#"{{"servers": [{{"id": "s", "status": "{word}"}}], "next": null}}"#);
        let page = answer::servers(body.as_bytes()).expect("a list");
        assert_eq!(page.items[0].state, state, "{word}");
        assert_eq!(page.items[0].provider_state, word);
    };
    check("creating", InstanceState::Pending);
    check("running", InstanceState::Running);
    check("stopping", InstanceState::Stopping);
    check("stopped", InstanceState::Stopped);
    check("deleting", InstanceState::ShuttingDown);
    check("deleted", InstanceState::Finish);
    check("failed", InstanceState::Error);
    check("hibernating", InstanceState::Unknown);
    check("Running", InstanceState::Unknown);
    check("", InstanceState::Unknown);
}

#[test]
fn a_list_with_something_missing_says_so() {
    let page = answer::servers(&recorded("servers-partial.json")).expect("a list");
    let Coverage::Partial(why) = page.coverage else { panic!("{:?}", page.coverage) };
    assert!(why.contains("south-2"), "{why}");
}

#[test]
fn zones_are_read() {
    let page = answer::zones(&recorded("zones.json")).expect("a list");
    let zone = |id: &str| page.items.iter().find(|zone| zone.id == id).expect("there");
    assert_eq!(zone("north-1").state, RealmState::Available);
    assert_eq!(zone("north-1").limit, Some(50));
    assert_eq!(zone("south-2").state, RealmState::Unavailable);
}

/// The worst that a driver can do is to take a part for the whole: everything that is missing would be
/// reported as gone.
#[test]
fn an_answer_cut_off_anywhere_is_an_error() {
    let whole = recorded("servers-page-1.json");
    let whole = whole.trim_ascii_end();
    for length in 0..whole.len() {
        let page = answer::servers(&whole[..length]);
        assert!(page.is_err(), "cut off after {length} bytes: {page:?}");
    }
}

#[test]
fn what_is_no_list_is_an_error() {
    for body in ["", "null", "[]", "{}", r#"{"error": "no"}"#, "<html>Log in</html>"] {
        let page = answer::servers(body.as_bytes());
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{body}: {page:?}");
        let page = answer::zones(body.as_bytes());
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{body}: {page:?}");
    }
}

#[test]
fn a_thousand_servers_are_a_thousand_instances() {
    let server = |number| format!(r#"{{"id": "srv-{number}", "status": "running"}}"#);
    let servers: Vec<String> = (0..1_000).map(server).collect();
    let body = format!(r#"{{"servers": [{}], "next": null}}"#, servers.join(","));
    let page = answer::servers(body.as_bytes()).expect("a list");
    assert_eq!(page.items.len(), 1_000);
}
