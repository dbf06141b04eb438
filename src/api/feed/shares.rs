//! The slots of readers that wait for changes: streams, and feed requests that wait. The total is bounded, and so are
//! the slots of one account, one token and one network. If all slots are taken, the account with the most loses one to
//! an account with fewer. So an account can always get a slot, whatever other accounts do.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::api::auth::caller::Caller;
use crate::api::problem::RETRY_SOON;
use crate::api::problem::{Problem, ProblemType};
use crate::api::server::peer::network;
use crate::api::settings::Settings;
use crate::model::{AccountId, Filter, Owner, TokenId};

/// How many places there are.
#[derive(Clone, Copy, Debug)]
struct Most {
    all: usize,
    account: usize,
    token: usize,
    network: usize,
    /// Items of the filters of one account's.
    items: usize,
}

#[derive(Debug)]
pub(crate) struct Shares {
    most: Most,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By number: the oldest first.
    taken: BTreeMap<u64, Taken>,
    next: u64,
    streams: usize,
    accounts: HashMap<AccountId, usize>,
    /// How many items the filters of each account's have.
    items: HashMap<AccountId, usize>,
    tokens: HashMap<TokenId, usize>,
    networks: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Taken {
    holder: Holder,
    what: Waits,
    items: usize,
    given_up: CancellationToken,
    forgotten: Arc<AtomicBool>,
}

/// For what somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    Stream,
    /// A request for the feed, until there is something to answer.
    LongPoll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    account: AccountId,
    token: Option<TokenId>,
    network: Option<IpAddr>,
}

/// Whose share is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    All,
    Of(&'static str, usize),
    Items(usize),
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    shares: Arc<Shares>,
    number: u64,
    given_up: CancellationToken,
    forgotten: Arc<AtomicBool>,
}

impl Shares {
    pub(crate) fn new(settings: &Settings) -> Shares {
        let most = Most {
            all: settings.feed_streams,
            account: settings.feed_streams_per_account,
            token: settings.feed_streams_per_token,
            network: settings.feed_streams_per_peer,
            items: settings.feed_filter_items_per_account,
        };
        Shares { most, state: Mutex::default() }
    }

    /// Takes a place for somebody who waits with this filter.
    ///
    /// # Errors
    /// The filters of the account's have as many items as they may have; the caller's account, token or network has as many as it may have; or all are taken, and no account has more than
    /// this one would have.
    pub(crate) fn take(self: &Arc<Self>, caller: &Caller, what: Waits, filter: &Filter) -> Result<Place, Problem> {
        let token = match caller.owner {
            Owner::Account => None,
            Owner::Token(token) => Some(token),
        };
        let holder = Holder { account: caller.account, token, network: caller.peer.map(network) };
        let place = self.hold(holder, what, filter.items()).map_err(|full| match full {
            Full::All => Problem::new(ProblemType::TooManyStreams, "the maximum number of streams is open")
                .with("limit", self.most.all)
                .retry_after(RETRY_SOON),
            Full::Of(whose, limit) => {
                let detail = format!("this {whose} has the maximum number of event streams and long polls open");
                Problem::new(ProblemType::StreamLimit, detail)
                    .with("of", whose)
                    .with("limit", limit)
                    .retry_after(RETRY_SOON)
            }
            Full::Items(limit) => {
                let detail = "the filters of the account's open streams and waiting requests would have too many items \
                              together: close some, or use the beginning of ids instead of many ids";
                Problem::new(ProblemType::StreamLimit, detail)
                    .with("of", "filters")
                    .with("limit", limit)
                    .retry_after(RETRY_SOON)
            }
        })?;
        // It is one of those from now on, and no request under way like others.
        if let Some(place) = &caller.place {
            place.give_up();
        }
        Ok(place)
    }

    fn hold(self: &Arc<Self>, holder: Holder, what: Waits, items: usize) -> Result<Place, Full> {
        let mut state = self.lock();
        let most = &self.most;
        let has = state.accounts.get(&holder.account).copied().unwrap_or(0);
        if has >= most.account {
            return Err(Full::Of("account", most.account));
        }
        if holder.token.is_some_and(|token| state.tokens.get(&token).is_some_and(|has| *has >= most.token)) {
            return Err(Full::Of("token", most.token));
        }
        if holder.network.is_some_and(|network| state.networks.get(&network).is_some_and(|has| *has >= most.network)) {
            return Err(Full::Of("address", most.network));
        }
        let has_items = state.items.get(&holder.account).copied().unwrap_or(0);
        if items > 0 && has_items.saturating_add(items) > most.items {
            return Err(Full::Items(most.items));
        }
        if state.taken.len() >= most.all {
            let number = state.to_give_up(has).ok_or(Full::All)?;
            if let Some(taken) = state.remove(number) {
                taken.given_up.cancel();
            }
        }
        let (given_up, forgotten) = (CancellationToken::new(), Arc::<AtomicBool>::default());
        let taken = Taken { holder, what, items, given_up: given_up.clone(), forgotten: Arc::clone(&forgotten) };
        let number = state.put(taken);
        Ok(Place { shares: Arc::clone(self), number, given_up, forgotten })
    }

    /// Ends whatever an account waits for, since it is forgotten.
    pub(crate) fn forget(&self, account: AccountId) {
        let mut state = self.lock();
        let of_account = state.taken.iter().filter(|(_, taken)| taken.holder.account == account);
        for number in of_account.map(|(number, _)| *number).collect::<Vec<_>>() {
            if let Some(taken) = state.remove(number) {
                taken.forgotten.store(true, Ordering::Release);
                taken.given_up.cancel();
            }
        }
    }

    /// How many streams are open.
    pub(crate) fn streams(&self) -> usize {
        self.lock().streams
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("invariant: no holder of this lock can panic")
    }
}

impl State {
    fn put(&mut self, taken: Taken) -> u64 {
        let Holder { account, token, network } = taken.holder;
        *self.accounts.entry(account).or_default() += 1;
        if taken.items > 0 {
            *self.items.entry(account).or_default() += taken.items;
        }
        if let Some(token) = token {
            *self.tokens.entry(token).or_default() += 1;
        }
        if let Some(network) = network {
            *self.networks.entry(network).or_default() += 1;
        }
        self.streams += usize::from(taken.what == Waits::Stream);
        let number = self.next;
        self.next += 1;
        self.taken.insert(number, taken);
        number
    }

    fn remove(&mut self, number: u64) -> Option<Taken> {
        let taken = self.taken.remove(&number)?;
        let Holder { account, token, network } = taken.holder;
        take_one(&mut self.accounts, &account);
        take(&mut self.items, &account, taken.items);
        if let Some(token) = token {
            take_one(&mut self.tokens, &token);
        }
        if let Some(network) = network {
            take_one(&mut self.networks, &network);
        }
        self.streams -= usize::from(taken.what == Waits::Stream);
        Some(taken)
    }

    /// The oldest place of the account that has the most, if it has still no fewer than the one that wants it.
    fn to_give_up(&self, wants_one_more_than: usize) -> Option<u64> {
        let (account, most) = self.accounts.iter().max_by_key(|(account, has)| (**has, account.0))?;
        if *most <= wants_one_more_than + 1 {
            return None;
        }
        self.taken.iter().find(|(_, taken)| taken.holder.account == *account).map(|(number, _)| *number)
    }
}

fn take_one<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    take(counts, key, 1);
}

fn take<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K, number: usize) {
    if let Some(count) = counts.get_mut(key) {
        *count -= number;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Place {
    /// Whether it was given up because its account was forgotten.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Acquire)
    }

    /// Returns once the place was given to another account, or its own was forgotten.
    pub(crate) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.is_cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: Most = Most { all: 12, account: 8, token: 3, network: 9, items: 10 };

    fn shares() -> Arc<Shares> {
        Arc::new(Shares { most: MOST, state: Mutex::default() })
    }

    fn holder(account: i64, token: Option<i64>, network: u8) -> Holder {
        let network = Some(IpAddr::from([192, 0, 2, network]));
        Holder { account: AccountId(account), token: token.map(TokenId), network }
    }

    #[test]
    fn the_account_with_the_most_places_gives_one_up() {
        let shares = shares();
        let mut places: Vec<Place> =
            (0..8).map(|n| shares.hold(holder(1, None, n), Waits::Stream, 0).expect("free")).collect();
        assert_eq!(shares.hold(holder(1, None, 9), Waits::Stream, 0).err(), Some(Full::Of("account", 8)));
        places.extend((0..4).map(|n| shares.hold(holder(2, None, n), Waits::LongPoll, 0).expect("free")));
        assert_eq!(shares.streams(), 8);
        // Another account, and then the one with few, get in until all have as many.
        places.push(shares.hold(holder(3, None, 1), Waits::Stream, 0).expect("given up"));
        assert!(places[0].given_up.is_cancelled() && !places[1].given_up.is_cancelled());
        places.push(shares.hold(holder(2, None, 1), Waits::Stream, 0).expect("given up"));
        assert!(places[1].given_up.is_cancelled());
        assert_eq!(shares.hold(holder(2, None, 1), Waits::Stream, 0).err(), Some(Full::All));
        // A place that was given up is given back once, and not again by who had it.
        drop(places);
        let state = shares.lock();
        assert!(state.taken.is_empty() && state.accounts.is_empty() && state.networks.is_empty());
        assert_eq!(state.streams, 0);
    }

    #[test]
    fn the_filters_of_an_account_are_bounded_together() {
        let shares = shares();
        let first = shares.hold(holder(1, None, 1), Waits::Stream, 6).expect("free");
        assert_eq!(shares.hold(holder(1, None, 1), Waits::LongPoll, 5).err(), Some(Full::Items(10)));
        let _whole = shares.hold(holder(1, None, 1), Waits::Stream, 0).expect("it has no filter");
        let _other = shares.hold(holder(2, None, 1), Waits::Stream, 10).expect("another account's");
        drop(first);
        drop(shares.hold(holder(1, None, 1), Waits::LongPoll, 10).expect("free again"));
        assert_eq!(shares.lock().items.len(), 1);
    }

    proptest! {
        #[test]
        fn nobody_has_more_than_a_share_and_a_new_account_always_gets_in(
            events in proptest::collection::vec((0..4_i64, 0..3_i64, 0..3_u8, 0..4_usize), 1..200),
        ) {
            let shares = shares();
            let mut places = Vec::new();
            for (account, token, network, gives_back) in events {
                let holder = holder(account, (token > 0).then_some(account * 10 + token), network);
                let held = shares.hold(holder, Waits::Stream, 0);
                {
                    let state = shares.lock();
                    prop_assert!(state.taken.len() <= MOST.all);
                    prop_assert!(state.accounts.values().all(|has| *has <= MOST.account));
                    prop_assert!(state.tokens.values().all(|has| *has <= MOST.token));
                    prop_assert!(state.networks.values().all(|has| *has <= MOST.network));
                }
                places.extend(held.ok());
                if gives_back == 0 {
                    places.swap_remove(places.len() / 2);
                }
                let newcomer = shares.hold(self::holder(99, None, 99), Waits::Stream, 0);
                prop_assert!(newcomer.is_ok(), "{newcomer:?}");
            }
        }
    }
}
