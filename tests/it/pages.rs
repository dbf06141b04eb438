//! Paging: more instances than one page of the provider's answer, seen whole, and walked in the tracker's own
//! pages.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Client, Moto, Setup};

/// One more than EC2 gives in a page; moto counts in reservations.
const COUNT: usize = 1001;

#[tokio::test]
async fn more_instances_than_one_page_are_all_seen() {
    let mut moto = Moto::start().await;
    let here: BTreeSet<String> = moto.cloud.run_apart(COUNT).await.into_iter().collect();
    assert_eq!(here.len(), COUNT);

    let setup = Setup::new(&["ec2"]).provider("ec2", "moto", &moto.endpoint, "region = \"us-east-1\"").account(
        "ec2",
        "moto",
        "AKIAOWNER",
        "owner-secret-key",
    );
    let host = setup.start().await;
    let client = host.client().at("ec2", "moto").as_user("AKIAOWNER", "owner-secret-key");
    client
        .until("/api/account", "a whole list", |account| !account["polls"]["instances"]["last_complete"].is_null())
        .await;

    let seen = walk(&client, "/api/instances?limit=100").await;
    assert_eq!(seen.len(), COUNT, "each once");
    assert!(seen.is_sorted(), "in order");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), here);

    // What happens on the last page is seen as well.
    let last = here.last().expect("many");
    moto.cloud.terminate(last).await;
    client.until(&format!("/api/instances/{last}"), "FINISH", |instance| instance["state"] == "FINISH").await;
    assert_eq!(walk(&client, "/api/instances?state=FINISH").await, std::slice::from_ref(last));
}

/// The ids of a list, page by page, as the links lead.
async fn walk(client: &Client, first: &str) -> Vec<String> {
    let (mut ids, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let answer = client.get(&path).await;
        next = answer.next_page();
        let page = answer.ok();
        let items = page["instances"].as_array().unwrap_or_else(|| panic!("a page: {page}"));
        ids.extend(items.iter().map(|item: &Value| item["id"].as_str().expect("an id").to_owned()));
    }
    ids
}
