//! The stable codes for failed polls, in `/api/account`, the log and the metrics.

use std::borrow::Cow;
use std::fmt;

/// Why a poll returned no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The provider does not accept the credentials.
    Unauthorized,
    /// The provider accepts the credentials, but refuses the request.
    Forbidden,
    Throttled,
    Unavailable,
    UnexpectedAnswer,
    /// The account is not usable as configured.
    InvalidAccount,
    /// The account's driver or provider is not configured.
    NotConfigured,
    /// The account's stored credentials cannot be used.
    Credentials,
    /// The host did not allow a request.
    Refused,
    /// The account's request budget is used up.
    Budget,
    /// A limit of the sandbox was exceeded; the value is its setting.
    Limit(Cow<'static, str>),
    /// The driver trapped.
    Crashed,
    /// The driver violated the contract.
    Contract,
    HostFault,
    /// The store could not record the poll.
    Store,
}

/// The prefix of the setting of a limit.
const LIMIT: &str = "limit.";

impl ErrorCode {
    /// All but limits.
    const WITHOUT_SETTING: [ErrorCode; 14] = [
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::Throttled,
        ErrorCode::Unavailable,
        ErrorCode::UnexpectedAnswer,
        ErrorCode::InvalidAccount,
        ErrorCode::NotConfigured,
        ErrorCode::Credentials,
        ErrorCode::Refused,
        ErrorCode::Budget,
        ErrorCode::Crashed,
        ErrorCode::Contract,
        ErrorCode::HostFault,
        ErrorCode::Store,
    ];

    pub fn parse(text: &str) -> Option<ErrorCode> {
        if let Some(setting) = text.strip_prefix(LIMIT) {
            return Some(ErrorCode::Limit(Cow::Owned(setting.to_owned())));
        }
        ErrorCode::WITHOUT_SETTING.into_iter().find(|code| code.word() == text)
    }

    /// The code; for a limit, only the prefix of its setting.
    fn word(&self) -> &'static str {
        match self {
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::Forbidden => "forbidden",
            ErrorCode::Throttled => "throttled",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::UnexpectedAnswer => "unexpected-answer",
            ErrorCode::InvalidAccount => "invalid-account",
            ErrorCode::NotConfigured => "not-configured",
            ErrorCode::Credentials => "credentials",
            ErrorCode::Refused => "refused",
            ErrorCode::Budget => "budget",
            ErrorCode::Limit(_) => LIMIT,
            ErrorCode::Crashed => "crashed",
            ErrorCode::Contract => "contract",
            ErrorCode::HostFault => "host-fault",
            ErrorCode::Store => "store",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            ErrorCode::Limit(setting) => f.write_str(setting),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_as_it_is_written() {
        let limit = ErrorCode::Limit("list_bytes".into());
        for code in ErrorCode::WITHOUT_SETTING.into_iter().chain([limit]) {
            assert_eq!(ErrorCode::parse(&code.to_string()), Some(code));
        }
        for text in ["", "Unauthorized", "limit", "other"] {
            assert_eq!(ErrorCode::parse(text), None, "{text}");
        }
    }
}
