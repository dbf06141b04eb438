//! The writer: waiting jobs commit together, a failing job fails alone, and a poll without changes costs next to
//! nothing.

use futures_util::future::{FutureExt, join_all};

use super::super::SqliteStore;
use super::super::fair_pool::Flow;
use super::super::fault::Fault;
use super::world;
use crate::model::{InstanceState, Kind, Resource};
use crate::store::contract::world::{World, instance, query};
use crate::store::{Accounts, Polls, StoreError, Upsert};

const RUNNING: InstanceState = InstanceState::Running;

/// How often a transaction that wrote something has committed.
async fn commits(store: &SqliteStore) -> i64 {
    // Each raises the file's change counter as other connections see it.
    store
        .read(Flow::Host, |reading| Ok(reading.pragma_query_value(None, "data_version", |row| row.get(0))?))
        .await
        .unwrap()
}

#[tokio::test]
async fn what_waits_together_commits_together_and_fails_alone() {
    let (_world, store) = world();
    let write = async |value: i64| {
        store
            .write(Flow::Host, move |writing| {
                writing
                    .connection
                    .execute("INSERT INTO meta (name, value) VALUES (?1, 1)", [format!("job {value}")])?;
                if value % 3 == 0 { Err(StoreError::from(Fault::Closed)) } else { Ok(value) }
            })
            .await
    };
    // The writer is kept busy until all the others wait.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let blocker = store.write(Flow::Host, move |_| Ok(wait.recv().is_ok()));
    let all = join_all((1..100).map(write));
    let release = async {
        tokio::task::yield_now().await;
        go.send(()).expect("the writer waits");
    };
    let (blocked, results, ()) = tokio::join!(blocker, all, release);
    assert!(blocked.unwrap());
    for (result, value) in results.iter().zip(1..) {
        assert_eq!(result.as_ref().ok(), (value % 3 != 0).then_some(&value));
    }
    let kept: i64 = store
        .read(Flow::Host, |reading| {
            Ok(reading.query_row("SELECT COUNT(*) FROM meta WHERE name LIKE 'job %'", (), |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(kept, 66);
}

#[tokio::test]
async fn a_caller_that_gave_up_has_nothing_written() {
    let (_world, store) = world();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let blocker = store.write(Flow::Host, move |_| Ok(wait.recv().is_ok()));
    let given_up = async {
        let write = store.write(Flow::Host, |writing| {
            Ok(writing.connection.execute("INSERT INTO meta (name, value) VALUES ('given up', 1)", ())?)
        });
        assert!(write.now_or_never().is_none());
    };
    let release = async {
        given_up.await;
        go.send(()).expect("the writer waits");
    };
    let (blocked, ()) = tokio::join!(blocker, release);
    assert!(blocked.unwrap());
    let known = store
        .read(Flow::Host, |reading| {
            Ok(reading.prepare_cached("SELECT 1 FROM meta WHERE name = 'given up'")?.exists(())?)
        })
        .await
        .unwrap();
    assert!(!known);
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_passes() {
    let (world, store) = world();
    let account = world.client("ann").await;
    world.observe(account, &[("i-1", RUNNING)]).await;
    let limit = async |pages: i64| {
        store
            .write(Flow::Host, move |writing| Ok(writing.connection.pragma_update(None, "max_page_count", pages)?))
            .await
            .unwrap();
    };
    // No lower than what is there.
    limit(1).await;
    let ticket = world.ticket(account, Kind::Instance).await;
    let error = store.record_poll(many(&world, &ticket, 2000)).await.expect_err("there is no room");
    assert!(matches!(&error, StoreError::Full(_)), "{error}");
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(world.known(account).await.len(), 1, "nothing of it was kept");

    limit(1 << 30).await;
    store.record_poll(many(&world, &ticket, 2000)).await.expect("there is room again");
    assert_eq!(world.known(account).await.len(), 2001);
}

#[tokio::test]
async fn a_write_that_panics_fails_alone_and_the_store_goes_on() {
    let (world, store) = world();
    let insert = |name: &'static str| {
        store.write(Flow::Host, move |writing| {
            writing.connection.execute("INSERT INTO meta (name, value) VALUES (?1, 1)", [name])?;
            assert_ne!(name, "panics", "as asked");
            Ok(())
        })
    };
    let (first, panics, last) = tokio::join!(insert("first"), insert("panics"), insert("last"));
    let error = panics.expect_err("it panicked").to_string();
    assert!(error.contains("as asked"), "{error}");
    (first.and(last)).expect("the others were written");
    let kept: String = store
        .read(Flow::Host, |reading| {
            let sql = "SELECT group_concat(name) FROM meta WHERE name IN ('first', 'panics', 'last')";
            Ok(reading.query_row(sql, (), |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(kept.split(',').count(), 2, "{kept}");
    assert!(!kept.contains("panics"), "{kept}");
    world.client("ann").await;

    let read = store.read(Flow::Host, |_| -> crate::store::Result<()> { panic!("as asked") }).await;
    assert!(read.is_err());
    for _ in 0..10 {
        store.ping().await.expect("each connection that reads is there again");
    }
}

#[tokio::test]
async fn nothing_is_written_after_sqlite_took_a_transaction_back() {
    let (_world, store) = world();
    store
        .execute(
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON meta WHEN NEW.name = 'broken'
                   BEGIN SELECT RAISE(ROLLBACK, 'as asked'); END",
        )
        .await
        .unwrap();
    let insert = |name: &'static str| {
        store.write(Flow::Host, move |writing| {
            let inserted = writing.connection.execute("INSERT INTO meta (name, value) VALUES (?1, 1)", [name]);
            // Even a write that passes over an error must not go on in a transaction of its own.
            Ok(inserted.is_ok())
        })
    };
    let (before, broken, after) = tokio::join!(insert("before"), insert("broken"), insert("after"));
    assert!(broken.is_err());
    let kept = store.read(Flow::Host, |reading| {
        let sql = "SELECT COUNT(*) FROM meta WHERE name IN ('before', 'broken', 'after')";
        Ok(reading.query_row(sql, (), |row| row.get::<_, i64>(0))?)
    });
    let answered = [before, after].iter().filter(|answer| matches!(answer, Ok(true))).count() as i64;
    assert_eq!(kept.await.unwrap(), answered, "what was answered is there, and nothing else");
}

#[tokio::test]
async fn readiness_is_proven_by_a_commit_alone() {
    let (_world, store) = world();
    store.ping().await.expect("it can be written");
    store.ping().await.expect("it was just proven");
    let rows_written =
        async || -> u64 { store.write(Flow::Host, |writing| Ok(writing.connection.total_changes())).await.unwrap() };
    let before = rows_written().await;
    store.ping().await.expect("it was just proven");
    assert_eq!(rows_written().await, before, "no prober makes it busy");

    // A transaction that does not commit ends the proof, and one of its own does not begin another.
    store
        .execute(
            "CREATE TEMP TRIGGER broken BEFORE UPDATE ON meta WHEN NEW.name = 'pings'
                   BEGIN SELECT RAISE(ROLLBACK, 'as asked'); END;
                   CREATE TEMP TRIGGER broken_too BEFORE INSERT ON meta WHEN NEW.name = 'broken'
                   BEGIN SELECT RAISE(ROLLBACK, 'as asked'); END",
        )
        .await
        .unwrap();
    let broken = store.write(Flow::Host, |writing| {
        Ok(writing.connection.execute("INSERT INTO meta (name, value) VALUES ('broken', 1)", ())?)
    });
    assert!(broken.await.is_err());
    for _ in 0..3 {
        assert!(store.ping().await.is_err(), "nothing was written");
    }
    store.execute("DROP TRIGGER broken").await.unwrap();
    store.ping().await.expect("it can be written again");
}

fn many(world: &World, ticket: &crate::store::PollTicket, number: usize) -> crate::store::PollRecord {
    let mut record = world.record(ticket);
    for number in 0..number {
        let resource = Resource::Instance(instance(&format!("i-{number:08x}-many"), RUNNING));
        record.upserts.push(Upsert { resource, fingerprint: number as u64, state_changed: true, change: None });
    }
    record
}

#[tokio::test]
async fn a_poll_that_saw_nothing_new_writes_only_of_itself() {
    let (mut world, store) = world();
    let account = world.client("ann").await;
    let ticket = world.ticket(account, Kind::Instance).await;
    store.record_poll(many(&world, &ticket, 5000)).await.unwrap();
    let rows_written =
        async || -> u64 { store.write(Flow::Host, |writing| Ok(writing.connection.total_changes())).await.unwrap() };
    world.wait(crate::store::contract::world::POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    let before = rows_written().await;
    store.record_poll(world.record(&ticket)).await.unwrap();
    // And the turn of its endpoint.
    assert_eq!(rows_written().await - before, 2);
    let seen = world.store().list(account, query()).await.unwrap();
    assert!(seen.iter().all(|seen| seen.last_seen == world.now), "and yet each was seen just now");
}

#[tokio::test]
async fn reading_and_enrolling_again_commit_nothing() {
    let (mut world, store) = world();
    let account = world.client("ann").await;
    let before = commits(&store).await;
    for _ in 0..10 {
        world.wait(std::time::Duration::from_secs(5));
        world.client("ann").await;
        store.account(account).await.unwrap();
        world.claim_polls(10).await;
        world.claim().await;
    }
    assert_eq!(commits(&store).await, before);
    world.wait(std::time::Duration::from_secs(60));
    world.client("ann").await;
    assert_ne!(commits(&store).await, before, "that it is used is noted now and then");
}
