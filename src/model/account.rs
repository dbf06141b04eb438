//! An account: whom the host polls, and who calls the API.

use std::fmt;

use super::legible::legible;
use super::time::Timestamp;

/// The store's number for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of an account: one user at one provider of one driver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    pub driver: String,
    pub provider: String,
    pub user: String,
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Any text that a client sends, or that the configuration has.
        write!(f, "{}/{}/{}", legible(&self.driver), legible(&self.provider), legible(&self.user))
    }
}

/// How the host came to know an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the configuration: always polled, with the configured credentials and options.
    Config,
    /// Brought by a client: polled while it has a hook.
    Client,
}

/// Bytes that only the `vault` can open. Its `Debug` shows their number.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// How many requests an account's budget had left, and when; the time is unknown if a host ended without storing it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetMark {
    pub left: f64,
    pub at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub key: AccountKey,
    pub origin: Origin,
    /// The password, sealed for this account. Options come from the configuration, never from here.
    pub password: Sealed,
}
