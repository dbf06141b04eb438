//! Claims, the provider and the memory of proofs together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::clock::ManualClock;
use crate::driver::Pulse;
use crate::model::{AccountId, breaker};
use crate::roster::{Endpoints, NotOnRoster};
use crate::vault::Keyring;

/// Accepts one password, and counts how often it was asked.
struct Fake {
    right: Mutex<&'static str>,
    stored: Mutex<Option<String>>,
    failure: Mutex<Option<CallError>>,
    panics: AtomicBool,
    asked: AtomicUsize,
    /// Where it is set, every call waits for it.
    gate: Option<Notify>,
}

#[async_trait]
impl Prover for Fake {
    fn knows(&self, key: &AccountKey) -> Result<(), NotOnRoster> {
        match key.driver.as_str() {
            "mock" => Ok(()),
            _ => Err(NotOnRoster::Driver { name: key.driver.clone(), known: vec!["mock".into()] }),
        }
    }

    fn endpoint(&self, key: &AccountKey) -> Arc<str> {
        format!("{} {}", key.driver, key.provider).into()
    }

    fn goes_its_own_way(&self, _: &AccountKey) -> bool {
        false
    }

    async fn admit(&self, _: &Claim) -> Result<Option<Place>, ProofError> {
        Ok(None)
    }

    async fn ask(&self, claim: &Claim, _: Arc<Pulse>) -> Result<(), CallError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(gate) = &self.gate {
            gate.notified().await;
        }
        assert!(!self.panics.load(Ordering::SeqCst), "as asked");
        if let Some(failure) = self.failure.lock().expect("lock").clone() {
            return Err(failure);
        }
        match claim.password.expose_secret() == *self.right.lock().expect("lock") {
            true => Ok(()),
            false => Err(CallError::Unauthorized("wrong".into())),
        }
    }

    async fn enrol(&self, claim: &Claim, _: Option<Place>) -> Result<AccountId, ProofError> {
        *self.stored.lock().expect("lock") = Some(claim.password.expose_secret().to_owned());
        Ok(AccountId(7))
    }

    async fn remembers(&self, claim: &Claim) -> bool {
        self.stored.lock().expect("lock").as_deref() == Some(claim.password.expose_secret())
    }
}

struct House {
    fake: Arc<Fake>,
    clock: Arc<ManualClock>,
    proofs: Arc<Proofs>,
    metrics: Arc<Metrics>,
}

fn house(gate: Option<Notify>) -> House {
    let fake = Arc::new(Fake {
        right: Mutex::new("right"),
        stored: Mutex::default(),
        failure: Mutex::default(),
        panics: AtomicBool::new(false),
        asked: AtomicUsize::new(0),
        gate,
    });
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000_000_000)));
    let vault = Vault::new(Keyring::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "a test").expect("a key"));
    let prover: Arc<dyn Prover> = fake.clone();
    let settings = ProofSettings::default();
    let endpoints = Endpoints::new(clock.clone(), breaker::Settings::default(), 24);
    endpoints.recall([("mock default".into(), breaker::Standing::Proven)]);
    let shares = CallShares::new(Arc::new(endpoints), clock.clone(), settings.limits());
    let metrics = Arc::<Metrics>::default();
    let proofs = Proofs::new(prover, &vault, clock.clone(), settings, shares, Arc::clone(&metrics));
    House { fake, clock, proofs: Arc::new(proofs), metrics }
}

impl House {
    async fn prove(&self, password: &str) -> Result<AccountId, String> {
        self.proofs.prove(claim(password)).await.map(|proven| proven.account).map_err(|error| error.to_string())
    }

    fn asked(&self) -> usize {
        self.fake.asked.load(Ordering::SeqCst)
    }
}

fn claim(password: &str) -> Claim {
    let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "mockuser".into() };
    Claim { key, password: password.into(), peer: None }
}

const WRONG: &str = "the provider does not accept this user and password";
const TOO_MANY: &str = "too many wrong passwords";

#[tokio::test]
async fn a_panic_is_told_as_the_hosts_fault_and_costs_nobody_a_try() {
    let house = house(None);
    house.fake.panics.store(true, Ordering::SeqCst);
    let fault = CallError::HostFault.to_string();
    // Far more often than a wrong password may be tried.
    for number in 0..100 {
        let refused = house.proofs.prove(Claim { peer: Some([192, 0, 2, 1].into()), ..claim("right") }).await;
        assert_eq!(refused.map_err(|error| error.to_string()), Err(fault.clone()), "{number}");
        assert!(house.asked() <= number + 1);
        house.clock.advance(ProofSettings::default().failed_for);
    }
    assert!(house.asked() > 1, "it is tried again");
    let text = house.metrics.text(None).expect("written");
    assert!(text.contains(&format!("tracker_host_faults_total{{part=\"proof\"}} {}", house.asked())), "{text}");
    house.fake.panics.store(false, Ordering::SeqCst);
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
}

#[tokio::test]
async fn the_provider_is_asked_once_for_a_while() {
    let house = house(None);
    for _ in 0..3 {
        assert_eq!(house.prove("right").await, Ok(AccountId(7)));
        assert_eq!(house.prove("wrong").await, Err(WRONG.into()));
    }
    assert_eq!(house.asked(), 2);
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
    assert_eq!(house.asked(), 2);
    assert_eq!(house.prove("wrong").await, Err(WRONG.into()));
    assert_eq!(house.asked(), 3);
    house.clock.advance(Duration::from_secs(600));
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
    assert_eq!(house.asked(), 4);
}

#[tokio::test]
async fn a_change_of_password_is_noticed() {
    let house = house(None);
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
    *house.fake.right.lock().expect("lock") = "new";
    assert_eq!(house.prove("new").await, Ok(AccountId(7)));
    assert_eq!(house.fake.stored.lock().expect("lock").as_deref(), Some("new"));
    assert_eq!(house.prove("right").await, Err(WRONG.into()));
}

#[tokio::test]
async fn the_right_password_gets_in_while_wrong_ones_are_held_off() {
    let house = house(None);
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
    house.clock.advance(Duration::from_secs(595));
    for number in 0..5 {
        assert_eq!(house.prove(&format!("wrong{number}")).await, Err(WRONG.into()));
    }
    let asked = house.asked();
    assert_eq!(house.prove("wrong5").await, Err(TOO_MANY.into()));
    assert_eq!(house.asked(), asked);
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
    // Even when its proof has run out.
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(house.prove("wrong5").await, Err(TOO_MANY.into()));
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
    assert_eq!(house.asked(), asked + 1);
    // That it did makes no room for another guess.
    assert_eq!(house.prove("wrong5").await, Err(TOO_MANY.into()));
    house.clock.advance(Duration::from_secs(300));
    assert_eq!(house.prove("wrong5").await, Err(WRONG.into()));
}

#[tokio::test]
async fn concurrent_claims_share_one_call() {
    let house = house(Some(Notify::new()));
    let claims = (0..10).map(|_| house.proofs.prove(claim("right")));
    let all = futures_util::future::join_all(claims);
    let open = async {
        tokio::task::yield_now().await;
        house.fake.gate.as_ref().expect("gate").notify_one();
    };
    let (proven, ()) = tokio::join!(all, open);
    assert!(proven.iter().all(Result::is_ok));
    assert_eq!(house.asked(), 1);
}

#[tokio::test]
async fn wrong_passwords_are_counted_before_they_are_answered() {
    let house = house(Some(Notify::new()));
    let mut waiting = Vec::new();
    for number in 0..5 {
        let mut call = Box::pin(house.proofs.prove(claim(&format!("wrong{number}"))));
        assert!((&mut call).now_or_never().is_none());
        waiting.push(call);
    }
    assert_eq!(house.prove("wrong5").await, Err(TOO_MANY.into()));
    // Breaking off does not undo it, and leaves nothing behind.
    drop(waiting);
    assert_eq!(house.prove("wrong5").await, Err(TOO_MANY.into()));
    assert!(house.proofs.shared.lock().under_way.is_empty());
    assert_eq!(house.asked(), 5);
}

#[tokio::test]
async fn no_answer_is_no_refusal() {
    let house = house(None);
    let failure = CallError::Throttled { retry_after: Some(Duration::from_secs(20)), message: "slow down".into() };
    *house.fake.failure.lock().expect("lock") = Some(failure);
    let want = Err("the provider asks for fewer requests: slow down".to_owned());
    assert_eq!(house.prove("right").await, want);
    *house.fake.failure.lock().expect("lock") = None;
    house.clock.advance(Duration::from_secs(19));
    assert_eq!(house.prove("right").await, want);
    assert_eq!(house.asked(), 1);
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(house.prove("right").await, Ok(AccountId(7)));
}

#[tokio::test]
async fn nobody_is_asked_about_a_driver_that_is_not_there() {
    let house = house(None);
    let mut claim = claim("right");
    claim.key.driver = "gce".into();
    assert!(matches!(house.proofs.prove(claim).await, Err(ProofError::NotOnRoster(_))));
    assert_eq!(house.asked(), 0);
}

/// Claims of many users at one provider.
fn claims(provider: &str, count: usize) -> Vec<Claim> {
    let claim = |number: usize| {
        let key = AccountKey { driver: "mock".into(), provider: provider.into(), user: format!("user{number}") };
        Claim { key, password: "right".into(), peer: Some([192, 0, 2, 1].into()) }
    };
    (0..count).map(claim).collect()
}

/// Begins proofs that go on beside the test.
fn begin(house: &House, claims: Vec<Claim>) -> Vec<tokio::task::JoinHandle<Outcome>> {
    let prove = |claim| {
        let proofs = Arc::clone(&house.proofs);
        tokio::spawn(async move { proofs.prove(claim).await })
    };
    claims.into_iter().map(prove).collect()
}

async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn logins_to_a_provider_that_hangs_hold_no_other_up() {
    let house = house(Some(Notify::new()));
    let hanging = begin(&house, claims("hangs", 200));
    settle().await;
    assert_eq!(house.asked(), 1, "nothing is known of it yet");
    // Another that was never asked is asked at once, and so is everybody there once it has answered.
    let first = begin(&house, claims("answers", 1));
    settle().await;
    assert_eq!(house.asked(), 2);
    let gate = house.fake.gate.as_ref().expect("gate");
    gate.notify_one();
    gate.notify_one();
    for proof in first {
        proof.await.expect("ended").expect("proven");
    }
    drop(hanging);
}

#[tokio::test]
async fn a_login_waits_for_its_turn_for_a_bounded_time() {
    let house = house(Some(Notify::new()));
    let waiting = begin(&house, claims("hangs", 50));
    settle().await;
    house.clock.advance(Duration::from_secs(5));
    settle().await;
    let mut busy = 0;
    for proof in waiting {
        match proof.now_or_never() {
            Some(outcome) => {
                assert!(matches!(outcome.expect("ended"), Err(ProofError::Busy { .. })));
                busy += 1;
            }
            None => continue,
        }
    }
    assert_eq!(busy, 49, "one is under way");
}

#[tokio::test]
async fn logins_to_many_new_providers_that_hang_give_way_to_one_more() {
    let house = house(Some(Notify::new()));
    let mut hanging = Vec::new();
    for number in 0..200 {
        let mut claims = claims(&format!("hangs{number}"), 1);
        claims.iter_mut().for_each(|claim| claim.peer = Some([198, 51, 100, number].into()));
        hanging.extend(begin(&house, claims));
    }
    settle().await;
    let before = house.asked();
    assert_eq!(before, ProofSettings::default().unproven);
    // The newest goes first, as soon as those under way have had their time.
    let one = begin(&house, claims("answers", 1));
    settle().await;
    assert_eq!(house.asked(), before);
    house.clock.advance(ProofSettings::default().slow_after);
    settle().await;
    assert!(house.asked() > before);
    let text = house.metrics.text(None).expect("written");
    assert!(text.contains("tracker_provider_calls_gave_way_total{calls=\"proofs\"}"), "{text}");
    for proof in hanging {
        proof.abort();
    }
    house.fake.gate.as_ref().expect("gate").notify_waiters();
    for proof in one {
        proof.await.expect("ended").expect("proven");
    }
}

#[tokio::test]
async fn one_address_leaves_slots_and_places_for_others() {
    let house = house(Some(Notify::new()));
    let ProofSettings { per_peer, waiting_per_peer, .. } = ProofSettings::default();
    let of = |peer: [u8; 4], number: usize| {
        let mut claims = claims(&format!("hangs{number}"), 1);
        claims.iter_mut().for_each(|claim| claim.peer = Some(peer.into()));
        claims
    };
    let mut hanging = Vec::new();
    for number in 0..per_peer + waiting_per_peer + 5 {
        hanging.extend(begin(&house, of([192, 0, 2, 1], number)));
        settle().await;
    }
    assert_eq!(house.asked(), per_peer);
    let over: Vec<_> = hanging.split_off(hanging.len() - 5);
    for proof in over {
        let refused = proof.now_or_never().expect("it does not wait").expect("ended");
        assert!(matches!(refused, Err(ProofError::PeerBusy { .. })));
    }
    // Others are asked at once.
    hanging.extend(begin(&house, of([192, 0, 2, 2], 1000)));
    settle().await;
    assert_eq!(house.asked(), per_peer + 1);
    for proof in hanging {
        proof.abort();
    }
}

#[tokio::test]
async fn nobody_is_asked_while_a_circuit_is_open() {
    let house = house(None);
    let timeout = CallError::Limit { limit: "time", setting: "request_timeout", value: "30s".into() };
    *house.fake.failure.lock().expect("lock") = Some(timeout);
    for claim in claims("hangs", 2) {
        assert!(matches!(house.proofs.prove(claim).await, Err(ProofError::NoAnswer(_))));
    }
    let asked = house.asked();
    let claim = claims("hangs", 3).pop().expect("a claim");
    let refused = house.proofs.prove(claim.clone()).await.map(|proven| proven.account);
    let Err(ProofError::CircuitOpen { retry_after }) = refused else { panic!("{refused:?}") };
    assert_eq!((retry_after, house.asked()), (Duration::from_secs(10), asked));
    *house.fake.failure.lock().expect("lock") = None;
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(house.proofs.prove(claim).await.map(|proven| proven.account).map_err(drop), Ok(AccountId(7)));
}
