//! A clock before 1970, which neither `Date` nor certificates have a form for: as on a machine whose clock has no battery.

use crate::support::host::free_port;
use crate::support::{Client, Setup};

/// More seconds than there were since 1970.
const BEFORE_1970: i64 = -3_000_000_000;

#[tokio::test]
async fn a_host_does_not_start_before_1970_and_answers_where_its_clock_is_set_so() {
    let operator = free_port();
    let setup = Setup::new(&["mock"]).polls(&format!("[operator]\nlisten = \"127.0.0.1:{operator}\""));
    let setup = setup.account("mock", "default", "mockuser", "mockpassword");
    let mut host = setup.with_a_clock().start().await;
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    client.get("/api/instances").await.ok();

    host.set_clock(BEFORE_1970);
    // No thread that serves has to read the time for the first time now.
    let operators = Client::new(&format!("http://127.0.0.1:{operator}"));
    for _ in 0..20 {
        // Each has connections of its own.
        let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
        client.get("/api/instances").await.ok();
    }
    operators.get("/healthz").await.ok();
    host.set_clock(0);
    operators.get("/healthz").await.ok();
    let date = client.get("/api/instances").await.headers["date"].to_str().expect("text").to_owned();
    assert!(httpdate::parse_http_date(&date).is_ok(), "{date}");
    let log = host.log().text();
    assert!(!log.contains("panicked"), "{log}");
    assert!(host.stop().await.success());

    host.set_clock(BEFORE_1970);
    let refused = host.setup().run(&["serve"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert!(
        refused.stderr.contains("the system's clock is at 19") && refused.stderr.contains("set it"),
        "{refused:#?}"
    );
    host.set_clock(0);
    host.start().await;
    client.get("/api/instances").await.ok();
}
