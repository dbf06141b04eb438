//! What is made of answers: every member, what is missing or odd, and what is no list.

#[path = "../fixtures/site.rs"]
mod site;

use opennebula::OpenNebula;
use site::{account, bare, body, enveloped, host, ids, listed, ok, only};
use tracker_driver_sdk::testing::Answer;
use tracker_driver_sdk::{Address, Coverage, Driver, Error, Instance, InstanceState, Query, RealmState};

#[test]
fn a_vm_is_read_whole() {
    let page = listed(body("vms")).unwrap();
    let [quay, crane, buoy, import, context] = &page.items[..] else { panic!("{page:?}") };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        *quay,
        Instance {
            name: Some("quay-1".into()),
            owner: Some("harbour".into()),
            realm: Some("3".into()),
            image: Some("7".into()),
            launched_at: Some(1_788_412_345_000),
            public_addresses: vec![
                Address::ipv6("2001:db8:40::b"),
                Address::ipv4("192.0.2.11"),
                Address::ipv6("2001:db8:41::b"),
                Address::ipv4("203.0.113.11"),
                Address::ipv6("2001:db8:40::1:b"),
            ],
            private_addresses: vec![
                Address::ipv4("10.40.0.11"),
                Address::ipv6("fd10:40::b"),
                Address::ipv4("10.40.0.111"),
            ],
            labels: vec![
                label("DEPARTMENT", "Freight & Customs"),
                label("DESCRIPTION", "first <line>\nsecond"),
                label("web", ""),
                label("prod/eu", ""),
                label("LOGO", "images/logos/debian.png"),
            ],
            ..Instance::new("41", InstanceState::Running, "RUNNING")
        }
    );
    assert_eq!(crane.name.as_deref(), Some("quay & crane"));
    assert_eq!((crane.image.as_deref(), crane.owner.as_deref()), (Some("9"), Some("o'brien <ops>")));
    assert_eq!(crane.private_addresses, [Address::ipv4("10.40.0.12")], "of a PCI card");
    assert_eq!((buoy.launched_at, buoy.realm.as_deref(), &buoy.labels), (None, None, &vec![]));
    assert_eq!(import.realm.as_deref(), Some("6"), "of the last record");
    assert_eq!(import.public_addresses, [Address::ipv4("198.51.100.44")]);
    assert_eq!(import.private_addresses, [Address::ipv4("10.44.0.9")]);
    assert_eq!(context.public_addresses, [Address::ipv6("2001:db8:45::7")]);
    assert_eq!(page.coverage, Coverage::Complete);
}

#[test]
fn what_may_be_missing_is_missing() {
    let bare = only("<VM><ID>1</ID></VM>");
    assert_eq!(bare, Instance::new("1", InstanceState::Unknown, ""));
    let empty = "<VM><ID>1</ID><NAME/><UNAME></UNAME><STATE/><LCM_STATE/><STIME/><MONITORING/><TEMPLATE/><USER_TEMPLATE/>\
                 <HISTORY_RECORDS/></VM>";
    assert_eq!(only(empty), bare);
    let odd = only(
        "<VM><ID> 1 </ID><STIME>soon</STIME><TEMPLATE><NIC/><NIC><IP/><IP6>::</IP6></NIC><NIC><IP>dhcp</IP></NIC><DISK/>\
         <CONTEXT/></TEMPLATE><USER_TEMPLATE><A><B>1</B></A><C/></USER_TEMPLATE><HISTORY_RECORDS><HISTORY><HID>-1</HID>\
         </HISTORY></HISTORY_RECORDS></VM>",
    );
    assert_eq!(odd, Instance { labels: vec![("C".into(), String::new())], ..bare });
    let huge = only("<VM><ID>1</ID><STIME>9223372036854775807</STIME></VM>");
    assert_eq!(huge.launched_at, None);
}

#[test]
fn the_last_record_has_the_host_in_any_order() {
    let of = |records: &str| only(&format!("<VM><ID>1</ID><HISTORY_RECORDS>{records}</HISTORY_RECORDS></VM>")).realm;
    let record = |sequence: u32, host: u32| format!("<HISTORY><SEQ>{sequence}</SEQ><HID>{host}</HID></HISTORY>");
    assert_eq!(of(&(record(1, 4) + &record(2, 5))).as_deref(), Some("5"));
    assert_eq!(of(&(record(2, 5) + &record(1, 4))).as_deref(), Some("5"));
    assert_eq!(of("<HISTORY><HID>4</HID></HISTORY><HISTORY><HID>0</HID></HISTORY>").as_deref(), Some("0"));
}

#[test]
fn labels_are_once_and_as_they_were_written() {
    let of = |attributes: &str| only(&format!("<VM><ID>1</ID><USER_TEMPLATE>{attributes}</USER_TEMPLATE></VM>")).labels;
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(of("<A> x\ny </A><A>2</A><LABELS>a, A,,a</LABELS>"), [label("A", " x\ny "), label("a", "")]);
    assert_eq!(of("<LABELS><X>1</X></LABELS><B>1</B>"), [label("B", "1")]);
}

#[test]
fn addresses_are_listed_once_wherever_they_stand() {
    let vm = only(
        "<VM><ID>1</ID><TEMPLATE><CONTEXT><ETH0_IP>10.9.9.9</ETH0_IP></CONTEXT><NIC><IP>10.0.0.1</IP></NIC><NIC_ALIAS>\
         <IP>10.0.0.1</IP></NIC_ALIAS></TEMPLATE><MONITORING><GUEST_IP>10.0.0.1</GUEST_IP><AWS_PUBLIC_IP_ADDRESS>\
         192.0.2.1</AWS_PUBLIC_IP_ADDRESS></MONITORING></VM>",
    );
    assert_eq!(vm.private_addresses, [Address::ipv4("10.0.0.1")], "the context is for interfaces without an address");
    assert_eq!(vm.public_addresses, [Address::ipv4("192.0.2.1")]);
    let written = "<NIC><IP6>2001:db8::1</IP6></NIC><NIC><IP6>2001:DB8:0::1</IP6><IP>::ffff:10.0.0.1</IP></NIC>";
    let vm = only(&format!("<VM><ID>1</ID><TEMPLATE>{written}</TEMPLATE></VM>"));
    assert_eq!(vm.public_addresses, [Address::ipv6("2001:db8::1")], "however it is written");
    assert_eq!(vm.private_addresses, [Address::ipv6("::ffff:10.0.0.1")], "as the address that is mapped");
    let many: String = (1..=60).map(|n| format!("<NIC><IP>10.0.1.{n}</IP></NIC>")).collect();
    assert_eq!(only(&format!("<VM><ID>1</ID><TEMPLATE>{many}</TEMPLATE></VM>")).private_addresses.len(), 60);
}

/// Each member of each VM is taken away and garbled, and no other VM changes by it.
#[test]
fn neighbours_keep_their_own_values() {
    let whole = listed(body("vms")).unwrap().items;
    let text = String::from_utf8(body("vms")).expect("UTF-8");
    let members =
        ["NAME", "UNAME", "STATE", "LCM_STATE", "STIME", "MONITORING", "TEMPLATE", "USER_TEMPLATE", "HISTORY_RECORDS"];
    for member in members {
        let (start, end) = (format!("&lt;{member}&gt;"), format!("&lt;/{member}&gt;"));
        let at = text.find(&start).unwrap_or_else(|| panic!("{member}"));
        let end = at + text[at..].find(&end).expect("its end") + end.len();
        let changed = format!("{}{}", &text[..at], &text[end..]);
        let items = listed(changed).unwrap().items;
        assert_eq!(items.len(), whole.len(), "{member}");
        let differ: Vec<_> =
            items.iter().zip(&whole).filter(|(now, then)| now != then).map(|(now, _)| &now.id).collect();
        let first = if member == "MONITORING" { "44" } else { "41" };
        assert_eq!(differ, [first], "{member}");
    }
    for wrong in ["&lt;VM&gt;&lt;NAME&gt;x&lt;/NAME&gt;&lt;/VM&gt;", "&lt;VM/&gt;", "&lt;VM&gt;&lt;ID/&gt;&lt;/VM&gt;"]
    {
        let changed = text.replace("&lt;VM_POOL&gt;", &format!("&lt;VM_POOL&gt;{wrong}"));
        let Err(Error::UnexpectedAnswer(why)) = listed(changed) else { panic!("{wrong}") };
        assert!(why.contains("<ID>"), "{why}");
    }
}

#[test]
fn what_is_no_list_is_no_empty_list() {
    let documents = [
        "",
        " ",
        "text",
        "<VM_POOL",
        "<HOST_POOL></HOST_POOL>",
        "<VM><ID>1</ID></VM>",
        "<VM_POOL/>x",
        "<VM_POOL><VM></VM_POOL>",
        "<!DOCTYPE html><html/>",
        "<VM_POOL>&nope;</VM_POOL><",
    ];
    for document in documents {
        let page = listed(enveloped(document));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_) | Error::Unavailable(_))), "{document}: {page:?}");
    }
    let whole = enveloped("<VM_POOL></VM_POOL>");
    for (from, to) in [
        ("<boolean>1</boolean>", "<boolean>0</boolean>"),
        ("<boolean>1</boolean>", "<boolean></boolean>"),
        ("<boolean>1</boolean>", ""),
        ("<boolean>1</boolean>", "<string>1</string>"),
        ("methodResponse", "methodCall"),
        ("methodResponse", "html"),
        ("<string>", "<base64>"),
        ("&lt;VM_POOL&gt;&lt;/VM_POOL&gt;", ""),
    ] {
        let page = listed(whole.replace(from, to));
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{from} {to}: {page:?}");
    }
    for wrong in ["", "null", "{}", "[]", "<p>", "<html><body>Please log in</body></html>", "<methodResponse/>"] {
        let page = listed(wrong);
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_) | Error::Unavailable(_))), "{wrong}: {page:?}");
    }
}

#[test]
fn an_answer_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = enveloped(&format!("<VM_POOL>{}</VM_POOL>", bare(&[41, 42])));
    for end in 0..whole.len() {
        let page = listed(&whole.as_bytes()[..end]);
        assert!(page.is_err(), "cut off at {end}: {page:?}");
    }
    for piece in 1..80 {
        let answer = Answer::new(200).body(whole.clone()).in_pieces_of(piece);
        let page = host().answer(answer).run(|| OpenNebula::list_instances(&account(), &Query::default())).0;
        assert_eq!(ids(&page.unwrap()), ["41", "42"], "in pieces of {piece}");
    }
    let broken = Answer::new(200).body(&whole.as_bytes()[..whole.len() - 9]).broken("reset");
    let page = host().answer(broken).run(|| OpenNebula::list_instances(&account(), &Query::default())).0;
    assert!(matches!(page, Err(Error::Unavailable(_))), "{page:?}");
}

#[test]
fn documents_come_in_other_clothes() {
    let document = format!("<VM_POOL>{}</VM_POOL>", bare(&[41]));
    let escaped = document.replace('<', "&lt;");
    let whole = enveloped(&document);
    let text = document.replace('<', "&lt;").replace('>', "&gt;");
    for (from, to) in [
        // Only what has to be escaped is, or all of it in a section, or as numbers; and a value without a type is a string.
        (text.clone(), escaped),
        (text.clone(), format!("<![CDATA[{document}]]>")),
        (text.clone(), text.replace("&lt;", "&#60;").replace("&gt;", "&#x3e;")),
        (format!("<string>{text}</string>"), text.clone()),
        ("<boolean>1</boolean>".to_owned(), "<boolean>true</boolean>".to_owned()),
        ("<i4>0</i4>".to_owned(), "<int>0</int>".to_owned()),
        ("><".to_owned(), ">\r\n  <".to_owned()),
        ("<?xml version=\"1.0\"?>".to_owned(), "\u{feff}".to_owned()),
        ("<?xml version=\"1.0\"?>".to_owned(), "<?xml version='1.0' encoding='utf-8'?>\n<!-- one -->\n".to_owned()),
    ] {
        let page = listed(whole.replace(&from, &to)).unwrap_or_else(|error| panic!("{to}: {error:?}"));
        assert_eq!(ids(&page), ["41"], "{to}");
    }
}

#[test]
fn a_thousand_vms_are_a_page() {
    let vms = bare(&(1_000..1_999).collect::<Vec<_>>());
    let page = listed(enveloped(&format!("<VM_POOL>{vms}</VM_POOL>"))).unwrap();
    assert_eq!((page.items.len(), page.next, page.coverage), (999, None, Coverage::Complete));
    let page = listed(body("vms-thousand")).unwrap();
    assert_eq!((page.items.len(), page.next.as_deref()), (1_000, Some("extended/999/3999")));
    assert_eq!(page.items[999].private_addresses, [Address::ipv4("10.50.19.209")]);
}

#[test]
fn hosts_are_realms() {
    let host = host().answer(Answer::new(200).body(body("hosts")));
    let page = host.run(|| OpenNebula::list_realms(&account(), &Query::default())).0.unwrap();
    let up: Vec<_> = page.items.iter().filter(|realm| realm.state == RealmState::Available).collect();
    let up: Vec<_> = up.iter().map(|realm| (realm.id.as_str(), realm.name.as_str())).collect();
    assert_eq!((up, page.items.len()), (vec![("2", "rack-a"), ("3", "rack-b")], 10));
    for (hosts, words) in [("<HOST/>", "<ID>"), ("<HOST><NAME>a</NAME></HOST>", "<ID>")] {
        let host = site::host().answer(ok(&format!("<HOST_POOL>{hosts}</HOST_POOL>")));
        let Err(Error::UnexpectedAnswer(why)) = host.run(|| OpenNebula::list_realms(&account(), &Query::default())).0
        else {
            panic!("{hosts}")
        };
        assert!(why.contains(words), "{why}");
    }
    let host = site::host().answer(ok("<HOST_POOL><HOST><ID>4</ID></HOST></HOST_POOL>"));
    let page = host.run(|| OpenNebula::list_realms(&account(), &Query::default())).0.unwrap();
    assert_eq!((page.items[0].name.as_str(), page.items[0].state), ("4", RealmState::Unavailable));
}
