//! Credentials over the real API: proven through a real driver, remembered by a real store.

use crate::support::Setup;

const USER: &str = "mockuser";
const PASSWORD: &str = "mockpassword";

#[tokio::test]
async fn a_password_that_was_proven_once_gets_in_past_guesses_even_after_a_restart() {
    let mut host = Setup::new(&["mock"]).start().await;
    let mock = host.client().at("mock", "default");
    mock.as_user(USER, PASSWORD).get("/api/account").await.ok();
    host.stop().await;
    host.start().await;

    for number in 0..5 {
        mock.as_user(USER, &format!("guess {number}")).get("/api/account").await.problem(401);
    }
    let held_off = mock.as_user(USER, "guess 5").get("/api/account").await;
    assert!(held_off.headers.contains_key("retry-after"), "{}", held_off.text);
    held_off.problem(429);
    mock.as_user(USER, PASSWORD).get("/api/account").await.ok();
    mock.as_user(USER, "guess 5").get("/api/account").await.problem(429);
}

#[tokio::test]
async fn what_is_not_named_is_the_only_one_there_is() {
    let host = Setup::new(&["mock"]).start().await;
    let client = host.client().as_user(USER, PASSWORD);
    let account = client.get("/api/account").await.ok();
    assert_eq!((account["driver"].as_str(), account["provider"].as_str()), (Some("mock"), Some("default")));

    // Which of EC2's regions was meant nobody can say.
    let host = Setup::new(&["mock", "ec2"]).start().await;
    let client = host.client().as_user(USER, PASSWORD);
    let problem = client.get("/api/account").await.problem(400);
    assert_eq!(problem["known"], serde_json::json!(["ec2", "mock"]), "{problem}");
    // Who asks for nothing of an account need not name one.
    assert!(client.get("/api").await.ok()["driver"].is_null());
}
