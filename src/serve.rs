//! The composition root: creates every part of a host from its configuration, connects them, and runs their loops side
//! by side until one token ends them. Nothing here outlives `run`, and nothing is detached.

mod adopt;
mod contained;
mod descriptors;
mod drivers;
mod error;
mod key;
mod reload;
mod sessions;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use drivers::{Drivers, DriversError};
pub use error::ServeError;
pub use key::{KeyError, KeyNeeded, named_keys, require_keys};

use crate::api::starting::{ANSWERS_AFTER, while_starting};
use crate::clock::{Clock, EvenClock, SystemClock};
use crate::config::{Config, KeySource};
use crate::driver::Budgets;
use crate::metrics::{LogLines, Metrics, Operation};
use crate::model::AccountKey;
use crate::net::Clients;
use crate::operator::{Control, Reloads};
use crate::roster::{CallShares, Endpoints, NotOnRoster, Roster};
use crate::rotation::Rotation;
use crate::store::sqlite::SqliteStore;
use crate::store::steps;
use crate::store::{Accounts as _, Polls as _, Store, StoreError};
use crate::{api, deliver, operator, poll, retention};
use adopt::Adoption;
use contained::{Contained, Part};
use reload::Reloader;
use sessions::SessionKeeper;

/// The store's file in the data directory.
pub const STORE_FILE: &str = "tracker.db";

/// A host that is ready to run: everything is open, and its address is taken.
pub struct Host {
    listener: TcpListener,
    /// That of the operators' routes, where there is one.
    operator: Option<std::net::TcpListener>,
    address: SocketAddr,
    public_url: String,
    store: Arc<SqliteStore>,
    api: api::Context,
    poll: poll::Context,
    deliver: deliver::Context,
    retention: retention::Context,
    reloader: Reloader,
    reloads: Reloads,
    sessions: SessionKeeper,
    rotation: Arc<Rotation>,
    adoption: Adoption,
    /// The operator's own door; a host runs without it, too.
    control: Option<UnixListener>,
    /// The clock that all others are of.
    steps: Arc<EvenClock>,
}

impl Host {
    /// Opens everything that the configuration names. Drivers that can't be loaded, and accounts of such
    /// drivers, are logged and keep nothing else from working.
    pub async fn open(config: Config, log_lines: &LogLines) -> Result<Host, ServeError> {
        let steps = Arc::new(EvenClock::new(Arc::new(SystemClock)));
        let clock: Arc<dyn Clock> = Arc::clone(&steps) as _;
        // First what fails most often, before anything is written.
        let address = config.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| ServeError::Listen { address, source })?;
        let operator = config.api.operator.listen.map(|address| {
            std::net::TcpListener::bind(address).map_err(|source| ServeError::ListenForOperators { address, source })
        });
        let operator = operator.transpose()?;
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{}", reachable(address)));

        make_private(&config.data_dir)
            .map_err(|source| ServeError::DataDirectory { path: config.data_dir.clone(), source })?;
        let path = config.data_dir.join(STORE_FILE);
        let opening = open_store(path.clone(), config.store.clone());
        let store = while_starting(opening, &listener, operator.as_ref(), ANSWERS_AFTER).await?;
        let store = Arc::new(store);
        let vault = Arc::new(key::open(&config.key, store.as_ref(), &path).await?);
        if let Err(error) = key::set_damaged_aside(store.as_ref(), &vault).await {
            // Their polls meet them.
            tracing::warn!(%error, "accounts whose passwords do not open cannot be set aside");
        }
        let Drivers { catalog, engine, lock, fetcher } =
            while_starting(Box::pin(Drivers::load(&config)), &listener, operator.as_ref(), ANSWERS_AFTER).await?;
        let mut metrics = Metrics::default();
        metrics.show_poll_memory(engine.poll_memory());
        metrics.show_log_lines(log_lines);
        // Threads of their own: receivers that keep theirs busy take nothing from polls, nor the other way round.
        let hooks_client = Clients::new(config.network)?.under(&config.hook_addresses)?;
        let roster = Roster::new(Arc::new(catalog), config.providers, config.accounts, config.default_provider);
        let budgets = Budgets::new(Arc::clone(&clock), store.budgets().await?);
        let roster = Arc::new(roster.counting(budgets, config.polling.requests_per_minute));
        let shared: Arc<dyn Store> = Arc::clone(&store) as Arc<dyn Store>;
        let mut adoption =
            Adoption::new(Arc::clone(&shared), Arc::clone(&roster), Arc::clone(&vault), Arc::clone(&clock));
        adoption.begin().await?;
        let polling = &config.polling;
        let endpoints = Endpoints::new(Arc::clone(&clock), polling.breaker.clone(), polling.per_endpoint);
        endpoints.recall(store.endpoints().await?);
        let endpoints = Arc::new(endpoints);
        let poll_shares = CallShares::new(Arc::clone(&endpoints), Arc::clone(&clock), polling.limits());
        summarize(&roster, address, &public_url);
        let (of_keys, hashes_kept) = (Arc::clone(&vault), config.api.idempotency_for);
        let rotation =
            Rotation::new(Arc::clone(&shared), of_keys, Arc::clone(&clock), key_file(&config.key), hashes_kept);
        let sessions =
            SessionKeeper { engine: engine.clone(), store: Arc::clone(&store) as _, vault: Arc::clone(&vault) };
        sessions.restore(&roster.catalog()).await;
        let control = open_control(&config.control_socket);

        // A hint between modules that do not depend on each other: readers of the API wait for polls.
        let (polled, polls) = watch::channel(0);
        let metrics = Arc::new(metrics);
        let (reloads, requests) = reload::requests();
        let reloader = Reloader {
            engine,
            fetcher,
            settings: config.drivers,
            roster: Arc::clone(&roster),
            store: Arc::clone(&store) as _,
            metrics: Arc::clone(&metrics),
            requests,
            lock,
        };
        Ok(Host {
            api: api::Context {
                store: Arc::clone(&shared),
                roster: Arc::clone(&roster),
                poll_shares: Arc::clone(&poll_shares),
                vault: Arc::clone(&vault),
                clock: Arc::clone(&clock),
                settings: config.api,
                public_url: public_url.clone(),
                polled: polls,
                hooks_client: hooks_client.clone(),
                metrics: Arc::clone(&metrics),
            },
            poll: poll::Context {
                store: Arc::clone(&shared),
                roster,
                vault: Arc::clone(&vault),
                clock: Arc::clone(&clock),
                settings: config.polling,
                turns: Arc::new(poll::Turns::new(poll_shares)),
                polled,
                metrics: Arc::clone(&metrics),
            },
            deliver: deliver::Context {
                store: Arc::clone(&store) as _,
                vault,
                client: hooks_client,
                clock: Arc::clone(&clock),
                settings: deliver::Settings {
                    concurrency: descriptors::make_room(config.delivery.concurrency),
                    ..config.delivery
                },
                public_url: public_url.clone(),
                metrics: Arc::clone(&metrics),
            },
            retention: retention::Context { store: shared, clock, settings: config.retention, metrics },
            listener,
            operator,
            address,
            public_url,
            store,
            reloader,
            reloads,
            sessions,
            rotation: Arc::new(rotation),
            adoption,
            control,
            steps,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients reach it, without a slash at the end.
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Through which drivers are loaded anew while the host runs.
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Runs until `token` is cancelled, then lets what is under way finish and closes the store.
    pub async fn run(self, token: CancellationToken) -> Result<(), ServeError> {
        // Should one loop end on its own, the others end with it: half a host is worse than none.
        let ending = || token.clone().drop_guard();
        let (clock, metrics) = (Arc::clone(&self.api.clock), Arc::clone(&self.api.metrics));
        let contained = Contained { clock, metrics, token: token.clone() };
        let control = Control {
            roster: Arc::clone(&self.api.roster),
            reloads: self.reloads,
            rotation: Arc::clone(&self.rotation),
            store: Arc::clone(&self.api.store),
            clock: Arc::clone(&self.api.clock),
        };
        let api = async {
            let _ending = ending();
            let listeners = api::Listeners { public: self.listener, operator: self.operator };
            api::serve(listeners, self.api, token.clone()).await
        };
        let poll = async {
            let _ending = ending();
            let polls = Part("polls", Some(Operation::ClaimPolls));
            contained.run(polls, async || poll::run(self.poll.clone(), token.clone()).await).await;
        };
        let deliver = async {
            let _ending = ending();
            let deliveries = Part("deliveries", Some(Operation::ClaimDeliveries));
            contained.run(deliveries, async || deliver::run(self.deliver.clone(), token.clone()).await).await;
        };
        let mut reloader = self.reloader;
        let reload = async {
            let _ending = ending();
            contained.run(Part("drivers", None), async || reloader.run(token.clone()).await).await;
        };
        let control = async {
            let Some(listener) = self.control else { return };
            // Clients can do without it, so the host does, too.
            if let Err(error) = operator::serve(listener, control, token.clone()).await {
                tracing::error!("the control socket ended: {error}");
            }
        };
        let forget = async {
            let _ending = ending();
            let retention = Part("retention", Some(Operation::Retention));
            contained.run(retention, async || retention::run(&self.retention, token.clone()).await).await;
        };
        let steps = async {
            let _ending = ending();
            let follow = async || steps::follow(self.store.as_ref(), &self.steps, token.clone()).await;
            contained.run(Part("clock", None), follow).await;
        };
        // Without it, drivers log in more often.
        let sessions = contained.run(Part("sessions", None), async || self.sessions.run(token.clone()).await);
        let adoption = contained.run(Part("configuration", None), async || self.adoption.run(token.clone()).await);
        let rotation = contained.run(Part("keys", None), async || self.rotation.run(token.clone()).await);
        let (api, (), (), (), (), (), (), (), (), ()) =
            tokio::join!(api, poll, deliver, forget, reload, control, steps, sessions, rotation, adoption);
        self.sessions.end().await;
        self.store.close().await?;
        tracing::info!("the host has stopped");
        api.map_err(ServeError::Api)
    }
}

/// An address to connect to, for one to listen on: all addresses are reached through the machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    SocketAddr::new(ip, address.port())
}

fn make_private(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn open_control(path: &Path) -> Option<UnixListener> {
    operator::listen(path)
        .inspect_err(|error| {
            tracing::warn!(
                socket = %path.display(),
                "cannot listen for `tracker driver reload`; SIGHUP does the same: {error} (setting: control_socket)"
            );
        })
        .ok()
}

/// The rotation of the keys of a store that no host has open.
pub async fn open_rotation(config: &Config) -> Result<(Arc<SqliteStore>, Rotation), KeyError> {
    let path = config.data_dir.join(STORE_FILE);
    let store = Arc::new(open_store(path.clone(), config.store.clone()).await?);
    let vault = Arc::new(key::open(&config.key, store.as_ref(), &path).await?);
    let rotation = Rotation::new(
        Arc::clone(&store) as _,
        vault,
        Arc::new(SystemClock),
        key_file(&config.key),
        config.api.idempotency_for,
    );
    Ok((store, rotation))
}

fn key_file(source: &KeySource) -> Option<PathBuf> {
    match source {
        KeySource::File(path) => Some(path.clone()),
        KeySource::Environment(_) => None,
    }
}

async fn open_store(path: PathBuf, settings: crate::store::sqlite::Settings) -> Result<SqliteStore, StoreError> {
    tokio::task::spawn_blocking(move || SqliteStore::open(&path, settings))
        .await
        .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// Says in the log what started, and what did not.
fn summarize(roster: &Roster, address: SocketAddr, public_url: &str) {
    let catalog = roster.catalog();
    for driver in catalog.drivers() {
        let info = driver.info();
        tracing::info!(driver.name = %info.name, driver.version = %info.version, driver.sha256 = %info.digest, "driver loaded");
    }
    for rejected in catalog.rejected() {
        tracing::warn!(driver.file = %rejected.file.display(), "driver not loaded: {}", rejected.reason);
    }
    for account in roster.accounts() {
        match roster.target(&account.key, account.password.clone()) {
            Ok(_) => tracing::info!(account = %account.key, "configured account"),
            Err(reason) => tracing::error!(account = %account.key, "account cannot be polled: {reason}"),
        }
    }
    if let Some((driver, provider)) = roster.default_provider() {
        let key = AccountKey { driver: driver.into(), provider: provider.into(), user: String::new() };
        if let Err(reason @ (NotOnRoster::Driver { .. } | NotOnRoster::Provider { .. })) =
            roster.target(&key, String::new().into())
        {
            // The driver may be approved, and loaded, while the host runs.
            tracing::error!(
                "the host refuses clients that name no provider until this is fixed: {reason} (settings: default_driver, default_provider)"
            );
        }
    }
    let drivers = catalog.drivers().count();
    let accounts = roster.accounts().len();
    tracing::info!(drivers, accounts, public_url, "listening on http://{address}");
    if drivers == 0 {
        tracing::warn!(
            "no driver is loaded, so the host cannot poll. To approve a driver: tracker driver approve FILE"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_reached_here() {
        let check = |listen: &str, want: &str| {
            assert_eq!(reachable(listen.parse().expect(listen)).to_string(), want);
        };
        check("127.0.0.1:3001", "127.0.0.1:3001");
        check("0.0.0.0:3001", "127.0.0.1:3001");
        check("[::]:3001", "[::1]:3001");
        check("192.0.2.1:80", "192.0.2.1:80");
    }
}
