//! Authenticates a request: by a ticket, by credentials that the provider accepts, or by a token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};

use super::caller::Caller;
use super::identify::{self, Credentials, Named, Names};
use super::proof::claim::Claim;
use super::tickets::{self, PARAMETER};
use super::token_secret;
use crate::api::app::App;
use crate::api::input::event_stream::is_asked_for;
use crate::api::input::parameters::Parameters;
use crate::api::problem::{Problem, ProblemType};
use crate::api::server::in_flight::Place;
use crate::api::server::peer::Peer;
use crate::api::server::rate_limit::Left;
use crate::model::{AccountKey, Owner, Scope};
use crate::roster::Roster;

/// What the stream is at that they open.
const STREAM: &str = "/api/changes";

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Problem> {
        // What is around a handler may have asked for the proof already.
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(caller.clone());
        }
        let mut caller = match by_ticket(parts, app)? {
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

/// Whose ticket a request brings, if it asks for a stream with a ticket and nothing else says who asks.
///
/// # Errors
/// The ticket is not accepted.
fn by_ticket(parts: &Parts, app: &App) -> Result<Option<Caller>, Problem> {
    if parts.method != Method::GET || parts.uri.path() != STREAM || parts.headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let parameters = Parameters::parse(parts.uri.query().unwrap_or_default().as_bytes())?;
    let Some(ticket) = parameters.get(PARAMETER).filter(|_| is_asked_for(&parts.headers, &parameters)) else {
        return Ok(None);
    };
    let clock = &app.context.clock;
    let Some(caller) = app.tickets.redeem(ticket, clock.uptime()) else {
        let detail = "the ticket is unknown, used or expired: get a new one with POST /api/tickets";
        return Err(Problem::new(ProblemType::TokenRefused, detail));
    };
    match caller.ended(clock.now()) {
        Some(ended) => Err(ended.into()),
        None => Ok(Some(caller)),
    }
}

async fn by_credentials(parts: &Parts, app: &App, user: String, password: SecretString) -> Result<Caller, Problem> {
    let (driver, provider) = identify::choose(Named::of(&parts.headers)?, &*app.context.roster)?;
    let key = AccountKey { driver, provider, user };
    let peer = peer_of(parts);
    let proven = app.proofs.prove(Claim { key: key.clone(), password, peer }).await?;
    let (owner, scope) = (Owner::Account, Scope::Track);
    Ok(Caller { account: proven.account, key, owner, scope, proven: proven.at, peer, place: None, bearer: None })
}

fn peer_of(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0)
}

/// How old the note of a token's last use may get.
const USE_IS_NOTED_EVERY: Duration = Duration::from_secs(60);

async fn by_token(parts: &Parts, app: &App, secret: &SecretString) -> Result<Caller, Problem> {
    let context = &app.context;
    let refused = |detail: &str| Problem::new(ProblemType::TokenRefused, detail);
    let (token, account, bearer) = loop {
        let before = app.bearers.revocations();
        let found = context.store.find_token(token_secret::hash(secret.expose_secret())).await?;
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
