//! What a poll costs from the moment that its list is there until what it saw is on disk: reading what is known,
//! comparing, recording. For an account of a million instances of which a hundredth is another each time.

use std::time::Duration;

use tracker::clock::{Clock as _, Stopwatch, SystemClock};
use tracker::model::flapping::Damping;
use tracker::model::word::Words;
use tracker::model::{AccountKey, Instance, InstanceState, Kind, Origin, Resource, ResourceId, Sealed};
use tracker::poll::diff::{Comparing, Missed, Observation};
use tracker::store::sqlite::{self, SqliteStore};
use tracker::store::{
    Accounts as _, Breadth, Effort, Enrolment, Pace, PollClaim, PollRecord, PollTicket, Polls as _, Recorded, Upserts,
};

use crate::compare::instance;
use crate::host::process_cpu;
use crate::outlet::folder;
use crate::table::Table;

const COUNT: u32 = 1_000_000;
const ROUNDS: u32 = 5;

/// So many are new in each list, and as many are not on it any more.
const REPLACED: u32 = COUNT / 1000;
/// One of so many has another state in each list ...
const STATE_IN: u32 = 166;
/// ... and one of so many another label.
const LABEL_IN: u32 = 500;

/// Longer than the bench takes.
const A_DAY: Duration = Duration::from_secs(86_400);

/// A million compared with a million that are stored, in the real store on disk.
pub(crate) async fn million(table: &mut Table) {
    let folder = folder();
    let store = SqliteStore::open(&folder.path().join("tracker.db"), sqlite::Settings::default()).expect("a store");
    let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "mockuser".into() };
    let now = SystemClock.now();
    let enrolment = Enrolment { key, origin: Origin::Config, password: Sealed(Vec::new()), now };
    store.enrol(enrolment).await.expect("enrolled");
    poll(&store, list(0)).await;

    let (mut rates, mut walls) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let listed = list(round);
        let (before, stopwatch) = (process_cpu(), Stopwatch::start());
        let recorded = poll(&store, listed).await;
        let (cpu, wall) = (process_cpu() - before, stopwatch.elapsed());
        // What is missing from a list is told with the next one, if it is missing there too.
        let gone = if round > 1 { REPLACED } else { 0 };
        // Some have another state and another label at once.
        let most = (COUNT / STATE_IN + COUNT / LABEL_IN + REPLACED + gone) as usize + 2;
        assert!((most - 60..=most).contains(&recorded.changes), "{} changes, not {most}", recorded.changes);
        rates.push(f64::from(COUNT) / cpu.as_secs_f64());
        walls.push(wall);
    }
    store.close().await.expect("closed");
    table.at_least("a million compared and recorded, 1 % changed: CPU", rates, "/s", Some(1_000_000.0));
    table.times("  from the list to the commit, on disk", walls, None);
}

/// Compares a list with what is stored and records what changed, as a poll does.
async fn poll(store: &SqliteStore, resources: Vec<Resource>) -> Recorded {
    let ticket = ticket(store).await;
    let observed_at = SystemClock.now();
    let observation = Observation {
        kind: Kind::Instance,
        resources,
        complete: true,
        in_pieces: false,
        observed_at,
        last_complete: ticket.last_complete,
        confirmations: 2,
        missed: Missed::default(),
        former_words: None,
    };
    let comparing = Box::new(Comparing::new(observation));
    let delta = store.compare_known(ticket.account.id, Kind::Instance, comparing).await.expect("read");
    let now = SystemClock.now();
    let record = PollRecord {
        account: ticket.account.id,
        kind: Kind::Instance,
        lease: ticket.lease,
        observed_at,
        complete: true,
        breadth: Breadth::Full,
        since: ticket.last_full,
        listed_by: String::new(),
        partial_reason: None,
        again: None,
        upserts: delta.upserts,
        missing: delta.missing,
        removed: delta.removed,
        changes: Vec::new(),
        decision: None,
        ends_hold: true,
        passed_over: false,
        pace: Pace::usual(Duration::ZERO),
        next_due: now,
        now,
        effort: Effort { duration: Duration::from_millis(10), requests: 1, budget: None },
        damping: Damping::default(),
    };
    store.record_poll(record).await.expect("recorded")
}

/// The right to poll the instances: realms are not due again.
async fn ticket(store: &SqliteStore) -> PollTicket {
    loop {
        let claim = PollClaim::on_all(SystemClock.now(), A_DAY, 1);
        let ticket = store.claim_due_polls(claim).await.expect("claimed").pop().expect("one is due");
        if ticket.kind == Kind::Instance {
            return ticket;
        }
        let now = SystemClock.now();
        let record = PollRecord {
            account: ticket.account.id,
            kind: ticket.kind,
            lease: ticket.lease,
            observed_at: now,
            complete: true,
            breadth: Breadth::Full,
            since: ticket.last_full,
            listed_by: String::new(),
            partial_reason: None,
            again: None,
            upserts: Upserts::default(),
            missing: Vec::new(),
            removed: Vec::new(),
            changes: Vec::new(),
            decision: None,
            ends_hold: true,
            passed_over: false,
            pace: Pace::usual(Duration::ZERO),
            next_due: now.after(A_DAY),
            now,
            effort: Effort { duration: Duration::ZERO, requests: 0, budget: None },
            damping: Damping::default(),
        };
        store.record_poll(record).await.expect("recorded");
    }
}

/// The list of that round, sorted, and with its words shared, as the driver host does it.
fn list(round: u32) -> Vec<Resource> {
    let first = round * REPLACED;
    let mut words = Words::default();
    let mut listed: Vec<Resource> =
        (first..first + COUNT).map(|number| Resource::Instance(listed(number, round, &mut words))).collect();
    listed.sort_unstable_by(|a, b| a.id().cmp(b.id()));
    listed
}

fn listed(number: u32, round: u32, words: &mut Words) -> Instance {
    // Each list, from the first after the baseline on, shows others in another state, and others with another label.
    let is_stopped = (1..=round).contains(&(number % STATE_IN));
    let is_relabelled = (1..=round).contains(&(number % LABEL_IN));
    let mut instance = instance(number, words);
    instance.id = id(number);
    if is_stopped {
        (instance.state, instance.provider_state) = (InstanceState::Stopped, words.of("stopped".to_owned()).0);
    }
    if is_relabelled {
        let others = std::mem::take(&mut instance.labels);
        instance.labels = others.into_iter().chain([("team".into(), "payments".into())]).collect();
    }
    instance
}

/// As EC2 makes them: `i-0` and sixteen hexadecimal digits, in no order.
fn id(number: u32) -> ResourceId {
    // The finaliser of SplitMix64: each number gives another.
    let mut bits = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ResourceId::parse(format!("i-0{:016x}", bits ^ (bits >> 31))).expect("an id")
}
