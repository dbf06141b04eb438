//! The lists, read from answers that are written by hand: what is in them, and that nothing less is ever taken for them.

#[path = "../fixtures/thousand.rs"]
mod thousand;

use std::io::BufReader;

use ec2::answer::{instances, zones};
use thousand::thousand_instances;
use tracker_driver_sdk::{Address, AddressKind, Error, Instance, InstanceState, RealmState};

/// One of the answers that the cassettes play.
fn body(name: &str) -> Vec<u8> {
    let path = format!("{}/cassettes/bodies/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn values(instance: &Instance) -> (Vec<&str>, Vec<&str>) {
    (
        instance.public_addresses.iter().map(|a| a.value.as_str()).collect(),
        instance.private_addresses.iter().map(|a| a.value.as_str()).collect(),
    )
}

#[test]
fn an_instance_is_read_in_all_its_fields() {
    let page = instances(&body("instances-page-1.xml")[..]).unwrap();
    assert_eq!(
        page.items.iter().map(|i| (i.state, i.provider_state.as_str())).collect::<Vec<_>>(),
        [(InstanceState::Running, "running"), (InstanceState::Running, "running"), (InstanceState::Stopped, "stopped")]
    );
    let kiosk = &page.items[0];
    assert_eq!(kiosk.id, "i-0d27c15b98e4f3a60");
    assert_eq!(kiosk.name.as_deref(), Some("kiosk & <café> \"north\""));
    assert_eq!(kiosk.owner.as_deref(), Some("200030004000"));
    assert_eq!(kiosk.realm.as_deref(), Some("us-west-2b"));
    assert_eq!(kiosk.image.as_deref(), Some("ami-07c4e91b2d8f5a360"));
    assert_eq!(kiosk.hardware_profile.as_deref(), Some("m7g.large"));
    // 2026-04-09T06:41:17Z.
    assert_eq!(kiosk.launched_at, Some(1_775_716_877_000));
    let labels: Vec<_> = kiosk.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("Name", "kiosk & <café> \"north\""), ("crew", "Ana's & Bo's"), ("note", "")]);
    // Its own addresses, a secondary one with an Elastic IP address, and those of a second interface.
    let (public, private) = values(kiosk);
    let name = "ec2-203-0-113-20.us-west-2.compute.amazonaws.com";
    assert_eq!(public, [name, "203.0.113.20", "203.0.113.21", "2001:db8:61:9::20"]);
    let name = "ip-10-61-4-20.us-west-2.compute.internal";
    assert_eq!(private, [name, "10.61.4.20", "10.61.4.21", "10.61.9.20"]);

    let stopped = &page.items[2];
    assert_eq!((stopped.name.as_deref(), stopped.realm.as_deref()), (None, Some("us-west-2c")));
    let private = vec!["ip-10-61-12-8.us-west-2.compute.internal", "10.61.12.8"];
    assert_eq!(values(stopped), (vec![], private));
}

#[test]
fn an_instance_may_lack_most_of_its_fields() {
    let page = instances(&body("instances-page-2.xml")[..]).unwrap();
    let [ended, relay] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!((ended.state, ended.provider_state.as_str()), (InstanceState::Finish, "terminated"));
    assert_eq!(values(ended), (vec![], vec![]));
    assert_eq!((ended.name.as_deref(), &ended.labels[..]), (None, &[][..]));
    // It has no public address. The reservation names the requester after its instances.
    assert_eq!(values(relay), (vec![], vec!["ip-172-27-0-9.us-west-2.compute.internal", "172.27.0.9"]));
    assert_eq!(relay.owner.as_deref(), Some("200030004000"));
}

#[test]
fn reservations_have_owners_of_their_own() {
    let page = instances(&body("instances.xml")[..]).unwrap();
    let owners: Vec<_> = page.items.iter().filter_map(|i| Some((i.name.as_deref()?, i.owner.as_deref()?))).collect();
    let (first, second) = ("200030004000", "500060007000");
    assert_eq!(owners, [("shop", first), ("till", first), ("ledger", first), ("import", second)]);
}

#[test]
fn pages_end_with_the_token_to_the_next() {
    let next = |name: &str| instances(&body(name)[..]).unwrap().next;
    assert_eq!(next("instances-page-1.xml").as_deref(), Some("cGFnZSB0d28gb2YgdHdv+/A=="));
    assert_eq!(next("instances-page-2.xml"), None);
    assert_eq!(next("instances.xml"), None);
    let none = instances(&body("instances-none.xml")[..]).unwrap();
    assert_eq!((none.items, none.next), (vec![], None));
}

#[test]
fn a_thousand_are_read_in_whatever_pieces_they_come() {
    let whole = thousand_instances();
    assert!(whole.len() > 3_000_000, "{}", whole.len());
    let page = instances(whole.as_bytes()).unwrap();
    assert_eq!(page.items.len(), 1_000);
    let stopped = page.items.iter().filter(|i| i.state == InstanceState::Stopped).count();
    let ended = page.items.iter().filter(|i| i.state == InstanceState::Finish).count();
    assert_eq!((stopped, ended), (100, 20));
    assert!(page.items.iter().all(|i| i.labels.len() == 4 && i.owner.is_some() && i.realm.is_some()));
    assert_eq!(page.items[999].name.as_deref(), Some("node-0999"));
    for piece in [1_000, 16_384, 65_536] {
        let again = instances(BufReader::with_capacity(piece, whole.as_bytes())).unwrap();
        assert_eq!(again, page, "pieces of {piece}");
    }
}

#[test]
fn elements_stand_in_any_order_and_may_be_missing() {
    let document = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>c2b61f0e-84a7-4d39-9e50-3fd17a86b4c9</requestId>
    <reservationSet>
        <item>
            <instancesSet>
                <item>
                    <instanceId>i-1</instanceId>
                    <instanceState>
                        <code>272</code>
                        <name/>
                    </instanceState>
                    <ipv6Address>2001:db8:7::31</ipv6Address>
                    <networkInterfaceSet>
                        <item>
                            <ipv6AddressesSet>
                               <item>
                                   <ipv6Address>2001:db8:7::31</ipv6Address>
                                   <isPrimaryIpv6>true</isPrimaryIpv6>
                               </item>
                               <item><ipv6Address>2001:db8:7::32</ipv6Address></item>
                           </ipv6AddressesSet>
                        </item>
                    </networkInterfaceSet>
                    <publicDnsName>host.example</publicDnsName>
                </item>
                <item>
                    <instanceId>i-2</instanceId>
                    <instanceState><code>99</code><name>hibernated</name></instanceState>
                </item>
                <item><instanceId>i-3</instanceId></item>
            </instancesSet>
            <ownerId>300040005000</ownerId>
        </item>
    </reservationSet>
    <nextToken>abc==</nextToken>
</DescribeInstancesResponse>"#;
    let page = instances(document.as_bytes()).unwrap();
    let [one, two, three] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!((one.state, one.provider_state.as_str()), (InstanceState::Running, "running"), "read by its code");
    assert_eq!(one.owner.as_deref(), Some("300040005000"), "although it stands behind");
    let ipv6: Vec<_> = one.public_addresses.iter().filter(|a| a.kind == AddressKind::Ipv6).map(|a| &a.value).collect();
    assert_eq!(ipv6, ["2001:db8:7::31", "2001:db8:7::32"]);
    assert_eq!((two.state, two.provider_state.as_str()), (InstanceState::Unknown, "hibernated"));
    assert_eq!((three.state, three.provider_state.as_str()), (InstanceState::Unknown, ""));
    assert_eq!(page.next.as_deref(), Some("abc=="));
}

/// The one instance of an answer, with that inside.
fn instance(inside: &str) -> Instance {
    let document = format!(
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i</instanceId>{inside}</item>\
         </instancesSet></item></reservationSet></DescribeInstancesResponse>"
    );
    instances(document.as_bytes()).expect("a list of one").items.remove(0)
}

fn state(inside: &str) -> (InstanceState, String) {
    let item = instance(&format!("<instanceState>{inside}</instanceState>"));
    (item.state, item.provider_state)
}

#[test]
fn every_state_of_an_instance_is_mapped() {
    let check = |code: &str, word: &str, expected: InstanceState| {
        assert_eq!(state(&format!("<code>{code}</code><name>{word}</name>")), (expected, word.to_owned()));
        assert_eq!(state(&format!("<code>{code}</code>")), (expected, word.to_owned()));
    };
    check("0", "pending", InstanceState::Pending);
    check("16", "running", InstanceState::Running);
    check("32", "shutting-down", InstanceState::ShuttingDown);
    check("48", "terminated", InstanceState::Finish);
    check("64", "stopping", InstanceState::Stopping);
    check("80", "stopped", InstanceState::Stopped);
    check("7", "", InstanceState::Unknown);
}

#[test]
fn words_of_compatible_clouds_count_and_the_code_where_they_leave_it_open() {
    let check = |code: &str, word: &str, expected: InstanceState| {
        assert_eq!(
            state(&format!("<code>{code}</code><name>{word}</name>")),
            (expected, word.to_owned()),
            "{code} {word}"
        );
    };
    for (word, expected) in [
        ("error", InstanceState::Error),
        ("ERROR", InstanceState::Error),
        ("active", InstanceState::Running),
        ("Running", InstanceState::Running),
        ("rescue", InstanceState::Running),
        ("pause", InstanceState::Stopped),
        ("paused", InstanceState::Stopped),
        ("suspended", InstanceState::Stopped),
        ("shelved_offloaded", InstanceState::Stopped),
        ("building", InstanceState::Pending),
        ("soft-delete", InstanceState::Finish),
        ("Expunging", InstanceState::Finish),
        ("buried", InstanceState::Finish),
    ] {
        // Whatever the code: Nova's own is an approximation.
        for code in ["0", "16", "80", "99", ""] {
            check(code, word, expected);
        }
    }
    check("16", "resize", InstanceState::Running);
    check("80", "migrate", InstanceState::Stopped);
    check("99", "resize", InstanceState::Unknown);
    // Nobody knows the word: what the code says would be a guess.
    check("16", "hibernating", InstanceState::Unknown);
}

#[test]
fn every_address_of_every_interface_is_listed_once_and_after_the_instances_own() {
    let association =
        |ip: &str| format!("<association><publicIp>{ip}</publicIp><publicDnsName>n</publicDnsName></association>");
    let private = |ip: &str, more: String| format!("<item><privateIpAddress>{ip}</privateIpAddress>{more}</item>");
    let first = [
        private("10.0.0.4", association("192.0.2.4")),
        private("10.0.0.5", association("192.0.2.5")),
        private("10.0.0.6", String::new()),
    ];
    let second = [private("10.1.0.4", association("192.0.2.6"))];
    let interfaces = [("10.0.0.4", "192.0.2.4", first.concat()), ("10.1.0.4", "192.0.2.6", second.concat())].map(
        |(private, public, addresses)| {
            format!(
                "<item><privateIpAddress>{private}</privateIpAddress>{}<privateIpAddressesSet>{addresses}\
                 </privateIpAddressesSet><ipv6AddressesSet><item><ipv6Address>2001:db8::{private}</ipv6Address></item>\
                 </ipv6AddressesSet></item>",
                association(public)
            )
        },
    );
    let own =
        "<dnsName>web.example</dnsName><ipAddress>192.0.2.4</ipAddress><privateIpAddress>10.0.0.4</privateIpAddress>";
    // Whichever stands first.
    let interfaces = format!("<networkInterfaceSet>{}</networkInterfaceSet>", interfaces.concat());
    for inside in [format!("{interfaces}{own}"), format!("{own}{interfaces}")] {
        let item = instance(&inside);
        let (public, private) = values(&item);
        assert_eq!(private, ["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.1.0.4"]);
        let ipv6 = ["2001:db8::10.0.0.4", "2001:db8::10.1.0.4"];
        assert_eq!(
            public,
            ["web.example", "192.0.2.4", "192.0.2.5", ipv6[0], "192.0.2.6", ipv6[1]],
            "as the answer has them"
        );
    }
}

#[test]
fn an_address_is_one_whatever_element_it_stands_in() {
    let check = |inside: &str, public: &[(AddressKind, &str)], private: &[(AddressKind, &str)]| {
        let item = instance(inside);
        let of = |addresses: &[Address]| addresses.iter().map(|a| (a.kind, a.value.clone())).collect::<Vec<_>>();
        let owned =
            |wanted: &[(AddressKind, &str)]| wanted.iter().map(|(k, v)| (*k, v.to_string())).collect::<Vec<_>>();
        assert_eq!(of(&item.public_addresses), owned(public), "{inside}");
        assert_eq!(of(&item.private_addresses), owned(private), "{inside}");
    };
    let (v4, v6, name) = (AddressKind::Ipv4, AddressKind::Ipv6, AddressKind::Hostname);
    check("<dnsName>10.8.16.140</dnsName>", &[(v4, "10.8.16.140")], &[]);
    check("<dnsName>2001:db8::1</dnsName>", &[(v6, "2001:db8::1")], &[]);
    // A cloud without a public address gives the private one there.
    let both = "<dnsName>10.8.16.140</dnsName><privateDnsName>10.8.16.140</privateDnsName>";
    check(both, &[], &[(v4, "10.8.16.140")]);
    check("<privateIpAddress>fd00::1</privateIpAddress>", &[], &[(v6, "fd00::1")]);
    check("<ipAddress>host.example</ipAddress>", &[(name, "host.example")], &[]);
    check("<ipAddress>0.0.0.0</ipAddress><dnsName/><privateIpAddress> </privateIpAddress>", &[], &[]);
}

#[test]
fn an_ipv6_address_of_a_private_range_is_private() {
    let item = instance(
        "<privateIpAddress>10.0.0.1</privateIpAddress><ipv6Address>fd00:ec2::1</ipv6Address><networkInterfaceSet><item>\
         <ipv6AddressesSet><item><ipv6Address>fd00:ec2::1</ipv6Address></item><item><ipv6Address>2001:db8::1</ipv6Address>\
         </item></ipv6AddressesSet></item></networkInterfaceSet>",
    );
    assert_eq!(values(&item), (vec!["2001:db8::1"], vec!["10.0.0.1", "fd00:ec2::1"]));
}

#[test]
fn a_launch_time_is_read_with_any_offset() {
    for text in ["2026-11-22T10:00:00.000Z", "2026-11-22T10:00:00.000+0000", "2026-11-22T11:00:00+01:00"] {
        let item = instance(&format!("<launchTime>{text}</launchTime>"));
        assert_eq!(item.launched_at, Some(1_795_341_600_000), "{text}");
    }
}

#[test]
fn zones_are_realms() {
    let page = zones(&body("zones.xml")[..]).unwrap();
    assert_eq!(page.items.len(), 6);
    assert!(page.items.iter().all(|realm| realm.state == RealmState::Available && realm.id == realm.name));
    assert_eq!((&*page.items[0].id, &*page.items[4].id), ("us-west-2a", "us-west-2-lax-1a"));
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = body("instances-page-2.xml");
    for end in 0..whole.trim_ascii_end().len() {
        let cut = instances(&whole[..end]);
        assert!(cut.is_err(), "cut off at {end}: {} instances", cut.map_or(0, |page| page.items.len()));
    }
    let whole = body("zones.xml");
    for end in 0..whole.trim_ascii_end().len() {
        assert!(zones(&whole[..end]).is_err(), "cut off at {end}");
    }
    let whole = thousand_instances();
    for end in (1..whole.len()).step_by(399_999) {
        assert!(matches!(instances(&whole.as_bytes()[..end]), Err(Error::Unavailable(_))), "cut off at {end}");
    }
}

#[test]
fn what_is_no_list_is_an_error_that_says_so() {
    let check = |body: &str, words: &str| {
        for result in [instances(body.as_bytes()).map(|_| ()), zones(body.as_bytes()).map(|_| ())] {
            let Err(Error::UnexpectedAnswer(message)) = result else { panic!("{body}: {result:?}") };
            assert!(message.contains(words), "{message}");
            assert!(message.len() < 500, "{message}");
        }
    };
    check("", "empty");
    check("<html><body>Log in</body></html>", "<html>");
    check("<!DOCTYPE html><html>", "<!DOCTYPE html>");
    check("{\"instances\": []}", "not XML");
    check(&"x".repeat(10_000), "not XML");
    check("<Response><Errors/></Response>", "<Response>");
    let empty = "<DescribeInstancesResponse><requestId/></DescribeInstancesResponse>";
    assert!(matches!(instances(empty.as_bytes()), Err(Error::UnexpectedAnswer(_))), "no list is no empty list");
}

#[test]
fn whatever_comes_it_does_not_panic() {
    let whole = body("instances-page-2.xml");
    let mut lot = 11u64;
    let mut below = |limit: usize| {
        lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (lot >> 33) as usize % limit
    };
    for _ in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..=below(6) {
            let at = below(bytes.len());
            match below(3) {
                0 => bytes[at] = below(256) as u8,
                1 => bytes[at] = b"<>/!?&;\"'"[below(9)],
                _ => bytes.truncate(at.max(1)),
            }
        }
        let _ = instances(BufReader::with_capacity(1 + below(3_000), &bytes[..]));
        let _ = zones(&bytes[..]);
    }
}
