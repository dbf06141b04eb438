//! The endpoints of accounts, and their stored state.

use std::sync::Arc;
use std::time::Duration;

use super::world::{LEASE, World};
use crate::model::breaker::Standing;
use crate::model::{AccountId, AccountKey, Origin, Sealed, Share};
use crate::store::{Admission, Enrolment, PlacedProvider, PollClaim, PollNote, PollTicket};

const ENDPOINT: &str = "https://api.example";

/// An account of the configuration, whose polls are due at once.
async fn account(world: &World, provider: &str, user: &str) -> AccountId {
    let key = AccountKey { driver: "mock".into(), provider: provider.into(), user: user.into() };
    let enrolment = Enrolment { key, origin: Origin::Config, password: Sealed(vec![1]), now: world.now };
    world.store().enrol(enrolment).await.expect("enrolled")
}

async fn place(world: &World, providers: &[&str], endpoint: &str) {
    let placed = providers.iter().map(|provider| PlacedProvider {
        driver: "mock".into(),
        provider: (*provider).to_owned(),
        endpoint: endpoint.to_owned(),
    });
    world.store().place_providers(placed.collect()).await.expect("placed");
}

async fn claim(world: &World, notes: Vec<PollNote>) -> Vec<PollTicket> {
    let claim = PollClaim { notes, ..PollClaim::on_all(world.now, LEASE, 100) };
    world.store().claim_due_polls(claim).await.expect("claimed")
}

fn note(standing: Standing, held: Option<crate::model::Timestamp>) -> Vec<PollNote> {
    vec![PollNote::Endpoint { name: ENDPOINT.into(), standing, held }]
}

fn accounts(tickets: &[PollTicket]) -> Vec<AccountId> {
    let mut accounts: Vec<AccountId> = tickets.iter().map(|ticket| ticket.account.id).collect();
    accounts.sort();
    accounts
}

pub(crate) async fn what_is_known_of_an_endpoint_outlasts_a_crash(mut world: World) {
    place(&world, &["east"], ENDPOINT).await;
    account(&world, "east", "ann").await;
    let known = |standing| vec![(Arc::<str>::from(ENDPOINT), standing)];
    assert_eq!(world.store().endpoints().await.expect("read"), known(Standing::Unproven));
    for standing in [Standing::Proven, Standing::TimedOut] {
        claim(&world, note(standing, None)).await;
        world.crash();
        assert_eq!(world.store().endpoints().await.expect("read"), known(standing));
    }
}

/// A note on an endpoint holds for all providers that are placed there, and for no other.
pub(crate) async fn providers_at_one_endpoint_are_held_together(mut world: World) {
    let ann = account(&world, "east", "ann").await;
    let ben = account(&world, "west", "ben").await;
    let cat = account(&world, "south", "cat").await;
    place(&world, &["east", "west"], ENDPOINT).await;
    let until = world.now.after(Duration::from_secs(30));
    let claimed = claim(&world, note(Standing::TimedOut, Some(until))).await;
    assert_eq!(accounts(&claimed), [cat]);
    assert!(claim(&world, Vec::new()).await.is_empty());
    world.wait(Duration::from_secs(30));
    assert_eq!(accounts(&claim(&world, Vec::new()).await), [ann, ben]);
}

/// What is known of an endpoint is not known of the next, and polls that wait move along.
pub(crate) async fn a_provider_that_moves_takes_its_polls_along(world: World) {
    let ann = account(&world, "east", "ann").await;
    place(&world, &["east"], ENDPOINT).await;
    let until = world.now.after(Duration::from_secs(3600));
    assert!(claim(&world, note(Standing::TimedOut, Some(until))).await.is_empty());
    place(&world, &["east"], "https://new.example").await;
    let claimed = claim(&world, Vec::new()).await;
    assert_eq!(accounts(&claimed), [ann]);
    assert_eq!((&*claimed[0].endpoint, claimed[0].share), ("https://new.example", Share::Unproven));
    let known = world.store().endpoints().await.expect("read");
    assert!(known.contains(&("https://new.example".into(), Standing::Unproven)), "{known:?}");
    // One that is enrolled later is polled there as well.
    let ben = account(&world, "east", "ben").await;
    let claimed = claim(&world, Vec::new()).await;
    assert_eq!((accounts(&claimed), &*claimed[0].endpoint), (vec![ben], "https://new.example"));
}

/// Room for so many polls at endpoints that were never asked.
struct UnprovenRoom(usize);

impl Admission for UnprovenRoom {
    fn room(&self, share: Share) -> usize {
        if share == Share::Unproven { self.0 } else { 0 }
    }

    fn room_at(&self, _: &str, _: Share) -> usize {
        1
    }
}

/// Of endpoints that were never asked, those that came first and those that came last have half of the room each.
pub(crate) async fn a_new_endpoint_does_not_wait_behind_all_others(mut world: World) {
    let mut all = Vec::new();
    for number in 0..10 {
        all.push(account(&world, &format!("p{number}"), "ann").await);
        world.wait(Duration::from_secs(1));
    }
    let some = |world: &World, room| {
        let admission = Arc::new(UnprovenRoom(room));
        PollClaim { admission, ..PollClaim::on_all(world.now, LEASE, 100) }
    };
    let claimed = world.store().claim_due_polls(some(&world, 4)).await.expect("claimed");
    assert_eq!(accounts(&claimed), [all[0], all[1], all[8], all[9]]);
    let claimed = world.store().claim_due_polls(some(&world, 1)).await.expect("claimed");
    assert_eq!(accounts(&claimed), [all[7]]);
}
