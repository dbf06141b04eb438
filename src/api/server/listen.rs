//! Serves the API on a socket. Connections have limits: their number in total and by network, their cost, their idle
//! time, and the time that they may continue after the host stops.

mod accept;
mod answer;
mod connection;
mod date;
mod files;
mod frames;
mod meter;
mod metered;
mod operator;
mod receipts;
mod table;

use std::io;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::in_flight::InFlight;
use crate::api::settings::Settings;
use crate::metrics::Metrics;
use accept::accept;
use connection::Server;
pub use date::read_clock_once;
use table::Most;

/// Where requests come in.
pub struct Listeners {
    pub public: TcpListener,
    /// The operator's own, which is served by a thread of its own.
    pub operator: Option<std::net::TcpListener>,
}

/// What is served there, and what its connections share with the handlers.
pub(crate) struct Service {
    pub(crate) public: Router,
    pub(crate) operator: Router,
    pub(crate) settings: Settings,
    pub(crate) metrics: Arc<Metrics>,
    /// What requests hold, those of operators apart.
    pub(crate) in_flight: Arc<InFlight>,
}

/// Serves until `token` is cancelled; then requests under way may take `settings.grace` to end. `beside` goes on beside them,
/// and is to end by that token, too.
///
/// # Errors
/// The operators' thread can't be started.
pub(crate) async fn serve(
    listeners: Listeners,
    service: Service,
    beside: impl Future<Output = ()> + Send + 'static,
    token: CancellationToken,
) -> io::Result<()> {
    let Service { public, operator, settings, metrics, in_flight } = service;
    let server = |router, in_flight| {
        Arc::new(Server::new(router, settings.clone(), Arc::clone(&metrics), in_flight, token.clone()))
    };
    let operator = match listeners.operator {
        Some(listener) => Some(operator::start(listener, server(operator, InFlight::new(&settings)))?),
        None => None,
    };
    let server = server(public, in_flight);
    let mut tasks = JoinSet::new();
    tasks.spawn(beside);
    let limit = files::limit();
    let all = files::connections_within(limit, settings.connections);
    if all < settings.connections {
        tracing::warn!(
            "at most {all} connections can be open at once, not {}, because the system limits the host to {} open files",
            settings.connections,
            limit.unwrap_or(u64::MAX)
        );
    }
    accept(listeners.public, &server, most(&settings, all), &mut tasks).await;
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.grace, ended).await.is_err() {
        tracing::warn!(connections = tasks.len(), "some requests did not end in {:?} and were aborted", settings.grace);
        tasks.shutdown().await;
    }
    if let Some(operator) = operator {
        operator.ended().await;
    }
    Ok(())
}

fn most(settings: &Settings, all: usize) -> Most {
    Most {
        all,
        network: settings.connections_per_peer,
        unfinished: settings.unfinished_connections,
        unfinished_of_network: settings.unfinished_per_peer,
    }
}
