//! The loop and its attempts, against receivers on loopback.

mod destinations;
mod isolation;
mod memory;
mod receiver;

use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderMap;

use self::memory::MemoryStore;
use self::receiver::{CUT, HANG, OK, Receiver};
use super::*;
use crate::clock::{Clock, EvenClock, ManualClock, SystemClock};
use crate::model::breaker::{self, Standing};
use crate::model::{
    AccountId, AccountKey, Change, ChangeId, ChangeType, Cursor, DisableReason, Format, HookId, HookSecrets, HookUrl,
    InstanceState, NewChange, ResourceId, Sealed, SigningKey, SigningSecret, State, Subject, Timestamp,
};
use crate::net::{AddressPolicy, ClientSettings, Clients};
use crate::store::{Attempt, Deliveries, DeliveryId, DueDelivery, Outcome, Recipient, SealedColumn, Unopened};
use crate::vault::{Keyring, Purpose, Vault};

pub(super) const START: Timestamp = Timestamp::from_millis(1_795_341_600_000);
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

pub(super) struct Bench {
    store: Arc<MemoryStore>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) context: Context,
}

impl Bench {
    /// Has the next calls of the store fail.
    pub(super) fn fail(&self, calls: usize) {
        self.store.failing.store(calls, Ordering::SeqCst);
    }
}

pub(super) fn bench() -> Bench {
    bench_with(Settings {
        timeout: Duration::from_secs(10),
        retries: Retries { jitter: 0.0, ..Retries::default() },
        ..Settings::default()
    })
}

fn bench_with(settings: Settings) -> Bench {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(ManualClock::new(START));
    let loopback = AddressPolicy::opening(vec!["127.0.0.1/32".parse().unwrap()]);
    let context = Context {
        store: Arc::clone(&store) as Arc<dyn Deliveries + Send + Sync>,
        vault: Arc::new(vault(KEY)),
        client: Clients::new(ClientSettings::default()).unwrap().under(&loopback).unwrap(),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        settings,
        public_url: "https://tracker.example".to_owned(),
        metrics: Arc::default(),
    };
    Bench { store, clock, context }
}

fn vault(key: &str) -> Vault {
    Vault::new(Keyring::parse(key, "the test").unwrap())
}

fn account() -> AccountKey {
    AccountKey { driver: "mock".into(), provider: "default".into(), user: "mockuser".into() }
}

fn secret() -> SigningSecret {
    SigningSecret::from_bytes([9; 32])
}

/// A delivery of change number `change`, of the resource and to the hook of that number.
pub(super) fn delivery(url: &str, hook: i64, change: u128) -> DueDelivery {
    let seal = |purpose: Purpose<'_>, text: &str| vault(KEY).seal(purpose, text.as_bytes()).unwrap();
    DueDelivery {
        id: DeliveryId { hook: HookId(hook), change: change as i64 },
        recipient: Arc::new(Recipient {
            hook: HookId(hook),
            account: AccountId(1),
            url: HookUrl::parse(url).unwrap(),
            destination: HookUrl::parse(url).unwrap().destination().into(),
            standing: Standing::Unproven,
            token: Some(seal(Purpose::HookToken(&account()), "t0ken")),
            secrets: HookSecrets {
                current: seal(Purpose::HookSecret(&account()), &secret().to_text()),
                previous: None,
            },
            format: Format::Json,
            retries: None,
        }),
        change: Change {
            id: ChangeId(change),
            cursor: Cursor { store: 1, sequence: change as i64 },
            account: account(),
            timestamp: START,
            what: NewChange {
                change_type: ChangeType::InstanceState,
                subject: Subject::Instance,
                resource: ResourceId::parse(format!("inst{hook}")).unwrap(),
                name: Some("web".into()),
                realm: None,
                old_state: Some(State::Instance(InstanceState::Pending)),
                new_state: Some(State::Instance(InstanceState::Running)),
                observed_after: None,
                observed_at: START,
                passed_over: false,
                details: None,
            },
        },
        attempts: 0,
        lease: 0,
    }
}

#[tokio::test]
async fn a_callback_arrives_signed_with_its_token_and_is_settled() {
    let mut receiver = Receiver::start(OK).await;
    let bench = bench();
    let owed = delivery(&receiver.url("/cb?x=1"), 1, 7);
    bench.store.owe(owed.clone());
    assert_eq!(run_once(&bench.context).await.unwrap(), 1);
    assert_eq!(bench.store.outcomes(), [Some(Outcome::Delivered)]);

    let callback = receiver.received.recv().await.unwrap();
    assert_eq!(callback.line, "POST /cb?x=1 HTTP/1.1");
    assert_eq!(callback.headers["content-type"], "application/json");
    assert_eq!(callback.headers["user-agent"], concat!("tracker/", env!("CARGO_PKG_VERSION")));
    assert_eq!(callback.headers["webhook-id"], owed.change.id.to_string());
    assert_eq!(callback.headers["webhook-timestamp"], START.as_seconds().to_string());
    let body: serde_json::Value = serde_json::from_slice(&callback.body).unwrap();
    let document = owed.change.document("https://tracker.example", Some("t0ken"));
    assert_eq!(body, serde_json::to_value(document).unwrap());

    // An independent verifier compares with the time that it is, so it has to be a try of this moment.
    let context = Context { clock: Arc::new(SystemClock), ..bench.context.clone() };
    bench.store.owe(delivery(&receiver.url("/"), 1, 8));
    assert_eq!(run_once(&context).await.unwrap(), 1);
    let callback = receiver.received.recv().await.unwrap();
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, callback.headers[name].parse().unwrap());
    }
    let verifier = standardwebhooks::Webhook::new(&secret().to_text()).unwrap();
    verifier.verify(&callback.body, &headers).unwrap();
    assert_eq!(receiver.connections(), 1, "the connection was used again");
}

#[tokio::test]
async fn a_secret_that_a_receiver_sends_back_is_not_kept() {
    let secret = secret().to_text();
    let bare = SigningKey::bare(&secret);
    let key = SigningKey::parse(&secret).unwrap().secret_bytes();
    let hex = hex::encode(&key);
    let near_the_end = format!("{}{secret}", "x".repeat(Settings::default().answer_bytes - 20));
    for (echo, shown) in [
        (format!("{{\"secret\": \"{secret}\"}}"), "{\"secret\": \"whsec_[secret]\"}"),
        (bare.replace('/', "%2f").replace('+', "\\u002b").to_string(), "[secret]"),
        (near_the_end, "xwhsec_[secret]"),
        (format!("key: {hex}"), "key: [secret]"),
        (format!("key: {}", hex.to_uppercase()), "key: [secret]"),
        (format!("key: {}", bare.replace('/', "_").replace('+', "-").trim_end_matches('=')), "key: [secret]"),
        (
            format!("key: {}", percent_encoding::percent_encode(&key, percent_encoding::NON_ALPHANUMERIC)),
            "key: [secret]",
        ),
        ("it is well".into(), "it is well"),
        ("ok".into(), "ok"),
    ] {
        let receiver =
            Receiver::start(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{echo}", echo.len())).await;
        let bench = bench();
        bench.store.owe(delivery(&receiver.url("/"), 1, 1));
        run_once(&bench.context).await.unwrap();
        let answer = bench.store.row(0).tried[0].answer.clone().unwrap();
        let is_shown = answer.contains(&bare[..12]) || answer.to_lowercase().contains(&hex[..12]);
        assert!(answer.ends_with(shown) && !is_shown, "{answer}");
    }
}

/// A callback in the clear shows a proxy's credentials to the proxy, whose answer is the receiver's.
#[tokio::test]
async fn what_a_proxy_is_told_is_not_kept_if_it_is_sent_back() {
    let password = "proxyPassw0rd/with+chars";
    let basic = BASE64.encode(format!("tracker:{password}"));
    let echo = format!("Basic {basic}, or {password}");
    let proxy = Receiver::start(&format!("HTTP/1.1 500 Oh\r\nContent-Length: {}\r\n\r\n{echo}", echo.len())).await;
    let mut url: url::Url = proxy.url("/").parse().expect("a URL");
    url.set_username("tracker").expect("it has a host");
    url.set_password(Some(password)).expect("it has a host");
    let mut bench = bench();
    let clients = Clients::new(ClientSettings { proxy: Some(url), ..ClientSettings::default() }).expect("clients");
    bench.context.client = clients.under(&AddressPolicy::default()).expect("a client");
    bench.store.owe(delivery("http://receiver.invalid/", 1, 1));
    run_once(&bench.context).await.expect("sent");
    let answer = bench.store.row(0).tried[0].answer.clone().expect("it answered");
    assert!(
        answer.contains("[secret]") && !answer.contains(&password[..12]) && !answer.contains(&basic[..12]),
        "{answer}"
    );
}

/// What one try becomes with a receiver that gives this answer; a wait is in seconds.
#[tokio::test]
async fn an_answer_decides_what_becomes_of_a_delivery() {
    let check = async |answer: &str, want: Result<Outcome, (u64, &str)>| {
        let receiver = Receiver::start(answer).await;
        let bench = bench_with(Settings {
            timeout: if answer == HANG { Duration::from_millis(50) } else { Duration::from_secs(10) },
            retries: Retries { jitter: 0.0, ..Retries::default() },
            ..Settings::default()
        });
        bench.store.owe(delivery(&receiver.url("/"), 1, 1));
        run_once(&bench.context).await.unwrap();
        let (outcome, error) = match want {
            Ok(outcome) => (outcome, None),
            Err((wait, error)) => (Outcome::Retry { due: START.after(Duration::from_secs(wait)) }, Some(error)),
        };
        assert_eq!(bench.store.outcomes(), [Some(outcome)], "{answer:?}");
        let [Attempt { at, error: noted, duration, .. }] = &bench.store.row(0).tried[..] else {
            panic!("{answer:?}: one try: {:?}", bench.store.row(0).tried);
        };
        assert_eq!(*at, START);
        assert!(duration.is_some(), "{answer:?}: it was connected");
        assert!(error.is_none() || noted.as_deref() == error, "{answer:?}: {noted:?}");
        assert_eq!(receiver.connections(), 1);
    };
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(100_000));
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok(Outcome::Delivered)).await;
    check(&long, Ok(Outcome::Delivered)).await;
    check("HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nhalf", Ok(Outcome::Delivered)).await;
    check("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", Ok(Outcome::Disable(DisableReason::Gone))).await;
    check("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Err((5, "it answered 500"))).await;
    check("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", Err((5, "it answered 404"))).await;
    check(
        "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        Err((5, "it answered 302, a redirect, which is never followed")),
    )
    .await;
    for status in [300, 304, 305, 306] {
        let answer = format!("HTTP/1.1 {status} No\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
        check(&answer, Err((5, &format!("it answered {status}")))).await;
    }
    check("HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", Err((60, "it answered 429"))).await;
    check("HTTP/1.1 429 Slow\r\nRetry-After: 100\r\nContent-Length: 0\r\n\r\n", Err((100, "it answered 429"))).await;
    check(
        "HTTP/1.1 503 Later\r\nRetry-After: Sun, 22 Nov 2026 10:02:00 GMT\r\nContent-Length: 0\r\n\r\n",
        Err((120, "it answered 503")),
    )
    .await;
    check("HTTP/1.1 503 Later\r\nRetry-After: 999999\r\nContent-Length: 0\r\n\r\n", Err((86_400, "it answered 503")))
        .await;
    check("HTTP/1.1 400 No\r\nWebhook-Delivery: abort-message\r\nContent-Length: 0\r\n\r\n", Ok(Outcome::Dead)).await;
    check(
        "HTTP/1.1 403 No\r\nwebhook-delivery: disable\r\nContent-Length: 0\r\n\r\n",
        Ok(Outcome::Disable(DisableReason::Asked)),
    )
    .await;
    check("HTTP/1.1 400 No\r\nwebhook-delivery: dance\r\nContent-Length: 0\r\n\r\n", Err((5, "it answered 400"))).await;
    check(HANG, Err((60, "no answer came in time"))).await;
    check(CUT, Err((5, "the exchange broke off"))).await;
    check("nonsense\r\n\r\n", Err((5, "the exchange broke off"))).await;
}

#[tokio::test]
async fn a_destination_that_can_t_be_reached_is_tried_again_without_telling_why() {
    let check = async |url: &str, want: &str, tries: usize| {
        let bench = bench();
        bench.store.owe(delivery(url, 1, 1));
        run_once(&bench.context).await.unwrap();
        let due = START.after(Duration::from_secs(5));
        assert_eq!(bench.store.outcomes(), [Some(Outcome::Retry { due })], "{url}");
        let row = bench.store.row(0);
        let errors: Vec<_> = row.tried.iter().filter_map(|attempt| attempt.error.as_deref()).collect();
        assert_eq!(errors, vec![want; tries], "{url}");
        assert!(row.tried.iter().all(|attempt| attempt.duration.is_none()), "{url}: {:?}", row.tried);
        assert_eq!(row.attempts, 1, "{url}: a second try at once is part of the first");
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    check(&format!("http://{gone}/"), "no connection could be made", 2).await;
    let closed = "it has no address that callbacks may go to: its name does not resolve, or leads to no public address";
    check("http://10.0.0.1/", closed, 1).await;
    check("http://127.0.0.2/", closed, 1).await;
    check("http://[::1]/", closed, 1).await;
    check("http://no-such-host.invalid/", closed, 1).await;
}

/// Whoever sets hooks on names must not learn which of them there are inside.
#[tokio::test]
async fn a_name_that_leads_inside_fails_as_one_that_there_is_not() {
    let told = async |url: &str| {
        let bench = bench();
        let client = Clients::new(ClientSettings::default()).unwrap().under(&AddressPolicy::default()).unwrap();
        let context = Context { client, ..bench.context.clone() };
        let delivery = delivery(url, 1, 1);
        let send::Ended { outcome, attempts, sign, .. } = send::attempt(&context, &delivery).await;
        let shown = |attempt: Attempt| (attempt.status, attempt.error, attempt.answer, attempt.duration);
        (outcome, attempts.into_iter().map(shown).collect::<Vec<_>>(), sign)
    };
    let inside = told("http://localhost/").await;
    assert_eq!(inside, told("http://no-such-host.invalid/").await);
    assert_eq!(inside, told("http://127.0.0.1/").await);
    assert!(matches!(inside.0, Outcome::Retry { .. }), "{inside:?}");
}

/// Panics when a task other than the test's own asks for the time: a try does, the loop does not.
#[derive(Debug)]
struct PanicsInTries(Arc<ManualClock>);

impl PanicsInTries {
    fn check(&self) {
        assert!(tokio::task::try_id().is_none(), "as asked");
    }
}

#[async_trait::async_trait]
impl Clock for PanicsInTries {
    fn now(&self) -> Timestamp {
        self.check();
        self.0.now()
    }

    fn uptime(&self) -> Duration {
        self.check();
        self.0.uptime()
    }

    async fn sleep_until(&self, until: Timestamp) {
        self.0.sleep_until(until).await;
    }

    async fn pause(&self, time: Duration) {
        self.0.pause(time).await;
    }
}

#[tokio::test]
async fn a_try_that_panics_is_told_as_an_attempt_and_made_again_by_the_schedule() {
    let mut bench = bench();
    bench.context.clock = Arc::new(PanicsInTries(Arc::clone(&bench.clock)));
    bench.store.owe(delivery("http://127.0.0.1:9/", 1, 1));
    for (attempts, wait) in [(1, 5), (2, 300), (3, 1800)] {
        run_once(&bench.context).await.unwrap();
        let due = bench.clock.now().after(Duration::from_secs(wait));
        let row = bench.store.row(0);
        assert_eq!(
            (row.outcome, row.attempts, row.tried.len()),
            (Some(Outcome::Retry { due }), attempts, attempts as usize)
        );
        let error = row.tried.last().and_then(|attempt| attempt.error.clone());
        assert!(error.is_some_and(|error| error.contains("a fault of the host")));
        bench.clock.advance(Duration::from_secs(wait));
    }
    let text = bench.context.metrics.text(None).unwrap();
    assert!(text.contains("tracker_host_faults_total{part=\"callback\"} 3"), "{text}");
}

#[tokio::test]
async fn a_failing_callback_is_tried_by_the_schedule_and_ends_as_a_dead_letter() {
    let mut receiver = Receiver::start("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await;
    let bench = bench();
    bench.store.owe(delivery(&receiver.url("/"), 1, 1));
    bench.store.owe(delivery(&receiver.url("/"), 1, 2));
    assert_eq!(run_once(&bench.context).await.unwrap(), 1, "the second change waits behind the first");
    for wait in bench.context.settings.retries.waits.clone() {
        bench.clock.advance(wait - Duration::from_millis(1));
        assert_eq!(run_once(&bench.context).await.unwrap(), 0);
        bench.clock.advance(Duration::from_millis(1));
        receiver.answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
        let tries = run_once(&bench.context).await.unwrap();
        assert!(tries >= 1);
    }
    assert_eq!(bench.store.row(0).attempts, 8);
    assert_eq!(bench.store.row(0).outcome, Some(Outcome::Dead));
    assert_eq!(bench.store.row(1).attempts, 1, "its turn came when the first was given up");

    let mut tries = Vec::new();
    while let Ok(callback) = receiver.received.try_recv() {
        tries.push((callback.headers["webhook-id"].clone(), callback.headers["webhook-timestamp"].clone()));
    }
    assert_eq!(tries.len(), 9);
    assert!(tries[..8].iter().all(|(id, _)| *id == ChangeId(1).to_string()), "one id on every try: {tries:?}");
    assert!(tries[..8].is_sorted_by(|one, next| one.1 < next.1), "each try has its own time: {tries:?}");
}

#[tokio::test]
async fn a_hook_whose_secret_or_token_does_not_open_is_sent_nothing_and_set_aside() {
    let receiver = Receiver::start(OK).await;
    let bench = bench();
    let whole = delivery(&receiver.url("/"), 1, 1);
    let sealed =
        |key: &str, text: &str| vault(key).seal(Purpose::HookSecret(&account()), text.as_bytes()).expect("sealed");
    let hook = HookId(1);
    let current = whole.recipient.secrets.current.clone();
    let later = START.after(Duration::from_secs(60));
    for damaged in [sealed(OTHER_KEY, &secret().to_text()), sealed(KEY, "no key"), Sealed(vec![])] {
        let secrets = HookSecrets { current: damaged.clone(), previous: None };
        let old = HookSecrets { current: current.clone(), previous: Some((damaged.clone(), later)) };
        for (column, recipient) in [
            (SealedColumn::HookSecret(hook), Recipient { secrets, ..(*whole.recipient).clone() }),
            (SealedColumn::HookOldSecret(hook), Recipient { secrets: old, ..(*whole.recipient).clone() }),
            (SealedColumn::HookToken(hook), Recipient { token: Some(damaged.clone()), ..(*whole.recipient).clone() }),
        ] {
            let bench = bench_with(bench.context.settings.clone());
            bench.store.owe(DueDelivery { recipient: Arc::new(recipient), ..whole.clone() });
            assert_eq!(run_once(&bench.context).await.unwrap(), 1);
            let unopened = Unopened { column, sealed: damaged.clone() };
            assert_eq!(bench.store.outcomes(), [Some(Outcome::Unopened(unopened))]);
            assert!(bench.store.row(0).tried.is_empty(), "nothing was tried");
        }
    }
    assert_eq!(receiver.connections(), 0);
}

/// A context for `run`, whose loop takes its time from the system.
fn running(bench: &Bench) -> Context {
    Context { clock: Arc::new(SystemClock), ..bench.context.clone() }
}

#[tokio::test]
async fn a_receiver_that_hangs_delays_no_other() {
    let mut hanging = Receiver::start(HANG).await;
    let mut healthy = Receiver::start(OK).await;
    let bench = bench_with(Settings {
        concurrency: 8,
        per_destination: 4,
        batch: 3,
        grace: Duration::ZERO,
        ..Settings::default()
    });
    for hook in 0..100 {
        bench.store.owe(delivery(&hanging.url("/"), hook, 1));
    }
    for hook in 100..150 {
        bench.store.owe(delivery(&healthy.url("/"), hook, 1));
    }
    let token = CancellationToken::new();
    let ran = tokio::spawn(run(running(&bench), token.clone()));
    for _ in 100..150 {
        healthy.received.recv().await.unwrap();
    }
    hanging.received.recv().await.unwrap();
    // What a receiver has read is not yet settled.
    let healthy_ones = || bench.store.outcomes().split_off(100);
    while !healthy_ones().iter().all(|outcome| *outcome == Some(Outcome::Delivered)) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    token.cancel();
    ran.await.unwrap();
    assert!(hanging.received.try_recv().is_err(), "no more than its share is under way");
    let outcomes = bench.store.outcomes();
    let (taken, left): (Vec<_>, Vec<_>) = outcomes[..100].iter().partition(|outcome| outcome.is_some());
    assert!(taken.iter().all(|outcome| **outcome == Some(Outcome::Returned)), "{outcomes:?}");
    assert_eq!((taken.len(), left.len()), (1, 99), "what it has no room for stays in the store");
}

#[tokio::test]
async fn the_loop_goes_on_when_the_clock_is_set() {
    let mut receiver = Receiver::start(OK).await;
    for step in [-40_000, -3_600_000, -40_000_000_000, 3_600_000] {
        let bench = bench();
        let even = Arc::new(EvenClock::new(Arc::<ManualClock>::clone(&bench.clock)));
        let soon = Duration::from_secs(10);
        bench.store.owe_at(delivery(&receiver.url("/"), 1, 1), even.now().after(soon));
        let token = CancellationToken::new();
        let context = Context { clock: Arc::<EvenClock>::clone(&even), ..bench.context.clone() };
        let ran = tokio::spawn(run(context, token.clone()));
        // Until it sleeps.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        bench.store.move_due(step);
        bench.clock.set(Timestamp::from_millis(bench.clock.now().as_millis() + step));
        even.follow(even.step().expect("it was set"));
        bench.context.store.signals().deliveries.notify_one();
        bench.clock.advance(Duration::from_secs(1));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(receiver.received.try_recv().is_err(), "not before its time: {step}");
        bench.clock.advance(soon);
        // Only a test that fails waits so long.
        let received = tokio::time::timeout(Duration::from_secs(60), receiver.received.recv()).await;
        assert!(received.is_ok(), "it still sleeps: {step}");
        token.cancel();
        ran.await.unwrap();
    }
}

#[tokio::test]
async fn a_hint_is_enough_to_send_and_a_failing_store_stops_nothing() {
    let mut receiver = Receiver::start(OK).await;
    let bench = bench();
    let token = CancellationToken::new();
    bench.store.failing.store(3, Ordering::SeqCst);
    let ran = tokio::spawn(run(running(&bench), token.clone()));
    for change in 1..=20 {
        bench.store.owe(delivery(&receiver.url("/"), i64::try_from(change).unwrap(), change));
        bench.context.store.signals().deliveries.notify_one();
        receiver.received.recv().await.unwrap();
    }
    token.cancel();
    ran.await.unwrap();
    assert!(bench.store.outcomes().iter().all(|outcome| *outcome == Some(Outcome::Delivered)));
}

#[tokio::test]
async fn a_stop_lets_finish_what_can_and_gives_back_the_rest() {
    let mut hanging = Receiver::start(HANG).await;
    let mut slow = Receiver::start(HANG).await;
    let bench = bench_with(Settings { grace: Duration::from_secs(1), ..Settings::default() });
    bench.store.owe(delivery(&hanging.url("/"), 1, 1));
    let token = CancellationToken::new();
    let ran = tokio::spawn(run(running(&bench), token.clone()));
    hanging.received.recv().await.unwrap();
    slow.answer("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    bench.store.owe(delivery(&slow.url("/"), 2, 2));
    bench.context.store.signals().deliveries.notify_one();
    slow.received.recv().await.unwrap();
    token.cancel();
    bench.store.owe(delivery(&slow.url("/"), 3, 3));
    bench.context.store.signals().deliveries.notify_one();
    ran.await.unwrap();
    assert_eq!(bench.store.row(0).outcome, Some(Outcome::Returned));
    assert_eq!(bench.store.row(0).attempts, 0);
    assert_eq!(bench.store.row(1).outcome, Some(Outcome::Delivered), "though its answer never ends");
    assert_eq!(bench.store.row(2).outcome, None, "nothing new was sent");
}

#[tokio::test]
async fn changes_of_one_resource_on_one_hook_are_never_under_way_together() {
    let mut receiver = Receiver::start(HANG).await;
    let bench = bench();
    let context = Arc::new(bench.context.clone());
    let mut flights = Flights::new(Arc::clone(&context));
    let numbered = |id: u128, lease: i64| DueDelivery { lease, ..delivery(&receiver.url("/"), 1, id) };
    let claims = [numbered(1, 1), numbered(1, 2), numbered(2, 1), numbered(3, 1)];
    for claimed in claims {
        flights.launch(vec![claimed], START);
    }
    let first = receiver.received.recv().await.unwrap();
    assert_eq!(first.headers["webhook-id"], ChangeId(1).to_string());
    assert_eq!(context.settings.concurrency - flights.admission().free().all, 1);
    assert_eq!(receiver.connections(), 1);

    // Only the newest claim on what waits behind it counts.
    receiver.answer(CUT);
    let back = flights.abandon();
    let mut back: Vec<_> = back.iter().map(|ended| (ended.id.change, ended.lease, &ended.outcome)).collect();
    back.sort_by_key(|(id, ..)| *id);
    assert_eq!(back, [(1, 2, &Outcome::Returned), (3, 1, &Outcome::Returned)]);
    assert!(flights.is_empty() && flights.landed().await.is_none());
}

#[tokio::test]
async fn what_waits_behind_a_try_follows_it_unless_its_lease_ran_short() {
    let mut receiver = Receiver::start(OK).await;
    let bench = bench();
    let mut flights = Flights::new(Arc::new(bench.context.clone()));
    let url = receiver.url("/");
    let numbered = |id: u128| delivery(&url, 1, id);
    flights.launch(vec![numbered(1), numbered(2)], START);
    assert_eq!(flights.landed().await.unwrap().id.change, 1);
    flights.launch(vec![numbered(3)], START);
    bench.clock.advance(bench.context.settings.lease());
    assert_eq!(flights.landed().await.unwrap().id.change, 2);
    assert!(flights.landed().await.is_none(), "the third is due again in the store, and may be sent by another");
    assert_eq!(receiver.received.recv().await.unwrap().headers["webhook-id"], ChangeId(1).to_string());
    assert_eq!(receiver.received.recv().await.unwrap().headers["webhook-id"], ChangeId(2).to_string());
    assert!(receiver.received.try_recv().is_err());
}

#[test]
fn a_try_always_has_time_within_its_lease() {
    let check = |timeout: u64, lease: u64, want_lease: u64, want_spare: u64| {
        let settings = Settings {
            timeout: Duration::from_secs(timeout),
            lease: Duration::from_secs(lease),
            ..Settings::default()
        };
        assert_eq!(settings.lease(), Duration::from_secs(want_lease));
        assert_eq!(settings.spare(), Duration::from_secs(want_spare));
    };
    check(20, 60, 60, 35);
    check(20, 20, 30, 5);
    check(300, 60, 310, 5);
}

/// What `serve` has is a whole store.
#[test]
fn a_store_is_a_store_of_deliveries() {
    fn _check(store: Arc<dyn crate::store::Store>) -> Arc<dyn Deliveries + Send + Sync> {
        store
    }
}
