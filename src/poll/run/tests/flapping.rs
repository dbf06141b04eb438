//! Reports of flapping realms and providers.

use super::*;
use crate::model::flapping::Damping;
use crate::model::{Flapping, NewChange, Owner, Realm, RealmState, State};
use RealmState::{Available, Unavailable};

fn realm(state: RealmState) -> Resource {
    let id = ResourceId::parse("us").expect("an id");
    Resource::Realm(Realm { id, name: "United States".into(), state, limit: None })
}

impl Observed {
    async fn realm_ticket(&self) -> PollTicket {
        let context = &self.lab.context;
        context.store.request_poll(self.account, Kind::Realm, context.clock.now()).await.expect("asked for");
        let claim = PollClaim::on_all(context.clock.now(), Duration::from_secs(10), 1);
        loop {
            let ticket = context.store.claim_due_polls(claim.clone()).await.expect("claimed").remove(0);
            if ticket.kind == Kind::Realm {
                return ticket;
            }
            let far = context.clock.now().after(Duration::from_secs(86_400));
            context.store.put_off_poll(self.account, ticket.kind, ticket.lease, far).await.expect("put off");
        }
    }

    /// Lists the realm so, minutes after the list before.
    async fn realms(&self, minutes: u64, realms: Vec<Resource>) {
        self.lab.clock.advance(Duration::from_secs(60 * minutes));
        let ticket = self.realm_ticket().await;
        self.record(ticket, realms, Coverage::Complete).await.expect("recorded");
    }

    async fn realm_shown(&self) -> Option<Flapping> {
        let id = ResourceId::parse("us").expect("an id");
        let store = &self.lab.context.store;
        let seen = store.find(self.account, Kind::Realm, &id, &Owner::Account).await.expect("read");
        seen.expect("it is known").flapping
    }

    /// What was told of that type, as old and new state.
    async fn told(&self, change_type: ChangeType) -> Vec<(NewChange, RealmState, RealmState)> {
        let of = |state| match state {
            Some(State::Realm(state)) => state,
            other => panic!("{other:?}"),
        };
        let told = self.changes().await.into_iter().filter(|change| change.change_type == change_type);
        told.map(|change| (change.clone(), of(change.old_state), of(change.new_state))).collect()
    }
}

fn flapping(change: &NewChange) -> &Flapping {
    let Some(Details::Flapping(flapping)) = &change.details else { panic!("{change:?}") };
    flapping
}

#[tokio::test]
async fn a_realm_that_goes_to_and_fro_is_told_of_until_it_is_damped_and_once_it_is_stable() {
    let observed = Observed::new().await;
    observed.realms(1, vec![realm(Available)]).await;
    for flip in 0..9 {
        observed.realms(1, vec![realm(if flip % 2 == 0 { Unavailable } else { Available })]).await;
        let shown = observed.realm_shown().await;
        assert_eq!(shown.map(|flapping| flapping.flips), (flip >= 4).then_some(flip + 1));
    }
    // Five of nine were told, the last of which says that it will be quiet.
    let told = observed.told(ChangeType::RealmState).await;
    assert_eq!(told.len(), 5);
    let began = flapping(&told[4].0);
    assert_eq!((began.flips, began.damped_since, began.damped_until), (5, told[4].0.observed_at, None));
    assert!(told[..4].iter().all(|(change, ..)| change.details.is_none()));

    // It is back where it was when it was told of last: that is told as well, for who read it meanwhile.
    for _ in 0..15 {
        assert_eq!(observed.told(ChangeType::RealmState).await.len(), 5);
        observed.realms(1, vec![realm(Unavailable)]).await;
    }
    let told = observed.told(ChangeType::RealmState).await;
    let [.., (last, old, new)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((told.len(), *old, *new, last.passed_over), (6, Unavailable, Unavailable, true));
    assert_eq!((last.name.as_deref(), last.observed_after), (Some("United States"), Some(began.damped_since)));
    let over = flapping(last);
    assert_eq!((over.flips, over.damped_since, over.damped_until), (9, began.damped_since, Some(last.observed_at)));
    assert_eq!(observed.realm_shown().await, None);
    observed.realms(1, vec![realm(Available)]).await;
    assert_eq!(observed.told(ChangeType::RealmState).await.len(), 7, "it is told of as always");
}

#[tokio::test]
async fn a_damped_realm_that_goes_is_told_of_from_the_state_that_was_told() {
    let observed = Observed::new().await;
    observed.realms(1, vec![realm(Available)]).await;
    for flip in 0..6 {
        observed.realms(1, vec![realm(if flip % 2 == 0 { Unavailable } else { Available })]).await;
    }
    observed.realms(1, vec![]).await;
    observed.realms(1, vec![]).await;
    let removed = observed.told(ChangeType::RealmRemoved).await;
    let [(change, old, new)] = removed.as_slice() else { panic!("{removed:?}") };
    assert_eq!((*old, *new, change.passed_over), (Unavailable, Unavailable, true));
    // One that comes back by that name is another.
    observed.realms(1, vec![realm(Available)]).await;
    assert_eq!(observed.realm_shown().await, None);
}

#[tokio::test]
async fn a_provider_that_goes_to_and_fro_is_damped_too() {
    let damping = Damping { flips: 2, ..Damping::default() };
    let observed = Observed::under(Settings { unreachable_after: 1, damping, ..Settings::default() }).await;
    let context = &observed.lab.context;
    observed.realms(1, vec![realm(Available)]).await;
    let shown = async || context.store.provider_flapping(observed.account).await.expect("read");
    for flip in 0..3_u32 {
        observed.lab.clock.advance(Duration::from_secs(60));
        let ticket = observed.realm_ticket().await;
        let error = CallError::Unavailable("no connection".into());
        let failure = NoList::Call(CallFailure { error, usage: Usage::default() });
        let due = next_after_failure(context, &ticket, &failure);
        record_failure(context, ticket, &failure, due, &Stopwatch::start()).await.expect("recorded");
        assert_eq!(shown().await.map(|flapping| flapping.flips), (flip > 0).then_some(2 * flip + 1));
        observed.realms(1, vec![realm(Available)]).await;
    }
    let told = observed.told(ChangeType::ProviderState).await;
    let states: Vec<_> = told.iter().map(|(_, old, new)| (*old, *new)).collect();
    assert_eq!(states, [(Available, Unavailable), (Unavailable, Available), (Available, Unavailable)]);
    assert_eq!(flapping(&told[2].0).flips, 3);
    observed.realms(14, vec![realm(Available)]).await;
    assert!(shown().await.is_some());
    observed.realms(1, vec![realm(Available)]).await;
    assert_eq!(shown().await, None);
    let told = observed.told(ChangeType::ProviderState).await;
    let [.., (last, old, new)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((told.len(), *old, *new, flapping(last).flips), (4, Unavailable, Available, 6));
    // The realm itself never changed.
    assert!(observed.told(ChangeType::RealmState).await.is_empty());
}
