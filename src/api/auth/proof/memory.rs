//! The memory of proofs: accepted credentials, refused credentials, and the number of recent wrong passwords. Pure:
//! time is a parameter, and credentials come as keyed hashes.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use super::claim::{Print, Proven};
use super::tries::{Allowance, Tried, Tries, interval, is_within};
use crate::api::server::peer::network;
use crate::api::settings::ProofSettings;
use crate::driver::CallError;
use crate::model::{AccountKey, Timestamp};

/// What is remembered of one account and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Accepted(Proven),
    Refused,
    NoAnswer(CallError),
}

/// A password that is tried.
#[derive(Clone, Copy)]
pub(super) struct Try<'a> {
    pub(super) key: &'a AccountKey,
    pub(super) peer: Option<IpAddr>,
    pub(super) print: Print,
    pub(super) now: Timestamp,
}

#[derive(Debug)]
pub(super) struct Memory {
    settings: ProofSettings,
    accounts: HashMap<AccountKey, Remembered>,
    peers: HashMap<IpAddr, Allowance>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// One at most: a password that is proven ends the one before it, which is how a change of password
    /// is noticed.
    accepted: Option<(Print, Proven)>,
    no_answer: Option<NoAnswer>,
    tries: Tries,
    used: Timestamp,
}

#[derive(Debug)]
struct NoAnswer {
    print: Print,
    error: CallError,
    at: Timestamp,
    wait: Duration,
}

impl Memory {
    pub(super) fn new(settings: ProofSettings) -> Memory {
        Memory { settings, accounts: HashMap::new(), peers: HashMap::new() }
    }

    /// What was found out about these credentials, if that is recent.
    pub(super) fn recall(&mut self, key: &AccountKey, print: &Print, now: Timestamp) -> Option<Known> {
        let remembered = self.accounts.get_mut(key)?;
        remembered.used = now;
        if let Some((accepted, proven)) = &remembered.accepted
            && accepted == print
            && is_within(proven.at, now, self.settings.accepted_for)
        {
            return Some(Known::Accepted(*proven));
        }
        if let Some(NoAnswer { print: of, error, at, wait }) = &remembered.no_answer
            && of == print
            && is_within(*at, now, *wait)
        {
            return Some(Known::NoAnswer(error.clone()));
        }
        let tried = remembered.tries.find(print)?;
        (tried.refused && is_within(tried.at, now, self.settings.refused_for)).then_some(Known::Refused)
    }

    /// How long to hold a try off, should too many passwords have been tried: for this account from this network, for
    /// this account from anywhere, or from this network for any account. One that is on the list without having been
    /// refused is let through: the provider has not spoken about it.
    pub(super) fn hold_off(
        &mut self,
        key: &AccountKey,
        peer: Option<IpAddr>,
        print: &Print,
        now: Timestamp,
    ) -> Option<Duration> {
        let ProofSettings { refusals, refusals_per_account, refusals_per_peer, window, .. } = self.settings;
        let network = peer.map(network);
        let account = self.accounts.get_mut(key).and_then(|known| {
            let tries = &mut known.tries;
            tries.expire(now, window);
            if tries.is_unsettled(print) {
                return Some(Duration::ZERO);
            }
            let here = tries.hold_off(now, window, refusals, |tried| tried.network == network);
            here.max(tries.hold_off(now, window, refusals_per_account, |_| true))
        });
        if account == Some(Duration::ZERO) {
            return None;
        }
        let peer = network.and_then(|network| self.peers.get(&network));
        account.max(peer.and_then(|allowance| allowance.hold_off(now, window, interval(window, refusals_per_peer))))
    }

    /// Counts a try that is about to be made.
    pub(super) fn note(&mut self, tried: Try<'_>) {
        self.put(tried, false);
    }

    pub(super) fn refuse(&mut self, tried: Try<'_>) {
        self.put(tried, true);
        if let Some(remembered) = self.accounts.get_mut(tried.key)
            && remembered.accepted.as_ref().is_some_and(|(print, _)| *print == tried.print)
        {
            remembered.accepted = None;
        }
    }

    /// Takes a try off the list. The other tries stay: a right password clears nobody else's wrong ones.
    pub(super) fn accept(&mut self, key: &AccountKey, peer: Option<IpAddr>, print: Print, proven: Proven) {
        let interval = interval(self.settings.window, self.settings.refusals_per_peer);
        let remembered = self.remembered(key, proven.at);
        remembered.accepted = Some((print, proven));
        remembered.no_answer = None;
        let network = peer.map(network);
        let was_counted = remembered.tries.has(&print, network);
        remembered.tries.forget(&print);
        if was_counted && let Some(allowance) = network.and_then(|network| self.peers.get_mut(&network)) {
            allowance.give_back(interval);
        }
    }

    /// Takes a try off the list that was not made.
    pub(super) fn withdraw(&mut self, tried: Try<'_>) {
        let Try { key, peer, print, now } = tried;
        let interval = interval(self.settings.window, self.settings.refusals_per_peer);
        let network = peer.map(network);
        let tries = &mut self.remembered(key, now).tries;
        if tries.find(&print).is_none_or(|tried| tried.refused) {
            return;
        }
        let was_counted = tries.has(&print, network);
        tries.forget(&print);
        if was_counted && let Some(allowance) = network.and_then(|network| self.peers.get_mut(&network)) {
            allowance.give_back(interval);
        }
    }

    /// Remembers that the provider gave no answer, and lets the try cost its network nothing: a cloud that is down would
    /// else keep everybody behind one address from all others. The try stays on the account's list, as one that the
    /// provider has not spoken about.
    pub(super) fn no_answer(&mut self, tried: Try<'_>, error: CallError, wait: Duration) {
        let Try { key, peer, print, now } = tried;
        let ProofSettings { refusals, refusals_per_account, refusals_per_peer, window, .. } = self.settings;
        let network = peer.map(network);
        let remembered = self.remembered(key, now);
        remembered.no_answer = Some(NoAnswer { print, error, at: now, wait });
        let tries = &mut remembered.tries;
        if network.is_none() || !tries.has(&print, network) || tries.find(&print).is_none_or(|tried| tried.refused) {
            return;
        }
        tries.forget(&print);
        tries.put(Tried { print, network: None, at: now, refused: false }, refusals.max(refusals_per_account));
        if let Some(allowance) = network.and_then(|network| self.peers.get_mut(&network)) {
            allowance.give_back(interval(window, refusals_per_peer));
        }
    }

    /// Wrong passwords stay counted: who guesses gains nothing by an account that is forgotten.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        if let Some(remembered) = self.accounts.get_mut(key) {
            remembered.accepted = None;
        }
    }

    pub(super) fn distrust(&mut self, key: &AccountKey, proven: Timestamp) {
        if let Some(remembered) = self.accounts.get_mut(key)
            && remembered.accepted.as_ref().is_some_and(|(_, accepted)| accepted.at <= proven)
        {
            remembered.accepted = None;
        }
    }

    fn put(&mut self, tried: Try<'_>, refused: bool) {
        let Try { key, peer, print, now } = tried;
        let ProofSettings { refusals, refusals_per_account, refusals_per_peer, window, remembered: limit, .. } =
            self.settings;
        let network = peer.map(network);
        let tries = &mut self.remembered(key, now).tries;
        let was_counted = tries.has(&print, network);
        tries.put(Tried { print, network, at: now, refused }, refusals.max(refusals_per_account));
        if let Some(network) = network.filter(|_| !was_counted) {
            if !self.peers.contains_key(&network) && self.peers.len() >= limit {
                drop_oldest(&mut self.peers, |allowance| allowance.paid_back);
            }
            let allowance = self.peers.entry(network).or_insert(Allowance { paid_back: now });
            allowance.spend(now, window, interval(window, refusals_per_peer));
        }
    }

    fn remembered(&mut self, key: &AccountKey, now: Timestamp) -> &mut Remembered {
        if !self.accounts.contains_key(key) && self.accounts.len() >= self.settings.remembered {
            // Those without a proof go first: names made up by an attacker drive out nobody who was proven.
            drop_oldest(&mut self.accounts, |known| (known.accepted.is_some(), known.used));
        }
        let remembered = self.accounts.entry(key.clone()).or_default();
        remembered.used = now;
        remembered
    }
}

/// Makes room for some more at once, so that a full map is not searched for each newcomer.
fn drop_oldest<K: Clone + Eq + Hash, V, A: Ord>(map: &mut HashMap<K, V>, age: impl Fn(&V) -> A) {
    let mut ages: Vec<(A, K)> = map.iter().map(|(key, value)| (age(value), key.clone())).collect();
    let goes = (ages.len() / 8).max(1).min(ages.len());
    if goes < ages.len() {
        ages.select_nth_unstable_by(goes, |(one, _), (other, _)| one.cmp(other));
    }
    for (_, key) in &ages[..goes] {
        map.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AccountId;

    const MINUTE: Duration = Duration::from_secs(60);

    fn key(user: &str) -> AccountKey {
        AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() }
    }

    fn print(number: u8) -> Print {
        Print([number; 32])
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    fn refuse(memory: &mut Memory, user: &str, number: u8, seconds: i64) {
        memory.refuse(Try { key: &key(user), peer: None, print: print(number), now: at(seconds) });
    }

    fn accept(memory: &mut Memory, user: &str, number: u8, seconds: i64) -> Proven {
        let proven = Proven { account: AccountId(1), at: at(seconds) };
        memory.accept(&key(user), None, print(number), proven);
        proven
    }

    #[test]
    fn outcomes_are_remembered_for_a_while() {
        let mut memory = Memory::new(ProofSettings::default());
        let proven = accept(&mut memory, "a", 1, 0);
        refuse(&mut memory, "a", 2, 0);
        let failure = CallError::Unavailable("down".into());
        let tried = Try { key: &key("a"), peer: None, print: print(3), now: at(0) };
        memory.no_answer(tried, failure.clone(), Duration::from_secs(5));
        let mut check = |number: u8, seconds: i64, want: Option<Known>| {
            assert_eq!(memory.recall(&key("a"), &print(number), at(seconds)), want, "{number} at {seconds}");
        };
        check(1, 0, Some(Known::Accepted(proven)));
        check(1, 599, Some(Known::Accepted(proven)));
        check(1, 600, None);
        // The clock was set back: nothing can be said.
        check(1, -6, None);
        check(1, -5, Some(Known::Accepted(proven)));
        check(2, 59, Some(Known::Refused));
        check(2, 60, None);
        check(3, 4, Some(Known::NoAnswer(failure)));
        check(3, 5, None);
        check(4, 0, None);
    }

    #[test]
    fn a_provider_that_gives_no_answer_costs_nobody_a_try_elsewhere() {
        let mut memory = Memory::new(ProofSettings::default());
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        let most = ProofSettings::default().refusals_per_peer;
        let users: Vec<AccountKey> = (0..3 * most).map(|number| key(&format!("user-{number}"))).collect();
        let tried = |key, number, seconds| Try { key, peer, print: print(number), now: at(seconds) };
        for user in &users {
            assert_eq!(memory.hold_off(user, peer, &print(1), at(0)), None);
            memory.note(tried(user, 1, 0));
            memory.no_answer(tried(user, 1, 0), CallError::Unavailable("down".into()), Duration::from_secs(5));
        }
        assert_eq!(memory.hold_off(&key("elsewhere"), peer, &print(2), at(0)), None);
        // Those that are refused do.
        for user in &users {
            memory.note(tried(user, 3, 1));
            memory.refuse(tried(user, 3, 1));
        }
        assert!(memory.hold_off(&key("elsewhere"), peer, &print(2), at(1)).is_some());
    }

    #[test]
    fn a_password_that_is_proven_ends_the_one_before_it() {
        let mut memory = Memory::new(ProofSettings::default());
        accept(&mut memory, "a", 1, 0);
        let proven = accept(&mut memory, "a", 2, 1);
        assert_eq!(memory.recall(&key("a"), &print(1), at(2)), None);
        assert_eq!(memory.recall(&key("a"), &print(2), at(2)), Some(Known::Accepted(proven)));
        memory.distrust(&key("a"), at(0));
        assert_eq!(memory.recall(&key("a"), &print(2), at(2)), Some(Known::Accepted(proven)));
        memory.distrust(&key("a"), at(1));
        assert_eq!(memory.recall(&key("a"), &print(2), at(2)), None);
    }

    #[test]
    fn too_many_different_passwords_are_held_off() {
        let mut memory = Memory::new(ProofSettings::default());
        for number in 1..=5 {
            assert_eq!(memory.hold_off(&key("a"), None, &print(number), at(i64::from(number))), None);
            refuse(&mut memory, "a", number, i64::from(number));
        }
        // The same one again is no other password.
        refuse(&mut memory, "a", 5, 6);
        let mut check = |user: &str, number: u8, seconds: i64, want: Option<u64>| {
            let got = memory.hold_off(&key(user), None, &print(number), at(seconds));
            assert_eq!(got, want.map(Duration::from_secs), "{user} {number} at {seconds}");
        };
        check("a", 6, 11, Some(290));
        check("a", 1, 61, Some(240));
        check("b", 6, 10, None);
        check("a", 6, 301, None);
    }

    #[test]
    fn one_without_an_answer_may_be_tried_again() {
        let mut memory = Memory::new(ProofSettings { refusals: 2, ..ProofSettings::default() });
        memory.note(Try { key: &key("a"), peer: None, print: print(1), now: at(0) });
        refuse(&mut memory, "a", 2, 0);
        assert_eq!(memory.hold_off(&key("a"), None, &print(1), at(1)), None);
        assert_eq!(memory.hold_off(&key("a"), None, &print(3), at(1)), Some(Duration::from_secs(299)));
        // Being right takes it off the list, and nothing else.
        accept(&mut memory, "a", 1, 1);
        assert_eq!(memory.hold_off(&key("a"), None, &print(3), at(1)), None);
        assert_eq!(memory.recall(&key("a"), &print(2), at(1)), Some(Known::Refused));
    }

    #[test]
    fn one_address_does_not_try_many_accounts_at_once() {
        let mut memory = Memory::new(ProofSettings { refusals_per_peer: 3, ..ProofSettings::default() });
        let of = |text: &str| Some(text.parse::<IpAddr>().expect(text));
        for number in 1..=3 {
            let user = format!("user{number}");
            memory.refuse(Try { key: &key(&user), peer: of("2001:db8::1"), print: print(number), now: at(0) });
        }
        let mut check = |peer: Option<IpAddr>, want: Option<Duration>| {
            assert_eq!(memory.hold_off(&key("user9"), peer, &print(9), at(0)), want, "{peer:?}");
        };
        // A third of the window for each of three.
        check(of("2001:db8::1"), Some(Duration::from_secs(100)));
        check(of("2001:db8::ffff:1"), Some(Duration::from_secs(100)));
        check(of("2001:db8:0:1::1"), None);
        check(of("192.0.2.1"), None);
        check(None, None);
        // One that proves right costs nothing.
        let proven = Proven { account: AccountId(1), at: at(0) };
        memory.accept(&key("user3"), of("2001:db8::1"), print(3), proven);
        assert_eq!(memory.hold_off(&key("user9"), of("2001:db8::1"), &print(9), at(0)), None);
    }

    #[test]
    fn wrong_passwords_for_one_account_hold_off_no_other() {
        let mut memory = Memory::new(ProofSettings { refusals_per_account: 20, ..ProofSettings::default() });
        let of = |number: u8| Some(IpAddr::from([192, 0, 2, number]));
        for number in 0..200 {
            let tried = print(number);
            if memory.hold_off(&key("attacked"), of(1), &tried, at(0)).is_none() {
                memory.refuse(Try { key: &key("attacked"), peer: of(1), print: tried, now: at(0) });
            }
        }
        let mut check = |user: &str, peer: Option<IpAddr>, want: Option<Duration>| {
            assert_eq!(memory.hold_off(&key(user), peer, &print(201), at(0)), want, "{user} from {peer:?}");
        };
        check("attacked", of(1), Some(5 * MINUTE));
        check("attacked", of(2), None);
        check("other", of(1), None);
        // From many addresses together one account is tried no more often than that.
        for number in 2..6 {
            for tried in 0..5 {
                let print = print(number * 10 + tried);
                memory.refuse(Try { key: &key("attacked"), peer: of(number), print, now: at(0) });
            }
        }
        let wait = memory.hold_off(&key("attacked"), of(99), &print(201), at(0));
        assert_eq!(wait, Some(5 * MINUTE));
        assert_eq!(memory.hold_off(&key("other"), of(99), &print(201), at(0)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_no_address_out() {
        let mut memory = Memory::new(ProofSettings { refusals_per_peer: 1, ..ProofSettings::default() });
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        memory.refuse(Try { key: &key("a"), peer, print: print(1), now: at(100_000) });
        assert_eq!(memory.hold_off(&key("b"), peer, &print(2), at(100_000)), Some(5 * MINUTE));
        assert_eq!(memory.hold_off(&key("b"), peer, &print(2), at(0)), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memory = Memory::new(ProofSettings { remembered: 16, ..ProofSettings::default() });
        let proven = accept(&mut memory, "proven", 1, 0);
        for number in 0..100_u8 {
            let peer = Some(IpAddr::from([192, 0, 2, number]));
            let user = key(&format!("user{number}"));
            let now = at(i64::from(number));
            memory.refuse(Try { key: &user, peer, print: print(number), now });
            assert!(memory.accounts.len() <= 16 && memory.peers.len() <= 16);
        }
        assert_eq!(memory.recall(&key("proven"), &print(1), at(1)), Some(Known::Accepted(proven)));
        assert_eq!(memory.recall(&key("user99"), &print(99), at(99)), Some(Known::Refused));
    }
}
