//! Rows of what must not grow with what there is: the backlog of a hook, the length of the journal, the number of hooks.
//! Each compares a large store with a small one, at the store itself: nothing is sent.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tracker::clock::{Clock as _, Stopwatch, SystemClock};
use tracker::model::breaker::Standing;
use tracker::model::{
    AccountId, AccountKey, ChangeType, Filter, HookId, HookSpec, HookUrl, IdPattern, InstanceState, Kind, NewChange,
    Origin, Owner, ResourceId, Sealed, State, Timestamp,
};
use tracker::store::sqlite::{self, SqliteStore, Synchronous};
use tracker::store::{
    Accounts as _, After, CatchUp, CaughtUp, ChangeQuery, Deliveries as _, DeliveryClaim, DestinationRoom, Enrolment,
    Free, HistoryQuery, HookAction, HookPlace, InFlight, Inventory as _, Journal as _, ListQuery, NewHook, Outcome,
    PollClaim, PollTicket, Polls as _, ReplayFrom, Room, Settlement, Settling,
};

use crate::hooks;
use crate::host::process_cpu;
use crate::journal;
use crate::outlet::{change, folder, record};
use crate::table::Table;

const RESOURCES: usize = 20_000;
/// How many wait for the hook; the first is what the others are compared with.
const BACKLOGS: [usize; 3] = [10_000, 100_000, 1_000_000];
/// How many changes are recorded, and deliveries settled, in each round.
const ROUND: usize = 2_000;
const ROUNDS: usize = 5;
/// What is recorded at once while a store is filled.
const FILL: usize = 10_000;

/// How many changes the journal has whose ends are compared.
const JOURNAL: usize = 5_000_000;
const PAGE: usize = 100;
const PAGES: usize = 40;

const MANY_HOOKS: usize = 10_000;
const MATCHING: usize = 10;
const POLLS: usize = 200;

pub(crate) async fn backlog_and_replay(table: &mut Table) {
    let folder = folder();
    let mut store = Filled::open(folder.path());
    let account = store.enrol("ann").await;
    let hook = store.set_hook(account, Filter::default()).await;
    let mut costs = Vec::new();
    for backlog in BACKLOGS {
        while store.waiting < backlog {
            store.record(account, FILL.min(backlog - store.waiting)).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let before = process_cpu();
            store.record(account, ROUND).await;
            store.settle(ROUND).await;
            rounds.push((process_cpu() - before).div_f64(ROUND as f64));
        }
        rounds.sort();
        costs.push(rounds[ROUNDS / 2]);
    }
    let of_few = |cost: Duration| cost.as_secs_f64() / costs[0].as_secs_f64();
    table.times("CPU to record and settle a change, 10,000 waiting", vec![costs[0]], None);
    table.comparison("  with 100,000 waiting", of_few(costs[1]), Some(1.3));
    table.comparison("  with a million waiting", of_few(costs[2]), Some(2.0));

    store.pause(account, hook).await;
    let replayed = store.set_hook(account, Filter::default()).await;
    table.at_least("replay of a million changes", vec![store.replay(account, replayed).await], "/s", Some(5000.0));
}

/// Pages at the newest and at the oldest end.
pub(crate) async fn pages(table: &mut Table) {
    let folder = folder();
    let store = Filled::open(folder.path());
    let account = store.enrol("ann").await;
    store.store.close().await.expect("closed");
    journal::fill(folder.path(), account, RESOURCES, JOURNAL);
    let store = Filled::open(folder.path()).store;

    let (first, last) = (Timestamp::from_millis(RESOURCES as i64 + 1), Timestamp::from_millis(JOURNAL as i64 - 1));
    let mut at = [Vec::new(), Vec::new()];
    let mut feed = [Vec::new(), Vec::new()];
    let mut history = [Vec::new(), Vec::new()];
    for page in 0..PAGES {
        for (end, time) in [first, last].into_iter().enumerate() {
            // Each end reads other pages of the list: the second would find those of the first in the cache.
            let number = (2 * page + end) * RESOURCES / (2 * PAGES);
            let after = Some(id(number));
            let query = ListQuery {
                kind: Kind::Instance,
                id: None,
                state: None,
                realm: None,
                after,
                limit: PAGE,
                at: Some(time),
                owner: Owner::Account,
            };
            let before = process_cpu();
            assert_eq!(store.list(account, query).await.expect("a list").len(), PAGE);
            at[end].push(process_cpu() - before);

            let after = After::Number([page * PAGE, JOURNAL - (page + 1) * PAGE][end] as i64);
            let query = ChangeQuery { after, filter: Filter::default(), limit: PAGE, looked_at: PAGE };
            let before = process_cpu();
            assert_eq!(store.changes(account, query).await.expect("a page").changes.len(), PAGE);
            feed[end].push(process_cpu() - before);

            // The last page has what there is.
            let before = [(JOURNAL / 2) as i64, i64::MAX][end];
            let query = HistoryQuery { kind: Kind::Instance, resource: id(number), before: Some(before), limit: PAGE };
            let begun = process_cpu();
            assert_eq!(store.history(account, query).await.expect("a history").len(), PAGE);
            history[end].push(process_cpu() - begun);
        }
    }
    store.close().await.expect("closed");
    for (what, of_five_million, ends) in [
        ("CPU of a page of ?at=, cheaper end of 5 million", "  the other end", at),
        ("CPU of a page of the feed, cheaper end of 5 million", "  the other end", feed),
        ("CPU of a page of a history, cheaper end of 5 million", "  the other end", history),
    ] {
        let mut medians: Vec<Duration> = ends.into_iter().map(median).collect();
        medians.sort();
        table.times(what, vec![medians[0]], None);
        table.comparison(of_five_million, medians[1].as_secs_f64() / medians[0].as_secs_f64(), Some(2.0));
    }
}

/// Ten thousand hooks of which ten match, and ten that match.
pub(crate) async fn hooks(table: &mut Table) {
    let folder = folder();
    let mut store = Filled::open(folder.path());
    let few = store.enrol("few").await;
    store.set_hooks(few, vec![Filter::default(); MATCHING]).await;
    let filters: [(&'static str, FilterOf); 4] = [
        ("  10,000 hooks of which 10 match, by id", |number| ids(format!("i-{:017x}", number / MATCHING))),
        ("  by prefix", |number| ids(format!("i-{:013x}*", number / MATCHING))),
        ("  by state", |number| Filter { to: vec![[STOPPED, RUNNING][usize::from(number >= MATCHING)]], ..all() }),
        ("  by type", |number| Filter {
            types: vec![[ChangeType::InstanceState, ChangeType::InstanceRemoved][usize::from(number >= MATCHING)]],
            ..all()
        }),
    ];
    let mut bases = Vec::new();
    let mut rows = Vec::new();
    for (number, (what, filter)) in filters.into_iter().enumerate() {
        let many = store.enrol(&format!("many{number}")).await;
        store.set_hooks(many, (0..MANY_HOOKS).map(filter).collect()).await;
        // Alternately, since what a poll costs changes with what else the machine does.
        let mut compared = Vec::new();
        for _ in 0..ROUNDS {
            let base = store.poll_cost(few).await;
            compared.push(store.poll_cost(many).await.as_secs_f64() / base.as_secs_f64());
            bases.push(base);
        }
        rows.push((what, compared));
    }
    table.times("CPU of a poll with a change that 10 of 10 hooks hear", bases, None);
    for (what, compared) in rows {
        table.comparisons(what, compared, 3.0);
    }
}

/// The filter of a hook by its number; those of the first match.
type FilterOf = fn(usize) -> Filter;

const STOPPED: State = State::Instance(InstanceState::Stopped);
const RUNNING: State = State::Instance(InstanceState::Running);

fn all() -> Filter {
    Filter::default()
}

fn ids(pattern: String) -> Filter {
    Filter { ids: vec![IdPattern::parse(&pattern).expect("a pattern")], ..all() }
}

fn id(number: usize) -> ResourceId {
    ResourceId::parse(format!("i-{number:017x}")).expect("an id")
}

fn median(mut rounds: Vec<Duration>) -> Duration {
    rounds.sort();
    rounds[rounds.len() / 2]
}

/// More than is ever claimed.
const ROOM: usize = 1_000_000;

/// Room for whatever is claimed.
#[derive(Debug)]
pub(crate) struct AnyRoom;

impl Room for AnyRoom {
    fn free(&self) -> Free {
        Free { slots: ROOM, all: ROOM, reserve: 0, probation: ROOM, late: ROOM }
    }

    fn hook(&self, _: HookId) -> usize {
        ROOM
    }

    fn destination(&self, _: &str, standing: Standing, _: Timestamp) -> DestinationRoom {
        DestinationRoom { room: ROOM, in_flight: 0, standing }
    }

    fn account(&self, _: AccountId) -> InFlight {
        InFlight::default()
    }
}

pub(crate) struct Filled {
    pub(crate) store: SqliteStore,
    /// How many changes were recorded.
    recorded: usize,
    waiting: usize,
}

impl Filled {
    pub(crate) fn open(folder: &Path) -> Filled {
        // What is lost if the power goes is filled in again.
        let settings = sqlite::Settings { synchronous: Synchronous::Normal, ..sqlite::Settings::default() };
        let store = SqliteStore::open(&folder.join("tracker.db"), settings).expect("a store");
        Filled { store, recorded: 0, waiting: 0 }
    }

    pub(crate) async fn enrol(&self, user: &str) -> AccountId {
        let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() };
        let now = SystemClock.now();
        let enrolment = Enrolment { key, origin: Origin::Client, password: Sealed(Vec::new()), now };
        self.store.enrol(enrolment).await.expect("enrolled")
    }

    async fn set_hook(&self, account: AccountId, filter: Filter) -> HookId {
        let url = HookUrl::parse("https://receiver.example.com/").expect("a URL");
        let spec = HookSpec { filter, ..HookSpec::to(url) };
        let (secret, now) = (Sealed(Vec::new()), SystemClock.now());
        let hook = NewHook {
            account,
            owner: Owner::Account,
            track: None,
            spec,
            secret,
            limit: u64::MAX,
            filter_items: u64::MAX,
            poll_by: None,
            now,
        };
        hooks::set(&self.store, hook).await
    }

    pub(crate) async fn set_hooks(&self, account: AccountId, filters: Vec<Filter>) {
        // As many as the writer's queue takes.
        for filters in filters.chunks(200) {
            join_all(filters.iter().map(|filter| self.set_hook(account, filter.clone()))).await;
        }
    }

    async fn pause(&self, account: AccountId, hook: HookId) {
        let place = HookPlace { account, owner: Owner::Account, hook };
        hooks::act(&self.store, place, HookAction::Pause).await;
    }

    pub(crate) async fn ticket(&self, account: AccountId) -> PollTicket {
        self.store.request_poll(account, Kind::Instance, SystemClock.now()).await.expect("asked for");
        loop {
            let claim = PollClaim::on_all(SystemClock.now(), Duration::from_secs(86_400), 1);
            let ticket = self.store.claim_due_polls(claim).await.expect("claimed").pop().expect("one is due");
            if ticket.account.id == account && ticket.kind == Kind::Instance {
                return ticket;
            }
            let later = SystemClock.now().after(Duration::from_secs(86_400));
            let (account, kind) = (ticket.account.id, ticket.kind);
            self.store.put_off_poll(account, kind, ticket.lease, later).await.expect("put off");
        }
    }

    /// Records a poll that saw so many changes, each of the next resource.
    async fn record(&mut self, account: AccountId, changes: usize) {
        let seen = self.recorded..self.recorded + changes;
        let seen: Vec<NewChange> = seen.map(|number| change(number % RESOURCES, 1 + number / RESOURCES)).collect();
        let ticket = self.ticket(account).await;
        let recorded = self.store.record_poll(record(&ticket, Vec::new(), seen)).await.expect("recorded");
        assert_eq!(recorded.deliveries, changes, "one hook hears of each");
        (self.recorded, self.waiting) = (self.recorded + changes, self.waiting + changes);
    }

    /// Claims and settles so many deliveries, a batch after the other, as the delivery loop does.
    async fn settle(&mut self, deliveries: usize) {
        let mut left = deliveries;
        while left > 0 {
            let settled = self.settle_some(left.min(500)).await;
            assert!(settled > 0, "there are some that are due");
            (left, self.waiting) = (left - settled, self.waiting - settled);
        }
    }

    async fn settle_some(&self, most: usize) -> usize {
        let claim = DeliveryClaim {
            now: SystemClock.now(),
            lease: Duration::from_secs(60),
            limit: most,
            room: Arc::new(AnyRoom),
        };
        let claimed = self.store.claim_due_deliveries(claim).await.expect("claimed");
        let settlements: Vec<Settlement> = claimed
            .iter()
            .map(|delivery| Settlement {
                id: delivery.id,
                lease: delivery.lease,
                outcome: Outcome::Delivered,
                now: SystemClock.now(),
                attempts: Vec::new(),
            })
            .collect();
        let settling = Settling { settlements, disable_after: Duration::from_secs(86_400), ..Settling::default() };
        self.store.settle(settling).await.expect("settled");
        claimed.len()
    }

    /// Replays the whole journal to a hook and settles what it is owed; gives the changes in a second.
    async fn replay(&mut self, account: AccountId, hook: HookId) -> f64 {
        let place = HookPlace { account, owner: Owner::Account, hook };
        let stopwatch = Stopwatch::start();
        hooks::act(&self.store, place, HookAction::Replay(ReplayFrom::After(0))).await;
        let settings = tracker::deliver::Settings::default();
        let limits = CatchUp { changes: settings.catch_up, backlog: settings.backlog };
        let mut settled = 0;
        loop {
            let caught_up = self.store.catch_up(SystemClock.now(), limits).await.expect("caught up");
            let batch = self.settle_some(1000).await;
            settled += batch;
            if batch == 0 && caught_up == CaughtUp::All {
                break;
            }
        }
        assert_eq!(settled, self.recorded, "the hook got the whole journal");
        settled as f64 / stopwatch.elapsed().as_secs_f64()
    }

    /// CPU of a poll with one change.
    async fn poll_cost(&mut self, account: AccountId) -> Duration {
        let mut polls = Duration::ZERO;
        for number in 0..POLLS {
            let ticket = self.ticket(account).await;
            // It stops, and of all ids and beginnings it is that of the first hooks.
            let seen = record(&ticket, Vec::new(), vec![change(0, 1 + 2 * number)]);
            let before = process_cpu();
            let recorded = self.store.record_poll(seen).await.expect("recorded");
            polls += process_cpu() - before;
            assert_eq!(recorded.deliveries, MATCHING, "ten hooks hear of it");
        }
        polls.div_f64(POLLS as f64)
    }
}
