//! A provider that fails in every way that providers do. Each failure is told to the account's owner, none is
//! taken for an observation, and once it is over the tracker goes on as if nothing had been.

use std::time::Duration;

use serde_json::json;

use crate::support::lab::step;
use crate::support::{Lab, Misbehaviour, Provider, Receiver};

/// What is wrong, with the word that it is told by.
fn misbehaviours() -> Vec<(Misbehaviour, &'static str)> {
    vec![
        (Misbehaviour::Status(500), "unavailable"),
        (Misbehaviour::Status(404), "unexpected-answer"),
        (Misbehaviour::Throttle(1), "throttled"),
        (Misbehaviour::Garbage, "unexpected-answer"),
        (Misbehaviour::CutShort, "unavailable"),
        (Misbehaviour::HalfAnswer, "unavailable"),
        (Misbehaviour::Nothing, "unavailable"),
        (Misbehaviour::Silence, "limit.request_timeout"),
        (Misbehaviour::Redirect("http://169.254.169.254/latest/meta-data/".into()), "unexpected-answer"),
        (Misbehaviour::Headers(90, 1 << 10), "limit.answer_header_bytes"),
        (Misbehaviour::Headers(1000, 10), "limit.answer_header_bytes"),
        (Misbehaviour::Headers(90, 10 << 10), "limit.answer_header_bytes"),
        (Misbehaviour::Huge, "limit.answer_bytes"),
        (Misbehaviour::Bomb, "limit.answer_bytes"),
    ]
}

#[tokio::test]
async fn a_provider_that_fails_loses_nothing() {
    let mut receiver = Receiver::start().await;
    let here = [("i-1", "running"), ("i-2", "stopped")];
    let lab = Lab::with(&here, |setup| setup.limits("request_timeout = \"2s\"\nanswer_bytes = \"4 MiB\"")).await;
    let secret = lab.track("i-1", &receiver).await;
    lab.track("i-2", &receiver).await;

    for (how, code) in misbehaviours() {
        let error = lab.fails(how.clone()).await;
        assert_eq!(error["code"], code, "{how:?}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{how:?}: {error}");
        for (id, word) in here {
            let instance = lab.client.get(&format!("/api/instances/{id}")).await.ok();
            assert_eq!(instance["provider_state"], word, "{how:?}: what was known stays known");
        }
        lab.recovers().await;
        assert_eq!(lab.polls().await["failures"], 0, "{how:?}: it is over");
    }

    // All that while nothing changed, and so the first callback of all is of the first change.
    lab.becomes(&[("i-1", "stopped"), ("i-2", "stopped")]).await;
    assert_eq!(step(&receiver.next().await.change(&secret)), json!(["RUNNING", "STOPPED"]));
}

#[tokio::test]
async fn a_refusal_tells_of_a_clock_that_is_wrong() {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let message = async |ahead: Duration| {
        let error = lab.fails(Misbehaviour::RefusesAhead(ahead)).await;
        lab.recovers().await;
        (error["code"] == "unauthorized", error["message"].as_str().expect("text").to_owned())
    };
    let (is_refused, told) = message(Duration::from_secs(61 * 60)).await;
    assert!(is_refused && told.contains("this host's clock is 61 minutes behind the provider's"), "{told}");
    assert!(told.contains("AuthFailure"), "{told}");
    let (is_refused, told) = message(Duration::ZERO).await;
    assert!(is_refused && !told.contains("clock"), "{told}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Provider::start().await;
    elsewhere.has(&[("i-planted", "running")]);
    let lab = Lab::start(&[("i-1", "running")]).await;
    lab.fails(Misbehaviour::Redirect(elsewhere.endpoint())).await;
    assert_eq!(elsewhere.requests(), 0);
    lab.client.get("/api/instances/i-planted").await.problem(404);
}

#[tokio::test]
async fn credentials_that_cant_be_proven_are_neither_taken_nor_refused() {
    let lab =
        Lab::with(&[("i-1", "running")], |setup| setup.limits("request_timeout = \"2s\"\nanswer_bytes = \"4 MiB\""))
            .await;
    for (at, (how, code)) in misbehaviours().into_iter().enumerate() {
        lab.provider.misbehaves(how.clone());
        let stranger = lab.client.as_user(&format!("AKIASTRANGER{at}"), "stranger's own password");
        let answer = stranger.get("/api/instances").await;
        let status = match code {
            "throttled" => 503,
            _ => 502,
        };
        let problem = answer.problem(status);
        assert!(!problem.to_string().contains("stranger's own"), "{how:?}: {problem}");
        if status == 502 {
            assert_eq!(problem["code"], code, "{how:?}: {problem}");
        }
        // Who was proven before is not locked out by the provider's trouble.
        lab.client.get("/api/instances/i-1").await.ok();
        lab.provider.recovers();
        // Once the provider answers, so does the tracker.
        stranger.until("/api/instances", "the stranger is let in", |list| list["instances"].is_array()).await;
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_is_told_of_and_comes_back() {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let error = lab.fails(Misbehaviour::Nothing).await;
    assert_eq!(error["code"], "unavailable", "{error}");
    lab.recovers().await;
    lab.becomes(&[("i-1", "stopped")]).await;
}

#[tokio::test]
async fn a_provider_that_never_answers_holds_nobody_up() {
    let silent = Provider::start().await;
    silent.has(&[("i-unseen", "running")]);
    silent.misbehaves(Misbehaviour::Silence);
    let lab = Lab::with(&[("i-1", "running")], |setup| {
        let setup = setup.provider("ec2", "silent", &silent.endpoint(), "region = \"us-east-1\"");
        setup.account("ec2", "silent", "AKIASILENT", "its secret")
    })
    .await;
    // Until its limit of 30 s the silent one is waited for; the other is polled meanwhile, again and again.
    for word in ["stopped", "running", "stopped", "running"] {
        lab.becomes(&[("i-1", word)]).await;
    }
    assert!(silent.requests() > 0, "the silent one was asked");
    // And what waits for it does not keep the host from ending.
    let mut lab = lab;
    assert!(lab.host.stop().await.success());
}
