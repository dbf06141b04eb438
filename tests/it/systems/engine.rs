//! Docker Engine and Podman, each in namespaces of its own: what an engine starts, mounts and sets up ends with the test. It
//! reaches nothing, and nothing but its API reaches it.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cgroups::{folders, remove};
use crate::support::Lines;
use crate::support::pki::Authority;
use crate::support::wait::{SOON, eventually};

/// Becomes the first process of the namespaces, with which all others end. It ends when its standard input does, and so when
/// the test does, however that happens. What is usually in /run, /dev/shm and /var/lib is out of the engine's sight, and of
/// its reach. Its standard output is a socket that an engine may take over.
const FIRST: &str = r#"
set -e
for folder in /run /dev/shm /var/lib; do mount -t tmpfs tmpfs $folder; done
busybox ip link set lo up
busybox ip addr add 203.0.113.5/32 dev lo
tini -s -- "$@" 3<&1 1>&2 < /dev/null &
read -r _ || true
"#;

/// What its containers are made of: one program, by several names.
pub(super) const IMAGE: &str = "busybox:test";

/// Makes the file system of that image.
const ROOT: &str = "mkdir -p image/bin
cp /bin/busybox image/bin
ln -sf busybox image/bin/sh
ln -sf busybox image/bin/sleep
tar -C image -cf image.tar .";

/// The name of its socket.
const SOCKET: &str = "engine.sock";

/// Where Debian has programs. There may be others of the same names before them.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brand {
    Docker,
    Podman,
}

/// Its fields end in this order: what a process is in can go once the process has.
pub(super) struct Engine {
    pub(super) brand: Brand,
    process: Option<Namespaces>,
    cgroup: Cgroup,
    /// At which it takes requests by TCP, with TLS.
    listener: Option<TcpListener>,
    log: Lines,
    folder: TempDir,
}

/// Processes in namespaces of their own, by the one that made them.
struct Namespaces(Child);

/// In which the engine puts the containers' groups of processes. It is outside of all namespaces.
struct Cgroup(String);

impl Engine {
    pub(super) async fn start(brand: Brand) -> Engine {
        let engine = Engine::new(brand);
        let config = match brand {
            Brand::Docker => engine.docker_config(&json!({})),
            Brand::Podman => engine.podman_config(),
        };
        engine.with(&config).await
    }

    /// Docker that takes requests by TCP, too, from whoever shows a certificate of this authority.
    pub(super) async fn docker_with_tls(authority: &Authority) -> Engine {
        let mut engine = Engine::new(Brand::Docker);
        engine.listener = Some(TcpListener::bind("127.0.0.1:0").expect("a port"));
        let server = authority.certify("server", &["127.0.0.1"]);
        let file = |name: &str, pem: &str| {
            std::fs::write(engine.path(name), pem).expect("written");
            engine.path(name)
        };
        let config = engine.docker_config(&json!({
            "tlsverify": true,
            "tlscacert": file("ca.pem", &authority.pem()),
            "tlscert": file("server.pem", &server.pem),
            "tlskey": file("server.key", &server.key_pem()),
        }));
        engine.with(&config).await
    }

    fn new(brand: Brand) -> Engine {
        let folder = tempfile::tempdir().expect("a folder");
        let name = folder.path().file_name().expect("a name").to_string_lossy();
        let cgroup = Cgroup(format!("tracker-test{name}"));
        Engine { brand, process: None, cgroup, listener: None, log: Lines::default(), folder }
    }

    async fn with(mut self, config: &str) -> Engine {
        std::fs::write(self.path("config"), config).expect("written");
        self.goes_up().await;
        self.import_image();
        self
    }

    /// All that would be elsewhere, or of the machine's own settings.
    fn docker_config(&self, more: &Value) -> String {
        let mut hosts = vec![self.host()];
        hosts.extend(self.listener.iter().map(|_| "fd://".to_owned()));
        let mut config = json!({
            "hosts": hosts,
            "data-root": self.path("data"),
            "exec-root": self.path("run"),
            "pidfile": self.path("run/pid"),
            "deprecated-key-path": self.path("key.json"),
            "storage-driver": "vfs",
            "bridge": "none",
            "iptables": false,
            "ip6tables": false,
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "cgroup-parent": self.cgroup.parent(),
        });
        config.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        config.to_string()
    }

    fn podman_config(&self) -> String {
        "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
         [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
            .to_owned()
    }

    fn command(&self) -> Vec<String> {
        let path = |name: &str| self.path(name).to_string_lossy().into_owned();
        match (self.brand, &self.listener) {
            (Brand::Docker, None) => vec!["dockerd".into(), "--config-file".into(), path("config")],
            // As systemd hands a socket over. It names the process that the socket is for.
            (Brand::Docker, Some(_)) => {
                let takes_it = "LISTEN_PID=$$ LISTEN_FDS=1 exec dockerd --config-file \"$0\"";
                vec!["sh".into(), "-c".into(), takes_it.into(), path("config")]
            }
            (Brand::Podman, _) => {
                let folders = [
                    ("--root", "data"),
                    ("--runroot", "run"),
                    ("--tmpdir", "run/libpod"),
                    ("--network-config-dir", "networks"),
                ];
                let folders = folders.iter().flat_map(|(option, name)| [(*option).to_owned(), path(name)]);
                let service = ["--storage-driver", "vfs", "system", "service", "--time", "0"].map(str::to_owned);
                let words = std::iter::once("podman".to_owned()).chain(folders).chain(service);
                words.chain([self.host()]).collect()
            }
        }
    }

    /// Starts it, and waits until it answers.
    pub(super) async fn goes_up(&mut self) {
        let stdout = match &self.listener {
            Some(listener) => Stdio::from(OwnedFd::from(listener.try_clone().expect("another handle"))),
            None => Stdio::null(),
        };
        let mut command = Command::new("/usr/bin/unshare");
        command
            .args(["--fork", "--pid", "--mount-proc", "--mount", "--net", "--ipc", "sh", "-c", FIRST, "sh"])
            .args(self.command())
            .current_dir(self.folder.path())
            .env_clear()
            .envs([("PATH", Path::new(PATH)), ("HOME", self.folder.path())])
            .env("CONTAINERS_CONF", self.path("config"))
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("unshare starts");
        self.log.follow(process.stderr.take().expect("piped"));
        let process = self.process.insert(Namespaces(process));
        let what = "the engine answers (run `make test-systems` as root, which installs engines)";
        let client = || client(&self.folder.path().join(SOCKET), &["version"]);
        eventually(SOON, what, async || {
            let ended = process.0.try_wait().expect("asked");
            assert!(ended.is_none(), "{ended:?}: {}", self.log.text());
            let Output { status, stderr, .. } = client();
            let instead = || format!("{}{}", String::from_utf8_lossy(&stderr), self.log.text());
            if status.success() { Ok(()) } else { Err(instead()) }
        })
        .await;
    }

    /// Ends it and all its containers, as a power cut would: what has to last stays, and the rest is gone.
    pub(super) fn loses_power(&mut self) {
        self.process = None;
        std::fs::remove_dir_all(self.path("run")).expect("removed");
    }

    /// Sends a signal to the engine itself.
    pub(super) async fn signal(&self, signal: Signal) {
        let connection = tokio::net::UnixStream::connect(self.path(SOCKET)).await.expect("its socket is open");
        let listens = connection.peer_cred().expect("a socket knows who listens").pid().and_then(Pid::from_raw);
        kill_process(listens.expect("a process"), signal).expect("signalled");
    }

    /// What Docker's client says to this, which works with either engine.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = client(&self.path(SOCKET), arguments);
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{arguments:?}: {stderr}{}", self.log.text());
        String::from_utf8(stdout).expect("UTF-8").trim().to_owned()
    }

    /// Makes a container without starting it; gives its id.
    pub(super) fn create(&self, name: &str, options: &[&str], program: &[&str]) -> String {
        let parent = self.cgroup.parent();
        let made = ["create", "--name", name, "--cgroup-parent", &parent];
        self.run(&[&made, options, &[IMAGE], program].concat())
    }

    /// Makes the image of its containers, or another one of the same name: an image says when it was made.
    pub(super) fn import_image(&self) {
        let made = Command::new("/bin/sh").args(["-ec", ROOT]).current_dir(self.folder.path()).status();
        assert!(made.expect("a shell").success(), "an image of busybox-static can be made");
        self.run(&["import", &self.path("image.tar").to_string_lossy(), IMAGE]);
    }

    /// The endpoint of its socket, as the configuration has it.
    pub(super) fn endpoint(&self) -> String {
        format!("unix:{}", self.path(SOCKET).display())
    }

    /// The same as an engine and its client have it.
    fn host(&self) -> String {
        format!("unix://{}", self.path(SOCKET).display())
    }

    /// At which it takes requests by TCP.
    pub(super) fn address(&self) -> String {
        let listener = self.listener.as_ref().expect("it was started with one");
        listener.local_addr().expect("bound").to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // The first process ends when it has read all, and this one when all others have ended.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Cgroup {
    fn parent(&self) -> String {
        format!("/{}", self.0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // One hierarchy, or one for each controller.
        let root = Path::new("/sys/fs/cgroup");
        for hierarchy in std::iter::once(root.to_owned()).chain(folders(root)) {
            remove(&hierarchy.join(&self.0));
        }
    }
}

fn client(socket: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("/usr/bin/docker");
    command.arg("--host").arg(format!("unix://{}", socket.display())).args(arguments).env_clear().stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{error}: run `make test-systems`, which installs it"))
}
