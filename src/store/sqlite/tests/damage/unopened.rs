//! A sealed column that does not open is damage like any other: only its row is set aside. It is logged once, shown,
//! counted, and removed or rewritten. The same applies to an account that is missing although other rows refer to it.

use super::super::world;
use super::healed::{counted, execute};
use super::*;
use crate::store::contract::plainly::Plainly as _;
use crate::store::{Accounts as _, DriverSessions as _, Hooks as _, SealedColumn, Tokens as _, Unopened};

#[tokio::test]
async fn a_hook_of_which_a_column_does_not_open_is_set_aside_alone() {
    let columns = [SealedColumn::HookToken, SealedColumn::HookSecret, SealedColumn::HookOldSecret];
    for (column, name) in columns.into_iter().zip(["token", "secret", "old_secret"]) {
        let (mut world, store) = world();
        let ann = fill(&mut world, "ann").await;
        let place = world.place(ann, HookId(1));
        execute(&store, "UPDATE hooks SET token = x'01', secret = x'02', old_secret = x'03', old_until = 1 << 47")
            .await;
        let sealed = Sealed(vec![match name {
            "token" => 1,
            "secret" => 2,
            _ => 3,
        }]);
        world.wait(Duration::from_secs(60));
        let claimed = world.claim().await;
        let (its, others): (Vec<_>, Vec<_>) = claimed.iter().partition(|delivery| delivery.id.hook == HookId(1));
        assert!(!its.is_empty() && !others.is_empty());
        // What it held before it was given another secret says nothing.
        let was = Unopened { column: column(HookId(1)), sealed: Sealed(vec![9]) };
        store.set_aside_unopened(was).await.expect("passed over");
        assert_eq!(counted(&store, "hooks").await, (0, 0), "{name}");

        let unopened = Unopened { column: column(HookId(1)), sealed };
        for delivery in &its {
            world.settle(delivery, Outcome::Unopened(unopened.clone())).await;
        }
        store.set_aside_unopened(unopened).await.expect("set aside already");
        assert_eq!(counted(&store, "hooks").await, (1, 1), "{name}: it is named once");
        let damaged = store.damaged_hook(&place).await.expect("asked").expect("it is damaged");
        assert_eq!(damaged.reason, format!("{name}: it does not open with the host's key"));
        let shown = store.damaged_rows(ann).await.expect("looked up");
        assert_eq!((shown[0].table, shown[0].column.as_str()), ("hooks", name));
        for delivery in &others {
            world.settle(delivery, Outcome::Delivered).await;
        }
        world.wait(Duration::from_secs(3600));
        assert!(world.claim().await.iter().all(|delivery| delivery.id.hook != HookId(1)), "{name}: it is sent nothing");
        assert!(store.remove_hook(&place).await.expect("removed"));
        assert_eq!(counted(&store, "hooks").await, (0, 1), "{name}");
    }
}

#[tokio::test]
async fn an_account_of_which_the_password_does_not_open_is_polled_again_once_it_is_enrolled() {
    let (mut world, store) = world();
    let (ann, bob) = (fill(&mut world, "ann").await, fill(&mut world, "bob").await);
    let sealed = store.account(ann).await.expect("read").expect("it is there").password;
    let column = SealedColumn::AccountPassword(ann);
    let was = Unopened { column: column.clone(), sealed: Sealed(vec![9]) };
    store.set_aside_unopened(was).await.expect("passed over");
    assert_eq!(counted(&store, "accounts").await, (0, 0));
    for _ in 0..2 {
        store.set_aside_unopened(Unopened { column: column.clone(), sealed: sealed.clone() }).await.expect("set aside");
        assert_eq!(counted(&store, "accounts").await, (1, 1), "it stays so");
    }
    assert_eq!(store.damaged_rows(ann).await.expect("looked up")[0].column, "password");
    assert_eq!(store.damaged_rows(bob).await.expect("looked up"), []);
    let due = async |world: &World, account| {
        let polls = world.store().poll_status(account).await.expect("polls");
        polls.iter().filter(|poll| poll.next_due.is_some()).count()
    };
    assert_eq!((due(&world, ann).await, due(&world, bob).await), (0, 2));
    // What is sealed of its hooks is bound to its names: the account is named, and they are not.
    let hook = store.hook(&world.place(ann, HookId(1))).await.expect("read").expect("it is there");
    let unopened = Unopened { column: SealedColumn::HookSecret(hook.id), sealed: hook.secrets.current };
    store.set_aside_unopened(unopened).await.expect("set aside");
    assert_eq!(counted(&store, "hooks").await, (0, 0));
    let damaged = store.damaged_hook(&world.place(ann, hook.id)).await.expect("asked").expect("it is damaged");
    assert_eq!(damaged.reason, "account: it is damaged itself");

    world.wait(Duration::from_secs(120));
    let enrolment = crate::store::Enrolment {
        key: key("ann"),
        origin: crate::model::Origin::Client,
        password: Sealed(vec![7]),
        now: world.now,
    };
    assert_eq!(store.enrol(enrolment).await.expect("enrolled"), ann);
    assert_eq!(due(&world, ann).await, 2);
    assert_eq!(counted(&store, "accounts").await, (0, 1));
    assert_eq!(store.damaged_rows(ann).await.expect("looked up"), []);
}

#[tokio::test]
async fn what_a_driver_remembers_and_does_not_open_is_forgotten() {
    let (mut world, store) = world();
    let ann = fill(&mut world, "ann").await;
    fill(&mut world, "bob").await;
    let column = || SealedColumn::Session { account: key("ann"), driver: "digest".into() };
    store.set_aside_unopened(Unopened { column: column(), sealed: Sealed(vec![9]) }).await.expect("passed over");
    assert_eq!(store.sessions(None, 10).await.expect("read").sessions.len(), 2);
    store.set_aside_unopened(Unopened { column: column(), sealed: Sealed(vec![1]) }).await.expect("set aside");
    let left = store.sessions(None, 10).await.expect("read").sessions;
    assert_eq!(left.iter().map(|session| &session.account).collect::<Vec<_>>(), [&key("bob")]);
    assert_eq!(counted(&store, "sessions").await.1, 1);
    assert_eq!(store.tokens(ann, None, 10).await.expect("tokens").len(), 1, "nothing else is touched");
}

/// Claims, lists and polls: ann's account is not there, and is named once.
async fn named_once(world: &mut World, round: usize) {
    let ann = AccountId(1);
    world.wait(Duration::from_secs(60));
    for _ in 0..3 {
        let claimed = world.claim().await;
        assert!(claimed.iter().all(|delivery| delivery.change.account.user == "bob"), "{round}");
        assert!(world.claim_polls(10).await.iter().all(|ticket| ticket.account.id != ann), "{round}");
        as_ann_sees_it(world, ann).await;
    }
    let store = world.store();
    let held = store.held().await.expect("held");
    let of = |table: &str| held.damaged_rows.iter().find(|rows| rows.table == table).map_or(0, |rows| rows.found);
    assert_eq!((of("accounts"), of("deliveries"), of("hooks")), (1, 0, 0), "{round}: {:?}", held.damaged_rows);
    let all = store.all_damaged_rows().await.expect("looked up");
    let (account, named) = all.iter().find(|(_, row)| row.table == "accounts").expect("it is named");
    assert_eq!((*account, named.key.as_str(), named.column.as_str()), (Some(ann), "1", "id"));
    assert_eq!(named.reason, "no account has this number, though other rows name it");
}

#[tokio::test]
async fn an_account_that_is_not_there_is_named_once_whatever_names_it() {
    let (mut world, store) = world();
    fill(&mut world, "ann").await;
    let bob = fill(&mut world, "bob").await;
    world.wait(Duration::from_secs(60));
    execute(&store, "UPDATE accounts SET id = 77 WHERE id = 1").await;
    named_once(&mut world, 0).await;
    assert!(!store.remove_damaged_account(bob).await.expect("asked"));
    assert!(store.remove_damaged_account(AccountId(1)).await.expect("removed"));
    assert!(!store.remove_damaged_account(AccountId(1)).await.expect("asked"));
    assert_eq!(counted(&store, "accounts").await, (0, 1));

    // So it is where the file is found like that.
    let directory = TempDir::new().expect("a folder");
    std::fs::copy(file(&template().await), file(&directory)).expect("copied");
    assert!(damage(&file(&directory), "accounts", "id = 1", "id", "77"));
    let mut world = World::new(Box::new(lab(directory)));
    for round in 1..3 {
        named_once(&mut world, round).await;
        world.crash();
    }
}
