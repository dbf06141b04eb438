//! The lists, read from recorded answers: what is in them, and that nothing less is ever taken for them.

use std::io::{BufReader, Read};

use ec2::answer::{instances, zones};
use tracker_driver_sdk::{Address, AddressKind, Error, Instance, InstanceState, RealmState};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut whole = Vec::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut whole).expect("the fixture is gzip");
    whole
}

fn values(instance: &Instance) -> (Vec<&str>, Vec<&str>) {
    (
        instance.public_addresses.iter().map(|a| a.value.as_str()).collect(),
        instance.private_addresses.iter().map(|a| a.value.as_str()).collect(),
    )
}

#[test]
fn an_instance_is_read_in_all_its_fields() {
    let page = instances(&fixture("describe-instances.xml")[..]).unwrap();
    assert_eq!(page.next, None);
    assert_eq!(
        page.items.iter().map(|i| (i.state, i.provider_state.as_str())).collect::<Vec<_>>(),
        [
            (InstanceState::Running, "running"),
            (InstanceState::Running, "running"),
            (InstanceState::Stopped, "stopped"),
            (InstanceState::Finish, "terminated"),
            (InstanceState::Running, "running"),
        ]
    );
    let web = &page.items[0];
    assert!(web.id.starts_with("i-"), "{}", web.id);
    assert_eq!(web.name.as_deref(), Some("web & <shop> \"é\""));
    assert_eq!(web.owner.as_deref(), Some("123456789012"));
    assert_eq!(web.realm.as_deref(), Some("us-east-1a"));
    assert_eq!(web.image.as_deref(), Some("ami-03cf127a"));
    assert_eq!(web.hardware_profile.as_deref(), Some("t3.small"));
    assert!(web.launched_at.is_some_and(|at| at > 1_700_000_000_000), "{:?}", web.launched_at);
    let labels: Vec<_> = web.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("Name", "web & <shop> \"é\""), ("team", "a'b"), ("empty", "")]);
    let (public, private) = values(web);
    assert_eq!(public.len(), 2, "{public:?}");
    assert!(public[0].starts_with("ec2-") && public[0].ends_with(".amazonaws.com"), "{public:?}");
    assert!(private[0].ends_with(".ec2.internal") && private[1].starts_with("10."), "{private:?}");
    assert_eq!(page.items[2].realm.as_deref(), Some("us-east-1b"));
    assert_eq!(page.items[2].name, None);
    // In a subnet of its own, without a public address.
    let expected: (Vec<&str>, Vec<&str>) = (vec![], vec!["ip-10-1-0-4.ec2.internal", "10.1.0.4"]);
    assert_eq!(values(&page.items[4]), expected);
}

#[test]
fn pages_end_with_the_token_to_the_next() {
    let first = instances(&fixture("describe-instances-page-1.xml")[..]).unwrap();
    let second = instances(&fixture("describe-instances-page-2.xml")[..]).unwrap();
    let whole = instances(&fixture("describe-instances.xml")[..]).unwrap();
    assert!(first.next.is_some_and(|token| token.starts_with("r-")));
    assert_eq!(second.next, None);
    let ids: Vec<_> = first.items.iter().chain(&second.items).map(|i| &i.id).collect();
    assert_eq!(ids, whole.items.iter().map(|i| &i.id).collect::<Vec<_>>());
    assert_eq!(instances(&fixture("describe-instances-empty.xml")[..]).unwrap().items, []);
}

#[test]
fn a_thousand_are_read_in_whatever_pieces_they_come() {
    let whole = fixture("describe-instances-1000.xml.gz");
    assert!(whole.len() > 3_000_000, "{}", whole.len());
    let page = instances(&whole[..]).unwrap();
    assert_eq!(page.items.len(), 1_000);
    let stopped = page.items.iter().filter(|i| i.state == InstanceState::Stopped).count();
    let ended = page.items.iter().filter(|i| i.state == InstanceState::Finish).count();
    assert_eq!((stopped, ended), (100, 20));
    assert!(page.items.iter().all(|i| i.labels.len() == 4 && i.owner.is_some() && i.realm.is_some()));
    assert_eq!(page.items[999].name.as_deref(), Some("web-0999"));
    for piece in [1_000, 16_384, 65_536] {
        let again = instances(BufReader::with_capacity(piece, &whole[..])).unwrap();
        assert_eq!(again, page, "pieces of {piece}");
    }
}

#[test]
fn what_moto_has_not_is_read_as_the_reference_says() {
    // After the example answers in the EC2 API reference, with the spaces that AWS itself puts in.
    let document = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
    <reservationSet>
        <item>
            <instancesSet>
                <item>
                    <instanceId>i-1234567890abcdef0</instanceId>
                    <instanceState>
                        <code>272</code>
                        <name/>
                    </instanceState>
                    <ipv6Address>2001:db8:1234:1a2b::123</ipv6Address>
                    <networkInterfaceSet>
                        <item>
                            <ipv6AddressesSet>
                               <item>
                                   <ipv6Address>2001:db8:1234:1a2b::123</ipv6Address>
                                   <isPrimaryIpv6>true</isPrimaryIpv6>
                               </item>
                               <item><ipv6Address>2001:db8:1234:1a2b::124</ipv6Address></item>
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
            <ownerId>111122223333</ownerId>
        </item>
    </reservationSet>
    <nextToken>abc==</nextToken>
</DescribeInstancesResponse>"#;
    let page = instances(document.as_bytes()).unwrap();
    let [one, two, three] = &page.items[..] else { panic!("{page:?}") };
    assert_eq!((one.state, one.provider_state.as_str()), (InstanceState::Running, "running"), "read by its code");
    assert_eq!(one.owner.as_deref(), Some("111122223333"), "although it stands behind");
    let ipv6: Vec<_> = one.public_addresses.iter().filter(|a| a.kind == AddressKind::Ipv6).map(|a| &a.value).collect();
    assert_eq!(ipv6, ["2001:db8:1234:1a2b::123", "2001:db8:1234:1a2b::124"]);
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
fn a_launch_time_is_read_with_any_offset() {
    for text in ["2026-11-22T10:00:00.000Z", "2026-11-22T10:00:00.000+0000", "2026-11-22T11:00:00+01:00"] {
        let item = instance(&format!("<launchTime>{text}</launchTime>"));
        assert_eq!(item.launched_at, Some(1_795_341_600_000), "{text}");
    }
}

#[test]
fn zones_are_realms() {
    let page = zones(&fixture("describe-availability-zones.xml")[..]).unwrap();
    assert_eq!(page.items.len(), 6);
    assert!(page.items.iter().all(|realm| realm.state == RealmState::Available && realm.id == realm.name));
    assert_eq!(page.items[0].id, "us-east-1a");
}

#[test]
fn a_list_cut_off_anywhere_is_never_a_shorter_list() {
    let whole = fixture("describe-instances-page-2.xml");
    for end in 0..whole.len() {
        let cut = instances(&whole[..end]);
        assert!(cut.is_err(), "cut off at {end}: {} instances", cut.map_or(0, |page| page.items.len()));
    }
    let whole = fixture("describe-availability-zones.xml");
    for end in 0..whole.len() {
        assert!(zones(&whole[..end]).is_err(), "cut off at {end}");
    }
    let whole = fixture("describe-instances-1000.xml.gz");
    for end in (1..whole.len()).step_by(399_999) {
        assert!(matches!(instances(&whole[..end]), Err(Error::Unavailable(_))), "cut off at {end}");
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
    let whole = fixture("describe-instances-page-2.xml");
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
