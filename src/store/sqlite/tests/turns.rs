//! The round in which hooks are served. A hook is on one resource only as yet; that the tables are made
//! for many lines a hook is shown by giving one hook the lines of others.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::queue;
use super::world;
use crate::model::InstanceState;
use crate::store::contract::world::told;

#[tokio::test]
async fn a_hook_with_many_lines_takes_its_turn_and_no_more_than_its_share() {
    let (mut world, store) = world();
    let account = world.client("ann").await;
    let long = world.hook(account, "a").await;
    for name in ["b", "c", "d"] {
        world.hook(account, name).await;
    }
    let first = ["a", "b", "c", "d"].map(|name| (name, InstanceState::Running));
    world.observe(account, &first).await;
    store
        .write(move |writing| {
            let mut hooks: BTreeSet<_> = (1..=4).map(crate::model::HookId).collect();
            writing.connection.execute("UPDATE deliveries SET hook = ?1", [long.0])?;
            hooks.insert(long);
            hooks.into_iter().try_for_each(|hook| queue::refresh(writing, hook, None))
        })
        .await
        .unwrap();
    world.wait(Duration::from_millis(1));
    let short = world.hook(account, "e").await;
    let both = [first.as_slice(), &[("e", InstanceState::Running)]].concat();
    world.observe(account, &both).await;

    // The long one has waited longest, and goes to the end of the round once it was served.
    world.wait(Duration::from_millis(1));
    let served: Vec<_> = [world.claim_within(1, 9, &[]).await, world.claim_within(1, 9, &[]).await].concat();
    assert_eq!(served.iter().map(|delivery| delivery.hook).collect::<Vec<_>>(), [long, short]);

    // Its lines are apart: while one is being sent the others may go, up to what the hook bears.
    let more = world.claim_within(9, 2, &[(long, 1)]).await;
    assert_eq!(more.iter().map(told).collect::<Vec<_>>(), ["b ->RUNNING"]);
    let rest = world.claim_within(9, 9, &[(long, 2)]).await;
    assert_eq!(rest.iter().map(told).collect::<Vec<_>>(), ["c ->RUNNING", "d ->RUNNING"]);
}
