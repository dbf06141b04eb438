//! Counts new accounts by the client's address. Some providers accept any user name, or need no credentials at all. One
//! client could then invent names, and each account would have a separate budget and separate limits. Times are
//! uptimes, which cannot be set. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::api::server::peer::network;

#[derive(Debug)]
pub(super) struct Newcomers {
    /// How many of one network may become known at once.
    most: usize,
    /// In how long all of these are paid back.
    window: Duration,
    /// How many networks are remembered.
    remembered: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When all that a network has spent is paid back.
    networks: HashMap<IpAddr, Duration>,
    /// How many places of a network are taken by proofs that are under way.
    reserved: HashMap<IpAddr, usize>,
}

/// Why an account can't become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// So many have become known that the next one may in so long.
    Spent(Duration),
    /// The last places are taken by proofs that are under way, and some of them may come to nothing.
    Reserved,
}

/// A place for an account that may become known, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    newcomers: Arc<Newcomers>,
    /// None where it is not known from where a request came: nothing is counted then.
    network: Option<IpAddr>,
}

impl Newcomers {
    pub(super) fn new(most: usize, window: Duration, remembered: usize) -> Newcomers {
        Newcomers { most: most.max(1), window, remembered: remembered.max(1), state: Mutex::default() }
    }

    /// What one account costs.
    fn interval(&self) -> Duration {
        self.window / u32::try_from(self.most).unwrap_or(u32::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }

    /// Takes a place, so that those who ask at once do not all find the last one free.
    pub(super) fn reserve(self: &Arc<Self>, peer: Option<IpAddr>, now: Duration) -> Result<Place, NoPlace> {
        let network = peer.map(network);
        if let Some(network) = network {
            let mut state = self.lock();
            let spent = state.networks.get(&network).map_or(Duration::ZERO, |paid_back| paid_back.saturating_sub(now));
            let wait = spent.saturating_add(self.interval()).saturating_sub(self.window);
            if !wait.is_zero() {
                return Err(NoPlace::Spent(wait));
            }
            let reserved = state.reserved.get(&network).copied().unwrap_or_default();
            let places = u32::try_from(reserved.saturating_add(1)).unwrap_or(u32::MAX);
            if spent.saturating_add(self.interval().saturating_mul(places)) > self.window {
                return Err(NoPlace::Reserved);
            }
            state.reserved.insert(network, reserved + 1);
        }
        Ok(Place { newcomers: Arc::clone(self), network })
    }

    /// One more becomes known.
    pub(super) fn note(&self, peer: Option<IpAddr>, now: Duration) {
        let Some(peer) = peer else { return };
        let network = network(peer);
        let networks = &mut self.lock().networks;
        if !networks.contains_key(&network) && networks.len() >= self.remembered {
            networks.retain(|_, paid_back| *paid_back > now);
            // Who has spent least loses least.
            if networks.len() >= self.remembered
                && let Some(least) = networks.iter().min_by_key(|(_, paid_back)| **paid_back)
            {
                let least = *least.0;
                networks.remove(&least);
            }
        }
        let paid_back = networks.entry(network).or_insert(now);
        *paid_back = (*paid_back).max(now).saturating_add(self.interval());
    }

    /// One that was noted has not become known after all.
    pub(super) fn take_back(&self, peer: Option<IpAddr>) {
        let Some(peer) = peer else { return };
        if let Some(paid_back) = self.lock().networks.get_mut(&network(peer)) {
            *paid_back = paid_back.saturating_sub(self.interval());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let reserved = &mut self.newcomers.lock().reserved;
        if let Some(count) = reserved.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                reserved.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newcomers(most: usize) -> Arc<Newcomers> {
        Arc::new(Newcomers::new(most, Duration::from_secs(30), 2))
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000_000 + seconds)
    }

    fn of(number: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, number]))
    }

    #[test]
    fn a_network_has_so_many_and_time_pays_them_back() {
        let newcomers = newcomers(3);
        let check = |peer: Option<IpAddr>, seconds: u64, want: Option<u64>| {
            let place = newcomers.reserve(peer, at(seconds)).map(drop);
            let want = want.map_or(Ok(()), |wait| Err(NoPlace::Spent(Duration::from_secs(wait))));
            assert_eq!(place, want, "{peer:?} at {seconds}");
        };
        for _ in 0..3 {
            check(of(1), 0, None);
            newcomers.note(of(1), at(0));
        }
        check(of(1), 0, Some(10));
        check(None, 0, None);
        check(of(2), 0, None);
        check(of(1), 4, Some(6));
        check(of(1), 10, None);
        newcomers.note(of(1), at(10));
        check(of(1), 10, Some(10));
        newcomers.take_back(of(1));
        check(of(1), 10, None);
        newcomers.note(of(1), at(10));
        // Others, however many, don't make it forget who has spent most.
        for number in 2..20 {
            newcomers.note(of(number), at(10));
        }
        assert_eq!(newcomers.lock().networks.len(), 2);
        check(of(1), 10, Some(10));
        check(of(1), 100, None);
    }

    #[test]
    fn a_place_is_taken_until_it_is_dropped() {
        let newcomers = newcomers(3);
        newcomers.note(of(1), at(0));
        let mut places = vec![newcomers.reserve(of(1), at(0)).expect("a place")];
        places.push(newcomers.reserve(of(1), at(0)).expect("a place"));
        assert_eq!(newcomers.reserve(of(1), at(0)).map(drop), Err(NoPlace::Reserved));
        newcomers.reserve(of(2), at(0)).expect("another network has its own");
        newcomers.reserve(None, at(0)).expect("nothing is counted");
        // One becomes known, and the other one does not.
        newcomers.note(of(1), at(0));
        places.clear();
        drop(newcomers.reserve(of(1), at(0)).expect("a place"));
        newcomers.note(of(1), at(0));
        assert_eq!(newcomers.reserve(of(1), at(0)).map(drop), Err(NoPlace::Spent(Duration::from_secs(10))));
        assert!(newcomers.lock().reserved.is_empty());
    }
}
