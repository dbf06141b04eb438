//! A page ends at a number of bytes, and the next pages have the rest: each kind of page, with little room.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{SqliteLab, open};
use crate::model::InstanceState::{Running, Stopped};
use crate::model::{Filter, HookSpec, IdPattern, Kind, Owner};
use crate::store::contract::world::{World, id, query, spec};
use crate::store::{
    After, ChangeQuery, DeliveryQuery, HistoryQuery, LeasePlace, LeaseRequest, ListQuery, Page, PendingChange,
};

/// Room for a few items, however small these are.
const PAGE_BYTES: usize = 3 * 1024;
const ITEMS: usize = 40;

fn world() -> World {
    let mut lab = SqliteLab::new();
    lab.store = None;
    lab.settings.page_bytes = PAGE_BYTES;
    lab.store = Some(open(&lab.directory, lab.settings.clone()));
    World::new(Box::new(lab))
}

/// Follows pages to the end: each has something and is short, and no item is on two. Gives how many items there are.
async fn all<T, K: Ord>(mut next: impl AsyncFnMut(Option<&T>) -> Page<T>, key: impl Fn(&T) -> K) -> usize {
    let mut seen = BTreeSet::new();
    let mut last: Option<T> = None;
    let mut pages = 0;
    loop {
        let page = next(last.as_ref()).await;
        assert!(!page.is_empty() && page.len() < ITEMS / 2, "{} items are on a page", page.len());
        pages += 1;
        let is_more = page.is_more;
        for item in page {
            assert!(seen.insert(key(&item)));
            last = Some(item);
        }
        if !is_more {
            assert!(pages > 2);
            return seen.len();
        }
    }
}

#[tokio::test]
async fn every_page_ends_early_and_nothing_is_lost() {
    let world = world();
    let account = world.client("ann").await;
    world.observe(account, &[]).await;
    let hook = world.filtering(account, spec("all")).await;
    let names: Vec<String> = (0..ITEMS).map(|number| format!("i-{number:03}")).collect();
    for state in [Running, Stopped] {
        let list: Vec<_> = names.iter().map(|name| (name.as_str(), state)).collect();
        world.observe(account, &list).await;
    }
    for state in [Running, Stopped].into_iter().cycle().take(ITEMS) {
        let list: Vec<_> =
            names.iter().map(|name| (name.as_str(), if name == "i-000" { state } else { Stopped })).collect();
        world.observe(account, &list).await;
    }
    for _ in 1..ITEMS {
        let ids = vec![IdPattern::Exact("i".repeat(200))];
        world.filtering(account, HookSpec { filter: Filter { ids, ..Filter::default() }, ..spec("some") }).await;
    }
    let store = world.store();
    let owner = Owner::Account;

    for at in [None, Some(world.now)] {
        let list = async |last: Option<&crate::store::Seen>| {
            let after = last.map(|seen| seen.resource.id().clone());
            store.list(account, ListQuery { at, after, limit: 1000, ..query() }).await.expect("a page")
        };
        assert_eq!(all(list, |seen| seen.resource.id().clone()).await, ITEMS, "{at:?}");
    }
    let hooks = async |last: Option<&Result<crate::model::Hook, _>>| {
        let after =
            last.map(|hook: &Result<_, _>| hook.as_ref().map(|hook: &crate::model::Hook| hook.id).expect("whole"));
        store.hooks(account, &owner, after, 1000).await.expect("a page")
    };
    assert_eq!(all(hooks, |hook| hook.as_ref().map(|hook| hook.id).expect("whole")).await, ITEMS);
    let history = async |last: Option<&crate::model::Change>| {
        let before = last.map(|change| change.cursor.sequence);
        let query = HistoryQuery { kind: Kind::Instance, resource: id("i-000"), before, limit: 1000 };
        store.history(account, query).await.expect("a page")
    };
    assert!(all(history, |change| change.cursor.sequence).await > ITEMS);
    let place = world.place(account, hook);
    let deliveries = async |last: Option<&crate::store::DeliveryRecord>| {
        let before = last.map(|record| record.change.cursor.sequence);
        store.hook_deliveries(&place, DeliveryQuery { state: None, before, limit: 1000 }).await.expect("a page")
    };
    let changes = all(deliveries, |record| record.change.cursor.sequence).await;
    assert!(changes > 2 * ITEMS);

    // The feed, with a filter that lets all through and without one.
    let kinds = vec![Kind::Instance];
    for filter in [Filter::default(), Filter { kinds, ..Filter::default() }] {
        let (mut after, mut found) = (After::Oldest, 0);
        loop {
            let query = ChangeQuery { after, filter: filter.clone(), limit: 1000, looked_at: 10_000 };
            let page = store.changes(account, query).await.expect("a page");
            assert!(page.changes.len() < ITEMS / 2);
            found += page.changes.len();
            if page.at_end {
                break;
            }
            assert!(!page.changes.is_empty());
            after = After::Number(page.next.sequence);
        }
        assert_eq!(found, changes, "{filter:?}");
    }
    // What is acknowledged is gone, so each page begins anew.
    let pending = async |_: Option<&PendingChange>| {
        let until = world.now.after(Duration::from_secs(60));
        let owner = owner.clone();
        let request = LeaseRequest { account, owner, limit: 1000, now: world.now, until, ends_with_host: false };
        let leased = store.lend_pending(request.clone()).await.expect("a page");
        let place = LeasePlace { account, owner: request.owner, id: leased.id };
        store.acknowledge_pending(place, leased.up_to.expect("something is lent")).await.expect("acknowledged");
        Page { items: leased.changes, is_more: leased.is_more }
    };
    assert_eq!(all(pending, |pending| pending.change.cursor.sequence).await, changes);
}
