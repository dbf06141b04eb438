//! How often an account is listed: at once and often while somebody waits for something, and else as the configuration
//! has it.

use serde_json::{Value, json};

use crate::support::lab::step;
use crate::support::{Lab, Receiver};

/// An hour apart, if nothing hastens it.
const SLOW: &str = "[polling]\ninstances_every = \"1h\"\nrealms_every = \"1h\"\nfast = \"200ms\"\njitter = 0.0\n\
                    fast_after_hook = \"0s\"\n\n[api]\nrefresh_every = \"0s\"\n";

fn pace(account: &Value) -> (&Value, &Value) {
    let polls = &account["polls"]["instances"];
    (&polls["pace"], &polls["interval_seconds"])
}

#[tokio::test]
async fn what_a_hook_waits_for_is_not_waited_for_an_hour() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::with(&[("i-1", "running"), ("i-2", "running")], |setup| setup.polls(SLOW)).await;
    let account = lab.client.get("/api/account").await.ok();
    assert_eq!(pace(&account), (&json!("usual"), &json!(3600.0)));

    // The hook has the account listed soon, by which it is seen that the instance is on its way.
    lab.provider.has(&[("i-1", "pending"), ("i-2", "running")]);
    let secret = lab.track("i-1", &receiver).await;
    let change = receiver.next().await.change(&secret);
    assert_eq!(step(&change), json!(["RUNNING", "PENDING"]));
    let account = lab.client.until("/api/account", "it is listed fast", |account| pace(account).0 == "passing").await;
    assert_eq!(pace(&account).1, &json!(3600.0), "it is asked for by itself, and lists come as usual");
    let lists = lab.provider.lists();

    lab.provider.has(&[("i-1", "running"), ("i-2", "running")]);
    let change = receiver.next().await.change(&secret);
    assert_eq!(step(&change), json!(["PENDING", "RUNNING"]));
    lab.client.until("/api/account", "it is listed as usual", |account| pace(account).0 == "usual").await;
    assert_eq!(lab.provider.lists(), lists);

    // Nobody waits for the other one.
    lab.provider.has(&[("i-1", "running"), ("i-2", "pending")]);
    lab.client.post_text("/api/refresh?kind=instance", "").await.ok();
    assert_eq!(pace(&lab.client.get("/api/account").await.ok()).0, &json!("usual"));
}
