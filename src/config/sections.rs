//! One section a room: which key sets which of the room's settings, and how its value is written.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use serde::Deserialize;

use super::LogSettings;
use super::values::{ProxyUrl, Size, Span};
use crate::driver::Limits;
use crate::net::ClientSettings;
use crate::store::sqlite::{self, Synchronous};

/// Makes a section of keys that are laid over a room's settings: `key: how it is written => what it sets`.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident over $settings:ty { $($key:ident: $written:ty => $($setting:ident).+,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($key: Option<$written>,)+
        }

        impl $name {
            /// Sets what is written in the file, and leaves the rest as it is.
            pub(super) fn lay_over(self, settings: &mut $settings) {
                $(if let Some(value) = self.$key {
                    settings.$($setting).+ = value.into();
                })+
            }
        }
    };
}

/// `[drivers]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DriversSection {
    pub(super) directory: Option<PathBuf>,
    pub(super) lock: Option<PathBuf>,
    #[serde(default)]
    pub(super) limits: LimitsSection,
}

section! {
    /// `[drivers.limits]`: the keys are those that the errors of a passed limit name.
    LimitsSection over Limits {
        memory: Size => memory,
        table_elements: NonZeroUsize => table_elements,
        cpu_per_page: Span => cpu_per_page,
        request_timeout: Span => request_timeout,
        poll_timeout: Span => poll_timeout,
        pages: NonZeroU32 => pages,
        items: NonZeroUsize => items,
        field_bytes: Size => field_bytes,
        answer_bytes: Size => answer_bytes,
        request_bytes: Size => request_bytes,
        requests: NonZeroU32 => requests,
        log_lines: u32 => log_lines,
        sandboxes: NonZeroU32 => sandboxes,
        driver_bytes: Size => driver_bytes,
    }
}

section! {
    /// `[store]`
    StoreSection over sqlite::Settings {
        synchronous: WrittenSynchronous => synchronous,
        readers: NonZeroUsize => readers,
        queue: NonZeroUsize => queue,
        page_cache: Size => page_cache,
        busy_timeout: Span => busy_timeout,
    }
}

/// What is on disk when a write is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WrittenSynchronous {
    Full,
    Normal,
}

impl From<WrittenSynchronous> for Synchronous {
    fn from(written: WrittenSynchronous) -> Synchronous {
        match written {
            WrittenSynchronous::Full => Synchronous::Full,
            WrittenSynchronous::Normal => Synchronous::Normal,
        }
    }
}

section! {
    /// `[network]`
    NetworkSection over ClientSettings {
        connect_timeout: Span => connect_timeout,
        idle_connections_per_host: NonZeroUsize => idle_per_host,
        idle_timeout: Span => idle_timeout,
        lookups: NonZeroUsize => lookups,
        clients: NonZeroUsize => clients,
        proxy: ProxyUrl => proxy,
    }
}

section! {
    /// `[log]`
    LogSection over LogSettings {
        format: LogFormat => format,
        filter: LogFilter => filter,
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
        LogFilter("info".into())
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
