//! The file itself: its owner, its possible states, and its content after every kind of end.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::super::fair_pool::Flow;
use super::super::{Settings, SqliteStore};
use super::world;
use crate::model::{InstanceState, Kind, Origin, Owner, Sealed, Timestamp};
use crate::store::contract::world::{World, id, key};
use crate::store::{Accounts, Deliveries, DeliveryClaim, Enrolment, Inventory, Polls, Result, Store, StoreError};

const RUNNING: InstanceState = InstanceState::Running;

fn open(path: &Path) -> Result<SqliteStore> {
    SqliteStore::open(path, Settings::default())
}

/// The message by which it refuses.
fn refusal(path: &Path) -> String {
    match open(path) {
        Err(StoreError::Unusable(message)) => message,
        other => panic!("it should be refused: {other:?}"),
    }
}

fn says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} in {message:?}");
    }
}

#[test]
fn a_second_host_is_refused_until_the_first_is_done() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tracker.db");
    let first = open(&path).unwrap();
    says(&refusal(&path), &["tracker.db is in use", "process", "Stop that host"]);
    drop(first);
    open(&path).unwrap();
}

#[test]
fn what_it_makes_is_private() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("var/lib/tracker.db");
    let store = open(&path).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).expect("it was made").permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    assert_eq!(mode(&directory.path().join("var")), 0o700);
    for name in ["tracker.db", "tracker.db-wal", "tracker.db-shm", "tracker.db.lock"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    drop(store);

    // One that others could read by an accident is closed to them again.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    open(&path).unwrap();
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn what_is_not_a_store_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let check = |name: &str, words: &[&str]| {
        let path = directory.path().join(name);
        let look = || (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().permissions().mode());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let before = look();
        says(&refusal(&path), &[&[name], words].concat());
        assert_eq!(look(), before, "{name}");
    };
    std::fs::write(directory.path().join("text"), "Dear diary, ".repeat(1000)).unwrap();
    check("text", &["is not a store of Tracker", "move it away"]);

    let other = Connection::open(directory.path().join("other")).unwrap();
    other.execute_batch("CREATE TABLE bookmarks (url)").unwrap();
    drop(other);
    check("other", &["database of another program"]);

    drop(open(&directory.path().join("newer")).unwrap());
    let newer = Connection::open(directory.path().join("newer")).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(newer);
    check("newer", &["of version 99", "run the newer tracker"]);

    std::fs::create_dir(directory.path().join("directory")).unwrap();
    says(&refusal(&directory.path().join("directory")), &["directory"]);
    std::fs::write(directory.path().join("file"), "").unwrap();
    says(&refusal(&directory.path().join("file/tracker.db")), &["can't make the store's directory"]);
}

#[test]
fn a_missing_store_is_not_begun_anew_while_something_of_it_is_left() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tracker.db");
    let (seen, log) = (directory.path().join("tracker.db.seen"), directory.path().join("tracker.db-wal"));
    drop(open(&path).unwrap());
    let store = std::fs::read(&path).unwrap();
    let noted = std::fs::read(&seen).unwrap();
    let remove_log =
        || ["-wal", "-shm"].map(|of| std::fs::remove_file(directory.path().join(format!("tracker.db{of}"))));
    let _ = remove_log();
    let blank = directory.path().join("blank");
    let other = Connection::open(&blank).unwrap();
    other.execute_batch("CREATE TABLE t (a); DROP TABLE t").unwrap();
    drop(other);
    let blank = std::fs::read(blank).unwrap();

    let checks = |words: &[&str]| {
        for (content, how) in
            [(None, "missing"), (Some(&b""[..]), "is empty"), (Some(blank.as_slice()), "without any table")]
        {
            match content {
                None => std::fs::remove_file(&path).unwrap(),
                Some(content) => std::fs::write(&path, content).unwrap(),
            }
            says(&refusal(&path), &[&["tracker.db", how, "restore"], words].concat());
            assert_eq!(std::fs::read(&path).ok().as_deref(), content, "it is left as it is");
            std::fs::write(&path, &store).unwrap();
        }
    };
    checks(&["tracker.db.seen is left of it"]);
    // Whatever is in it, that it is there says that there was a store.
    for damaged in ["", "{", "\0\0"] {
        std::fs::write(&seen, damaged).unwrap();
        checks(&["remove", "tracker.db.seen"]);
    }
    std::fs::remove_file(&seen).unwrap();
    std::fs::create_dir(&seen).unwrap();
    checks(&["tracker.db.seen"]);
    std::fs::remove_dir(&seen).unwrap();
    std::fs::write(&seen, noted).unwrap();
    drop(open(&path).unwrap());
    let _ = remove_log();

    // The last writes may be in the log.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&log, "writes").unwrap();
    says(&refusal(&path), &["is missing", "tracker.db.seen and", "tracker.db-wal is left of it"]);
    std::fs::remove_file(&seen).unwrap();
    says(&refusal(&path), &["is missing", "tracker.db-wal is left of it"]);
    assert_eq!(std::fs::read(&log).unwrap(), b"writes");

    // One that was removed with all its companions is begun anew, and so is one that a first start has not made yet.
    let _ = remove_log();
    drop(open(&path).unwrap());
    for file in [&path, &seen] {
        std::fs::remove_file(file).unwrap();
    }
    let _ = remove_log();
    std::fs::write(&path, "").unwrap();
    open(&path).unwrap();
}

#[test]
fn what_is_no_whole_file_of_a_store_is_refused_and_a_named_pipe_is_not_waited_for() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tracker.db");
    let seen = directory.path().join("tracker.db.seen");
    drop(open(&path).unwrap());
    let store = std::fs::read(&path).unwrap();
    for (length, words) in [(10, "is not a store of Tracker:"), (100, "damaged"), (4096, "damaged"), (9000, "damaged")]
    {
        std::fs::write(&path, &store[..length]).unwrap();
        says(&refusal(&path), &["tracker.db", words]);
        assert_eq!(std::fs::read(&path).unwrap(), &store[..length]);
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    says(&refusal(&path), &["tracker.db is a directory", "move it away"]);
    std::fs::remove_dir(&path).unwrap();
    let make_pipe = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    make_pipe(&path);
    says(&refusal(&path), &["tracker.db is a named pipe", "move it away"]);
    std::fs::remove_file(&path).unwrap();

    // Without a word of how far the store was, it starts: cursors are made anew.
    std::fs::write(&path, &store).unwrap();
    std::fs::remove_file(&seen).unwrap();
    make_pipe(&seen);
    drop(open(&path).unwrap());
    std::fs::remove_file(&seen).unwrap();
    std::fs::create_dir(&seen).unwrap();
    drop(open(&path).unwrap());
}

#[tokio::test]
async fn a_damaged_row_is_named_and_passed_over() {
    let (world, store) = world();
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    world.observe(account, &[("i-1", RUNNING)]).await;
    let damage = async |sql: &'static str| {
        store.write(Flow::Host, move |writing| Ok(writing.connection.execute(sql, ())?)).await.unwrap();
    };
    damage("UPDATE hooks SET url = '/relative'").await;
    let claim = DeliveryClaim { limit: 1, ..world.whole_claim() };
    assert!(store.claim_due_deliveries(claim).await.unwrap().is_empty());
    assert_eq!(world.next_delivery().await, None, "nothing waits for it any more");
    damage("UPDATE bodies SET attributes = '{'").await;
    assert!(store.find(account, Kind::Instance, &id("i-1"), &Owner::Account).await.unwrap().is_none());
    let named = async || -> Vec<(&'static str, String)> {
        let rows = store.damaged_rows(account).await.unwrap();
        rows.into_iter().map(|row| (row.table, row.column)).collect()
    };
    assert_eq!(named().await, [("hooks", "url".into()), ("bodies", "attributes".into())]);
    world.observe(account, &[("i-1", RUNNING)]).await;
    assert!(world.find(account, "i-1").await.is_some(), "it is listed anew");
    damage("UPDATE resources SET state = 99").await;
    assert!(store.known_resources(account, Kind::Instance).await.unwrap().is_empty());
    assert_eq!(named().await, [("hooks", "url".into()), ("resources", "state".into())]);
}

#[tokio::test]
async fn what_was_claimed_is_due_at_once_after_a_restart() {
    let mut world = World::new(Box::new(super::SqliteLab::new()));
    let account = world.enrol("ann", Origin::Config).await;
    world.hook(account, "i-1").await;
    world.observe(account, &[("i-1", RUNNING)]).await;
    assert_eq!(world.claim().await.len(), 1);
    let ticket = world.ticket(account, Kind::Instance).await;
    let now = world.now;
    world.crash();
    world.now = now;
    assert_eq!(world.next_delivery().await, Some(now));
    assert_eq!(world.claim().await.len(), 1);
    let again = world.claim_polls(1).await.remove(0);
    assert_eq!((again.kind, again.due), (ticket.kind, ticket.due));
}

#[tokio::test]
async fn a_store_that_is_dropped_or_closed_has_written_what_was_answered() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("tracker.db");
    let enrolment = |user: &str| Enrolment {
        key: key(user),
        origin: Origin::Client,
        password: Sealed(vec![1]),
        now: Timestamp::default(),
    };
    let store = open(&path).unwrap();
    let ann = store.enrol(enrolment("ann")).await.unwrap();
    drop(store);

    let store: Arc<SqliteStore> = Arc::new(open(&path).unwrap());
    let seen: Arc<dyn Store> = Arc::<SqliteStore>::clone(&store);
    assert_eq!(seen.find_account(&key("ann")).await.unwrap().expect("it was written").id, ann);
    let bob = seen.enrol(enrolment("bob")).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(seen.enrol(enrolment("cyd")).await, Err(StoreError::Failed(_))));
    assert!(matches!(seen.ping().await, Err(StoreError::Failed(_))), "it is not ready any more");
    assert!(seen.account(bob).await.unwrap().is_some(), "reading goes on");
    open(&path).expect("a closed store is free for another host");
}

#[test]
fn cursors_of_another_store_can_be_told_apart() {
    let directory = TempDir::new().unwrap();
    let mark = |name: &str| {
        let path = directory.path().join(name);
        drop(open(&path).unwrap());
        let connection = Connection::open(&path).unwrap();
        connection.query_row("SELECT value FROM meta WHERE name = 'store'", (), |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!(mark("a"), mark("a"), "it stays");
    assert_ne!(mark("a"), mark("b"));
}
