//! Tickets: `POST /api/tickets`. A browser's `EventSource` can't send `Authorization`. So a page gets a ticket with its
//! credentials and opens a stream with it: `GET /api/changes?snapshot=true&ticket=...`. A ticket opens one stream,
//! within a minute by default. The stream ends with the token that the page got the ticket with.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::caller::Caller;
use super::token_secret::hash;
use crate::api::settings::Settings;
use crate::model::AccountId;
use crate::store::TokenHash;

/// Where they are given out.
pub(crate) const PATH: &str = "/api/tickets";
/// The parameter that has one.
pub(crate) const PARAMETER: &str = "ticket";

/// Tickets that were given out and not used yet. They are kept in memory alone: a host that starts again has none.
#[derive(Debug)]
pub(crate) struct Tickets {
    state: Mutex<HashMap<TokenHash, Ticket>>,
    /// How many there are at once, and of one account.
    most: usize,
    most_of_account: usize,
    lasts: Duration,
}

#[derive(Debug)]
struct Ticket {
    caller: Caller,
    /// Of the uptime: setting the clock neither ends tickets nor keeps them.
    until: Duration,
}

impl Tickets {
    pub(crate) fn new(settings: &Settings) -> Tickets {
        Tickets {
            state: Mutex::default(),
            most: settings.feed_streams,
            most_of_account: settings.feed_streams_per_account,
            lasts: settings.ticket_for,
        }
    }

    /// Gives one out. Where there are as many as may be, the oldest one gives way: of the account, or of the account that has
    /// the most.
    pub(crate) fn give(&self, ticket: &SecretString, caller: Caller, uptime: Duration) {
        let until = uptime.saturating_add(self.lasts);
        let account = caller.account;
        let mut state = self.lock();
        state.retain(|_, ticket| ticket.until > uptime);
        let mut counts: HashMap<AccountId, usize> = HashMap::new();
        state.values().for_each(|ticket| *counts.entry(ticket.caller.account).or_default() += 1);
        let own = counts.get(&account).copied().unwrap_or_default();
        let giver = if own >= self.most_of_account {
            Some(account)
        } else if state.len() >= self.most {
            counts.into_iter().max_by_key(|(_, count)| *count).map(|(account, _)| account)
        } else {
            None
        };
        if let Some(giver) = giver {
            let of_giver = state.iter().filter(|(_, ticket)| ticket.caller.account == giver);
            if let Some(oldest) = of_giver.min_by_key(|(_, ticket)| ticket.until).map(|(hash, _)| *hash) {
                state.remove(&oldest);
            }
        }
        // It is another request that will be under way.
        state.insert(hash(ticket.expose_secret()), Ticket { caller: Caller { place: None, ..caller }, until });
    }

    /// For how long each is good.
    pub(crate) fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Takes one back, and says whose it is.
    pub(super) fn redeem(&self, ticket: &str, uptime: Duration) -> Option<Caller> {
        let found = self.lock().remove(&hash(ticket))?;
        (found.until > uptime).then_some(found.caller)
    }

    /// Those of an account that is forgotten.
    pub(crate) fn forget(&self, account: AccountId) {
        self.lock().retain(|_, ticket| ticket.caller.account != account);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenHash, Ticket>> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountKey, Owner, Scope, Timestamp};

    fn caller(account: i64) -> Caller {
        let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: format!("user{account}") };
        let (owner, scope, proven) = (Owner::Account, Scope::Track, Timestamp::default());
        Caller { account: AccountId(account), key, owner, scope, proven, peer: None, place: None, bearer: None }
    }

    #[test]
    fn a_ticket_is_good_once_and_for_a_while() {
        let tickets = Tickets::new(&Settings { ticket_for: Duration::from_secs(60), ..Settings::default() });
        let at = Duration::from_millis;
        for name in ["a", "b", "c"] {
            tickets.give(&name.to_owned().into(), caller(1), at(0));
        }
        assert_eq!(tickets.redeem("a", at(59_999)).map(|caller| caller.account), Some(AccountId(1)));
        assert!(tickets.redeem("a", at(59_999)).is_none(), "it was used");
        assert!(tickets.redeem("b", at(60_000)).is_none(), "it expired");
        assert!(tickets.redeem("", at(0)).is_none());
        tickets.forget(AccountId(1));
        assert!(tickets.lock().is_empty());
    }

    #[test]
    fn an_account_that_asks_for_many_pushes_out_its_own() {
        let settings = Settings { feed_streams: 5, feed_streams_per_account: 4, ..Settings::default() };
        let tickets = Tickets::new(&settings);
        let give = |name: &str, account: i64, at: u64| {
            tickets.give(&name.to_owned().into(), caller(account), Duration::from_millis(at));
        };
        give("other", 2, 0);
        for number in 1..100 {
            give(&format!("{number}"), 1, number);
            assert!(tickets.lock().len() <= 5);
        }
        // All places are taken: the account with the most gives one up, and not the one with the oldest.
        give("third", 3, 100);
        give("fourth", 4, 101);
        let now = Duration::from_millis(102);
        for (name, is_good) in [("other", true), ("third", true), ("fourth", true), ("99", true), ("96", false)] {
            assert_eq!(tickets.redeem(name, now).is_some(), is_good, "{name}");
        }
        // What expired makes room.
        give("last", 5, 1_000_000);
        assert_eq!(tickets.lock().len(), 1);
    }
}
