//! A store on a failing disk. Every kind of operation fails once, or for a while, at every point. Nothing panics. A
//! write that succeeded is stored, also after a power cut. A write that returned an error is stored completely or not
//! at all. Everything continues once the disk works again.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faulty_disk::{Disk, Error, Fault, File, Operation};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::super::{Disk as Under, Settings, SqliteStore};
use crate::model::{AccountId, ChangeType, HookId, InstanceState, Kind, Origin, Owner, Resource, Sealed, State};
use crate::store::contract::Lab;
use crate::store::contract::world::{DISABLE_AFTER, LEASE, POLL_EVERY, World, id, instance, key, query, spec};
use crate::store::{
    Accounts as _, After, CatchUp, ChangeQuery, Enrolment, Inventory as _, Journal as _, KeptAttempts, KeptChanges,
    Outcome, PollClaim, PollRecord, PollTicket, Result, Settling, Store, StoreError, Sweep, Transition, Upsert,
};

const ROUNDS: usize = 6;
/// Resources that each poll brings: enough for the log to be written in many pieces.
const NEW: usize = 20;

struct FaultyLab {
    life: Life,
    store: Option<Arc<SqliteStore>>,
    directory: TempDir,
}

impl FaultyLab {
    /// Ends the host; says whether another one could be started.
    fn restart(&mut self) -> bool {
        self.store = None;
        self.store = SqliteStore::open(&self.path(), self.life.settings()).ok().map(Arc::new);
        self.store.is_some()
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("tracker.db")
    }
}

impl Lab for Arc<Mutex<FaultyLab>> {
    fn store(&self) -> Arc<dyn Store> {
        let lab = self.lock().expect("no holder panics");
        Arc::<SqliteStore>::clone(lab.store.as_ref().expect("it is open between crashes"))
    }

    fn crash(&mut self) {
        assert!(self.lock().expect("no holder panics").restart(), "the disk works");
    }
}

fn settings() -> Settings {
    Settings {
        readers: 1,
        // Small, so that long transactions are written before they commit.
        page_cache: 1 << 16,
        step_rows: 7,
        disk: Under::Other {
            vfs: faulty_disk::NAME,
            write_again: Disk::write_log_again,
            write_pages_again: Disk::write_pages_again,
        },
        ..Settings::default()
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, settings()).expect("opened")
}

/// What a host did, and what it was answered.
struct Host {
    world: World,
    lab: Arc<Mutex<FaultyLab>>,
    account: AccountId,
    hook: HookId,
    round: usize,
    /// Rounds whose poll was recorded.
    recorded: Vec<usize>,
    /// Those whose poll was answered with an error.
    failed: Vec<usize>,
    /// Users that were enrolled.
    enrolled: Vec<String>,
}

impl Host {
    async fn new(lab: FaultyLab) -> Host {
        let lab = Arc::new(Mutex::new(lab));
        let world = World::new(Box::new(Arc::clone(&lab)));
        let account = world.enrol("ann", Origin::Config).await;
        world.observe(account, &[]).await;
        let hook = world.filtering(account, spec("all")).await;
        Host { world, lab, account, hook, round: 0, recorded: vec![], failed: vec![], enrolled: vec![] }
    }

    fn names(round: usize) -> impl Iterator<Item = String> {
        (0..NEW).map(move |number| format!("i-{round}-{number}"))
    }

    /// All that a host does, once. Gives whether everything went well.
    async fn work(&mut self) -> bool {
        self.round += 1;
        self.world.wait(POLL_EVERY + LEASE);
        let (store, round, now) = (self.world.store(), self.round, self.world.now);
        let user = format!("user {round}");
        let enrolment = Enrolment { key: key(&user), origin: Origin::Client, password: Sealed(vec![1]), now };
        let enrolled = store.enrol(enrolment).await;
        if enrolled.is_ok() {
            self.enrolled.push(user);
        }
        let polled = self.poll(round).await;
        match polled {
            Ok(()) => self.recorded.push(round),
            Err(_) => self.failed.push(round),
        }
        let delivered = self.deliver().await;
        let limits = CatchUp { changes: 3, backlog: 1000 };
        let others = [
            enrolled.is_ok(),
            polled.is_ok(),
            delivered.is_ok(),
            store.catch_up(now, limits).await.is_ok(),
            store.forget_attempts(KeptAttempts { since: now, changes: 0 }, 10).await.is_ok(),
            store
                .forget_changes(KeptChanges { since: now.before(DISABLE_AFTER), changes: 10_000 }, Sweep::default())
                .await
                .is_ok(),
            store.ping().await.is_ok(),
        ];
        others.iter().all(|well| *well)
    }

    async fn poll(&self, round: usize) -> Result<()> {
        let (store, now) = (self.world.store(), self.world.now);
        store.request_poll(self.account, Kind::Instance, now).await?;
        let mut recorded = Err(StoreError::LeaseLost);
        // One of each account at a time, and of the other kind it is made as well.
        loop {
            let claim = PollClaim::on_all(now, LEASE, 10);
            let tickets = store.claim_due_polls(claim).await?;
            if tickets.is_empty() {
                break;
            }
            for ticket in tickets {
                let is_it = ticket.kind == Kind::Instance && ticket.account.id == self.account;
                let record = self.list(&ticket, if is_it { round } else { 0 });
                let taken = store.record_poll(record).await.map(|_| ());
                if taken.is_err() {
                    let later = now.after(Duration::from_millis(1));
                    store.release_poll(ticket.account.id, ticket.kind, ticket.lease, later).await?;
                }
                if is_it {
                    recorded = taken;
                }
            }
        }
        recorded
    }

    /// A list with what is new in a round; the rounds begin with 1.
    fn list(&self, ticket: &PollTicket, round: usize) -> PollRecord {
        let mut record = self.world.record(ticket);
        for name in Host::names(round).filter(|_| round > 0) {
            let resource = Resource::Instance(instance(&name, InstanceState::Running));
            let change = Some(Transition {
                change_type: ChangeType::InstanceCreated,
                old_state: None,
                new_state: State::Instance(InstanceState::Running),
                observed_after: None,
            });
            record.upserts.push(Upsert { fingerprint: 1, resource, state_changed: true, change });
        }
        record
    }

    async fn deliver(&self) -> Result<()> {
        let store = self.world.store();
        let claimed = store.claim_due_deliveries(self.world.whole_claim()).await?;
        let settlements = claimed.iter().map(|due| self.world.settlement(due, Outcome::Delivered)).collect();
        store.settle(Settling { settlements, disable_after: DISABLE_AFTER, ..Settling::default() }).await
    }

    /// Holds a store to what the host was answered.
    async fn check(&self, store: &SqliteStore, context: &str) {
        for user in &self.enrolled {
            assert!(store.find_account(&key(user)).await.expect("read").is_some(), "{user} was enrolled; {context}");
        }
        let query = ChangeQuery { after: After::Oldest, filter: Default::default(), limit: 10_000, looked_at: 10_000 };
        let page = store.changes(self.account, query).await.expect("read");
        let has_change = |name: &str| page.changes.iter().filter(|change| change.what.resource == id(name)).count();
        for round in self.recorded.iter().chain(&self.failed) {
            for name in Host::names(*round) {
                let is_there = store
                    .find(self.account, Kind::Instance, &id(&name), &Owner::Account)
                    .await
                    .expect("read")
                    .is_some();
                assert_eq!(has_change(&name), usize::from(is_there), "{name}: a resource and its change; {context}");
                assert!(is_there || self.failed.contains(round), "{name} was recorded; {context}");
            }
        }
    }
}

fn check_file(path: &Path, context: &str) {
    let connection = Connection::open(path).expect("opened");
    let verdict: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("checked");
    assert_eq!(verdict, "ok", "{context}");
}

/// What a host does beside its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Steady,
    /// The log is folded into the file, begun anew and cut back after each transaction.
    Folding,
    /// The same, and the host ends and is started again before each round.
    Restarting,
}

impl Life {
    fn settings(self) -> Settings {
        match self {
            Life::Steady => settings(),
            // One page.
            Life::Folding | Life::Restarting => Settings { log: 1 << 12, ..settings() },
        }
    }
}

/// Lets a host work on a disk that fails as asked; gives how many operations of that kind there were, and how many
/// failed.
async fn live_through(fault: Fault, life: Life) -> (u64, u64) {
    let directory = TempDir::new().expect("a folder");
    let path = directory.path().join("tracker.db");
    let disk = Disk::under(&path);
    let store = SqliteStore::open(&path, life.settings()).expect("opened");
    let mut host = Host::new(FaultyLab { life, store: Some(Arc::new(store)), directory }).await;
    let context = format!("{fault:?}");

    disk.fail(fault);
    for _ in 0..ROUNDS {
        if life != Life::Restarting || host.lab.lock().expect("no holder panics").restart() {
            host.work().await;
        }
    }
    let (seen, failed) = (disk.seen(fault.file, fault.operation), disk.failed());
    disk.mend();
    if life == Life::Restarting {
        host.world.crash();
    }
    assert!(host.work().await, "everything goes on at once; {context}");
    assert!(host.recorded.contains(&host.round), "{context}");
    // Nothing is held any more: what was claimed when the disk failed came due again.
    host.world.wait(LEASE);
    for _ in 0..10 * ROUNDS * NEW {
        host.deliver().await.expect("delivered");
        host.world.wait(Duration::from_millis(1));
        if host.world.waiting().await == 0 {
            break;
        }
    }
    assert_eq!(host.world.waiting().await, 0, "{context}");
    host.world.get(host.account, host.hook).await;

    let cut = TempDir::new().expect("a folder");
    let left = cut.path().join("tracker.db");
    disk.after_power_cut(&left).expect("written");
    check_file(&left, &format!("power cut; {context}"));
    host.check(&SqliteStore::open(&left, Settings::default()).expect("opened"), &format!("power cut; {context}")).await;

    host.world.crash();
    check_file(&path, &format!("crash; {context}"));
    let store = host.world.store();
    drop(store);
    let again = TempDir::new().expect("a folder");
    let copy = again.path().join("tracker.db");
    for name in ["tracker.db", "tracker.db-wal"] {
        let from = path.with_file_name(name);
        if from.exists() {
            std::fs::copy(from, copy.with_file_name(name)).expect("copied");
        }
    }
    host.check(&SqliteStore::open(&copy, Settings::default()).expect("opened"), &context).await;
    (seen, failed)
}

/// Each point at which such an operation can fail, or as many of them, evenly spread, as a test bears.
async fn at_every_point(file: File, operation: Operation, error: Error, points: u64) {
    at_every_point_of(Life::Steady, file, operation, error, points).await;
}

async fn at_every_point_of(life: Life, file: File, operation: Operation, error: Error, points: u64) {
    let never = Fault { file, operation, error, first: u64::MAX, number: 1 };
    let (all, _) = live_through(never, life).await;
    let step = all.div_ceil(points).max(1);
    let mut failed_ever = 0;
    for first in (0..all).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        for number in [1, all / 4 + 2] {
            let (_, failed) = live_through(Fault { first, number, ..never }, life).await;
            failed_ever += failed;
        }
    }
    assert!(failed_ever > 0, "{file:?} {operation:?}: nothing failed");
}

#[tokio::test]
async fn flushes_of_the_log_that_fail_lose_nothing() {
    at_every_point(File::Log, Operation::Sync, Error::Broken, 24).await;
}

#[tokio::test]
async fn writes_of_the_log_that_fail_lose_nothing() {
    at_every_point(File::Log, Operation::Write, Error::Broken, 16).await;
}

#[tokio::test]
async fn a_disk_that_fills_up_loses_nothing() {
    at_every_point(File::Log, Operation::Write, Error::Full, 16).await;
}

#[tokio::test]
async fn reads_that_fail_lose_nothing() {
    at_every_point(File::Log, Operation::Read, Error::Broken, 10).await;
}

#[tokio::test]
async fn reads_that_come_short_lose_nothing() {
    at_every_point(File::Log, Operation::Read, Error::Short, 6).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_cut_back_loses_nothing() {
    at_every_point_of(Life::Folding, File::Log, Operation::Truncate, Error::Broken, 12).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_folded_into_the_file_loses_nothing() {
    for (operation, error, points) in [
        (Operation::Write, Error::Broken, 8),
        (Operation::Write, Error::Full, 8),
        (Operation::Sync, Error::Broken, 8),
        (Operation::Read, Error::Broken, 4),
    ] {
        at_every_point_of(Life::Folding, File::Database, operation, error, points).await;
    }
}

#[tokio::test]
async fn a_log_that_was_folded_in_part_loses_nothing_where_a_later_flush_fails() {
    const LITTLE: &str = "INSERT INTO little VALUES (1)";
    for is_ended in [false, true] {
        let directory = TempDir::new().expect("a folder");
        let path = directory.path().join("tracker.db");
        let disk = Disk::under(&path);
        let settings = Life::Folding.settings();
        let store = SqliteStore::open(&path, settings.clone()).expect("opened");
        store.execute("CREATE TABLE filler (content BLOB); CREATE TABLE little (number INTEGER)").await.expect("made");
        // While somebody reads an older state, a part of what is newer is folded, and the file is not flushed.
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let reader = || {
            let reader = Connection::open_with_flags_and_vfs(&path, flags, faulty_disk::NAME).expect("opened");
            reader.execute_batch("BEGIN; SELECT COUNT(*) FROM meta;").expect("read");
            reader
        };
        let first = reader();
        store.execute(LITTLE).await.expect("written");
        store.execute(FILLER).await.expect("written");
        let second = reader();
        store.execute(LITTLE).await.expect("written");
        drop(first);
        store.execute(LITTLE).await.expect("written");
        store.execute(LITTLE).await.expect("what was folded before has come to its end");
        let flushed = disk.seen(File::Database, Operation::Sync);
        drop(second);
        disk.fail(Fault {
            file: File::Database,
            operation: Operation::Sync,
            error: Error::Broken,
            first: 0,
            number: 1,
        });
        for _ in 0..3 {
            let _ = store.execute(LITTLE).await;
        }
        assert_eq!(disk.failed(), 1, "the file is flushed, which fails; before that it was {flushed} times");
        disk.mend();
        let store = match is_ended {
            false => store,
            true => {
                store.close().await.expect("closed");
                drop(store);
                SqliteStore::open(&path, settings).expect("opened")
            }
        };
        // The log is folded whole, and begun anew.
        for _ in 0..5 {
            store.execute(LITTLE).await.expect("written");
        }
        let cut = TempDir::new().expect("a folder");
        let left = cut.path().join("tracker.db");
        disk.after_power_cut(&left).expect("written");
        check_file(&left, "power cut");
        let filled = Connection::open(&left).expect("opened").query_row(
            "SELECT COUNT(*) FROM filler WHERE content = zeroblob(2000)",
            (),
            |row| row.get::<_, i64>(0),
        );
        assert_eq!(filled, Ok(200));
    }
}

/// Of a few hundred pages.
const FILLER: &str = "INSERT INTO filler WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
                      SELECT zeroblob(2000) FROM n";

#[tokio::test]
async fn files_that_cannot_be_opened_lose_nothing() {
    for file in [File::Database, File::Log] {
        at_every_point_of(Life::Restarting, file, Operation::Open, Error::Broken, 12).await;
    }
}

#[tokio::test]
async fn an_index_that_cannot_be_shared_loses_nothing() {
    at_every_point_of(Life::Restarting, File::Database, Operation::Map, Error::Broken, 12).await;
}

#[tokio::test]
async fn files_that_fail_while_hosts_come_and_go_lose_nothing() {
    for (file, operation) in [
        (File::Log, Operation::Truncate),
        (File::Log, Operation::Sync),
        (File::Log, Operation::Write),
        (File::Database, Operation::Read),
        (File::Database, Operation::Sync),
    ] {
        at_every_point_of(Life::Restarting, file, operation, Error::Broken, 4).await;
    }
}

/// A log that is longer than one piece of the index describes takes another piece while the host runs.
#[tokio::test]
async fn a_write_fails_alone_where_the_index_cannot_grow() {
    const LONG: &str = "CREATE TABLE long (page BLOB); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
                        INSERT INTO long SELECT zeroblob(4000) FROM n;";
    let directory = TempDir::new().expect("a folder");
    let path = directory.path().join("tracker.db");
    let disk = Disk::under(&path);
    let store = SqliteStore::open(&path, Settings { log: 1 << 30, ..settings() }).expect("opened");
    disk.fail(Fault { file: File::Database, operation: Operation::Map, error: Error::Broken, first: 0, number: 1 });
    let error = store.execute(LONG).await.expect_err("the index can't grow");
    assert!(matches!(error, StoreError::Disk(_)), "{error}");
    assert_eq!(disk.failed(), 1);
    disk.mend();
    store.ping().await.expect("others are written");
    store.execute(LONG).await.expect("so is it, later");
    drop(store);
    check_file(&path, "after an index that could not grow");
}

#[tokio::test]
async fn a_store_that_could_not_be_opened_can_be_once_the_disk_works() {
    for (file, operation, error) in [
        (File::Database, Operation::Open, Error::Broken),
        (File::Database, Operation::Read, Error::Broken),
        (File::Database, Operation::Write, Error::Full),
        (File::Log, Operation::Open, Error::Broken),
        (File::Log, Operation::Write, Error::Full),
        (File::Log, Operation::Sync, Error::Broken),
        (File::Database, Operation::Map, Error::Broken),
    ] {
        let directory = TempDir::new().expect("a folder");
        let path = directory.path().join("tracker.db");
        let disk = Disk::under(&path);
        for first in 0..4 {
            disk.fail(Fault { file, operation, error, first, number: 1 });
            let opened = SqliteStore::open(&path, settings());
            disk.mend();
            if let Ok(store) = opened {
                store.ping().await.expect("it is whole");
            }
        }
        disk.mend();
        open(&path).ping().await.expect("it can be written");
    }
}

/// What was answered is on disk, though a flush failed before it and the system held for written what it lost.
#[tokio::test]
async fn a_store_on_a_full_disk_is_read_and_written_once_there_is_room() {
    let directory = TempDir::new().expect("a folder");
    let (path, disk) = (directory.path().join("tracker.db"), Disk::under(&directory.path().join("tracker.db")));
    let lab = FaultyLab { life: Life::Steady, store: Some(Arc::new(open(&path))), directory };
    let host = Host::new(lab).await;
    host.world.observe(host.account, &[("i-1", InstanceState::Running)]).await;
    let claimed = host.world.claim().await;
    assert_eq!(claimed.len(), 1);
    drop(claimed);

    disk.fail(Fault { file: File::Log, operation: Operation::Write, error: Error::Full, first: 0, number: u64::MAX });
    assert!(host.lab.lock().expect("no holder panics").restart(), "what is there can be read");
    let store = host.world.store();
    assert_eq!(host.world.list(host.account, query()).await, ["i-1"]);
    let claim = || PollClaim::on_all(host.world.now, LEASE, 10);
    for _ in 0..2 {
        assert!(matches!(store.ping().await, Err(StoreError::Full(_))));
        assert!(matches!(store.claim_due_polls(claim()).await, Err(StoreError::Full(_))));
        assert!(matches!(store.claim_due_deliveries(host.world.whole_claim()).await, Err(StoreError::Full(_))));
    }
    disk.mend();
    // What the host before it had claimed is due at once.
    assert_eq!(host.world.claim().await.len(), 1);
    store.ping().await.expect("written");
}

#[tokio::test]
async fn a_flush_after_one_that_failed_really_lasts() {
    let directory = TempDir::new().expect("a folder");
    let path = directory.path().join("tracker.db");
    let disk = Disk::under(&path);
    let store = open(&path);
    let enrol = async |user: &str| {
        let world_now = crate::model::Timestamp::from_millis(1_795_341_600_000);
        let enrolment = Enrolment { key: key(user), origin: Origin::Client, password: Sealed(vec![1]), now: world_now };
        store.enrol(enrolment).await
    };
    enrol("before").await.expect("enrolled");
    // Not flushed by itself: what follows is behind it in the log.
    let passing = crate::model::BudgetMark { left: 1.0, at: None };
    store.note_budget(&key("before"), passing).await.expect("noted");
    disk.fail(Fault { file: File::Log, operation: Operation::Sync, error: Error::Broken, first: 0, number: 1 });
    enrol("meanwhile").await.expect_err("it is not on disk");
    assert_eq!(disk.failed(), 1);
    disk.mend();
    enrol("after").await.expect("enrolled");

    let cut = TempDir::new().expect("a folder");
    let left = cut.path().join("tracker.db");
    disk.after_power_cut(&left).expect("written");
    let left = SqliteStore::open(&left, Settings::default()).expect("opened");
    for user in ["before", "after"] {
        assert!(left.find_account(&key(user)).await.expect("read").is_some(), "{user}");
    }
}

/// While the log can't be written again either, nothing is answered as if it were on disk.
#[tokio::test]
async fn nothing_is_answered_well_while_the_log_is_in_doubt() {
    let directory = TempDir::new().expect("a folder");
    let path = directory.path().join("tracker.db");
    let disk = Disk::under(&path);
    let store = open(&path);
    disk.fail(Fault { file: File::Log, operation: Operation::Sync, error: Error::Broken, first: 0, number: 5 });
    for _ in 0..5 {
        let error = store.ping().await.expect_err("it can't be flushed");
        assert!(matches!(error, StoreError::Disk(_)), "{error}");
    }
    store.ping().await.expect("the disk works again");
    assert_eq!(disk.failed(), 5);
}
