//! The process of a subcommand: its environment, its runtime, and the signals that end it.

use std::ffi::OsString;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::api::read_clock_once;
use crate::clock::{Clock as _, SystemClock};
use crate::model::Timestamp;

/// A variable of the process's environment.
pub(super) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The runtime that a subcommand runs on. Errs at a time that neither certificates nor the `Date` of answers have a form for.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    let (now, epoch) = (SystemClock.now(), Timestamp::default());
    anyhow::ensure!(now >= epoch, "the system's clock is at {now}, which is before {epoch}: set it, and try again");
    Ok(Builder::new_multi_thread().enable_all().on_thread_start(read_clock_once).build()?)
}

/// The signals that ask a process to end: SIGINT and SIGTERM. None is lost between two waits.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Signals> {
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
