//! Reads of one account beside those of others: many waiting or long reads delay others by one turn.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{FutureExt, join_all};

use super::super::fair_pool::Flow;
use super::super::{Settings, SqliteStore};
use crate::model::AccountId;

const ANN: Flow = Flow::Account(AccountId(1));
const BOB: Flow = Flow::Account(AccountId(2));
const WAITING: usize = 200;

fn store(readers: usize) -> (SqliteStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("folder");
    let settings = Settings { readers, ..Settings::default() };
    (SqliteStore::open(&folder.path().join("store"), settings).expect("a store"), folder)
}

#[tokio::test]
async fn a_read_ends_while_another_account_has_many_that_do_not() {
    let (store, _folder) = store(4);
    let (mut ends, mut long) = (Vec::new(), Vec::new());
    for _ in 0..WAITING {
        let (end, ended) = channel::<()>();
        ends.push(end);
        let mut read = Box::pin(store.read(ANN, move |_| Ok(ended.recv().is_err())));
        assert!((&mut read).now_or_never().is_none());
        long.push(read);
    }
    let others = async {
        for other in [BOB, Flow::Host, BOB] {
            store.read(other, |_| Ok(())).await.expect("read");
        }
    };
    // Only a test that fails waits so long.
    tokio::time::timeout(Duration::from_secs(60), others).await.expect("a connection is left to others");
    drop(ends);
    for ended in join_all(long).await {
        assert!(ended.expect("read"));
    }
}

#[tokio::test]
async fn a_read_waits_for_one_turn_of_an_account_that_has_many() {
    let (store, _folder) = store(1);
    let (end, ended) = channel::<()>();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut reads = Vec::new();
    let mut under_way = Box::pin(store.read(ANN, move |_| Ok(ended.recv().is_err())));
    assert!((&mut under_way).now_or_never().is_none());
    for flow in std::iter::repeat_n(ANN, WAITING).chain([BOB, Flow::Host]) {
        let (order, who) = (Arc::clone(&order), flow.clone());
        let mut read = Box::pin(store.read(flow, move |_| {
            order.lock().expect("no read panics").push(who);
            Ok(true)
        }));
        assert!((&mut read).now_or_never().is_none());
        reads.push(read);
    }
    // Who gives up is no turn.
    drop(reads.remove(0));
    drop(end);
    let (first, others) = tokio::join!(under_way, join_all(reads));
    assert!(first.expect("read"));
    assert!(others.into_iter().all(|read| read.expect("read")));
    let order = order.lock().expect("no read panics");
    assert_eq!(order[..4], [ANN, BOB, Flow::Host, ANN]);
    assert_eq!(order.len(), WAITING + 1);
}
