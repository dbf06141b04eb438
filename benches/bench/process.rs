//! Rows of the program as it is started: how soon it is ready, and what it holds in memory.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tracker::clock::Stopwatch;
use tracker::model::{AccountKey, Kind};
use tracker::store::sqlite::{self, SqliteStore};
use tracker::store::{Accounts as _, Polls as _};

use crate::guests::compiled_files;
use crate::outlet::folder;
use crate::table::Table;

const DRIVERS: usize = 10;

/// In which part of a second Linux tells of CPU time, whatever the machine.
const TICKS: u64 = 100;

/// The real program, serving.
pub(crate) struct Host {
    child: Child,
    address: String,
}

impl Host {
    /// Starts it and waits until it is ready; gives how long that took.
    pub(crate) fn start(folder: &Path, address: &str) -> (Host, Duration) {
        let stopwatch = Stopwatch::start();
        let child = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["serve", "--config", "config.toml"])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).expect("a log"))
            .spawn()
            .expect("started");
        let mut host = Host { child, address: address.into() };
        while !host.get("/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            if let Ok(Some(status)) = host.child.try_wait() {
                panic!("the host ended, {status}:\n{}", log(folder));
            }
            assert!(stopwatch.elapsed() < Duration::from_secs(60), "the host does not get ready");
            std::thread::sleep(Duration::from_millis(1));
        }
        (host, stopwatch.elapsed())
    }

    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        // mockuser:mockpassword
        let credentials = "bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk";
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Basic {credentials}\r\nconnection: close\r\n\r\n"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// The same with a `PUT`, for the account at that provider of the mock driver.
    pub(crate) fn put(&self, path: &str, provider: &str) -> Option<String> {
        self.send("PUT", path, (provider, ""))
    }

    /// The same with any method, and JSON.
    pub(crate) fn send(&self, method: &str, path: &str, (provider, json): (&str, &str)) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let credentials = "bW9ja3VzZXI6bW9ja3Bhc3N3b3Jk";
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Basic {credentials}\r\nx-deltacloud-driver: mock\r\n\
             x-deltacloud-provider: {provider}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{json}",
            json.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Resident memory in MB.
    pub(crate) fn resident(&self) -> f64 {
        self.memory("VmRSS:")
    }

    /// The most that was resident since it was started, in MB.
    pub(crate) fn highest_resident(&self) -> f64 {
        self.memory("VmHWM:")
    }

    /// CPU time that it has used, of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("running");
        // The name, in parentheses, is the second field and may hold anything; utime and stime are the 14th and 15th.
        let (_, fields) = stat.rsplit_once(") ").expect("Linux");
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(1000 * ticks / TICKS)
    }

    fn memory(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("running");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("Linux");
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024.0 / 1e6
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with drivers that are approved, and a configuration.
pub(crate) fn installation(drivers: &[(String, Vec<u8>)], more: &str) -> (tempfile::TempDir, String) {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    fs::create_dir(folder.path().join("drivers")).expect("made");
    let config = format!(
        "listen = \"{address}\"\ndata_dir = \"data\"\n{more}\n[drivers]\ndirectory = \"drivers\"\nlock = \"drivers.lock\"\n"
    );
    fs::write(folder.path().join("config.toml"), config).expect("written");
    for (name, bytes) in drivers {
        let file = folder.path().join("drivers").join(name);
        fs::write(&file, bytes).expect("written");
        let approved = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["driver", "approve", "--config", "config.toml", "--yes"])
            .arg(&file)
            .current_dir(folder.path())
            .output()
            .expect("run");
        assert!(approved.status.success(), "{}", String::from_utf8_lossy(&approved.stderr));
    }
    (folder, address)
}

pub(crate) fn built(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run `make drivers templates`", path.display()))
}

pub(crate) fn mock() -> Vec<(String, Vec<u8>)> {
    vec![("mock.wasm".into(), built("target/drivers/mock.wasm"))]
}

pub(crate) fn mock_and_digitalocean() -> Vec<(String, Vec<u8>)> {
    let mut drivers = mock();
    drivers.push(("digitalocean.wasm".into(), built("target/drivers/digitalocean.wasm")));
    drivers
}

/// Ten drivers: the two real ones, and eight of the tests' one under as many names of the same length.
fn ten_drivers() -> Vec<(String, Vec<u8>)> {
    let mut drivers = mock();
    drivers.push(("ec2.wasm".into(), built("target/drivers/ec2.wasm")));
    let faulty = built("target/faulty/wasm32-wasip2/release/faulty.wasm");
    for n in 0..DRIVERS - drivers.len() {
        let name = format!("fault{n}");
        let mut bytes = faulty.clone();
        while let Some(at) = memchr::memmem::find(&bytes, b"faulty") {
            bytes[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
        drivers.push((format!("{name}.wasm"), bytes));
    }
    drivers
}

/// How soon a host with ten drivers is ready, compiled code at hand or not.
pub(crate) fn start(table: &mut Table) {
    let (folder, address) = installation(&ten_drivers(), "");
    let mut cold = Vec::new();
    let mut warm = Vec::new();
    for _ in 0..3 {
        fs::remove_dir_all(folder.path().join("data")).expect("approving filled it");
        let (host, ready) = Host::start(folder.path(), &address);
        assert_eq!(compiled_files(folder.path()), DRIVERS, "the host compiled each driver before it was ready");
        cold.push(ready);
        drop(host);
        for _ in 0..3 {
            let (host, ready) = Host::start(folder.path(), &address);
            let drivers = host.get("/api/drivers").expect("an answer");
            assert_eq!(drivers.matches("\"digest\"").count(), DRIVERS, "{drivers}");
            warm.push(ready);
        }
    }
    table.times("from start to ready, ten drivers, nothing compiled", cold, Some(Duration::from_secs(2)));
    table.times("from start to ready, ten drivers, compiled before", warm, Some(Duration::from_millis(300)));
}

/// What the host holds in memory, idle and with many instances.
pub(crate) fn memory(table: &mut Table) {
    let (folder, address) = installation(&mock(), "");
    let (host, _) = Host::start(folder.path(), &address);
    host.get("/api/instances").expect("an answer");
    table.amount("resident memory, idle", host.resident(), "MB", Some(60.0));
    drop(host);

    let password = "[[accounts]]\ndriver = \"mock\"\nprovider = \"default\"\nuser = \"mockuser\"\n\
                    password_file = \"password\"\noptions = { count = \"100000\", churn = \"6\" }\n";
    let (folder, address) = installation(&mock(), "[polling]\ninstances_every = \"2s\"\n");
    let config = folder.path().join("config.toml");
    let text = fs::read_to_string(&config).expect("written before");
    fs::write(&config, text + password).expect("written");
    fs::write(folder.path().join("password"), "mockpassword").expect("written");
    let (host, _) = Host::start(folder.path(), &address);
    let stopwatch = Stopwatch::start();
    let mut most: f64 = 0.0;
    // Through the first list of all of them, and several polls in which some changed.
    while stopwatch.elapsed() < Duration::from_secs(15) {
        most = most.max(host.resident());
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(host);
    let tracked = tracked(&folder.path().join("data/tracker.db"));
    assert!(tracked >= 100_000, "only {tracked} are tracked: {}", log(folder.path()));
    table.amount("resident memory, 100,000 instances tracked, highest", most, "MB", Some(250.0));
}

/// How many instances a host that has ended leaves in its store.
fn tracked(path: &Path) -> usize {
    let store = SqliteStore::open(path, sqlite::Settings::default()).expect("a store");
    let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "mockuser".into() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let account = store.find_account(&key).await.expect("read").expect("enrolled");
        store.known_resources(account.id, Kind::Instance).await.expect("read").len()
    })
}

pub(crate) fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}
