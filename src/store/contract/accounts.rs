//! Accounts that are known, watched and forgotten.

use std::time::Duration;

use super::plainly::once;
use super::world::{POLL_EVERY, World, key, query, spec};
use crate::model::{AccountKey, InstanceState, Kind, Origin, Owner, Sealed};
use crate::store::{Credential, Enrolment, Forgetting, RepeatableRequest, RequestId, StoreError, Written};

pub(crate) async fn enrolling_again_keeps_the_account(world: World) {
    let store = world.store();
    let account = world.client("ann").await;
    let other = world.client("bob").await;
    assert_ne!(account, other);
    let again =
        Enrolment { key: key("ann"), origin: Origin::Client, password: Sealed(b"changed".to_vec()), now: world.now };
    assert_eq!(store.enrol(again).await.unwrap(), account);
    let found = store.find_account(&key("ann")).await.unwrap().expect("it was enrolled");
    assert_eq!((found.id, found.origin), (account, Origin::Client));
    assert_eq!(found.password, Sealed(b"changed".to_vec()));
    assert_eq!(store.account(other).await.unwrap().expect("it was enrolled").key, key("bob"));
    assert!(store.find_account(&key("Ann")).await.unwrap().is_none());
}

pub(crate) async fn a_configured_account_is_due_at_once_and_stays_configured(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    assert_eq!(world.next_poll().await, Some(world.now));
    world.observe(account, &[]).await;
    let due = world.now.after(super::world::POLL_EVERY);

    // The host starts anew: it is not polled out of turn.
    world.wait(Duration::from_secs(10));
    assert_eq!(world.enrol("ann", Origin::Config).await, account);
    let status = store.poll_status(account).await.unwrap();
    assert_eq!(status.iter().find(|status| status.kind == Kind::Instance).unwrap().next_due, Some(due));

    // A client proves the account's credentials with a password that was set at the provider since.
    world.wait(Duration::from_secs(600));
    let enrolment = Enrolment { key: key("ann"), origin: Origin::Client, password: Sealed(vec![9]), now: world.now };
    assert_eq!(store.enrol(enrolment).await.unwrap(), account);
    let found = store.account(account).await.unwrap().unwrap();
    assert_eq!((found.origin, found.password), (Origin::Config, Sealed(b"ann".to_vec())));
}

pub(crate) async fn one_credential_has_so_many_users_and_no_more(world: World) {
    let store = world.store();
    let enrolment =
        |user: &str| Enrolment { key: key(user), origin: Origin::Client, password: Sealed(vec![7]), now: world.now };
    // The second print is that of an older key of the host.
    let credential = |prints: &[u8]| Credential { prints: prints.iter().map(|byte| [*byte; 32]).collect(), users: 2 };
    let refused = |result: Result<_, StoreError>| matches!(result, Err(StoreError::CredentialAtLimit { limit: 2 }));
    let ann = store.enrol_proven(enrolment("ann"), credential(&[1])).await.expect("the first");
    assert!(!store.check_newcomer(&key("bob"), &credential(&[2, 1])).await.expect("the second"));
    store.enrol_proven(enrolment("bob"), credential(&[2, 1])).await.expect("the second");
    assert!(refused(store.check_newcomer(&key("eve"), &credential(&[2, 1])).await.map(drop)));
    assert!(refused(store.enrol_proven(enrolment("eve"), credential(&[2, 1])).await.map(drop)));
    assert!(store.find_account(&key("eve")).await.expect("asked").is_none());
    // The same user at another provider of the endpoint is no other one.
    let elsewhere = Enrolment { key: AccountKey { provider: "another".into(), ..key("ann") }, ..enrolment("ann") };
    store.enrol_proven(elsewhere, credential(&[2, 1])).await.expect("the same user");
    // Who is known stays so, and others have credentials of their own.
    assert!(store.check_newcomer(&key("ann"), &credential(&[2, 1])).await.expect("known"));
    assert_eq!(store.enrol_proven(enrolment("ann"), credential(&[2, 1])).await.expect("known"), ann);
    store.enrol_proven(enrolment("eve"), credential(&[3])).await.expect("with another secret");
    // One that leaves makes room.
    for account in store.accounts(None, 100).await.expect("read").into_iter().filter(|one| one.key.user == "ann") {
        store.forget_account(account.id).await.expect("forgotten");
        store.clear_account(account.id).await.expect("cleared");
    }
    store.enrol_proven(enrolment("joe"), credential(&[2, 1])).await.expect("there is room again");
}

pub(crate) async fn an_account_that_left_the_configuration_rests(world: World) {
    let store = world.store();
    let (stays, leaves, hooked) = (
        world.enrol("stays", Origin::Config).await,
        world.enrol("leaves", Origin::Config).await,
        world.enrol("hooked", Origin::Config).await,
    );
    world.hook(hooked, "i-1").await;
    store.keep_configured(&[stays]).await.unwrap();
    assert_eq!(store.account(leaves).await.unwrap().unwrap().origin, Origin::Client);
    let mut polled: Vec<_> = world.claim_polls(10).await.into_iter().map(|ticket| ticket.account.id).collect();
    polled.sort_unstable();
    assert_eq!(polled, [stays, hooked]);

    // Back in the configuration, it is due again.
    world.enrol("leaves", Origin::Config).await;
    assert_eq!(world.claim_polls(10).await.len(), 1);
}

pub(crate) async fn idle_accounts_are_forgotten_whole(mut world: World) {
    let store = world.store();
    let idle = world.client("idle").await;
    let hooked = world.client("hooked").await;
    let configured = world.enrol("configured", Origin::Config).await;
    let used = world.client("used").await;
    world.observe(idle, &[("i-1", InstanceState::Running)]).await;
    world.observe(used, &[("i-1", InstanceState::Running)]).await;
    world.hook(hooked, "i-1").await;
    let held = world.ticket(idle, Kind::Instance).await;

    world.wait(Duration::from_secs(3600));
    let since = world.now.before(Duration::from_secs(60));
    world.client("used").await;
    assert_eq!(store.forget_idle_accounts(since).await.unwrap(), 1);
    assert_eq!(store.forget_idle_accounts(since).await.unwrap(), 0);
    assert!(store.account(idle).await.unwrap().is_none());
    for kept in [hooked, configured, used] {
        assert!(store.account(kept).await.unwrap().is_some());
    }
    assert!(world.find(used, "i-1").await.is_some());

    // Nothing of it comes to light again, nor does a poll that was under way bring it back.
    assert!(world.find(idle, "i-1").await.is_none());
    assert!(store.poll_status(idle).await.unwrap().is_empty());
    let record = world.diff(&held, &[("i-1", InstanceState::Running)]).await;
    assert!(matches!(store.record_poll(record).await, Err(crate::store::StoreError::LeaseLost)));
    let anew = world.client("idle").await;
    assert_ne!(anew, idle);
    assert!(world.list(anew, query()).await.is_empty());
    assert!(store.request_poll(idle, Kind::Instance, world.now).await.is_err());
}

pub(crate) async fn an_account_is_forgotten_by_its_owner(mut world: World) {
    let (ann, bob) = (world.client("ann").await, world.client("bob").await);
    let configured = world.enrol("configured", Origin::Config).await;
    for account in [ann, bob] {
        world.observe(account, &[]).await;
        world.hook(account, "i-1").await;
        world.filtering(account, spec("all")).await;
        world.observe(account, &[("i-1", InstanceState::Running)]).await;
    }
    let wanted = RepeatableRequest {
        id: RequestId { account: ann, owner: Owner::Account, key: "k".into() },
        fingerprint: [1; 32],
        old_fingerprints: Vec::new(),
        now: world.now,
        forget: world.now.before(POLL_EVERY),
    };
    let hook = world.store().create_hook(world.new_hook(ann, "i-2"), once(&wanted, &Sealed(vec![1]))).await;
    assert!(matches!(hook, Ok(Written::Done(_))));
    let held = world.ticket(ann, Kind::Instance).await;
    assert_eq!(world.store().forget_account(configured).await.expect("asked"), Forgetting::Configured);
    assert_eq!(world.store().forget_account(ann).await.expect("asked"), Forgetting::Begun);

    // Until all of it is gone it takes nothing in.
    let record = world.diff(&held, &[]).await;
    assert!(matches!(world.store().record_poll(record).await, Err(StoreError::LeaseLost)));
    let new = world.new_hook(ann, "i-3");
    assert!(world.store().create_hook(new, None).await.is_err());
    assert!(world.store().request_poll(ann, Kind::Instance, world.now).await.is_err());
    let enrolment = Enrolment { key: key("ann"), origin: Origin::Client, password: Sealed(vec![1]), now: world.now };
    assert!(world.store().enrol(enrolment.clone()).await.is_err());
    world.crash();
    assert!(world.store().enrol(enrolment.clone()).await.is_err(), "a restart does not bring it back");
    world.store().clear_account(ann).await.expect("cleared");
    world.store().clear_account(ann).await.expect("there is nothing left");
    assert!(world.store().account(ann).await.expect("read").is_none());
    assert_eq!(world.store().count_hooks(ann).await.expect("counted"), 0);
    assert_eq!(world.store().find_answer(&wanted).await.expect("asked"), None);
    assert_eq!(world.store().forget_account(ann).await.expect("asked"), Forgetting::Begun, "it is gone already");
    world.store().clear_account(ann).await.expect("there is nothing left");
    assert_ne!(world.store().enrol(enrolment).await.expect("enrolled"), ann);

    assert_eq!(world.store().count_hooks(bob).await.expect("counted"), 2);
    assert!(world.find(bob, "i-1").await.is_some());
    assert_eq!(world.store().all_damaged_rows().await.expect("looked up"), []);
}

pub(crate) async fn a_store_that_works_answers(world: World) {
    for _ in 0..3 {
        world.store().ping().await.expect("a new store works");
    }
}
