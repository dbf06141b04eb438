//! The destination of the host's log: standard error, or for the demo a file, because its screen is a live view.

mod bounded;
mod lossy;

use std::io::{IsTerminal as _, Write, stderr};
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use self::bounded::Bounded;
use self::lossy::{Flush, Form, Lossy};
use super::terminal;
use crate::config::{LogFormat, LogSettings};
use crate::metrics::LogLines;

/// Flushes the log; set once the log is started.
static FLUSH: Mutex<Option<Flush>> = Mutex::new(None);

/// Waits until all lines are written, for at most a second. Called once, at the end: lines that are logged later may be lost.
pub(super) fn flush() {
    let flush = FLUSH.lock().ok().and_then(|mut flush| flush.take());
    drop(flush);
}

/// Logs to standard error. Called once, before anything logs.
pub(super) fn to_stderr(settings: &LogSettings, lines: &LogLines) -> anyhow::Result<Bounded> {
    start(settings, stderr(), terminal::has_colours(stderr().is_terminal()), lines)
}

/// Logs to the end of a file.
pub(super) fn to_file(settings: &LogSettings, path: &Path, lines: &LogLines) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    start(settings, file, false, lines)?;
    Ok(())
}

fn start(
    settings: &LogSettings,
    output: impl Write + Send + 'static,
    colours: bool,
    lines: &LogLines,
) -> anyhow::Result<Bounded> {
    let bounded = Bounded::new(settings.lines, settings.lines_every, lines.left_out.clone());
    let filter = EnvFilter::try_new(settings.filter.as_str())?;
    let form = match (settings.format, colours) {
        (LogFormat::Json, _) => Form::Json,
        (LogFormat::Text, false) => Form::Text,
        (LogFormat::Text, true) => Form::Coloured,
    };
    let (lossy, flush) = Lossy::start(output, form, lines.dropped.clone())?;
    // The subscriber would report its own errors by `eprintln!`, which panics where standard error can't be written.
    let log = tracing_subscriber::fmt::layer().with_writer(lossy).with_ansi(false).log_internal_errors(false);
    let log = match settings.format {
        LogFormat::Text => log.boxed(),
        LogFormat::Json => log.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(filter).with(bounded.clone()).with(log).try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))?;
    if let Ok(mut kept) = FLUSH.lock() {
        *kept = Some(flush);
    }
    Ok(bounded)
}
