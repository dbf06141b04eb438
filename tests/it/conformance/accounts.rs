//! The accounts of cassettes: a host takes no other, and each role and kind of secret has to be shown.

use super::Lax;

/// The cassettes with endpoints by role and an access token.
pub(super) const BY_TOKEN: [&str; 2] = ["servers-by-token.json", "zones-by-token.json"];

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_no_host_would_take_is_found() {
    let of = |file: &str, old: &str, new: &str| Lax::with("none").edit(file, old, new);
    let identity = r#""identity": "https://identity.north.lax.example/v3""#;
    // The request stays where it was, and `describe` has the endpoint for another name.
    let renamed = of(BY_TOKEN[0], identity, &identity.replace("identity\"", "idetity\""));
    renamed.fails("an undeclared role", &["describes-itself", "replays-cassettes"]).await;
    let key = r#""secret": "private-key", "fakes": { "password": "a key" }"#;
    let kind = of(BY_TOKEN[1], r#""secret": "access-token", "secret_expires": "2026-11-20T12:00:00Z""#, key);
    kind.fails("an undeclared kind of secret", &["replays-cassettes"]).await;
    let moved = BY_TOKEN.iter().fold(Lax::with("none"), |lax, file| {
        let lax = lax.edit(file, "https://identity.north.lax.example/v3\" }", "https://id.north.lax.example/v3\" }");
        lax.edit(file, "https://identity.north.lax.example/v3/tokens", "https://id.north.lax.example/v3/tokens")
    });
    moved.fails("another endpoint than its provider's", &["describes-itself"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_and_a_kind_of_secret_that_no_cassette_shows_are_found() {
    let lax = Lax::with("none");
    BY_TOKEN.iter().for_each(|file| std::fs::remove_file(lax.cassettes().join(file)).expect("removed"));
    lax.fails("neither is shown", &["works-elsewhere", "uses-secrets"]).await;
    // What is asked at an endpoint that two share is asked at either.
    let shared = BY_TOKEN.iter().fold(Lax::with("none"), |lax, file| {
        let text = std::fs::read_to_string(lax.cassettes().join(file)).expect(file);
        let text = text.replace("https://compute.north.lax.example", "https://api.lab.lax.example");
        let text = text.replace("https://api.north.lax.example", "https://api.lab.lax.example");
        let text = text.replace(r#""provider": "north""#, r#""provider": "lab""#);
        std::fs::write(lax.cassettes().join(file), text).expect("written");
        lax
    });
    shared.fails("an endpoint of two roles", &["works-elsewhere"]).await;
}
