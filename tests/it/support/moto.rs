//! moto: an EC2 API in a process of its own, in which instances run, stop and end, requests are paged, and
//! signatures are checked by AWS's own code.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::client::Client;
use super::cloud::Cloud;
use super::lines::{Killed, Lines};

pub(crate) struct Moto {
    _process: Killed,
    pub(crate) endpoint: String,
    pub(crate) cloud: Cloud,
}

impl Moto {
    pub(crate) async fn start() -> Moto {
        let mut process = Command::new(in_venv("moto_server"))
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server of the virtual environment starts");
        let log = Lines::default();
        log.follow(process.stderr.take().expect("piped"));
        let process = Killed(process);
        let endpoint = log
            .find("moto says where it listens", |line| {
                line.split_once("Running on ").map(|(_, address)| address.trim().to_owned())
            })
            .await;
        Moto { _process: process, cloud: Cloud::start(&endpoint, "us-east-1"), endpoint }
    }

    /// Its owner in another region than `cloud`.
    pub(crate) fn cloud_in(&self, region: &str) -> Cloud {
        Cloud::start(&self.endpoint, region)
    }

    /// From now on every request has to be signed, by someone who may make it.
    pub(crate) async fn check_signatures(&self) {
        let client = Client::new(&self.endpoint);
        client.post_text("/moto-api/reset-auth", "0").await.ok();
    }
}

/// A program of the virtual environment that `make test` makes.
pub(crate) fn in_venv(program: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(program);
    assert!(path.exists(), "{} is not there: run `make test`, which makes it", path.display());
    path
}
