//! A driver that knows the secret, of a provider that is in league with it, and writes it to wherever its words go: no form
//! of it that anybody can read is found in the log, in what the API says, in what is kept, or in what is sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::attacks::SECRET;
use super::sink::Sink;
use super::{mallory, setup};
use crate::support::Receiver;

const FORMS: [&str; 12] = [
    "plain",
    "json",
    "json-whole",
    "json-twice",
    "xml",
    "html",
    "percent",
    "form",
    "percent-twice",
    "hex",
    "base64",
    "base64-of-json",
];

/// To where the driver writes it beside the log, what it prints and its session; and what is said of it there.
const PLACES: [(&str, &str); 6] = [
    ("list", "i-1"),
    ("partial", "partial: "),
    ("cursor", "a cursor came back: "),
    ("error", "an error: "),
    ("panic", "it panicked: "),
    ("header", "x-secret"),
];

/// As the driver writes it in each form; what is not a part of the secret is left away.
fn written(form: &str) -> String {
    let each = |write: &dyn Fn(u8) -> String| SECRET.bytes().map(write).collect::<String>();
    match form {
        "plain" => SECRET.into(),
        "json" => SECRET.replace('/', "\\/").replace('"', "\\\"").replace('&', "\\u0026"),
        "json-whole" => each(&|byte| format!("\\u{byte:04X}")),
        "json-twice" => SECRET.replace('/', "\\\\\\/").replace('"', "\\\\\\\"").replace('&', "\\\\u0026"),
        "xml" => SECRET.replace('&', "&amp;").replace('"', "&quot;").replace('+', "&#0043;").replace('/', "&#x2f;"),
        "html" => SECRET.replace('&', "&amp").replace('"', "&QUOT;").replace('+', "&plus;").replace('/', "&sol;"),
        "percent" => each(&|byte| match byte {
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02x}"),
        }),
        "form" => SECRET.replace('+', "%2B").replace('&', "%26").replace('"', "%22").replace(' ', "+"),
        "percent-twice" => SECRET.replace('/', "%252F").replace('+', "%252b").replace('&', "%2526"),
        "hex" => each(&|byte| format!("{byte:02x}")),
        "base64" => BASE64.encode(format!("mallory:{SECRET}"))[12..52].to_owned(),
        _ => BASE64.encode(format!("{{\"s\":\"{}\"}}", SECRET.replace('"', "\\\"")))[8..48].to_owned(),
    }
}

/// The text as it stands within a JSON text.
fn quoted(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_driver_knows_is_shown_nowhere() {
    let own = Sink::start("");
    let mut receiver = Receiver::start().await;
    let mut setup = setup().delivery("[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\n");
    for form in FORMS {
        for (place, _) in PLACES {
            let options = format!("do = \"turn:{form}\", value = {place:?}");
            setup = setup.provider("hostile", &format!("{form}-{place}"), &own.endpoint(), &options);
        }
    }
    let mut host = setup.start().await;

    let mut told = String::new();
    for (place, want) in PLACES {
        for form in FORMS {
            let client = mallory(&host, &format!("{form}-{place}"));
            let answer = client.get("/api/instances").await;
            let is_over = |account: &serde_json::Value| account["polls"]["instances"]["last_attempt"].is_string();
            let account = client.until("/api/account", "the poll is over", is_over).await;
            let said = format!("{:?} {}\n{account}\n", answer.headers, answer.text);
            let is_masked = said.contains("[secret]") || place == "header";
            assert!(said.contains(want) && is_masked, "{form} {place}: {said}");
            told += &said;
        }
    }
    // What has changed is told to a hook and to who follows; what there is, is told as it was, too.
    for form in FORMS {
        let client = mallory(&host, &format!("{form}-list"));
        client.track("/api/instances/i-1", &receiver.url(form), "a token of the hook").await;
        for path in ["/api/instances/i-1", "/api/instances/i-1/history", "/api/hooks", "/api/realms"] {
            let answer = client.get(path).await;
            told += &format!("{:?} {}\n", answer.headers, answer.text);
        }
    }
    let mut called = Vec::new();
    while FORMS.iter().any(|form| !called.contains(&format!("/{form}"))) {
        let callback = receiver.next().await;
        told += &format!("{:?} {}\n", callback.headers, String::from_utf8_lossy(&callback.body));
        called.push(callback.path);
    }
    for form in FORMS {
        for path in ["/api/changes?since=0&limit=500", "/api/changes"] {
            told += &mallory(&host, &format!("{form}-list")).get(path).await.text;
        }
    }
    assert!(host.stop().await.success());
    let kept = String::from_utf8_lossy(&host.data()).into_owned();
    let logged = host.log().text();

    assert!(logged.contains("in the log: [secret]") && kept.contains("[secret]"), "this looks where it was written");
    assert!(own.received().contains(SECRET), "the provider was told the secret");
    for form in FORMS {
        let once = written(form);
        for (place, text) in [("what is told", &told), ("the log", &logged), ("the data", &kept)] {
            for written in [quoted(&once), quoted(&quoted(&once)), once.clone()] {
                assert!(!text.contains(&written), "{form}: {written} is in {place}");
            }
        }
    }
}
