//! A real OCI registry in a process of its own: Debian's `docker-registry`, on a port and in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use reqwest::header::ACCEPT;
use tempfile::TempDir;

use super::client::http;
use super::host::free_port;
use super::lines::{Killed, Lines};
use super::wait::{SOON, eventually};

/// What bcrypt makes of `open sesame`, with few rounds: the registry takes nothing else in its file of users.
const USERS: &str = "ali:$2y$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n";
pub(crate) const USER: &str = "ali";
pub(crate) const PASSWORD: &str = "open sesame";

pub(crate) struct Registry {
    folder: TempDir,
    port: u16,
    process: Option<Killed>,
}

impl Registry {
    /// One that lets everyone in.
    pub(crate) async fn start() -> Registry {
        Registry::with("").await
    }

    /// One that lets in `USER` with `PASSWORD`.
    pub(crate) async fn with_users() -> Registry {
        Registry::with("auth:\n  htpasswd:\n    realm: the cave\n    path: users\n").await
    }

    async fn with(auth: &str) -> Registry {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let config = format!(
            "version: 0.1\nlog:\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: data\n\
             http:\n  addr: 127.0.0.1:{port}\n{auth}"
        );
        std::fs::write(folder.path().join("config.yml"), config).expect("written");
        std::fs::write(folder.path().join("users"), USERS).expect("written");
        let mut process = Command::new(program())
            .args(["serve", "config.yml"])
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the registry starts");
        let log = Lines::default();
        log.follow(process.stderr.take().expect("piped"));
        let mut process = Killed(process);
        eventually(SOON, "the registry listens", async || {
            assert!(process.0.try_wait().expect("asked").is_none(), "the registry ended:\n{}", log.text());
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())
        })
        .await;
        Registry { folder, port, process: Some(process) }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A source in it.
    pub(crate) fn source(&self, reference: &str) -> String {
        format!("oci://{}/{reference}", self.host())
    }

    /// A manifest as the registry has it, byte for byte.
    pub(crate) async fn manifest(&self, repository: &str, reference: &str) -> String {
        let url = format!("http://{}/v2/{repository}/manifests/{reference}", self.host());
        let request = http().get(url).header(ACCEPT, "application/vnd.oci.image.manifest.v1+json");
        let answer = request.send().await.expect("the registry answers");
        assert!(answer.status().is_success(), "{answer:?}");
        answer.text().await.expect("text")
    }

    /// The file in which it keeps the blob of that SHA-256.
    pub(crate) fn blob(&self, sha256: &str) -> PathBuf {
        let blobs = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&sha256[..2]).join(sha256).join("data")
    }

    /// Ends it.
    pub(crate) fn goes_down(&mut self) {
        self.process = None;
    }
}

/// Installed, or unpacked by `make test`.
fn program() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/registry/usr/bin/docker-registry");
    let installed = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&installed).map(|folder| folder.join("docker-registry"));
    let mut places = installed.chain([unpacked]);
    places.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("there is no docker-registry: run `make test`, which gets it, or install Debian's docker-registry")
    })
}
