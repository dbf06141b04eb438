//! Rows of the driver host and of a poll, measured within this process.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use tracker::clock::{ManualClock, Stopwatch, SystemClock};
use tracker::driver::{Catalog, Driver, Engine, Limits, Target};
use tracker::model::{AccountId, AccountKey, Kind, Origin, Timestamp};
use tracker::net::{AddressPolicy, ClientSettings, Clients, Via};
use tracker::poll;
use tracker::roster::{CallShares, ConfiguredAccount, ConfiguredProvider, Endpoints, Roster};
use tracker::store::sqlite::{self, SqliteStore};
use tracker::store::{Enrolment, Store};
use tracker::supply::signature::Policy;
use tracker::supply::{Approval, EndpointSource, Lock, Role, Settings};
use tracker::vault::{Keyring, Purpose, Vault};

use crate::provider::{Answer, Provider};
use crate::table::Table;
use crate::thousand::thousand_instances;

const ROUNDS: usize = 60;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `make drivers` puts what it builds.
pub(crate) const DRIVERS: &str = "target/drivers";

/// Loads one of the drivers of a folder, approved as it is. The others are left alone: to look into one of Python takes
/// seconds.
async fn catalog(clock: Arc<dyn tracker::clock::Clock>, folder: &str, name: &str) -> Catalog {
    let is_meant = |file: &Path| file.file_stem().is_some_and(|stem| stem == name);
    catalog_where(&root().join(folder), clock, is_meant).await
}

/// Loads every driver of a directory, approved as it is.
pub(crate) async fn catalog_of(directory: &Path, clock: Arc<dyn tracker::clock::Clock>) -> Catalog {
    catalog_where(directory, clock, |_| true).await
}

async fn catalog_where(
    directory: &Path,
    clock: Arc<dyn tracker::clock::Clock>,
    is_meant: impl Fn(&Path) -> bool,
) -> Catalog {
    let clients = Clients::new(ClientSettings::default()).expect("clients");
    let engine = Engine::new(Limits::default(), clients, clock).expect("engine");
    let directory = directory.to_owned();
    let mut lock = Lock::default();
    let files = tracker::supply::wasm_files(&directory).expect("drivers: run `make drivers templates`");
    for file in files.into_iter().filter(|file| is_meant(file)) {
        let info = tracker::driver::load::inspect(&engine, &file, None).await.expect("a driver").info;
        lock.approve(Approval {
            name: info.name,
            version: info.version,
            role: Role::Current,
            file: file.file_name().expect("a file").to_string_lossy().into_owned(),
            source: None,
            sha256: info.digest,
            endpoints: info.asks_for,
            approved_at: Timestamp::from_millis(0),
            approved_by: "the bench".into(),
        });
    }
    let settings = Settings {
        directory,
        lock: PathBuf::new(),
        cache: root().join("target/bench-compiled"),
        signatures: Policy::default(),
        require_tested: false,
    };
    Catalog::load(&engine, &settings, &lock).await.expect("loaded")
}

pub(crate) async fn driver(name: &str) -> Arc<Driver> {
    driver_in(DRIVERS, name).await
}

/// The driver of that name, and of that file's name, in that folder.
pub(crate) async fn driver_in(folder: &str, name: &str) -> Arc<Driver> {
    driver_at(Arc::new(SystemClock), folder, name).await
}

/// The same with a clock.
pub(crate) async fn driver_at(clock: Arc<dyn tracker::clock::Clock>, folder: &str, name: &str) -> Arc<Driver> {
    let catalog = catalog(clock, folder, name).await;
    Arc::clone(
        catalog
            .driver(name)
            .unwrap_or_else(|| panic!("driver {name} is not in {folder}: run `make drivers templates`")),
    )
}

fn mock_key() -> AccountKey {
    AccountKey { driver: "mock".into(), provider: "default".into(), user: "mockuser".into() }
}

fn mock_options(count: usize) -> BTreeMap<String, String> {
    BTreeMap::from([("count".into(), count.to_string()), ("churn".into(), "0".into())])
}

pub(crate) fn mock_target(count: usize) -> Target {
    Target {
        key: mock_key(),
        endpoint: "http://mock.invalid".into(),
        roles: BTreeMap::new(),
        secret: Default::default(),
        secret_expires: None,
        endpoint_source: EndpointSource::Operator,
        options: mock_options(count),
        password: "mockpassword".into(),
        secrets: BTreeMap::new(),
        addresses: AddressPolicy::default(),
        via: Via::default(),
        wire: tracker::driver::Wire::default(),
        budget: None,
    }
}

/// Making a sandbox for a poll.
pub(crate) async fn sandbox(table: &mut Table) {
    const AT_ONCE: u32 = 500;
    let driver = driver("mock").await;
    let target = mock_target(1);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let stopwatch = Stopwatch::start();
        for _ in 0..AT_ONCE {
            driver.make_sandbox(&target).await.expect("a sandbox");
        }
        rounds.push(stopwatch.elapsed() / AT_ONCE);
    }
    table.times("a sandbox for a poll, made and thrown away", rounds, Some(Duration::from_micros(20)));
}

/// Listing 1,000 instances of the mock driver: the sandbox, the making of them in the guest, lifting them out
/// of it and checking them, of which the bound is for lifting alone.
pub(crate) async fn lifting(table: &mut Table) {
    let driver = driver("mock").await;
    let target = mock_target(1000);
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = process_cpu();
        let listing = driver.list(&target, Kind::Instance).await.expect("a list");
        rounds.push(process_cpu() - before);
        assert_eq!(listing.resources.len(), 1000);
    }
    table.times("1,000 instances made in a guest, lifted and checked, CPU", rounds, Some(Duration::from_micros(1500)));
}

/// A host without its API: one account, a store, and a clock moved by hand.
struct Bench {
    context: poll::Context,
    clock: Arc<ManualClock>,
    account: AccountId,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(key: AccountKey, options: BTreeMap<String, String>, endpoint: Option<&str>) -> Bench {
        let clock = Arc::new(ManualClock::new(tracker::clock::Clock::now(&SystemClock)));
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(&folder.path().join("store"), sqlite::Settings::default()).expect("a store");
        let store: Arc<dyn Store> = Arc::new(store);
        let vault = Arc::new(Vault::new(Keyring::make(&folder.path().join("key")).expect("a key")));
        let password = if key.driver == "mock" { "mockpassword" } else { "a-secret-key-of-the-bench" };
        let providers = endpoint.map(|endpoint| ConfiguredProvider {
            driver: key.driver.clone(),
            name: key.provider.clone(),
            endpoint: endpoint.into(),
            roles: BTreeMap::new(),
            addresses: AddressPolicy::opening(vec!["127.0.0.1/32".parse().expect("a range")]),
            options: BTreeMap::new(),
            via: Via::default(),
            requests_per_minute: None,
        });
        let configured = ConfiguredAccount {
            key: key.clone(),
            password: password.into(),
            secret: Default::default(),
            secret_expires: None,
            options,
            secrets: BTreeMap::new(),
            via: Via::default(),
            requests_per_minute: None,
        };
        let catalog = Arc::new(catalog(clock.clone(), DRIVERS, &key.driver).await);
        let roster = Roster::new(catalog, providers.into_iter().collect(), vec![configured], None);
        let password = vault.seal(Purpose::AccountPassword(&key), password.as_bytes()).expect("sealed");
        let now = tracker::clock::Clock::now(&*clock);
        let account = store.enrol(Enrolment { key, origin: Origin::Config, password, now }).await.expect("enrolled");
        let settings = poll::Settings { jitter: 0.0, realms_every: Duration::from_secs(1 << 30), ..Default::default() };
        let endpoints = Endpoints::new(clock.clone(), settings.breaker.clone(), settings.per_endpoint);
        let shares = CallShares::new(Arc::new(endpoints), clock.clone(), settings.limits());
        let context = poll::Context {
            store,
            roster: Arc::new(roster),
            vault,
            clock: clock.clone(),
            turns: Arc::new(poll::Turns::new(shares)),
            settings,
            polled: watch::Sender::new(0),
            metrics: Arc::default(),
        };
        Bench { context, clock, account, _folder: folder }
    }

    /// Both kinds are due at the start. Realms are not again for as long as a bench takes.
    async fn first_polls(&self) {
        assert_eq!(poll::run_once(&self.context).await.expect("polled"), 2);
        self.check(Kind::Realm).await;
    }

    /// Lets an interval pass and polls the instances.
    async fn poll(&self) {
        self.clock.advance(self.context.settings.instances_every);
        assert_eq!(poll::run_once(&self.context).await.expect("polled"), 1);
        self.check(Kind::Instance).await;
    }

    /// A poll that fails may well be the fastest.
    async fn check(&self, kind: Kind) {
        let status = self.context.store.poll_status(self.account).await.expect("read");
        let status = status.iter().find(|status| status.kind == kind).expect("polled");
        assert!(status.failures == 0 && status.last_complete.is_some(), "{status:?}");
    }

    async fn count(&self) -> usize {
        self.context.store.known_resources(self.account, Kind::Instance).await.expect("read").len()
    }
}

/// CPU time of the whole process: of work on a machine that has other work too, the part that is ours.
pub(crate) fn process_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// EC2 with 1,000 instances, in an answer that is put into a folder.
pub(crate) fn ec2_provider(folder: &Path) -> Provider {
    let instances = folder.join("answer.xml");
    fs::write(&instances, thousand_instances()).expect("written");
    let zones = root().join("drivers/ec2/cassettes/bodies/zones.xml");
    Provider::start(&[Answer::to("Action=DescribeAvailabilityZones", &zones), Answer::to("", &instances)])
}

/// A poll of an answer of 1,000 instances: HTTP, guest, parsing, diff, store.
pub(crate) async fn ec2_poll(table: &mut Table) {
    let answer = thousand_instances();
    let folder = tempfile::tempdir().expect("a folder");
    let provider = ec2_provider(folder.path());
    let key = AccountKey { driver: "ec2".into(), provider: "bench".into(), user: "AKIABENCH".into() };
    let bench = Bench::new(key, BTreeMap::new(), Some(&provider.endpoint)).await;
    bench.first_polls().await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = process_cpu();
        bench.poll().await;
        rounds.push(process_cpu() - before);
    }
    assert_eq!(bench.count().await, 1000, "the poll that was measured saw everything");

    let poll =
        table.times("a poll of 1,000 EC2 instances, all CPU of the host", rounds, Some(Duration::from_millis(25)));
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = process_cpu();
        assert!(read_xml(answer.as_bytes()) > 1000);
        rounds.push(process_cpu() - before);
    }
    let native = table.times("  for scale: quick-xml alone over that answer, native", rounds, None);
    table.comparison("  the poll beside quick-xml alone", poll.as_secs_f64() / native.as_secs_f64(), None);
}

/// Reads a document; gives the number of its texts.
fn read_xml(document: &[u8]) -> usize {
    let mut reader = quick_xml::Reader::from_reader(document);
    let mut texts = 0;
    loop {
        match reader.read_event().expect("sound XML") {
            quick_xml::events::Event::Text(text) => {
                std::hint::black_box(&*text);
                texts += 1;
            }
            quick_xml::events::Event::Eof => return texts,
            _ => {}
        }
    }
}

/// What a poll in which nothing changed writes, for few and for many instances.
pub(crate) async fn unchanged(table: &mut Table) {
    let few = written_by_unchanged_poll(10).await;
    let many = written_by_unchanged_poll(100_000).await;
    table.amount("written by an unchanged poll of 10 instances", few / 1024.0, "KiB", None);
    let per_instance = (many - few).max(0.0) / 99_990.0;
    table.amount("  and for each of 100,000 instances more", per_instance, "bytes", Some(0.1));
}

/// Bytes that one poll writes, to the store and anywhere else: the least of a few.
async fn written_by_unchanged_poll(count: usize) -> f64 {
    let bench = Bench::new(mock_key(), mock_options(count), None).await;
    bench.first_polls().await;
    let mut least = f64::MAX;
    for _ in 0..5 {
        let before = bytes_written();
        bench.poll().await;
        least = least.min(bytes_written() - before);
    }
    assert_eq!(bench.count().await, count);
    least
}

fn bytes_written() -> f64 {
    let io = fs::read_to_string("/proc/self/io").expect("Linux");
    io.lines().find_map(|line| line.strip_prefix("wchar: ")).and_then(|n| n.parse().ok()).expect("a number")
}
