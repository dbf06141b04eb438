//! The format of the host's log, and its limits.

use std::time::Duration;

use serde::Deserialize;

#[derive(Clone, Debug)]
pub struct LogSettings {
    pub format: LogFormat,
    pub filter: LogFilter,
    /// How many lines of one kind are logged in `lines_every`.
    pub lines: usize,
    pub lines_every: Duration,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            format: LogFormat::default(),
            filter: LogFilter::default(),
            lines: 1000,
            lines_every: Duration::from_secs(10),
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// What is logged, in the words of tracing's `EnvFilter`: `info`, `tracker::poll=debug,warn`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(String);

#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a filter ({reason}): write it as \"info\" or \"tracker::poll=debug,info\"")]
pub struct InvalidLogFilter {
    text: String,
    reason: tracing_subscriber::filter::ParseError,
}

impl LogFilter {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogFilter {
    fn default() -> LogFilter {
        // h2 warns of each connection that it closes for what its client did, which the host counts by itself.
        LogFilter("info,h2=error".into())
    }
}

impl TryFrom<String> for LogFilter {
    type Error = InvalidLogFilter;

    fn try_from(text: String) -> Result<LogFilter, InvalidLogFilter> {
        match tracing_subscriber::EnvFilter::try_new(&text) {
            Ok(_) => Ok(LogFilter(text)),
            Err(reason) => Err(InvalidLogFilter { text, reason }),
        }
    }
}
