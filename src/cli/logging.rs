//! Where the host's log goes: to standard error, or for the demo into a file, since its screen is a live view.

mod bounded;

use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::bounded::Bounded;
use crate::config::{LogFormat, LogSettings};

/// Logs to standard error. Called once, before anything logs.
pub(super) fn to_stderr(settings: &LogSettings) -> anyhow::Result<Bounded> {
    start(settings, BoxMakeWriter::new(stderr), stderr().is_terminal())
}

/// Logs to the end of a file.
pub(super) fn to_file(settings: &LogSettings, path: &Path) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    start(settings, BoxMakeWriter::new(Mutex::new(file)), false)?;
    Ok(())
}

fn start(settings: &LogSettings, writer: BoxMakeWriter, colours: bool) -> anyhow::Result<Bounded> {
    let bounded = Bounded::new(settings.lines, settings.lines_every);
    let filter = EnvFilter::try_new(settings.filter.as_str())?;
    let log = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let log = match settings.format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(bounded.clone()).with(log).try_init();
    started.map_err(|error| anyhow::anyhow!("can't start the log: {error}"))?;
    Ok(bounded)
}
