//! Requests in progress, from the first byte of the request head to the last byte of the answer: their number, and the
//! bytes of heads, bodies and answers that the host holds for them. The total is bounded, and so are the shares of one
//! account and of one network. A caller that waits for changes takes a slot of `feed/shares` instead.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::IpNet;

use super::peer::network;
use crate::api::problem::RETRY_SOON;
use crate::api::problem::{Problem, ProblemType};
use crate::api::settings::LEAST_HEAD_BYTES;
use crate::api::settings::Settings;
use crate::model::AccountId;

/// A network that has no more than one in so many of all requests has a place where others have none any more: the last
/// eighth of all places is for these.
const FEW: usize = 100;

/// How much there may be. Bytes count beyond the first 8 KiB of each request, so that who asks for little is never refused
/// for what others hold.
#[derive(Clone, Copy, Debug)]
struct Most {
    all: usize,
    account: usize,
    network: usize,
    bytes: usize,
    network_bytes: usize,
}

#[derive(Debug)]
pub(crate) struct InFlight {
    most: Most,
    /// Of whose requests none is one network's.
    trusted: Vec<IpNet>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: Holds,
    accounts: HashMap<AccountId, usize>,
    networks: HashMap<IpAddr, Holds>,
}

/// What requests hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Holds {
    requests: usize,
    bytes: usize,
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    All,
    Bytes,
    Of(&'static str, usize),
    BytesOf(&'static str, usize),
}

/// A request that counts until the last of these is dropped, or the place is given up.
#[derive(Clone, Debug)]
pub(crate) struct Place(Arc<Held>);

#[derive(Debug)]
struct Held {
    in_flight: Arc<InFlight>,
    taken: Mutex<Option<Taken>>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    network: Option<IpAddr>,
    account: Option<AccountId>,
    bytes: usize,
}

/// The bytes of a head that has not ended, on one connection.
#[derive(Debug)]
pub(crate) struct Unfinished {
    in_flight: Arc<InFlight>,
    network: Option<IpAddr>,
    came: usize,
    /// What of it counts.
    counted: usize,
}

/// There is no room for more bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the requests in progress use all bytes that the host, or one address, may have")]
pub(crate) struct NoRoom;

impl InFlight {
    pub(crate) fn new(settings: &Settings) -> Arc<InFlight> {
        let most = Most {
            all: settings.requests_at_once,
            account: settings.requests_at_once_per_account,
            network: settings.requests_at_once_per_peer,
            bytes: settings.request_memory,
            network_bytes: settings.request_memory_per_peer,
        };
        Arc::new(InFlight { most, trusted: settings.trusted_proxies.clone(), state: Mutex::default() })
    }

    /// Counts a request from this address, for which so many bytes are held.
    ///
    /// # Errors
    /// There are as many requests, or as many bytes of them, as the host or the address may have.
    pub(crate) fn begin(self: &Arc<Self>, peer: Option<IpAddr>, bytes: usize) -> Result<Place, Problem> {
        self.hold(peer, bytes.saturating_sub(LEAST_HEAD_BYTES)).map_err(|full| self.refusal(full))
    }

    fn refusal(&self, full: Full) -> Problem {
        match full {
            Full::All => {
                Problem::new(ProblemType::TooManyRequestsAtOnce, "the maximum number of requests is in progress")
                    .with("limit", self.most.all)
                    .retry_after(RETRY_SOON)
            }
            Full::Bytes => {
                let detail = "the requests in progress hold the maximum number of bytes";
                Problem::new(ProblemType::TooManyRequestsAtOnce, detail)
                    .with("limit", self.most.bytes)
                    .retry_after(RETRY_SOON)
            }
            Full::Of(whose, limit) => at_once(whose, limit),
            Full::BytesOf(whose, limit) => {
                let detail = format!("the requests in progress of this {whose} hold the maximum number of bytes");
                Problem::new(ProblemType::RequestLimit, detail)
                    .with("of", whose)
                    .with("limit", limit)
                    .retry_after(RETRY_SOON)
            }
        }
    }

    fn hold(self: &Arc<Self>, peer: Option<IpAddr>, bytes: usize) -> Result<Place, Full> {
        let network = self.network_of(peer);
        self.grow(network, Holds { requests: 1, bytes })?;
        let taken = Taken { network, account: None, bytes };
        Ok(Place(Arc::new(Held { in_flight: Arc::clone(self), taken: Mutex::new(Some(taken)) })))
    }

    /// What arrives on a connection of this address.
    pub(crate) fn unfinished(self: &Arc<Self>, peer: IpAddr) -> Unfinished {
        Unfinished { in_flight: Arc::clone(self), network: self.network_of(Some(peer)), came: 0, counted: 0 }
    }

    /// None for a proxy that the operator trusts, behind which there are many.
    fn network_of(&self, peer: Option<IpAddr>) -> Option<IpAddr> {
        peer.filter(|peer| !self.trusted.iter().any(|trusted| trusted.contains(peer))).map(network)
    }

    fn grow(&self, network: Option<IpAddr>, by: Holds) -> Result<(), Full> {
        let Most { all, network: of_network, bytes, network_bytes, .. } = self.most;
        let mut state = self.lock();
        let holds = network.and_then(|network| state.networks.get(&network)).copied().unwrap_or_default();
        if network.is_some() {
            if by.requests > 0 && holds.requests >= of_network {
                return Err(Full::Of("address", of_network));
            }
            if by.bytes > 0 && holds.bytes.saturating_add(by.bytes) > network_bytes {
                return Err(Full::BytesOf("address", network_bytes));
            }
        }
        let places = if holds.requests <= all / FEW { all } else { all - all / 8 };
        if by.requests > 0 && state.all.requests >= places {
            return Err(Full::All);
        }
        if by.bytes > 0 && state.all.bytes.saturating_add(by.bytes) > bytes {
            return Err(Full::Bytes);
        }
        state.add(network, by);
        Ok(())
    }

    /// What there is already counts, whether there is room for it or not.
    fn grow_beyond(&self, network: Option<IpAddr>, by: Holds) {
        self.lock().add(network, by);
    }

    fn shrink(&self, network: Option<IpAddr>, account: Option<AccountId>, by: Holds) {
        let mut state = self.lock();
        state.all.take(by);
        if let Some(network) = network
            && let Some(holds) = state.networks.get_mut(&network)
        {
            holds.take(by);
            if *holds == Holds::default() {
                state.networks.remove(&network);
            }
        }
        if let Some(account) = account {
            take_one(&mut state.accounts, &account);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn at_once(whose: &'static str, limit: usize) -> Problem {
    let detail = format!("this {whose} has the maximum number of requests in progress");
    Problem::new(ProblemType::RequestLimit, detail).with("of", whose).with("limit", limit).retry_after(RETRY_SOON)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("invariant: no holder of this lock can panic")
}

fn take_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl State {
    fn add(&mut self, network: Option<IpAddr>, by: Holds) {
        if let Some(network) = network {
            self.networks.entry(network).or_default().add(by);
        }
        self.all.add(by);
    }
}

impl Holds {
    fn add(&mut self, by: Holds) {
        self.requests += by.requests;
        self.bytes += by.bytes;
    }

    fn take(&mut self, by: Holds) {
        self.requests -= by.requests;
        self.bytes -= by.bytes;
    }
}

impl Place {
    /// Counts the request as one of this account's as well.
    ///
    /// # Errors
    /// The account has as many under way as it may have.
    pub(crate) fn belongs_to(&self, account: AccountId) -> Result<(), Problem> {
        let Held { in_flight, taken } = &*self.0;
        let mut taken = lock(taken);
        // One that was given up, or is known already, counts elsewhere.
        let Some(taken) = taken.as_mut().filter(|taken| taken.account.is_none()) else { return Ok(()) };
        let most = in_flight.most.account;
        let mut state = in_flight.lock();
        let has = state.accounts.entry(account).or_default();
        if *has >= most {
            return Err(at_once("account", most));
        }
        *has += 1;
        taken.account = Some(account);
        Ok(())
    }

    /// Counts the bytes of its answer as well, until that is taken. They count in any case: where there is no room for them,
    /// they are to be dropped soon.
    ///
    /// # Errors
    /// There are as many bytes as the host or the address may have.
    pub(crate) fn holds_answer(&self, bytes: usize) -> Result<(), Problem> {
        let Held { in_flight, taken } = &*self.0;
        let mut taken = lock(taken);
        let Some(taken) = taken.as_mut() else { return Ok(()) };
        let bytes = bytes.saturating_sub(LEAST_HEAD_BYTES);
        let by = Holds { requests: 0, bytes };
        let room = in_flight.grow(taken.network, by).map_err(|full| in_flight.refusal(full));
        if room.is_err() {
            in_flight.grow_beyond(taken.network, by);
        }
        taken.bytes += bytes;
        room
    }

    /// From now on it counts as something else.
    pub(crate) fn give_up(&self) {
        self.0.give_up();
    }
}

impl Held {
    fn give_up(&self) {
        if let Some(Taken { network, account, bytes }) = lock(&self.taken).take() {
            self.in_flight.shrink(network, account, Holds { requests: 1, bytes });
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Unfinished {
    /// So many more bytes are held until the head has ended.
    pub(crate) fn grows(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.came = self.came.saturating_add(bytes);
        let bytes = self.came.saturating_sub(LEAST_HEAD_BYTES) - self.counted;
        if bytes > 0 {
            self.in_flight.grow(self.network, Holds { requests: 0, bytes }).map_err(|_| NoRoom)?;
            self.counted += bytes;
        }
        Ok(())
    }

    /// It has ended: the request is counted from here on.
    pub(crate) fn ended(&mut self) {
        self.came = 0;
        let bytes = std::mem::take(&mut self.counted);
        if bytes > 0 {
            self.in_flight.shrink(self.network, None, Holds { requests: 0, bytes });
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.ended();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: Most = Most { all: 10, account: 4, network: 6, bytes: 1000, network_bytes: 700 };

    fn in_flight() -> Arc<InFlight> {
        let trusted = vec!["198.51.100.1/32".parse().expect("a network")];
        Arc::new(InFlight { most: MOST, trusted, state: Mutex::default() })
    }

    fn of(network: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, network]))
    }

    #[test]
    fn a_network_has_a_share_and_a_trusted_proxy_all() {
        let in_flight = in_flight();
        let _own: Vec<Place> = (0..6).map(|_| in_flight.hold(of(1), 1).expect("free")).collect();
        assert_eq!(in_flight.hold(of(1), 1).err(), Some(Full::Of("address", 6)));
        let proxy = || in_flight.hold(Some(IpAddr::from([198, 51, 100, 1])), 1);
        let _others: Vec<Place> = (0..2).map(|_| proxy().expect("free")).collect();
        let _one = in_flight.hold(of(2), 1).expect("free");
        // The last place is for who has few.
        assert_eq!(in_flight.hold(of(2), 1).err(), Some(Full::All));
        let _last = in_flight.hold(of(3), 1).expect("free");
        assert_eq!(proxy().err(), Some(Full::All));
    }

    #[test]
    fn bytes_are_bounded_whoever_holds_them() {
        let in_flight = in_flight();
        let mut head = in_flight.unfinished(IpAddr::from([192, 0, 2, 1]));
        head.grows(LEAST_HEAD_BYTES).expect("so much is always taken");
        head.grows(600).expect("room");
        assert_eq!(head.grows(200), Err(NoRoom));
        let mut other = in_flight.unfinished(IpAddr::from([192, 0, 2, 1]));
        other.grows(LEAST_HEAD_BYTES).expect("so much is always taken");
        in_flight.begin(of(1), LEAST_HEAD_BYTES).expect("and so is a request");
        assert_eq!(in_flight.hold(of(1), 101).err(), Some(Full::BytesOf("address", 700)));
        assert_eq!(in_flight.hold(of(2), 401).err(), Some(Full::Bytes));
        head.ended();
        let place = in_flight.hold(of(1), 700).expect("room again");
        place.give_up();
        drop(place);
        drop(head);
        assert_eq!(in_flight.lock().all, Holds::default());
        assert!(in_flight.lock().networks.is_empty());
    }

    #[test]
    fn answers_that_nobody_takes_leave_no_room_for_more() {
        let in_flight = in_flight();
        let first = in_flight.hold(of(1), 0).expect("free");
        first.holds_answer(LEAST_HEAD_BYTES + 600).expect("room");
        let second = in_flight.hold(of(1), 0).expect("free");
        assert!(second.holds_answer(LEAST_HEAD_BYTES + 101).is_err());
        assert_eq!(in_flight.lock().all.bytes, 701, "there it is, all the same");
        drop(second);
        let other = in_flight.hold(of(2), 0).expect("free");
        other.holds_answer(LEAST_HEAD_BYTES).expect("so much is always given");
        assert!(other.holds_answer(LEAST_HEAD_BYTES + 401).is_err());
        drop((first, other));
        assert_eq!(in_flight.lock().all, Holds::default());
        assert!(in_flight.lock().networks.is_empty());
    }

    proptest! {
        #[test]
        fn nobody_has_more_than_a_share_and_all_is_given_back(
            events in proptest::collection::vec((0..4_i64, 0..4_u8, 0..300_usize, 0..5_usize), 1..200),
        ) {
            let in_flight = in_flight();
            let mut places: Vec<Place> = Vec::new();
            for (account, network, bytes, what) in events {
                if let Ok(place) = in_flight.hold(of(network), bytes) {
                    let counts = place.belongs_to(AccountId(account)).is_ok();
                    prop_assert!(place.belongs_to(AccountId(99)).is_ok(), "it has an account already, or none is full");
                    if counts {
                        places.push(place);
                    }
                }
                match what {
                    0 if !places.is_empty() => drop(places.swap_remove(places.len() / 2)),
                    1 => places.iter().for_each(Place::give_up),
                    _ => {}
                }
                let state = in_flight.lock();
                prop_assert!(state.all.requests <= MOST.all && state.all.bytes <= MOST.bytes);
                prop_assert!(state.accounts.values().all(|has| *has <= MOST.account));
                prop_assert!(state.networks.values().all(|has| has.requests <= MOST.network && has.bytes <= MOST.network_bytes));
            }
            drop(places);
            let state = in_flight.lock();
            prop_assert_eq!(state.all, Holds::default());
            prop_assert!(state.accounts.is_empty() && state.networks.is_empty());
        }
    }
}
