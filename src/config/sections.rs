//! One section a room: which key sets which of the room's settings, and how its value is written.

use std::num::NonZeroUsize;

use serde::Deserialize;

use super::LogSettings;
use super::values::Span;
use crate::net::ClientSettings;

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

section! {
    /// `[network]`
    NetworkSection over ClientSettings {
        connect_timeout: Span => connect_timeout,
        idle_connections_per_host: NonZeroUsize => idle_per_host,
        idle_timeout: Span => idle_timeout,
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
