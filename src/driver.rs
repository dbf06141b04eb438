//! Drivers: loaded from vetted files, run in a fresh sandbox for each poll. The only room that names
//! wasmtime.

pub mod anatomy;
mod bindings;
pub mod budget;
mod cache;
mod call;
pub mod cassette;
pub mod catalog;
pub mod compile;
pub mod conformance;
mod description;
mod egress;
pub mod engine;
pub mod evidence;
mod gather;
pub mod grants;
mod guest;
mod kept;
mod lane;
pub mod limits;
pub mod load;
pub mod lock;
mod memory;
mod message;
mod meter;
mod outline;
mod page;
mod prints;
mod pulse;
pub mod reload;
mod sandbox;
mod secrets;
mod session;
pub mod shadow;
pub mod signature;
mod signing;
mod skew;
mod skipped_sleep;
pub mod source;
pub mod verify;
pub mod wire;
mod withheld;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::model::{AccountKey, Resource, ResourceId, Timestamp};
use crate::net::{AddressPolicy, Via};

pub use anatomy::{Anatomy, Import};
pub use budget::{Allowance, Budget, BudgetView, Budgets};
pub use call::Driver;
pub use cassette::{Cassette, CassetteError, Cassettes};
pub use catalog::{Catalog, Rejected, Settings};
pub use description::{DriverInfo, KnownProvider, OptionInfo, RoleInfo, SecretKind};
pub use engine::{Engine, EngineError};
pub use evidence::Evidence;
#[cfg(test)]
pub(crate) use gather::pretend;
pub use grants::EndpointSource;
pub use guest::Contract;
pub use limits::Limits;
pub use load::{Inspected, LoadError};
pub use lock::{Approval, Lock, LockError, Role, Tested};
pub use memory::ListMemory;
pub use pulse::{Answers, Asking, Pulse};
pub use session::{SavedSession, SessionKey, Sessions, UnsavedSession};
pub use shadow::Shadow;
pub use source::{FetchError, Fetcher, Source};
pub use wire::Wire;

/// One account as a call needs it: whom to ask, how, and what may be reached in doing so.
#[derive(Clone, Debug)]
pub struct Target {
    pub key: AccountKey,
    /// Scheme, host, port and path, without a slash at the end.
    pub endpoint: String,
    /// The endpoints of the provider's other parts, by role, with how each is reached.
    pub roles: BTreeMap<String, RoleTarget>,
    pub endpoint_source: EndpointSource,
    pub options: BTreeMap<String, String>,
    pub password: SecretString,
    /// What the password is, and when it ends where that is known.
    pub secret: SecretKind,
    pub secret_expires: Option<Timestamp>,
    /// The secret options by name.
    pub secrets: BTreeMap<String, SecretString>,
    /// Which addresses the account's endpoint may resolve to, beside public ones.
    pub addresses: AddressPolicy,
    /// How its requests go out: whom they believe, as whom they come, and by which way.
    pub via: Via,
    /// Whether something stands in the network's place, or looks on.
    pub wire: Wire,
    /// What its requests are paid out of; absent where nobody counts, as when one driver is tried by hand.
    pub budget: Option<Arc<Budget>>,
}

/// A part of a provider that has an endpoint of its own.
#[derive(Clone, Debug)]
pub struct RoleTarget {
    pub endpoint: String,
    pub addresses: AddressPolicy,
    pub via: Via,
}

/// Everything that one poll listed.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Sorted by id (bytewise), each id once.
    pub resources: Vec<Resource>,
    pub coverage: Coverage,
    pub usage: Usage,
    /// Counts the list as memory of its poll until it is dropped.
    pub memory: ListMemory,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    Complete,
    /// Something is missing, for this reason: nothing may be removed because of it.
    Partial(String),
    /// The provider gave everything that it was asked for, and it does not fit together, for this reason. It is partial,
    /// and asked for again at once.
    Misfit(String),
    /// Only what changed since the time that was asked for; and the ids of what is no more, sorted, none of them listed.
    Delta(Vec<ResourceId>),
}

/// What one poll took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub requests: u32,
    pub pages: u32,
    pub cpu: Duration,
    pub wall: Duration,
    /// The most linear memory that the sandbox had at once, in bytes.
    pub memory: usize,
}

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
    #[error("the account can't be used as it is configured: {0}")]
    InvalidAccount(String),
    #[error("the provider answered with something unexpected: {0}")]
    UnexpectedAnswer(String),
    /// A request that the host did not let out.
    #[error("{0}")]
    Refused(String),
    /// A limit of the sandbox, with the setting that moves it.
    #[error("the driver passed its limit on {limit} ({value}); setting: drivers.limits.{setting}")]
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
    #[error("the driver broke its contract: {0}")]
    Contract(String),
    /// The host panicked.
    #[error(
        "the host panicked during this call: this is a fault of the tracker, not of the provider or the driver; see the host's log, and report it"
    )]
    HostFault,
}

impl CallError {
    fn poll_timeout(limits: &Limits) -> CallError {
        CallError::Limit {
            limit: "the time of a poll",
            setting: "poll_timeout",
            value: format!("{:?}", limits.poll_timeout),
        }
    }

    /// The same with what may be the reason, where the provider refuses what is asked of it and clocks differ.
    fn explained(self, skew: Option<skew::Skew>) -> CallError {
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
    fn of_task(ended: &tokio::task::JoinError) -> CallError {
        match ended.is_panic() {
            true => CallError::HostFault,
            false => CallError::Crashed("the host is ending".into()),
        }
    }

    /// A stable word for it, as `/api/account` and the log have it.
    pub fn code(&self) -> String {
        match self {
            CallError::Unauthorized(_) => "unauthorized".into(),
            CallError::Forbidden(_) => "forbidden".into(),
            CallError::Throttled { .. } => "throttled".into(),
            CallError::Unavailable(_) => "unavailable".into(),
            CallError::InvalidAccount(_) => "invalid-account".into(),
            CallError::UnexpectedAnswer(_) => "unexpected-answer".into(),
            CallError::Refused(_) => "refused".into(),
            CallError::Limit { setting, .. } => format!("limit.{setting}"),
            CallError::Budget { .. } => "budget".into(),
            CallError::Crashed(_) => "crashed".into(),
            CallError::Contract(_) => "contract".into(),
            CallError::HostFault => "host-fault".into(),
        }
    }
}
