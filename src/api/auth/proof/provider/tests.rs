//! Limits on new accounts from one network, with concurrent requests and a clock that is set.

use std::net::IpAddr;

use futures_util::future::join_all;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::driver::Catalog;
use crate::model::Timestamp;
use crate::store::sqlite::SqliteStore;
use crate::vault::Keyring;

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const HOUR: Duration = Duration::from_secs(3600);

struct Lab {
    provider: Arc<Provider>,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

/// A host at which five accounts of a network become known within an hour.
fn lab() -> Lab {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("tracker.db"), Default::default()).expect("a store");
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_341_600_000)));
    let keys = Keyring::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "a test").expect("a key");
    let settings = ProofSettings { new_accounts_per_peer: 5, new_accounts_window: HOUR, ..ProofSettings::default() };
    let provider = Provider {
        store: Arc::new(store),
        roster: Arc::new(Roster::new(Arc::new(Catalog::default()), vec![], vec![], None)),
        vault: Arc::new(Vault::new(keys)),
        clock: Arc::<ManualClock>::clone(&clock),
        admission: Admission::new(&settings),
    };
    Lab { provider: Arc::new(provider), clock, _folder: folder }
}

fn claim(user: &str) -> Claim {
    let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() };
    Claim { key, password: format!("of {user}").into(), peer: Some(PEER) }
}

impl Lab {
    /// A login that the cloud accepts, after everybody else has been asked about.
    async fn login(&self, user: &str) -> Result<AccountId, ProofError> {
        let claim = claim(user);
        let place = self.provider.admit(&claim).await?;
        tokio::task::yield_now().await;
        self.provider.enrol(&claim, place).await
    }

    /// How long one more has to wait.
    async fn wait(&self, user: &str) -> Option<Duration> {
        match self.provider.admit(&claim(user)).await.map(drop) {
            Ok(()) => None,
            Err(ProofError::TooManyNewcomers { retry_after }) => Some(retry_after),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn parallel_first_logins_do_not_pass_the_limit() {
    let lab = lab();
    let users: Vec<String> = (0..120).map(|number| format!("user{number}")).collect();
    let outcomes = join_all(users.iter().map(|user| lab.login(user))).await;
    let known = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let held_off = outcomes.iter().filter(|it| matches!(it, Err(ProofError::TooManyNewcomers { .. }))).count();
    assert_eq!((known, held_off), (5, 115));
    assert_eq!(lab.wait("another").await, Some(HOUR / 5));
    // Those that are known are not new.
    let known = users.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok());
    for (user, _) in known {
        lab.login(user).await.expect("known");
    }
    assert_eq!(lab.wait("another").await, Some(HOUR / 5));
}

#[tokio::test]
async fn a_proof_that_fails_or_is_of_a_known_account_gives_its_place_back() {
    let lab = lab();
    let mut places = Vec::new();
    for number in 0..5 {
        places.push(lab.provider.admit(&claim(&format!("user{number}"))).await.expect("a place"));
    }
    // The last ones may become free soon.
    assert_eq!(lab.wait("another").await, Some(ProofSettings::default().failed_for));
    places.clear();
    // One account twice at once is one.
    let (one, other) = (claim("twin"), claim("twin"));
    let first = lab.provider.admit(&one).await.expect("a place");
    let second = lab.provider.admit(&other).await.expect("a place");
    lab.provider.enrol(&one, first).await.expect("enrolled");
    lab.provider.enrol(&other, second).await.expect("enrolled");
    for number in 0..4 {
        lab.login(&format!("user{number}")).await.expect("a place");
    }
    assert_eq!(lab.wait("another").await, Some(HOUR / 5));
}

#[tokio::test]
async fn setting_the_clock_neither_locks_new_accounts_out_nor_lets_more_in() {
    let lab = lab();
    for number in 0..5 {
        lab.login(&format!("user{number}")).await.expect("a place");
    }
    let now = lab.clock.now();
    for to in [now.before(24 * HOUR), now.after(1000 * HOUR), Timestamp::from_millis(-1000), now] {
        lab.clock.set(to);
        assert_eq!(lab.wait("another").await, Some(HOUR / 5), "{to}");
    }
    lab.clock.set(now.before(24 * HOUR));
    lab.clock.advance(HOUR / 5);
    lab.login("another").await.expect("paid back");
    assert_eq!(lab.wait("one more").await, Some(HOUR / 5));
}
