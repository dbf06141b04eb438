//! Writes of one account beside those of others: however many wait, a write of another account waits for the one in
//! progress and one of them.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt, join_all};

use super::super::fair_pool::Flow;
use super::super::lasting::Lasting;
use super::super::writing::Writing;
use super::super::{Settings, SqliteStore};
use crate::model::AccountId;
use crate::store::Result;

const ANN: Flow = Flow::Account(AccountId(1));
const BOB: Flow = Flow::Account(AccountId(2));
const QUEUE: usize = 32;

type Order = Arc<Mutex<Vec<Flow>>>;

/// Runs writes that wait together, in the order in which they came; gives whose were run, in the order of that.
async fn order<'a>(
    store: &'a SqliteStore,
    flows: impl Iterator<Item = Flow>,
    write: impl Fn(&'a SqliteStore, Flow, Order) -> BoxFuture<'a, Result<()>>,
) -> Vec<Flow> {
    let (go, wait) = channel::<()>();
    let (tell_begun, begun) = channel::<()>();
    let mut blocker = Box::pin(store.write(Flow::Host, move |_| {
        tell_begun.send(()).expect("the test waits");
        Ok(wait.recv().is_ok())
    }));
    assert!((&mut blocker).now_or_never().is_none());
    // What comes from here on is taken in when it has ended.
    begun.recv().expect("it runs");
    let order = Order::default();
    let mut writes: Vec<_> = flows.map(|flow| write(store, flow, Arc::clone(&order))).collect();
    for write in &mut writes {
        assert!(write.now_or_never().is_none());
    }
    go.send(()).expect("the writer waits");
    assert!(blocker.await.expect("run"));
    for written in join_all(writes).await {
        written.expect("written");
    }
    std::mem::take(&mut *order.lock().expect("no write panics"))
}

#[tokio::test]
async fn a_write_waits_for_one_of_another_account_that_has_many() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { queue: QUEUE, ..Settings::default() };
    let store = SqliteStore::open(&folder.path().join("store"), settings).expect("a store");
    let flows = || std::iter::repeat_n(ANN, 40 * QUEUE).chain([BOB, Flow::Host]);
    let noting = |flow: &Flow, order: Order| {
        let flow = flow.clone();
        move |_: &mut Writing<'_>| {
            order.lock().expect("no write panics").push(flow);
            Ok(())
        }
    };
    let jobs = order(&store, flows(), |store, flow, order| {
        let work = noting(&flow, order);
        store.writer.write(flow, Lasting::MayGo, work).boxed()
    });
    let jobs = jobs.await;
    let steps = order(&store, flows(), |store, flow, order| {
        let work = noting(&flow, order);
        store.writer.step(flow, Lasting::MayGo, work).boxed()
    });
    for ran in [jobs, steps.await] {
        assert_eq!(ran.len(), 40 * QUEUE + 2);
        let place = |flow: &Flow| ran.iter().position(|ran| ran == flow).expect("it was run");
        assert!(place(&BOB) <= 2 && place(&Flow::Host) <= 2, "{:?}", (place(&BOB), place(&Flow::Host)));
    }
}
