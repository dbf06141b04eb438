//! Tokens: found by the hashes of their secrets, and deleted with their hooks.

use std::time::Duration;

use super::world::{World, key};
use crate::model::{AccountId, Owner, Scope, Token};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{HookPlace, HookTarget, NewHook, NewToken, Refusal, Written};

fn new(world: &World, account: AccountId, name: &str, hash: u8) -> NewToken {
    let expires = Some(world.now.after(Duration::from_secs(60)));
    NewToken {
        account,
        name: name.into(),
        scope: Scope::Track,
        hash: [hash; 32],
        expires,
        limit: u64::MAX,
        now: world.now,
    }
}

async fn issue(world: &World, account: AccountId, name: &str, hash: u8) -> Token {
    world.store().issue_token(new(world, account, name, hash)).await.expect("issued")
}

pub(crate) async fn a_token_is_found_by_its_secret_until_it_is_revoked(mut world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    let one = issue(&world, ann, "one", 1).await;
    let two = issue(&world, ann, "two", 2).await;
    issue(&world, bob, "three", 3).await;
    let store = world.store();
    let (found, account) = store.find_token([1; 32]).await.expect("read").expect("there");
    assert_eq!((found, account.id, account.key), (one.clone(), ann, key("ann")));
    assert_eq!(store.find_token([9; 32]).await.expect("read").map(drop), None);
    let both = [one.clone(), two.clone()];
    let tokens = async |after, limit| -> Vec<_> {
        store.tokens(ann, after, limit).await.expect("read").into_iter().map(|token| token.expect("whole")).collect()
    };
    assert_eq!(tokens(None, 10).await, both);
    assert_eq!(tokens(Some(one.id), 10).await, both[1..]);
    assert_eq!(tokens(None, 1).await, both[..1]);
    assert_eq!(store.token(bob, one.id).await.expect("read"), None, "it is not theirs");

    world.wait(Duration::from_secs(3600));
    store.note_token_used(one.id, world.now).await.expect("noted");
    assert_eq!(
        store.token(ann, one.id).await.expect("read").expect("there").expect("whole").last_used,
        Some(world.now)
    );
    assert!(!store.rotate_token(bob, one.id, [7; 32], None).await.expect("tried"));
    assert!(store.rotate_token(ann, one.id, [7; 32], None).await.expect("rotated"));
    assert!(store.find_token([1; 32]).await.expect("read").is_none(), "its old secret is good for nothing");
    assert_eq!(store.find_token([7; 32]).await.expect("read").expect("there").0.expires, None);

    assert!(!store.revoke_token(bob, one.id).await.expect("tried"));
    assert!(store.revoke_token(ann, one.id).await.expect("revoked"));
    assert!(!store.revoke_token(ann, one.id).await.expect("tried"));
    assert!(store.find_token([7; 32]).await.expect("read").is_none());
    assert!(issue(&world, ann, "four", 4).await.id > two.id, "a number is never given again");
}

pub(crate) async fn a_tokens_hooks_are_its_own_and_go_with_it(world: World) {
    let account = world.client("ann").await;
    let token = issue(&world, account, "one", 1).await;
    let owner = Owner::Token(token.id);
    let of_account = world.hook(account, "a").await;
    let hook = NewHook { owner: owner.clone(), ..world.new_hook(account, "a") };
    let hook = world.store().set_hook(hook).await.expect("set");
    assert_ne!(hook, of_account, "each has its own on the same resource");
    world.observe(account, &[]).await;
    world.observe(account, &[("a", crate::model::InstanceState::Running)]).await;
    let store = world.store();
    let taken = store.take_pending(account, &owner, 10).await.expect("taken");
    assert_eq!(taken.len(), 1);
    assert_eq!(world.waiting().await, 1, "the account's own is owed still");
    let place = HookPlace { account, owner: owner.clone(), hook };
    assert!(store.hook(&place).await.expect("read").is_some());
    assert!(store.hook(&HookPlace { owner: Owner::Account, ..place.clone() }).await.expect("read").is_none());

    assert!(store.revoke_token(account, token.id).await.expect("revoked"));
    assert!(store.hook(&place).await.expect("read").is_none());
    let target = HookTarget { owner: Owner::Account, ..super::world::target(account, "a") };
    assert!(store.track_hook(&target).await.expect("read").is_some());
}

pub(crate) async fn an_account_with_a_token_is_not_forgotten(mut world: World) {
    let account = world.client("ann").await;
    issue(&world, account, "one", 1).await;
    world.wait(Duration::from_secs(30));
    let store = world.store();
    assert_eq!(store.forget_idle_accounts(world.now).await.expect("forgotten"), 0);
    world.wait(Duration::from_secs(3600));
    assert_eq!(store.forget_idle_accounts(world.now).await.expect("forgotten"), 1, "it expired long ago");
    assert!(store.find_token([1; 32]).await.expect("read").is_none());
    assert!(store.issue_token(new(&world, account, "two", 2)).await.is_err(), "there is no such account");
}

/// A request may be long under way: nothing is set by a token that is gone, which nobody could see or remove again.
pub(crate) async fn a_revoked_token_sets_nothing(world: World) {
    let ann = world.client("ann").await;
    let token = issue(&world, ann, "one", 1).await;
    let store = world.store();
    for track in [None, Some((crate::model::Kind::Instance, super::world::id("i-1")))] {
        let new = || NewHook { owner: Owner::Token(token.id), track: track.clone(), ..world.new_hook(ann, "x") };
        assert!(matches!(store.create_hook(new(), None).await, Ok(Written::Done(_))));
    }
    assert!(store.revoke_token(ann, token.id).await.expect("revoked"));
    for track in [None, Some((crate::model::Kind::Instance, super::world::id("i-1")))] {
        let new = NewHook { owner: Owner::Token(token.id), track, ..world.new_hook(ann, "x") };
        let refused = store.create_hook(new, None).await.expect("asked");
        assert!(matches!(refused, Written::Refused(Refusal::OwnerGone)), "{refused:?}");
    }
    assert_eq!(store.count_hooks(ann).await.expect("counted"), 0);
}
