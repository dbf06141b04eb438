//! The driver for DigitalOcean on the whole host, against a server that speaks its API.

use serde_json::{Value, json};

use crate::support::droplets::{Droplets, Instead, TOKEN};
use crate::support::host::QUICK_POLLS;
use crate::support::lab::step;
use crate::support::wait::{SOON, eventually};
use crate::support::{Ended, Receiver, Setup};

fn setup(droplets: &Droplets, token: &str) -> Setup {
    Setup::new(&["digitalocean"]).provider("digitalocean", "lab", &droplets.endpoint(), "").account(
        "digitalocean",
        "lab",
        "me",
        token,
    )
}

/// Runs `tracker poll` beside the server that it polls, which is served by this very runtime.
async fn poll(setup: &Setup, arguments: &[&str]) -> Ended {
    tokio::task::block_in_place(|| setup.run(&[&["poll"], arguments].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_droplets_come_in_five_pages_within_the_default_limits() {
    let droplets = Droplets::start().await;
    let words = ["active", "off", "new", "archive", "migrating"];
    droplets.has((0..1000).map(|number| (3_000_000 + number, words[usize::try_from(number).expect("small") % 5])));
    let setup = setup(&droplets, TOKEN);
    let ended = poll(&setup, &["--output", "json"]).await.succeeded();
    let instances: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let instances = instances.as_array().expect("a list");
    assert_eq!(instances.len(), 1000);
    for (number, state) in ["RUNNING", "STOPPED", "PENDING", "FINISH", "UNKNOWN"].iter().enumerate() {
        assert_eq!(
            (&instances[number]["state"], &instances[number]["provider_state"]),
            (&json!(state), &json!(words[number]))
        );
    }
    let first = &instances[0];
    assert_eq!(
        (&first["id"], &first["realm"], &first["image"]),
        (&json!("3000000"), &json!("nyc3"), &json!("debian-13-x64"))
    );
    assert_eq!(first["launched_at"], "2026-05-17T08:05:40.000Z");
    assert!(ended.stderr.contains("1000 listed, complete; 5 pages, 5 requests"), "{ended:#?}");
    let asked: Vec<String> = (1..=5).map(|page| format!("/v2/droplets?per_page=200&page={page}")).collect();
    assert_eq!(droplets.asked(), asked);

    let realms = poll(&setup, &["--kind", "realms"]).await.succeeded().stdout;
    assert!(realms.contains("New York 3") && realms.contains("UNAVAILABLE"), "{realms}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_api_refuses_is_told_in_its_own_words() {
    let droplets = Droplets::start().await;
    droplets.has([(1, "active")]);
    let ended = poll(&setup(&droplets, "dop_v1_another_token"), &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("Unable to authenticate you."), "{ended:#?}");
    assert!(!ended.stderr.contains("dop_v1_another_token"), "{ended:#?}");

    let setup = setup(&droplets, TOKEN);
    for (instead, words) in [
        (Instead::Throttled, "API Rate limit exceeded."),
        (Instead::Status(403, r#"{"id": "forbidden", "message": "You may not."}"#), "forbidden: You may not."),
        (Instead::Status(503, "<html>Maintenance</html>"), "answered 503: <html>Maintenance</html>"),
        (Instead::Status(200, "<html>Please log in</html>"), "the answer is not the JSON expected"),
        (Instead::Status(200, r#"{"droplets": [{"id": 1}], "meta": {"total": 1}}"#), "missing field `status`"),
        (Instead::CutShort, "the answer broke off"),
    ] {
        droplets.answers_with(Some(instead));
        let ended = poll(&setup, &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
        assert!(ended.stderr.contains(words), "{words}: {ended:#?}");
        assert!(!ended.stderr.contains(TOKEN), "{ended:#?}");
    }
}

#[tokio::test]
async fn changes_are_called_back_and_an_unsure_list_removes_nothing() {
    let droplets = Droplets::start().await;
    let mut receiver = Receiver::start().await;
    // More than a page of them.
    let many = |status| (1..=201).map(move |id| (id, if id == 7 { status } else { "active" }));
    droplets.has(many("active"));
    let host = setup(&droplets, TOKEN).start().await;
    let client = host.client().at("digitalocean", "lab").as_user("me", TOKEN);
    client.until("/api/instances/7", "it runs", |instance| instance["state"] == "RUNNING").await;
    let secret = client.track("/api/instances/7", &receiver.url("seven"), "token").await;
    droplets.has(many("off"));
    let change = loop {
        let change = receiver.next().await.change(&secret);
        if change["type"] != "instance.created" {
            break change;
        }
    };
    assert_eq!(step(&change), json!(["RUNNING", "STOPPED"]));

    // The first is gone, and the list says that it changed while it was read: that is no removal.
    droplets.answers_with(Some(Instead::Shrinking));
    droplets.has(many("off").skip(1).chain([(202, "active")]));
    client.until("/api/instances/202", "it is seen", |_| true).await;
    droplets.asked();
    eventually(SOON, "it was polled some times more", async || match droplets.asked_so_far() {
        few @ 0..8 => Err(format!("{few} requests")),
        _ => Ok(()),
    })
    .await;
    assert_eq!(client.get("/api/instances/1").await.ok()["state"], "RUNNING");
    // Once it says that it was whole, it is.
    droplets.answers_with(None);
    eventually(SOON, "the first is gone", async || match client.get("/api/instances/1").await {
        answer if answer.status == 404 => Ok(()),
        answer => Err(answer.text),
    })
    .await;
}

/// The token alone counts there, and the user is any name: else each name would have limits and a budget of its own.
#[tokio::test]
async fn one_token_has_so_many_users_whatever_these_are_called() {
    let droplets = Droplets::start().await;
    droplets.has([(1, "active")]);
    let host = Setup::new(&["digitalocean"])
        .provider("digitalocean", "lab", &droplets.endpoint(), "")
        .polls(&format!("{QUICK_POLLS}users_per_credential = 2\nnew_accounts_per_peer = 2\n"))
        .start()
        .await;
    let as_user = |user: &str| host.client().at("digitalocean", "lab").as_user(user, TOKEN);
    for user in ["one", "two"] {
        as_user(user).get("/api/instances").await.ok();
    }
    let refused = as_user("three").get("/api/instances").await.problem(403);
    assert_eq!((&refused["type"], &refused["limit"]), (&json!("/problems/too-many-accounts"), &json!(2)));
    as_user("one").get("/api/instances").await.ok();
    // Forgetting one makes room among those of the token, and the address has had what it may have.
    assert!(as_user("two").delete("/api/account").await.status.is_success());
    let refused = as_user("three").get("/api/instances").await.problem(429);
    assert_eq!(refused["type"], "/problems/too-many-new-accounts");
}

#[tokio::test]
async fn parallel_first_logins_do_not_pass_the_limit_of_their_address() {
    let droplets = Droplets::start().await;
    droplets.has([(1, "active")]);
    let host = Setup::new(&["digitalocean"])
        .provider("digitalocean", "lab", &droplets.endpoint(), "")
        .polls(&format!("{QUICK_POLLS}users_per_credential = 100\nnew_accounts_per_peer = 3\n"))
        .start()
        .await;
    let logins = (0..40).map(|number| {
        let client = host.client().at("digitalocean", "lab").as_user(&format!("user{number}"), TOKEN);
        async move { client.get("/api/instances").await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(logins).await;
    let of = |status: u16| statuses.iter().filter(|got| **got == status).count();
    assert_eq!((of(200), of(429)), (3, 37), "{statuses:?}");
}
