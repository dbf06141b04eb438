//! The lists of Resource Manager: what it sends, in which order, and what it makes of each answer.

use crate::setup::{ARM, SUBSCRIPTION, account, fixture, granted, host, list, none, ok, paths};
use azure::Azure;
use tracker_driver_sdk::secret::Encoding;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Address, Coverage, Driver, Error, Query};

#[test]
fn machines_are_joined_with_their_states_and_addresses() {
    let answers = ["machines", "run-times", "public-addresses", "interfaces"].map(|name| ok(fixture(name)));
    let host = answers.into_iter().fold(host().answer(granted()), Host::answer).answer(none());
    let (listed, seen) = host.run(|| list(&account(&[])));
    let machines = listed.unwrap();
    let [web, db, build] = &machines.items[..] else { panic!("{machines:?}") };
    assert!(web.id.ends_with("/resourcegroups/shop/providers/microsoft.compute/virtualmachines/web-1"));
    assert_eq!(web.provider_state, "PowerState/running");
    let public = [
        Address::ipv4("203.0.113.10"),
        Address::hostname("shop-web-1.swedencentral.cloudapp.example"),
        Address::ipv6("2001:db8:10::5"),
    ];
    assert_eq!(web.public_addresses, public);
    let private = [
        Address::ipv4("10.20.0.4"),
        Address::ipv6("fd00:20::4"),
        Address::ipv4("10.20.1.4"),
        Address::ipv4("10.20.1.5"),
    ];
    assert_eq!(web.private_addresses, private);
    assert_eq!((db.public_addresses.len(), db.private_addresses.len()), (0, 1));
    assert_eq!(build.private_addresses, [Address::ipv4("10.30.0.4")]);
    let lists = |kind: &str| format!("/subscriptions/{SUBSCRIPTION}/providers/{kind}");
    let wanted = [
        "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token".to_owned(),
        lists("Microsoft.Compute/virtualMachines?api-version=2024-07-01"),
        lists("Microsoft.Compute/virtualMachines?api-version=2024-07-01&statusOnly=true"),
        lists("Microsoft.Network/publicIPAddresses?api-version=2024-05-01"),
        lists("Microsoft.Network/networkInterfaces?api-version=2024-05-01"),
        lists("Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01"),
    ];
    assert_eq!(paths(&seen), wanted);
    let secret = Host::placeholder("password", Encoding::Form);
    let form = format!(
        "client_id=app&grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default\
         &client_secret={secret}"
    );
    assert_eq!(seen.sent[0].text(), form);
    assert!(seen.sent[1..].iter().all(|sent| sent.header("authorization") == Some("Bearer t0ken")));
    assert_eq!(seen.session["token"], b"t0ken");
    assert!(!format!("{seen:?}").contains("s3cret"));
}

#[test]
fn members_of_uniform_scale_sets_are_listed_behind_the_machines() {
    let answers =
        ["scale-sets", "members", "member-interfaces", "member-public-addresses"].map(|name| ok(fixture(name)));
    let host = answers.into_iter().fold(host().answer(granted()).answer(none()), Host::answer);
    let (listed, seen) = host.run(|| list(&account(&[])));
    let page = listed.unwrap();
    let states: Vec<_> = page.items.iter().map(|item| item.provider_state.as_str()).collect();
    assert_eq!(states, ["PowerState/running", "PowerState/deallocated"]);
    assert_eq!(page.items[0].public_addresses, [Address::ipv4("203.0.113.77")]);
    assert_eq!(page.items[1].hardware_profile.as_deref(), Some("Standard_B2s"));
    let set = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/Shop/providers/Microsoft.Compute/virtualMachineScaleSets/front"
    );
    let wanted = [
        format!("{set}/virtualMachines?$expand=instanceView&api-version=2024-07-01"),
        format!("{set}/networkInterfaces?api-version=2018-10-01"),
        format!("{set}/publicipaddresses?api-version=2018-10-01"),
    ];
    assert_eq!(paths(&seen)[3..], wanted);
    // A set that is deleted meanwhile has no members; one that can't be read is an error.
    for (answer, is_listed) in [
        (Answer::new(404).body(r#"{"error": {"code": "ResourceNotFound", "message": "no"}}"#), true),
        (Answer::new(404).body(r#"{"error": {"code": "ParentResourceNotFound", "message": "no"}}"#), true),
        (Answer::new(404).body("<html>"), false),
        (Answer::new(500), false),
    ] {
        let host = host_of_sets().answer(answer);
        let (listed, _) = host.run(|| list(&account(&[])));
        assert_eq!(listed.is_ok(), is_listed, "{listed:?}");
    }
}

fn host_of_sets() -> Host {
    host().answer(granted()).answer(none()).answer(ok(fixture("scale-sets")))
}

#[test]
fn links_are_followed_at_the_own_endpoint_and_never_in_a_circle() {
    let link = |to: &str| format!(r#"{{"value": [], "nextLink": "{to}"}}"#);
    let far = format!("https://other.example:443/subscriptions/{SUBSCRIPTION}/x?a=1&$skiptoken=1!/Sub%2F é|");
    let pretend = host().answer(granted()).answer(ok(link(&far))).answer(none()).answer(none());
    let (listed, seen) = pretend.run(|| list(&account(&[])));
    assert_eq!(listed.unwrap().items, []);
    let capital = format!("{ARM}/Subscriptions/{SUBSCRIPTION}/next?x=/subscriptions/");
    let pretend = host().answer(granted()).answer(ok(link(&capital))).answer(none()).answer(none());
    let (listed, of_capital) = pretend.run(|| list(&account(&[])));
    assert_eq!((listed.unwrap().items.len(), of_capital.sent[2].url.as_str()), (0, capital.as_str()));
    let wanted = format!("{ARM}/subscriptions/{SUBSCRIPTION}/x?a=1&$skiptoken=1!/Sub%2F%20%C3%A9%7C");
    assert_eq!(seen.sent[2].url, wanted);
    let circle = link(&format!("{ARM}/subscriptions/{SUBSCRIPTION}/again"));
    let machines = host().answer(granted()).answer(ok(fixture("machines")));
    let pretend = machines.answer(ok(circle.clone())).answer(ok(circle.clone()));
    let (listed, _) = pretend.run(|| list(&account(&[])));
    let Err(Error::UnexpectedAnswer(why)) = listed else { panic!("{listed:?}") };
    assert!(why.contains("leads back"), "{why}");
    let (listed, _) = host().answer(granted()).answer(ok(link("https://x/other"))).run(|| list(&account(&[])));
    assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{listed:?}");
}

#[test]
fn without_rights_for_a_part_the_rest_is_listed_as_partial() {
    let forbidden = || Answer::new(403).body(fixture("error-forbidden"));
    let with = |place: usize, answer: Answer| {
        let answers = ["machines", "run-times", "public-addresses", "interfaces"].map(|name| ok(fixture(name)));
        let mut answers: Vec<Answer> = answers.into_iter().chain([none()]).collect();
        answers[place] = answer;
        answers.into_iter().fold(host().answer(granted()), Host::answer).run(|| list(&account(&[]))).0
    };
    for (place, addresses) in [(2, 6), (3, 0), (4, 9)] {
        let page = with(place, forbidden()).unwrap();
        assert!(matches!(&page.coverage, Coverage::Partial(why) if why.contains("AuthorizationFailed")), "{page:?}");
        let all = page.items.iter().flat_map(|item| item.public_addresses.iter().chain(&item.private_addresses));
        assert_eq!((page.items.len(), all.count()), (3, addresses), "{place}");
    }
    for place in [0, 1] {
        let listed = with(place, forbidden());
        assert!(matches!(listed, Err(Error::Forbidden(_))), "{listed:?}");
    }
    for place in 0..5 {
        let listed = with(place, Answer::new(503));
        assert!(matches!(listed, Err(Error::Unavailable(_))), "{place}: {listed:?}");
        // A proxy's word is not Azure's: what is missing by it comes back with the next poll.
        for (status, body) in [(403, "<html>"), (404, "<html>"), (403, ""), (404, "")] {
            let listed = with(place, Answer::new(status).body(body));
            let is_right = matches!(listed, Err(Error::Forbidden(_) | Error::UnexpectedAnswer(_)));
            assert!(is_right, "{place} {status} {body}: {listed:?}");
        }
        let listed = with(place, ok(r#"{"items": []}"#));
        assert!(matches!(listed, Err(Error::UnexpectedAnswer(_))), "{place}: {listed:?}");
    }
}

#[test]
fn a_block_of_addresses_is_no_host_name() {
    let mut interfaces: serde_json::Value = serde_json::from_slice(&fixture("interfaces")).expect("JSON");
    let texts = ["10.0.0.16/28", "10.0.0.1/32", "fd00::/80", "fd00::1/128"];
    let private = |text: &&str| serde_json::json!({ "properties": { "privateIPAddress": text } });
    interfaces["value"][2]["properties"]["ipConfigurations"] = texts.iter().map(private).collect();
    let names = ["machines", "run-times", "public-addresses"].map(|name| ok(fixture(name)));
    let answers = names.into_iter().chain([ok(interfaces.to_string()), none()]);
    let (listed, _) = answers.fold(host().answer(granted()), Host::answer).run(|| list(&account(&[])));
    let expected = [Address::ipv4("10.0.0.1"), Address::ipv6("fd00::1")];
    let page = listed.unwrap();
    assert!(page.items.iter().any(|machine| machine.private_addresses == expected), "{page:?}");
}

/// What Resource Manager says of a list that it does not have.
fn unknown() -> Answer {
    Answer::new(404).body(r#"{"error": {"code": "InvalidResourceType", "message": "no such type"}}"#)
}

#[test]
fn what_can_not_be_listed_is_asked_for_one_by_one() {
    let one = |answers: Vec<Answer>| {
        let mut machines: serde_json::Value = serde_json::from_slice(&fixture("machines")).expect("JSON");
        let db = machines["value"][1].take();
        let states = serde_json::json!({ "value": [{ "id": db["id"], "properties": {} }] });
        let machines = serde_json::json!({ "value": [db] });
        let lists = [ok(machines.to_string()), ok(states.to_string()), none(), unknown(), none()];
        let lists = lists.into_iter().chain(answers);
        lists.fold(host().answer(granted()), Host::answer).run(|| list(&account(&[])))
    };
    let view = || ok(r#"{"statuses": [{"code": "PowerState/stopped"}]}"#);
    let interface = || {
        let list: serde_json::Value = serde_json::from_slice(&fixture("interfaces")).expect("JSON");
        ok(list["value"][2].to_string())
    };
    let (listed, seen) = one(vec![view(), interface()]);
    let page = listed.unwrap();
    assert_eq!((page.coverage, page.items[0].provider_state.as_str()), (Coverage::Complete, "PowerState/stopped"));
    assert_eq!(page.items[0].private_addresses, [Address::ipv4("10.20.0.5")]);
    assert!(paths(&seen)[6].ends_with("/virtualmachines/db-1/instanceView?api-version=2024-07-01"));
    // What is refused for good makes the list partial; what fails, or is no view, is an error.
    let refused = || Answer::new(403).body(fixture("error-forbidden"));
    for answers in [vec![refused(), interface()], vec![view(), refused()], vec![view(), unknown()]] {
        let page = one(answers).0.unwrap();
        assert!(matches!(page.coverage, Coverage::Partial(_)) && page.items.len() == 1, "{page:?}");
    }
    let proxy = || Answer::new(404).body("<html>");
    for answers in [
        vec![proxy()],
        vec![view(), proxy()],
        vec![Answer::new(500)],
        vec![ok("{}")],
        vec![view(), ok("<html>")],
        vec![view(), ok("{}")],
    ] {
        assert!(one(answers).0.is_err());
    }
}

#[test]
fn single_instances_are_asked_for_with_their_interfaces() {
    let compute = "/subscriptions/5b1c/resourcegroups/shop/providers/microsoft.compute";
    let member = &format!("{compute}/virtualmachinescalesets/front/virtualmachines/7");
    let account = account(&[]);
    let machine = format!(
        r#"{{"id": "{member}", "properties": {{
            "instanceView": {{"statuses": [{{"code": "PowerState/running"}}]}},
            "networkProfile": {{"networkInterfaces": [
                {{"id": "{member}/networkInterfaces/a"}}, {{"id": "/subscriptions/s/nic b"}}
            ]}}
        }}}}"#
    );
    let gone = || Answer::new(404).body(r#"{"error": {"code": "ResourceNotFound", "message": "no"}}"#);
    let pretend =
        host().answer(granted()).answer(ok(machine)).answer(gone()).answer(ok(r#"{"id": "/subscriptions/s/nic b"}"#));
    let ids = |ids: &[&str]| Query { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Query::default() };
    let (page, seen) = pretend.run(|| Azure::list_instances(&account, &ids(&[member.as_str()])));
    assert_eq!(page.unwrap().items[0].provider_state, "PowerState/running");
    let wanted = [
        format!("{member}?$expand=instanceView&api-version=2024-07-01"),
        format!("{member}/networkInterfaces/a?$expand=ipConfigurations/publicIPAddress&api-version=2018-10-01"),
        "/subscriptions/s/nic%20b?$expand=ipConfigurations/publicIPAddress&api-version=2024-05-01".to_owned(),
    ];
    assert_eq!(paths(&seen)[1..], wanted);
    // What is no id of a machine goes into no path, and what Azure does not have is absent.
    let (page, seen) = host().run(|| Azure::list_instances(&account, &ids(&["../x"])));
    assert!(page.unwrap().items.is_empty() && seen.sent.is_empty());
    for (answer, is_absent) in [(gone(), true), (Answer::new(404), false), (Answer::new(404).body("<html>"), false)] {
        let (page, _) =
            host().answer(granted()).answer(answer).run(|| Azure::list_instances(&account, &ids(&[member.as_str()])));
        assert_eq!(page.is_ok_and(|page| page.items.is_empty()), is_absent);
    }
    let many: Vec<String> = (0..11).map(|number| format!("{member}{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, seen) = host().answer(granted()).run(|| Azure::list_instances(&account, &ids(&many)));
    assert!(paths(&seen)[1].contains("/providers/Microsoft.Compute/virtualMachines?"), "of many, everything is listed");
}

#[test]
fn a_public_address_that_an_interface_does_not_bring_along_is_asked_for() {
    let id = "/subscriptions/s/resourcegroups/g/providers/microsoft.compute/virtualmachines/web";
    let machine = format!(
        r#"{{"id": "{id}", "properties": {{"networkProfile": {{"networkInterfaces": [{{"id": "/subscriptions/s/nic"}}]}}}}}}"#
    );
    let interface = r#"{"id": "/subscriptions/s/nic", "properties": {"ipConfigurations": [
        {"properties": {"privateIPAddress": "10.0.0.4", "publicIPAddress": {"id": "/subscriptions/s/Ip"}}},
        {"properties": {"publicIPAddress": {"id": "/subscriptions/s/ip2", "properties": {"ipAddress": "203.0.113.5"}}}}
    ]}}"#;
    let query = Query { ids: vec![id.to_owned()], ..Query::default() };
    let ask = |answer: Answer| {
        let answers = [granted(), ok(machine.clone()), ok(interface), answer];
        answers.into_iter().fold(host(), Host::answer).run(|| Azure::list_instances(&account(&[]), &query))
    };
    let (page, seen) = ask(ok(r#"{"id": "/subscriptions/s/ip", "properties": {"ipAddress": "203.0.113.4"}}"#));
    let page = page.unwrap();
    assert_eq!(page.items[0].public_addresses, ["203.0.113.4", "203.0.113.5"].map(Address::ipv4));
    assert_eq!((page.coverage, paths(&seen).len()), (Coverage::Complete, 4));
    assert_eq!(paths(&seen)[3], "/subscriptions/s/Ip?api-version=2024-05-01");
    let gone = Answer::new(404).body(r#"{"error": {"code": "ResourceNotFound", "message": "no"}}"#);
    let refused = Answer::new(403).body(fixture("error-forbidden"));
    for (answer, is_complete) in [(gone, true), (refused, false)] {
        let page = ask(answer).0.unwrap();
        assert_eq!(page.coverage == Coverage::Complete, is_complete, "{page:?}");
        assert_eq!(page.items[0].public_addresses, [Address::ipv4("203.0.113.5")]);
    }
    assert!(matches!(ask(Answer::new(503)).0, Err(Error::Unavailable(_))));
}

#[test]
fn locations_are_asked_for_by_their_own_path() {
    let host = host().answer(granted()).answer(ok(fixture("locations")));
    let (page, seen) = host.run(|| Azure::list_realms(&account(&[]), &Query::default()));
    let page = page.unwrap();
    assert_eq!((page.items.len(), page.omitted), (2, 1));
    assert_eq!(paths(&seen)[1], format!("/subscriptions/{SUBSCRIPTION}/locations?api-version=2022-12-01"));
}
