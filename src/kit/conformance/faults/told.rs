//! The errors that a driver may return for an error with a provider's own document.

use std::time::Duration;

use http::StatusCode;

use crate::driver::CallError;

/// What errors mean that every provider has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Unauthorized,
    Forbidden,
    Throttled,
    Unavailable,
    Unexpected,
    InvalidAccount,
}

impl Class {
    pub(super) fn of_word(word: &str) -> Option<Class> {
        match word {
            "unauthorized" => Some(Class::Unauthorized),
            "forbidden" => Some(Class::Forbidden),
            "throttled" => Some(Class::Throttled),
            "unavailable" => Some(Class::Unavailable),
            _ => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Class::Unauthorized => "unauthorized",
            Class::Forbidden => "forbidden",
            Class::Throttled => "throttled",
            Class::Unavailable => "unavailable",
            Class::Unexpected => "unexpected-answer",
            Class::InvalidAccount => "invalid-account",
        }
    }

    /// Whether a status means the same by itself.
    pub(super) fn is_said_with(self, status: StatusCode) -> bool {
        match self {
            Class::Unauthorized => status == StatusCode::UNAUTHORIZED,
            Class::Forbidden => status == StatusCode::FORBIDDEN,
            Class::Throttled => status == StatusCode::TOO_MANY_REQUESTS,
            Class::Unavailable => status.is_server_error(),
            Class::Unexpected | Class::InvalidAccount => true,
        }
    }

    /// This class and no other.
    pub(super) fn alone(self) -> &'static [Class] {
        match self {
            Class::Unauthorized => &[Class::Unauthorized],
            Class::Forbidden => &[Class::Forbidden],
            Class::Throttled => &[Class::Throttled],
            Class::Unavailable => &[Class::Unavailable],
            Class::Unexpected => &[Class::Unexpected],
            Class::InvalidAccount => &[Class::InvalidAccount],
        }
    }

    pub(super) fn of(error: &CallError) -> Option<Class> {
        match error {
            CallError::Unauthorized(_) => Some(Class::Unauthorized),
            CallError::Forbidden(_) => Some(Class::Forbidden),
            CallError::Throttled { .. } => Some(Class::Throttled),
            CallError::Unavailable(_) => Some(Class::Unavailable),
            CallError::UnexpectedAnswer(_) => Some(Class::Unexpected),
            CallError::InvalidAccount(_) => Some(Class::InvalidAccount),
            _ => None,
        }
    }
}

/// What a driver owes for a recorded error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kit::conformance) struct Told {
    pub(super) own: Class,
    /// What is as right, where it is played in another way than it was recorded.
    pub(super) or: &'static [Class],
    /// With `throttled`: how long to wait, where the suite has the provider say it.
    pub(super) wait: Option<Duration>,
}

impl Told {
    pub(super) fn expected(self) -> String {
        let words = std::iter::once(self.own).chain(self.or.iter().copied()).map(Class::word);
        let words: Vec<_> = words.collect();
        let wait = self.wait.map(|wait| format!(", throttled with {} seconds to wait", wait.as_secs()));
        format!("{}{}", words.join(" or "), wait.unwrap_or_default())
    }

    pub(super) fn is(self, error: &CallError) -> bool {
        let is_waited = match error {
            CallError::Throttled { retry_after, .. } => self.wait.is_none() || self.wait == *retry_after,
            _ => true,
        };
        is_waited && Class::of(error).is_some_and(|class| class == self.own || self.or.contains(&class))
    }

    /// Whether the part of the provider that failed may have failed alone.
    pub(super) fn may_be_partial(self) -> bool {
        matches!(self.own, Class::Forbidden | Class::Unavailable)
    }

    /// Whether a driver may log in anew for it.
    pub(in crate::kit::conformance) fn is_unauthorized(self) -> bool {
        self.own == Class::Unauthorized
    }
}
