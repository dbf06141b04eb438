//! A corpus of attacks by a driver that is out to do harm (`tests/hostile`), on a live host with other accounts
//! polling. Of each attack: the named error, the account marked, every other account's polls on time, the host's
//! memory back to where it was, and nothing leaked, to the driver, to another server, or into the log.

mod attacks;
pub(crate) mod compiled;
mod described;
mod sink;
mod turned;

use std::path::Path;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Setup};
use attacks::{Attack, Ends, SECRET};
use sink::Sink;

/// `total_memory` of the setup, in MiB.
const TOTAL: u64 = 480;

/// How old an honest account's list may be: many times the interval of its polls, and less than a host would need
/// that lets one attack hold up the others.
const LATE: u64 = 5;
const HONEST: usize = 3;

/// Made of `tests/hostile` by `make hostile`.
fn hostile_driver() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/hostile/wasm32-wasip2/release/hostile.wasm");
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}. Run `make hostile`, which builds it", path.display()))
}

/// Limits that are soon passed, and polls of clients' accounts as often as they ask.
fn setup() -> Setup {
    let setup = Setup::new(&["mock"])
        .limits(&format!(
            "poll_memory = \"80 MiB\"\ntotal_memory = \"{TOTAL} MiB\"\ncpu_per_page = \"300ms\"\n\
                 request_timeout = \"5s\"\npoll_timeout = \"10s\"\nrequests = 100\npages = 50\nitems = 20000\n\
                 list_bytes = \"16 MiB\"\nanswer_bytes = \"4 MiB\"",
        ))
        .polls(
            "[polling]\ninstances_every = \"300ms\"\nrealms_every = \"1s\"\njitter = 0.0\nmax_backoff = \"300ms\"\n\
             requests_per_minute = 1000000\n\
             \n[api]\nfresh_instances = \"1ms\"\nfresh_realms = \"1ms\"\n\n[api.credentials]\nfailed_for = \"1ms\"\n\
             new_accounts_per_peer = 1000\n\n[log]\nfilter = \"tracker=debug,info\"\n",
        );
    setup.driver_file("hostile.wasm", &hostile_driver());
    setup.run(&["driver", "approve", "hostile", "--yes"]).succeeded();
    (0..HONEST).fold(setup, |setup, n| {
        let name = format!("honest-{n}");
        let setup = setup.provider("mock", &name, "http://mock.invalid", "count = \"50\"");
        setup.account("mock", &name, "mockuser", "mockpassword")
    })
}

fn honest(host: &Host) -> Vec<Client> {
    let client = |n| host.client().at("mock", &format!("honest-{n}")).as_user("mockuser", "mockpassword");
    (0..HONEST).map(client).collect()
}

/// Whoever owns the account that is attacked with.
fn mallory(host: &Host, provider: &str) -> Client {
    host.client().at("hostile", provider).as_user("mallory", SECRET)
}

/// Lets an attack happen; gives all that the API said, and in what that is not what has to come of it.
async fn attack(host: &Host, attack: &Attack) -> (String, Vec<String>) {
    let Attack { name, ends, .. } = attack;
    let client = mallory(host, name);
    let answer = client.get("/api/instances").await;
    let is_over = |account: &Value| account["polls"]["instances"]["last_attempt"].is_string();
    let account = client.until("/api/account", "the poll is over", is_over).await;
    let polls = &account["polls"]["instances"];
    let (status, list) = (answer.status, answer.text);
    let mut faults = Vec::new();
    let mut hold = |is_so: bool, what: &str| {
        if !is_so {
            faults.push(format!("{name}: {what}; instead: {status} {polls} {:.300}", list));
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ends = match *ends {
        Ends::Spent if polls["last_error"]["code"] == "limit.poll_timeout" => {
            &Ends::With("limit.poll_timeout", "drivers.limits.poll_timeout")
        }
        Ends::Spent => &Ends::With("limit.cpu_per_page", "drivers.limits.cpu_per_page"),
        Ends::Hoarded => {
            let code = polls["last_error"]["code"].as_str().unwrap_or_default();
            let limits = ["poll_memory", "handles", "requests", "cpu_per_page", "poll_timeout"];
            let limit = limits.into_iter().find(|limit| code.strip_prefix("limit.") == Some(limit));
            match limit {
                Some("poll_memory") | None => &Ends::With("limit.poll_memory", "drivers.limits.poll_memory"),
                Some("handles") => &Ends::With("limit.handles", "drivers.limits.handles"),
                Some("requests") => &Ends::With("limit.requests", "drivers.limits.requests"),
                Some("cpu_per_page") => &Ends::With("limit.cpu_per_page", "drivers.limits.cpu_per_page"),
                Some(_) => &Ends::With("limit.poll_timeout", "drivers.limits.poll_timeout"),
            }
        }
        ref other => other,
    };
    match *ends {
        Ends::Spent | Ends::Hoarded => unreachable!("it was made one of the limits above"),
        Ends::With(code, words) => {
            let error = &polls["last_error"];
            let message = text(&error["message"]);
            hold(!status.is_success(), "there is no list");
            hold(error["code"] == code, code);
            hold(message.contains(words), words);
            hold(message.len() <= 1024, "a message is bounded");
            hold(!message.chars().any(char::is_control), "a message is one line");
            hold(polls["failures"].as_u64() > Some(0), "the account is marked");
            hold(polls["last_complete"].is_null(), "an error is no observation");
        }
        Ends::Listed(words) => {
            hold(status.is_success() && list.contains(words), words);
            hold(polls["failures"] == 0, "the account is not marked");
        }
        Ends::Partial => {
            let reason = text(&polls["partial_reason"]);
            hold(reason.contains("forged") && !reason.chars().any(char::is_control), "a reason in one line");
            hold(polls["last_complete"].is_null(), "it is not complete");
        }
    }
    (format!("{account}\n{list}\n"), faults)
}

/// Looks at the honest accounts until it is dropped; fails as soon as one is not polled on time.
async fn watch(clients: Vec<Client>) {
    loop {
        for client in &clients {
            let polls = client.get("/api/account").await.ok()["polls"]["instances"].clone();
            assert!(polls["age_seconds"].as_u64().is_some_and(|age| age <= LATE), "an honest account waits: {polls}");
            assert_eq!(polls["failures"], 0, "an honest account fails: {polls}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn polled(client: &Client) {
    client.until("/api/account", "it is polled", |account| account["polls"]["instances"]["age_seconds"] == 0).await;
}

/// Every form of the secret that its owner could find somewhere.
fn forms() -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    let json = Value::from(SECRET).to_string();
    vec![
        SECRET.into(),
        json.trim_matches('"').into(),
        BASE64.encode(SECRET),
        BASE64.encode(format!("mallory:{SECRET}")),
        url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect(),
        percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).to_string(),
        SECRET.bytes().map(|byte| format!("{byte:02x}")).collect(),
        SECRET.replace('/', "\\/").replace('"', "\\\"").replace('&', "\\u0026"),
        SECRET.replace('&', "&amp;").replace('"', "&quot;").replace('/', "&#x2F;").replace('+', "&#043;"),
        SECRET.replace('/', "%2f"),
        // As base64 has it behind other text.
        BASE64.encode(format!("s={SECRET}!"))[4..40].to_owned(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_come_to_nothing_and_harm_nobody() {
    let other = Sink::start("");
    let own = Sink::start(&other.endpoint());
    let attacks = attacks::all(&own, &other);
    let setup = attacks
        .iter()
        .fold(setup(), |setup, attack| setup.provider("hostile", &attack.name, &own.endpoint(), &attack.options));
    let mut host = setup.start().await;
    let honest = honest(&host);
    for client in &honest {
        polled(client).await;
    }

    let before = host.resident();
    let rounds = async {
        let mut told = String::new();
        let mut faults = Vec::new();
        let mut resident = Vec::new();
        // In the first two rounds each slot, cache and pool comes to hold what it holds; after that nothing is added.
        for at_once in [1, 16, 16, 16] {
            let mut ends = stream::iter(&attacks).map(|one| attack(&host, one)).buffer_unordered(at_once);
            while let Some((said, fault)) = ends.next().await {
                told += &said;
                faults.extend(fault);
            }
            drop(ends);
            for client in &honest {
                polled(client).await;
            }
            resident.push(host.resident());
        }
        (told, faults, resident)
    };
    let (told, faults, resident) = tokio::select! {
        rounds = rounds => rounds,
        () = watch(honest.clone()) => unreachable!("it looks on for as long as there is something to see"),
    };
    assert!(faults.is_empty(), "{} in four rounds:\n{}", faults.len(), faults.join("\n"));
    assert!(
        resident[3] <= resident[1] + 64,
        "memory is not given back: {before} MiB before, {resident:?} MiB after each round"
    );

    // What is lifted out of a guest in one call is beside it, one a thread; and a host has what it began with.
    let peak = host.peak_resident();
    assert!(peak <= before + TOTAL * 2, "{before} MiB before, {peak} MiB at most");

    assert!(host.stop().await.success());
    let log = host.log().text();
    assert!(log.contains("limit.cpu_per_page") && log.contains("\"hostile/"), "this looks at what is logged");
    for line in log.lines() {
        let stamp = line.split(' ').next().unwrap_or_default();
        assert!(stamp.starts_with("20") && stamp.ends_with('Z'), "a line that the host did not begin: {line:?}");
        assert!(!line.starts_with("2026-11-22T10:00:00Z"), "a line that the host did not write: {line:?}");
        assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{2028}'), "{line:?}");
    }
    assert_eq!(other.received(), "", "nothing went where it had no business");
    assert!(own.received().contains(&forms()[3]), "the secret is where it belongs");
    for form in forms() {
        assert!(!told.contains(&form), "{form:?} was seen by the driver");
        assert!(!log.contains(&form), "{form:?} is in the log");
    }
    let received = own.received();
    for line in received.lines().filter(|line| line.starts_with("GET ") || line.starts_with("POST ")) {
        assert!(!line.contains("correct"), "the secret is in a path: {line}");
    }
}

/// With all the CPU time that they need, they end where their memory does; and together they have no more than all polls
/// may have, so that they wait for one another.
#[tokio::test(flavor = "multi_thread")]
async fn hoards_end_at_the_memory_of_a_poll_and_wait_for_that_of_all() {
    const POLL: u64 = 40;
    let ways = ["body-finished", "body-response", "body-trailers", "fields-long", "fields-clone-changed", "path"];
    let setup = Setup::new(&["mock"])
        .limits(&format!(
            "memory = \"16 MiB\"\npoll_memory = \"{POLL} MiB\"\ntotal_memory = \"{} MiB\"\ncpu_per_page = \"20s\"\n\
             poll_timeout = \"110s\"",
            2 * POLL
        ))
        .polls("[api.credentials]\nfailed_for = \"1ms\"\n");
    setup.driver_file("hostile.wasm", &hostile_driver());
    setup.run(&["driver", "approve", "hostile", "--yes"]).succeeded();
    let setup = ways.iter().fold(setup, |setup, way| {
        setup.provider("hostile", way, "http://127.0.0.1:9", &format!("do = \"hoard:{way}\""))
    });
    let host = setup.start().await;
    let before = host.resident();
    futures_util::future::join_all(ways.iter().map(async |way| {
        let client = mallory(&host, way);
        eventually(SOON * 4, "it ends at the memory of a poll", async || {
            client.get("/api/instances").await;
            let account = client.get("/api/account").await;
            let document: Value = serde_json::from_str(&account.text).unwrap_or_default();
            match document["polls"]["instances"]["last_error"]["code"].as_str() {
                Some("limit.poll_memory") => Ok(()),
                // It waited, and what it held was wanted by one that had little: it is made again.
                Some("limit.total_memory") | None => Err(account.text),
                Some(_) => panic!("{}", account.text),
            }
        })
        .await;
    }))
    .await;
    let grown = host.peak_resident().saturating_sub(before);
    assert!(grown <= 2 * POLL * 2, "{grown} MiB for polls that have {} MiB", 2 * POLL);
    let metrics = host.client().get("/metrics").await.text;
    let value = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
    assert_eq!(value("tracker_polls_waiting_for_memory ").as_deref(), Some("0"), "{metrics}");
}

/// Polls that take nearly all the memory of all polls, and hang: others that need little, and first logins, go on beside them.
#[tokio::test(flavor = "multi_thread")]
async fn polls_that_hoard_and_hang_keep_no_poll_waiting_that_needs_little() {
    const POLL: u64 = 80;
    const HANGING: usize = 6;
    let setup = setup()
        .limits(&format!("poll_memory = \"{POLL} MiB\"\ntotal_memory = \"{} MiB\"\npoll_timeout = \"110s\"", 4 * POLL));
    let setup = (0..HANGING).fold(setup, |setup, n| {
        let name = format!("hangs-{n}");
        let endpoint = format!("http://127.0.0.1:{}", n + 1);
        let setup = setup.provider("hostile", &name, &endpoint, "do = \"hoard:hang\", count = \"56\"");
        setup.account("hostile", &name, "mallory", SECRET)
    });
    let host = setup.start().await;
    let honest = honest(&host);
    // The reserve is one's, and two of the others have all that is shared.
    eventually(SOON, "some of them wait for memory, and say so", async || {
        let mut seen = Vec::new();
        for n in 0..HANGING {
            let account = mallory(&host, &format!("hangs-{n}")).get("/api/account").await;
            seen.push(account.text.clone());
            let account: Value = serde_json::from_str(&account.text).unwrap_or_default();
            if account["polls"]["instances"]["waiting"]["why"] == "memory" {
                return Ok(());
            }
        }
        Err(seen.join("\n"))
    })
    .await;
    for _ in 0..3 {
        for client in &honest {
            polled(client).await;
        }
    }
    for n in 0..HONEST {
        let first = host.client().at("mock", &format!("honest-{n}")).as_user("another", "mockpassword");
        let answer = first.get("/api/account").await;
        assert!(answer.status.is_success() || answer.status == 401, "{} {}", answer.status, answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_account_left_is_not_found() {
    let host = setup()
        .provider("hostile", "one", "http://127.0.0.1:9", "do = \"remember\", value = \"left by one\"")
        .provider("hostile", "two", "http://127.0.0.1:9", "do = \"remember\", value = \"left by two\"")
        .start()
        .await;
    let found = async |provider: &str, user: &str, password: &str| {
        let client = host.client().at("hostile", provider).as_user(user, password);
        let list = client.get("/api/instances").await.ok();
        list["instances"][0]["name"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(found("one", "mallory", SECRET).await, "");
    assert_eq!(found("one", "mallory", SECRET).await, "left by one", "it is a memory");
    assert_eq!(found("one", "eve", SECRET).await, "", "another user");
    assert_eq!(found("two", "mallory", SECRET).await, "", "another provider");
    assert_eq!(found("one", "mallory", "another password").await, "", "another password");
}

#[tokio::test(flavor = "multi_thread")]
async fn realms_are_held_to_their_contract_too() {
    let host = setup()
        .provider("hostile", "limit", "http://127.0.0.1:9", "realms = \"limit\"")
        .provider("hostile", "name", "http://127.0.0.1:9", "realms = \"name\"")
        .start()
        .await;
    let realms = mallory(&host, "limit").get("/api/realms").await.ok();
    assert_eq!(realms["realms"][0]["limit"].to_string(), u64::MAX.to_string(), "{realms}");
    // By a list of realms the credentials are proven, which this one does not let happen.
    let problem = mallory(&host, "name").get("/api/realms").await.problem(502);
    assert_eq!(problem["code"], "contract", "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_secret_is_not_multiplied() {
    let own = Sink::start("");
    let host = setup()
        .provider("hostile", "body", &own.endpoint(), "do = \"carry:multiply\"")
        .provider("hostile", "digest", &own.endpoint(), "do = \"carry:multiply-digest\"")
        .start()
        .await;
    // As long as a private key of 4096 bits in PEM.
    let key = "k".repeat(3200);
    for provider in ["body", "digest"] {
        let client = host.client().at("hostile", provider).as_user("mallory", &key);
        let problem = client.get("/api/instances").await.problem(502);
        assert_eq!(problem["code"], "limit.request_bytes", "{problem}");
    }
    assert_eq!(own.received(), "");
}
