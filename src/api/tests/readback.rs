//! Everything that the API accepts can be read back. The tests send generated values of every stored member and
//! parameter through the router, and read them through each route that shows them. A value that is answered with 2xx is
//! shown everywhere in its normal form and can be delivered; every other value is a 4xx problem.

use std::collections::BTreeMap;
use std::ops::AsyncFn;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::*;
use crate::model::{Address, AddressKind, HookUrl, span};

/// Closed to nobody, and written as an address: no name is looked up.
const HOSTS: [&str; 8] = [
    "192.88.98.1:0",
    "192.88.98.1",
    "192.88.25089:8080",
    "0xC0586201",
    "[2002:c058:6201::1]",
    "192.88.98.1:80",
    "10.0.0.1",
    "\u{e9}",
];

/// How many cases each test tries. `PROPTEST_CASES` says how many instead.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    config
}

/// Runs `check` on a house of its own for each case.
fn each<T: std::fmt::Debug>(strategy: impl Strategy<Value = T>, check: impl AsyncFn(&House, T)) {
    let tried = TestRunner::new(config()).run(&strategy, |value| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let house = House::new();
            for kind in Kind::ALL {
                house.poll(kind, Vec::new()).await;
            }
            check(&house, value).await;
        });
        Ok(())
    });
    tried.unwrap_or_else(|error| panic!("{error}"));
}

impl Answer {
    /// Whether it was accepted; if it was not, the answer is a problem of the client's making.
    fn is_accepted(&self, sent: &str) -> bool {
        if (200..300).contains(&self.status) {
            return true;
        }
        assert!((400..500).contains(&self.status), "{} {} to {sent}", self.status, self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{} to {sent}", self.body);
        false
    }
}

/// A text of every kind: plain, of any characters, and of one repeated up to and beyond every limit.
fn text() -> impl Strategy<Value = String> {
    let limits = prop::sample::select(vec![1_usize, 63, 84, 127, 255, 256, 300, 683, 1023, 1024, 2048, 2049]);
    let repeated = (any::<char>(), limits).prop_map(|(c, times)| c.to_string().repeat(times));
    prop_oneof![3 => "[a-z0-9-]{1,12}", 2 => "\\PC{0,40}", 2 => any::<String>(), 2 => repeated, 1 => Just(String::new())]
}

fn or_text(words: &[&str]) -> impl Strategy<Value = String> {
    let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    prop_oneof![6 => prop::sample::select(words), 1 => text()]
}

fn url() -> impl Strategy<Value = String> {
    let parts = (or_text(&["http", "https", "HTTP"]), prop::sample::select(&HOSTS[..]), text(), text());
    let made = parts.prop_map(|(scheme, host, path, query)| format!("{scheme}://{host}/{path}?{query}"));
    // Around the limit, by what grows when it is normalized and what shrinks.
    let around = ("[ -~\u{a1}-\u{fff}\u{1f600}]|\\.\\./|\\n", 1..2300_usize)
        .prop_map(|(unit, bytes)| format!("http://192.88.98.1/?{}", unit.repeat(bytes / unit.len() + 1)));
    prop_oneof![4 => made, 3 => around, 1 => text()]
}

fn words(known: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let list = prop::collection::vec(or_text(known), 0..4).prop_map(|words| json!(words));
    prop_oneof![8 => list, 1 => text().prop_map(Value::from), 1 => Just(Value::Null)]
}

fn number() -> impl Strategy<Value = Value> {
    let bounds =
        prop::sample::select(vec![0.001, 10_000.0, 0.000_999, 10_000.001, f64::MIN_POSITIVE, 5e-324, -0.0, 1e308]);
    prop_oneof![
        4 => (0.001..10_000.0).prop_map(Value::from),
        1 => bounds.prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
    ]
}

fn waits() -> impl Strategy<Value = Value> {
    let wait = (any::<u32>(), prop::sample::select(vec!["ns", "us", "ms", ".5s", "s", " min", "h", " days", "w"]))
        .prop_map(|(number, unit)| format!("{}{unit}", number.leading_zeros().pow(2) + number % 7));
    let wait = prop_oneof![8 => wait, 1 => text()];
    prop::collection::vec(wait, 0..4).prop_map(|waits| json!(waits))
}

fn secret() -> impl Strategy<Value = String> {
    let encoded = |prefix: &'static str| {
        prop::collection::vec(any::<u8>(), 0..80).prop_map(move |bytes| format!("{prefix}{}", BASE64.encode(bytes)))
    };
    prop_oneof![4 => encoded("whsec_"), 1 => encoded("whsk_"), 1 => text()]
}

/// The body of a hook with some of its members.
fn hook() -> impl Strategy<Value = Value> {
    const STATES: &[&str] = &["RUNNING", "STOPPED", "PENDING", "AVAILABLE", "UNAVAILABLE", "FINISH", "running"];
    const TYPES: &[&str] = &["instance.state", "instance.created", "realm.state", "hook.test", "tracker.gap", "x"];
    let some = |value: BoxedStrategy<Value>| prop::option::weighted(0.4, value);
    let filter = (
        some(words(&["instance", "realm", "pod"]).boxed()),
        some(words(&["i-1", "web-*", "*", "**"]).boxed()),
        some(words(&["us", "eu"]).boxed()),
        some(words(TYPES).boxed()),
        some(words(STATES).boxed()),
        some(words(STATES).boxed()),
    );
    let others = (
        some(or_text(&["json", "cloudevents", "cloudevents-binary"]).prop_map(Value::from).boxed()),
        some(or_text(&["every", "latest"]).prop_map(Value::from).boxed()),
        some(number().boxed()),
        some(waits().boxed()),
        some(text().prop_map(Value::from).boxed()),
        some(text().prop_map(Value::from).boxed()),
        some(or_text(&["hmac", "ed25519"]).prop_map(Value::from).boxed()),
        some(secret().prop_map(Value::from).boxed()),
    );
    (url(), filter, others).prop_map(|(url, filter, others)| {
        let mut body = json!({ "url": url });
        let (kinds, ids, realms, types, from, to) = filter;
        let (format, mode, rate, retries, description, token, signing, secret) = others;
        let members = [
            ("kinds", kinds),
            ("ids", ids),
            ("realms", realms),
            ("types", types),
            ("from", from),
            ("to", to),
            ("format", format),
            ("mode", mode),
            ("rate_per_second", rate),
            ("retries", retries),
            ("description", description),
            ("token", token),
            ("signing", signing),
            ("secret", secret),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        body
    })
}

fn normal_url(url: &str) -> String {
    let url = HookUrl::parse(url).expect("an accepted URL");
    assert_ne!(url.as_url().port(), Some(0), "nothing listens there");
    url.to_string()
}

fn spans(waits: &Value) -> Option<Vec<Duration>> {
    let span = |wait: &Value| span::parse(wait.as_str().expect("text")).expect("a span");
    waits.as_array().map(|waits| waits.iter().map(span).collect())
}

/// Holds what is shown of a hook against what was said of it.
fn is_normal_form(shown: &Value, said: &Value) {
    assert_eq!(shown["url"], normal_url(said["url"].as_str().expect("a URL")));
    for list in ["kinds", "ids", "realms", "types", "from", "to"] {
        let said = if said[list].is_null() { json!([]) } else { said[list].clone() };
        assert_eq!(shown[list], said, "{list}");
    }
    for (word, default) in [("format", "json"), ("mode", "every"), ("signing", "hmac")] {
        assert_eq!(shown[word], *said[word].as_str().unwrap_or(default), "{word}");
    }
    let rate = |of: &Value| of["rate_per_second"].as_f64();
    assert!(
        rate(shown).zip(rate(said)).map_or(rate(said).is_none(), |(one, two)| (one - two).abs() <= 1e-6),
        "{shown}"
    );
    assert_eq!(spans(&shown["retries"]), spans(&said["retries"]));
    assert_eq!(shown["description"], said["description"]);
    assert_eq!(shown["token"], said["token"].as_str().is_some_and(|token| !token.is_empty()));
}

impl House {
    /// Reads the only hook there is through each route that shows it, has it sent something, and removes it.
    async fn reads_back(&self, shown: &Value) {
        let path = format!("/api/hooks/{}", shown["id"].as_str().expect("an id"));
        assert_eq!(&self.get(&path).await.ok(), shown);
        assert_eq!(self.get("/api/hooks").await.ok()["hooks"], json!([shown]));
        assert_eq!(self.get("/api/account").await.ok()["hooks"], 1);
        assert_eq!(&self.put_json(&path, shown).await.ok(), shown);
        assert_eq!(self.post(&format!("{path}/test"), &Value::Null).await.status, 202);
        let due = self.claim().await;
        let urls: Vec<String> = due.iter().map(|due| due.recipient.url.to_string()).collect();
        assert_eq!(urls, [shown["url"].as_str().expect("a URL")]);
        let deliveries = self.get(&format!("{path}/deliveries")).await.ok();
        assert_eq!(deliveries["deliveries"].as_array().map(Vec::len), Some(1), "{deliveries}");
        assert_eq!(&self.post(&format!("{path}/pause"), &Value::Null).await.ok()["url"], &shown["url"]);
        assert_eq!(&self.post(&format!("{path}/resume"), &Value::Null).await.ok(), shown);
        assert_eq!(self.delete(&path).await.status, 204);
    }
}

#[test]
fn every_accepted_hook_is_read_back_and_delivered() {
    each((hook(), hook()), async |house, (said, then)| {
        let made = house.post("/api/hooks", &said).await;
        if !made.is_accepted(&said.to_string()) {
            return;
        }
        let mut shown = made.json();
        shown.as_object_mut().expect("an object").remove("secret");
        is_normal_form(&shown, &said);
        let path = format!("/api/hooks/{}", shown["id"].as_str().expect("an id"));
        let mut then = then;
        let members = then.as_object_mut().expect("an object");
        members.remove("secret");
        members.insert("signing".into(), shown["signing"].clone());
        let replaced = house.put_json(&path, &then).await;
        if replaced.is_accepted(&then.to_string()) {
            shown = replaced.json();
            is_normal_form(&shown, &then);
        }
        house.reads_back(&shown).await;
    });
}

#[test]
fn every_accepted_track_hook_is_read_back_and_delivered() {
    let form = (text(), url(), prop::option::of(text()), prop::option::weighted(0.3, secret()), any::<bool>());
    each(form, async |house, (id, url, token, secret, in_query)| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("track_hook", &url);
        form.extend_pairs(token.as_ref().map(|token| ("track_token", token)));
        form.extend_pairs(secret.as_ref().map(|secret| ("track_secret", secret)));
        let form = form.finish();
        let path = format!(
            "/api/instances/{}",
            percent_encoding::utf8_percent_encode(&id, percent_encoding::NON_ALPHANUMERIC)
        );
        let answer = match in_query {
            true => house.put(&format!("{path}?{form}"), "").await,
            false => house.put(&path, &form).await,
        };
        if !answer.is_accepted(&format!("{id:?} {url:?}")) || url == "none" {
            return;
        }
        let set = answer.json();
        assert_eq!((set["id"].as_str(), set["track"]["hook"].as_str()), (Some(&*id), Some(&*normal_url(&url))));
        let waiting = house.get(&path).await.problem(404, "instance-not-found");
        assert_eq!(waiting["track"]["id"], set["track"]["id"]);
        let again = house.put(&path, &form).await;
        assert_eq!(again.json()["track"]["id"], set["track"]["id"], "the same hook: {}", again.body);

        house.poll(Kind::Instance, vec![instance(&id, "us", InstanceState::Pending)]).await;
        let seen = house.get(&path).await.ok();
        assert_eq!((&seen["id"], &seen["track"]["hook"]), (&set["id"], &set["track"]["hook"]));
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("id", &id).finish();
        assert_eq!(house.get(&format!("/api/instances?{query}")).await.ok()["instances"], json!([seen]));
        assert_eq!(house.get(&format!("{path}/history")).await.ok()[0]["resource"]["id"], set["id"]);
        let due = house.claim().await;
        assert_eq!(due.iter().map(|due| due.change.what.resource.as_str()).collect::<Vec<_>>(), [&id]);
        house.settle(&due[0], crate::store::Outcome::Delivered, Vec::new()).await;
        let hook = format!("/api/hooks/{}", set["track"]["id"].as_str().expect("an id"));
        let shown = house.get(&hook).await.ok();
        assert_eq!(shown["track"]["id"], set["id"]);
        assert_eq!(house.put_json(&hook, &shown).await.ok(), shown);
        assert_eq!(house.put(&path, "track_hook=none").await.status, 200);
        house.get(&hook).await.problem(404, "hook-not-found");
    });
}

#[test]
fn every_accepted_token_is_read_back_and_taken() {
    let time = prop_oneof![
        4 => any::<i64>().prop_map(|millis| Timestamp::from_millis(millis).to_string()),
        4 => (0..9999_u16, 1..13_u8, 1..32_u8).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}T23:59:59.9999+00:59")),
        1 => text(),
    ];
    let body = (text(), or_text(&["read", "track"]), prop::option::of(time));
    each((body, "[!-~]{1,300}|\\PC{1,20}"), async |house, ((name, scope, expires), key)| {
        let body = json!({ "name": name, "scope": scope, "expires": expires });
        // Not every text can stand in a header.
        let key = Some(key.trim()).filter(|key| axum::http::HeaderValue::from_str(key).is_ok());
        let made = house.post_keyed("/api/tokens", key, &body).await;
        if !made.is_accepted(&format!("{body} {key:?}")) {
            return;
        }
        if key.is_some() {
            let again = house.post_keyed("/api/tokens", key, &body).await;
            assert_eq!((again.status, &again.body), (201, &made.body));
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
        }
        let mut shown = made.json();
        let bearer = format!("Bearer {}", shown["token"].as_str().expect("a token"));
        shown.as_object_mut().expect("an object").remove("token");
        assert_eq!((shown["name"].as_str(), shown["scope"].as_str()), (Some(&*name), Some(&*scope)));
        let time = |text: &str| text.parse::<Timestamp>().expect(text);
        assert_eq!(shown["expires"].as_str().map(time), expires.as_deref().map(time));
        let path = format!("/api/tokens/{}", shown["id"].as_str().expect("an id"));
        assert_eq!(house.get(&path).await.ok(), shown);
        assert_eq!(house.get("/api/tokens").await.ok()["tokens"], json!([shown]));
        house.send("GET", "/api/account", &[("authorization", &bearer)], "").await.ok();
        assert_eq!(house.post(&format!("{path}/rotate"), &Value::Null).await.ok()["name"], shown["name"]);
        assert_eq!(house.delete(&path).await.status, 204);
    });
}

/// What a driver may list of an instance, beyond its id.
fn listed() -> impl Strategy<Value = Instance> {
    let maybe = || prop::option::of(text());
    let times = prop::option::of(Timestamp::EARLIEST.as_millis()..=Timestamp::LATEST.as_millis());
    let labels = prop::collection::vec((text(), text()), 0..3);
    (text(), maybe(), maybe(), maybe(), maybe(), text(), times, labels, text()).prop_filter_map(
        "the id is one",
        |(id, name, owner, realm, image, provider_state, launched_at, labels, host)| {
            let Resource::Instance(plain) = instance("i", "us", InstanceState::Running) else { return None };
            let mut labels: Vec<_> = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            labels.sort();
            labels.dedup_by(|one, two| one.0 == two.0);
            Some(Instance {
                id: ResourceId::parse(id).ok()?,
                name: name.map(Into::into),
                owner: owner.map(Into::into),
                realm: realm.map(Into::into),
                image: image.map(Into::into),
                provider_state: provider_state.into(),
                launched_at: launched_at.map(Timestamp::from_millis),
                public_addresses: [Address { kind: AddressKind::Hostname, value: host.into() }].into(),
                labels: labels.into(),
                ..plain
            })
        },
    )
}

#[test]
fn every_listed_instance_is_read_back() {
    each(listed(), async |house, listed| {
        house.poll(Kind::Instance, vec![Resource::Instance(listed.clone())]).await;
        let id = listed.id.as_str();
        let path =
            format!("/api/instances/{}", percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC));
        let shown = house.get(&path).await.ok();
        let is = |member: &str, text: Option<&str>| assert_eq!(shown[member].as_str(), text, "{member} {shown}");
        is("id", Some(id));
        is("name", listed.name.as_deref());
        is("owner", listed.owner.as_deref());
        is("realm", listed.realm.as_deref());
        is("image", listed.image.as_deref());
        is("provider_state", Some(&listed.provider_state));
        is("launched_at", listed.launched_at.map(|time| time.to_string()).as_deref());
        let labels: BTreeMap<&str, &str> = listed.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(shown["labels"], json!(labels));
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("id", id).finish();
        assert_eq!(house.get(&format!("/api/instances?{query}")).await.ok()["instances"], json!([shown]));
        let now = house.now();
        assert_eq!(house.get(&format!("{path}?at={now}")).await.ok()["name"], shown["name"]);
        for path in [
            "/api/instances?format=xml",
            &format!("{path}?format=xml"),
            &format!("{path}/history"),
            "/api/changes?since=0",
        ] {
            assert_eq!(house.get(path).await.status, 200, "{path}");
        }
    });
}
