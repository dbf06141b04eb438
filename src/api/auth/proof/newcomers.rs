//! New accounts, counted by the address that they come from. Some providers take any name for a user, or ask for no credentials
//! at all: one client could invent names, and each account would have its own budget and limits. Pure.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::api::server::peer::network;
use crate::model::Timestamp;

#[derive(Debug)]
pub(super) struct Newcomers {
    /// How many of one network may become known at once.
    most: usize,
    /// In how long all of these are paid back.
    window: Duration,
    /// How many networks are remembered.
    remembered: usize,
    /// When all that a network has spent is paid back.
    networks: HashMap<IpAddr, Timestamp>,
}

impl Newcomers {
    pub(super) fn new(most: usize, window: Duration, remembered: usize) -> Newcomers {
        Newcomers { most: most.max(1), window, remembered: remembered.max(1), networks: HashMap::new() }
    }

    /// What one account costs.
    fn interval(&self) -> Duration {
        self.window / u32::try_from(self.most).unwrap_or(u32::MAX)
    }

    /// How long the network has to wait until one more of it may become known; not at all where that is now. Nothing is
    /// counted where it is not known from where a request came.
    pub(super) fn hold_off(&self, peer: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let paid_back = *self.networks.get(&network(peer?))?;
        let wait = paid_back.after(self.interval()).since(now).saturating_sub(self.window);
        (!wait.is_zero()).then_some(wait)
    }

    /// One more has become known.
    pub(super) fn note(&mut self, peer: Option<IpAddr>, now: Timestamp) {
        let Some(peer) = peer else { return };
        let network = network(peer);
        if !self.networks.contains_key(&network) && self.networks.len() >= self.remembered {
            self.networks.retain(|_, paid_back| *paid_back > now);
            // Who has spent least loses least.
            if self.networks.len() >= self.remembered
                && let Some(least) = self.networks.iter().min_by_key(|(_, paid_back)| **paid_back)
            {
                let least = *least.0;
                self.networks.remove(&least);
            }
        }
        let interval = self.interval();
        let paid_back = self.networks.entry(network).or_insert(now);
        *paid_back = (*paid_back).max(now).after(interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_so_many_and_time_pays_them_back() {
        let mut newcomers = Newcomers::new(3, Duration::from_secs(30), 2);
        let at = |seconds: i64| Timestamp::from_millis(1_000_000 + seconds * 1000);
        let one = Some(IpAddr::from([192, 0, 2, 1]));
        for _ in 0..3 {
            assert_eq!(newcomers.hold_off(one, at(0)), None);
            newcomers.note(one, at(0));
        }
        assert_eq!(newcomers.hold_off(one, at(0)), Some(Duration::from_secs(10)));
        assert_eq!(newcomers.hold_off(None, at(0)), None);
        assert_eq!(newcomers.hold_off(Some(IpAddr::from([192, 0, 2, 2])), at(0)), None);
        assert_eq!(newcomers.hold_off(one, at(4)), Some(Duration::from_secs(6)));
        assert_eq!(newcomers.hold_off(one, at(10)), None);
        newcomers.note(one, at(10));
        assert_eq!(newcomers.hold_off(one, at(10)), Some(Duration::from_secs(10)));
        // Others, however many, don't make it forget who has spent most.
        for number in 2..20 {
            newcomers.note(Some(IpAddr::from([192, 0, 2, number])), at(10));
        }
        assert_eq!(newcomers.networks.len(), 2);
        assert!(newcomers.hold_off(one, at(10)).is_some());
        assert_eq!(newcomers.hold_off(one, at(100)), None);
    }
}
