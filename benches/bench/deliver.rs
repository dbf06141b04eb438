//! Rows of delivery: a real store on disk, the real loop, and a receiver on the same machine. What is measured
//! is durable: from a change in the journal to a callback that is settled there.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracker::clock::{Clock, Stopwatch, SystemClock};
use tracker::deliver;
use tracker::model::{
    AccountId, AccountKey, ChangeType, Filter, Format, HookSpec, HookUrl, InstanceState, Kind, Mode, NewChange, Origin,
    Owner, ResourceId, State, Subject, Timestamp,
};
use tracker::net::{AddressPolicy, ClientSettings, Clients};
use tracker::store::sqlite::{Settings, SqliteStore};
use tracker::store::{
    Accounts as _, Deliveries as _, Enrolment, Hooks as _, NewHook, PollClaim, PollRecord, PollTicket, Polls as _,
};
use tracker::vault::{Purpose, Vault};

use crate::receiver::{HANGS, Receiver};
use crate::table::Table;

const INSTANCES: usize = 1000;
const DESTINATIONS: usize = 100;
const POLLS: usize = 40;
const ROUNDS: usize = 5;
/// Callbacks in a second.
const RATE: f64 = 12_000.0;

/// A host's half that delivers, and another that records what polls would.
struct Bench {
    _folder: tempfile::TempDir,
    store: Arc<SqliteStore>,
    vault: Arc<Vault>,
    account: AccountId,
    key: AccountKey,
    wake: Arc<Notify>,
    state: usize,
}

impl Bench {
    async fn new() -> Bench {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let store = SqliteStore::open(&folder.path().join("tracker.db"), Settings::default()).expect("a store");
        let vault = Arc::new(Vault::from_file(&folder.path().join("key")).expect("a key"));
        let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "bench".into() };
        let password = vault.seal(Purpose::AccountPassword(&key), b"secret").expect("sealed");
        let enrolment = Enrolment { key: key.clone(), origin: Origin::Config, password, now: SystemClock.now() };
        let account = store.enrol(enrolment).await.expect("enrolled");
        Bench { _folder: folder, store: Arc::new(store), vault, account, key, wake: Arc::default(), state: 0 }
    }

    /// Sets a hook on an instance.
    async fn hook(&self, instance: usize, url: &str) {
        let secret = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
        let hook = NewHook {
            account: self.account,
            owner: Owner::Account,
            track: Some((Kind::Instance, id(instance))),
            spec: HookSpec {
                url: HookUrl::parse(url).expect("a URL"),
                token: None,
                filter: Filter::default(),
                format: Format::Json,
                mode: Mode::Every,
                rate: None,
                retries: None,
                description: None,
            },
            secret: self.vault.seal(Purpose::HookSecret(&self.key), secret).expect("sealed"),
            now: SystemClock.now(),
        };
        self.store.set_hook(hook).await.expect("set");
    }

    fn context(&self) -> deliver::Context {
        let loopback = AddressPolicy::opening(vec!["127.0.0.0/8".parse().expect("a range")]);
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        deliver::Context {
            store: Arc::clone(&self.store) as _,
            vault: Arc::clone(&self.vault),
            client: clients.under(&loopback).expect("a client"),
            clock: Arc::new(SystemClock),
            settings: deliver::Settings::default(),
            public_url: "http://127.0.0.1:3001".into(),
            wake: Arc::clone(&self.wake),
        }
    }

    /// Records a poll in which all of these instances changed their state.
    async fn poll(&mut self, instances: impl Iterator<Item = usize>) {
        const STATES: [InstanceState; 2] = [InstanceState::Running, InstanceState::Stopped];
        let now = SystemClock.now();
        let ticket = self.ticket(now).await;
        let (old, new) = (STATES[self.state % 2], STATES[(self.state + 1) % 2]);
        self.state += 1;
        let changes = instances.map(|instance| change(instance, old, new, now)).collect();
        let record = PollRecord { changes, ..record(&ticket, now) };
        self.store.record_poll(record).await.expect("recorded");
        self.wake.notify_one();
    }

    /// The right to a poll of instances; realms are put off for good.
    async fn ticket(&self, now: Timestamp) -> PollTicket {
        self.store.request_poll(self.account, Kind::Instance, now).await.expect("asked");
        loop {
            let claim = PollClaim { now, lease: Duration::from_secs(60), limit: 1 };
            let ticket = self.store.claim_due_polls(claim).await.expect("claimed").pop().expect("asked for");
            if ticket.kind == Kind::Instance {
                return ticket;
            }
            let next_due = now.after(Duration::from_secs(86_400));
            self.store.record_poll(PollRecord { next_due, ..record(&ticket, now) }).await.expect("recorded");
        }
    }

    async fn until_left(&self, left: u64) {
        while self.store.count_waiting().await.expect("counted") > left {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends while `work` goes on.
    async fn sending<T>(&mut self, work: impl AsyncFnOnce(&mut Bench) -> T) -> T {
        let token = CancellationToken::new();
        let running = tokio::spawn(deliver::run(self.context(), token.clone()));
        let worked = work(self).await;
        token.cancel();
        running.await.expect("it ends");
        worked
    }
}

fn record(ticket: &PollTicket, now: Timestamp) -> PollRecord {
    PollRecord {
        account: ticket.account.id,
        kind: ticket.kind,
        lease: ticket.lease,
        observed_at: now,
        complete: true,
        partial_reason: None,
        upserts: Vec::new(),
        missing: Vec::new(),
        removed: Vec::new(),
        changes: Vec::new(),
        next_due: now,
        now,
        duration: Duration::from_millis(1),
        requests: 1,
    }
}

fn id(instance: usize) -> ResourceId {
    ResourceId::parse(format!("i-{instance:017x}")).expect("an id")
}

fn change(instance: usize, old: InstanceState, new: InstanceState, now: Timestamp) -> NewChange {
    NewChange {
        change_type: ChangeType::InstanceState,
        subject: Subject::Instance,
        resource: id(instance),
        name: Some(format!("web-{instance}")),
        realm: Some("us-east-1a".into()),
        old_state: Some(State::Instance(old)),
        new_state: Some(State::Instance(new)),
        observed_after: Some(now.before(Duration::from_secs(60))),
        observed_at: now,
    }
}

/// From changes to settled callbacks, at a hundred destinations.
pub(crate) async fn rate(table: &mut Table) {
    let receiver = Receiver::start();
    let mut bench = Bench::new().await;
    for instance in 0..INSTANCES {
        bench.hook(instance, &receiver.url(instance % DESTINATIONS, "/cb")).await;
    }
    let rates = bench
        .sending(async |bench| {
            let mut rates = Vec::new();
            for _ in 0..ROUNDS {
                let stopwatch = Stopwatch::start();
                for _ in 0..POLLS {
                    bench.poll(0..INSTANCES).await;
                }
                bench.until_left(0).await;
                rates.push((POLLS * INSTANCES) as f64 / stopwatch.elapsed().as_secs_f64());
            }
            rates
        })
        .await;
    table.rates("callbacks from change to settled, durable, a second", rates, Some(RATE));
    let _ = HANGS;
}
