//! What these tests share: an account, a host, and all pages of a list.

use azure::Azure;
use tracker_driver_sdk::testing::{Answer, Host, Seen};
use tracker_driver_sdk::{Account, Coverage, Driver, Error, Instance, Page, Query};

pub(crate) const ARM: &str = "https://management.azure.com";
pub(crate) const SUBSCRIPTION: &str = "5b1c0f62-9d0e-4c1a-8a57-30d4c1e9a7b4";

pub(crate) fn account(options: &[(&str, &str)]) -> Account {
    let mut all = vec![("subscription", SUBSCRIPTION), ("tenant", "contoso.example")];
    all.retain(|(name, _)| !options.iter().any(|(other, _)| other == name));
    all.extend(options);
    Account {
        endpoints: vec![("login".into(), "https://login.microsoftonline.com".into())],
        options: all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..Account::new("AzureCloud", ARM, "app")
    }
}

/// At 2026-11-20T10:00:00Z.
pub(crate) fn host() -> Host {
    Host::new().secret("password", "s3cret").at(1_795_168_800_000)
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Answer {
    Answer::new(200).body(body)
}

pub(crate) fn none() -> Answer {
    ok(r#"{"value": []}"#)
}

pub(crate) fn granted() -> Answer {
    ok(r#"{"token_type": "Bearer", "expires_in": 3599, "access_token": "t0ken"}"#)
}

/// All pages of the list of instances as one.
pub(crate) fn list(account: &Account) -> Result<Page<Instance>, Error> {
    let mut whole = Page::complete(Vec::new());
    let mut cursor = None;
    loop {
        let page = Azure::list_instances(account, &Query { cursor, ..Query::default() })?;
        whole.items.extend(page.items);
        whole.omitted += page.omitted;
        if let Coverage::Partial(why) = page.coverage {
            whole = whole.partial(why);
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(whole);
        }
    }
}

/// What was asked for, without the endpoint of Resource Manager.
pub(crate) fn paths(seen: &Seen) -> Vec<String> {
    seen.sent.iter().map(|sent| sent.url.trim_start_matches(ARM).to_owned()).collect()
}
