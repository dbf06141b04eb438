//! The small memory that an account's driver has across polls: login tokens and the like. It lives in
//! the host's memory only, and is gone with a change of credentials.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sha2::{Digest, Sha256};

use super::Target;
use crate::model::{AccountKey, Timestamp};

const MOST_ENTRIES: usize = 16;
const MOST_BYTES: usize = 16 << 10;
/// Accounts remembered; beyond that, those that ran out are dropped, then the rest: a session is only
/// ever a saving.
const MOST_ACCOUNTS: usize = 10_000;

/// Bytes of all entries of all accounts; beyond that, the same.
const MOST_BYTES_IN_ALL: usize = 64 << 20;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_account: HashMap<SessionKey, Session>,
    /// Of all names and values.
    bytes: usize,
}

impl Kept {
    /// Drops what ran out, and the rest where that is not enough.
    fn make_room(&mut self, bytes: usize, now: Timestamp) {
        let is_full = |kept: &Kept| {
            kept.by_account.len() >= MOST_ACCOUNTS || kept.bytes.saturating_add(bytes) > MOST_BYTES_IN_ALL
        };
        if !is_full(self) {
            return;
        }
        self.by_account.retain(|_, session| session.entries.values().any(|entry| entry.until > now));
        self.count();
        if is_full(self) {
            self.by_account.clear();
            self.bytes = 0;
        }
    }

    fn count(&mut self) {
        self.bytes = self.by_account.values().map(Session::bytes).sum();
    }
}

#[derive(Debug)]
struct Session {
    /// Which credentials it was made with.
    credentials: [u8; 32],
    entries: HashMap<String, Entry>,
}

impl Session {
    fn bytes(&self) -> usize {
        self.entries.iter().map(|(name, entry)| name.len() + entry.value.len()).sum()
    }
}

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    until: Timestamp,
}

/// Whose a session is: a driver's of that very content, for an account. Another version, or a shadow, starts
/// with none, and can't put anything into that of the version beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) account: AccountKey,
    /// SHA-256 of the driver's file.
    pub(super) driver: String,
}

/// Which credentials a session belongs to.
pub(super) fn credentials_mark(target: &Target) -> [u8; 32] {
    let mut digest = Sha256::new();
    for secret in std::iter::once(&target.password).chain(target.secrets.values()) {
        digest.update((secret.expose_secret().len() as u64).to_be_bytes());
        digest.update(secret.expose_secret());
    }
    digest.finalize().into()
}

impl Sessions {
    pub(super) fn get(&self, key: &SessionKey, mark: &[u8; 32], name: &str, now: Timestamp) -> Option<Vec<u8>> {
        if name.len() > MOST_BYTES {
            return None;
        }
        let kept = self.kept.lock().expect("invariant: no holder of this lock can panic");
        let session = kept.by_account.get(key).filter(|session| session.credentials == *mark)?;
        session.entries.get(name).filter(|entry| entry.until > now).map(|entry| entry.value.clone())
    }

    /// Puts another value in the place of each that the account has with any driver, and says whether it has any:
    /// for whoever wants to know what a driver makes of a token that is worth nothing any more.
    pub(super) fn spoil(&self, account: &AccountKey, value: &[u8]) -> bool {
        let mut kept = self.kept.lock().expect("invariant: no holder of this lock can panic");
        let of_account = kept.by_account.iter_mut().filter(|(key, _)| key.account == *account);
        let mut entries = of_account.flat_map(|(_, session)| session.entries.values_mut()).peekable();
        let has_any = entries.peek().is_some();
        entries.for_each(|entry| entry.value = value.to_vec());
        kept.count();
        has_any
    }

    /// Keeps a value, or says why not.
    pub(super) fn put(
        &self,
        key: &SessionKey,
        mark: &[u8; 32],
        (name, value): (String, Vec<u8>),
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<(), &'static str> {
        if name.len() + value.len() > MOST_BYTES {
            return Err("it is larger than 16 KiB");
        }
        let mut kept = self.kept.lock().expect("invariant: no holder of this lock can panic");
        kept.make_room(name.len() + value.len(), now);
        let Kept { by_account, bytes } = &mut *kept;
        let session =
            by_account.entry(key.clone()).or_insert_with(|| Session { credentials: *mark, entries: HashMap::new() });
        *bytes -= session.bytes();
        if session.credentials != *mark {
            *session = Session { credentials: *mark, entries: HashMap::new() };
        }
        session.entries.retain(|_, entry| entry.until > now);
        let has_room = session.entries.len() < MOST_ENTRIES || session.entries.contains_key(&name);
        if has_room {
            session.entries.insert(name, Entry { value, until: now.after(lifetime) });
        }
        *bytes += session.bytes();
        if !has_room {
            return Err("the account has 16 entries already");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_accounts_together_have_their_limit() {
        let sessions = Sessions::default();
        let put = |user: usize, until: u64| {
            let account = AccountKey { driver: "d".into(), provider: "p".into(), user: user.to_string() };
            let key = SessionKey { account, driver: "digest".into() };
            for n in 0..MOST_ENTRIES {
                let entry = (n.to_string(), vec![7; MOST_BYTES - 2]);
                let lifetime = Duration::from_secs(until);
                sessions.put(&key, &[0; 32], entry, lifetime, Timestamp::from_millis(0)).expect("kept");
            }
        };
        for user in 0..2 * MOST_BYTES_IN_ALL / (MOST_ENTRIES * MOST_BYTES) {
            put(user, 60);
            let kept = sessions.kept.lock().expect("held by nobody");
            assert!(kept.bytes <= MOST_BYTES_IN_ALL && kept.bytes > 0);
            assert_eq!(kept.bytes, kept.by_account.values().map(Session::bytes).sum::<usize>());
        }
    }

    #[test]
    fn an_entry_lives_its_time_and_for_its_credentials() {
        let sessions = Sessions::default();
        let key = |user: &str| SessionKey {
            account: AccountKey { driver: "d".into(), provider: "p".into(), user: user.into() },
            driver: "digest".into(),
        };
        let at = Timestamp::from_millis;
        let put = |user: &str, mark: u8, name: String, size: usize| {
            let lifetime = Duration::from_secs(1);
            sessions.put(&key(user), &[mark; 32], (name, vec![7; size]), lifetime, at(0))
        };
        put("a", 1, "token".into(), 3).expect("kept");
        let get = |user: &str, mark: u8, now: i64| sessions.get(&key(user), &[mark; 32], "token", at(now));
        assert_eq!(get("a", 1, 999), Some(vec![7; 3]));
        assert_eq!(get("a", 1, 1000), None);
        assert_eq!(get("a", 2, 0), None);
        assert_eq!(get("b", 1, 0), None);

        assert!(put("a", 1, "large".into(), MOST_BYTES).is_err());
        for n in 1..MOST_ENTRIES {
            put("a", 1, n.to_string(), 1).expect("kept");
        }
        assert!(put("a", 1, "one more".into(), 1).is_err());
        let other = SessionKey { driver: "another version".into(), ..key("a") };
        assert_eq!(sessions.get(&other, &[1; 32], "2", at(0)), None);
        put("a", 2, "token".into(), 1).expect("other credentials start anew");
        assert_eq!(get("a", 1, 0), None);
    }
}
