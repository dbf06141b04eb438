//! The sessions of drivers.

use std::time::Duration;

use super::world::{World, key};
use crate::model::Sealed;
use crate::store::{SessionContent, StoredSession};

fn session(world: &World, user: &str, driver: &str, seconds: u64, sealed: u8) -> StoredSession {
    let until = world.now.after(Duration::from_secs(seconds));
    let content = Some(SessionContent { until, sealed: Sealed(vec![sealed]) });
    StoredSession { account: key(user), driver: driver.into(), content }
}

async fn save(world: &World, sessions: &[StoredSession]) -> Vec<bool> {
    world.store().save_sessions(sessions.to_vec()).await.expect("saved")
}

/// All of them, page by page.
async fn all(world: &World, limit: usize) -> Vec<StoredSession> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = world.store().sessions(after, limit).await.expect("read");
        assert!(page.sessions.len() <= limit);
        all.extend(page.sessions);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

pub(crate) async fn a_session_is_kept_for_its_account_and_driver(mut world: World) {
    for user in ["ann", "bob"] {
        world.client(user).await;
    }
    let ann = [session(&world, "ann", "one", 60, 1), session(&world, "ann", "two", 60, 2)];
    let bob = session(&world, "bob", "one", 60, 3);
    let nobody = session(&world, "nobody", "one", 60, 4);
    let saved = save(&world, &[ann[0].clone(), ann[1].clone(), nobody, bob.clone()]).await;
    assert_eq!(saved, [true, true, false, true], "nobody is known by that name");
    let want = [ann[0].clone(), ann[1].clone(), bob.clone()];
    for limit in [1, 2, 3, 10] {
        assert_eq!(all(&world, limit).await, want, "in pages of {limit}");
    }
    let later = session(&world, "ann", "one", 120, 5);
    let gone = StoredSession { content: None, ..ann[1].clone() };
    let never = StoredSession { driver: "three".into(), ..gone.clone() };
    assert_eq!(save(&world, &[later.clone(), gone, never]).await, [true, true, true]);
    world.crash();
    assert_eq!(all(&world, 10).await, [later, bob]);
}

pub(crate) async fn a_session_goes_when_it_runs_out_and_with_its_account(mut world: World) {
    for user in ["ann", "bob"] {
        world.client(user).await;
    }
    let short = session(&world, "ann", "one", 60, 1);
    let long = [session(&world, "ann", "two", 7200, 2), session(&world, "bob", "one", 7200, 3)];
    save(&world, &[short, long[0].clone(), long[1].clone()]).await;
    world.wait(Duration::from_secs(60));
    world.store().forget_sessions(world.now).await.expect("forgotten");
    assert_eq!(all(&world, 10).await, long);
    world.wait(Duration::from_secs(3600));
    world.client("bob").await;
    assert_eq!(world.store().forget_idle_accounts(world.now).await.expect("forgotten"), 1);
    assert_eq!(all(&world, 10).await, long[1..]);
    world.client("ann").await;
    assert_eq!(all(&world, 10).await, long[1..], "whoever comes anew begins anew");
}
