//! Requests that a client may repeat.

use std::sync::Arc;
use std::time::Duration;

use super::plainly::once;
use super::world::World;
use crate::model::{AccountId, HookId, InstanceState, Owner, Sealed, Timestamp, Token};
use crate::store::{
    Condition, DeliveryState, HookAction, HookEdit, NewToken, Once, Outcome, Redrive, Redriven, Refusal,
    RepeatableRequest, Replay, RequestId, Written,
};

fn request(world: &World, account: AccountId, key: &str, print: u8) -> RepeatableRequest {
    RepeatableRequest {
        id: RequestId { account, owner: Owner::Account, key: key.into() },
        fingerprint: [print; 32],
        old_fingerprints: Vec::new(),
        now: world.now,
        forget: world.now.before(Duration::from_secs(3600)),
    }
}

fn answer() -> Sealed {
    Sealed(vec![4, 2])
}

/// Makes a token by a request.
async fn make(world: &World, account: AccountId, request: &RepeatableRequest, hash: u8) -> Written<Token> {
    let scope = crate::model::Scope::Read;
    let token =
        NewToken { account, name: "ci".into(), scope, hash: [hash; 32], expires: None, limit: 3, now: world.now };
    world.store().create_token(token, once(request, &answer())).await.expect("asked")
}

fn is_done<T>(written: &Written<T>) -> bool {
    matches!(written, Written::Done(_))
}

pub(crate) async fn a_request_is_carried_out_once(mut world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    let first = request(&world, ann, "k", 1);
    assert_eq!(world.store().find_answer(&first).await.expect("asked"), None);
    assert!(is_done(&make(&world, ann, &first, 1).await));
    world.crash();
    let answered = Replay::Answered(answer());
    let another = request(&world, ann, "k", 2);
    assert_eq!(world.store().find_answer(&first).await.expect("asked"), Some(answered.clone()));
    assert_eq!(world.store().find_answer(&another).await.expect("asked"), Some(Replay::Another));
    // Whoever looked before it was there is told by the write.
    assert_eq!(make(&world, ann, &first, 2).await, Written::Replayed(answered));
    assert_eq!(make(&world, ann, &another, 3).await, Written::Replayed(Replay::Another));
    assert_eq!(world.store().tokens(ann, None, 10).await.expect("read").len(), 1);
    assert!(is_done(&make(&world, bob, &request(&world, bob, "k", 2), 4).await), "keys are each account's own");

    world.wait(Duration::from_secs(3600));
    let again = request(&world, ann, "k", 2);
    assert_eq!(world.store().find_answer(&again).await.expect("asked"), None, "it is forgotten");
    assert!(is_done(&make(&world, ann, &again, 5).await));
}

pub(crate) async fn a_request_is_known_as_long_when_the_clock_is_set(mut world: World) {
    const DAY: i64 = 24 * 3_600_000;
    let ann = world.client("ann").await;
    let first = request(&world, ann, "k", 1);
    assert!(is_done(&make(&world, ann, &first, 1).await));
    for step in [30 * DAY, -40 * DAY] {
        world.store().clock_set(step, world.now).await.expect("set");
        world.now = Timestamp::from_millis(world.now.as_millis() + step);
        let again = request(&world, ann, "k", 1);
        let answered = Written::Replayed(Replay::Answered(answer()));
        assert_eq!(make(&world, ann, &again, 2).await, answered, "set by {step} ms");
    }
    world.wait(Duration::from_secs(3601));
    assert!(is_done(&make(&world, ann, &request(&world, ann, "k", 1), 3).await), "it is forgotten in its time");
}

pub(crate) async fn what_did_nothing_may_be_made_again(world: World) {
    let ann = world.client("ann").await;
    let wanted = request(&world, ann, "k", 1);
    // Its answer can't be written, so that nothing is.
    let edit = |hook| HookEdit {
        place: world.place(ann, hook),
        condition: Condition::default(),
        action: HookAction::Pause,
        now: world.now,
    };
    let refused = world.store().edit_hook(edit(HookId(9)), once(&wanted, &answer())).await.expect("asked");
    assert!(matches!(refused, Written::Refused(Refusal::NotFound)));
    let hook = world.hook(ann, "i-1").await;
    let unanswerable = Once { request: wanted.clone(), answer: Arc::new(|_: &_| Err("as asked".into())) };
    assert!(world.store().edit_hook(edit(hook), Some(unanswerable)).await.is_err());
    assert_eq!(world.get(ann, hook).await.status, crate::model::HookStatus::Active);
    let done = world.store().edit_hook(edit(hook), once(&wanted, &answer())).await.expect("asked");
    assert!(is_done(&done));
}

pub(crate) async fn a_limit_is_kept_by_whoever_comes_last(world: World) {
    let ann = world.client("ann").await;
    let written = futures_util::future::join_all((1..=9).map(|number| {
        let world = &world;
        async move { make(world, ann, &request(world, ann, &number.to_string(), 1), number).await }
    }));
    let (done, refused): (Vec<_>, Vec<_>) = written.await.into_iter().partition(is_done);
    assert_eq!(done.len(), 3);
    assert!(refused.iter().all(|written| *written == Written::Refused(Refusal::LimitReached)));
}

/// However often it is broken off and sent again, each dead letter is taken once, and all are counted.
pub(crate) async fn a_redrive_goes_on_where_it_was_broken_off(mut world: World) {
    const ALL: usize = 7;
    let (account, hook) = world.hearing().await;
    for _ in 0..ALL / 2 + 1 {
        world.live(account, &[InstanceState::Running, InstanceState::Stopped]).await;
    }
    let give_up = async |world: &World| {
        let mut number = 0;
        loop {
            let claimed = world.claim().await;
            for delivery in &claimed {
                world.settle(delivery, Outcome::Dead).await;
            }
            if claimed.is_empty() {
                return number;
            }
            number += claimed.len();
        }
    };
    let dead = give_up(&world).await;
    assert!(dead >= ALL);
    let wanted = request(&world, account, "k", 1);
    let redrive = Redrive {
        place: world.place(account, hook),
        condition: Condition::default(),
        only: None,
        limit: ALL,
        now: world.now,
    };
    let counted = || {
        let seal = |redriven: &Redriven| Ok(Sealed(vec![u8::try_from(redriven.number).expect("few")]));
        Some(Once { request: wanted.clone(), answer: Arc::new(seal) })
    };
    let mut given_up_again = 0;
    let written = loop {
        let store = world.store();
        let mut asked = Box::pin(store.redrive_hook(redrive.clone(), counted()));
        // Until something was made due, and no longer: where one step takes all, it ends.
        let some = async {
            while world.waiting().await == 0 {
                tokio::task::yield_now().await;
            }
        };
        let ended = tokio::select! {
            biased;
            () = some => None,
            written = asked.as_mut() => Some(written.expect("redriven")),
        };
        drop(asked);
        drop(store);
        world.crash();
        given_up_again += give_up(&world).await;
        if let Some(written) = ended {
            break written;
        }
    };
    let all = u8::try_from(ALL).expect("few");
    match written {
        Written::Done(redriven) => assert_eq!(redriven, Redriven { number: ALL, more: true }),
        Written::Replayed(replay) => assert_eq!(replay, Replay::Answered(Sealed(vec![all]))),
        Written::Refused(refusal) => panic!("{refusal:?}"),
    }
    assert_eq!(given_up_again, ALL, "none was made due twice");
    let again = world.store().redrive_hook(redrive, counted()).await.expect("asked");
    assert_eq!(again, Written::Replayed(Replay::Answered(Sealed(vec![all]))));
    let query = crate::store::DeliveryQuery { state: Some(DeliveryState::Dead), before: None, limit: 100 };
    let letters = world.store().hook_deliveries(&world.place(account, hook), query).await.expect("read");
    assert_eq!(letters.len(), dead);
}
