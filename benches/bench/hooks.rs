//! Hooks as the benchmark makes them: without a limit, and for whatever version there is.

use tracker::clock::{Clock as _, SystemClock};
use tracker::model::HookId;
use tracker::store::{Condition, HookAction, HookEdit, HookPlace, Hooks, NewHook, Written};

pub(crate) async fn set(store: &impl Hooks, hook: NewHook) -> HookId {
    match store.create_hook(hook, None).await.expect("set") {
        Written::Done(hook) => hook.id,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn act(store: &impl Hooks, place: HookPlace, action: HookAction) {
    let edit = HookEdit { place, condition: Condition::default(), action, now: SystemClock.now() };
    let done = store.edit_hook(edit, None).await.expect("done");
    assert!(matches!(done, Written::Done(_)), "{done:?}");
}
