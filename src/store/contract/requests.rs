//! Requests that a client may repeat.

use std::time::Duration;

use super::world::World;
use crate::model::{AccountId, Owner, Sealed};
use crate::store::{Begun, RepeatableRequest, RequestId};

fn request(world: &World, account: AccountId, key: &str, print: u8) -> RepeatableRequest {
    RepeatableRequest {
        id: RequestId { account, owner: Owner::Account, key: key.into() },
        fingerprint: [print; 32],
        now: world.now,
        forget: world.now.before(Duration::from_secs(3600)),
        abandoned: world.now.before(Duration::from_secs(60)),
    }
}

async fn begin(world: &World, account: AccountId, key: &str, print: u8) -> Begun {
    world.store().begin_request(request(world, account, key, print)).await.expect("begun")
}

pub(crate) async fn a_request_is_answered_once(mut world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    assert_eq!(begin(&world, ann, "k", 1).await, Begun::New);
    assert_eq!(begin(&world, ann, "k", 1).await, Begun::UnderWay);
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::Another);
    assert_eq!(begin(&world, ann, "other", 2).await, Begun::New);
    assert_eq!(begin(&world, bob, "k", 2).await, Begun::New, "keys are each account's own");
    let answer = Sealed(vec![4, 2]);
    let id = request(&world, ann, "k", 1).id;
    world.store().finish_request(&id, answer.clone()).await.expect("finished");
    world.crash();
    assert_eq!(begin(&world, ann, "k", 1).await, Begun::Answered(answer));
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::Another);
    world.wait(Duration::from_secs(3600));
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::New, "it is forgotten");
}

pub(crate) async fn a_request_that_was_cut_off_may_be_made_again(mut world: World) {
    let ann = world.client("ann").await;
    assert_eq!(begin(&world, ann, "k", 1).await, Begun::New);
    let id = request(&world, ann, "k", 1).id;
    world.store().abandon_request(&id).await.expect("abandoned");
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::New, "it did nothing");
    world.wait(Duration::from_secs(60));
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::UnderWay);
    world.wait(Duration::from_millis(1));
    assert_eq!(begin(&world, ann, "k", 1).await, Begun::Another);
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::New, "nobody answers it any more");
    world.store().finish_request(&id, Sealed(vec![1])).await.expect("finished");
    world.store().abandon_request(&id).await.expect("too late");
    assert_eq!(begin(&world, ann, "k", 2).await, Begun::Answered(Sealed(vec![1])));
}
