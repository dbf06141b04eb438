//! Single instances, each with its addresses.

use crate::setup::{account, attachment, bare, fixture, host, ids, instance, list, ok, paths, refused};
use serde_json::json;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Address, Coverage, Error, Instance, Page};

fn by_id(account: &Account, wanted: &[&str], answers: Vec<Answer>) -> (Result<Page<Instance>, Error>, Vec<String>) {
    let (page, seen) = answers.into_iter().fold(host(), Host::answer).run(|| list(account, wanted));
    (page, paths(&seen))
}

#[test]
fn single_instances_are_asked_for_one_by_one_and_may_be_absent() {
    let answers = vec![
        refused(),
        ok(instance("1")),
        ok(json!([attachment("1", "1")])),
        ok(json!({ "id": "ocid1.vnic.1", "privateIp": "10.0.0.5" })),
    ];
    let (page, paths) = by_id(&account(&[]), &["ocid1.instance.0", "ocid1.instance.1"], answers);
    let page = page.unwrap();
    assert_eq!((ids(&page), &page.coverage), (vec!["1"], &Coverage::Complete));
    assert_eq!(page.items[0].private_addresses, [Address::ipv4("10.0.0.5")]);
    let expected = [
        "/instances/ocid1.instance.0",
        "/instances/ocid1.instance.1",
        "/vnicAttachments?compartmentId=ocid1.compartment.a&limit=1000&instanceId=ocid1.instance.1",
        "/vnics/ocid1.vnic.1",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn what_is_no_id_of_oracles_goes_into_no_path() {
    let (page, paths) = by_id(&bare(), &["..", "i-1", "ocid1.instance.1/actions", "ocid1.x?a=b", ""], vec![]);
    assert_eq!((page.unwrap().items.len(), paths.len()), (0, 0));
}

#[test]
fn an_instance_of_a_compartment_that_was_not_chosen_is_not_listed() {
    let (page, _) = by_id(&bare(), &["ocid1.instance.1"], vec![ok(instance("1"))]);
    assert_eq!(ids(&page.unwrap()), ["1"]);
    let other = account(&[("compartments", "ocid1.compartment.b")]);
    let (page, paths) = by_id(&other, &["ocid1.instance.1"], vec![ok(instance("1"))]);
    assert_eq!((page.unwrap().items.len(), paths.len()), (0, 1));
}

#[test]
fn of_many_everything_is_listed() {
    let many: Vec<String> = (0..11).map(|number| format!("ocid1.instance.{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (_, paths) = by_id(&bare(), &many, vec![Answer::new(503)]);
    assert_eq!(paths, ["/instances?compartmentId=ocid1.compartment.a&limit=1000"]);
}

#[test]
fn an_answer_that_is_not_oracles_says_nothing_of_an_instance() {
    for answer in [
        Answer::new(404),
        Answer::new(404).body("<html>not found</html>"),
        ok(json!({})),
        ok(json!(null)),
        ok(json!([instance("1")])),
        ok(instance("2")),
    ] {
        let (page, _) = by_id(&bare(), &["ocid1.instance.1"], vec![answer]);
        assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
    }
    let told = Answer::new(200).body(fixture("error-not-authorized-or-not-found"));
    let (page, _) = by_id(&bare(), &["ocid1.instance.1"], vec![told]);
    assert!(matches!(page, Err(Error::Forbidden(_))), "{page:?}");
    let mut nowhere = instance("1");
    nowhere["compartmentId"] = json!(null);
    let (page, _) = by_id(&account(&[]), &["ocid1.instance.1"], vec![ok(nowhere)]);
    assert!(matches!(page, Err(Error::UnexpectedAnswer(_))), "{page:?}");
}

#[test]
fn every_vnic_of_a_single_instance_is_asked_for() {
    let vnics: Vec<_> = (0..120).map(|number| attachment("1", &number.to_string())).collect();
    let mut answers = vec![ok(instance("1")), ok(json!(vnics))];
    let mut order: Vec<String> = (0..120).map(|number| format!("ocid1.vnic.{number}")).collect();
    order.sort();
    answers.extend(order.iter().map(|id| ok(json!({ "id": id, "publicIp": "203.0.113.9" }))));
    let (page, paths) = by_id(&account(&[]), &["ocid1.instance.1"], answers);
    assert_eq!((page.unwrap().items[0].public_addresses.len(), paths.len()), (1, 122));
}
