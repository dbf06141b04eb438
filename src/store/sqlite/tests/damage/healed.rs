//! A damaged row is shown and counted until it is removed, rewritten, or replaced by newer data.

use std::sync::Arc;

use super::super::super::fair_pool::Flow;
use super::super::world;
use super::*;
use crate::store::contract::plainly::{Plainly as _, once};
use crate::store::{
    Accounts as _, Hooks as _, Journal as _, KeptChanges, Polls as _, Repeats as _, Replay, Sweep, Tokens as _, Written,
};

/// How many rows of a table are damaged now, and how many were found.
pub(super) async fn counted(store: &SqliteStore, table: &str) -> (u64, u64) {
    let held = store.held().await.expect("held");
    held.damaged_rows.iter().find(|rows| rows.table == table).map_or((0, 0), |rows| (rows.now, rows.found))
}

pub(super) async fn execute(store: &Arc<SqliteStore>, sql: &'static str) {
    store.execute("PRAGMA ignore_check_constraints = ON").await.expect("lax");
    store.execute(sql).await.expect("written");
}

#[tokio::test]
async fn a_damaged_time_of_the_newest_change_passes_to_no_later_one() {
    for damage in ["4611686018427387904", "9223372036854775807", "'?'", "x'00'", "-1"] {
        let (mut world, store) = world();
        let (ann, bob) = (world.client("ann").await, world.client("bob").await);
        world.observe(ann, &[("i-1", Running)]).await;
        let sql = format!("UPDATE changes SET latest = {damage} WHERE sequence = (SELECT MAX(sequence) FROM changes)");
        store.execute("PRAGMA ignore_check_constraints = ON").await.expect("lax");
        store.execute(sql.leak()).await.expect("written");
        world.wait(Duration::from_secs(60));
        world.observe(bob, &[("i-1", Running)]).await;
        let wrong = "SELECT COUNT(*) FROM changes WHERE account = ?1 AND latest IS NOT recorded";
        let wrong: i64 = store
            .read(Flow::Host, move |reading| Ok(reading.query_row(wrong, [bob.0], |row| row.get(0))?))
            .await
            .expect("counted");
        assert_eq!(wrong, 0, "{damage}");
    }
}

#[tokio::test]
async fn a_damaged_last_number_leaves_numbers_for_new_rows() {
    for damage in ["9223372036854775807", "-1", "'?'", "x'00'", "NULL"] {
        let directory = TempDir::new().expect("a folder");
        drop(open(&directory, settings()));
        let connection = Connection::open(file(&directory)).expect("a database");
        for table in ["accounts", "changes", "hooks", "tokens", "histories"] {
            let sql = format!("DELETE FROM sqlite_sequence WHERE name = '{table}'");
            connection.execute(&sql, ()).expect("written");
            let sql = format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('{table}', {damage})");
            connection.execute(&sql, ()).expect("written");
        }
        drop(connection);
        let world = World::new(Box::new(lab(directory)));
        let ann = world.client("ann").await;
        world.observe(ann, &[("i-1", Running)]).await;
        world.store().set_hook(world.new_hook(ann, "i-1")).await.expect(damage);
    }
}

#[tokio::test]
async fn a_row_that_is_removed_or_healed_is_counted_no_more() {
    let (mut world, store) = world();
    let ann = fill(&mut world, "ann").await;
    world.wait(Duration::from_secs(60));
    let is_shown =
        async |table: &str| store.damaged_rows(ann).await.expect("looked up").iter().any(|row| row.table == table);

    execute(&store, "UPDATE hooks SET url = '/' WHERE id = 1").await;
    store.hooks(ann, &Owner::Account, None, 100).await.expect("hooks");
    assert_eq!((counted(&store, "hooks").await, is_shown("hooks").await), ((1, 1), true));
    assert!(store.remove_hook(&world.place(ann, HookId(1))).await.expect("removed"));
    assert_eq!((counted(&store, "hooks").await, is_shown("hooks").await), ((0, 1), false));

    execute(&store, "UPDATE deliveries SET history = -1 WHERE hook = 2 AND due IS NOT NULL").await;
    world.claim().await;
    let (now, _) = counted(&store, "deliveries").await;
    assert!(now > 0 && is_shown("deliveries").await);
    let place = world.place(ann, HookId(2));
    assert_eq!(store.count_damaged_deliveries(&place).await.expect("counted"), now);
    assert!(store.remove_hook(&place).await.expect("removed"));
    assert_eq!(counted(&store, "deliveries").await, (0, now));

    execute(&store, "UPDATE resources SET state = 99 WHERE id = 'i-1'").await;
    world.list(ann, query()).await;
    assert_eq!((counted(&store, "resources").await, is_shown("resources").await), ((1, 1), true));
    let ticket = world.ticket(ann, Kind::Instance).await;
    store.record_poll_failure(world.failure(&ticket)).await.expect("recorded");
    assert_eq!(counted(&store, "resources").await, (1, 1), "nothing was listed anew");
    world.observe(ann, &[("i-1", Running), ("i-2", Running)]).await;
    assert_eq!((counted(&store, "resources").await, is_shown("resources").await), ((0, 1), false));

    execute(&store, "UPDATE polls SET pace = '?' WHERE kind = 0").await;
    store.poll_status(ann).await.expect("polls");
    assert_eq!(counted(&store, "polls").await, (1, 1));
    world.observe(ann, &[("i-1", Running), ("i-2", Running)]).await;
    assert_eq!(counted(&store, "polls").await, (0, 1));

    execute(&store, "UPDATE accounts SET origin = '?'").await;
    store.account(ann).await.expect("asked");
    assert_eq!((counted(&store, "accounts").await, is_shown("accounts").await), ((1, 1), true));
    assert_eq!(world.client("ann").await, ann);
    assert_eq!((counted(&store, "accounts").await, is_shown("accounts").await), ((0, 1), false));

    execute(&store, "UPDATE tokens SET scope = '?'").await;
    let tokens = store.tokens(ann, None, 100).await.expect("tokens");
    let damaged = tokens[0].as_ref().expect_err("it can't be read");
    assert!(damaged.reason.starts_with("scope: "), "{}", damaged.reason);
    assert_eq!((counted(&store, "tokens").await, is_shown("tokens").await), ((1, 1), true));
    assert!(store.revoke_token(ann, damaged.id).await.expect("revoked"));
    assert_eq!((counted(&store, "tokens").await, is_shown("tokens").await), ((0, 1), false));

    // What a hook is still owed is not forgotten.
    for hook in store.hooks(ann, &Owner::Account, None, 100).await.expect("hooks") {
        let hook = hook.expect("it is whole").id;
        assert!(store.remove_hook(&world.place(ann, hook)).await.expect("removed"));
    }
    execute(&store, "UPDATE changes SET type = '?' WHERE sequence = (SELECT MIN(sequence) FROM changes)").await;
    store.changes_of_all(0, 100).await.expect("all");
    assert_eq!((counted(&store, "changes").await, is_shown("changes").await), ((1, 1), true));
    execute(&store, "UPDATE versions SET state = 99").await;
    world.list(ann, ListQuery { at: Some(Timestamp::from_millis(FIRST)), ..query() }).await;
    assert!(counted(&store, "versions").await.0 > 0);
    world.wait(Duration::from_secs(60));
    world.observe(ann, &[("i-1", Stopped), ("i-2", Running)]).await;
    world.wait(Duration::from_secs(60));
    world.observe(ann, &[("i-1", Running), ("i-2", Running)]).await;
    let kept = KeptChanges { since: world.now.after(Duration::from_secs(60)), changes: 0 };
    let mut sweep = Some(Sweep::default());
    while let Some(next) = sweep {
        sweep = store.forget_changes(kept, next).await.expect("forgotten");
    }
    assert_eq!((counted(&store, "changes").await.0, counted(&store, "versions").await.0), (0, 0));
    assert_eq!(store.damaged_rows(ann).await.expect("looked up"), []);
}

#[tokio::test]
async fn a_request_whose_answer_cannot_be_read_is_not_made_again() {
    let (mut world, store) = world();
    let ann = world.client("ann").await;
    let asked = async |world: &World| store.find_answer(&request(world, ann)).await.expect("asked");
    assert_eq!(asked(&world).await, None);
    let of_request = request(&world, ann);
    store.create_token(token(&world, ann, 9), once(&of_request, &Sealed(vec![1]))).await.expect("made");
    assert_eq!(asked(&world).await, Some(Replay::Answered(Sealed(vec![1]))));
    execute(&store, "UPDATE requests SET fingerprint = x'01'").await;
    for _ in 0..2 {
        assert_eq!(asked(&world).await, Some(Replay::Lost));
        let again = store.create_token(token(&world, ann, 8), once(&request(&world, ann), &Sealed(vec![2]))).await;
        assert_eq!(again.expect("asked"), Written::Replayed(Replay::Lost));
        assert_eq!(counted(&store, "requests").await, (1, 1));
    }
    let rows = store.damaged_rows(ann).await.expect("looked up");
    assert_eq!((rows[0].table, rows[0].column.as_str()), ("requests", "fingerprint"));
    world.wait(Duration::from_secs(61));
    assert_eq!(asked(&world).await, None, "what is old enough is forgotten");
    store.create_token(token(&world, ann, 7), once(&request(&world, ann), &Sealed(vec![3]))).await.expect("made");
    assert_eq!(counted(&store, "requests").await, (0, 1));
}

/// What of the account with the number 1 is in the file.
fn left_of_ann(path: &Path) -> i64 {
    let connection = Connection::open(path).expect("opened");
    let tables = ["accounts WHERE id", "hooks WHERE account", "tokens WHERE account", "polls WHERE account"];
    let more = [
        "resources WHERE account",
        "versions WHERE account",
        "histories WHERE account",
        "changes WHERE account",
        "flaps WHERE account",
    ];
    let count = |of: &&str| -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {of} = 1");
        connection.query_row(&sql, (), |row| row.get(0)).expect("counted")
    };
    tables.iter().chain(&more).map(count).sum()
}

#[tokio::test]
async fn an_account_whose_names_are_damaged_is_set_aside_as_a_whole_and_can_be_removed() {
    let template = template().await;
    for column in ["driver", "provider", "user"] {
        for value in ["x'ff'", "CAST(x'ff' AS TEXT)"] {
            let directory = TempDir::new().expect("a folder");
            std::fs::copy(file(&template), file(&directory)).expect("copied");
            assert!(damage(&file(&directory), "accounts", "id = 1", column, value));
            let path = file(&directory);
            let (ann, bob) = (AccountId(1), AccountId(2));
            let mut world = World::new(Box::new(lab(directory)));
            let case = format!("{column} = {value}");
            for round in 0..2 {
                world.wait(Duration::from_secs(60));
                let arrived = world.claim().await;
                assert!(arrived.iter().all(|delivery| delivery.change.account.user == "bob"), "{case}");
                assert_eq!(arrived.is_empty(), round > 0, "{case}");
                for delivery in arrived {
                    world.settle(&delivery, Outcome::Delivered).await;
                }
                world.drain().await;
                as_ann_sees_it(&world, ann).await;
                world.observe(bob, &[("i-1", Running)]).await;
                world.drain().await;
                let held = world.store().held().await.expect("held");
                let now: Vec<_> = held.damaged_rows.iter().map(|rows| (rows.table, rows.now, rows.found)).collect();
                assert_eq!(now, [("accounts", 1, 1)], "{case}: it is named once, and nothing else is");
                let all = world.store().all_damaged_rows().await.expect("looked up");
                assert_eq!((all[0].0, all[0].1.key.as_str(), all[0].1.column.as_str()), (Some(ann), "1", column));
                assert!(world.next_delivery().await.is_none_or(|due| due > world.now), "{case}");
                world.crash();
            }
            let store = world.store();
            assert!(!store.remove_damaged_account(bob).await.expect("asked"), "his can be read");
            assert!(store.remove_damaged_account(ann).await.expect("removed"));
            assert!(!store.remove_damaged_account(ann).await.expect("asked"));
            assert_eq!(store.held().await.expect("held").damaged_rows.iter().map(|rows| rows.now).sum::<u64>(), 0);
            store.clear_dropped().await.expect("cleared");
            assert_eq!(left_of_ann(&path), 0, "{case}");
        }
    }
}

#[tokio::test]
async fn what_is_there_is_never_deleted_as_dropped() {
    let (mut world, store) = world();
    let ann = fill(&mut world, "ann").await;
    let hooks = store.count_hooks(ann).await.expect("counted");
    store.clear_dropped().await.expect("cleared");
    execute(&store, "INSERT INTO dropped VALUES (2, 1, 0), (1, 1, 1), (0, 0, 1), (7, 1, 1), (-1, 1, 0), (2, 1, 5)")
        .await;
    store.clear_dropped().await.expect("cleared");
    assert_eq!(store.count_hooks(ann).await.expect("counted"), hooks);
    assert_eq!(store.tokens(ann, None, 10).await.expect("read").len(), 1);
    assert_eq!(world.list(ann, query()).await, ["i-1", "i-2"]);
    assert_eq!(counted(&store, "dropped").await, (0, 6));
}
