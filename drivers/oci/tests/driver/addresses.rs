//! Addresses: of a few VNICs one by one, of many by their subnets, and a thousand instances.

use crate::setup::{account, attachment, fixture, ids, instance, listed, ok, refused};
use serde_json::{Value, json};
use tracker_driver_sdk::testing::Answer;
use tracker_driver_sdk::{Account, Address, Coverage, Error};

fn chosen() -> Account {
    account(&[("compartments", "ocid1.compartment.a")])
}

/// The addresses of an instance with one VNIC, answered so.
fn of_vnic(answer: Answer) -> Result<(Vec<Address>, Vec<Address>, Coverage), Error> {
    let answers = vec![ok(json!([instance("1")])), ok(json!([attachment("1", "1")])), answer];
    let page = listed(&chosen(), answers).0?;
    let item = page.items.into_iter().next().expect("an instance");
    Ok((item.public_addresses, item.private_addresses, page.coverage))
}

#[test]
fn a_vnic_has_addresses_of_every_kind() {
    let mut vnic: Value = serde_json::from_slice(&fixture("vnic")).unwrap();
    vnic["id"] = json!("ocid1.vnic.1");
    let (public, private, coverage) = of_vnic(ok(vnic)).unwrap();
    assert_eq!(public, [Address::ipv4("203.0.113.10"), Address::ipv6("2001:db8:7::10")]);
    assert_eq!(private, [Address::ipv4("10.7.0.10"), Address::ipv6("fd00:7::10")]);
    assert_eq!(coverage, Coverage::Complete);
    let nulls = json!({ "id": "ocid1.vnic.1", "privateIp": null, "publicIp": "", "ipv6Addresses": null });
    assert_eq!(of_vnic(ok(nulls)).unwrap(), (vec![], vec![], Coverage::Complete));
}

#[test]
fn a_vnic_that_can_not_be_read_is_not_one_without_addresses() {
    let (public, private, coverage) = of_vnic(refused()).unwrap();
    assert_eq!((public.len(), private.len()), (0, 0));
    let Coverage::Partial(why) = coverage else { panic!("{coverage:?}") };
    assert!(why.contains("the VNIC ocid1.vnic.1"), "{why}");
    for answer in [ok(json!({})), ok(json!({ "id": "ocid1.vnic.2" })), ok(json!([])), Answer::new(404).body("<html>")] {
        assert!(matches!(of_vnic(answer), Err(Error::UnexpectedAnswer(_))));
    }
    assert!(matches!(of_vnic(Answer::new(429)), Err(Error::Throttled(_))));
    assert!(matches!(of_vnic(Answer::new(500)), Err(Error::Unavailable(_))));
}

#[test]
fn attachments_that_are_refused_refuse_their_compartment() {
    let (page, _) = listed(&chosen(), vec![ok(json!([instance("1")])), refused()]);
    assert!(matches!(page, Err(Error::Forbidden(_))), "{page:?}");
    let two = account(&[("compartments", "ocid1.compartment.b ocid1.compartment.a")]);
    let answers = vec![ok(json!([instance("1")])), refused(), ok(json!([instance("2")])), ok(json!([]))];
    let page = listed(&two, answers).0.unwrap();
    assert_eq!(ids(&page), ["2"]);
    assert!(matches!(page.coverage, Coverage::Partial(_)));
    let mut odd = attachment("1", "1");
    odd["vnicId"] = json!("../instances");
    let (page, paths) = listed(&chosen(), vec![ok(json!([instance("1")])), ok(json!([odd]))]);
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
    assert_eq!(paths.len(), 2);
}

const MANY: usize = 1_000;

fn private(number: usize) -> Value {
    json!({ "id": format!("ocid1.privateip.{number}"), "vnicId": format!("ocid1.vnic.{number}"), "isPrimary": true,
        "ipAddress": format!("10.0.{}.{}", number / 200, number % 200 + 1), "compartmentId": "ocid1.compartment.a" })
}

/// The answers for a thousand instances, with the two lists of public addresses and that of IPv6 addresses.
fn many(reserved: Value, ephemeral: Value, ipv6: Value) -> Vec<Answer> {
    let numbers: Vec<String> = (0..MANY).map(|number| number.to_string()).collect();
    let first: Vec<Value> = numbers[..600].iter().map(|number| instance(number)).collect();
    let second: Vec<Value> = numbers[600..].iter().map(|number| instance(number)).collect();
    let attachments: Vec<Value> = numbers.iter().rev().map(|number| attachment(number, number)).collect();
    let mut addresses: Vec<Value> = (0..MANY).map(private).collect();
    // Second addresses, and those of others, are no primary ones of these VNICs.
    let mut other = private(1);
    other["isPrimary"] = json!(false);
    other["ipAddress"] = json!("10.9.9.9");
    addresses.push(other);
    addresses.push(json!({ "id": "ocid1.privateip.lb", "vnicId": null, "ipAddress": "10.9.9.8", "isPrimary": true }));
    vec![
        ok(json!(first)).header("opc-next-page", "2"),
        ok(json!(attachments[..500])).header("opc-next-page", "b"),
        ok(json!(attachments[500..])),
        ok(json!(addresses)),
        ok(ipv6),
        ok(reserved),
        ok(ephemeral),
        ok(json!(second)),
    ]
}

fn public(private: Option<usize>, ip: &str) -> Value {
    let assigned = private.map(|number| format!("ocid1.privateip.{number}"));
    json!({ "id": format!("ocid1.publicip.{ip}"), "assignedEntityId": assigned, "ipAddress": ip })
}

#[test]
fn a_thousand_instances_keep_their_own_addresses_and_take_few_requests() {
    let ipv6 = json!([{ "id": "ocid1.ipv6.a", "vnicId": "ocid1.vnic.999", "ipAddress": "2001:db8::999" }]);
    let reserved = json!([public(Some(7), "203.0.113.7"), public(None, "203.0.113.200")]);
    let (page, paths) = listed(&chosen(), many(reserved, json!([public(Some(700), "203.0.113.70")]), ipv6));
    let page = page.unwrap();
    assert_eq!((page.items.len(), &page.coverage), (MANY, &Coverage::Complete));
    for (number, item) in page.items.iter().enumerate() {
        assert_eq!(item.id, format!("ocid1.instance.{number}"));
        let own = private(number)["ipAddress"].as_str().map(Address::ipv4);
        assert_eq!(item.private_addresses, own.into_iter().collect::<Vec<_>>());
        let expected = match number {
            7 => vec![Address::ipv4("203.0.113.7")],
            700 => vec![Address::ipv4("203.0.113.70")],
            999 => vec![Address::ipv6("2001:db8::999")],
            _ => vec![],
        };
        assert_eq!(item.public_addresses, expected);
    }
    let expected = [
        "/instances?compartmentId=ocid1.compartment.a&limit=1000",
        "/vnicAttachments?compartmentId=ocid1.compartment.a&limit=1000",
        "/vnicAttachments?compartmentId=ocid1.compartment.a&limit=1000&page=b",
        "/privateIps?subnetId=ocid1.subnet.s&limit=1000",
        "/ipv6s?subnetId=ocid1.subnet.s&limit=1000",
        "/publicIps?scope=REGION&lifetime=RESERVED&compartmentId=ocid1.compartment.a&limit=1000",
        "/publicIps?scope=AVAILABILITY_DOMAIN&availabilityDomain=x%3AAD-1&lifetime=EPHEMERAL\
         &compartmentId=ocid1.compartment.a&limit=1000",
        "/instances?compartmentId=ocid1.compartment.a&limit=1000&page=2",
    ];
    assert_eq!(paths, expected);
}

/// Instances with a VNIC each in one subnet, and how many requests their addresses take with the answers that follow.
fn asked_for(account: &Account, count: usize, compartments: &[Value], subnet: &Value) -> Vec<String> {
    let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let instances: Vec<Value> = numbers.iter().map(|number| instance(number)).collect();
    let attachments: Vec<Value> = numbers
        .iter()
        .map(|number| {
            let mut attachment = attachment(number, number);
            attachment["subnetId"] = subnet.clone();
            attachment
        })
        .collect();
    let mut answers = Vec::new();
    if account.option("compartments").is_none() {
        answers.push(ok(json!(compartments)));
    }
    answers.extend([ok(json!(instances)), ok(json!(attachments)), Answer::new(503)]);
    let (_, mut paths) = listed(account, answers);
    paths.pop().into_iter().collect()
}

#[test]
fn addresses_are_asked_for_with_as_few_requests_as_they_take() {
    let tenancy = account(&[]);
    let compartments: Vec<Value> =
        (0..30).map(|number| json!({ "id": format!("ocid1.compartment.{number}") })).collect();
    let subnet = json!("ocid1.subnet.s");
    let check = |account: &Account, count: usize, compartments: &[Value], subnet: &Value, expected: &str| {
        let asked = asked_for(account, count, compartments, subnet);
        assert!(asked[0].starts_with(expected), "{count}: {asked:?}");
    };
    check(&tenancy, 20, &[], &subnet, "/vnics/");
    // Two for the subnet, one for the reserved addresses of the root, one for the others.
    check(&tenancy, 21, &[], &subnet, "/privateIps?");
    // Two, 31 and one.
    check(&tenancy, 34, &compartments, &subnet, "/vnics/");
    check(&tenancy, 35, &compartments, &subnet, "/privateIps?");
    // Lists would not find everything.
    check(&tenancy, 100, &[], &json!(null), "/vnics/");
    check(&chosen(), 100, &[], &subnet, "/vnics/");
    check(&chosen(), 101, &[], &subnet, "/privateIps?");
}

#[test]
fn lists_of_addresses_are_read_or_said_to_be_missing() {
    let at = |place: usize, answer: Answer| {
        let mut answers = many(json!([]), json!([]), json!([]));
        answers[place] = answer;
        listed(&chosen(), answers).0
    };
    for place in 3..7 {
        let Coverage::Partial(why) = at(place, refused()).unwrap().coverage else { panic!("{place}") };
        assert!(why.starts_with("without the "), "{why}");
        for wrong in [json!({}), json!([{ "code": "NotAuthenticated" }]), json!([null])] {
            assert!(matches!(at(place, ok(wrong)), Err(Error::UnexpectedAnswer(_))), "{place}");
        }
        assert!(matches!(at(place, Answer::new(429)), Err(Error::Throttled(_))));
    }
    // Of what does not say where it is, the public address is not known.
    let mut nowhere = private(3);
    nowhere["compartmentId"] = json!(null);
    let page = at(3, ok(json!([private(1), nowhere]))).unwrap();
    let Coverage::Partial(why) = page.coverage else { panic!("it is partial") };
    assert!(why.contains("ocid1.vnic.3"), "{why}");
}
