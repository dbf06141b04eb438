//! Stores that go back: replacing the file with an older one changes the cursors. No other event changes them.

use std::path::Path;

use tempfile::TempDir;

use super::super::{Settings, SqliteStore};
use super::world;
use crate::model::{AccountId, Cursor, InstanceState, Origin, Scope};
use crate::store::contract::Lab;
use crate::store::contract::plainly::Plainly as _;
use crate::store::contract::world::{World, target};
use crate::store::{Journal as _, NewToken, Store};
use std::sync::Arc;

const RUNNING: InstanceState = InstanceState::Running;

/// A store at a path, whose files a test changes between a host's end and the next start.
struct Data {
    folder: TempDir,
    store: Option<Arc<SqliteStore>>,
}

impl Data {
    fn new() -> Arc<std::sync::Mutex<Data>> {
        let mut data = Data { folder: TempDir::new().expect("a folder"), store: None };
        data.start();
        Arc::new(std::sync::Mutex::new(data))
    }

    fn start(&mut self) {
        let path = self.folder.path().join("tracker.db");
        self.store = Some(Arc::new(SqliteStore::open(&path, Settings::default()).expect("opened")));
    }

    fn stop(&mut self) {
        drop(Arc::into_inner(self.store.take().expect("it runs")).expect("nobody else has it"));
    }
}

impl Lab for Arc<std::sync::Mutex<Data>> {
    fn store(&self) -> Arc<dyn Store> {
        let data = self.lock().expect("no holder panics");
        Arc::<SqliteStore>::clone(data.store.as_ref().expect("it runs"))
    }

    fn crash(&mut self) {
        let mut data = self.lock().expect("no holder panics");
        data.stop();
        data.start();
    }
}

/// Copies the files of a store: what a host that is killed now would leave.
fn copy(from: &Path, to: &Path, suffixes: &[&str]) {
    for suffix in ["", "-wal", "-shm", ".seen"] {
        let name = format!("tracker.db{suffix}");
        let _ = std::fs::remove_file(to.join(&name));
        if suffixes.contains(&suffix) {
            std::fs::copy(from.join(&name), to.join(&name)).expect("copied");
        }
    }
}

const KILLED: &[&str] = &["", "-wal", ".seen"];
const WITHOUT_RECORD: &[&str] = &["", "-wal"];

/// The store of the host that runs.
fn running(data: &std::sync::Mutex<Data>) -> Arc<SqliteStore> {
    Arc::clone(data.lock().expect("no holder panics").store.as_ref().expect("it runs"))
}

/// Ends the host, does that to its files, and starts it.
fn restart(data: &std::sync::Mutex<Data>, before: &dyn Fn()) {
    let mut data = data.lock().expect("no holder panics");
    data.stop();
    before();
    data.start();
}

async fn end(store: &SqliteStore, account: AccountId) -> Cursor {
    store.extent(account).await.expect("read").newest
}

#[tokio::test]
async fn a_store_that_goes_back_gives_other_cursors() {
    let data = Data::new();
    let folder = data.lock().expect("no holder panics").folder.path().to_owned();
    let world = World::new(Box::new(Arc::clone(&data)));
    let ann = world.enrol("ann", Origin::Config).await;
    world.observe(ann, &[]).await;
    let now = async || end(&running(&data), ann).await;
    let restart = |before: &dyn Fn()| restart(&data, before);

    world.observe(ann, &[("i-1", RUNNING)]).await;
    let first = now().await;
    restart(&|| {});
    assert_eq!(now().await, first, "a host that ended well");

    // Killed, with all that it wrote in the log: nothing is lost.
    world.observe(ann, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    let (second, killed) = (now().await, TempDir::new().expect("a folder"));
    copy(&folder, killed.path(), KILLED);
    restart(&|| copy(killed.path(), &folder, KILLED));
    assert_eq!(now().await, second, "a host that was killed");

    // An older file in the place of a newer one: of the same run, and of one before.
    let older = TempDir::new().expect("a folder");
    copy(&folder, older.path(), WITHOUT_RECORD);
    world.observe(ann, &[("i-1", RUNNING), ("i-2", RUNNING), ("i-3", RUNNING)]).await;
    let third = now().await;
    let put_back = || {
        std::fs::remove_file(folder.join("tracker.db")).expect("removed");
        std::fs::copy(older.path().join("tracker.db"), folder.join("tracker.db")).expect("copied");
        let _ = std::fs::copy(older.path().join("tracker.db-wal"), folder.join("tracker.db-wal"));
    };
    restart(&put_back);
    let back = now().await;
    assert!(
        !third.is_in(back) && !second.is_in(back),
        "{third} and {second} were given by another journal than {back}"
    );
    restart(&|| {});
    assert_eq!(now().await.store, back.store, "it is kept");
    restart(&put_back);
    assert_ne!(now().await.store, back.store, "each time that it goes back");

    // A file that comes without a word of how far it was.
    let last = now().await;
    restart(&|| std::fs::remove_file(folder.join("tracker.db.seen")).expect("removed"));
    assert_ne!(now().await.store, last.store);
}

#[tokio::test]
async fn a_store_that_goes_back_gives_other_ids_and_versions_of_hooks() {
    let data = Data::new();
    let folder = data.lock().expect("no holder panics").folder.path().to_owned();
    let world = World::new(Box::new(Arc::clone(&data)));
    let ann = world.enrol("ann", Origin::Config).await;
    let restart = |before: &dyn Fn()| restart(&data, before);
    let older = TempDir::new().expect("a folder");
    restart(&|| copy(&folder, older.path(), &[""]));
    let mut given = Vec::new();
    // The same backup may be put back more than once.
    for _ in 0..3 {
        let id = world.hook(ann, "i-1").await;
        let hook = world.store().track_hook(&target(ann, "i-1")).await.expect("read").expect("it was set");
        assert_eq!(hook.id, id);
        given.push((id, hook.version));
        restart(&|| {});
        let same = world.store().track_hook(&target(ann, "i-1")).await.expect("read").expect("it is there");
        assert_eq!((same.id, same.version), (id, hook.version), "a host that ended well");
        restart(&|| copy(older.path(), &folder, &[""]));
    }
    for (at, (id, version)) in given.iter().enumerate() {
        assert!(given[..at].iter().all(|(other, seen)| other != id && seen != version), "{given:?}");
    }
}

/// A log that is gone may have had nothing but a hook or a token.
#[tokio::test]
async fn a_store_that_lost_a_hook_or_a_token_gives_their_ids_to_no_other() {
    let data = Data::new();
    let folder = data.lock().expect("no holder panics").folder.path().to_owned();
    let world = World::new(Box::new(Arc::clone(&data)));
    let ann = world.enrol("ann", Origin::Config).await;
    let restart = |before: &dyn Fn()| restart(&data, before);
    let give = async |what: &str, round: usize| match what {
        "hook" => world.hook(ann, &format!("i-{round}")).await.0,
        _ => {
            let (name, hash) = (round.to_string(), [u8::try_from(round).expect("few"); 32]);
            let scope = Scope::Read;
            let token = NewToken { account: ann, name, scope, hash, expires: None, limit: 9, now: world.now };
            running(&data).issue_token(token).await.expect("issued").id.0
        }
    };
    for what in ["hook", "token"] {
        restart(&|| {});
        give(what, 0).await;
        let before = end(&running(&data), ann).await;
        restart(&|| {});
        assert_eq!(end(&running(&data), ann).await.store, before.store, "{what}: nothing was lost");
        let lost = give(what, 1).await;
        let killed = TempDir::new().expect("a folder");
        copy(&folder, killed.path(), &["", ".seen"]);
        restart(&|| copy(killed.path(), &folder, &["", ".seen"]));
        assert_ne!(end(&running(&data), ann).await.store, before.store, "{what}");
        assert!(give(what, 2).await > lost, "{what}");
    }
}

#[tokio::test]
async fn the_end_of_the_journal_stays_where_it_is_when_the_newest_change_goes() {
    let (mut world, store) = world();
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    world.observe(ann, &[]).await;
    world.observe(bob, &[]).await;
    world.observe(ann, &[("i-1", RUNNING)]).await;
    world.observe(bob, &[("i-2", RUNNING)]).await;
    let before = end(&store, ann).await;
    drop(store);
    let store = world.store();
    store.forget_account(bob).await.expect("forgotten");
    store.clear_account(bob).await.expect("cleared");
    assert_eq!(store.extent(ann).await.expect("read").newest, before, "who is at the end is not ahead of it");
    drop(store);
    world.crash();
    assert_eq!(world.store().extent(ann).await.expect("read").newest, before);
}
