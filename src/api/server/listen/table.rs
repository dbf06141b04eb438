//! All open connections, by network. Each network has a share, and a smaller one for connections without a request in
//! progress. A connection that is idle, or whose first head never ends, makes room for the next one. If all slots are
//! taken, the network with the most loses one. So a new caller always gets in.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::meter::{Allowance, Meter};
use crate::clock::Stopwatch;

/// A connection is not given up in this time for not having sent a head, where there is room: many may come at once, and
/// be heard only by and by.
const FIRST_BYTES: Duration = Duration::from_millis(500);

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) all: usize,
    pub(super) network: usize,
    /// Without a whole head until now.
    pub(super) unfinished: usize,
    pub(super) unfinished_of_network: usize,
}

#[derive(Debug)]
pub(super) struct Connections {
    most: Most,
    /// What all connections of one network may spend.
    allowance: Allowance,
    state: Mutex<State>,
    /// What the networks' meters go by.
    stopwatch: Stopwatch,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    unfinished: usize,
    next: u64,
    networks: HashMap<IpAddr, Network>,
}

#[derive(Debug)]
struct Network {
    /// By number: of each, the one that has been so for the longest is the first.
    unfinished: BTreeMap<u64, Open>,
    idle: BTreeMap<u64, Open>,
    busy: BTreeMap<u64, Open>,
    meter: Arc<Mutex<Meter>>,
}

#[derive(Debug)]
struct Open {
    given_up: CancellationToken,
    since: Stopwatch,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// It has not sent a whole head yet.
    Unfinished,
    Idle,
    Busy,
}

/// Whether a network's share counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    ByShare,
    /// It is a proxy that the operator trusts, behind which there are many clients.
    ByTotal,
}

/// A connection's place in the table, until this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    table: Arc<Connections>,
    network: IpAddr,
    at: Mutex<(Doing, u64, usize)>,
    given_up: CancellationToken,
    meter: Arc<Mutex<Meter>>,
}

impl Connections {
    pub(super) fn new(most: Most, allowance: Allowance) -> Connections {
        Connections { most, allowance, state: Mutex::default(), stopwatch: Stopwatch::start() }
    }

    /// Takes a new connection in, for which another one may have to go. None where its network has as many as it may
    /// have, and all of them are at work.
    pub(super) fn admit(self: &Arc<Self>, network: IpAddr, bound: Bound) -> Option<Seat> {
        let now = self.stopwatch.elapsed();
        let mut state = self.lock();
        let most = &self.most;
        if let (Bound::ByShare, Some(own)) = (bound, state.networks.get(&network)) {
            if own.count() >= most.network {
                let doing = own.can_spare()?;
                state.give_up_oldest(network, doing);
            } else if own.unfinished.len() >= most.unfinished_of_network && own.has_slow_one() {
                state.give_up_oldest(network, Doing::Unfinished);
            }
        }
        if state.unfinished >= most.unfinished
            && let Some(other) = state.with_most(|network| network.unfinished.len())
            && state.networks[&other].has_slow_one()
        {
            state.give_up_oldest(other, Doing::Unfinished);
        }
        if state.count >= most.all {
            let (other, doing) = state.to_give_up(network)?;
            state.give_up_oldest(other, doing);
        }
        let (number, given_up) = (state.number(), CancellationToken::new());
        let open = Open { given_up: given_up.clone(), since: Stopwatch::start() };
        let own = state.networks.entry(network).or_insert_with(|| Network {
            unfinished: BTreeMap::new(),
            idle: BTreeMap::new(),
            busy: BTreeMap::new(),
            meter: Arc::new(Mutex::new(Meter::new(self.allowance, now))),
        });
        own.unfinished.insert(number, open);
        let meter = Arc::clone(&own.meter);
        state.count += 1;
        state.unfinished += 1;
        state.forget_calm(most.all, now);
        drop(state);
        let at = Mutex::new((Doing::Unfinished, number, 0));
        Some(Seat { table: Arc::clone(self), network, at, given_up, meter })
    }

    /// Gives up the one that is missed least, where the system has no room for another.
    pub(super) fn make_room(&self) {
        let mut state = self.lock();
        if let Some((network, doing)) = state.to_give_up(IpAddr::from([0, 0, 0, 0])) {
            state.give_up_oldest(network, doing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("invariant: no holder of this lock can panic")
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn with_most(&self, of: impl Fn(&Network) -> usize) -> Option<IpAddr> {
        let most = self.networks.iter().max_by_key(|(address, network)| (of(network), **address))?;
        (of(most.1) > 0).then_some(*most.0)
    }

    /// Whose connection goes, so that one of `newcomer` has a place: one without a head first, then an idle one, then one
    /// of a network that has twice as many as the newcomer's.
    fn to_give_up(&self, newcomer: IpAddr) -> Option<(IpAddr, Doing)> {
        if let Some(network) = self.with_most(|network| network.unfinished.len()) {
            return Some((network, Doing::Unfinished));
        }
        if let Some(network) = self.with_most(|network| network.idle.len()) {
            return Some((network, Doing::Idle));
        }
        let network = self.with_most(|network| network.busy.len())?;
        let has = self.networks.get(&newcomer).map_or(0, Network::count);
        (self.networks[&network].busy.len() > 2 * (has + 1)).then_some((network, Doing::Busy))
    }

    fn give_up_oldest(&mut self, network: IpAddr, doing: Doing) {
        let first = self.networks.get_mut(&network).and_then(|own| own.of(doing).first_key_value());
        if let Some(number) = first.map(|(number, _)| *number)
            && let Some(open) = self.remove(network, doing, number)
        {
            open.given_up.cancel();
        }
    }

    fn remove(&mut self, network: IpAddr, doing: Doing, number: u64) -> Option<Open> {
        let open = self.networks.get_mut(&network)?.of(doing).remove(&number)?;
        self.count -= 1;
        self.unfinished -= usize::from(doing == Doing::Unfinished);
        Some(open)
    }

    /// What a network has spent is remembered until it has its credit back, though its connections are gone. Looked at
    /// only now and then: it takes as long as there are networks.
    fn forget_calm(&mut self, many: usize, now: Duration) {
        if self.networks.len() > many.saturating_mul(2) {
            self.networks.retain(|_, network| network.count() > 0 || !lock(&network.meter).is_full(now));
            // So many networks that have spent something are an attack from everywhere: each begins anew.
            if self.networks.len() > many.saturating_mul(2) {
                self.networks.retain(|_, network| network.count() > 0);
            }
        }
    }
}

impl Network {
    fn count(&self) -> usize {
        self.unfinished.len() + self.idle.len() + self.busy.len()
    }

    fn of(&mut self, doing: Doing) -> &mut BTreeMap<u64, Open> {
        match doing {
            Doing::Unfinished => &mut self.unfinished,
            Doing::Idle => &mut self.idle,
            Doing::Busy => &mut self.busy,
        }
    }

    /// Of what it has one to spare.
    fn can_spare(&self) -> Option<Doing> {
        if !self.unfinished.is_empty() {
            return Some(Doing::Unfinished);
        }
        (!self.idle.is_empty()).then_some(Doing::Idle)
    }

    fn has_slow_one(&self) -> bool {
        self.unfinished.first_key_value().is_some_and(|(_, open)| open.since.elapsed() >= FIRST_BYTES)
    }
}

impl Seat {
    /// Returns once the connection has to make room for another.
    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// A request is under way on it.
    pub(super) fn begin(&self) {
        let mut at = lock(&self.at);
        at.2 += 1;
        self.becomes(&mut at, Doing::Busy);
    }

    /// One of its requests is answered, or was broken off.
    pub(super) fn end(&self) {
        let mut at = lock(&self.at);
        at.2 = at.2.saturating_sub(1);
        if at.2 == 0 {
            self.becomes(&mut at, Doing::Idle);
        }
    }

    /// How many requests are under way on it.
    pub(super) fn under_way(&self) -> usize {
        lock(&self.at).2
    }

    /// What all connections of its network may spend.
    pub(super) fn meter(&self) -> Arc<Mutex<Meter>> {
        Arc::clone(&self.meter)
    }

    /// By what that meter goes.
    pub(super) fn elapsed(&self) -> Duration {
        self.table.stopwatch.elapsed()
    }

    fn becomes(&self, at: &mut (Doing, u64, usize), doing: Doing) {
        if at.0 == doing {
            return;
        }
        let mut state = self.table.lock();
        // One that was given up has no place any more.
        if let Some(open) = state.remove(self.network, at.0, at.1) {
            let number = state.number();
            if let Some(own) = state.networks.get_mut(&self.network) {
                own.of(doing).insert(number, Open { since: Stopwatch::start(), ..open });
                state.count += 1;
                (at.0, at.1) = (doing, number);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let (doing, number, _) = *lock(&self.at);
        let mut state = self.table.lock();
        state.remove(self.network, doing, number);
        let now = self.table.stopwatch.elapsed();
        let is_gone = |network: &Network| network.count() == 0 && lock(&network.meter).is_full(now);
        if state.networks.get(&self.network).is_some_and(is_gone) {
            state.networks.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: Most = Most { all: 10, network: 6, unfinished: 4, unfinished_of_network: 3 };

    fn table() -> Arc<Connections> {
        Arc::new(Connections::new(MOST, Allowance { most: 40_000, per_second: 2_000 }))
    }

    fn of(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    fn seat(table: &Arc<Connections>, network: u8) -> Option<Seat> {
        table.admit(of(network), Bound::ByShare)
    }

    fn busy(table: &Arc<Connections>, network: u8) -> Seat {
        let seat = seat(table, network).expect("a place");
        seat.begin();
        seat
    }

    #[test]
    fn a_network_makes_room_for_its_own() {
        let table = table();
        let seats: Vec<Seat> = (0..6).map(|_| busy(&table, 1)).collect();
        assert!(seat(&table, 1).is_none(), "all of its connections are at work");
        seats[2].end();
        seats[4].end();
        let new = seat(&table, 1).expect("an idle one goes");
        assert!(seats[2].given_up.is_cancelled() && !seats[4].given_up.is_cancelled());
        // One without a head goes before one that is idle.
        drop(seat(&table, 1).expect("it goes"));
        assert!(new.given_up.is_cancelled() && !seats[4].given_up.is_cancelled());
        // A trusted proxy has no share.
        assert!((0..4).all(|_| table.admit(of(1), Bound::ByTotal).is_some()));
    }

    #[test]
    fn the_network_with_the_most_makes_room_for_others() {
        let table = table();
        let mut seats: Vec<Seat> = (0..6).map(|_| busy(&table, 1)).collect();
        seats.extend((0..4).map(|_| busy(&table, 2)));
        // Nothing is idle: the oldest of who has the most goes.
        seats.push(busy(&table, 3));
        assert!(seats[0].given_up.is_cancelled() && seats[1..].iter().all(|seat| !seat.given_up.is_cancelled()));
        seats.push(busy(&table, 3));
        // Nobody has much more than this one by now.
        assert!(seat(&table, 3).is_none());
        seats[7].end();
        assert!(seat(&table, 3).is_some());
        assert!(seats[7].given_up.is_cancelled());
        drop(seats);
        let state = table.lock();
        assert!((state.count, state.unfinished, state.networks.len()) == (0, 0, 0), "{state:?}");
    }

    #[test]
    fn a_request_after_another_keeps_its_connection_busy() {
        let table = table();
        let seat = busy(&table, 1);
        seat.begin();
        seat.end();
        assert_eq!(table.lock().networks[&of(1)].busy.len(), 1);
        seat.end();
        assert_eq!(table.lock().networks[&of(1)].idle.len(), 1);
        assert_eq!(table.lock().unfinished, 0);
    }

    proptest! {
        #[test]
        fn shares_hold_and_a_newcomer_gets_in(
            events in proptest::collection::vec((0..3_u8, 0..5_usize, 0..40_usize), 1..200),
        ) {
            let table = table();
            let mut seats: Vec<Seat> = Vec::new();
            for (network, what, which) in events {
                let chosen = which.checked_rem(seats.len());
                match (what, chosen) {
                    (0, Some(chosen)) => seats[chosen].begin(),
                    (1, Some(chosen)) => seats[chosen].end(),
                    (2, Some(chosen)) => drop(seats.swap_remove(chosen)),
                    _ => seats.extend(seat(&table, network)),
                }
                {
                    let state = table.lock();
                    prop_assert!(state.count <= MOST.all);
                    let counted: usize = state.networks.values().map(Network::count).sum();
                    prop_assert_eq!(state.count, counted);
                    prop_assert!(state.networks.values().all(|network| network.count() <= MOST.network));
                    let unfinished: usize = state.networks.values().map(|network| network.unfinished.len()).sum();
                    prop_assert_eq!(state.unfinished, unfinished);
                }
                prop_assert!(seat(&table, 200).is_some(), "a network that has none gets in");
            }
        }
    }
}
