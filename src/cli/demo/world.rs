//! The environment of the demo: the mock driver, approved for this run only, in a folder that is removed when the demo
//! ends; and a configuration that could be in a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use tempfile::TempDir;

use crate::cli::compile::this_program;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::driver::{Engine, Limits, compile, load};
use crate::net::{ClientSettings, Clients};
use crate::supply::{Approval, Lock, Role};

/// Whom the mock driver lets in.
pub(super) const USER: &str = "mockuser";
pub(super) const PASSWORD: &str = "mockpassword";

/// The variable that the demo's configuration takes the password from. It is not set: the configuration is
/// given its own environment.
const PASSWORD_VARIABLE: &str = "TRACKER_DEMO_PASSWORD";

/// A folder with all that the demo writes.
pub(super) struct World {
    folder: TempDir,
    drivers: PathBuf,
}

impl World {
    /// Makes the folder, and vets the mock driver of `drivers` for it.
    pub(super) async fn make(drivers: &Path) -> anyhow::Result<World> {
        let file = drivers.join("mock.wasm");
        if !file.is_file() {
            bail!(
                "there is no mock driver at {}: run `make drivers`, or say where it is with --drivers",
                file.display()
            );
        }
        let folder = tempfile::Builder::new().prefix("tracker-demo-").tempdir()?;
        let clients = Clients::new(ClientSettings::default())?;
        let compile = compile::Settings { executable: this_program().ok(), ..compile::Settings::default() };
        let engine = Engine::compiling(compile, Limits::default(), clients, Arc::new(SystemClock))?;
        let inspected = load::inspect(&engine, &file, Some(&folder.path().join("data/compiled"))).await;
        let info = inspected.map_err(|error| anyhow!("{}: {error}", file.display()))?.info;
        let mut lock = Lock::default();
        lock.approve(Approval {
            name: info.name,
            version: info.version,
            role: Role::Current,
            file: "mock.wasm".into(),
            source: None,
            sha256: info.digest,
            // It asks for none, and would get none here.
            endpoints: Vec::new(),
            approved_at: SystemClock.now(),
            approved_by: "the demo".into(),
        });
        let world = World { folder, drivers: drivers.to_owned() };
        lock.write(&world.lock())?;
        Ok(world)
    }

    /// The configuration of a host that listens there.
    pub(super) fn config(&self, listen: SocketAddr) -> anyhow::Result<Config> {
        let text = format!(
            r#"
            listen = "{listen}"
            data_dir = {data:?}
            default_driver = "mock"
            default_provider = "default"

            [drivers]
            directory = {drivers:?}
            lock = {lock:?}

            # A demo is watched: it need not be gentle to its provider.
            [polling]
            instances_every = "2s"
            realms_every = "10s"

            [delivery]
            allow_addresses = ["127.0.0.1"]

            [[accounts]]
            user = "{USER}"
            password_env = "{PASSWORD_VARIABLE}"
            options = {{ count = 24, churn = 120 }}
            "#,
            data = self.folder.path().join("data"),
            drivers = self.drivers,
            lock = self.lock(),
        );
        let environment = |name: &str| (name == PASSWORD_VARIABLE).then(|| PASSWORD.into());
        let mut config = Config::parse(&text, "the demo's configuration", &environment)?;
        config.compile.executable = this_program().ok();
        Ok(config)
    }

    /// Where the host's log goes.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.path().join("tracker.log")
    }

    fn lock(&self) -> PathBuf {
        self.folder.path().join("drivers.lock")
    }
}
