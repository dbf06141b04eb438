//! The session memory of an account's driver across polls: login tokens and the like. It is cleared when the
//! credentials or the endpoints of the account change. Changes are recorded so that a module with a store can keep them
//! across a restart: this module has none.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::model::{AccountKey, Timestamp};

mod mark;

const MOST_ENTRIES: usize = 16;
const MOST_BYTES: usize = 16 << 10;
/// Accounts remembered; beyond that, those that ran out are dropped, then the rest: a session is only
/// ever a saving.
const MOST_ACCOUNTS: usize = 10_000;

/// Bytes of all entries of all accounts; beyond that, the same.
const MOST_BYTES_IN_ALL: usize = 64 << 20;

/// The sessions of all accounts.
#[derive(Debug, Default)]
pub struct Sessions {
    kept: Mutex<Kept>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    by_account: HashMap<SessionKey, Session>,
    /// Of all names and values.
    bytes: usize,
    /// Sessions that changed since they were saved, each with the number of its last change.
    unsaved: HashMap<SessionKey, u64>,
    changes: u64,
}

impl Kept {
    /// Drops what ran out, and the rest where that is not enough.
    fn make_room(&mut self, bytes: usize, now: Timestamp) {
        if !self.is_full(bytes) {
            return;
        }
        self.by_account.retain(|_, session| session.entries.values().any(|entry| entry.until > now));
        self.count();
        if self.is_full(bytes) {
            let dropped: Vec<SessionKey> = self.by_account.drain().map(|(key, _)| key).collect();
            self.bytes = 0;
            dropped.into_iter().for_each(|key| self.note(key));
        }
    }

    fn is_full(&self, bytes: usize) -> bool {
        self.by_account.len() >= MOST_ACCOUNTS || self.bytes.saturating_add(bytes) > MOST_BYTES_IN_ALL
    }

    fn count(&mut self) {
        self.bytes = self.by_account.values().map(Session::bytes).sum();
    }

    /// Notes that a session changed or went.
    fn note(&mut self, key: SessionKey) {
        // Of a session that is gone and can't be noted, the saved one is left to run out.
        if self.unsaved.len() >= 2 * MOST_ACCOUNTS {
            self.unsaved.retain(|key, _| self.by_account.contains_key(key));
        }
        self.changes += 1;
        self.unsaved.insert(key, self.changes);
    }

    /// Drops those that `is_kept` does not name.
    fn drop_others(&mut self, is_kept: impl Fn(&SessionKey) -> bool) {
        let dropped: Vec<SessionKey> = self.by_account.keys().filter(|key| !is_kept(key)).cloned().collect();
        dropped.into_iter().for_each(|key| self.drop_session(key));
    }

    fn drop_session(&mut self, key: SessionKey) {
        if let Some(session) = self.by_account.remove(&key) {
            self.bytes -= session.bytes();
        }
        self.note(key);
    }
}

#[derive(Debug)]
struct Session {
    /// Which credentials it was made with, and where: see `Target::mark`.
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
pub struct SessionKey {
    pub account: AccountKey,
    /// SHA-256 of the driver's file.
    pub driver: String,
}

/// A session that is to be saved, or to be forgotten where it was saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsavedSession {
    pub key: SessionKey,
    /// Of its last change.
    number: u64,
}

/// A session as it is saved. Its text tells which credentials it was made with, by which they could be guessed: it is to
/// be kept as a secret.
#[derive(Debug)]
pub struct SavedSession {
    /// When the last of it runs out.
    pub until: Timestamp,
    pub text: SecretString,
}

#[derive(Serialize, Deserialize)]
struct SessionText {
    credentials: String,
    entries: Vec<EntryText>,
}

#[derive(Serialize, Deserialize)]
struct EntryText {
    name: String,
    value: String,
    until: i64,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("invariant: no holder of this lock can panic")
    }

    pub fn get(&self, key: &SessionKey, mark: &[u8; 32], name: &str, now: Timestamp) -> Option<Vec<u8>> {
        if name.len() > MOST_BYTES {
            return None;
        }
        let kept = self.lock();
        let session = kept.by_account.get(key).filter(|session| session.credentials == *mark)?;
        session.entries.get(name).filter(|entry| entry.until > now).map(|entry| entry.value.clone())
    }

    /// Puts another value in the place of each that the account has with any driver, and says whether it has any:
    /// for whoever wants to know what a driver makes of a token that is worth nothing any more.
    pub(crate) fn spoil(&self, account: &AccountKey, value: &[u8]) -> bool {
        let mut kept = self.lock();
        let of_account = kept.by_account.iter_mut().filter(|(key, _)| key.account == *account);
        let mut entries = of_account.flat_map(|(_, session)| session.entries.values_mut()).peekable();
        let has_any = entries.peek().is_some();
        entries.for_each(|entry| entry.value = value.to_vec());
        kept.count();
        has_any
    }

    /// Keeps a value, or says why not.
    pub fn put(
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
        let mut kept = self.lock();
        kept.make_room(name.len() + value.len(), now);
        let Kept { by_account, bytes, .. } = &mut *kept;
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
        kept.note(key.clone());
        drop(kept);
        self.changed.notify_one();
        Ok(())
    }

    /// Forgets a session of other credentials than those that are in force.
    pub(super) fn keep_credentials(&self, key: &SessionKey, mark: &[u8; 32]) {
        let mut kept = self.lock();
        if kept.by_account.get(key).is_none_or(|session| session.credentials == *mark) {
            return;
        }
        kept.drop_session(key.clone());
        drop(kept);
        self.changed.notify_one();
    }

    /// Forgets the sessions of drivers of which `is_current` does not know the digest.
    pub fn keep_drivers(&self, is_current: impl Fn(&str) -> bool) {
        self.lock().drop_others(|key| is_current(&key.driver));
        self.changed.notify_one();
    }

    /// Forgets the sessions of an account.
    pub fn forget(&self, account: &AccountKey) {
        self.lock().drop_others(|key| key.account != *account);
        self.changed.notify_one();
    }

    /// Returns once something may have changed since the last return.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Those that are to be saved.
    pub fn unsaved(&self) -> Vec<UnsavedSession> {
        let kept = self.lock();
        kept.unsaved.iter().map(|(key, number)| UnsavedSession { key: key.clone(), number: *number }).collect()
    }

    /// A session as it is to be saved, if anything of it is good still.
    pub fn text(&self, key: &SessionKey, now: Timestamp) -> Option<SavedSession> {
        let kept = self.lock();
        let session = kept.by_account.get(key)?;
        let good = session.entries.iter().filter(|(_, entry)| entry.until > now);
        let until = good.clone().map(|(_, entry)| entry.until).max()?;
        let entries = good.map(|(name, entry)| EntryText {
            name: name.clone(),
            value: BASE64.encode(&entry.value),
            until: entry.until.as_millis(),
        });
        let text = SessionText { credentials: BASE64.encode(session.credentials), entries: entries.collect() };
        let text = serde_json::to_string(&text).expect("invariant: strings and numbers can be written");
        Some(SavedSession { until, text: text.into() })
    }

    /// Takes down that a session was saved as it was then, or forgotten.
    pub fn saved(&self, saved: &UnsavedSession) {
        let mut kept = self.lock();
        if kept.unsaved.get(&saved.key) == Some(&saved.number) {
            kept.unsaved.remove(&saved.key);
        }
    }

    /// Notes that a session that was saved is worth nothing, so that it is forgotten where it was saved.
    pub fn disown(&self, key: SessionKey) {
        self.lock().note(key);
        self.changed.notify_one();
    }

    /// Takes up a session that was saved, as far as it is good still and there is room. Says whether it could be read.
    pub fn restore(&self, key: SessionKey, text: &SecretString, now: Timestamp) -> bool {
        let Some(session) = read(text, now) else { return false };
        let mut kept = self.lock();
        let bytes = session.bytes();
        if !session.entries.is_empty() && !kept.is_full(bytes) && !kept.by_account.contains_key(&key) {
            kept.bytes += bytes;
            kept.by_account.insert(key, session);
        }
        true
    }
}

/// What is good still of a session that was saved.
fn read(text: &SecretString, now: Timestamp) -> Option<Session> {
    let SessionText { credentials, entries } = serde_json::from_str(text.expose_secret()).ok()?;
    let credentials = BASE64.decode(credentials).ok()?.try_into().ok()?;
    let mut session = Session { credentials, entries: HashMap::new() };
    for EntryText { name, value, until } in entries.into_iter().take(MOST_ENTRIES) {
        let (value, until) = (BASE64.decode(value).ok()?, Timestamp::from_millis(until));
        if until > now && name.len() + value.len() <= MOST_BYTES {
            session.entries.insert(name, Entry { value, until });
        }
    }
    Some(session)
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

    #[test]
    fn what_changed_is_saved_once_and_comes_back() {
        let sessions = Sessions::default();
        let account = AccountKey { driver: "d".into(), provider: "p".into(), user: "u".into() };
        let key = SessionKey { account, driver: "digest".into() };
        let at = Timestamp::from_millis;
        let put = |name: &str, seconds: u64| {
            let entry = (name.to_owned(), vec![0xff, 7]);
            sessions.put(&key, &[1; 32], entry, Duration::from_secs(seconds), at(0)).expect("kept");
        };
        assert_eq!(sessions.unsaved(), []);
        put("short", 1);
        put("long", 60);
        let unsaved = sessions.unsaved();
        assert_eq!(unsaved.iter().map(|unsaved| &unsaved.key).collect::<Vec<_>>(), [&key]);
        let saved = sessions.text(&key, at(5000)).expect("something is good still");
        assert_eq!(saved.until, at(60_000));
        put("later", 60);
        sessions.saved(&unsaved[0]);
        assert_eq!(sessions.unsaved().len(), 1, "it changed since");
        sessions.saved(&sessions.unsaved()[0]);
        assert_eq!(sessions.unsaved(), []);

        let next = Sessions::default();
        assert!(next.restore(key.clone(), &saved.text, at(5000)));
        let get = |name: &str, mark: u8| next.get(&key, &[mark; 32], name, at(5000));
        assert_eq!((get("long", 1), get("short", 1)), (Some(vec![0xff, 7]), None));
        assert_eq!(get("long", 2), None, "other credentials do not see it");
        assert_eq!(next.unsaved(), [], "it is saved already");
        assert!(!next.restore(key.clone(), &"{}".into(), at(0)));

        next.keep_credentials(&key, &[1; 32]);
        assert_eq!(get("long", 1), Some(vec![0xff, 7]));
        next.keep_credentials(&key, &[2; 32]);
        assert_eq!((get("long", 1), next.unsaved().len()), (None, 1));
        assert!(next.text(&key, at(0)).is_none(), "it is to be forgotten");
        sessions.keep_drivers(|digest| digest == "digest");
        assert_eq!(sessions.unsaved(), []);
        sessions.keep_drivers(|digest| digest == "another");
        assert_eq!((sessions.text(&key, at(0)).is_some(), sessions.unsaved().len()), (false, 1));
    }
}
