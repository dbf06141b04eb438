//! Incus, in namespaces of its own: what it starts, mounts and sets up ends with the test.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::super::cgroups::{folders, remove};
use crate::support::wait::{SOON, eventually};
use crate::support::{Lines, free_port};

/// Becomes the first process of the namespaces, with which all others end. It starts the daemon for each line that it reads, and
/// ends when its standard input does, and so when the test does, however that happens. What was unpacked lies over what is
/// installed.
const FIRST: &str = r#"
set -e
mount -t overlay overlay -o lowerdir=usr:/usr /usr
mount -t overlay overlay -o lowerdir=etc:/etc /etc
cd "$INCUS_DIR"
if [ "$NETWORK" = own ]; then
	mkdir -p cgroup
	mount --rbind /sys/fs/cgroup cgroup
	mount -t sysfs sysfs /sys
	mount --rbind cgroup /sys/fs/cgroup
	busybox ip link set lo up
fi
while read -r _; do
	/usr/libexec/incus/incusd --group root < /dev/null &
done
"#;

/// Makes the image of its containers: one program, which sleeps.
const IMAGE: &str = "mkdir -p rootfs/dev rootfs/proc rootfs/sys rootfs/sbin rootfs/bin
cp \"$BUSYBOX\" rootfs/bin/busybox
ln -s ../bin/busybox rootfs/bin/sh
printf '#!/bin/sh\\nexec /bin/busybox sleep 100000\\n' > rootfs/sbin/init
chmod +x rootfs/sbin/init
printf 'architecture: x86_64\\ncreation_date: 1700000000\\nproperties: {description: small}\\n' > metadata.yaml
tar -cf image.tar metadata.yaml rootfs";

/// Where nobody listens: Incus looks for news on the internet.
const NOWHERE: &str = "http://127.0.0.1:9";

pub(super) struct Incus {
    /// Which end before the folder goes.
    processes: Option<Namespaces>,
    log: Lines,
    folder: TempDir,
    /// At which it takes requests by HTTPS, in the machine's own network then.
    port: Option<u16>,
}

/// Processes in namespaces of their own, by the one that made them.
struct Namespaces(Child);

impl Incus {
    /// One that listens at its Unix socket alone, and has a network of its own.
    pub(super) async fn start() -> Incus {
        Incus::with(None).await
    }

    /// One that takes requests by HTTPS, too.
    pub(super) async fn with_https() -> Incus {
        let incus = Incus::with(Some(free_port())).await;
        incus.run(&["config", "set", "core.https_address", &incus.address()]);
        incus
    }

    async fn with(port: Option<u16>) -> Incus {
        let folder = tempfile::tempdir().expect("a folder");
        // The users of a container have to reach its files.
        let public = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(folder.path(), public).expect("the folder is the test's own");
        let mut incus = Incus { processes: None, log: Lines::default(), folder, port };
        incus.goes_up().await;
        incus.run(&["storage", "create", "default", "dir"]);
        incus.run(&["profile", "device", "add", "default", "root", "disk", "path=/", "pool=default"]);
        incus.import_image();
        incus
    }

    fn import_image(&self) {
        let folder = self.folder.path().join("image");
        std::fs::create_dir(&folder).expect("made");
        let busybox = found("bin/busybox");
        let mut shell = Command::new("/bin/sh");
        let made = shell.args(["-ec", IMAGE]).current_dir(&folder).env("BUSYBOX", busybox).status();
        assert!(made.expect("a shell").success(), "an image of busybox-static can be made");
        self.run(&["image", "import", &folder.join("image.tar").to_string_lossy(), "--alias", "small"]);
    }

    /// The fingerprint of the image.
    pub(super) fn image(&self) -> String {
        self.run(&["image", "list", "--format", "csv", "--columns", "F"])
    }

    fn begin(&self) -> Namespaces {
        let mut command = Command::new("/usr/bin/unshare");
        command.env_clear().args(["--fork", "--pid", "--mount-proc", "--mount", "--cgroup", "--ipc"]);
        if self.port.is_none() {
            command.arg("--net").env("NETWORK", "own");
        }
        command
            .args(["sh", "-c", FIRST])
            .current_dir(unpacked())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("INCUS_DIR", self.folder.path())
            .envs([("HTTPS_PROXY", NOWHERE), ("HTTP_PROXY", NOWHERE)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("unshare starts");
        self.log.follow(process.stderr.take().expect("piped"));
        Namespaces(process)
    }

    /// Starts it, and waits until it answers.
    pub(super) async fn goes_up(&mut self) {
        let mut processes = self.processes.take().unwrap_or_else(|| self.begin());
        let stdin = processes.0.stdin.as_mut().expect("piped");
        stdin.write_all(b"start\n").expect("the first process reads");
        eventually(SOON, "Incus answers", async || {
            let ended = processes.0.try_wait().expect("asked");
            assert!(ended.is_none(), "{ended:?} (be root): {}", self.log.text());
            let Output { status, stderr, .. } = self.client(&["query", "/1.0"]);
            let instead = || format!("{}{}", String::from_utf8_lossy(&stderr), self.log.text());
            if status.success() { Ok(()) } else { Err(instead()) }
        })
        .await;
        self.processes = Some(processes);
    }

    /// Ends it and all its containers, as a power cut would.
    pub(super) fn loses_power(&mut self) {
        self.processes = None;
    }

    /// Ends the daemon alone, and waits until it has: its containers go on.
    pub(super) async fn goes_down(&self) {
        self.signal(Signal::TERM).await;
        eventually(SOON, "its socket is closed", async || match tokio::net::UnixStream::connect(self.socket()).await {
            Ok(_) => Err("it is open".to_owned()),
            Err(_) => Ok(()),
        })
        .await;
    }

    pub(super) async fn hangs(&self) {
        self.signal(Signal::STOP).await;
    }

    pub(super) async fn goes_on(&self) {
        self.signal(Signal::CONT).await;
    }

    /// Sends a signal to the daemon itself.
    async fn signal(&self, signal: Signal) {
        let connection = tokio::net::UnixStream::connect(self.socket()).await.expect("its socket is open");
        let listens = connection.peer_cred().expect("a socket knows who listens").pid().and_then(Pid::from_raw);
        kill_process(listens.expect("a process"), signal).expect("signalled");
    }

    /// What its own client says to this.
    pub(super) fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.client(arguments);
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{arguments:?}: {stderr}{}", self.log.text());
        String::from_utf8(stdout).expect("UTF-8").trim().to_owned()
    }

    fn client(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(found("bin/incus"));
        command.args(arguments).env_clear().env("INCUS_DIR", self.folder.path()).stdin(Stdio::null());
        command.env("INCUS_CONF", self.folder.path().join("client")).output().expect("its client starts")
    }

    /// The endpoint of its socket, as the configuration has it.
    pub(super) fn endpoint(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(super) fn https_endpoint(&self) -> String {
        format!("https://{}", self.address())
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.expect("it was started with one"))
    }

    /// The certificate that it shows, which it made.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// Writes a file for it; gives the path.
    pub(super) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_string_lossy().into_owned()
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("unix.socket")
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // The first process ends when it has read all, and this one when all others have ended.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Drop for Incus {
    fn drop(&mut self) {
        self.processes = None;
        // The groups of containers are outside of all namespaces, in one hierarchy, or in one for each controller.
        let root = Path::new("/sys/fs/cgroup");
        for hierarchy in std::iter::once(root.to_owned()).chain(folders(root)) {
            folders(&hierarchy).iter().filter(|group| is_ours(group)).for_each(|group| remove(group));
        }
    }
}

/// A name that no container has but this process's.
pub(super) fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

fn is_ours(group: &Path) -> bool {
    let name = group.file_name().unwrap_or_default().to_string_lossy();
    let is_container = ["lxc.payload.", "lxc.monitor."].iter().any(|kind| name.starts_with(kind));
    name == "lxc.pivot" || (is_container && name.contains(&unique("")))
}

/// What `make incus` unpacks.
fn unpacked() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/incus");
    assert!(folder.join("installed").exists(), "there is no Incus: run `make test-systems`, which unpacks it");
    folder
}

/// A program that was unpacked, or was installed before.
fn found(program: &str) -> PathBuf {
    let unpacked = unpacked().join("usr").join(program);
    if unpacked.is_file() { unpacked } else { Path::new("/usr").join(program) }
}
