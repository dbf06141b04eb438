//! The loop, over a real store and a clock that is moved by hand. The drivers of these accounts do not exist: recording
//! a driver's answers is tested in `run`.

mod clouds;

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::driver::Catalog;
use crate::model::{AccountId, AccountKey, ErrorCode, Kind, Origin, Sealed};
use crate::roster::{CallShares, ConfiguredAccount, Endpoints, Roster};
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{Enrolment, PollStatus};
use crate::vault::{Keyring, Purpose, Vault};

/// A host that only polls.
pub(super) struct Lab {
    pub(super) context: Context,
    pub(super) store: Arc<SqliteStore>,
    pub(super) clock: Arc<ManualClock>,
    folder: TempDir,
    storing: sqlite::Settings,
}

impl Lab {
    pub(super) fn new(settings: Settings) -> Lab {
        Lab::over(settings, sqlite::Settings::default())
    }

    /// The same, and the store is used so.
    pub(super) fn over(settings: Settings, storing: sqlite::Settings) -> Lab {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("store"), storing.clone()).expect("a store");
        let store = Arc::new(store);
        let vault = Vault::new(Keyring::make(&folder.path().join("key")).expect("a key"));
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_341_600_000)));
        let configured = ConfiguredAccount {
            key: key("configured"),
            password: "as configured".into(),
            secret: Default::default(),
            secret_expires: None,
            options: Default::default(),
            secrets: Default::default(),
            via: Default::default(),
            requests_per_minute: None,
        };
        let roster = Roster::new(Arc::new(Catalog::default()), Vec::new(), vec![configured], None);
        let context = Context {
            store: Arc::<SqliteStore>::clone(&store),
            roster: Arc::new(roster),
            vault: Arc::new(vault),
            clock: Arc::<ManualClock>::clone(&clock),
            turns: Arc::new(turns(&clock, &settings)),
            settings,
            polled: watch::Sender::new(0),
            metrics: Arc::default(),
        };
        Lab { context, store, clock, folder, storing }
    }

    /// Ends the host without a word, and starts another on what it left.
    pub(super) fn restart(&mut self) {
        // The file is one host's: it is given back first.
        for name in ["other", "store"] {
            let store = SqliteStore::open(&self.folder.path().join(name), self.storing.clone());
            self.store = Arc::new(store.expect("a store"));
            self.context.store = Arc::<SqliteStore>::clone(&self.store);
        }
        self.context.turns = Arc::new(turns(&self.clock, &self.context.settings));
    }

    pub(super) async fn enrol(&self, user: &str, origin: Origin) -> AccountId {
        let key = key(user);
        let password = self.context.vault.seal(Purpose::AccountPassword(&key), b"as proven").expect("sealed");
        self.enrol_with(key, origin, password).await
    }

    async fn enrol_with(&self, key: AccountKey, origin: Origin, password: Sealed) -> AccountId {
        let enrolment = Enrolment { key, origin, password, now: self.clock.now() };
        self.context.store.enrol(enrolment).await.expect("enrolled")
    }

    pub(super) async fn status(&self, account: AccountId, kind: Kind) -> PollStatus {
        let status = self.context.store.poll_status(account).await.expect("read");
        status.into_iter().find(|status| status.kind == kind).expect("it was due once")
    }
}

/// As a host that starts has them.
fn turns(clock: &Arc<ManualClock>, settings: &Settings) -> Turns {
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    let endpoints = Endpoints::new(Arc::clone(&clock), settings.breaker.clone(), settings.per_endpoint);
    Turns::new(CallShares::new(Arc::new(endpoints), clock, settings.limits()))
}

pub(super) fn key(user: &str) -> AccountKey {
    AccountKey { driver: "absent".into(), provider: "default".into(), user: user.into() }
}

#[tokio::test]
async fn what_cannot_be_polled_says_why_and_backs_off() {
    let lab = Lab::new(Settings { jitter: 0.0, ..Settings::default() });
    let account = lab.enrol("configured", Origin::Config).await;
    for (failures, wait) in [(1, 5), (2, 10), (3, 20)] {
        assert_eq!(run_once(&lab.context).await.expect("polled"), 2, "both kinds");
        for kind in Kind::ALL {
            let status = lab.status(account, kind).await;
            assert_eq!((status.failures, status.last_complete), (failures, None));
            assert_eq!(status.next_due, Some(lab.clock.now().after(Duration::from_secs(wait))));
            let error = status.last_error.expect("it failed");
            assert_eq!(error.code, ErrorCode::NotConfigured);
            assert!(error.message.contains("driver \"absent\" is not loaded"), "{}", error.message);
        }
        lab.clock.advance(Duration::from_millis(wait * 1000 - 1));
        assert_eq!(run_once(&lab.context).await.expect("polled"), 0, "not due yet");
        lab.clock.advance(Duration::from_millis(1));
    }
    assert_eq!(*lab.context.polled.borrow(), 6);
}

#[tokio::test]
async fn an_account_whose_credentials_do_not_open_is_set_aside() {
    let lab = Lab::new(Settings::default());
    let account = lab.enrol_with(key("client"), Origin::Client, Sealed(vec![1; 60])).await;
    let store = Arc::clone(&lab.context.store);
    store.request_poll(account, Kind::Realm, lab.clock.now()).await.expect("asked for");
    assert_eq!(run_once(&lab.context).await.expect("polled"), 1);
    let error = lab.status(account, Kind::Realm).await.last_error.expect("it failed");
    assert_eq!(error.code, ErrorCode::Credentials);
    assert!(error.message.contains("does not open with the host's key"), "{}", error.message);
    let damaged = store.damaged_rows(account).await.expect("looked up");
    assert_eq!(
        damaged.iter().map(|row| (row.table, row.column.as_str())).collect::<Vec<_>>(),
        [("accounts", "password")]
    );
    lab.clock.advance(Duration::from_secs(86_400));
    assert_eq!(run_once(&lab.context).await.expect("polled"), 0, "it would fail again");
}

#[tokio::test]
async fn more_than_there_is_room_for_are_polled_in_turn() {
    let lab = Lab::new(Settings { concurrency: 2, ..Settings::default() });
    for user in ["a", "b", "c", "d", "e"] {
        lab.enrol(user, Origin::Config).await;
    }
    assert_eq!(run_once(&lab.context).await.expect("polled"), 10);
    assert_eq!(run_once(&lab.context).await.expect("polled"), 0);
}

#[tokio::test]
async fn the_loop_polls_what_comes_due_until_its_token_ends_it() {
    let lab = Lab::new(Settings { concurrency: 1, ..Settings::default() });
    let account = lab.enrol("configured", Origin::Config).await;
    let client = lab.enrol("client", Origin::Client).await;
    let mut polled = lab.context.polled.subscribe();
    let token = CancellationToken::new();
    let the_loop = tokio::spawn(run(lab.context.clone(), token.clone()));
    let mut polls = async |count: u64| {
        let reached = polled.wait_for(|polled| *polled >= count);
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("polled in time").expect("runs");
    };
    polls(2).await;
    lab.clock.advance(Duration::from_secs(6));
    polls(4).await;
    assert_eq!(lab.status(account, Kind::Instance).await.failures, 2);
    // Asked for while the loop sleeps: it hears of it by the store.
    lab.context.store.request_poll(client, Kind::Instance, lab.clock.now()).await.expect("asked for");
    polls(5).await;
    assert_eq!(lab.status(client, Kind::Instance).await.failures, 1);

    token.cancel();
    tokio::time::timeout(Duration::from_secs(20), the_loop).await.expect("ended in time").expect("ended well");
    assert_eq!(*lab.context.polled.borrow(), 5);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_store_that_hangs() {
    const ENDLESS: &str = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT COUNT(*) FROM n";
    let lab = Lab::new(Settings::default());
    lab.enrol("configured", Origin::Config).await;
    let store = Arc::clone(&lab.store);
    let hanging = tokio::spawn(async move { store.execute(ENDLESS).await });
    let token = CancellationToken::new();
    let the_loop = tokio::spawn(run(lab.context.clone(), token.clone()));
    // Both begin, and the claim waits for the writer.
    tokio::task::yield_now().await;
    token.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), the_loop).await;
    lab.store.close().await.expect("closed");
    ended.expect("ended in time").expect("ended well");
    assert!(hanging.await.expect("it ended").is_err(), "it was interrupted");
}

#[tokio::test]
async fn accounts_that_nobody_uses_are_forgotten() {
    let lab = Lab::new(Settings::default());
    lab.enrol("client", Origin::Client).await;
    lab.clock.advance(Duration::from_secs(3599));
    assert!(forget_idle_accounts(&lab.context).await);
    assert!(lab.context.store.find_account(&key("client")).await.expect("read").is_some());
    lab.clock.advance(Duration::from_secs(62));
    assert!(forget_idle_accounts(&lab.context).await);
    assert!(lab.context.store.find_account(&key("client")).await.expect("read").is_none());
}
