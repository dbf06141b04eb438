//! The stable words for why there is no list, as `/api/account`, the log and the metrics have them.

use std::borrow::Cow;
use std::fmt;

/// Why there is no list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// The provider does not accept the credentials.
    Unauthorized,
    /// It accepts them, and refuses the request.
    Forbidden,
    Throttled,
    Unavailable,
    UnexpectedAnswer,
    /// The account cannot be used as it is configured.
    InvalidAccount,
    /// The account's driver or provider is not configured.
    NotConfigured,
    /// The account's stored credentials cannot be used.
    Credentials,
    /// The host did not let a request out.
    Refused,
    /// The account's budget of requests is spent.
    Budget,
    /// A limit of the sandbox, by its setting.
    Limit(Cow<'static, str>),
    /// The driver trapped.
    Crashed,
    /// The driver broke its contract.
    Contract,
    HostFault,
    /// The host's store did not take what came of the poll.
    Store,
}

/// What stands before the setting of a limit.
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

    /// The word; of a limit, what stands before its setting.
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
