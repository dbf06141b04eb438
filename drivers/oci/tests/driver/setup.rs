//! What these tests share: an account, a host, answers, and all pages of a list.

use oci::Oci;
use serde_json::{Value, json};
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query, SecretKind};

pub(crate) const CORE: &str = "https://iaas.us-ashburn-1.oraclecloud.com";
pub(crate) const IDENTITY: &str = "https://identity.us-ashburn-1.oci.oraclecloud.com";
pub(crate) const TENANCY: &str = "ocid1.tenancy.oc1..t";
pub(crate) const USER: &str = "ocid1.user.oc1..u";
pub(crate) const FINGERPRINT: &str = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34";
pub(crate) const KEY: &str = "a key of mine";

pub(crate) fn account(options: &[(&str, &str)]) -> Account {
    let mut all = vec![("tenancy", TENANCY), ("fingerprint", FINGERPRINT)];
    all.retain(|(name, _)| !options.iter().any(|(other, _)| other == name));
    all.extend(options);
    Account {
        endpoints: vec![("identity".into(), IDENTITY.into())],
        secret: SecretKind::PrivateKey,
        options: all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..Account::new("us-ashburn-1", CORE, USER)
    }
}

/// Only one compartment, and no addresses.
pub(crate) fn bare() -> Account {
    account(&[("compartments", "ocid1.compartment.a"), ("addresses", "none")])
}

/// At 2026-11-20T10:00:00Z.
pub(crate) fn host() -> Host {
    Host::new().secret("password", KEY).at(1_795_168_800_000)
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub(crate) fn ok(body: Value) -> Answer {
    Answer::new(200).body(body.to_string())
}

pub(crate) fn refused() -> Answer {
    Answer::new(404).body(fixture("error-not-authorized-or-not-found"))
}

pub(crate) fn instance(id: &str) -> Value {
    json!({ "id": format!("ocid1.instance.{id}"), "lifecycleState": "RUNNING", "compartmentId": "ocid1.compartment.a",
        "availabilityDomain": "x:AD-1" })
}

pub(crate) fn attachment(instance: &str, vnic: &str) -> Value {
    json!({ "id": format!("ocid1.vnicattachment.{vnic}"), "instanceId": format!("ocid1.instance.{instance}"),
        "vnicId": format!("ocid1.vnic.{vnic}"), "subnetId": "ocid1.subnet.s", "lifecycleState": "ATTACHED" })
}

/// All pages of a list as one.
pub(crate) fn list(account: &Account, ids: &[&str]) -> Result<Page<Instance>, Error> {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let mut whole = Page::complete(Vec::new());
    let mut cursor = None;
    loop {
        let page = Oci::list_instances(account, &Query { cursor, ids: ids.clone(), ..Query::default() })?;
        whole.items.extend(page.items);
        if let Coverage::Partial(why) = page.coverage {
            whole = whole.partial(why);
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(whole);
        }
    }
}

/// A list with these answers, and the paths that were asked for.
pub(crate) fn listed(account: &Account, answers: Vec<Answer>) -> (Result<Page<Instance>, Error>, Vec<String>) {
    let (page, seen) = answers.into_iter().fold(host(), Host::answer).run(|| list(account, &[]));
    (page, paths(&seen))
}

/// What was asked for, without the version of the API.
pub(crate) fn paths(seen: &Seen) -> Vec<String> {
    let short = |url: &str| url.replace(CORE, "").replace(IDENTITY, "identity").replace("/20160918/", "/");
    seen.sent.iter().map(|sent| short(&sent.url)).collect()
}

pub(crate) fn ids(page: &Page<Instance>) -> Vec<&str> {
    page.items.iter().map(|item| item.id.trim_start_matches("ocid1.instance.")).collect()
}
