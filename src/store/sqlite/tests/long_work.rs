//! Long work in steps: requests are written between the steps, closing the store does not wait for the work, and
//! deleted things are gone at once although their rows are deleted later.

use std::sync::{Arc, Mutex};

use futures_util::future::{FutureExt, join_all};

use super::super::fair_pool::Flow;
use super::super::{Settings, SqliteStore};
use super::{SqliteLab, world};
use crate::model::{DisableReason, HookId, HookStatus, InstanceState, Owner, Scope};
use crate::store::contract::plainly::Plainly as _;
use crate::store::contract::world::{DISABLE_AFTER, World, spec};
use crate::store::{
    Accounts as _, Deliveries as _, Hooks as _, NewHook, NewToken, Outcome, Result, Settling, Store, StoreError,
    Tokens as _,
};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

/// Keeps the writer busy until it is told to go on.
struct Blocker {
    go: std::sync::mpsc::Sender<()>,
    blocked: tokio::task::JoinHandle<Result<bool>>,
}

impl Blocker {
    async fn begin(store: &Arc<SqliteStore>) -> Blocker {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let store = Arc::clone(store);
        let blocked = tokio::spawn(async move {
            let block = store.write(Flow::Host, move |_| {
                begun.send(()).expect("it is waited for");
                Ok(wait.recv().is_ok())
            });
            block.await
        });
        begins.await.expect("it begins");
        Blocker { go, blocked }
    }

    async fn end(self) {
        self.go.send(()).expect("the writer waits");
        assert!(self.blocked.await.expect("ended").unwrap());
    }
}

/// A step that takes its whole turn.
async fn step(store: &SqliteStore, ran: &Arc<Mutex<Vec<&'static str>>>) -> Result<()> {
    let ran = Arc::clone(ran);
    store
        .write_step(Flow::Host, move |writing| {
            ran.lock().unwrap().push("step");
            while !writing.is_turn_over() {
                std::hint::spin_loop();
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_request_waits_for_one_turn_of_steps() {
    let (_world, store) = world();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = Result<()>>>>> = Vec::new();
    for _ in 0..5 {
        all.push(Box::pin(step(&store, &ran)));
    }
    let request = Arc::clone(&ran);
    all.push(Box::pin(store.write(Flow::Host, move |_| {
        request.lock().unwrap().push("request");
        Ok(())
    })));
    let blocker = Blocker::begin(&store).await;
    let all = join_all(all);
    let (all, ()) = tokio::join!(all, blocker.end());
    assert!(all.iter().all(Result::is_ok));
    let ran = ran.lock().unwrap();
    assert_eq!(ran.len(), 6);
    assert!(ran.iter().position(|ran| *ran == "request").is_some_and(|place| place <= 1), "{ran:?}");
}

#[tokio::test]
async fn a_store_that_is_closed_gives_up_the_steps_that_wait() {
    let (_world, store) = world();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let blocker = Blocker::begin(&store).await;
    let steps = (0..20).map(|_| step(&store, &ran)).collect::<Vec<_>>();
    let closing = async {
        // The steps wait by now; so does what closes the store, before the writer is let go on.
        let mut closing = Box::pin(store.close());
        assert!(futures_util::poll!(&mut closing).is_pending());
        blocker.end().await;
        closing.await
    };
    let (steps, closed) = tokio::join!(join_all(steps), closing);
    closed.expect("closed");
    assert!(steps.iter().all(|step| matches!(step, Err(StoreError::Failed(_)))));
    assert_eq!(ran.lock().unwrap().len(), 0);
}

/// A statement that only an interruption ends.
const ENDLESS: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT COUNT(*) FROM n";

#[tokio::test]
async fn a_store_that_is_closed_waits_neither_for_an_endless_write_nor_for_a_place_in_its_queue() {
    let folder = tempfile::tempdir().expect("folder");
    let settings = Settings { queue: 1, ..Settings::default() };
    let store = Arc::new(SqliteStore::open(&folder.path().join("store"), settings).expect("a store"));
    let writes = [ENDLESS, "SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4"].map(|sql| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.execute(sql).await })
    });
    tokio::task::yield_now().await;
    store.close().await.expect("closed");
    let ended = join_all(writes).await;
    assert!(matches!(ended[0], Ok(Err(_))), "it was interrupted");
}

/// How many rows a table has.
async fn rows(store: &SqliteStore, table: &'static str) -> i64 {
    store
        .read(Flow::Host, move |reading| {
            Ok(reading.query_row(&format!("SELECT COUNT(*) FROM {table}"), (), |row| row.get(0))?)
        })
        .await
        .unwrap()
}

fn lab(step_rows: usize) -> SqliteLab {
    SqliteLab::stepping(step_rows)
}

fn opened(lab: &SqliteLab) -> Arc<SqliteStore> {
    Arc::clone(lab.store.as_ref().expect("it is open"))
}

#[tokio::test]
async fn a_hook_with_a_backlog_is_gone_at_once_and_its_rows_follow() {
    use crate::store::contract::Lab as _;
    let mut lab = lab(7);
    let store = opened(&lab);
    let world = World::new(Box::new(Borrowed(Arc::clone(&store))));
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    let hook = world.filtering(account, spec("all")).await;
    let names: Vec<String> = (0..300).map(|number| format!("i-{number}")).collect();
    let seen: Vec<(&str, InstanceState)> = names.iter().map(|name| (name.as_str(), RUNNING)).collect();
    assert_eq!(world.observe(account, &seen).await.deliveries, 300);

    assert!(store.remove_hook(&world.place(account, hook)).await.unwrap());
    assert_eq!(world.next_delivery().await, None);
    assert!(world.claim().await.is_empty());
    let left = rows(&store, "deliveries").await;
    assert!(left > 0 && left < 300, "{left} are left");
    drop((world, store));
    lab.crash();
    let store = opened(&lab);
    assert_eq!(rows(&store, "deliveries").await, left);
    store.clear_dropped().await.unwrap();
    assert_eq!((rows(&store, "deliveries").await, rows(&store, "dropped").await), (0, 0));
    assert_eq!(store.count_waiting().await.unwrap(), 0);
}

#[tokio::test]
async fn a_revoked_token_takes_its_hooks_with_it_though_it_is_cut_off() {
    let lab = lab(1);
    let store = opened(&lab);
    let world = World::new(Box::new(Borrowed(Arc::clone(&store))));
    let account = world.client("ann").await;
    let new_token = NewToken {
        account,
        name: "ci".into(),
        scope: Scope::Track,
        hash: [7; 32],
        expires: None,
        limit: u64::MAX,
        now: world.now,
    };
    let token = store.issue_token(new_token).await.unwrap();
    let kept = world.filtering(account, spec("kept")).await;
    for number in 0..20 {
        let hook =
            NewHook { owner: Owner::Token(token.id), track: None, ..world.new_hook(account, &number.to_string()) };
        store.set_hook(hook).await.unwrap();
    }
    // The caller goes away after the token is gone, and before its hooks are.
    {
        let mut revoking = Box::pin(store.revoke_token(account, token.id));
        while store.token(account, token.id).await.unwrap().is_some() {
            assert!((&mut revoking).now_or_never().is_none());
        }
    }
    assert!(!store.revoke_token(account, token.id).await.unwrap(), "it is gone");
    store.clear_dropped().await.unwrap();
    let hooks = store.hooks(account, &Owner::Account, None, 100).await.unwrap();
    assert_eq!(hooks.iter().map(|hook| hook.as_ref().expect("whole").id).collect::<Vec<HookId>>(), [kept]);
    assert_eq!((rows(&store, "hooks").await, rows(&store, "dropped").await), (1, 0));
}

#[tokio::test]
async fn an_idle_account_is_forgotten_whole_though_it_is_cut_off() {
    let lab = lab(1);
    let store = opened(&lab);
    let mut world = World::new(Box::new(Borrowed(Arc::clone(&store))));
    let account = world.client("ann").await;
    let other = world.enrol("bob", crate::model::Origin::Config).await;
    for state in [RUNNING, STOPPED] {
        for account in [account, other] {
            world.observe(account, &[("a", state), ("b", state), ("c", RUNNING)]).await;
        }
        world.wait(std::time::Duration::from_secs(60));
    }
    let since = world.now;
    {
        let mut forgetting = Box::pin(store.forget_idle_accounts(since));
        while store.account(account).await.unwrap().is_some() {
            assert!((&mut forgetting).now_or_never().is_none());
        }
    }
    assert_eq!(store.forget_idle_accounts(since).await.unwrap(), 0, "it is gone");
    store.clear_dropped().await.unwrap();
    // What is left is the other account's.
    let mut left = Vec::new();
    for table in ["accounts", "resources", "versions", "changes", "bodies", "dropped"] {
        left.push(rows(&store, table).await);
    }
    assert_eq!(left, [1, 3, 2, 2, 5, 0]);
}

/// However many hooks a batch of settlements ends, requests are written between the steps of it, and all are ended.
#[tokio::test]
async fn many_hooks_are_disabled_in_steps() {
    const HOOKS: usize = 50;
    let lab = lab(1);
    let store = opened(&lab);
    let world = World::new(Box::new(Borrowed(Arc::clone(&store))));
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    for number in 0..HOOKS {
        world.filtering(account, spec(&number.to_string())).await;
    }
    world.observe(account, &[("a", RUNNING)]).await;
    let claimed = world.claim().await;
    assert_eq!(claimed.len(), HOOKS);
    let settlements = claimed.iter().map(|one| world.settlement(one, Outcome::Disable(DisableReason::Gone))).collect();
    let settling = Settling { settlements, disable_after: DISABLE_AFTER, ..Settling::default() };
    let blocker = Blocker::begin(&store).await;
    let disabled = "SELECT COUNT(*) FROM hooks WHERE status = 'disabled'";
    let request =
        store.write(Flow::Host, move |writing| Ok(writing.connection.query_row(disabled, (), |row| row.get(0))?));
    let (settled, seen, ()) = tokio::join!(store.settle(settling), request, blocker.end());
    settled.expect("settled");
    let seen: i64 = seen.expect("read");
    assert!(usize::try_from(seen).expect("a count") < HOOKS, "a request waited until {seen} hooks were disabled");
    let hooks = store.hooks(account, &Owner::Account, None, 100).await.expect("hooks");
    let is_disabled = |hook: &crate::model::Hook| matches!(hook.status, HookStatus::Disabled { .. });
    assert_eq!(hooks.iter().flatten().filter(|hook| is_disabled(hook)).count(), HOOKS);
    assert!(world.claim().await.is_empty());
}

/// A store of which a test keeps hold.
struct Borrowed(Arc<SqliteStore>);

impl crate::store::contract::Lab for Borrowed {
    fn store(&self) -> Arc<dyn Store> {
        Arc::<SqliteStore>::clone(&self.0)
    }

    fn crash(&mut self) {
        panic!("the test has the store");
    }
}
