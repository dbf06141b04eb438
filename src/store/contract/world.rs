//! A small world to test a store in: one clock, users of one provider, and instances with little more than an id and a
//! state.

use std::sync::Arc;
use std::time::Duration;

use super::lab::Lab;
use super::room::GivenRoom;
use crate::model::breaker::Standing;
use crate::model::flapping::Damping;
use crate::model::{
    AccountId, AccountKey, ChangeType, ErrorCode, Hook, HookId, HookSpec, HookUrl, Instance, InstanceState, Kind,
    NewChange, Origin, Owner, Resource, ResourceId, Sealed, State, Subject, Timestamp,
};
use crate::store::contract::plainly::Plainly as _;
use crate::store::{
    Breadth, CatchUp, CaughtUp, DeliveryClaim, DueDelivery, Effort, Enrolment, HookPlace, HookTarget, KnownResource,
    ListQuery, NewHook, NoShares, Outcome, Pace, PollClaim, PollFailure, PollRecord, PollTicket, Reach, Recorded,
    Removed, Seen, Settlement, Settling, Store, Transition, Upsert, Upserts,
};

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const DISABLE_AFTER: Duration = Duration::from_secs(5 * 86_400);
pub(crate) const POLL_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct World {
    lab: Box<dyn Lab>,
    pub(crate) now: Timestamp,
}

impl World {
    pub(crate) fn new(lab: Box<dyn Lab>) -> World {
        World { lab, now: Timestamp::from_millis(1_795_341_600_000) }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.lab.store()
    }

    pub(crate) fn wait(&mut self, wait: Duration) {
        self.now = self.now.after(wait);
    }

    /// Ends the host, and starts another after the leases of the first have run out.
    pub(crate) fn crash(&mut self) {
        self.lab.crash();
        self.wait(LEASE);
    }

    pub(crate) async fn enrol(&self, user: &str, origin: Origin) -> AccountId {
        let password = Sealed(user.as_bytes().to_vec());
        let enrolment = Enrolment { key: key(user), origin, password, now: self.now };
        self.store().enrol(enrolment).await.expect("enrol")
    }

    pub(crate) async fn client(&self, user: &str) -> AccountId {
        self.enrol(user, Origin::Client).await
    }

    /// Claims one poll, of the account and kind that are due longest.
    pub(crate) async fn claim_polls(&self, limit: usize) -> Vec<PollTicket> {
        let claim = PollClaim::on_all(self.now, LEASE, limit);
        self.store().claim_due_polls(claim).await.expect("claim polls")
    }

    /// Asks for a poll and claims it. Others that are due meanwhile are put off for a day.
    pub(crate) async fn ticket(&self, account: AccountId, kind: Kind) -> PollTicket {
        self.store().request_poll(account, kind, self.now).await.expect("request");
        loop {
            let tickets = self.claim_polls(1).await;
            let ticket = tickets.into_iter().next().expect("a poll that was asked for is due");
            if ticket.account.id == account && ticket.kind == kind {
                return ticket;
            }
            let mut failure = self.failure(&ticket);
            failure.next_due = self.now.after(Duration::from_secs(86_400));
            self.store().record_poll_failure(failure).await.expect("put off");
        }
    }

    pub(crate) fn failure(&self, ticket: &PollTicket) -> PollFailure {
        PollFailure {
            reach: Reach::Unknown,
            unreachable_after: 3,
            damping: Damping::default(),
            account: ticket.account.id,
            kind: ticket.kind,
            lease: ticket.lease,
            now: self.now,
            code: ErrorCode::Throttled,
            message: "too many requests".to_owned(),
            next_due: self.now.after(POLL_EVERY),
            effort: Effort { duration: Duration::from_millis(7), requests: 1, budget: None },
        }
    }

    /// A complete list in which nothing was seen and nothing is missed.
    pub(crate) fn record(&self, ticket: &PollTicket) -> PollRecord {
        PollRecord {
            account: ticket.account.id,
            kind: ticket.kind,
            lease: ticket.lease,
            observed_at: self.now,
            complete: true,
            breadth: Breadth::Full,
            since: ticket.last_full,
            listed_by: "digest".into(),
            partial_reason: None,
            again: None,
            upserts: Upserts::default(),
            missing: Vec::new(),
            removed: Vec::new(),
            changes: Vec::new(),
            decision: ticket.held.as_ref().and_then(|held| held.decision),
            ends_hold: true,
            passed_over: false,
            pace: Pace::usual(POLL_EVERY),
            next_due: self.now.after(POLL_EVERY),
            now: self.now,
            effort: Effort { duration: Duration::from_millis(250), requests: 2, budget: None },
            damping: Damping::default(),
        }
    }

    /// Polls the account's instances: these are all there are.
    pub(crate) async fn observe(&self, account: AccountId, seen: &[(&str, InstanceState)]) -> Recorded {
        let ticket = self.ticket(account, Kind::Instance).await;
        let record = self.diff(&ticket, seen).await;
        self.store().record_poll(record).await.expect("record")
    }

    /// What a complete list of just these instances amounts to. Who is missing is gone at once.
    pub(crate) async fn diff(&self, ticket: &PollTicket, seen: &[(&str, InstanceState)]) -> PollRecord {
        let known = self.known(ticket.account.id).await;
        let mut record = self.record(ticket);
        for (name, state) in seen {
            let resource = Resource::Instance(instance(name, *state));
            let old = known.iter().find(|known| known.id == id(name));
            let old_state = old.map(|known| known.state);
            if old_state == Some(resource.state()) {
                continue;
            }
            let what = if old.is_some() { ChangeType::InstanceState } else { ChangeType::InstanceCreated };
            let change = Some(self.transition(what, old_state, resource.state()));
            record.upserts.push(Upsert { fingerprint: *state as u64, resource, state_changed: true, change });
        }
        for known in known {
            if !seen.iter().any(|(name, _)| id(name) == known.id) {
                let finish = State::Instance(InstanceState::Finish);
                let change = Some(self.transition(ChangeType::InstanceRemoved, Some(known.state), finish));
                record.removed.push(Removed { id: known.id, change });
            }
        }
        record
    }

    fn transition(&self, change_type: ChangeType, old_state: Option<State>, new_state: State) -> Transition {
        let observed_after = old_state.map(|_| self.now.before(POLL_EVERY));
        Transition { change_type, old_state, new_state, observed_after }
    }

    pub(crate) fn change(
        &self,
        change_type: ChangeType,
        name: &str,
        old_state: Option<State>,
        new_state: Option<State>,
    ) -> NewChange {
        NewChange {
            change_type,
            subject: Subject::Instance,
            resource: id(name),
            name: Some(format!("name of {name}")),
            realm: Some("us".to_owned()),
            old_state,
            new_state,
            observed_after: old_state.map(|_| self.now.before(POLL_EVERY)),
            observed_at: self.now,
            passed_over: false,
            details: None,
        }
    }

    pub(crate) async fn known(&self, account: AccountId) -> Vec<KnownResource> {
        self.store().known_resources(account, Kind::Instance).await.expect("known")
    }

    pub(crate) async fn find(&self, account: AccountId, name: &str) -> Option<Seen> {
        self.store().find(account, Kind::Instance, &id(name), &Owner::Account).await.expect("find")
    }

    /// The ids that a query gives.
    pub(crate) async fn list(&self, account: AccountId, query: ListQuery) -> Vec<String> {
        let seen = self.store().list(account, query).await.expect("list");
        seen.into_iter().map(|seen| seen.resource.id().as_str().to_owned()).collect()
    }

    pub(crate) fn new_hook(&self, account: AccountId, name: &str) -> NewHook {
        NewHook {
            account,
            owner: Owner::Account,
            track: Some((Kind::Instance, id(name))),
            spec: HookSpec { token: Some(Sealed(format!("token of {name}").into_bytes())), ..spec(name) },
            secret: Sealed(vec![1, 2, 3]),
            limit: u64::MAX,
            filter_items: u64::MAX,
            poll_by: None,
            now: self.now,
        }
    }

    pub(crate) async fn hook(&self, account: AccountId, name: &str) -> HookId {
        self.store().set_hook(self.new_hook(account, name)).await.expect("hook")
    }

    /// A hook that its filter alone directs.
    pub(crate) async fn filtering(&self, account: AccountId, spec: HookSpec) -> HookId {
        let hook = NewHook { track: None, spec, ..self.new_hook(account, "x") };
        self.store().set_hook(hook).await.expect("hook")
    }

    /// An account with a baseline of nothing, and a hook that hears of everything.
    pub(crate) async fn hearing(&self) -> (AccountId, HookId) {
        let account = self.client("ann").await;
        self.observe(account, &[]).await;
        let hook = self.filtering(account, spec("all")).await;
        (account, hook)
    }

    /// Lets the account's only instance, `i-1`, live through these states.
    pub(crate) async fn live(&mut self, account: AccountId, states: &[InstanceState]) {
        for state in states {
            self.observe(account, &[("i-1", *state)]).await;
            self.wait(Duration::from_millis(1));
        }
    }

    pub(crate) fn place(&self, account: AccountId, hook: HookId) -> HookPlace {
        HookPlace { account, owner: Owner::Account, hook }
    }

    pub(crate) async fn get(&self, account: AccountId, hook: HookId) -> Hook {
        self.store().hook(&self.place(account, hook)).await.expect("read").expect("it is there")
    }

    pub(crate) async fn unhook(&self, account: AccountId, name: &str) -> bool {
        self.store().remove_track_hook(&target(account, name)).await.expect("unhook")
    }

    /// Claims whatever is due.
    pub(crate) async fn claim(&self) -> Vec<DueDelivery> {
        self.claim_within(1000, 1000, &[]).await
    }

    pub(crate) async fn claim_within(
        &self,
        limit: usize,
        per_hook: usize,
        in_flight: &[(HookId, usize)],
    ) -> Vec<DueDelivery> {
        let room = GivenRoom { per_hook, in_flight: in_flight.to_vec(), ..GivenRoom::ample() };
        let claim = DeliveryClaim { limit, ..self.claim_with(room) };
        self.store().claim_due_deliveries(claim).await.expect("claim deliveries")
    }

    /// A claim on all there is.
    pub(crate) fn whole_claim(&self) -> DeliveryClaim {
        self.claim_with(GivenRoom::ample())
    }

    pub(crate) fn claim_with(&self, room: GivenRoom) -> DeliveryClaim {
        DeliveryClaim { now: self.now, lease: LEASE, limit: 1000, room: Arc::new(room) }
    }

    /// Attempts at a destination have ended, whatever became of them.
    pub(crate) async fn landed(&self, destination: &str, standing: Standing) {
        let settling = Settling { landed: vec![(destination.into(), standing)], ..Settling::default() };
        self.store().settle(settling).await.expect("settle");
    }

    pub(crate) fn settlement(&self, delivery: &DueDelivery, outcome: Outcome) -> Settlement {
        Settlement { id: delivery.id, lease: delivery.lease, outcome, now: self.now, attempts: Vec::new() }
    }

    pub(crate) async fn settle(&self, delivery: &DueDelivery, outcome: Outcome) {
        self.settle_all(vec![self.settlement(delivery, outcome)]).await;
    }

    pub(crate) async fn settle_all(&self, settlements: Vec<Settlement>) {
        let settling = Settling { settlements, disable_after: DISABLE_AFTER, ..Settling::default() };
        self.store().settle(settling).await.expect("settle");
    }

    /// Owes hooks what they missed.
    pub(crate) async fn catch_up(&self) {
        let limits = CatchUp { changes: 3, backlog: 1000 };
        while self.store().catch_up(self.now, limits).await.expect("caught up") == CaughtUp::Some {}
    }

    /// Puts a delivery off by a minute.
    pub(crate) async fn retry(&self, delivery: &DueDelivery) {
        let due = self.now.after(Duration::from_secs(60));
        self.settle(delivery, Outcome::Retry { due }).await;
    }

    /// Delivers all there is; gives what arrived, in order.
    pub(crate) async fn drain(&self) -> Vec<String> {
        let mut arrived = Vec::new();
        loop {
            let claimed = self.claim().await;
            if claimed.is_empty() {
                return arrived;
            }
            for delivery in claimed {
                arrived.push(told(&delivery));
                self.settle(&delivery, Outcome::Delivered).await;
            }
        }
    }

    pub(crate) async fn waiting(&self) -> u64 {
        self.store().count_waiting().await.expect("count")
    }

    pub(crate) async fn next_poll(&self) -> Option<Timestamp> {
        self.store().next_poll_due(self.now, Arc::new(NoShares)).await.expect("next poll")
    }

    pub(crate) async fn next_delivery(&self) -> Option<Timestamp> {
        self.store().next_delivery_due().await.expect("next delivery")
    }
}

pub(crate) fn key(user: &str) -> AccountKey {
    AccountKey { driver: "mock".to_owned(), provider: "default".to_owned(), user: user.to_owned() }
}

pub(crate) fn id(name: &str) -> ResourceId {
    ResourceId::parse(name).expect("an id")
}

pub(crate) fn url(name: &str) -> HookUrl {
    HookUrl::parse(&format!("https://example.com/{name}")).expect("a URL")
}

pub(crate) fn target(account: AccountId, name: &str) -> HookTarget {
    HookTarget { account, owner: Owner::Account, kind: Kind::Instance, resource: id(name) }
}

/// Of a hook with a URL of that name that hears of everything.
pub(crate) fn spec(name: &str) -> HookSpec {
    HookSpec::to(url(name))
}

pub(crate) fn query() -> ListQuery {
    ListQuery {
        kind: Kind::Instance,
        id: None,
        state: None,
        realm: None,
        after: None,
        limit: 100,
        at: None,
        owner: Owner::Account,
    }
}

pub(crate) fn instance(name: &str, state: InstanceState) -> Instance {
    Instance {
        id: id(name),
        name: Some(format!("name of {name}").into()),
        owner: None,
        realm: Some("us".into()),
        image: None,
        hardware_profile: None,
        state,
        provider_state: "as it is".into(),
        launched_at: None,
        public_addresses: [].into(),
        private_addresses: [].into(),
        labels: [].into(),
    }
}

/// A delivery in short: `i-1 PENDING>RUNNING`, with `-` for no state.
pub(crate) fn told(delivery: &DueDelivery) -> String {
    short(&delivery.change.what)
}

pub(crate) fn short(change: &NewChange) -> String {
    let state = |state: Option<State>| state.map_or("-", State::as_str);
    format!("{} {}>{}", change.resource, state(change.old_state), state(change.new_state))
}
