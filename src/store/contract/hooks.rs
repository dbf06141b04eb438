//! Hooks, and the changes that match them.

use super::world::{POLL_EVERY, World, id, key, target, url};
use crate::model::{AccountId, DisableReason, HookStatus, InstanceState, Kind, Owner, Sealed};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{HookTarget, Outcome, Recorded};

const RUNNING: InstanceState = InstanceState::Running;
const STOPPED: InstanceState = InstanceState::Stopped;

pub(crate) async fn a_hook_is_set_replaced_and_removed(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let place = target(account, "i-1");
    assert!(store.track_hook(&place).await.unwrap().is_none());
    assert!(!world.unhook(account, "i-1").await);
    let old = world.hook(account, "i-1").await;
    let hook = store.track_hook(&place).await.unwrap().expect("it was set");
    assert_eq!((hook.id, hook.account, hook.track), (old, account, Some((Kind::Instance, id("i-1")))));
    assert_eq!((hook.owner, hook.secrets.current), (Owner::Account, Sealed(vec![1, 2, 3])));
    assert_eq!((hook.status, hook.failing_since, hook.created), (HookStatus::Active, None, world.now));
    assert_eq!((hook.spec.url, hook.spec.token), (url("i-1"), Some(Sealed(b"token of i-1".to_vec()))));

    world.observe(account, &[("i-1", RUNNING)]).await;
    let under_way = world.claim().await.remove(0);
    world.wait(POLL_EVERY);
    world.observe(account, &[("i-1", STOPPED)]).await;
    let mut replacement = world.new_hook(account, "i-1");
    (replacement.spec.url, replacement.spec.token) = (url("elsewhere"), None);
    let new = store.set_hook(replacement).await.unwrap();
    assert_ne!(new, old);
    assert_eq!(store.count_hooks(account).await.unwrap(), 1);
    let hook = store.track_hook(&place).await.unwrap().expect("it was replaced");
    assert_eq!((hook.id, hook.spec.url, hook.spec.token), (new, url("elsewhere"), None));
    assert_eq!(world.waiting().await, 0, "what the old one was owed is gone");
    world.settle(&under_way, Outcome::Disable(DisableReason::Gone)).await;
    let status = store.track_hook(&place).await.unwrap().expect("it is there").status;
    assert_eq!(status, HookStatus::Active, "that was said of the old one");

    world.wait(POLL_EVERY);
    world.observe(account, &[("i-1", RUNNING)]).await;
    let delivery = world.claim().await.remove(0);
    let recipient = &delivery.recipient;
    assert_eq!((recipient.hook, &recipient.url, &recipient.token), (new, &url("elsewhere"), &None));
    assert!(world.unhook(account, "i-1").await);
    assert!(!world.unhook(account, "i-1").await);
    assert_eq!((world.waiting().await, world.next_delivery().await), (0, None));
    assert!(store.track_hook(&place).await.unwrap().is_none());
}

pub(crate) async fn hooks_of_others_are_left_alone(world: World) {
    let store = world.store();
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    world.hook(ann, "i-1").await;
    let bobs = world.hook(bob, "i-1").await;
    let realm = HookTarget { kind: Kind::Realm, ..target(ann, "i-1") };
    let track = Some((Kind::Realm, id("i-1")));
    store.set_hook(crate::store::NewHook { track, ..world.new_hook(ann, "i-1") }).await.unwrap();
    assert_eq!(store.count_hooks(ann).await.unwrap(), 2);
    assert_eq!(store.count_hooks(bob).await.unwrap(), 1);

    world.observe(ann, &[("i-1", RUNNING)]).await;
    world.observe(bob, &[("i-1", STOPPED)]).await;
    assert!(world.unhook(ann, "i-1").await);
    assert!(store.track_hook(&realm).await.unwrap().is_some(), "an instance is no realm");
    assert!(store.take_pending(ann, &Owner::Account, 10).await.unwrap().is_empty());
    let delivery = world.claim().await.remove(0);
    assert_eq!((delivery.id.hook, delivery.change.account), (bobs, key("bob")));
}

pub(crate) async fn a_hook_needs_an_account(world: World) {
    let nobody = AccountId(99);
    assert!(world.store().set_hook(world.new_hook(nobody, "i-1")).await.is_err());
    assert!(world.store().track_hook(&target(nobody, "i-1")).await.unwrap().is_none());
    assert_eq!(world.next_poll().await, None);
}

pub(crate) async fn the_first_list_is_a_baseline(mut world: World) {
    let account = world.client("ann").await;
    let first = world.observe(account, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    assert_eq!(first, Recorded::default());
    assert_eq!(world.known(account).await.len(), 2);
    world.wait(POLL_EVERY);
    let second = world.observe(account, &[("i-1", RUNNING), ("i-2", STOPPED), ("i-3", RUNNING)]).await;
    assert_eq!(second, Recorded { changes: 2, deliveries: 0 });

    // The other kind has a baseline of its own, and so has another account.
    let other = world.client("bob").await;
    assert_eq!(world.observe(other, &[("i-1", RUNNING)]).await, Recorded::default());
}

pub(crate) async fn a_partial_list_is_no_baseline(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    world.hook(account, "i-1").await;
    let ticket = world.ticket(account, Kind::Instance).await;
    let mut partial = world.diff(&ticket, &[("i-1", RUNNING), ("i-2", RUNNING)]).await;
    partial.complete = false;
    assert_eq!(store.record_poll(partial).await.unwrap(), Recorded { changes: 1, deliveries: 1 });
    world.wait(POLL_EVERY);
    let complete = world.observe(account, &[("i-1", RUNNING), ("i-2", STOPPED), ("i-3", RUNNING)]).await;
    assert_eq!(complete, Recorded { changes: 1, deliveries: 0 }, "i-2 changed; i-3 was there before, for all we know");
    world.wait(POLL_EVERY);
    assert_eq!(world.observe(account, &[]).await, Recorded { changes: 3, deliveries: 1 });
    assert_eq!(world.drain().await, ["i-1 ->RUNNING", "i-1 RUNNING>FINISH"]);
}

pub(crate) async fn a_hook_hears_of_what_it_waited_for(mut world: World) {
    let account = world.client("ann").await;
    world.hook(account, "early").await;
    let baseline = world.observe(account, &[("early", RUNNING), ("other", RUNNING)]).await;
    assert_eq!(baseline, Recorded { changes: 1, deliveries: 1 });
    let delivery = world.claim().await.remove(0);
    let change = &delivery.change;
    assert_eq!((change.timestamp, change.what.observed_at, change.what.observed_after), (world.now, world.now, None));
    assert_eq!(delivery.recipient.token, Some(Sealed(b"token of early".to_vec())));
    world.settle(&delivery, Outcome::Delivered).await;

    // After the baseline a hook waits in just the same way.
    world.hook(account, "late").await;
    world.wait(POLL_EVERY);
    let both = [("early", RUNNING), ("late", STOPPED), ("other", RUNNING)];
    assert_eq!(world.observe(account, &both).await, Recorded { changes: 1, deliveries: 1 });
    assert_eq!(world.drain().await, ["late ->STOPPED"]);
}

pub(crate) async fn a_hook_set_during_a_poll_misses_nothing(mut world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let ticket = world.ticket(account, Kind::Instance).await;
    let record = world.diff(&ticket, &[("i-1", RUNNING)]).await;
    world.wait(POLL_EVERY / 2);
    world.hook(account, "i-1").await;
    let next_due = record.next_due;
    assert_eq!(store.record_poll(record).await.unwrap(), Recorded { changes: 1, deliveries: 1 });
    assert_eq!(world.drain().await, ["i-1 ->RUNNING"]);
    let status = store.poll_status(account).await.unwrap();
    let instances = status.iter().find(|status| status.kind == Kind::Instance).unwrap();
    assert_eq!(instances.next_due, Some(next_due), "it is watched by now");
}
