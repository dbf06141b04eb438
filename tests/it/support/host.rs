//! The tracker itself: the real binary, with a configuration, data and drivers of its own, started, stopped,
//! killed and started again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::client::Client;
use super::disk::Disk;
use super::lines::Lines;
use super::process::{Ended, Running, TRACKER, command, ended, in_folder};
use super::shifted::ShiftedClock;
use super::wait::{SOON, eventually};

/// Polls as often as tests are patient; failures are soon tried again, and hooks may be on this very machine.
pub(crate) const QUICK_POLLS: &str = r#"
[polling]
instances_every = "300ms"
realms_every = "1s"
jitter = 0.0
max_backoff = "300ms"
requests_per_minute = 60000

[polling.breaker]
open_for = "300ms"
open_at_most = "300ms"

[api.credentials]
failed_for = "1ms"
"#;

fn quick_retries() -> String {
    let waits = ["\"200ms\""; 500].join(", ");
    format!(
        "[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\n\n\
         [delivery.retries]\nwaits = [{waits}]\njitter = 0.0\nslow_down = \"200ms\"\n"
    )
}

/// What a host is started with: a folder with a configuration, drivers and secrets.
pub(crate) struct Setup {
    folder: TempDir,
    port: u16,
    /// Keys of the configuration that stand before its first section.
    keys: String,
    /// The sections on polls, and on how credentials are proven.
    polls: String,
    /// The section on deliveries.
    delivery: String,
    /// Keys of the section on the drivers' limits.
    limits: String,
    /// Keys of the section on drivers, and sections of it.
    drivers: String,
    providers: String,
    /// Under its data, where that has one of its own.
    disk: Option<Disk>,
    /// Where its log goes, if not to the test.
    log: Option<fn() -> Stdio>,
    /// What it goes by, if not the machine's clock.
    clock: Option<ShiftedClock>,
}

pub(crate) struct Host {
    setup: Setup,
    process: Option<Running>,
    log: Lines,
}

impl Setup {
    /// A host with these drivers of the repository, vetted and compiled.
    pub(crate) fn new(drivers: &[&str]) -> Setup {
        let setup = Setup::bare();
        for driver in drivers {
            setup.driver_file(&format!("{driver}.wasm"), &built_driver(driver));
        }
        if !drivers.is_empty() {
            let vetted = Vetted::once(drivers);
            std::fs::write(setup.path("drivers.lock"), &vetted.lock).expect("written");
            let cache = setup.path("data/compiled");
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(&cache).expect("made");
            for (name, code) in &vetted.compiled {
                std::fs::write(cache.join(name), code).expect("written");
            }
        }
        setup
    }

    /// A host without drivers.
    fn bare() -> Setup {
        let folder = tempfile::tempdir().expect("a folder");
        let setup = Setup {
            folder,
            port: free_port(),
            keys: String::new(),
            polls: QUICK_POLLS.to_owned(),
            delivery: quick_retries(),
            limits: String::new(),
            drivers: String::new(),
            providers: String::new(),
            disk: None,
            log: None,
            clock: None,
        };
        std::fs::create_dir(setup.path("drivers")).expect("made");
        setup
    }

    /// Driver and provider for clients that name none.
    pub(crate) fn default_provider(mut self, driver: &str, provider: &str) -> Setup {
        let _ = writeln!(self.keys, "default_driver = {driver:?}\ndefault_provider = {provider:?}");
        self
    }

    /// Takes this for the sections on polls and credentials, in place of the quick ones.
    pub(crate) fn polls(mut self, sections: &str) -> Setup {
        self.polls = sections.into();
        self
    }

    /// Takes this for the section on deliveries, in place of the quick one.
    pub(crate) fn delivery(mut self, section: &str) -> Setup {
        self.delivery = section.into();
        self
    }

    /// Sets limits of the drivers.
    pub(crate) fn limits(mut self, keys: &str) -> Setup {
        self.limits = keys.into();
        self
    }

    /// Keys of the section on drivers, and after them sections of it.
    pub(crate) fn drivers(mut self, keys: &str) -> Setup {
        self.drivers = keys.into();
        self
    }

    /// A provider on this machine; `options` are those of all its accounts, in TOML.
    pub(crate) fn provider(mut self, driver: &str, name: &str, endpoint: &str, options: &str) -> Setup {
        let _ = writeln!(
            self.providers,
            "[[providers]]\ndriver = {driver:?}\nname = {name:?}\nendpoint = {endpoint:?}\n\
             allow_addresses = [\"127.0.0.1\"]\noptions = {{ {options} }}\n"
        );
        self
    }

    /// A provider on this machine whose other parts have endpoints of their own, by role.
    pub(crate) fn provider_with_roles(
        mut self,
        driver: &str,
        name: &str,
        endpoint: &str,
        roles: impl Iterator<Item = (String, String)>,
    ) -> Setup {
        let roles = roles.map(|(role, endpoint)| format!("{role} = {{ endpoint = {endpoint:?} }}"));
        let roles = roles.collect::<Vec<_>>().join(", ");
        self = self.provider(driver, name, endpoint, "");
        if !roles.is_empty() {
            let _ = writeln!(self.providers, "endpoints = {{ {roles} }}\n");
        }
        self
    }

    /// An account that is always polled.
    pub(crate) fn account(self, driver: &str, provider: &str, user: &str, password: &str) -> Setup {
        self.account_of_kind(driver, provider, user, password, "password")
    }

    /// The same, with a secret of this kind.
    pub(crate) fn account_of_kind(
        mut self,
        driver: &str,
        provider: &str,
        user: &str,
        password: &str,
        kind: &str,
    ) -> Setup {
        let file = self.secret_file(&format!("password-of-{}", user.replace('/', "-")), password);
        let _ = writeln!(
            self.providers,
            "[[accounts]]\ndriver = {driver:?}\nprovider = {provider:?}\nuser = {user:?}\npassword_file = {file:?}\n\
             password_kind = {kind:?}\n"
        );
        self
    }

    /// How the requests of the provider before go out.
    pub(crate) fn provider_network(mut self, keys: &str) -> Setup {
        let _ = writeln!(self.providers, "[providers.network]\n{keys}");
        self
    }

    /// How the requests of the account before go out.
    pub(crate) fn account_network(mut self, keys: &str) -> Setup {
        let _ = writeln!(self.providers, "[accounts.network]\n{keys}");
        self
    }

    /// The options of the account before, in TOML.
    pub(crate) fn account_options(mut self, keys: &str) -> Setup {
        let _ = writeln!(self.providers, "[accounts.options]\n{keys}\n");
        self
    }

    /// A secret option of the account before.
    pub(crate) fn secret_option(mut self, name: &str, secret: &str) -> Setup {
        let file = self.secret_file(name, secret);
        let _ = writeln!(self.providers, "[accounts.secrets.{name}]\nfile = {file:?}\n");
        self
    }

    /// Puts a file among the drivers, vetted or not.
    pub(crate) fn driver_file(&self, name: &str, content: &[u8]) {
        std::fs::write(self.path("drivers").join(name), content).expect("written");
    }

    /// Puts the data, and what is there by now, on a disk that can be filled up.
    pub(crate) fn on_a_disk(mut self) -> Setup {
        std::fs::create_dir_all(self.path("data")).expect("made");
        self.disk = Some(Disk::mounted(self.folder.path()).unwrap_or(Disk::Limited));
        self
    }

    /// The same on a file system of its own, which is full for a host that starts, too.
    pub(crate) fn on_a_file_system(mut self) -> Setup {
        std::fs::create_dir_all(self.path("data")).expect("made");
        let mounted = Disk::mounted(self.folder.path());
        self.disk =
            Some(mounted.expect("this test mounts a tmpfs: let users have namespaces (unshare --user --mount)"));
        self
    }

    /// The same, but that it is the size of files that is bounded.
    pub(crate) fn with_bounded_files(mut self) -> Setup {
        self.disk = Some(Disk::Limited);
        self
    }

    /// Writes these files into the lock file, as vetted by someone who did not look.
    pub(crate) fn vouch_for(&self, files: impl IntoIterator<Item = (&'static str, Vec<u8>)>) {
        let path = self.path("drivers.lock");
        let mut lock = std::fs::read_to_string(&path).expect("drivers were vetted before");
        for (file, content) in files {
            let digest: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            let _ = writeln!(
                lock,
                "\n[[driver]]\nname = {file:?}\nversion = \"1.0.0\"\nfile = {file:?}\nsha256 = {digest:?}\n\
                 endpoints = []\napproved_at = \"2026-11-22T10:00:00Z\"\napproved_by = \"nobody\""
            );
        }
        std::fs::write(path, lock).expect("written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the tracker with this configuration, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let config = self.write_config();
        let config = config.to_str().expect("UTF-8");
        let mut command = command(self.folder.path(), &[arguments, &["--config", config]].concat());
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        ended(&mut command)
    }

    /// The same, and what it writes to standard output goes there.
    pub(crate) fn run_into(&self, stdout: Stdio, arguments: &[&str]) -> Ended {
        let config = self.write_config();
        let config = config.to_str().expect("UTF-8");
        ended(command(self.folder.path(), &[arguments, &["--config", config]].concat()).stdout(stdout))
    }

    /// The same, and its standard output is closed.
    pub(crate) fn run_without_output(&self, arguments: &[&str]) -> Ended {
        let config = self.write_config();
        let shell = ["-c", "exec \"$@\" >&-", "sh", TRACKER];
        let mut shell = in_folder(Command::new("/bin/sh"), self.folder.path(), &shell);
        ended(shell.args(arguments).arg("--config").arg(config))
    }

    /// Gives the host a clock of its own, which can be set.
    pub(crate) fn with_a_clock(mut self) -> Setup {
        self.clock = Some(ShiftedClock::new(self.folder.path()));
        self
    }

    /// Has the host's log go there.
    pub(crate) fn log_into(mut self, log: fn() -> Stdio) -> Setup {
        self.log = Some(log);
        self
    }

    pub(crate) async fn start(self) -> Host {
        let mut host = Host { setup: self, process: None, log: Lines::default() };
        host.start().await;
        host
    }

    fn write_config(&self) -> PathBuf {
        let Setup { port, keys, polls, delivery, limits, drivers, providers, .. } = self;
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\ndata_dir = \"data\"\n{keys}\n\
             [drivers]\ndirectory = \"drivers\"\nlock = \"drivers.lock\"\n{drivers}\n[drivers.limits]\n{limits}\n\
             {polls}\n{delivery}\n{providers}"
        );
        let path = self.path("tracker.toml");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Writes a file beside the configuration, for its owner's eyes only.
    pub(crate) fn secret_file(&self, name: &str, secret: &str) -> PathBuf {
        let path = self.path(name);
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        std::io::Write::write_all(&mut file.expect("made"), secret.as_bytes()).expect("written");
        path
    }
}

/// What vetting drivers leaves behind: looking at one and compiling it takes longer than most tests.
struct Vetted {
    lock: String,
    compiled: Vec<(OsString, Vec<u8>)>,
}

impl Vetted {
    /// Vets drivers the first time that they are asked for.
    fn once(drivers: &[&str]) -> Arc<Vetted> {
        static VETTED: Mutex<BTreeMap<String, Arc<Vetted>>> = Mutex::new(BTreeMap::new());
        let mut vetted = VETTED.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(vetted.entry(drivers.join(" ")).or_insert_with(|| Arc::new(Vetted::make(drivers))))
    }

    /// As an operator does it.
    fn make(drivers: &[&str]) -> Vetted {
        let setup = Setup::bare();
        for driver in drivers {
            setup.driver_file(&format!("{driver}.wasm"), &built_driver(driver));
            setup.run(&["driver", "approve", driver, "--yes"]).succeeded();
        }
        setup.run(&["driver", "list"]).succeeded();
        let lock = std::fs::read_to_string(setup.path("drivers.lock")).expect("drivers were vetted");
        let cache = std::fs::read_dir(setup.path("data/compiled")).expect("drivers were compiled");
        let compiled = cache.map(|entry| {
            let entry = entry.expect("an entry");
            (entry.file_name(), std::fs::read(entry.path()).expect("read"))
        });
        Vetted { lock, compiled: compiled.collect() }
    }
}

impl Host {
    /// A client that says nothing of itself yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.setup.port))
    }

    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// All that the host wrote, over all its starts.
    pub(crate) fn log(&self) -> &Lines {
        &self.log
    }

    /// Every byte that it keeps.
    pub(crate) fn data(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in std::fs::read_dir(self.setup.path("data")).expect("the host made it") {
            let path = entry.expect("an entry").path();
            if path.is_file() {
                bytes.extend(std::fs::read(path).expect("read"));
            }
        }
        bytes
    }

    /// Its resident memory in MiB.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it has had, in MiB.
    pub(crate) fn peak_resident(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let id = self.id().as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib / 1024
    }

    pub(crate) async fn start(&mut self) {
        self.begin().await;
        let client = self.client();
        eventually(SOON, "the host is ready", async || match client.get("/readyz").await {
            answer if answer.status.is_success() => Ok(()),
            // Some are started to see how they refuse a driver.
            answer if answer.text.contains("/problems/no-driver") => Ok(()),
            answer => Err(answer.text),
        })
        .await;
    }

    /// Starts it, and waits until it listens, ready or not.
    pub(crate) async fn begin(&mut self) {
        let config = self.setup.write_config();
        let arguments = ["serve", "--config", config.to_str().expect("UTF-8")];
        let (folder, disk) = (self.setup.folder.path(), self.setup.disk.as_ref());
        let command = disk.map_or_else(|| Command::new(TRACKER), |disk| disk.command(TRACKER));
        let mut command = in_folder(command, folder, &arguments);
        if let Some(clock) = &self.setup.clock {
            clock.give_to(&mut command);
        }
        let running = match self.setup.log {
            None => Running::begin(command, &self.log),
            Some(log) => Running::begin_with(command.stderr(log())),
        };
        let running = self.process.insert(running);
        let address = ("127.0.0.1", self.setup.port);
        eventually(SOON, "the host listens", async || {
            assert!(running.has_ended().is_none(), "the host ended:\n{}", self.log.text());
            tokio::net::TcpStream::connect(address).await.map_err(|error| error.to_string())
        })
        .await;
    }

    /// Sets its clock, by seconds from the machine's.
    pub(crate) fn set_clock(&self, ahead: i64) {
        self.setup.clock.as_ref().expect("it was set up with a clock").set(ahead);
    }

    /// Leaves no room on its disk.
    pub(crate) async fn fill_disk(&self) {
        self.disk().fill(self.process.as_ref().map(Running::id)).await;
    }

    /// Gives it room again.
    pub(crate) fn free_disk(&self) {
        self.disk().free(self.process.as_ref().map(Running::id));
    }

    /// Removes what was compiled of its drivers from its disk.
    pub(crate) fn forget_compiled(&self) {
        let command = self.disk().command("rm");
        let status = in_folder(command, self.setup.folder.path(), &["-r", "data/compiled"]).status();
        assert!(status.expect("rm runs").success());
    }

    fn disk(&self) -> &Disk {
        self.setup.disk.as_ref().expect("it was set up on one that can be filled up")
    }

    fn id(&self) -> Pid {
        self.process.as_ref().expect("it runs").id()
    }

    /// Takes this for the section on deliveries from the next start on.
    pub(crate) fn delivers(&mut self, section: &str) {
        self.setup.delivery = section.into();
    }

    /// Has this stand in the place of that in its providers and accounts, from the next start on.
    pub(crate) fn provides(&mut self, this: &str, that: &str) {
        assert!(self.setup.providers.contains(that), "{that}");
        self.setup.providers = self.setup.providers.replace(that, this);
    }

    /// Sends it the signal to take up what is approved by now (SIGHUP).
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).expect("signalled");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        drop(self.process.take().expect("it runs"));
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        let status = self.process.as_mut().expect("it runs").ended_by(Signal::TERM, &self.log).await;
        self.process = None;
        status
    }
}

impl Drop for Host {
    #[expect(clippy::print_stderr, reason = "the test runner shows what a failing test prints")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the host's log:\n{}", self.log.text());
        }
    }
}

/// Where `make drivers` puts them.
pub(crate) fn built_drivers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/drivers")
}

/// A driver of the repository, as `make drivers` builds it.
pub(crate) fn built_driver(name: &str) -> Vec<u8> {
    let path = built_drivers().join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}. Run `make drivers`, which builds it", path.display()))
}

/// A driver with faults of its own, as `make faulty` builds it.
pub(crate) fn built_faulty(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/faulty/wasm32-wasip2/release");
    let path = folder.join(format!("{name}.wasm"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}. Run `make faulty`, which builds it", path.display()))
}

/// A port below those that the system gives to outgoing connections, so that none takes it while
/// whoever listens there is down; tests of one process each get another.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 10_000).expect("below 10,000");
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Lets this process, and hosts that it starts, open as many files as the system allows; gives how many these are.
pub(crate) fn open_many_files() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("raised to what it may be");
    maximum.and_then(|maximum| usize::try_from(maximum).ok()).unwrap_or(usize::MAX)
}
