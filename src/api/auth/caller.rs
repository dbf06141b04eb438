//! Who asks: the account whose credentials a request brought and the provider accepted, or the bearer of a token that
//! the account gave out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};

use super::bearer::{Bearer, Ended};
use super::identify::{self, Credentials, Named, Names};
use super::proof::Claim;
use super::tickets;
use crate::api::App;
use crate::api::problem::{Problem, ProblemType};
use crate::api::resources::tokens;
use crate::api::server::in_flight::Place;
use crate::api::server::peer::Peer;
use crate::api::server::rate_limit::Left;
use crate::clock::Clock;
use crate::model::{AccountId, AccountKey, Owner, Scope, Timestamp};
use crate::roster::Roster;

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

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Problem> {
        // What is around a handler may have asked for the proof already.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(caller.clone());
        }
        let mut caller = match tickets::caller_of(parts, app)? {
            Some(caller) => Caller { peer: peer_of(parts), ..caller },
            None => match identify::credentials(&parts.headers)? {
                Credentials::OfAccount(user, password) => by_credentials(parts, app, user, password).await?,
                Credentials::Token(secret) => by_token(parts, app, &secret).await?,
            },
        };
        app.rates.count(caller.account, &caller.owner, parts.extensions.get::<Left>())?;
        caller.place = parts.extensions.get::<Place>().cloned();
        if let Some(place) = &caller.place {
            place.belongs_to(caller.account)?;
        }
        Ok(caller)
    }
}

fn peer_of(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0)
}

async fn by_credentials(parts: &Parts, app: &App, user: String, password: SecretString) -> Result<Caller, Problem> {
    let (driver, provider) = identify::choose(Named::of(&parts.headers)?, &*app.context.roster)?;
    let key = AccountKey { driver, provider, user };
    let peer = peer_of(parts);
    let proven = app.proofs.prove(Claim { key: key.clone(), password, peer }).await?;
    let (owner, scope) = (Owner::Account, Scope::Track);
    Ok(Caller { account: proven.account, key, owner, scope, proven: proven.at, peer, place: None, bearer: None })
}

impl Caller {
    /// Errs unless it proved the account's own credentials.
    pub(crate) fn is_the_account(&self) -> Result<(), Problem> {
        match self.owner {
            Owner::Account => Ok(()),
            Owner::Token(_) => {
                let detail = "a token gives nobody another: send the cloud account's user and password by HTTP Basic";
                Err(Problem::new(ProblemType::AccountNeeded, detail))
            }
        }
    }

    /// Why its token is not accepted any more, if it is not. What an account proved stays proven.
    pub(crate) fn ended(&self, now: Timestamp) -> Option<Ended> {
        self.bearer.as_ref().and_then(|bearer| bearer.ended(now))
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
            Scope::Read => Err(Problem::new(ProblemType::InsufficientScope, "this needs a token of scope track")),
        }
    }
}

/// How old the note of a token's last use may get.
const USE_IS_NOTED_EVERY: Duration = Duration::from_secs(60);

async fn by_token(parts: &Parts, app: &App, secret: &SecretString) -> Result<Caller, Problem> {
    let context = &app.context;
    let refused = |detail: &str| Problem::new(ProblemType::TokenRefused, detail);
    let (token, account, bearer) = loop {
        let before = app.bearers.revocations();
        let found = context.store.find_token(tokens::hash(secret.expose_secret())).await?;
        let (token, account) = found.ok_or_else(|| refused("there is no such token: it may have been revoked"))?;
        if let Some(bearer) = app.bearers.bear((account.id, token.id), token.expires, before) {
            break (token, account, bearer);
        }
    };
    let now = context.clock.now();
    if let Some(ended) = bearer.ended(now) {
        return Err(ended.into());
    }
    let named = Named::of(&parts.headers)?;
    let is_other = |named: Option<&str>, own: &str| named.is_some_and(|named| named != own);
    let (driver, provider) = (&account.key.driver, &account.key.provider);
    if is_other(named.driver, driver) || is_other(named.provider, provider) {
        let detail = format!(
            "the token is for driver {driver:?} and provider {provider:?}, and X-Deltacloud-Driver or \
             X-Deltacloud-Provider names another: leave them out"
        );
        return Err(Problem::new(ProblemType::MalformedRequest, detail));
    }
    let caller = Caller {
        account: account.id,
        key: account.key,
        owner: Owner::Token(token.id),
        scope: token.scope,
        proven: now,
        peer: peer_of(parts),
        place: None,
        bearer: Some(Arc::new(bearer)),
    };
    // A ticket opens what the token may read.
    if !matches!(parts.method, Method::GET | Method::HEAD) && parts.uri.path() != tickets::PATH {
        caller.may_track()?;
    }
    let noted = token.last_used.filter(|used| *used <= now && now.since(*used) < USE_IS_NOTED_EVERY);
    if noted.is_none() {
        context.store.note_token_used(token.id, now).await?;
    }
    Ok(caller)
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
