//! `tracker serve`: runs the host until a signal ends it.

use std::convert::Infallible;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::config_args::ConfigArgs;
use super::logging;
use super::process::{Signals, runtime};
use crate::config::Config;
use crate::metrics::LogLines;
use crate::operator::{ReloadRequest, Reloads};
use crate::serve::Host;

#[derive(Debug, Args)]
#[command(after_help = "\
The first SIGINT or SIGTERM stops the host after work in progress has finished; the second one stops it at once.
SIGHUP reloads the drivers, as `tracker driver reload` does.
config.example.toml shows every setting. The key that seals stored credentials can be in TRACKER_KEY.

Examples:
  tracker serve                            with default settings
  tracker serve --config tracker.toml")]
pub(super) struct Serve {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Serve {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load()?;
        let lines = LogLines::default();
        let log = logging::to_stderr(&config.log, &lines)?;
        let runtime = runtime()?;
        let serving = async {
            tokio::select! {
                ended = serve(config, &lines) => ended,
                never = log.tell() => match never {},
            }
        };
        let ended = runtime.block_on(serving);
        // What still runs on its threads (a read, a driver that is being compiled) is of no use to anybody.
        runtime.shutdown_background();
        ended
    }
}

/// Hears of signals that mean nothing to this host, and would end it if nobody did. One that is sent by mistake must not.
fn hear_of_unused() -> std::io::Result<Vec<Signal>> {
    use rustix::process::Signal as Named;
    let unused = [Named::ALARM, Named::IO, Named::POWER, Named::PROF, Named::USR1, Named::USR2, Named::VTALARM];
    unused.into_iter().map(|unused| signal(SignalKind::from_raw(unused.as_raw()))).collect()
}

async fn serve(config: Config, lines: &LogLines) -> anyhow::Result<()> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    // From here on a signal is heard, also while drivers are still being compiled.
    let signals = Signals::listen()?;
    let hangups = signal(SignalKind::hangup())?;
    let _unused = hear_of_unused()?;
    let token = CancellationToken::new();
    let host = async {
        let host = tokio::select! {
            host = Host::open(config, lines) => host?,
            () = token.cancelled() => return Ok(()),
        };
        let reloads = host.reloads();
        let running = host.run(token.clone());
        tokio::select! {
            ended = running => Ok(ended?),
            never = reload_on_hangup(hangups, reloads) => match never {},
        }
    };
    tokio::select! {
        ended = host => ended,
        never = end_on_signals(signals, &token) => match never {},
    }
}

/// Has drivers loaded anew at each SIGHUP.
async fn reload_on_hangup(mut hangups: Signal, reloads: Reloads) -> Infallible {
    loop {
        if hangups.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        tracing::info!("SIGHUP: reloading the drivers");
        // Where many wait already, one of those reloads comes after this signal.
        let _ = reloads.try_send(ReloadRequest::default());
    }
}

/// Cancels the token at the first signal, and ends the process at the second.
async fn end_on_signals(mut signals: Signals, token: &CancellationToken) -> Infallible {
    signals.next().await;
    tracing::info!("stopping after work in progress; a second signal stops the host at once");
    token.cancel();
    signals.next().await;
    std::process::exit(1)
}
