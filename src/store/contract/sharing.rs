//! How accounts share claims, and how destinations do that answer and that do not.

use std::collections::HashMap;
use std::time::Duration;

use super::random::Dice;
use super::room::GivenRoom;
use super::world::{World, spec};
use crate::model::breaker::Standing;
use crate::model::{AccountId, HookId, HookSpec, HookUrl, InstanceState};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{DeliveryClaim, DueDelivery, Free, InFlight, Outcome};

const PENDING: InstanceState = InstanceState::Pending;

/// A hook that hears of everything of an account that has a baseline.
async fn hook(world: &World, account: AccountId, url: &str) -> HookId {
    let url = HookUrl::parse(url).expect(url);
    world.filtering(account, HookSpec { url, ..spec("x") }).await
}

async fn client(world: &mut World, user: &str) -> AccountId {
    let account = world.client(user).await;
    world.observe(account, &[]).await;
    account
}

/// So many instances appear in an account at once.
async fn burst(world: &mut World, account: AccountId, number: usize) {
    let names: Vec<String> = (0..number).map(|number| format!("i-{number:04}")).collect();
    let seen: Vec<_> = names.iter().map(|name| (name.as_str(), PENDING)).collect();
    world.observe(account, &seen).await;
    world.wait(Duration::from_millis(1));
}

async fn claim(world: &World, limit: usize, room: GivenRoom) -> Vec<DueDelivery> {
    let claim = DeliveryClaim { limit, ..world.claim_with(room) };
    world.store().claim_due_deliveries(claim).await.expect("claim")
}

fn count(claimed: &[DueDelivery], is: impl Fn(&DueDelivery) -> bool) -> usize {
    claimed.iter().filter(|delivery| is(delivery)).count()
}

/// However many hooks with a backlog another account has at the same destination, the first claim after a change
/// takes it.
pub(crate) async fn a_backlog_of_one_account_delays_no_other_at_its_destination(mut world: World) {
    let ann = client(&mut world, "ann").await;
    let ben = client(&mut world, "ben").await;
    for number in 0..50 {
        hook(&world, ann, &format!("https://shared.example/{number}")).await;
    }
    let fresh = hook(&world, ben, "https://shared.example/ben").await;
    burst(&mut world, ann, 20).await;
    let destination = "https://shared.example";
    for _ in 0..5 {
        let claimed = claim(&world, 16, GivenRoom { per_destination: 8, ..GivenRoom::ample() }).await;
        assert_eq!(claimed.len(), 8);
        for delivery in &claimed {
            world.settle(delivery, Outcome::Delivered).await;
        }
        world.landed(destination, Standing::Proven).await;
        world.wait(Duration::from_millis(10));
    }
    burst(&mut world, ben, 1).await;
    let mut claims = 0;
    loop {
        claims += 1;
        let claimed = claim(&world, 16, GivenRoom { per_destination: 8, ..GivenRoom::ample() }).await;
        world.landed(destination, Standing::Proven).await;
        world.wait(Duration::from_millis(10));
        if count(&claimed, |delivery| delivery.id.hook == fresh) > 0 {
            break;
        }
    }
    assert!(claims <= 2, "the change waited for {claims} claims");
}

/// Three accounts have a backlog at a hundred destinations each, of any standing, some without room. A claim of 16 still
/// has what comes fresh for a fourth, at a destination of its own or at one that it shares with them.
pub(crate) async fn a_fresh_change_waits_for_few_claims_however_many_destinations_others_have(mut world: World) {
    const LIMIT: usize = 16;
    const HOGS: [&str; 3] = ["ann", "cat", "dan"];
    const DESTINATIONS: usize = 100;
    let mut dice = Dice(0x2026_1128);
    let name = |user: &str, number: usize| format!("https://{user}-{number}.example");
    for user in HOGS {
        let hog = client(&mut world, user).await;
        for number in 0..DESTINATIONS {
            hook(&world, hog, &name(user, number)).await;
            world.landed(&name(user, number), [Standing::Proven, Standing::Unproven, Standing::Slow][number % 3]).await;
        }
        burst(&mut world, hog, 40).await;
    }
    let ben = client(&mut world, "ben").await;
    let places = [name("ben", 0), name("ann", 0), name("cat", 1), name("dan", 2)];
    let mut hooks = Vec::new();
    for place in &places {
        hooks.push(hook(&world, ben, &format!("{place}/ben")).await);
    }
    for number in 0..4 {
        hooks.push(hook(&world, ben, &format!("{}/{number}", places[0])).await);
    }
    let mut instances = 0;
    for round in 0..40 {
        let mut room = GivenRoom { per_destination: 8, ..GivenRoom::ample() };
        // At times nearly all of them are full.
        for _ in 0..dice.below(600) {
            let full = name(HOGS[dice.index(3)], dice.index(DESTINATIONS));
            if !places.contains(&full) {
                room.destinations.insert(full, 0);
            }
        }
        // Each hook hears of each change.
        let number = 1 + dice.index(2);
        instances += number;
        burst(&mut world, ben, instances).await;
        let mut missing = number * hooks.len();
        for claims in 1.. {
            let claimed = claim(&world, LIMIT, room.clone()).await;
            assert!(!claimed.is_empty(), "round {round}: nothing is claimed, with {missing} to claim");
            for delivery in &claimed {
                let standing = delivery.recipient.standing;
                world.settle(delivery, Outcome::Delivered).await;
                world.landed(&delivery.recipient.destination, standing).await;
            }
            missing -= count(&claimed, |delivery| hooks.contains(&delivery.id.hook));
            world.wait(Duration::from_millis(1 + dice.below(20)));
            if missing == 0 {
                break;
            }
            // A quarter of half of each claim is ben's, and a claim may have begun with another.
            assert!(claims < 1 + (number * hooks.len()).div_ceil(LIMIT / 8), "round {round}: {missing} wait still");
        }
        if dice.below(10) == 0 {
            world.crash();
        }
    }
}

pub(crate) async fn an_account_that_has_its_share_in_flight_leaves_the_rest_to_others(mut world: World) {
    let ann = client(&mut world, "ann").await;
    let ben = client(&mut world, "ben").await;
    let a = hook(&world, ann, "https://a.example/").await;
    let b = hook(&world, ben, "https://b.example/").await;
    for destination in ["https://a.example", "https://b.example"] {
        world.landed(destination, Standing::Proven).await;
    }
    burst(&mut world, ann, 100).await;
    burst(&mut world, ben, 3).await;
    let free = Free { slots: 400, all: 100, reserve: 10, probation: 100, late: 100 };
    let accounts = HashMap::from([(ann, InFlight { all: 300, probation: 0 })]);
    let claimed = claim(&world, 50, GivenRoom { free, accounts, ..GivenRoom::ample() }).await;
    assert_eq!([a, b].map(|hook| count(&claimed, |delivery| delivery.id.hook == hook)), [0, 3]);
}

/// What destinations on probation have to send takes their share and no more; those that answered late, or not at
/// all, come after those that may well answer. A crash changes nothing of that.
pub(crate) async fn destinations_on_probation_have_a_share_of_their_own(mut world: World) {
    let ann = client(&mut world, "ann").await;
    for number in 0..30 {
        hook(&world, ann, &format!("https://d-{number}.example/")).await;
    }
    burst(&mut world, ann, 2).await;
    let name = |number: usize| format!("https://d-{number}.example");
    for number in 0..30 {
        let standing = match number {
            0..20 => Standing::TimedOut,
            20..25 => Standing::Unproven,
            _ => Standing::Proven,
        };
        world.landed(&name(number), standing).await;
    }
    let room = || GivenRoom {
        free: Free { slots: 1000, all: 1000, reserve: 0, probation: 40, late: 3 },
        per_destination: 1,
        ..GivenRoom::ample()
    };
    let shares = |claimed: &[DueDelivery]| {
        [Standing::Proven, Standing::Unproven, Standing::TimedOut]
            .map(|standing| count(claimed, |delivery| delivery.recipient.standing == standing))
    };
    assert_eq!(shares(&claim(&world, 100, room()).await), [5, 5, 3]);
    world.crash();
    // Nothing is proven to a host that starts, but it knows what was slow.
    assert_eq!(shares(&claim(&world, 100, room()).await), [0, 10, 3]);
    world.crash();
    let free = Free { slots: 1000, all: 1000, reserve: 0, probation: 0, late: 0 };
    assert!(claim(&world, 100, GivenRoom { free, ..room() }).await.is_empty());
    // Those that were proven before come first.
    let free = Free { slots: 1000, all: 1000, reserve: 0, probation: 10, late: 3 };
    let claimed = claim(&world, 100, GivenRoom { free, ..room() }).await;
    let before = (25..30).map(name).collect::<Vec<_>>();
    assert_eq!(count(&claimed, |delivery| before.contains(&delivery.recipient.destination.to_string())), 5);
}

pub(crate) async fn a_destination_without_room_waits_for_an_attempt_to_end(mut world: World) {
    let ann = client(&mut world, "ann").await;
    hook(&world, ann, "https://a.example/").await;
    burst(&mut world, ann, 3).await;
    let one = || GivenRoom { per_destination: 1, ..GivenRoom::ample() };
    let claimed = claim(&world, 10, one()).await;
    assert_eq!(claimed.len(), 1);
    world.wait(Duration::from_millis(1));
    assert!(claim(&world, 10, GivenRoom::ample()).await.is_empty(), "it had no room, and nothing has ended since");
    // What comes meanwhile changes nothing of it.
    world.wait(Duration::from_secs(1));
    burst(&mut world, ann, 4).await;
    assert!(claim(&world, 10, GivenRoom::ample()).await.is_empty());
    world.settle(&claimed[0], Outcome::Delivered).await;
    world.landed("https://a.example", Standing::Proven).await;
    assert_eq!(claim(&world, 10, GivenRoom::ample()).await.len(), 3);
}

/// A destination that has no hooks any more is forgotten, and one that gets a hook again begins on probation.
pub(crate) async fn the_standing_of_a_destination_goes_with_its_last_hook(mut world: World) {
    let ann = client(&mut world, "ann").await;
    let first = hook(&world, ann, "https://a.example/").await;
    burst(&mut world, ann, 1).await;
    world.landed("https://a.example", Standing::Proven).await;
    let claimed = world.claim().await;
    assert_eq!(claimed[0].recipient.standing, Standing::Proven);
    world.settle(&claimed[0], Outcome::Delivered).await;
    world.store().remove_hook(&world.place(ann, first)).await.expect("removed");
    hook(&world, ann, "https://a.example/").await;
    burst(&mut world, ann, 2).await;
    assert_eq!(world.claim().await[0].recipient.standing, Standing::Unproven);
}
