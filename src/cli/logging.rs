//! Where the host's log goes: to standard error, or for the demo into a file, since its screen is a live view.

use std::io::{IsTerminal as _, stderr};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::config::{LogFormat, LogSettings};

/// Logs to standard error. Called once, before anything logs.
pub(super) fn to_stderr(settings: &LogSettings) -> anyhow::Result<()> {
    start(settings, BoxMakeWriter::new(stderr), stderr().is_terminal())
}

/// Logs to the end of a file.
pub(super) fn to_file(settings: &LogSettings, path: &Path) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    start(settings, BoxMakeWriter::new(Mutex::new(file)), false)
}

fn start(settings: &LogSettings, writer: BoxMakeWriter, colours: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(settings.filter.as_str())?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(colours);
    let started = match settings.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("can't start the log: {error}"))
}
