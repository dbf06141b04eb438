//! Errors of a call that returned no list.

use std::time::Duration;

use super::limits::Limits;
use super::requests::skew;
use super::usage::Usage;
use crate::model::ErrorCode;

/// A call that gave no list.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct CallFailure {
    pub error: CallError,
    pub usage: Usage,
}

/// Why a call gave no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the provider does not accept the credentials: {0}")]
    Unauthorized(String),
    #[error("the provider accepts the credentials but refuses the request: {0}")]
    Forbidden(String),
    #[error("the provider asks for fewer requests: {message}")]
    Throttled { retry_after: Option<Duration>, message: String },
    #[error("the provider is unavailable: {0}")]
    Unavailable(String),
    #[error("the account is not usable as configured: {0}")]
    InvalidAccount(String),
    #[error("the provider answered with something unexpected: {0}")]
    UnexpectedAnswer(String),
    /// A request that the host did not let out.
    #[error("{0}")]
    Refused(String),
    /// A limit of the sandbox, with the setting that moves it.
    #[error("the driver exceeded the limit of {limit} ({value}); setting: drivers.limits.{setting}")]
    Limit { limit: &'static str, setting: &'static str, value: String },
    /// The account's budget of requests is spent.
    #[error(
        "the account has had its {per_minute} requests a minute, and would have to wait too long for the next; setting: \
         polling.requests_per_minute, or requests_per_minute of its provider or account"
    )]
    Budget { per_minute: u32, retry_after: Duration },
    /// The driver trapped.
    #[error("the driver crashed: {0}")]
    Crashed(String),
    /// The driver's answer breaks its contract.
    #[error("the driver violated the contract: {0}")]
    Contract(String),
    /// The host panicked.
    #[error(
        "the host panicked during this call: this is a fault of the host, not of the provider or the driver; see the host's log, and report it"
    )]
    HostFault,
}

impl CallError {
    pub(super) fn poll_timeout(limits: &Limits) -> CallError {
        CallError::Limit {
            limit: "the time of a poll",
            setting: "poll_timeout",
            value: format!("{:?}", limits.poll_timeout),
        }
    }

    /// The same with what may be the reason, where the provider refuses what is asked of it and clocks differ.
    pub(super) fn explained(self, skew: Option<skew::Skew>) -> CallError {
        let Some(skew) = skew else { return self };
        // In front, as what the provider says may be long, and is cut.
        let with = |said: String| format!("{skew}; {said}");
        match self {
            CallError::Unauthorized(said) => CallError::Unauthorized(with(said)),
            CallError::Forbidden(said) => CallError::Forbidden(with(said)),
            CallError::InvalidAccount(said) => CallError::InvalidAccount(with(said)),
            CallError::UnexpectedAnswer(said) => CallError::UnexpectedAnswer(with(said)),
            other => other,
        }
    }

    /// Of a driver's task that ended without an outcome.
    pub(super) fn of_task(ended: &tokio::task::JoinError) -> CallError {
        match ended.is_panic() {
            true => CallError::HostFault,
            false => CallError::Crashed("the host is ending".into()),
        }
    }

    pub fn code(&self) -> ErrorCode {
        match self {
            CallError::Unauthorized(_) => ErrorCode::Unauthorized,
            CallError::Forbidden(_) => ErrorCode::Forbidden,
            CallError::Throttled { .. } => ErrorCode::Throttled,
            CallError::Unavailable(_) => ErrorCode::Unavailable,
            CallError::InvalidAccount(_) => ErrorCode::InvalidAccount,
            CallError::UnexpectedAnswer(_) => ErrorCode::UnexpectedAnswer,
            CallError::Refused(_) => ErrorCode::Refused,
            CallError::Limit { setting, .. } => ErrorCode::Limit((*setting).into()),
            CallError::Budget { .. } => ErrorCode::Budget,
            CallError::Crashed(_) => ErrorCode::Crashed,
            CallError::Contract(_) => ErrorCode::Contract,
            CallError::HostFault => ErrorCode::HostFault,
        }
    }
}
