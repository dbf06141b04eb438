//! What is made of answers: every state, labels, addresses, and what is missing or odd.

use std::collections::BTreeMap;

use oci::answer::{self, Attachment, Attachments, Compartment, Domain, Entry};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracker_driver_sdk::{Address, Error, Instance, InstanceState, RealmState};

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn instance(entry: Value) -> Result<Instance, Error> {
    answer::instance(serde_json::from_value(entry)?)
}

#[test]
fn an_instance_is_read_whole() {
    let entries: Vec<Entry> = fixture("instances");
    let found: Vec<Instance> = entries.into_iter().map(|entry| answer::instance(entry).unwrap()).collect();
    let [web, db, gone] = &found[..] else { panic!("{found:?}") };
    let labels = [
        ("Operations.CostCenter", "42"),
        ("Operations.Critical", "true"),
        ("Oracle-Tags.CreatedBy", "default/anna.example"),
        ("Oracle-Tags.CreatedOn", "2026-03-14T09:26:49.900Z"),
        ("note", " kept as it is "),
        ("tier", "web"),
    ];
    assert_eq!(
        *web,
        Instance {
            name: Some("web-1".into()),
            owner: Some("ocid1.compartment.oc1..aaaaaaaashop7kq".into()),
            realm: Some("kXzQ:US-ASHBURN-AD-1".into()),
            image: Some("ocid1.image.oc1.iad.aaaaaaaalinux9".into()),
            hardware_profile: Some("VM.Standard.E5.Flex".into()),
            launched_at: Some(1_773_480_410_120),
            labels: labels.map(|(name, value)| (name.into(), value.into())).into(),
            ..Instance::new("ocid1.instance.oc1.iad.antheljtweb1", InstanceState::Running, "RUNNING")
        }
    );
    assert_eq!((db.state, gone.state), (InstanceState::Stopped, InstanceState::Finish));
}

#[test]
fn every_state_is_mapped_and_none_is_guessed() {
    for (word, expected) in [
        ("PROVISIONING", InstanceState::Pending),
        ("STARTING", InstanceState::Pending),
        ("RUNNING", InstanceState::Running),
        ("STOPPING", InstanceState::Stopping),
        ("STOPPED", InstanceState::Stopped),
        ("TERMINATING", InstanceState::ShuttingDown),
        ("TERMINATED", InstanceState::Finish),
        ("CREATING_IMAGE", InstanceState::Unknown),
        ("MOVING", InstanceState::Unknown),
        ("HIBERNATED", InstanceState::Unknown),
        ("NOT RUNNING", InstanceState::Unknown),
        ("", InstanceState::Unknown),
    ] {
        let found = instance(json!({ "id": "ocid1.instance.a", "lifecycleState": word })).unwrap();
        assert_eq!((found.state, found.provider_state.as_str()), (expected, word));
    }
}

#[test]
fn what_may_be_missing_is_missing_and_what_has_to_be_there_is_asked_for() {
    let bare = Instance::new("ocid1.instance.a", InstanceState::Stopped, "STOPPED");
    assert_eq!(instance(json!({ "id": "ocid1.instance.a", "lifecycleState": "STOPPED" })).unwrap(), bare);
    let nulls = json!({
        "id": "ocid1.instance.a", "lifecycleState": "STOPPED", "displayName": null, "compartmentId": "",
        "availabilityDomain": null, "shape": "", "timeCreated": "soon", "sourceDetails": null, "imageId": null,
        "freeformTags": null, "definedTags": null
    });
    assert_eq!(instance(nulls).unwrap(), bare);
    let of = |member: &str, value: Value| {
        let mut entry = json!({ "id": "ocid1.instance.a", "lifecycleState": "STOPPED" });
        entry[member] = value;
        instance(entry)
    };
    // A boot volume is no image; older answers name the image beside it.
    assert_eq!(of("sourceDetails", json!({ "sourceType": "bootVolume", "bootVolumeId": "v" })).unwrap().image, None);
    assert_eq!(of("imageId", json!("ocid1.image.b")).unwrap().image.as_deref(), Some("ocid1.image.b"));
    let time = of("timeCreated", json!("2026-06-01T12:00:00.5+02:00")).unwrap().launched_at;
    assert_eq!(time, Some(1_780_308_000_500));
    for (member, value) in [
        ("id", json!(7)),
        ("id", json!("")),
        ("id", json!(null)),
        ("lifecycleState", json!(null)),
        ("lifecycleState", json!(["RUNNING"])),
        ("definedTags", json!({ "Operations": "CostCenter" })),
        ("freeformTags", json!(["tier"])),
        ("sourceDetails", json!("image")),
    ] {
        assert!(matches!(of(member, value.clone()), Err(Error::UnexpectedAnswer(_))), "{member} {value}");
    }
}

#[test]
fn tags_of_both_kinds_are_labels() {
    let labels = |free: Value, defined: Value| -> BTreeMap<String, String> {
        let entry = json!({ "id": "a", "lifecycleState": "", "freeformTags": free, "definedTags": defined });
        instance(entry).unwrap().labels.into_iter().collect()
    };
    let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    assert_eq!(labels(json!({ "a": "", "b": null }), json!({})), of(&[("a", ""), ("b", "")]));
    let defined = json!({ "Finance": { "Budget": 12.5, "Open": false }, "Empty": {} });
    let found = labels(json!({ "Finance.Budget": "none", "z": " z " }), defined);
    assert_eq!(found, of(&[("Finance.Budget", "12.5"), ("Finance.Open", "false"), ("z", " z ")]));
}

#[test]
fn only_what_is_attached_is_joined_and_in_the_order_of_its_time() {
    let mut found = Attachments::new();
    assert_eq!(answer::attach(fixture("vnic-attachments"), &mut found), 0);
    assert_eq!(found.len(), 1);
    let vnics: Vec<&str> =
        found["ocid1.instance.oc1.iad.antheljtweb1"].iter().map(|attached| attached.vnic.as_str()).collect();
    assert_eq!(vnics, ["ocid1.vnic.oc1.iad.abtheljrweb1", "ocid1.vnic.oc1.iad.abtheljrweb1b"]);
    // What does not say what it attaches is counted, and what is in a VLAN has no address.
    let whole = json!({ "id": "x", "instanceId": "i", "vnicId": "v", "lifecycleState": "ATTACHED", "subnetId": "s" });
    for (member, value, expected) in [
        ("vlanId", json!("ocid1.vlan.a"), (0, 0)),
        ("vlanId", json!(null), (0, 1)),
        ("subnetId", json!(null), (0, 1)),
        ("vnicId", json!(null), (1, 0)),
        ("instanceId", json!(""), (1, 0)),
        ("lifecycleState", json!("PAUSED"), (1, 0)),
        ("lifecycleState", json!(null), (1, 0)),
        ("lifecycleState", json!("ATTACHING"), (0, 0)),
        ("lifecycleState", json!("DETACHED"), (0, 0)),
    ] {
        let mut entry = whole.clone();
        entry[member] = value.clone();
        let mut found = Attachments::new();
        let page: Vec<Attachment> = serde_json::from_value(json!([entry])).unwrap();
        assert_eq!((answer::attach(page, &mut found), found.len()), expected, "{member} {value}");
    }
}

#[test]
fn ipv6_addresses_are_public_but_for_local_ones() {
    let mut found = Instance::new("a", InstanceState::Running, "RUNNING");
    for text in ["2001:db8::1", "2001:db8::1", "fd00::1", "fe80::1", "", "no address"] {
        answer::ipv6(text, &mut found);
    }
    assert_eq!(found.public_addresses, [Address::ipv6("2001:db8::1")]);
    assert_eq!(found.private_addresses, ["fd00::1", "fe80::1"].map(Address::ipv6));
}

#[test]
fn deleted_compartments_are_left_out_and_others_are_not() {
    let page: Vec<Compartment> = fixture("compartments");
    let found: Vec<String> = answer::compartments(page).unwrap().iter().map(ToString::to_string).collect();
    let expected =
        ["shop (ocid1.compartment.oc1..aaaaaaaashop7kq)", "closed (ocid1.compartment.oc1..aaaaaaaaclosed5m)"];
    assert_eq!(found, expected);
    let of = |entry: Value| answer::compartments(serde_json::from_value(json!([entry])).unwrap());
    assert_eq!(of(json!({ "id": "ocid1.compartment.a" })).unwrap().len(), 1);
    for state in ["CREATING", "DELETING", "FAILED", "of another day"] {
        assert_eq!(of(json!({ "id": "ocid1.compartment.a", "lifecycleState": state })).unwrap().len(), 1, "{state}");
    }
    for id in ["", "shop", "ocid1.compartment.a&limit=1", "ocid1.compartment.a b"] {
        assert!(matches!(of(json!({ "id": id })), Err(Error::UnexpectedAnswer(_))), "{id}");
    }
}

#[test]
fn availability_domains_are_realms_by_the_names_that_instances_have() {
    let page: Vec<Domain> = fixture("availability-domains");
    let found = answer::domains(page).unwrap().items;
    let ids: Vec<&str> = found.iter().map(|realm| realm.id.as_str()).collect();
    assert_eq!(ids, ["kXzQ:US-ASHBURN-AD-1", "kXzQ:US-ASHBURN-AD-2", "kXzQ:US-ASHBURN-AD-3"]);
    assert!(found.iter().all(|realm| realm.id == realm.name && realm.state == RealmState::Available));
    let nameless: Vec<Domain> = serde_json::from_value(json!([{ "name": "" }])).unwrap();
    assert!(matches!(answer::domains(nameless), Err(Error::UnexpectedAnswer(_))));
    assert!(serde_json::from_value::<Vec<Domain>>(json!([{ "id": "ocid1.availabilitydomain.a" }])).is_err());
}
