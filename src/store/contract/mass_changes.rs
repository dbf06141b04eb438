//! Held lists, and the operator's decision.

use std::time::Duration;

use super::world::{POLL_EVERY, World, key};
use crate::model::{InstanceState, Kind, Origin};
use crate::store::{Decided, Decision, Effects, Effort, PollHeld, PollTicket, Recorded, StoreError};

/// A list that shows so many affected.
fn held(world: &World, ticket: &PollTicket, affected: u64) -> PollHeld {
    PollHeld {
        account: ticket.account.id,
        kind: ticket.kind,
        lease: ticket.lease,
        observed_at: world.now,
        affected: usize::try_from(affected).expect("few"),
        known: 9,
        print: Some(affected),
        effects: Some((0..affected).collect()),
        decision: ticket.held.as_ref().and_then(|held| held.decision),
        is_anew: false,
        next_due: world.now.after(POLL_EVERY),
        now: world.now,
        effort: Effort { duration: Duration::ZERO, requests: 1, budget: None },
    }
}

pub(crate) async fn an_answer_is_not_passed_over_by_what_was_decided_before_it(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    world.observe(account, &[("i-1", InstanceState::Running)]).await;
    world.wait(POLL_EVERY);
    let decide = |answer, now| store.decide_mass_change(key("ann"), Kind::Instance, None, answer, now);
    assert_eq!(decide(Decision::Accept, world.now).await.unwrap(), Decided::NothingHeld);
    assert_eq!(store.held_mass_change(account, Kind::Instance).await.unwrap(), None);
    let ticket = world.ticket(account, Kind::Instance).await;
    store.hold_poll(held(&world, &ticket, 4)).await.unwrap();
    let (before, effects) = store.held_mass_change(account, Kind::Instance).await.unwrap().expect("held");
    assert_eq!((before.affected, before.known, before.decision), (4, 9, None));
    assert_eq!(effects, (0..4).collect::<Effects>());

    // Answered while a poll is under way, which was to be made of it what it was before.
    for answer in [Decision::Accept, Decision::Reject, Decision::AcceptSilently] {
        world.wait(POLL_EVERY);
        let ticket = world.ticket(account, Kind::Instance).await;
        let Decided::Taken(taken) = decide(answer, world.now).await.unwrap() else { panic!("it is held") };
        assert_eq!((taken.decision, taken.affected), (Some(answer), 4));
        let record = world.diff(&ticket, &[("i-1", InstanceState::Running), ("i-2", InstanceState::Running)]).await;
        assert!(matches!(store.record_poll(record).await, Err(StoreError::AnswerChanged)));
        for is_anew in [false, true] {
            let larger = PollHeld { is_anew, ..held(&world, &ticket, 9) };
            assert!(matches!(store.hold_poll(larger).await, Err(StoreError::AnswerChanged)));
        }
        assert_eq!(store.held_mass_change(account, Kind::Instance).await.unwrap(), Some((taken, (0..4).collect())));
        assert_eq!(store.count_known(account, Kind::Instance).await.unwrap(), 1);
        store.release_poll(account, Kind::Instance, ticket.lease, world.now).await.unwrap();
    }

    // Under the answer that stands it is recorded, and nothing is left of it.
    let ticket = world.ticket(account, Kind::Instance).await;
    assert_eq!(store.record_poll(world.record(&ticket)).await.unwrap(), Recorded::default());
    assert_eq!(store.held_mass_change(account, Kind::Instance).await.unwrap(), None);
}

pub(crate) async fn an_answer_to_a_list_that_is_held_no_more_is_refused(mut world: World) {
    let store = world.store();
    let account = world.enrol("ann", Origin::Config).await;
    world.observe(account, &[("i-1", InstanceState::Running)]).await;
    let decide = |only, answer, now| store.decide_mass_change(key("ann"), Kind::Instance, Some(only), answer, now);
    let mut looked_at = None;
    for affected in [4, 5] {
        world.wait(POLL_EVERY);
        let ticket = world.ticket(account, Kind::Instance).await;
        store.hold_poll(held(&world, &ticket, affected)).await.unwrap();
        let shown = store.held_mass_changes().await.unwrap().remove(0);
        assert_eq!(shown.held.affected, usize::try_from(affected).expect("few"));
        let Some(before) = looked_at.replace(shown.id) else { continue };
        assert_ne!(before, shown.id);
        for answer in [Decision::Accept, Decision::AcceptSilently, Decision::Reject] {
            let refused = decide(before, answer, world.now).await.unwrap();
            assert_eq!(refused, Decided::Another(shown.id, shown.held.clone()));
        }
    }
    let (still, _) = store.held_mass_change(account, Kind::Instance).await.unwrap().expect("held");
    assert_eq!(still.decision, None, "nothing was decided");
    let id = looked_at.expect("one was shown");
    assert!(matches!(decide(id, Decision::Reject, world.now).await.unwrap(), Decided::Taken(_)));
    // One that does the same is the same list.
    world.wait(POLL_EVERY);
    let ticket = world.ticket(account, Kind::Instance).await;
    store.hold_poll(held(&world, &ticket, 5)).await.unwrap();
    assert!(matches!(decide(id, Decision::Accept, world.now).await.unwrap(), Decided::Taken(_)));
}
