//! What is made of answers: every status and member, what is missing or odd, and what is no list.

#[path = "../fixtures/site.rs"]
mod site;

use ovirt::state;
use site::{account, bare, body, host, ids, instances, listed, ok, only, realms};
use tracker_driver_sdk::testing::Answer;
use tracker_driver_sdk::{Address, Coverage, Error, Instance, InstanceState, RealmState};

#[test]
fn every_status_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("unassigned", InstanceState::Unknown),
        ("down", InstanceState::Stopped),
        ("up", InstanceState::Running),
        ("powering_up", InstanceState::Pending),
        ("paused", InstanceState::Stopped),
        ("migrating", InstanceState::Running),
        ("unknown", InstanceState::Unknown),
        ("not_responding", InstanceState::Unknown),
        ("wait_for_launch", InstanceState::Pending),
        ("reboot_in_progress", InstanceState::Running),
        ("saving_state", InstanceState::Stopping),
        ("restoring_state", InstanceState::Pending),
        ("suspended", InstanceState::Stopped),
        ("image_locked", InstanceState::Stopped),
        ("powering_down", InstanceState::Stopping),
        // Version 3.
        ("powered_down", InstanceState::Stopping),
        ("image_illegal", InstanceState::Error),
        ("", InstanceState::Unknown),
        ("upp", InstanceState::Unknown),
        ("up down", InstanceState::Unknown),
        ("hibernating", InstanceState::Unknown),
    ] {
        assert_eq!(state::of(word), expected, "{word}");
        assert_eq!(state::of(&word.to_ascii_uppercase()), expected, "{word} in upper case");
        for status in [format!("<status>{word}</status>"), format!("<status><state>{word}</state></status>")] {
            let found = only(&format!("<vm id=\"1\">{status}<guest_info/></vm>"));
            assert_eq!((found.state, found.provider_state.as_str()), (expected, word), "{status}");
        }
    }
}

#[test]
fn a_virtual_machine_is_read_whole() {
    let page = listed(body("vms")).unwrap();
    let [lathe, press, drill, mill] = &page.items[..] else { panic!("{page:?}") };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        *lathe,
        Instance {
            name: Some("lathe-1".into()),
            realm: Some("7c10e001-91c4-4c1a-8d27-60f3b2a70001".into()),
            image: Some("7c10e001-91c4-47e9-8d27-60f3b2a70001".into()),
            hardware_profile: Some("7c10e001-91c4-4e17-8d27-60f3b2a70001".into()),
            launched_at: Some(1_793_607_340_125),
            public_addresses: vec![Address::ipv4("203.0.113.31"), Address::ipv6("2001:db8:30::31")],
            private_addresses: vec![Address::ipv4("10.30.1.11"), Address::ipv6("fd30::31")],
            labels: vec![
                label("sap_agent", "true"),
                label("owner & team", "Bo <b>"),
                label("production", ""),
                label("web & shop", ""),
            ],
            ..Instance::new("7c10e001-91c4-4a5e-8d27-60f3b2a70001", InstanceState::Running, "up")
        }
    );
    assert_eq!(press.name.as_deref(), Some("press & die"));
    assert_eq!(
        press.image.as_deref(),
        Some("7c10e002-91c4-47e9-8d27-60f3b2a70002"),
        "the template that it is a clone of"
    );
    assert_eq!((press.launched_at, press.state), (None, InstanceState::Stopped));
    assert_eq!(drill.launched_at, Some(1_795_514_281_000));
    assert_eq!(mill.public_addresses, [Address::ipv4("198.51.100.44")]);
    assert!(mill.private_addresses.is_empty(), "neither loopback nor link-local");
    assert_eq!(page.coverage, Coverage::Complete);
}

#[test]
fn what_may_be_missing_is_missing() {
    let bare = only("<vm id=\"1\"><guest_info/></vm>");
    assert_eq!(bare, Instance::new("1", InstanceState::Unknown, ""));
    let odd = "<vm href=\"/x\" id='1'><name/><status/><start_time>soon</start_time><cluster/><template id=\"\"/><instance_type/>\
               <custom_properties/><tags/><reported_devices><reported_device/><reported_device><ips/></reported_device>\
               <reported_device><ips><ip/><ip><address/></ip><ip><address>dhcp</address></ip><ip><address>0.0.0.0</address>\
               </ip></ips></reported_device></reported_devices></vm>";
    assert_eq!(only(odd), bare);
    let blank = "00000000-0000-0000-0000-000000000000";
    let made =
        only(&format!("<vm id=\"1\"><template id=\"{blank}\"/><original_template id=\"{blank}\"/><guest_info/></vm>"));
    assert_eq!(made.image, None, "made from nothing");
    let padded = only("<vm id=\"1\"><status>\n  </status><guest_info/></vm>");
    assert_eq!(padded.provider_state, "");
    for wrong in ["<vm/>", "<vm id=\"\"/>", "<vm><id>1</id></vm>"] {
        let Err(Error::UnexpectedAnswer(why)) = listed(format!("<vms>{}{wrong}</vms>", site::bare("1"))) else {
            panic!("{wrong}")
        };
        assert!(why.contains("has no id"), "{why}");
    }
}

#[test]
fn addresses_are_sorted_and_once() {
    let of = |devices: &str| only(&format!("<vm id=\"1\"><reported_devices>{devices}</reported_devices></vm>"));
    let device = |ips: &[&str]| {
        let ips: String =
            ips.iter().map(|ip| format!("<ip><address>{ip}</address><version>v4</version></ip>")).collect();
        format!("<reported_device><name>eth</name><ips>{ips}</ips></reported_device>")
    };
    let (one, two) = (device(&["10.0.0.9", "192.0.2.1", "10.0.0.9"]), device(&["fd00::1", "10.0.0.10", "100.64.0.1"]));
    let found = of(&format!("{one}{two}"));
    assert_eq!(found, of(&format!("{two}{one}")));
    assert_eq!(found.public_addresses, [Address::ipv4("192.0.2.1")]);
    let private = ["10.0.0.9", "10.0.0.10", "100.64.0.1"].map(Address::ipv4);
    assert_eq!(found.private_addresses[..3], private);
    assert_eq!(found.private_addresses[3..], [Address::ipv6("fd00::1")]);
}

#[test]
fn version_3_is_read_too() {
    let page = listed(body("vms-of-version-3")).unwrap();
    let [anvil, bellows] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!(anvil.public_addresses, [Address::ipv4("203.0.113.40")]);
    assert_eq!(anvil.private_addresses, [Address::ipv4("192.168.40.7")]);
    assert_eq!(anvil.labels, [("rack".to_owned(), "west".to_owned())]);
    assert_eq!((bellows.state, bellows.provider_state.as_str()), (InstanceState::Stopped, "paused"));
}

/// Each member of the first entry is taken away, and no other entry changes by it.
#[test]
fn neighbours_keep_their_own_values() {
    let text = body("vms");
    let whole = listed(text.clone()).unwrap().items;
    for member in ["name", "status", "custom_properties", "start_time", "reported_devices", "tags"] {
        let (start, end) = (format!("<{member}>"), format!("</{member}>"));
        let at = text.find(&start).unwrap_or_else(|| panic!("{member}"));
        let end = at + text[at..].find(&end).expect("its end") + end.len();
        for changed in
            [format!("{}{}", &text[..at], &text[end..]), format!("{}<{member}/>{}", &text[..at], &text[end..])]
        {
            let items = listed(changed).unwrap().items;
            let differ: Vec<_> = (0..whole.len()).filter(|place| items[*place] != whole[*place]).collect();
            assert_eq!((items.len(), differ), (4, vec![0]), "{member}");
        }
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    for wrong in [
        "",
        "text",
        "{}",
        "[]",
        "{\"vm\": []}",
        "<html><body>Please log in</body></html>",
        "<!DOCTYPE html><html/>",
        "<vm id=\"1\"/>",
        "<clusters/>",
        "<fault><reason>no</reason></fault>",
        "<vms><fault><reason>no</reason></fault></vms>",
        "<vms><error/></vms>",
    ] {
        assert!(matches!(listed(wrong), Err(Error::UnexpectedAnswer(_))), "{wrong}: {:?}", listed(wrong));
        let (page, _) =
            realms(&account(), host().answer(ok(wrong.replace("vms", "clusters").replace("<clusters/>", "<vms/>"))));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{wrong}: {page:?}");
    }
    let page = listed("<vms><actions/><link href=\"/x\"/></vms>").unwrap();
    assert_eq!((page.items.len(), page.coverage), (0, Coverage::Complete));
}

#[test]
fn an_answer_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = format!("<?xml version=\"1.0\"?>\n<vms>{}{}</vms>", bare("1"), bare("2"));
    for end in 0..whole.len() {
        let page = listed(&whole[..end]);
        assert!(page.is_err(), "cut off at {end}: {page:?}");
    }
    for piece in 1..60 {
        let (page, _) = instances(&account(), host().answer(ok(whole.clone()).in_pieces_of(piece)));
        assert_eq!(ids(&page.unwrap()), ["1", "2"]);
    }
    let (page, _) = instances(&account(), host().answer(ok(&whole[..whole.len() - 6]).broken("reset")));
    assert!(matches!(page, Err(Error::Unavailable(_))), "{page:?}");
}

#[test]
fn a_thousand_virtual_machines_are_one_answer() {
    let text = body("vms");
    let entry = &text[text.find("    <vm ").expect("an entry")..text.find("</vms>").expect("the end")];
    let many: String = (0..250).map(|place| entry.replace("7c10e00", &format!("{place:07x}"))).collect();
    let page = listed(format!("<vms>{many}</vms>")).unwrap();
    assert_eq!((page.items.len(), page.next, page.coverage), (1_000, None, Coverage::Complete));
    assert_eq!(page.items[996].id, "00000f91-91c4-4a5e-8d27-60f3b2a70001");
}

#[test]
fn clusters_are_available_while_their_data_center_is_up() {
    let (page, seen) = realms(&account(), host().answer(ok(body("clusters"))));
    let page = page.unwrap();
    let up: Vec<_> = page.items.iter().filter(|realm| realm.state == RealmState::Available).collect();
    assert_eq!((up.len(), page.items.len(), seen.sent.len()), (2, 9, 1));
    assert_eq!(up[0].name, "shop & store");
    for (inside, state) in [
        ("<data_center id=\"d\"><name>x</name><status>UP</status></data_center>", RealmState::Available),
        ("<data_center id=\"d\"><status><state>up</state></status></data_center>", RealmState::Available),
        ("<data_center id=\"d\"><name>x</name></data_center>", RealmState::Unavailable),
        ("", RealmState::Unavailable),
    ] {
        let answer = ok(format!("<clusters><cluster id=\"c\">{inside}</cluster></clusters>"));
        let (page, seen) = realms(&account(), host().answer(answer));
        let page = page.unwrap();
        assert_eq!((page.items[0].state, page.items[0].name.as_str(), seen.sent.len()), (state, "c", 1), "{inside}");
    }
    let (page, _) = realms(&account(), host().answer(ok("<clusters><cluster/></clusters>")));
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
    // The list of data centers is asked for where none is in the list of clusters, and has to be one.
    for wrong in [ok("<html/>"), Answer::new(404), ok("<data_centers><data_center/></data_centers>")] {
        let (page, seen) = realms(&account(), host().answer(ok(body("clusters-before-4-2"))).answer(wrong));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
        assert_eq!(seen.sent.len(), 2);
    }
}
