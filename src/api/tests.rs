//! The API over a real store, with a provider that the tests simulate.

mod conditional;
mod consent;
mod cors;
mod crashing;
mod damaged;
mod deltacloud;
mod errors;
mod failing_store;
mod feed;
mod forgetting;
mod hooks;
mod leases;
mod openapi;
mod readback;
mod reading;
mod repeating;
mod serving;
mod set_clock;
mod stream;
mod tickets;
mod tokens;
mod tracking;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::app::{Context, OPERATOR_ROUTES, Running, app_with};
use super::auth::proof::claim::{Claim, ProofError, Prover};
use super::auth::proof::newcomers::Place;
use super::middleware::access_log;
use super::server::receipt::Receipt;
use super::{Consent, Listeners, Settings, public_routes, serve};
use crate::clock::{Clock, ManualClock};
use crate::driver::{CallError, Catalog, Pulse};
use crate::model::breaker;
use crate::model::{
    AccountId, AccountKey, ChangeType, ErrorCode, Instance, InstanceState, Kind, NewChange, Origin, Realm, RealmState,
    Resource, ResourceId, Sealed, State, Timestamp,
};
use crate::net::{AddressPolicy, ClientSettings, Clients};
use crate::roster::{CallShares, Endpoints, NotOnRoster, Roster};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{
    Effort, Enrolment, Pace, PollClaim, PollFailure, PollRecord, PollTicket, Reach, Signals, Store, Upsert,
};
use crate::vault::{Keyring, Vault};

const JSON: (&str, &str) = ("content-type", "application/json");
const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

/// A host without polls and deliveries, whose provider knows one user.
struct House {
    router: Router,
    context: Context,
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
    provider: Arc<Stub>,
    polled: watch::Sender<u64>,
    folder: tempfile::TempDir,
}

/// Accepts `user` with the password `right`.
struct Stub {
    store: Arc<SqliteStore>,
    failure: Mutex<Option<CallError>>,
    asked: AtomicUsize,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl House {
    fn new() -> House {
        House::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Settings)) -> House {
        House::at(tempfile::tempdir().expect("a folder"), Default::default(), change)
    }

    /// Over the store that the folder has, or a new one.
    fn at(folder: tempfile::TempDir, store: sqlite::Settings, change: impl FnOnce(&mut Settings)) -> House {
        House::by(folder, store, change, |clock, _| clock)
    }

    /// That goes by what is made of its clock and its store.
    fn by(
        folder: tempfile::TempDir,
        store: sqlite::Settings,
        change: impl FnOnce(&mut Settings),
        clock: impl FnOnce(Arc<ManualClock>, &Arc<SqliteStore>) -> Arc<dyn Clock>,
    ) -> House {
        let store = SqliteStore::open(&folder.path().join("tracker.db"), store).expect("a store");
        let store = Arc::new(store);
        let manual = Arc::new(ManualClock::new(NOW));
        let clock = clock(Arc::clone(&manual), &store);
        let vault =
            Vault::new(Keyring::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "a test").expect("a key"));
        let (polled, polls) = watch::channel(0);
        let mut settings = Settings::default();
        change(&mut settings);
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        let default = Some(("mock".to_owned(), "default".to_owned()));
        let endpoints = Endpoints::new(clock.clone(), breaker::Settings::default(), 24);
        let polling = settings.proof.limits();
        let context = Context {
            store: Arc::clone(&store) as Arc<dyn Store>,
            roster: Arc::new(Roster::new(Arc::new(Catalog::default()), vec![], vec![], default)),
            poll_shares: CallShares::new(Arc::new(endpoints), clock.clone(), polling),
            vault: Arc::new(vault),
            clock,
            settings,
            public_url: "https://tracker.example".into(),
            polled: polls,
            hooks_client: clients.under(&AddressPolicy::default()).expect("a client"),
            metrics: Arc::default(),
        };
        let stub = Stub { store: Arc::clone(&store), failure: Mutex::default(), asked: AtomicUsize::new(0) };
        let provider = Arc::new(stub);
        let prover: Arc<dyn Prover> = provider.clone();
        let running = Running::new(&context, CancellationToken::new());
        let hub = Arc::clone(&running.hub);
        tokio::spawn(async move { hub.run(CancellationToken::new()).await });
        let router = public_routes(&app_with(context.clone(), prover, &running));
        House { router, context, store, clock: manual, provider, polled, folder }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect(method)).uri(path);
        request = request.header("host", "tracker.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let Ok(response) = TowerToHyperService::new(self.router.clone()).call(request).await;
        let (mut parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        if let Some(receipt) = parts.extensions.remove::<Receipt>() {
            receipt.arrived().await;
        }
        let body = String::from_utf8(body.to_vec()).expect("UTF-8");
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// As the account's owner.
    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &basic("user", "right"))], "").await
    }

    async fn put(&self, path: &str, form: &str) -> Answer {
        let form_type = ("content-type", "application/x-www-form-urlencoded");
        self.send("PUT", path, &[("authorization", &basic("user", "right")), form_type], form).await
    }

    async fn put_json(&self, path: &str, body: &Value) -> Answer {
        let authorization = basic("user", "right");
        self.send("PUT", path, &[("authorization", &authorization), JSON], &body.to_string()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_keyed(path, None, body).await
    }

    /// With an `Idempotency-Key`.
    async fn post_keyed(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        let authorization = basic("user", "right");
        let mut headers = vec![("authorization", authorization.as_str()), JSON];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send("POST", path, &headers, &body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[("authorization", &basic("user", "right"))], "").await
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The store's signals, without those that were raised so far.
    fn fresh_signals(&self) -> Signals {
        let signals = self.context.store.signals().clone();
        for signal in [&signals.polls, &signals.deliveries] {
            let _ = signal.notified().now_or_never();
        }
        signals
    }

    fn fails(&self, failure: Option<CallError>) {
        *self.provider.failure.lock().expect("lock") = failure;
    }

    /// The account, known to the store.
    async fn account(&self) -> AccountId {
        let enrolment = Enrolment { key: key("user"), origin: Origin::Client, password: Sealed(vec![]), now: NOW };
        self.context.store.enrol(enrolment).await.expect("enrolled")
    }

    /// Takes the account's poll of one kind, which is due or asked for.
    async fn ticket(&self, kind: Kind) -> PollTicket {
        let account = self.account().await;
        self.context.store.request_poll(account, kind, self.now()).await.expect("asked");
        loop {
            let claim = PollClaim::on_all(self.now(), Duration::from_secs(60), 1);
            let ticket =
                self.context.store.claim_due_polls(claim).await.expect("claimed").pop().expect("a poll is due");
            if ticket.kind == kind {
                return ticket;
            }
            let record = self.record(&ticket, Vec::new(), Vec::new());
            self.context.store.record_poll(record).await.expect("recorded");
        }
    }

    fn record(&self, ticket: &PollTicket, upserts: Vec<Upsert>, changes: Vec<NewChange>) -> PollRecord {
        PollRecord {
            account: ticket.account.id,
            kind: ticket.kind,
            lease: ticket.lease,
            observed_at: self.now(),
            complete: true,
            breadth: crate::store::Breadth::Full,
            since: ticket.last_full,
            listed_by: "digest".into(),
            partial_reason: None,
            again: None,
            upserts: upserts.into(),
            missing: vec![],
            removed: vec![],
            changes,
            decision: None,
            ends_hold: true,
            passed_over: false,
            pace: Pace::usual(Duration::from_secs(60)),
            next_due: self.now().after(Duration::from_secs(60)),
            now: self.now(),
            effort: Effort { duration: Duration::from_millis(5), requests: 1, budget: None },
            damping: crate::model::flapping::Damping::default(),
        }
    }

    /// A complete list: each resource is new, or in another state than before.
    async fn poll(&self, kind: Kind, resources: Vec<Resource>) {
        let ticket = self.ticket(kind).await;
        let changes = resources.iter().map(|resource| self.change(resource)).collect();
        let upserts = resources.into_iter().map(|resource| {
            let fingerprint = State::ALL.iter().position(|state| *state == resource.state()).unwrap_or(0) as u64;
            Upsert { resource, fingerprint, state_changed: true, change: None }
        });
        let record = self.record(&ticket, upserts.collect(), changes);
        self.context.store.record_poll(record).await.expect("recorded");
        self.polled.send_modify(|polls| *polls += 1);
    }

    fn change(&self, resource: &Resource) -> NewChange {
        NewChange {
            change_type: match resource.kind() {
                Kind::Instance => ChangeType::InstanceState,
                Kind::Realm => ChangeType::RealmState,
            },
            subject: resource.kind().into(),
            resource: resource.id().clone(),
            name: None,
            realm: None,
            old_state: None,
            new_state: Some(resource.state()),
            observed_after: None,
            observed_at: self.now(),
            passed_over: false,
            details: None,
        }
    }

    async fn poll_fails(&self, kind: Kind, code: &str) {
        let ticket = self.ticket(kind).await;
        let failure = PollFailure {
            reach: Reach::Unknown,
            unreachable_after: 3,
            damping: crate::model::flapping::Damping::default(),
            account: ticket.account.id,
            kind,
            lease: ticket.lease,
            now: self.now(),
            code: ErrorCode::parse(code).expect(code),
            message: "what the provider said".into(),
            next_due: self.now().after(Duration::from_secs(60)),
            effort: Effort { duration: Duration::from_millis(5), requests: 1, budget: None },
        };
        self.context.store.record_poll_failure(failure).await.expect("recorded");
        self.polled.send_modify(|polls| *polls += 1);
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The body of an error: a problem of this status and type.
    fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        problem
    }
}

#[async_trait]
impl Prover for Stub {
    fn knows(&self, key: &AccountKey) -> Result<(), NotOnRoster> {
        let (driver, name) = (key.driver.clone(), key.provider.clone());
        match (driver.as_str(), name.as_str()) {
            ("mock", "default") => Ok(()),
            ("mock", _) => Err(NotOnRoster::Provider { driver, name, known: vec!["default".into()] }),
            _ => Err(NotOnRoster::Driver { name: driver, known: vec!["mock".into()] }),
        }
    }

    fn endpoint(&self, key: &AccountKey) -> Arc<str> {
        format!("{} {}", key.driver, key.provider).into()
    }

    fn goes_its_own_way(&self, _: &AccountKey) -> bool {
        false
    }

    async fn admit(&self, _: &Claim) -> Result<Option<Place>, ProofError> {
        Ok(None)
    }

    async fn ask(&self, claim: &Claim, _: Arc<Pulse>) -> Result<(), CallError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(failure) = self.failure.lock().expect("lock").clone() {
            return Err(failure);
        }
        match (claim.key.user.as_str(), claim.password.expose_secret()) {
            ("user", "right") => Ok(()),
            _ => Err(CallError::Unauthorized("no".into())),
        }
    }

    async fn enrol(&self, claim: &Claim, _: Option<Place>) -> Result<AccountId, ProofError> {
        let enrolment =
            Enrolment { key: claim.key.clone(), origin: Origin::Client, password: Sealed(vec![]), now: NOW };
        let store: &dyn Store = &*self.store;
        store.enrol(enrolment).await.map_err(|error| ProofError::Store(Arc::new(error)))
    }

    async fn remembers(&self, _: &Claim) -> bool {
        false
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

fn key(user: &str) -> AccountKey {
    AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() }
}

fn instance(id: &str, realm: &str, state: InstanceState) -> Resource {
    Resource::Instance(Instance {
        id: ResourceId::parse(id).expect(id),
        name: None,
        owner: None,
        realm: Some(realm.into()),
        image: None,
        hardware_profile: None,
        state,
        provider_state: State::Instance(state).as_str().to_lowercase().into(),
        launched_at: None,
        public_addresses: vec![].into(),
        private_addresses: vec![].into(),
        labels: vec![].into(),
    })
}

fn realm(id: &str, state: RealmState) -> Resource {
    Resource::Realm(Realm { id: ResourceId::parse(id).expect(id), name: id.to_uppercase().into(), state, limit: None })
}

/// The ids of a list.
fn ids(list: &Value, collection: &str) -> Vec<String> {
    let items = list[collection].as_array().unwrap_or_else(|| panic!("a list of {collection}: {list}"));
    items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
}
