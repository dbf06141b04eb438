//! Callbacks as programs see them that have nothing from here: receivers in Python and in Node, which verify with
//! the public libraries. The receivers themselves are held to refuse what is not good, or they would prove nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::support::client::http;
use crate::support::lab::{step, steps};
use crate::support::verifier::Reads;
use crate::support::{Lab, Verifier};

const SECRET: &str = "whsec_cM3TDrxG5Kx2pMaQ/5jigXKS8CWqP/6W";
const OTHER: &str = "whsec_aZq/LObbndOuj+yVDb+E6FokygQPDNfp";
/// Neither ASCII nor free of what JSON escapes.
const TOKEN: &str = "a \"token\" of Zürich \u{1f980}\\";

#[tokio::test]
async fn python_verifies_callbacks() {
    verifies_callbacks(Verifier::python().await).await;
}

#[tokio::test]
async fn node_verifies_callbacks() {
    verifies_callbacks(Verifier::node().await).await;
}

async fn verifies_callbacks(mut verifier: Verifier) {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let secret = lab.client.track("/api/instances/i-1", &verifier.url("mine"), TOKEN).await;
    verifier.knows("mine", &secret, Reads::Json).await;
    let mut changes: Vec<Value> = Vec::new();
    for word in ["stopping", "stopped", "pending", "running", "terminated"] {
        lab.becomes(&[("i-1", word)]).await;
        changes.push(verifier.next_taken().await);
    }
    let states = ["RUNNING", "STOPPING", "STOPPED", "PENDING", "RUNNING", "FINISH"];
    let want: Vec<Value> = states.windows(2).map(|states| json!(states)).collect();
    assert_eq!(steps(&changes), want);
    assert!(changes.iter().all(|change| change["track_token"] == TOKEN), "{changes:#?}");
}

#[tokio::test]
async fn python_refuses_another_s_secret() {
    refuses_another_s_secret(Verifier::python().await).await;
}

#[tokio::test]
async fn node_refuses_another_s_secret() {
    refuses_another_s_secret(Verifier::node().await).await;
}

async fn refuses_another_s_secret(mut verifier: Verifier) {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let url = verifier.url("mine");
    lab.client.put("/api/instances/i-1", &[("track_hook", &url), ("track_secret", SECRET)]).await.ok();
    verifier.knows("mine", OTHER, Reads::Json).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    // The same again and again is what 400 leads to.
    let first = verifier.next().await;
    first.verdict.expect_err("another's secret does not verify");
    let again = verifier.next().await;
    again.verdict.expect_err("not on a retry either");
    assert_eq!(again.id, first.id);

    verifier.knows("mine", SECRET, Reads::Json).await;
    let taken = loop {
        let heard = verifier.next().await;
        assert_eq!(heard.id, first.id);
        // Tries that were under way when it learned the secret.
        if let Ok(change) = heard.verdict {
            break change;
        }
    };
    assert_eq!(step(&taken), json!(["RUNNING", "STOPPED"]));
}

/// A message as a receiver gets it, to be spoilt.
struct Message {
    id: &'static str,
    timestamp: u64,
    headers: Vec<(&'static str, String)>,
    body: String,
}

#[expect(clippy::disallowed_methods, reason = "a receiver judges a signature's age by its own clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

impl Message {
    fn new(content_type: &str, body: Value) -> Message {
        let headers = vec![("content-type", content_type.to_owned())];
        Message { id: "chg_01", timestamp: now(), headers, body: body.to_string() }
    }

    fn without(mut self, header: &str) -> Message {
        self.headers.retain(|(name, _)| *name != header);
        self
    }

    fn signed_bytes(&self) -> Vec<u8> {
        format!("{}.{}.{}", self.id, self.timestamp, self.body).into_bytes()
    }

    /// Sends it, and gives the receiver's verdict, which its answer agrees with.
    async fn send(self, verifier: &mut Verifier, signature: String) -> Result<Value, String> {
        let mut request = http().post(verifier.url("mine"));
        request = request.header("webhook-id", self.id).header("webhook-timestamp", self.timestamp);
        request = request.header("webhook-signature", signature);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let status = request.body(self.body).send().await.expect("answered").status().as_u16();
        let verdict = verifier.next().await.verdict;
        assert_eq!(status, if verdict.is_ok() { 204 } else { 400 }, "{verdict:?}");
        verdict
    }
}

fn ed25519(seed: u8) -> (Ed25519KeyPair, String) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed has 32 bytes");
    let public = format!("whpk_{}", BASE64.encode(pair.public_key()));
    (pair, public)
}

fn v1a(pair: &Ed25519KeyPair, message: &Message) -> String {
    format!("v1a,{}", BASE64.encode(pair.sign(&message.signed_bytes())))
}

#[tokio::test]
async fn ed25519_is_verified_by_python() {
    verifies_ed25519(Verifier::python().await).await;
}

#[tokio::test]
async fn ed25519_is_verified_by_node() {
    verifies_ed25519(Verifier::node().await).await;
}

async fn verifies_ed25519(mut verifier: Verifier) {
    let ((pair, public), (other, _)) = (ed25519(1), ed25519(2));
    verifier.knows("mine", &public, Reads::Json).await;
    let body = json!({ "a": "Zürich" });
    let message = || Message::new("application/json", body.clone());

    let good = message();
    let signature = v1a(&pair, &good);
    assert_eq!(good.send(&mut verifier, signature).await, Ok(body.clone()));
    // While a key is rotated both sign, and either is enough.
    let good = message();
    let signatures = format!("{} {}", v1a(&other, &good), v1a(&pair, &good));
    assert_eq!(good.send(&mut verifier, signatures).await, Ok(body.clone()));

    let bad = message();
    let signature = v1a(&other, &bad);
    bad.send(&mut verifier, signature).await.expect_err("another's key");
    let mut bad = message();
    let signature = v1a(&pair, &bad);
    bad.body.push(' ');
    bad.send(&mut verifier, signature).await.expect_err("another body");
    let bad = message();
    let signature = v1a(&pair, &bad).replace("v1a", "v1");
    bad.send(&mut verifier, signature).await.expect_err("it says HMAC");
    let bad = Message { timestamp: now() - 600, ..message() };
    let signature = v1a(&pair, &bad);
    bad.send(&mut verifier, signature).await.expect_err("ten minutes old");
}

#[tokio::test]
async fn cloudevents_are_read_by_python() {
    let mut verifier = Verifier::python().await;
    verifier.knows("mine", SECRET, Reads::CloudEvents).await;
    let webhook = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    let sign = |message: &Message| {
        let timestamp = i64::try_from(message.timestamp).expect("of this age");
        webhook.sign(message.id, timestamp, message.body.as_bytes()).expect("signed")
    };
    let data = json!({ "new_state": "RUNNING" });
    let attributes = [
        ("specversion", "1.0"),
        ("id", "chg_01"),
        ("source", "http://tracker.example/api/ec2/lab"),
        ("type", "tracker.instance.state"),
        ("subject", "instances/i-1"),
        ("time", "2026-11-22T10:00:00.123Z"),
        ("sequence", "0000000a0000000000000001"),
    ];
    let structured = || {
        let mut event = json!({ "datacontenttype": "application/json", "data": data });
        for (name, value) in attributes {
            event[name] = json!(value);
        }
        event
    };
    const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
    let binary = || {
        let mut message = Message::new("application/json", data.clone());
        let names = ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-sequence"];
        message.headers.extend(names.into_iter().zip(attributes.map(|(_, value)| value.to_owned())));
        message
    };

    for (mode, message) in [("structured", Message::new(STRUCTURED, structured())), ("binary", binary())] {
        let signature = sign(&message);
        let event = message.send(&mut verifier, signature).await.expect("a CloudEvent");
        assert_eq!((&event["mode"], &event["data"]), (&json!(mode), &data));
        assert_eq!(event["time"], "2026-11-22T10:00:00.123000+00:00", "{event}");
        for (name, value) in attributes.iter().filter(|(name, _)| *name != "time") {
            assert_eq!(event[name], *value, "{event}");
        }
    }
    for (name, _) in attributes {
        let mut event = structured();
        event.as_object_mut().expect("an object").remove(name);
        for message in [Message::new(STRUCTURED, event), binary().without(&format!("ce-{name}"))] {
            let signature = sign(&message);
            message.send(&mut verifier, signature).await.expect_err(name);
        }
    }
    let unsigned = binary();
    unsigned.send(&mut verifier, "v1,AAAA".into()).await.expect_err("not signed");
    let plain = Message::new("application/json", data.clone());
    let signature = sign(&plain);
    plain.send(&mut verifier, signature).await.expect_err("no CloudEvent at all");
}

/// Makes a hook of this format at the receiver, which hears of i-1; gives the answer.
async fn hook(lab: &Lab, verifier: &Verifier, more: Value) -> Value {
    let mut hook = json!({ "url": verifier.url("mine"), "kinds": ["instance"], "ids": ["i-1"], "token": TOKEN });
    hook.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    lab.client.post("/api/hooks", &hook).await.ok()
}

#[tokio::test]
async fn callbacks_are_cloudevents_to_those_who_want_that() {
    for (format, mode) in [("cloudevents", "structured"), ("cloudevents-binary", "binary")] {
        let mut verifier = Verifier::python().await;
        let lab = Lab::start(&[("i-1", "running")]).await;
        verifier.knows("mine", SECRET, Reads::CloudEvents).await;
        hook(&lab, &verifier, json!({ "format": format, "secret": SECRET })).await;
        let mut sequences = Vec::new();
        for (word, state) in [("stopped", "STOPPED"), ("running", "RUNNING")] {
            lab.becomes(&[("i-1", word)]).await;
            let event = verifier.next_taken().await;
            let change = &event["data"];
            assert_eq!((&event["mode"], &event["specversion"]), (&json!(mode), &json!("1.0")), "{event}");
            assert_eq!((&change["new_state"], &change["track_token"]), (&json!(state), &json!(TOKEN)), "{event}");
            assert_eq!((&event["id"], &event["sequence"]), (&change["id"], &change["cursor"]), "{event}");
            assert_eq!(event["type"], "tracker.instance.state", "{event}");
            assert_eq!(event["subject"], "instances/i-1", "{event}");
            assert_eq!(event["datacontenttype"], "application/json", "{event}");
            let source = event["source"].as_str().expect("text");
            assert!(source.contains("ec2") && source.contains("lab"), "it names driver and provider: {event}");
            // Python writes the same moment in its own way.
            let time = change["timestamp"].as_str().expect("text").trim_end_matches('Z').to_owned();
            assert!(event["time"].as_str().expect("text").starts_with(&time), "{event}");
            for (name, value) in event.as_object().expect("an object").iter().filter(|(name, _)| *name != "data") {
                assert!(!value.to_string().contains("token"), "no secret in an attribute: {name} is {value}");
            }
            sequences.push(event["sequence"].as_str().expect("text").to_owned());
        }
        assert!(sequences.is_sorted(), "{sequences:?}");
    }
}

#[tokio::test]
async fn callbacks_signed_with_ed25519_are_verified_by_python() {
    verifies_ed25519_callbacks(Verifier::python().await).await;
}

#[tokio::test]
async fn callbacks_signed_with_ed25519_are_verified_by_node() {
    verifies_ed25519_callbacks(Verifier::node().await).await;
}

async fn verifies_ed25519_callbacks(mut verifier: Verifier) {
    let lab = Lab::start(&[("i-1", "running")]).await;
    let made = hook(&lab, &verifier, json!({ "signing": "ed25519" })).await;
    assert!(made["secret"].is_null(), "the private half stays: {made}");
    let key = made["public_key"].as_str().unwrap_or_else(|| panic!("a public key: {made}"));
    verifier.knows("mine", key, Reads::Json).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    assert_eq!(step(&verifier.next_taken().await), json!(["RUNNING", "STOPPED"]));

    // Rotated: whoever has only the old key goes on for a while, and whoever has the new one may begin.
    let path = format!("/api/hooks/{}/rotate", made["id"].as_str().expect("an id"));
    let rotated = lab.client.post(&path, &json!({})).await.ok();
    lab.becomes(&[("i-1", "running")]).await;
    assert_eq!(step(&verifier.next_taken().await), json!(["STOPPED", "RUNNING"]));
    let new = rotated["public_key"].as_str().unwrap_or_else(|| panic!("a public key: {rotated}"));
    assert_ne!(new, key);
    verifier.knows("mine", new, Reads::Json).await;
    lab.becomes(&[("i-1", "terminated")]).await;
    assert_eq!(step(&verifier.next_taken().await), json!(["RUNNING", "FINISH"]));
}

#[tokio::test]
async fn while_a_secret_is_rotated_python_and_node_verify_with_either() {
    for mut verifier in [Verifier::python().await, Verifier::node().await] {
        let lab = Lab::start(&[("i-1", "running")]).await;
        let made = hook(&lab, &verifier, json!({})).await;
        let old = made["secret"].as_str().unwrap_or_else(|| panic!("a secret: {made}")).to_owned();
        let path = format!("/api/hooks/{}/rotate", made["id"].as_str().expect("an id"));
        let rotated = lab.client.post(&path, &json!({})).await.ok();
        let new = rotated["secret"].as_str().unwrap_or_else(|| panic!("a secret: {rotated}")).to_owned();
        assert_ne!(old, new);
        for (secret, word, state) in [(old, "stopped", "STOPPED"), (new, "running", "RUNNING")] {
            verifier.knows("mine", &secret, Reads::Json).await;
            lab.becomes(&[("i-1", word)]).await;
            assert_eq!(verifier.next_taken().await["new_state"], state);
        }
    }
}
