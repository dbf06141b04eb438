//! A host reduced to what callbacks need: a store with hooks in it, changes recorded as polls record them,
//! and the loop that sends. The one place where the benches make the store's and the loop's structs.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use tracker::clock::{Clock as _, Stopwatch, SystemClock};
use tracker::deliver;
use tracker::model::word::Words;
use tracker::model::{
    AccountId, AccountKey, ChangeType, ErrorCode, HookId, HookSpec, HookUrl, Instance, InstanceState, Kind, NewChange,
    Origin, Owner, Resource, ResourceId, Sealed, SigningSecret, State, Subject,
};
use tracker::net::{AddressPolicy, ClientSettings, Clients};
use tracker::poll::fingerprint::fingerprint;
use tracker::store::sqlite::{self, SqliteStore};
use tracker::store::{
    Accounts as _, Deliveries as _, Effort, Enrolment, HookAction, HookPlace, NewHook, Pace, PollClaim, PollFailure,
    PollRecord, PollTicket, Polls as _, Reach, ReplayFrom, Upsert,
};
use tracker::vault::{Keyring, Purpose, Vault};

use crate::compare::instance;
use crate::hooks;

/// How many instances an account has, each with a hook of its own.
pub(crate) const INSTANCES: usize = 100;

/// Longer than any bench takes.
const A_DAY: Duration = Duration::from_secs(86_400);

/// How long a bench waits for callbacks until it takes them for lost.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Outlet {
    store: Arc<SqliteStore>,
    vault: Arc<Vault>,
    /// Polls that are under way: claimed, and not recorded yet.
    tickets: VecDeque<PollTicket>,
    /// How often the instances of an account have changed their state.
    turns: HashMap<AccountId, usize>,
}

/// The loop, sending.
pub(crate) struct Sending {
    token: CancellationToken,
    task: JoinHandle<()>,
}

/// A folder on the disk that the build is on: what is for temporary files may be memory.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// The URLs of so many hooks, shared out among the ports, and among a hundred paths of each.
pub(crate) fn urls(ports: &[u16], hooks: usize) -> Vec<String> {
    let url = |hook: usize| format!("http://127.0.0.1:{}/hooks/{}", ports[hook % ports.len()], hook % 100);
    (0..hooks).map(url).collect()
}

impl Outlet {
    /// Opens or makes the store of a data directory, as a host with the default settings does.
    pub(crate) fn open(data: &Path) -> Outlet {
        Outlet::open_with(data, sqlite::Settings::default())
    }

    pub(crate) fn open_with(data: &Path, settings: sqlite::Settings) -> Outlet {
        let store = SqliteStore::open(&data.join("tracker.db"), settings).expect("a store");
        let key = data.join("key");
        let keyring = Keyring::read(&key).expect("a key");
        let vault = Vault::new(keyring.unwrap_or_else(|| Keyring::make(&key).expect("a key")));
        Outlet { store: Arc::new(store), vault: Arc::new(vault), tickets: VecDeque::new(), turns: HashMap::new() }
    }

    /// Sets a hook on each of as many instances as there are URLs, a hundred to an account. A first list of
    /// them is recorded, of which no hook hears.
    pub(crate) async fn set_hooks(&mut self, urls: &[String]) {
        self.set_hooks_after(0, urls).await;
    }

    /// The same beside so many accounts that are there already, and are not polled any more.
    pub(crate) async fn set_hooks_after(&mut self, accounts: usize, urls: &[String]) {
        for (number, urls) in (accounts..).zip(urls.chunks(INSTANCES)) {
            let (account, key) = self.enrol(number).await;
            for (instance, url) in urls.iter().enumerate() {
                self.set_hook(account, &key, url, Some((Kind::Instance, id(instance)))).await;
            }
        }
        self.record_baselines(urls.chunks(INSTANCES).len()).await;
    }

    /// Sets a hook that hears of all instances of an account, in as many accounts as there are URLs.
    pub(crate) async fn set_wide_hooks(&mut self, urls: &[String]) {
        for (number, url) in urls.iter().enumerate() {
            let (account, key) = self.enrol(number).await;
            self.set_hook(account, &key, url, None).await;
        }
        self.record_baselines(urls.len()).await;
    }

    /// Gives one account a backlog: a hook at each URL, each of which is owed all these changes. The account is not polled again.
    pub(crate) async fn set_backlog(&mut self, urls: &[String], changes: usize) {
        let (account, key) = self.enrol(0).await;
        for url in urls {
            self.set_hook(account, &key, url, None).await;
        }
        self.record_baselines(1).await;
        let recorded = self.record_changes(changes).await;
        assert_eq!(recorded, changes * urls.len(), "each hook hears of each");
        self.put_all_off(1).await;
    }

    /// Has one account replay a journal of this length to a hook at each URL. The account is not polled again.
    pub(crate) async fn set_replay(&mut self, urls: &[String], changes: usize) {
        let (account, key) = self.enrol(0).await;
        // Without a hook it would not be polled.
        self.set_hook(account, &key, &urls[0], Some((Kind::Instance, id(INSTANCES)))).await;
        self.record_baselines(1).await;
        assert_eq!(self.record_changes(changes).await, 0, "no hook hears of them yet");
        for url in urls {
            let hook = self.set_hook(account, &key, url, None).await;
            let place = HookPlace { account, owner: Owner::Account, hook };
            hooks::act(&*self.store, place, HookAction::Replay(ReplayFrom::After(0))).await;
        }
        self.put_all_off(1).await;
    }

    /// Records changes of the account whose turn it is. Returns how many deliveries they owe.
    async fn record_changes(&mut self, changes: usize) -> usize {
        let ticket = self.ticket().await;
        let turns = changes.div_ceil(INSTANCES);
        let changes = (0..changes).map(|number| change(number % INSTANCES, number / INSTANCES + 1)).collect();
        let record = record(&ticket, upserts(0..INSTANCES, turns), changes);
        self.store.record_poll(record).await.expect("recorded").deliveries
    }

    async fn record_baselines(&mut self, accounts: usize) {
        for _ in 0..accounts {
            let ticket = self.ticket().await;
            let record = record(&ticket, upserts(0..INSTANCES, 0), Vec::new());
            self.store.record_poll(record).await.expect("recorded");
        }
    }

    async fn enrol(&self, number: usize) -> (AccountId, AccountKey) {
        let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: format!("user{number}") };
        let password = self.seal(Purpose::AccountPassword(&key), "password");
        let enrolment = Enrolment { key: key.clone(), origin: Origin::Client, password, now: SystemClock.now() };
        (self.store.enrol(enrolment).await.expect("enrolled"), key)
    }

    async fn set_hook(
        &self,
        account: AccountId,
        key: &AccountKey,
        url: &str,
        track: Option<(Kind, ResourceId)>,
    ) -> HookId {
        let hook = NewHook {
            account,
            owner: Owner::Account,
            track,
            spec: HookSpec {
                token: Some(self.seal(Purpose::HookToken(key), "t0ken")),
                ..HookSpec::to(HookUrl::parse(url).expect("a URL"))
            },
            secret: self.seal(Purpose::HookSecret(key), &SigningSecret::from_bytes([7; 32]).to_text()),
            limit: u64::MAX,
            filter_items: u64::MAX,
            poll_by: None,
            now: SystemClock.now(),
        };
        hooks::set(&*self.store, hook).await
    }

    fn seal(&self, purpose: Purpose<'_>, text: &str) -> Sealed {
        self.vault.seal(purpose, text.as_bytes()).expect("sealed")
    }

    /// Records a poll of the account whose turn it is, in which these instances changed their state so many
    /// times, each time for its hook to hear.
    pub(crate) async fn poll(&mut self, instances: Range<usize>, times: usize) {
        let ticket = self.ticket().await;
        let turn = self.turns.entry(ticket.account.id).or_default();
        let changes = (0..times).flat_map(|time| instances.clone().map(move |instance| (instance, time)));
        let changes: Vec<NewChange> = changes.map(|(instance, time)| change(instance, *turn + time + 1)).collect();
        *turn += times;
        let owed = changes.len();
        let record = record(&ticket, upserts(instances, *turn), changes);
        let recorded = self.store.record_poll(record).await.expect("recorded");
        assert_eq!((recorded.changes, recorded.deliveries), (owed, owed), "one hook hears of each");
    }

    /// The right to poll the instances of the account whose turn it is.
    async fn ticket(&mut self) -> PollTicket {
        loop {
            while let Some(ticket) = self.tickets.pop_front() {
                if ticket.kind == Kind::Instance {
                    return ticket;
                }
                self.put_off(&ticket).await;
            }
            let claim = PollClaim::on_all(SystemClock.now(), A_DAY, 1000);
            self.tickets.extend(self.store.claim_due_polls(claim).await.expect("claimed"));
        }
    }

    async fn put_off(&self, ticket: &PollTicket) {
        let now = SystemClock.now();
        let failure = PollFailure {
            reach: Reach::Unknown,
            unreachable_after: 3,
            damping: tracker::model::flapping::Damping::default(),
            account: ticket.account.id,
            kind: ticket.kind,
            lease: ticket.lease,
            now,
            code: ErrorCode::Unavailable,
            message: "realms are not what this is about".into(),
            next_due: now.after(A_DAY),
            effort: Effort { duration: Duration::ZERO, requests: 0, budget: None },
        };
        self.store.record_poll_failure(failure).await.expect("put off");
    }

    /// Has none of the accounts polled by a host that opens this store after.
    pub(crate) async fn put_all_off(&mut self, accounts: usize) {
        for _ in 0..accounts {
            let ticket = self.ticket().await;
            self.put_off(&ticket).await;
        }
    }

    /// Begins to send, with the settings that a host has by default.
    pub(crate) fn send(&self) -> Sending {
        let loopback = AddressPolicy::opening(vec!["127.0.0.0/8".parse().expect("a range")]);
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        let context = deliver::Context {
            store: Arc::clone(&self.store) as _,
            vault: Arc::clone(&self.vault),
            client: clients.under(&loopback).expect("a client"),
            clock: Arc::new(SystemClock),
            settings: deliver::Settings::default(),
            public_url: "http://127.0.0.1:3001".into(),
            metrics: Arc::default(),
        };
        let token = CancellationToken::new();
        Sending { task: tokio::spawn(deliver::run(context, token.clone())), token }
    }

    pub(crate) async fn waiting(&self) -> u64 {
        self.store.count_waiting().await.expect("counted")
    }

    /// Waits until no more than so many callbacks are not settled.
    pub(crate) async fn settled(&self, all_but: u64) {
        let stopwatch = Stopwatch::start();
        loop {
            let left = self.waiting().await.saturating_sub(all_but);
            if left == 0 {
                return;
            }
            assert!(stopwatch.elapsed() < PATIENCE, "{left} callbacks are not settled");
            // Counting costs what is counted: it is done as seldom as it can be without coming late.
            let soonest = Duration::from_micros(20) * u32::try_from(left).unwrap_or(u32::MAX);
            tokio::time::sleep(soonest.clamp(Duration::from_millis(1), Duration::from_secs(1))).await;
        }
    }

    pub(crate) async fn close(self) {
        self.store.close().await.expect("closed");
    }
}

impl Sending {
    /// Ends without waiting for what is under way.
    pub(crate) fn abandon(self) {
        self.task.abort();
    }

    /// Ends as a host ends: what is under way is settled.
    pub(crate) async fn stop(self) {
        self.token.cancel();
        self.task.await.expect("it ends");
    }
}

fn id(instance: usize) -> ResourceId {
    ResourceId::parse(format!("i-{instance:017x}")).expect("an id")
}

/// The state of every instance when it has changed so many times.
fn state(turn: usize) -> InstanceState {
    if turn.is_multiple_of(2) { InstanceState::Running } else { InstanceState::Stopped }
}

pub(crate) fn change(instance: usize, turn: usize) -> NewChange {
    let now = SystemClock.now();
    NewChange {
        change_type: ChangeType::InstanceState,
        subject: Subject::Instance,
        resource: id(instance),
        name: Some(format!("web-{instance}")),
        realm: Some("us-east-1a".into()),
        old_state: Some(State::Instance(state(turn - 1))),
        new_state: Some(State::Instance(state(turn))),
        observed_after: Some(now),
        observed_at: now,
        passed_over: false,
        details: None,
    }
}

fn upserts(instances: Range<usize>, turn: usize) -> Vec<Upsert> {
    let mut words = Words::default();
    let upsert = |number| {
        let instance = Instance { id: id(number), state: state(turn), ..instance(number as u32, &mut words) };
        let resource = Resource::Instance(instance);
        Upsert { fingerprint: fingerprint(&resource), resource, state_changed: true, change: None }
    };
    instances.map(upsert).collect()
}

/// What a poll saw, which is due again at once.
pub(crate) fn record(ticket: &PollTicket, upserts: Vec<Upsert>, changes: Vec<NewChange>) -> PollRecord {
    let now = SystemClock.now();
    PollRecord {
        account: ticket.account.id,
        kind: ticket.kind,
        lease: ticket.lease,
        observed_at: now,
        complete: true,
        breadth: tracker::store::Breadth::Full,
        since: ticket.last_full,
        listed_by: String::new(),
        partial_reason: None,
        again: None,
        upserts: upserts.into(),
        missing: Vec::new(),
        removed: Vec::new(),
        changes,
        decision: None,
        ends_hold: true,
        passed_over: false,
        pace: Pace::usual(Duration::ZERO),
        next_due: now,
        now,
        effort: Effort { duration: Duration::from_millis(10), requests: 1, budget: None },
        damping: tracker::model::flapping::Damping::default(),
    }
}
