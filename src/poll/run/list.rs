//! Asks for a list: finds the password and the driver, or the reason why there is no list.

use std::sync::Arc;

use secrecy::SecretString;

use super::super::context::Context;
use super::super::incremental;
use crate::driver::{CallError, CallFailure, Driver, Listing, Pulse, Target};
use crate::model::{AccountKey, ErrorCode, Origin, Timestamp};
use crate::roster::NotOnRoster;
use crate::store::{PollTicket, Reach, SealedColumn, Unopened, WantedIds};
use crate::vault::{Purpose, VaultError};

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoList {
    #[error(transparent)]
    Call(#[from] CallFailure),
    #[error(transparent)]
    NotOnRoster(#[from] NotOnRoster),
    #[error("its stored credentials can't be used: {0}")]
    Credentials(#[from] VaultError),
}

impl NoList {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            NoList::Call(failure) => failure.error.code(),
            NoList::NotOnRoster(_) => ErrorCode::NotConfigured,
            NoList::Credentials(_) => ErrorCode::Credentials,
        }
    }

    /// The part of the account that does not open, if that is the reason.
    pub(super) fn unopened(&self, ticket: &PollTicket) -> Option<Unopened> {
        let NoList::Credentials(_) = self else { return None };
        let column = SealedColumn::AccountPassword(ticket.account.id);
        Some(Unopened { column, sealed: ticket.account.password.clone() })
    }

    pub(super) fn call_error(&self) -> Option<&CallError> {
        match self {
            NoList::Call(failure) => Some(&failure.error),
            _ => None,
        }
    }

    pub(super) fn reach(&self) -> Reach {
        match self.call_error() {
            Some(CallError::Unavailable(_)) => Reach::Unreachable,
            Some(CallError::Limit { setting, .. }) if matches!(*setting, "request_timeout" | "poll_timeout") => {
                Reach::Unreachable
            }
            Some(
                CallError::Unauthorized(_)
                | CallError::Forbidden(_)
                | CallError::Throttled { .. }
                | CallError::UnexpectedAnswer(_),
            ) => Reach::Answered,
            Some(
                CallError::InvalidAccount(_)
                | CallError::Refused(_)
                | CallError::Limit { .. }
                | CallError::Budget { .. }
                | CallError::Crashed(_)
                | CallError::Contract(_)
                | CallError::HostFault,
            )
            | None => Reach::Unknown,
        }
    }

    pub(super) fn requests(&self) -> u32 {
        match self {
            NoList::Call(failure) => failure.usage.requests,
            _ => 0,
        }
    }
}

/// A list and its source.
pub(super) struct Listed {
    pub(super) listing: Listing,
    pub(super) driver: Arc<Driver>,
    pub(super) target: Target,
    /// See `incremental::lister`.
    pub(super) lister: String,
    /// The start of a delta, if one was asked for.
    pub(super) since: Option<Timestamp>,
    /// The single instances that were asked for, if any.
    pub(super) wanted: Option<WantedIds>,
}

pub(super) async fn list(context: &Context, ticket: &PollTicket, pulse: Arc<Pulse>) -> Result<Listed, NoList> {
    let key = &ticket.account.key;
    let password = password(context, ticket, key)?;
    let (driver, mut target) = context.roster.target(key, password)?;
    target.wire.pulse = Some(pulse);
    let lister = incremental::lister(driver.info(), &target, &context.vault);
    let is_by_id = incremental::is_by_id(ticket, driver.info()) && ticket.listed_by.as_ref() == Some(&lister);
    if let Some(wanted) = ticket.wanted.clone().filter(|_| is_by_id) {
        let listing = driver.list_ids(&target, &wanted.ids).await?;
        return Ok(Listed { listing, driver, target, lister, since: None, wanted: Some(wanted) });
    }
    let asked = (driver.info(), lister.as_str());
    let since = incremental::since(&context.settings, ticket, asked, context.clock.now());
    let listing = driver.list_since(&target, ticket.kind, since).await?;
    Ok(Listed { listing, driver, target, lister, since, wanted: None })
}

/// A configured account is polled with the currently configured password, any other with the one that its client
/// proved.
pub(super) fn password(context: &Context, ticket: &PollTicket, key: &AccountKey) -> Result<SecretString, VaultError> {
    if ticket.account.origin == Origin::Config
        && let Some(configured) = context.roster.accounts().iter().find(|account| account.key == *key)
    {
        return Ok(configured.password.clone());
    }
    context.vault.open(Purpose::AccountPassword(key), &ticket.account.password)
}
