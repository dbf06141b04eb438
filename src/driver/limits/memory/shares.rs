//! The shared part of the memory, and the reserve: the share of each endpoint, and the order of the polls that wait.
//!
//! An endpoint never has more of the shared part than is left. So each endpoint with long or endless lists leaves half
//! of what it found to others, however many of these endpoints there are. Returned memory goes first to the waiting
//! endpoint that has least, and there to the account that has least. The reserve goes to the endpoint whose last turn
//! is longest ago. So each endpoint waits for at most one poll of each other endpoint, however many of their polls
//! wait.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

use crate::model::AccountKey;

/// Memory of all polls is shared out in units of this size.
pub(super) const UNIT: usize = 64 << 10;

/// Whose memory it is, as far as shares go. What is nobody's poll has no account.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sharer {
    pub(super) endpoint: String,
    pub(super) account: Option<AccountKey>,
}

#[derive(Debug)]
pub(super) struct Shares {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Units of the shared part that nobody has.
    free: usize,
    is_reserve_free: bool,
    /// Units that each endpoint and each account has of the shared part.
    endpoints: HashMap<String, usize>,
    accounts: HashMap<Sharer, usize>,
    /// When each endpoint had the reserve last. There are no more than the roster has providers.
    served: HashMap<String, u64>,
    /// In the order in which they came.
    waiting: BTreeMap<u64, Request>,
    /// Counts requests and turns of the reserve.
    counted: u64,
}

#[derive(Debug)]
struct Request {
    sharer: Arc<Sharer>,
    units: usize,
    grant: oneshot::Sender<Grant>,
}

/// What somebody who waited is given.
#[derive(Debug)]
pub(super) enum Grant {
    Units(Units),
    Reserve(Reserve),
}

/// Units of the shared part, until this is dropped.
#[derive(Debug)]
pub(super) struct Units {
    shares: Arc<Shares>,
    sharer: Arc<Sharer>,
    units: usize,
}

/// The reserve, until this is dropped.
#[derive(Debug)]
pub(super) struct Reserve(Arc<Shares>);

/// A place in the line, until this is dropped.
struct Place<'a> {
    shares: &'a Shares,
    number: u64,
}

impl Shares {
    pub(super) fn new(units: usize) -> Arc<Shares> {
        let state = State {
            free: units,
            is_reserve_free: true,
            endpoints: HashMap::new(),
            accounts: HashMap::new(),
            served: HashMap::new(),
            waiting: BTreeMap::new(),
            counted: 0,
        };
        Arc::new(Shares { state: Mutex::new(state) })
    }

    /// So many units, if they are free and the endpoint may have them.
    pub(super) fn try_units(self: &Arc<Shares>, sharer: &Arc<Sharer>, units: usize) -> Option<Units> {
        let mut state = self.lock();
        state.fits(sharer, units).then(|| state.take(sharer, units))?;
        drop(state);
        Some(Units { shares: Arc::clone(self), sharer: Arc::clone(sharer), units })
    }

    /// The reserve, if it is free: then nobody waits for it.
    pub(super) fn try_reserve(self: &Arc<Shares>, sharer: &Sharer) -> Option<Reserve> {
        let mut state = self.lock();
        state.is_reserve_free.then(|| state.serve(&sharer.endpoint))?;
        drop(state);
        Some(Reserve(Arc::clone(self)))
    }

    /// Waits for this number of units, or for the reserve.
    pub(super) async fn wait(self: &Arc<Shares>, sharer: &Arc<Sharer>, units: usize) -> Grant {
        let (grant, granted) = oneshot::channel();
        let number = {
            let mut state = self.lock();
            state.counted += 1;
            let number = state.counted;
            state.waiting.insert(number, Request { sharer: Arc::clone(sharer), units, grant });
            number
        };
        let _place = Place { shares: self, number };
        // Something may have been given back since this looked.
        self.hand_out();
        granted.await.expect("invariant: a request is in the line until it is granted or dropped")
    }

    /// Gives what is free to those that wait for it.
    fn hand_out(self: &Arc<Shares>) {
        loop {
            let mut state = self.lock();
            let Some((request, grant)) = state.next(self) else { return };
            // What nobody takes any more is given back, which takes the lock.
            drop(state);
            drop(request.grant.send(grant));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.lock().free
    }

    #[cfg(test)]
    pub(super) fn is_reserve_free(&self) -> bool {
        self.lock().is_reserve_free
    }

    /// Whether nobody has anything, nor waits.
    #[cfg(test)]
    pub(super) fn is_whole(&self) -> bool {
        let state = self.lock();
        state.is_reserve_free && state.endpoints.is_empty() && state.accounts.is_empty() && state.waiting.is_empty()
    }
}

impl State {
    fn of_endpoint(&self, sharer: &Sharer) -> usize {
        self.endpoints.get(&sharer.endpoint).copied().unwrap_or(0)
    }

    /// Whether the endpoint has no more than is left once it has these.
    fn fits(&self, sharer: &Sharer, units: usize) -> bool {
        let left = self.free.checked_sub(units);
        left.is_some_and(|left| self.of_endpoint(sharer).saturating_add(units) <= left)
    }

    fn take(&mut self, sharer: &Sharer, units: usize) {
        self.free -= units;
        *self.endpoints.entry(sharer.endpoint.clone()).or_default() += units;
        *self.accounts.entry(sharer.clone()).or_default() += units;
    }

    fn give_back(&mut self, sharer: &Sharer, units: usize) {
        self.free += units;
        let is_none = |held: &mut usize| {
            *held -= units;
            *held == 0
        };
        if self.endpoints.get_mut(&sharer.endpoint).is_some_and(is_none) {
            self.endpoints.remove(&sharer.endpoint);
        }
        if self.accounts.get_mut(sharer).is_some_and(is_none) {
            self.accounts.remove(sharer);
        }
    }

    fn serve(&mut self, endpoint: &str) {
        self.is_reserve_free = false;
        self.counted += 1;
        self.served.insert(endpoint.to_owned(), self.counted);
    }

    /// Who is next, and what for; it is theirs from then on.
    fn next(&mut self, shares: &Arc<Shares>) -> Option<(Request, Grant)> {
        let fitting = self.waiting.iter().filter(|(_, request)| self.fits(&request.sharer, request.units));
        let next = fitting.min_by_key(|(number, Request { sharer, .. })| {
            (self.of_endpoint(sharer), self.accounts.get(&**sharer).copied().unwrap_or(0), **number)
        });
        if let Some(number) = next.map(|(number, _)| *number) {
            let request = self.waiting.remove(&number)?;
            self.take(&request.sharer, request.units);
            let (shares, sharer) = (Arc::clone(shares), Arc::clone(&request.sharer));
            let units = request.units;
            return Some((request, Grant::Units(Units { shares, sharer, units })));
        }
        if !self.is_reserve_free {
            return None;
        }
        let longest_ago = |request: &Request| self.served.get(&request.sharer.endpoint).copied().unwrap_or(0);
        let next = self.waiting.iter().min_by_key(|(number, request)| (longest_ago(request), **number));
        let number = next.map(|(number, _)| *number)?;
        let request = self.waiting.remove(&number)?;
        self.serve(&request.sharer.endpoint);
        Some((request, Grant::Reserve(Reserve(Arc::clone(shares)))))
    }
}

impl Units {
    pub(super) fn number(&self) -> usize {
        self.units
    }

    /// Takes those of another in, of the same poll.
    pub(super) fn merge(&mut self, mut other: Units) {
        self.units += std::mem::take(&mut other.units);
    }

    pub(super) fn give_back(&mut self, units: usize) {
        if units > 0 {
            self.units -= units;
            self.shares.lock().give_back(&self.sharer, units);
            self.shares.hand_out();
        }
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        self.give_back(self.units);
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        self.0.lock().is_reserve_free = true;
        self.0.hand_out();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shares.lock().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn sharer(endpoint: &str, user: &str) -> Arc<Sharer> {
        let account = AccountKey { driver: "d".into(), provider: "p".into(), user: user.into() };
        Arc::new(Sharer { endpoint: endpoint.to_owned(), account: Some(account) })
    }

    #[test]
    fn each_endpoint_leaves_half_of_what_it_finds() {
        let shares = Shares::new(64);
        let mut held = Vec::new();
        for (endpoint, may_have) in [("a", 32), ("b", 16), ("c", 8), ("d", 4)] {
            let sharer = sharer(endpoint, "u");
            let mut has = 0;
            while let Some(one) = shares.try_units(&sharer, 1) {
                held.push(one);
                has += 1;
            }
            assert_eq!(has, may_have, "{endpoint}");
        }
        drop(held);
        assert!(shares.is_whole() && shares.free() == 64);
    }

    #[test]
    fn the_reserve_goes_round_the_endpoints_however_many_wait_at_one() {
        let shares = Shares::new(0);
        let (hostile, other) = (sharer("hostile", "u"), sharer("other", "u"));
        let first = shares.try_reserve(&hostile).expect("free");
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(shares.wait(&hostile, 1))).collect();
        assert!(waiting.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
        let mut late = pin!(shares.wait(&other, 1));
        assert!(late.as_mut().poll(&mut context).is_pending());
        drop(first);
        assert!(waiting.iter_mut().all(|one| one.as_mut().poll(&mut context).is_pending()));
        assert!(late.as_mut().poll(&mut context).is_ready(), "it had its turn longest ago");
        assert!(waiting[0].as_mut().poll(&mut context).is_ready(), "what was given is dropped, and goes on");
        drop(waiting);
        assert!(shares.is_whole());
    }

    #[test]
    fn what_is_given_back_goes_to_who_has_least() {
        let shares = Shares::new(16);
        let (one, two) = (sharer("a", "one"), sharer("a", "two"));
        let _reserve = shares.try_reserve(&one).expect("free");
        let first = shares.try_units(&one, 4).expect("free");
        let second = shares.try_units(&one, 4).expect("free");
        let mut context = Context::from_waker(Waker::noop());
        let mut more = pin!(shares.wait(&one, 4));
        assert!(more.as_mut().poll(&mut context).is_pending());
        let mut of_two = pin!(shares.wait(&two, 4));
        assert!(of_two.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert!(more.as_mut().poll(&mut context).is_pending());
        assert!(of_two.as_mut().poll(&mut context).is_ready());
        drop(first);
        assert!(more.as_mut().poll(&mut context).is_ready());
    }
}
