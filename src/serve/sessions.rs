//! Keeps the sessions of drivers, such as login tokens, across restarts: sealed by the vault, in the store. Drivers do
//! not know about it. Sessions only save logins. So nothing waits for this, and a failing store only costs additional
//! logins.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use crate::driver::{Catalog, Engine, SessionKey, UnsavedSession};
use crate::model::Timestamp;
use crate::store::{Backoff, SealedColumn, SessionContent, Store, StoreError, StoredSession, Unopened};
use crate::vault::{Purpose, Vault, VaultError};

/// How long after a change it is saved: what changes together is saved together.
const SAVED_AFTER: Duration = Duration::from_secs(1);
/// How long after that another try is made for accounts that the store does not know yet. A proof of credentials comes
/// before its account is enrolled.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// For how long a host that ends saves what is left.
const LAST_SAVE: Duration = Duration::from_millis(500);
/// How many are read or written at once; fewer, but one at least, where these are so many bytes.
const AT_ONCE: usize = 50;
const BYTES_AT_ONCE: usize = 1 << 20;

pub(super) struct SessionKeeper {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Arc<Vault>,
}

#[derive(Debug, thiserror::Error)]
enum NotSaved {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl SessionKeeper {
    /// Takes up what the last host saved. What no driver of the catalog can use is forgotten.
    pub(super) async fn restore(&self, catalog: &Catalog) {
        if let Err(error) = self.take_up(&current(catalog)).await {
            tracing::warn!("the session memory of drivers cannot be read; they log in again: {error}");
        }
    }

    async fn take_up(&self, drivers: &[String]) -> Result<(), StoreError> {
        let (sessions, now) = (self.engine.sessions(), self.engine.clock().now());
        let mut after = None;
        loop {
            let page = self.store.sessions(after, AT_ONCE).await?;
            for StoredSession { account, driver, content } in page.sessions {
                let Some(SessionContent { sealed, .. }) = content else { continue };
                let text = self.vault.open(Purpose::Session(&account, &driver), &sealed);
                if text.is_err() {
                    let column = SealedColumn::Session { account: account.clone(), driver: driver.clone() };
                    self.store.set_aside_unopened(Unopened { column, sealed }).await?;
                }
                let is_current = drivers.contains(&driver);
                let key = SessionKey { account, driver };
                let is_restored = is_current && text.is_ok_and(|text| sessions.restore(key.clone(), &text, now));
                if !is_restored {
                    sessions.disown(key);
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Saves what changes until `token` is cancelled.
    pub(super) async fn run(&self, token: CancellationToken) {
        let _ = token.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&self) {
        let (sessions, clock) = (self.engine.sessions(), self.engine.clock());
        let (mut backoff, mut is_failing) = (Backoff::default(), false);
        loop {
            match self.save().await {
                Ok(unknown) => {
                    backoff.reset();
                    is_failing = false;
                    let patience = if unknown == 0 { Duration::MAX } else { AGAIN_AFTER };
                    // Either way there is something to save.
                    let _ = tokio::time::timeout(patience, sessions.changed()).await;
                    clock.pause(SAVED_AFTER).await;
                }
                Err(error) => {
                    if !is_failing {
                        tracing::warn!("the session memory of drivers cannot be saved; retrying: {error}");
                    }
                    is_failing = true;
                    clock.pause(backoff.wait()).await;
                }
            }
        }
    }

    /// Saves what is left when all else has ended, if the store takes it in time.
    pub(super) async fn end(&self) {
        match tokio::time::timeout(LAST_SAVE, self.save()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("the session memory of drivers cannot be saved: {error}"),
            Err(_) => tracing::warn!("the session memory of drivers cannot be saved: the store takes too long"),
        }
    }

    /// Saves all that changed. Says how many are of accounts that the store does not know.
    async fn save(&self) -> Result<usize, NotSaved> {
        let (sessions, now) = (self.engine.sessions(), self.engine.clock().now());
        let mut unknown = 0;
        let (mut batch, mut stored, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut unsaved = sessions.unsaved().into_iter().peekable();
        while let Some(session) = unsaved.next() {
            let content = self.content(&session, now)?;
            bytes += content.as_ref().map_or(0, |content| content.sealed.0.len());
            let SessionKey { account, driver } = session.key.clone();
            stored.push(StoredSession { account, driver, content });
            batch.push(session);
            if bytes < BYTES_AT_ONCE && batch.len() < AT_ONCE && unsaved.peek().is_some() {
                continue;
            }
            bytes = 0;
            let known = self.store.save_sessions(std::mem::take(&mut stored)).await?;
            for (session, is_known) in std::mem::take(&mut batch).iter().zip(known) {
                match is_known {
                    true => sessions.saved(session),
                    false => unknown += 1,
                }
            }
        }
        Ok(unknown)
    }

    fn content(&self, session: &UnsavedSession, now: Timestamp) -> Result<Option<SessionContent>, VaultError> {
        let Some(saved) = self.engine.sessions().text(&session.key, now) else { return Ok(None) };
        let purpose = Purpose::Session(&session.key.account, &session.key.driver);
        let sealed = self.vault.seal(purpose, saved.text.expose_secret().as_bytes())?;
        Ok(Some(SessionContent { until: saved.until, sealed }))
    }
}

/// The digests of the drivers that are called.
pub(super) fn current(catalog: &Catalog) -> Vec<String> {
    let shadows = catalog.shadows().map(|shadow| shadow.driver());
    catalog.drivers().chain(shadows).map(|driver| driver.info().digest.clone()).collect()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::driver::Limits;
    use crate::model::{AccountKey, Origin};
    use crate::net::{ClientSettings, Clients};
    use crate::store::sqlite::{Settings, SqliteStore};
    use crate::store::{Accounts as _, DriverSessions as _, Enrolment};
    use crate::vault::Keyring;

    const TOKEN: &[u8] = b"a-login-token-of-the-provider";
    const PASSWORD: [u8; 32] = *b"the mark of one account's secret";

    struct Lab {
        folder: TempDir,
        clock: Arc<ManualClock>,
        store: Arc<SqliteStore>,
        keeper: SessionKeeper,
    }

    impl Lab {
        async fn new() -> Lab {
            let folder = tempfile::tempdir().expect("a folder");
            let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_341_600_000)));
            let lab = Lab::over(folder, clock);
            for user in ["ann", "bob"] {
                lab.enrol(user).await;
            }
            lab
        }

        fn over(folder: TempDir, clock: Arc<ManualClock>) -> Lab {
            let store = SqliteStore::open(&folder.path().join("tracker.db"), Settings::default()).expect("a store");
            let store = Arc::new(store);
            let key = folder.path().join("key");
            let keyring = Keyring::read(&key).expect("a key").unwrap_or_else(|| Keyring::make(&key).expect("a key"));
            let vault = Vault::new(keyring);
            let clients = Clients::new(ClientSettings::default()).expect("clients");
            let now: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
            let engine = Engine::new(Limits::default(), clients, now).expect("an engine");
            let keeper = SessionKeeper { engine, store: Arc::<SqliteStore>::clone(&store), vault: Arc::new(vault) };
            Lab { folder, clock, store, keeper }
        }

        async fn restart(self) -> Lab {
            let Lab { folder, clock, store, keeper } = self;
            store.close().await.expect("closed");
            drop((store, keeper));
            Lab::over(folder, clock)
        }

        async fn enrol(&self, user: &str) {
            let password = crate::model::Sealed(vec![1]);
            let enrolment = Enrolment { key: account(user), origin: Origin::Client, password, now: self.clock.now() };
            self.store.enrol(enrolment).await.expect("enrolled");
        }

        fn put(&self, user: &str, driver: &str) {
            let (entry, lifetime) = (("token".to_owned(), TOKEN.to_vec()), Duration::from_secs(3600));
            let sessions = self.keeper.engine.sessions();
            sessions.put(&key(user, driver), &PASSWORD, entry, lifetime, self.clock.now()).expect("kept");
        }

        fn has(&self, user: &str, driver: &str) -> bool {
            let got = self.keeper.engine.sessions().get(&key(user, driver), &PASSWORD, "token", self.clock.now());
            assert!(got.as_deref().is_none_or(|got| got == TOKEN));
            got.is_some()
        }

        async fn stored(&self) -> usize {
            self.store.sessions(None, 100).await.expect("read").sessions.len()
        }

        async fn take_up(&self) {
            self.keeper.take_up(&["current".to_owned()]).await.expect("read");
        }
    }

    fn account(user: &str) -> AccountKey {
        AccountKey { driver: "d".into(), provider: "p".into(), user: user.into() }
    }

    fn key(user: &str, driver: &str) -> SessionKey {
        SessionKey { account: account(user), driver: driver.into() }
    }

    #[tokio::test]
    async fn a_login_token_survives_a_restart_for_its_credentials_and_driver() {
        let lab = Lab::new().await;
        lab.put("ann", "current");
        lab.put("bob", "former");
        lab.put("nobody", "current");
        assert_eq!(lab.keeper.save().await.expect("saved"), 1, "of nobody there is no account");
        assert_eq!(lab.stored().await, 2);
        lab.enrol("nobody").await;
        assert_eq!(lab.keeper.save().await.expect("saved"), 0);

        let lab = lab.restart().await;
        for file in std::fs::read_dir(lab.folder.path()).expect("a folder") {
            let file = std::fs::read(file.expect("an entry").path()).expect("read");
            assert!(!file.windows(TOKEN.len()).any(|part| part == TOKEN), "it is sealed");
            assert!(!file.windows(PASSWORD.len()).any(|part| part == PASSWORD), "and so is what it was made with");
        }
        lab.take_up().await;
        assert!(lab.has("ann", "current") && lab.has("nobody", "current"));
        assert!(!lab.has("bob", "former"), "another version is current");
        let another = lab.keeper.engine.sessions().get(&key("ann", "current"), &[9; 32], "token", lab.clock.now());
        assert_eq!(another, None, "another password does not see it");
        lab.keeper.save().await.expect("saved");
        assert_eq!(lab.stored().await, 2, "that of the former version is forgotten");

        let lab = lab.restart().await;
        lab.clock.advance(Duration::from_secs(3600));
        lab.take_up().await;
        assert!(!lab.has("ann", "current"), "it ran out");
    }

    #[tokio::test]
    async fn a_session_that_was_moved_to_another_account_does_not_open() {
        let lab = Lab::new().await;
        lab.put("ann", "current");
        lab.keeper.save().await.expect("saved");
        lab.store.execute("UPDATE sessions SET account = 2").await.expect("moved");
        let lab = lab.restart().await;
        lab.take_up().await;
        assert!(!lab.has("bob", "current"));
        lab.keeper.save().await.expect("saved");
        assert_eq!(lab.stored().await, 0);
    }

    #[tokio::test]
    async fn a_store_that_fails_costs_drivers_nothing() {
        let lab = Lab::new().await;
        lab.store.execute("ALTER TABLE sessions RENAME TO away").await.expect("renamed");
        lab.put("ann", "current");
        assert!(lab.keeper.save().await.is_err());
        assert!(lab.has("ann", "current"));
        lab.put("bob", "current");
        lab.store.execute("ALTER TABLE away RENAME TO sessions").await.expect("renamed");
        assert_eq!(lab.keeper.save().await.expect("saved"), 0);
        assert_eq!(lab.stored().await, 2, "nothing is forgotten meanwhile");
    }
}
