//! Rows of what long work costs others: how long a request waits that writes while a large poll is recorded, or much is
//! forgotten; what a poll of a million instances of one account takes of the host's memory; and how soon a host is ready
//! for which a million callbacks wait.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Runtime;
use tracker::clock::{Clock as _, Stopwatch, SystemClock};
use tracker::model::flapping::Damping;
use tracker::model::{AccountKey, ChangeType, InstanceState, Kind, NewChange, Origin, ResourceId, State, Subject};
use tracker::store::sqlite::{self, SqliteStore, Synchronous};
use tracker::store::{
    Accounts as _, Breadth, Effort, Enrolment, Journal as _, Pace, PollClaim, PollRecord, Polls as _, Upserts,
};
use tracker::vault::{Keyring, Purpose, Vault};

use crate::fleet::Polls;
use crate::outlet::{Outlet, urls};
use crate::process::{Host, installation, log, mock};
use crate::table::Table;

/// In the account that is large.
const LARGE: usize = 300_000;
/// How many of them change in each poll, and how often they are polled.
const CHANGES: usize = 100_000;
const EVERY: Duration = Duration::from_secs(10);
const ROUNDS: usize = 4;
/// In the account that makes requests meanwhile.
const SMALL: usize = 100;

/// What a request may wait.
const BOUND: Duration = Duration::from_millis(250);
/// Between two requests, whether the one before was answered or not.
const BETWEEN: Duration = Duration::from_millis(100);

/// How many changes are forgotten, and how long requests are made meanwhile.
const FORGOTTEN: usize = 1_000_000;
/// How many changes are kept of them.
const KEPT: usize = 100;
const FORGETTING: Duration = Duration::from_secs(60);

const MILLION: usize = 1_000_000;

/// What waits when a host starts, and in how many accounts.
const FEW_WAITING: usize = 10_000;
const WAITING_ACCOUNTS: usize = 10;
const STARTS: usize = 5;
/// How long a host may take to be ready, whatever waits.
const READY: Duration = Duration::from_secs(1);
/// Nobody listens there.
const CLOSED_PORT: u16 = 9;

const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn steps(table: &mut Table, runtime: &Runtime) {
    polls(table);
    retention(table, runtime);
    million(table);
    start(table, runtime);
}

/// `PUT track_hook` of one account while another's list of many is recorded: the first one, and such in which many
/// changed.
fn polls(table: &mut Table) {
    let churn = CHANGES as f64 / LARGE as f64 * 3600.0 / EVERY.as_secs_f64();
    let more = format!(
        "[polling]\ninstances_every = \"{EVERY:?}\"\nquiet = \"{EVERY:?}\"\nfull_every = \"0s\"\n\
         [polling.mass_changes]\nshare = 1.0\n"
    );
    let (folder, host) = host_with(&more, &[("large", LARGE, churn), ("small", SMALL, 0.0)]);
    let mut polls = Polls::read_from(&folder.path().join("log"));
    let stopwatch = Stopwatch::start();
    let mut recorded = 0;
    let mut rounds = Vec::new();
    while recorded <= ROUNDS {
        assert!(stopwatch.elapsed() < PATIENCE, "{recorded} polls were recorded: {}", log(folder.path()));
        let mut is_recorded = || polls.take().iter().any(|poll| poll.resources > LARGE / 2);
        let waits = puts(&host, &mut is_recorded);
        if recorded == 0 {
            table.slowest("PUT track_hook during a first list of 300,000 (p99)", waits, BOUND);
        } else {
            rounds.extend(waits);
        }
        recorded += 1;
    }
    table.slowest("  during polls with 100,000 changes (p99)", rounds, BOUND);
}

/// The same while the journal forgets a million changes.
fn retention(table: &mut Table, runtime: &Runtime) {
    let accounts = [("small", SMALL, 0.0)];
    let (folder, address) = install(&format!("[journal]\nkeep_changes = {KEPT}\n"), &accounts);
    let path = folder.path().join("data/tracker.db");
    runtime.block_on(fill_journal(&folder.path().join("data")));
    let (host, _) = Host::start(folder.path(), &address);
    let stopwatch = Stopwatch::start();
    let waits = puts(&host, &mut || stopwatch.elapsed() > FORGETTING);
    drop(host);
    let left = runtime.block_on(async {
        let store = SqliteStore::open(&path, sqlite::Settings::default()).expect("a store");
        store.changes_of_all(0, 10).await.expect("read").first().map_or(0, |(_, change)| change.cursor.sequence)
    });
    assert!(left as usize + KEPT >= FORGOTTEN, "only {left} changes were forgotten: {}", log(folder.path()));
    table.slowest("  while a million changes are forgotten (p99)", waits, BOUND);
}

/// A million instances in one account: the first list, and another.
fn million(table: &mut Table) {
    let more = "[polling]\ninstances_every = \"5s\"\nquiet = \"5s\"\nfull_every = \"0s\"\n";
    let (folder, host) = host_with(more, &[("large", MILLION, 6.0)]);
    let mut polls = Polls::read_from(&folder.path().join("log"));
    let stopwatch = Stopwatch::start();
    let mut recorded = 0;
    while recorded < 2 {
        assert!(stopwatch.elapsed() < PATIENCE, "{recorded} polls were recorded: {}", log(folder.path()));
        std::thread::sleep(Duration::from_millis(100));
        recorded += polls.take().iter().filter(|poll| poll.resources > MILLION / 2).count();
    }
    let highest = host.highest_resident();
    table.amount("resident memory, a million instances in one account, highest", highest, "MB", Some(500.0));
}

/// How soon a host is ready for which much waits: each of it the first of its line, which is what a start looks at.
fn start(table: &mut Table, runtime: &Runtime) {
    let few = starts(runtime, WAITING_ACCOUNTS, FEW_WAITING / WAITING_ACCOUNTS);
    let many = starts(runtime, WAITING_ACCOUNTS, MILLION / WAITING_ACCOUNTS);
    let few = table.times("from start to ready, ten thousand callbacks waiting", few, Some(READY));
    let many = table.times("  a million", many, Some(READY));
    table.comparison("  a million, of ten thousand", many.as_secs_f64() / few.as_secs_f64(), None);
}

/// Each account has a hook that nobody answers, which is owed a change of each of its instances.
fn starts(runtime: &Runtime, accounts: usize, instances: usize) -> Vec<Duration> {
    let (folder, address) = installation(&mock(), "[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\n");
    runtime.block_on(async {
        // What is lost if the power goes is filled in again.
        let settings = sqlite::Settings { synchronous: Synchronous::Normal, ..sqlite::Settings::default() };
        let mut outlet = Outlet::open_with(&folder.path().join("data"), settings);
        outlet.set_wide_hooks(&urls(&[CLOSED_PORT], accounts)).await;
        for _ in 0..accounts {
            outlet.poll(0..instances, 1).await;
        }
        outlet.put_all_off(accounts).await;
        assert_eq!(outlet.waiting().await, (accounts * instances) as u64);
        outlet.close().await;
    });
    (0..STARTS).map(|_| Host::start(folder.path(), &address).1).collect()
}

pub(crate) fn host_with(more: &str, accounts: &[(&str, usize, f64)]) -> (tempfile::TempDir, Host) {
    let (folder, address) = install(more, accounts);
    let (host, _) = Host::start(folder.path(), &address);
    (folder, host)
}

/// A host with these accounts of the configuration: the name of each one's provider, its instances and their churn.
fn install(more: &str, accounts: &[(&str, usize, f64)]) -> (tempfile::TempDir, String) {
    let log = "[log]\nformat = \"json\"\nfilter = \"tracker::poll=debug,info\"\n";
    let (folder, address) = installation(&mock(), &format!("{log}{more}"));
    let config = folder.path().join("config.toml");
    let mut text = fs::read_to_string(&config).expect("written before");
    text += "[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\n";
    for (name, count, churn) in accounts {
        text += &format!(
            "[[providers]]\ndriver = \"mock\"\nname = \"{name}\"\nendpoint = \"http://mock.invalid\"\n\
             [[accounts]]\ndriver = \"mock\"\nprovider = \"{name}\"\nuser = \"mockuser\"\n\
             password_file = \"password\"\noptions = {{ count = \"{count}\", churn = \"{churn}\" }}\n"
        );
    }
    fs::write(&config, text).expect("written");
    fs::write(folder.path().join("password"), "mockpassword").expect("written");
    (folder, address)
}

/// Sets hooks in the small account until it is enough; gives how long each took from the moment at which it was meant to
/// be made, so that those that wait for another count, too.
fn puts(host: &Host, is_enough: &mut impl FnMut() -> bool) -> Vec<Duration> {
    // The first one has the credentials proven, which takes as long as the driver does.
    host.put("/api/instances/i-0?track_hook=http%3A%2F%2F127.0.0.1%3A9%2F", "small").expect("an answer");
    let mut waits = Vec::new();
    let stopwatch = Stopwatch::start();
    let mut at = Duration::ZERO;
    while !is_enough() {
        at += BETWEEN;
        std::thread::sleep(at.saturating_sub(stopwatch.elapsed()));
        let number = waits.len() % SMALL;
        let path = format!("/api/instances/i-{number}?track_hook=http%3A%2F%2F127.0.0.1%3A9%2F{}", waits.len());
        let answer = host.put(&path, "small").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
        waits.push(stopwatch.elapsed().saturating_sub(at));
    }
    waits
}

/// Enters a million changes of an account that nobody polls, in the store of a data directory.
async fn fill_journal(data: &Path) {
    let settings = sqlite::Settings { synchronous: Synchronous::Normal, ..sqlite::Settings::default() };
    let store = SqliteStore::open(&data.join("tracker.db"), settings).expect("a store");
    let vault = Vault::new(Keyring::make(&data.join("key")).expect("a key"));
    let key = AccountKey { driver: "mock".into(), provider: "past".into(), user: "mockuser".into() };
    let now = SystemClock.now();
    let password = vault.seal(Purpose::AccountPassword(&key), b"mockpassword").expect("sealed");
    let enrolment = Enrolment { key, origin: Origin::Client, password, now };
    let account = store.enrol(enrolment).await.expect("enrolled");
    const AT_ONCE: usize = 100_000;
    for round in 0..FORGOTTEN.div_ceil(AT_ONCE) {
        let now = SystemClock.now();
        store.request_poll(account, Kind::Instance, now).await.expect("asked for");
        let claim = PollClaim::on_all(now, PATIENCE, 1);
        let ticket = store.claim_due_polls(claim).await.expect("claimed").pop().expect("it is due");
        let change = |number: usize| NewChange {
            change_type: ChangeType::InstanceState,
            subject: Subject::Instance,
            resource: ResourceId::parse(format!("i-{}", (number * 7919 + round) % LARGE)).expect("an id"),
            name: Some("web".into()),
            realm: None,
            old_state: Some(State::Instance(InstanceState::Pending)),
            new_state: Some(State::Instance(InstanceState::Running)),
            observed_after: None,
            observed_at: now,
            passed_over: false,
            details: None,
        };
        let record = PollRecord {
            account,
            kind: Kind::Instance,
            lease: ticket.lease,
            observed_at: now,
            complete: false,
            breadth: Breadth::Full,
            since: None,
            listed_by: String::new(),
            partial_reason: None,
            again: None,
            upserts: Upserts::default(),
            missing: Vec::new(),
            removed: Vec::new(),
            changes: (0..AT_ONCE).map(change).collect(),
            decision: None,
            ends_hold: true,
            passed_over: false,
            pace: Pace::usual(Duration::ZERO),
            next_due: now,
            now,
            effort: Effort { duration: Duration::ZERO, requests: 1, budget: None },
            damping: Damping::default(),
        };
        store.record_poll(record).await.expect("recorded");
    }
    store.close().await.expect("closed");
}
