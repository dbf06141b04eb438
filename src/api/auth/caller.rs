//! The caller of a request: the account whose credentials the request brought and the provider accepted, or the bearer
//! of a token of that account.

use std::net::IpAddr;
use std::sync::Arc;

use super::bearer::{Bearer, Ended};
use crate::api::problem::{Problem, ProblemType};
use crate::api::server::in_flight::Place;
use crate::clock::Clock;
use crate::model::{AccountId, AccountKey, Owner, Scope, Timestamp};

/// A handler that takes one answers nobody who did not prove to be the account.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) account: AccountId,
    pub(crate) key: AccountKey,
    /// Whose hooks it sees and sets.
    pub(crate) owner: Owner,
    /// What it may do.
    pub(crate) scope: Scope,
    /// When its credentials were proven.
    pub(crate) proven: Timestamp,
    /// Where the request came from, where that is known.
    pub(crate) peer: Option<IpAddr>,
    /// Where the request counts while it is under way.
    pub(crate) place: Option<Place>,
    /// The token that it brought.
    pub(crate) bearer: Option<Arc<Bearer>>,
}

impl Caller {
    /// Errs unless it proved the account's own credentials.
    pub(crate) fn is_the_account(&self) -> Result<(), Problem> {
        match self.owner {
            Owner::Account => Ok(()),
            Owner::Token(_) => {
                let detail = "a token cannot manage tokens: send the cloud account's user and password with HTTP Basic";
                Err(Problem::new(ProblemType::AccountNeeded, detail))
            }
        }
    }

    /// Why its token is not accepted any more, if it is not. What an account proved stays proven.
    pub(crate) fn ended(&self, now: Timestamp) -> Option<Ended> {
        self.bearer.as_ref().and_then(|bearer| bearer.ended(now))
    }

    /// Errs if its token is not accepted any more. To read a body, or to ask a receiver for consent, takes time.
    pub(crate) fn require_accepted(&self, now: Timestamp) -> Result<(), Problem> {
        self.ended(now).map_or(Ok(()), |ended| Err(ended.into()))
    }

    /// Returns once its token is not accepted any more.
    pub(crate) async fn end(&self, clock: &dyn Clock) -> Ended {
        match &self.bearer {
            Some(bearer) => bearer.end(clock).await,
            None => std::future::pending().await,
        }
    }

    /// Errs if it may only read.
    pub(crate) fn may_track(&self) -> Result<(), Problem> {
        match self.scope {
            Scope::Track => Ok(()),
            Scope::Read => Err(Problem::new(ProblemType::InsufficientScope, "this needs a token with the scope track")),
        }
    }
}
