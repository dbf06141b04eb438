//! The host's keys, and the secrets sealed with them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plainly::{Plainly as _, once};
use super::world::{World, key};
use crate::model::{AccountKey, KeyId, Owner, Sealed, Timestamp};
use crate::store::{
    KeyUse, NewHook, RepeatableRequest, RequestId, Resealed, SealedColumn, SealedPlace, SealedValue, SessionContent,
    StoreKey, StoredSession,
};

pub(crate) async fn the_keys_that_a_store_needs_are_named(mut world: World) {
    let used = async |world: &World| {
        let keys = world.store().keys().await.expect("read");
        keys.into_iter().map(|StoreKey { id, used }| (id.0, used)).collect::<Vec<_>>()
    };
    let seal_with = async |world: &World, key: i64| world.store().set_current_key(KeyId(key)).await.expect("noted");
    assert_eq!(used(&world).await, []);
    seal_with(&world, -7).await;
    seal_with(&world, -7).await;
    assert_eq!(used(&world).await, [(-7, KeyUse::Current)]);
    seal_with(&world, 9).await;
    world.crash();
    assert_eq!(used(&world).await, [(9, KeyUse::Current), (-7, KeyUse::Sealed)]);

    let (until, later) = (world.now.after(Duration::from_secs(60)), world.now.after(Duration::from_secs(90)));
    let noted =
        async |world: &World, key: i64, until| world.store().note_resealed(KeyId(key), until).await.expect("asked");
    assert!(!noted(&world, -7, until).await, "another one is the current key");
    assert!(noted(&world, 9, until).await);
    assert!(noted(&world, 9, later).await);
    assert_eq!(used(&world).await, [(9, KeyUse::Current), (-7, KeyUse::Hashed(until))]);
    // What was hashed with it is known as long when the clock is set.
    world.store().clock_set(-1_000_000, world.now).await.expect("set");
    let moved = Timestamp::from_millis(until.as_millis() - 1_000_000);
    assert_eq!(used(&world).await, [(9, KeyUse::Current), (-7, KeyUse::Hashed(moved))]);
    // One that is the current one again is an old one no more.
    seal_with(&world, -7).await;
    assert_eq!(used(&world).await, [(-7, KeyUse::Current), (9, KeyUse::Sealed)]);
    for key in [-7, 9, 11] {
        world.store().forget_key(KeyId(key)).await.expect("asked");
    }
    assert_eq!(used(&world).await, [(-7, KeyUse::Current)], "the current one stays");
}

/// All that is sealed, page by page.
async fn all(world: &World, limit: usize) -> Vec<SealedValue> {
    let (mut all, mut place) = (Vec::new(), Some(SealedPlace::default()));
    while let Some(after) = place {
        let page = world.store().sealed(after, limit).await.expect("read");
        all.extend(page.values);
        place = page.next;
    }
    all
}

pub(crate) async fn what_is_sealed_is_listed_and_sealed_anew(world: World) {
    let store = world.store();
    let mut expected: Vec<(SealedColumn, AccountKey)> = Vec::new();
    for user in ["ann", "bob"] {
        let account = world.client(user).await;
        expected.push((SealedColumn::AccountPassword(account), key(user)));
        let hook = world.hook(account, "i-1").await;
        let until = world.now.after(Duration::from_secs(60));
        assert!(store.rotate_secret(&world.place(account, hook), Sealed(vec![9]), until).await.expect("rotated"));
        let columns = [SealedColumn::HookToken, SealedColumn::HookSecret, SealedColumn::HookOldSecret];
        expected.extend(columns.map(|column| (column(hook), key(user))));
        for name in ["k", "l"] {
            let request = RepeatableRequest {
                id: RequestId { account, owner: Owner::Account, key: name.into() },
                fingerprint: [1; 32],
                old_fingerprints: Vec::new(),
                now: world.now,
                forget: world.now.before(Duration::from_secs(60)),
            };
            let plain = NewHook { track: None, ..world.new_hook(account, name) };
            store.create_hook(plain, once(&request, &Sealed(vec![5, 6]))).await.expect("created");
            let owner = Owner::Account.word().to_string();
            expected.push((SealedColumn::Answer { account, owner, key: name.into() }, key(user)));
            let content = Some(SessionContent { until, sealed: Sealed(vec![7]) });
            let session = StoredSession { account: key(user), driver: name.into(), content };
            assert_eq!(store.save_sessions(vec![session]).await.expect("saved"), [true]);
            expected.push((SealedColumn::Session { account: key(user), driver: name.into() }, key(user)));
        }
        for hook in store.hooks(account, &Owner::Account, Some(hook), 9).await.expect("read") {
            let hook = hook.expect("whole").id;
            expected.extend(
                [SealedColumn::HookToken(hook), SealedColumn::HookSecret(hook)].map(|column| (column, key(user))),
            );
        }
    }
    let shown = |values: &[SealedValue]| {
        let mut shown: Vec<String> =
            values.iter().map(|value| format!("{:?} of {}", value.column, value.account)).collect();
        shown.sort();
        shown
    };
    let mut wanted: Vec<String> = expected.iter().map(|(column, account)| format!("{column:?} of {account}")).collect();
    wanted.sort();
    for limit in [1, 2, 3, 100] {
        assert_eq!(shown(&all(&world, limit).await), wanted, "pages of {limit}");
    }

    // Whatever was written meanwhile stays.
    let before = all(&world, 100).await;
    let mut resealed = Vec::new();
    for (number, value) in before.iter().enumerate() {
        let was = if number % 2 == 0 { value.sealed.clone() } else { Sealed(vec![0]) };
        let sealed = Sealed([&[4, 4], &value.sealed.0[..]].concat());
        resealed.push(Resealed { column: value.column.clone(), was, sealed });
    }
    store.reseal(resealed).await.expect("sealed anew");
    let after: BTreeMap<String, Sealed> =
        all(&world, 100).await.into_iter().map(|value| (format!("{:?}", value.column), value.sealed)).collect();
    for (number, value) in before.into_iter().enumerate() {
        let now = &after[&format!("{:?}", value.column)];
        let was = value.sealed.0;
        let anew = [&[4, 4], &was[..]].concat();
        assert_eq!(now.0, if number % 2 == 0 { anew } else { was }, "{:?}", value.column);
    }
}
