//! What is made of documents: every state, addresses, what is missing or odd, and those of another Tracker.

use deltacloud::Deltacloud;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Address, Driver, Error, Instance, InstanceState, Page, Query, Realm, RealmState};

fn body(name: &str) -> String {
    let path = format!("{}/cassettes/bodies/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn ask<T>(list: fn(&Account, &Query) -> Result<Page<T>, Error>, body: &str) -> Result<Vec<T>, Error> {
    let account = Account::new("main", "https://cloud.example", "demo");
    // In pieces as a connection gives them.
    let answer = Answer::new(200).body(body).in_pieces_of(7);
    let host = Host::new().secret("password", "s3cret").answer(answer);
    host.run(|| list(&account, &Query::default())).0.map(|page| page.items)
}

fn instances(body: &str) -> Result<Vec<Instance>, Error> {
    ask(Deltacloud::list_instances, body)
}

fn realms(body: &str) -> Result<Vec<Realm>, Error> {
    ask(Deltacloud::list_realms, body)
}

fn instance(inside: &str) -> Instance {
    let body = format!("<instances><instance id='a'><state>RUNNING</state>{inside}</instance></instances>");
    instances(&body).expect("a list of one").remove(0)
}

fn running(id: &str) -> Instance {
    Instance::new(id, InstanceState::Running, "RUNNING")
}

#[test]
fn an_instance_is_read_whole() {
    let found = instances(&body("instances")).unwrap();
    assert_eq!(found.len(), 8);
    assert_eq!(
        found[0],
        Instance {
            name: Some("web-1".into()),
            owner: Some("demo".into()),
            realm: Some("us".into()),
            image: Some("img1".into()),
            hardware_profile: Some("m1-small".into()),
            launched_at: Some(1_773_480_410_000),
            public_addresses: vec![Address::ipv4("203.0.113.10"), Address::hostname("web-1.cloud.example")],
            private_addresses: vec![Address::ipv4("10.1.0.10")],
            ..running("i-a1")
        }
    );
    assert_eq!(found[1].name.as_deref(), Some("web & <two>"));
    let launched = [1, 2].map(|at| found[at].launched_at);
    assert_eq!(launched, [Some(1_773_480_411_000), Some(1_773_480_412_000)]);
}

#[test]
fn another_trackers_words_and_labels_are_passed_on() {
    let found = instances(&body("tracker-instances-page-2")).unwrap();
    let states: Vec<_> = found.iter().map(|one| (one.state, one.provider_state.as_str())).collect();
    assert_eq!(states, [(InstanceState::Stopped, "STOPPED"), (InstanceState::Unknown, "migrating")]);
    let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect::<Vec<_>>();
    let labels = instance(
        "<labels><label name=\"tier\">web</label><label name='a&amp;b'> x\n</label><label name='none'/><label>y</label></labels>\
         <provider_state>running since &lt;noon&gt;</provider_state>",
    );
    assert_eq!(labels.labels, pairs(&[("a&b", " x\n"), ("none", ""), ("tier", "web")]));
    assert_eq!((labels.state, labels.provider_state.as_str()), (InstanceState::Running, "running since <noon>"));
    // Without one, the server's own word is the provider's.
    assert_eq!(instance("<provider_state/>").provider_state, "RUNNING");
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("PENDING", InstanceState::Pending),
        ("RUNNING", InstanceState::Running),
        ("STOPPING", InstanceState::Stopping),
        ("STOPPED", InstanceState::Stopped),
        ("SHUTTING_DOWN", InstanceState::ShuttingDown),
        ("FINISH", InstanceState::Finish),
        ("ERROR", InstanceState::Error),
        ("UNKNOWN", InstanceState::Unknown),
        ("running", InstanceState::Running),
        ("Stopped", InstanceState::Stopped),
        ("START", InstanceState::Unknown),
        ("SHUTTING-DOWN", InstanceState::Unknown),
        ("REBUILDING", InstanceState::Unknown),
        ("RUNNING ", InstanceState::Unknown),
    ] {
        let found = instances(&format!("<instances><instance id='a'><state>{word}</state></instance></instances>"));
        let found = found.expect(word).remove(0);
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn addresses_are_what_their_type_and_their_text_say() {
    let found = instance(
        "<public_addresses><address type='ipv4'>203.0.113.7</address><address type='mac'>02:00:00:00:00:07</address>\
         <address type='VNC' port='5900'>203.0.113.9</address><address type='hostname'>10.0.0.7</address>\
         <address type='hostname'>a.example</address><address type='ipv4'>203.0.113.7</address><address type='ipv6'/>\
         <address type='ipv4'>0.0.0.0</address><address type='console'>b.example</address><port>1</port>\
         <address>02:00:00:00:00:08</address></public_addresses>\
         <private_addresses><address>10.0.0.7</address><address>c.example</address></private_addresses>",
    );
    // The one that is private, too, is not public.
    assert_eq!(found.public_addresses, [Address::ipv4("203.0.113.7"), Address::hostname("a.example")]);
    assert_eq!(found.private_addresses, [Address::ipv4("10.0.0.7"), Address::hostname("c.example")]);
}

#[test]
fn older_servers_are_understood() {
    let found = instances(&body("instances-of-an-old-version")).unwrap().remove(0);
    let text = |text: Option<String>| text.unwrap_or_default();
    assert_eq!((found.id.as_str(), text(found.realm), text(found.image)), ("inst7", "us".into(), "img3".into()));
    assert_eq!(text(found.hardware_profile), "m1-small");
    assert_eq!(found.public_addresses, [Address::hostname("inst7.cloud.example")]);
    let body = "<instances><instance href='http://h/api/instances/a%20b%2Fc'><state>STOPPED</state>\
                <flavor href='/api/flavors/large'/><create_time>2026-03-14 09:26:50 UTC</create_time></instance></instances>";
    let found = instances(body).unwrap().remove(0);
    assert_eq!((found.id.as_str(), text(found.hardware_profile)), ("a b/c", "large".into()));
    assert_eq!(found.launched_at, Some(1_773_480_410_000));
    // What is no id at the end of an address.
    for href in ["http:", "http://h/", "/a%2", "/a%zz", "/%ff"] {
        let body = format!("<instances><instance href='{href}'><state>STOPPED</state></instance></instances>");
        assert!(matches!(instances(&body), Err(Error::UnexpectedAnswer(_))), "{href}");
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = instance(
        "<name/><owner_id></owner_id><image/><realm/><hardware_profile/><launch_time>soon</launch_time><public_addresses/>\
         <private_addresses/><labels/><actions/>",
    );
    assert_eq!(bare, running("a"));
    assert_eq!(instance(""), bare);
    for (wrong, word) in [
        ("<instance><state>RUNNING</state></instance>", "no id"),
        ("<instance id=''><id/><state>RUNNING</state></instance>", "no id"),
        ("<instance id='a'/>", "<state>"),
        ("<instance id='a'><state/></instance>", "<state>"),
        ("<instance id='a'><state><b/></state></instance>", "<state>"),
        ("<instance id='a'><state>RUNNING</state><name><b/></name></instance>", "<name>"),
    ] {
        let Err(Error::UnexpectedAnswer(message)) = instances(&format!("<instances>{wrong}</instances>")) else {
            panic!("{wrong}");
        };
        assert!(message.contains(word), "{wrong}: {message}");
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for wrong in [
        "",
        "null",
        "[]",
        "<html><body/></html>",
        "<!DOCTYPE html><html></html>",
        "<instance/>",
        "<api><link/></api>",
        "<instances><error><code>1</code></error></instances>",
        "<instances><code>1</code><message>x</message></instances>",
    ] {
        assert!(matches!(instances(wrong), Err(Error::UnexpectedAnswer(_))), "{wrong}");
        assert!(matches!(realms(&wrong.replace("instances", "realms")), Err(Error::UnexpectedAnswer(_))), "{wrong}");
    }
    assert!(instances("<realms/>").is_err() && realms("<instances/>").is_err());
    for none in ["<instances/>", "<?xml version='1.0'?>\n<instances>\n</instances>\n"] {
        assert_eq!(instances(none), Ok(Vec::new()));
    }
    let beside = "<instances><link rel='x'/><instance id='a'><state>RUNNING</state></instance></instances>";
    assert_eq!(instances(beside).unwrap().len(), 1);
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = body("instance").replace("<?xml version='1.0' encoding='utf-8' ?>\n", "");
    let whole = format!("<instances>{whole}</instances>");
    assert_eq!(instances(&whole).unwrap().len(), 1);
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        assert!(instances(&whole[..end]).is_err(), "cut off at {end}");
    }
}

#[test]
fn realms_are_available_where_they_say_so() {
    let found = realms(&body("realms")).unwrap();
    let us = Realm::new("us", "United States", RealmState::Available);
    let eu = Realm { limit: Some(20), ..Realm::new("eu", "Europe", RealmState::Unavailable) };
    assert_eq!(found, [us, eu]);
    let odd =
        "<realms><realm id='a'/><realm><id>b</id><name/><state>unknown</state><limit>many</limit></realm></realms>";
    let expected = ["a", "b"].map(|id| Realm::new(id, id, RealmState::Unavailable));
    assert_eq!(realms(odd).unwrap(), expected);
    assert!(matches!(realms("<realms><realm><name>x</name></realm></realms>"), Err(Error::UnexpectedAnswer(_))));
}

#[test]
fn a_page_of_a_thousand_is_listed() {
    let one = body("instance").replace("<?xml version='1.0' encoding='utf-8' ?>\n", "");
    let many: String = (0..1000).map(|number| one.replace("'i-a1'", &format!("'i-{number}'"))).collect();
    let found = instances(&format!("<instances>{many}</instances>")).unwrap();
    assert_eq!((found.len(), found[999].id.as_str()), (1000, "i-999"));
    assert!(found.iter().all(|one| one.public_addresses.len() == 2));
}
