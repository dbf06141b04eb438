//! Who asks: the account whose credentials a request brought and the provider accepted.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::App;
use super::identify::{self, Named, Names};
use super::listen::Peer;
use super::problem::Problem;
use super::proof::Claim;
use crate::model::{AccountId, AccountKey, Owner, Timestamp};
use crate::roster::Roster;

/// A handler that takes one answers nobody who did not prove to be the account.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: AccountId,
    pub(super) key: AccountKey,
    /// Whose hooks it sees and sets.
    pub(super) owner: Owner,
    /// When its credentials were proven.
    pub(super) proven: Timestamp,
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Problem> {
        // What is around a handler may have asked for the proof already.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(caller.clone());
        }
        let (user, password) = identify::credentials(&parts.headers)?;
        let (driver, provider) = identify::choose(Named::of(&parts.headers)?, &*app.context.roster)?;
        let key = AccountKey { driver, provider, user };
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let proven = app.proofs.prove(Claim { key: key.clone(), password, peer }).await?;
        Ok(Caller { account: proven.account, key, owner: Owner::Account, proven: proven.at })
    }
}

impl Names for Roster {
    fn default_provider(&self) -> Option<(&str, &str)> {
        Roster::default_provider(self)
    }

    fn drivers(&self) -> Vec<String> {
        self.catalog().drivers().map(|driver| driver.info().name.clone()).collect()
    }

    fn providers(&self, driver: &str) -> Option<Vec<String>> {
        self.catalog().driver(driver).map(|driver| self.providers_of(driver))
    }
}
