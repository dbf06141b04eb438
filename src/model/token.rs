//! Tokens: a client uses one instead of a cloud account's credentials.

use std::fmt;

use super::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(pub i64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Read resources and changes, and change nothing.
    Read,
    /// Also have hooks, ask for polls, and read pending changes.
    Track,
}

impl Scope {
    pub const ALL: [Scope; 2] = [Scope::Read, Scope::Track];

    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Track => "track",
        }
    }

    pub fn parse(text: &str) -> Option<Scope> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A token without its secret; the host knows only a hash of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// The name that the owner of the account gave it.
    pub name: String,
    pub scope: Scope,
    pub created: Timestamp,
    /// The time from which it is no longer accepted.
    pub expires: Option<Timestamp>,
    /// Accurate to the minute.
    pub last_used: Option<Timestamp>,
}

impl Token {
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
