//! What only the tables know of turns: that a start makes them anew from what waits.

use std::time::Duration;

use super::world;
use crate::model::InstanceState;
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
        .write(|writing| Ok(writing.connection.execute_batch("DELETE FROM queues; DELETE FROM destinations")?))
        .await
        .expect("emptied");
    assert!(world.claim().await.is_empty());
    store.write(|writing| super::super::turns::rebuild(writing.connection)).await.expect("made anew");
    world.wait(Duration::from_millis(1));
    let claimed = world.claim().await;
    assert_eq!(claimed.iter().map(told).collect::<Vec<_>>(), ["a ->RUNNING", "b ->RUNNING"]);
}
