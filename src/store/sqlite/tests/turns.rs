//! Turns in the tables: a start rebuilds them from the waiting work, and setting the clock leaves them as they are.

use std::time::Duration;

use super::super::fair_pool::Flow;
use super::world;
use crate::model::{InstanceState, Timestamp};
use crate::store::Accounts as _;
use crate::store::contract::world::told;

#[tokio::test]
async fn turns_are_made_anew_from_what_waits() {
    let (mut world, store) = world();
    let account = world.client("ann").await;
    for name in ["a", "b"] {
        world.hook(account, name).await;
    }
    world.observe(account, &[("a", InstanceState::Running), ("b", InstanceState::Running)]).await;
    store
        .write(Flow::Host, |writing| {
            Ok(writing.connection.execute_batch("DELETE FROM queues; DELETE FROM destinations")?)
        })
        .await
        .expect("emptied");
    assert!(world.claim().await.is_empty());
    store.write(Flow::Host, |writing| super::super::turns::rebuild(writing.connection)).await.expect("made anew");
    world.wait(Duration::from_millis(1));
    let claimed = world.claim().await;
    assert_eq!(claimed.iter().map(told).collect::<Vec<_>>(), ["a ->RUNNING", "b ->RUNNING"]);
}

#[tokio::test]
async fn a_clock_that_is_set_moves_what_is_to_come_and_leaves_what_is_due() {
    const HOUR: i64 = 3_600_000;
    for step in [HOUR, -HOUR] {
        let (mut world, store) = world();
        let account = world.client("ann").await;
        for name in ["a", "b"] {
            world.hook(account, name).await;
        }
        world.observe(account, &[("a", InstanceState::Running)]).await;
        let retried = world.claim().await.pop().expect("it is due");
        world.observe(account, &[("a", InstanceState::Running), ("b", InstanceState::Running)]).await;
        // What is due has been so for longer than the clock is set back.
        world.wait(Duration::from_millis(2 * HOUR.unsigned_abs()));
        world.retry(&retried).await;
        let dues = async || {
            let sql = "SELECT due FROM deliveries WHERE due IS NOT NULL ORDER BY attempts";
            let read = store.read(Flow::Host, |reading| {
                let mut select = reading.prepare(sql)?;
                let dues = select.query_map((), |row| row.get::<_, i64>(0))?;
                Ok(dues.collect::<rusqlite::Result<Vec<_>>>()?)
            });
            read.await.expect("read")
        };
        let (before, at) = (dues().await, world.now);
        assert!(before[0] <= at.as_millis() - HOUR && before[1] > at.as_millis(), "{before:?} at {at}");
        store.clock_set(step, at).await.expect("moved");
        world.now = Timestamp::from_millis(at.as_millis() + step);
        assert_eq!(dues().await, [before[0], before[1] + step]);

        assert_eq!(world.claim().await.iter().map(told).collect::<Vec<_>>(), ["b ->RUNNING"], "set by {step}");
        world.wait(Duration::from_millis((before[1] - at.as_millis()).unsigned_abs()));
        assert!(world.claim().await.iter().map(told).any(|told| told == "a ->RUNNING"), "set by {step}");
    }
}
