//! A rotation, over a real store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::*;
use crate::clock::ManualClock;
use crate::model::{AccountId, HookSpec, HookUrl, Origin, Owner, Timestamp};
use crate::store::contract::plainly::{Plainly as _, once};
use crate::store::sqlite::{Settings, SqliteStore};
use crate::store::{
    Accounts as _, DriverSessions as _, Enrolment, HookPlace, Hooks as _, Keys as _, NewHook, RepeatableRequest,
    RequestId, SealedValue, SessionContent, StoredSession,
};
use crate::vault::Keyring;

const DAY: Duration = Duration::from_secs(86_400);

struct House {
    folder: TempDir,
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
}

/// A process with these keys in its file, the first of them the current one.
struct Process {
    vault: Arc<Vault>,
    rotation: Rotation,
}

fn keyring(keys: &[u8]) -> Keyring {
    let text: Vec<String> = keys.iter().map(|byte| BASE64.encode([*byte; 32])).collect();
    Keyring::parse(&text.join("\n"), "the test").expect("keys")
}

fn id(key: u8) -> KeyId {
    keyring(&[key]).current_id()
}

fn account(user: &str) -> AccountKey {
    AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() }
}

impl House {
    fn new() -> House {
        let folder = TempDir::new().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("tracker.db"), Settings::default()).expect("a store");
        let clock = ManualClock::new(Timestamp::from_millis(1_795_341_600_000));
        House { folder, store: Arc::new(store), clock: Arc::new(clock) }
    }

    fn write_keys(&self, keys: &[u8]) {
        let file = self.folder.path().join("key");
        if !file.exists() {
            Keyring::make(&file).expect("made");
        }
        KeyFile::lock(&file).expect("locked").replace(&keyring(keys)).expect("written");
    }

    fn process(&self, keys: &[u8]) -> Process {
        self.write_keys(keys);
        let vault = Arc::new(Vault::new(keyring(keys)));
        let (store, file) = (Arc::clone(&self.store), self.folder.path().join("key"));
        let rotation =
            Rotation::new(store, Arc::clone(&vault), Arc::<ManualClock>::clone(&self.clock), Some(file), DAY);
        Process { vault, rotation }
    }

    async fn enrol(&self, vault: &Vault, user: &str) -> AccountId {
        let key = account(user);
        let password = vault.seal(Purpose::AccountPassword(&key), user.as_bytes()).expect("sealed");
        let enrolment = Enrolment { key, origin: Origin::Client, password, now: self.clock.now() };
        self.store.enrol(enrolment).await.expect("enrolled")
    }

    /// An account with something in each column that is sealed.
    async fn fill(&self, vault: &Vault, user: &str) {
        let (id, key, now) = (self.enrol(vault, user).await, account(user), self.clock.now());
        let seal = |purpose| vault.seal(purpose, user.as_bytes()).expect("sealed");
        let url = HookUrl::parse("https://receiver.example/").expect("a URL");
        let request = RepeatableRequest {
            id: RequestId { account: id, owner: Owner::Account, key: "k".into() },
            fingerprint: [1; 32],
            old_fingerprints: Vec::new(),
            now,
            forget: now.before(DAY),
        };
        let hook = NewHook {
            account: id,
            owner: Owner::Account,
            track: None,
            spec: HookSpec { token: Some(seal(Purpose::HookToken(&key))), ..HookSpec::to(url) },
            secret: seal(Purpose::HookSecret(&key)),
            limit: 9,
            filter_items: 9,
            poll_by: None,
            now,
        };
        self.store.create_hook(hook, once(&request, &seal(Purpose::Answer(&key)))).await.expect("created");
        let hooks = self.store.hooks(id, &Owner::Account, None, 9).await.expect("read");
        let hook = hooks[0].as_ref().expect("whole").id;
        let place = HookPlace { account: id, owner: Owner::Account, hook };
        let rotated = self.store.rotate_secret(&place, seal(Purpose::HookSecret(&key)), now.after(DAY)).await;
        assert!(rotated.expect("rotated"));
        let content = Some(SessionContent { until: now.after(DAY), sealed: seal(Purpose::Session(&key, "digest")) });
        let session = StoredSession { account: key.clone(), driver: "digest".into(), content };
        assert_eq!(self.store.save_sessions(vec![session]).await.expect("saved"), [true]);
    }

    async fn sealed(&self) -> Vec<SealedValue> {
        let page = self.store.sealed(SealedPlace::default(), 100_000).await.expect("read");
        assert_eq!(page.next, None);
        page.values
    }

    /// How many values open with these keys, each to the user whose it is.
    async fn opened_with(&self, keys: &[u8]) -> usize {
        let vault = Vault::new(keyring(keys));
        let opens = |value: &&SealedValue| {
            let opened = vault.open(purpose(&value.column, &value.account), &value.sealed);
            opened.is_ok_and(|secret| secret.expose_secret() == value.account.user)
        };
        self.sealed().await.iter().filter(opens).count()
    }

    async fn uses(&self) -> Vec<(KeyId, KeyUse)> {
        self.store.keys().await.expect("read").into_iter().map(|key| (key.id, key.used)).collect()
    }
}

/// What `House::fill` seals.
const EACH: usize = 6;

#[tokio::test]
async fn a_rotation_seals_everything_with_the_new_key() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    for number in 0..150 {
        house.fill(&host.vault, &format!("user {number}")).await;
    }
    let all = 150 * EACH;
    assert_eq!(house.opened_with(&[1]).await, all);
    assert_eq!(host.rotation.work().await.expect("nothing to do"), AT_LEAST_EVERY);

    house.write_keys(&[2, 1]);
    assert_eq!(host.vault.current_key(), id(1), "a file that changed is read when it is asked for");
    host.rotation.begin().await.expect("begun");
    assert_eq!(house.uses().await, [(id(2), KeyUse::Current), (id(1), KeyUse::Sealed)]);
    house.fill(&host.vault, "new").await;
    host.rotation.work().await.expect("done");
    assert_eq!(house.opened_with(&[2]).await, all + EACH);
    assert_eq!(house.opened_with(&[1]).await, 0);
    let until = house.clock.now().after(DAY);
    assert_eq!(house.uses().await, [(id(2), KeyUse::Current), (id(1), KeyUse::Hashed(until))]);
    let progress = host.rotation.progress();
    assert_eq!((progress.looked_at, progress.unopened, progress.failure), ((all + EACH) as u64, 0, None));
}

#[tokio::test]
async fn a_key_file_without_a_key_that_is_needed_is_refused() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    house.fill(&host.vault, "ann").await;
    // This process has the old key still, and could seal everything anew; one that it is killed before would have none.
    house.write_keys(&[2]);
    let refused = host.rotation.begin().await;
    assert!(matches!(refused, Err(RotationError::Lacks { lacking, .. }) if lacking == id(1)), "{refused:?}");
    assert_eq!((host.vault.current_key(), house.uses().await), (id(1), vec![(id(1), KeyUse::Current)]));

    // Also one that requests were hashed with.
    house.write_keys(&[2, 1]);
    host.rotation.begin().await.expect("begun");
    host.rotation.work().await.expect("done");
    house.write_keys(&[3, 2]);
    let refused = host.rotation.begin().await;
    assert!(matches!(refused, Err(RotationError::Lacks { lacking, .. }) if lacking == id(1)), "{refused:?}");
    assert_eq!(house.opened_with(&[2]).await, EACH);
}

#[tokio::test]
async fn a_rotation_goes_on_where_it_was_broken_off() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    for number in 0..20 {
        house.fill(&host.vault, &format!("user {number}")).await;
    }
    house.write_keys(&[2, 1]);
    host.rotation.begin().await.expect("begun");
    // As far as a host came that was killed.
    for value in house.sealed().await.into_iter().step_by(3) {
        let sealed = host.vault.seal(purpose(&value.column, &value.account), value.account.user.as_bytes());
        let (was, sealed) = (value.sealed, sealed.expect("sealed"));
        house.store.reseal(vec![Resealed { column: value.column, was, sealed }]).await.expect("sealed anew");
    }
    let next = house.process(&[2, 1]);
    next.rotation.work().await.expect("done");
    assert_eq!(house.opened_with(&[2]).await, 20 * EACH);
}

#[tokio::test]
async fn an_old_key_goes_when_its_hashes_are_gone_and_nothing_is_sealed_with_it() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    house.fill(&host.vault, "ann").await;
    let before = Vault::new(keyring(&[1]));
    house.write_keys(&[2, 1]);
    host.rotation.begin().await.expect("begun");
    host.rotation.work().await.expect("done");
    // It was sealed before the rotation began, and is written only now.
    house.fill(&before, "late").await;
    house.clock.advance(DAY - Duration::from_secs(60));
    assert_eq!(host.rotation.work().await.expect("not yet"), Duration::from_secs(60));
    assert_eq!(house.uses().await.len(), 2);
    house.clock.advance(Duration::from_secs(60));
    host.rotation.work().await.expect("done");
    assert_eq!(house.uses().await, [(id(2), KeyUse::Current)]);
    assert_eq!(house.opened_with(&[2]).await, 2 * EACH);
}

#[tokio::test]
async fn a_rotation_may_begin_while_another_is_under_way() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    house.fill(&host.vault, "ann").await;
    house.write_keys(&[2, 1]);
    host.rotation.begin().await.expect("begun");
    let current = host.rotation.reseal().await.expect("sealed anew");
    house.write_keys(&[3, 2, 1]);
    host.rotation.begin().await.expect("begun");
    assert!(!house.store.note_resealed(current, house.clock.now()).await.expect("asked"));
    assert_eq!(house.uses().await.iter().filter(|(_, used)| *used == KeyUse::Sealed).count(), 2);
    host.rotation.work().await.expect("done");
    assert_eq!(house.opened_with(&[3]).await, EACH);
}

#[tokio::test]
async fn what_opens_with_no_key_stays_as_it_is() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    house.fill(&host.vault, "ann").await;
    house.enrol(&Vault::new(keyring(&[9])), "bob").await;
    let bobs = house.sealed().await.into_iter().find(|value| value.account.user == "bob").expect("it is there");
    house.write_keys(&[2, 1]);
    host.rotation.begin().await.expect("begun");
    host.rotation.work().await.expect("done");
    assert_eq!(host.rotation.progress().unopened, 1);
    assert!(house.sealed().await.contains(&bobs));
    assert_eq!(house.opened_with(&[2]).await, EACH);
}

#[tokio::test]
async fn a_rotation_needs_a_file_with_keys() {
    let house = House::new();
    let host = house.process(&[1]);
    host.rotation.begin().await.expect("begun");
    std::fs::remove_file(house.folder.path().join("key")).expect("removed");
    assert!(matches!(host.rotation.begin().await, Err(RotationError::NoFile(_))));
    std::fs::write(house.folder.path().join("key"), "no key").expect("written");
    assert!(matches!(host.rotation.begin().await, Err(RotationError::Vault(_))));
    assert_eq!(house.uses().await, [(id(1), KeyUse::Current)]);
    let (store, vault) = (Arc::clone(&house.store), Arc::clone(&host.vault));
    let of_the_environment = Rotation::new(store, vault, Arc::<ManualClock>::clone(&house.clock), None, DAY);
    assert!(matches!(of_the_environment.begin().await, Err(RotationError::FromEnvironment)));
}
