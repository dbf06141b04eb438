//! Every driver on the whole host, beside a provider that answers as its cassettes do and then fails in the ways of real
//! ones. Whatever happens, nothing is removed, and the account's owner reads why.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use serde_json::Value;

use crate::support::host::QUICK_POLLS;
use crate::support::replayed::{Cassette, Distortion, Replayed};
use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Setup};

/// The drivers that ask a provider for a client who knows the account's password. A private key fits into no header, so that
/// no client can send it.
fn drivers() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers");
    let mut drivers: Vec<(String, PathBuf)> = std::fs::read_dir(folder)
        .expect("drivers")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("cassettes/suite.json").exists())
        .map(|path| (path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned(), path))
        .filter(|(_, path)| Cassette::all(path).iter().any(can_be_tried))
        .collect();
    drivers.sort();
    drivers
}

fn can_be_tried(cassette: &Cassette) -> bool {
    let is_complete = cassette.is_a_list() && cassette.member("/expect/coverage") == "complete";
    // Endpoints that a driver names itself are where they are, and one request is always answered alike.
    let is_here = cassette.stays_within_its_endpoints() && cassette.has_an_answer_for_each_request();
    is_complete && is_here && cassette.requests() > 0 && cassette.member("/account/secret") != "private-key"
}

/// The list that a driver is tried with: the complete one with the most pages, and of these with the most instances. One with
/// a list of realms of the same account is better: the host asks for both.
fn richest(cassettes: &[Cassette]) -> &Cassette {
    let size = |cassette: &&Cassette| {
        let has_realms = cassettes.iter().any(|other| other.is_a_list_of_realms() && is_alike(cassette, other));
        (
            has_realms,
            !is_of_ended(cassette),
            cassette.requests(),
            cassette.member("/expect/ids").as_array().map_or(0, Vec::len),
        )
    };
    cassettes.iter().filter(|cassette| can_be_tried(cassette)).max_by_key(size).expect("a complete list")
}

/// Whether some of its instances have ended: the host forgets these.
fn is_of_ended(cassette: &Cassette) -> bool {
    let resources = cassette.member("/expect/resources").as_array();
    resources.into_iter().flatten().any(|resource| resource["state"] == "FINISH")
}

/// Whether two cassettes are of accounts that are alike, so that one fits the account of the other on the host.
fn is_alike(one: &Cassette, other: &Cassette) -> bool {
    let members = ["endpoint", "endpoints", "user", "options", "secret", "secrets", "fakes"];
    members.iter().all(|member| {
        let member = format!("/account/{member}");
        one.member(&member) == other.member(&member)
    })
}

/// One driver, its provider, and its account on the host.
struct Tried {
    driver: String,
    cassettes: Vec<Cassette>,
    list: Cassette,
    provider: Replayed,
}

impl Tried {
    async fn start(driver: &str, folder: &Path) -> Tried {
        let mut cassettes = Cassette::all(folder);
        let list = richest(&cassettes).clone();
        cassettes.retain(|other| is_alike(&list, other));
        cassettes.sort_by_key(|cassette| cassette.name != list.name);
        let provider = Replayed::start(&cassettes).await;
        Tried { driver: driver.to_owned(), cassettes, list, provider }
    }

    fn user(&self) -> &str {
        self.list.member("/account/user").as_str().expect("a user")
    }

    fn password(&self) -> String {
        let fake = self.list.member("/account/fakes/password").as_str();
        fake.unwrap_or("cassette-password").to_owned()
    }

    /// The name of its provider on the host.
    fn name(&self) -> String {
        format!("lab-{}", self.driver)
    }

    fn add_to(&self, setup: Setup) -> Setup {
        let endpoint = self.provider.place(self.list.member("/account/endpoint").as_str().expect("an endpoint"));
        let roles = self.list.member("/account/endpoints").as_object().into_iter().flatten();
        let roles =
            roles.map(|(role, endpoint)| (role.clone(), self.provider.place(endpoint.as_str().expect("an endpoint"))));
        let options = self.list.member("/account/options").as_object().into_iter().flatten();
        let options = options.map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n");
        let mut setup = setup.provider_with_roles(&self.driver, &self.name(), &endpoint, roles);
        let kind = self.list.member("/account/secret").as_str().unwrap_or("password");
        setup = setup.account_of_kind(&self.driver, &self.name(), self.user(), &self.password(), kind);
        setup = setup.account_options(&options);
        for name in self.list.member("/account/secrets").as_array().into_iter().flatten() {
            let name = name.as_str().expect("a name");
            setup = setup.secret_option(name, &format!("cassette-{name}"));
        }
        setup
    }

    fn client(&self, host: &Host) -> Client {
        host.client().at(&self.driver, &self.name()).as_user(self.user(), &self.password())
    }

    /// Everything that goes wrong with one of the answers of a good list.
    fn distortions(&self) -> Vec<Distortion> {
        let error = |code: &str| {
            let with = self.cassettes.iter().find(|cassette| cassette.member("/expect/error") == code);
            with.map(|cassette| Distortion::InSuccess(cassette.last_body()))
        };
        let mut all = vec![
            Distortion::Proxy(200),
            Distortion::Proxy(403),
            Distortion::Proxy(404),
            Distortion::Proxy(502),
            Distortion::Half,
            Distortion::Broken,
            Distortion::Closed,
            Distortion::Redirect,
        ];
        all.extend(["unauthorized", "forbidden", "unavailable"].iter().filter_map(|code| error(code)));
        // An answer without instances in the place of one with some is a provider's word.
        if self.list.is_paged() {
            all.push(Distortion::SamePage);
        }
        all
    }
}

/// What the host says of the polls, and what it has.
struct Watched<'a> {
    driver: &'a str,
    client: Client,
    instances: BTreeMap<String, String>,
}

impl Watched<'_> {
    async fn polls(&self) -> Value {
        self.client.get("/api/account").await.ok()["polls"]["instances"].clone()
    }

    /// Waits until a poll that began after this ended; gives its error, where it has one.
    async fn poll_after(&self, before: &Value, what: &str) -> Option<Value> {
        let at = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        // One poll may have been under way: the second that ends began later.
        let (mut ended, mut last) = (0, at(&before["last_attempt"]));
        eventually(SOON, what, async || {
            let polls = self.polls().await;
            if at(&polls["last_error"]["at"]) > at(&before["last_error"]["at"]) {
                return Ok(Some(polls["last_error"].clone()));
            }
            if at(&polls["last_attempt"]) > last {
                (ended, last) = (ended + 1, at(&polls["last_attempt"]));
            }
            if ended > 1 { Ok(None) } else { Err(polls.to_string()) }
        })
        .await
    }

    /// Fails where an instance is missing, or is in a state that nobody said. What an answer does not say any more is unknown.
    async fn has_everything(&self, what: &str) {
        let now = instances(&self.client).await;
        for (id, state) in &self.instances {
            let now = now.get(id);
            let is_kept = now.is_some_and(|now| now == state || now == "UNKNOWN");
            assert!(is_kept, "{}: {what}: {id} was {state}, and is {now:?}", self.driver);
        }
    }
}

/// The state of each instance, by its id.
async fn instances(client: &Client) -> BTreeMap<String, String> {
    let list = client.get("/api/instances?limit=1000").await.ok();
    let list = list["instances"].as_array().expect("a list").clone();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    list.iter().map(|instance| (text(&instance["id"]), text(&instance["state"]))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_removed_whatever_a_provider_answers() {
    let drivers = drivers();
    assert!(drivers.len() > 2, "{drivers:?}");
    let mut tried = Vec::new();
    for (driver, folder) in &drivers {
        tried.push(Tried::start(driver, folder).await);
    }
    let names: Vec<&str> = drivers.iter().map(|(driver, _)| driver.as_str()).collect();
    // Lists of everything: the cassettes have no changes since a time of today.
    let polls = QUICK_POLLS.replacen("jitter = 0.0", "jitter = 0.0\nfull_every = \"100ms\"", 1);
    let setup = tokio::task::block_in_place(|| Setup::new(&names)).polls(&polls);
    let host = tried.iter().fold(setup, |setup, tried| tried.add_to(setup)).start().await;
    // Each to its end, so that all that fail are named.
    let ends = tried.iter().map(|tried| AssertUnwindSafe(try_everything(tried, tried.client(&host))).catch_unwind());
    let ends = join_all(ends).await;
    let failed: Vec<&str> =
        tried.iter().zip(&ends).filter(|(_, end)| end.is_err()).map(|(tried, _)| tried.driver.as_str()).collect();
    assert!(failed.is_empty(), "{failed:?} failed");
}

async fn try_everything(tried: &Tried, client: Client) {
    let driver = tried.driver.as_str();
    let ids = tried.list.member("/expect/ids").as_array().cloned().unwrap_or_default();
    // The host begins with what has not ended.
    let ended = tried.list.member("/expect/resources").as_array().cloned().unwrap_or_default();
    let ended: BTreeSet<&str> = ended
        .iter()
        .filter(|resource| resource["state"] == "FINISH")
        .filter_map(|ended| ended["id"].as_str())
        .collect();
    let expected = ids.iter().filter_map(Value::as_str).filter(|id| !ended.contains(id));
    let expected: BTreeSet<&str> = expected.collect();
    client
        .until(
            "/api/account",
            &format!("{driver} is listed; unknown to its cassette: {:?}", tried.provider.unknown()),
            |body| body["polls"]["instances"]["last_full"].is_string(),
        )
        .await;
    let watched = Watched { driver, instances: instances(&client).await, client };
    let known: BTreeSet<&str> = watched.instances.keys().map(String::as_str).collect();
    assert_eq!(known, expected, "{driver}");

    let mut failed = 0;
    for at in 0..tried.list.requests() {
        for distortion in tried.distortions() {
            let what = format!("{distortion:?} in the place of answer {at} of {}", tried.list.name);
            let before = watched.polls().await;
            tried.provider.distorts(at, distortion.clone());
            let error = watched.poll_after(&before, &format!("{driver}: {what}")).await;
            if let Some(error) = error {
                failed += usize::from(tried.provider.was_asked_for(at));
                let message = error["message"].as_str().unwrap_or_default();
                assert!(message.len() > 10, "{driver}: {what}: {error}");
                assert_ne!(error["code"], "host-fault", "{driver}: {what}: {error}");
                assert_ne!(error["code"], "driver-fault", "{driver}: {what}: {error}");
            }
            watched.has_everything(&what).await;
            recover(tried, &watched).await;
        }
    }
    assert!(failed >= tried.distortions().len() / 2, "{driver}: only {failed} of its polls failed");

    // The host waits as long as a provider asks, so that nothing comes after that.
    for code in ["unauthorized", "forbidden", "unavailable", "throttled"] {
        for cassette in tried.cassettes.iter().filter(|cassette| cassette.member("/expect/error") == code) {
            if cassette.member("/list") != "instances" || !cassette.member("/ids").is_null() {
                continue;
            }
            let before = watched.polls().await;
            tried.provider.answers_with(cassette);
            tried.provider.is_ahead(Duration::from_secs(61 * 60));
            let error = watched.poll_after(&before, &format!("{driver}: {}", cassette.name)).await;
            let error = error.unwrap_or_else(|| panic!("{driver}: {} is no error", cassette.name));
            assert_eq!(error["code"], code, "{driver}: {}: {error}", cassette.name);
            let message = error["message"].as_str().unwrap_or_default();
            if code == "unauthorized" {
                let clock = "this host's clock is 61 minutes behind the provider's";
                assert!(message.contains(clock), "{driver}: {}: {error}", cassette.name);
            }
            watched.has_everything(&cassette.name).await;
            if code == "throttled" {
                return;
            }
            recover(tried, &watched).await;
        }
    }
}

async fn recover(tried: &Tried, watched: &Watched<'_>) {
    let before = watched.polls().await;
    tried.provider.answers_with(&tried.list);
    let is_new =
        |polls: &Value| polls["last_complete"].as_str() > before["last_complete"].as_str() && polls["failures"] == 0;
    let what = format!("{}: polls go on", watched.driver);
    watched.client.until("/api/account", &what, |body| is_new(&body["polls"]["instances"])).await;
    assert_eq!(tried.provider.unknown(), Vec::<String>::new(), "{}", watched.driver);
}
