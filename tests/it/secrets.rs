//! Secrets at rest and in passing: what a client or an operator entrusts to the tracker is found nowhere in
//! the clear, in no answer, no log and no file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::support::lab::{PASSWORD, TOKEN, USER};
use crate::support::{Lab, Misbehaviour, Receiver, Reply};

#[tokio::test]
async fn secrets_are_found_nowhere() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    // As much as the host ever says.
    receiver.replies("i-1", [Reply::Status(500), Reply::Status(200)]);
    let secret = lab.track("i-1", &receiver).await;
    // The account of a client, who is remembered by nothing but what the store keeps.
    let stranger = lab.client.as_user("AKIASTRANGER", "stranger's-own-password");
    stranger.track("/api/instances/i-1", &receiver.url("stranger"), "stranger's-own-token").await;

    lab.becomes(&[("i-1", "stopped")]).await;
    for _ in 0..3 {
        receiver.next().await;
    }
    lab.fails(Misbehaviour::Garbage).await;
    lab.recovers().await;

    let mut told = String::new();
    for client in [&lab.client, &stranger] {
        for path in ["/api", "/api/instances", "/api/instances/i-1", "/api/account", "/api/drivers", "/api/realms"] {
            let answer = client.get(path).await;
            told += &format!("{:?} {}\n", answer.headers, answer.text);
        }
    }
    for wrong in ["", "/", "?track_hook=none&token=stranger's-own-token"] {
        told += &lab.client.as_user(USER, "wrong").get(&format!("/api/instances/i-9{wrong}")).await.text;
    }
    assert!(lab.host.stop().await.success());
    let kept = lab.host.data();
    let logged = lab.host.log().text();
    assert!(kept.windows(3).any(|window| window == b"i-1"), "this looks where things are kept");

    let key = secret.strip_prefix("whsec_").expect("a secret as Standard Webhooks writes it");
    let raw_key = BASE64.decode(key).expect("base64");
    let words = [PASSWORD, TOKEN, key, "stranger's-own-password", "stranger's-own-token"];
    let basic = BASE64.encode(format!("{USER}:{PASSWORD}"));
    for word in words.into_iter().chain([basic.as_str()]) {
        for (place, text) in [("an answer", told.as_bytes()), ("the log", logged.as_bytes()), ("the data", &kept)] {
            assert!(!contains(text, word.as_bytes()), "{word} is in {place}");
        }
    }
    assert!(!contains(&kept, &raw_key), "the key of a hook is in the data");
}

#[tokio::test]
async fn what_is_kept_is_for_the_owners_eyes() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::with(&[("i-1", "running")], |setup| {
        // The host is to make the folder itself.
        std::fs::remove_dir_all(setup.path("data")).expect("removed");
        setup
    })
    .await;
    let mode = |name: &str| {
        let metadata = std::fs::metadata(lab.host.setup().path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/key"), 0o600);
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}
