//! A session of the API: a login, and the view that it lists. Both are kept across polls, since a vCenter Server takes only
//! so many sessions (2,000, or 3,000 from 8.0 U3 on) and forgets an idle one only after half an hour.

use serde::{Deserialize, Serialize};
use tracker_driver_sdk::{Account, Error, secret, session};

use crate::call::{self, Call, Failure};

/// A server ends a session that has been idle for 30 minutes, by default. Each poll begins that time anew.
const LIFETIME_SECONDS: u32 = 25 * 60;

/// What a session is for. The lists have one each: a token to the next page is void once something else has been
/// retrieved in its session ("ContinueRetrievePropertiesEx" in the API reference).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Instances,
    Realms,
}

impl Purpose {
    fn key(self) -> &'static str {
        match self {
            Purpose::Instances => "instances",
            Purpose::Realms => "realms",
        }
    }
}

/// The server's own objects, by the names that it has for them (a vCenter Server and an ESXi host differ).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Session {
    /// `vmware_soap_session="..."`, as it was set.
    pub(crate) cookie: Option<String>,
    pub(crate) root: String,
    pub(crate) collector: String,
    pub(crate) view_manager: String,
    /// An ESXi host has none.
    pub(crate) custom_fields: Option<String>,
    /// Of everything that is listed. It lives as long as the session, and follows the inventory.
    pub(crate) view: Option<String>,
}

/// Does what is to be done in the kept session, or else in a new one. A kept session that the server has forgotten is
/// replaced once.
pub(crate) fn with<T>(
    account: &Account,
    purpose: Purpose,
    work: impl Fn(&Session) -> Result<T, Failure>,
) -> Result<T, Error> {
    if let Some(kept) = Session::kept(purpose) {
        match kept.run(account, purpose, &work) {
            Err(failure) if failure.is_lost() => {}
            done => return done.map_err(|failure| failure.error),
        }
    }
    let done = Session::log_in(account, purpose).and_then(|session| session.run(account, purpose, &work));
    done.map_err(|failure| failure.error)
}

impl Session {
    fn kept(purpose: Purpose) -> Option<Session> {
        serde_json::from_slice(&session::get(purpose.key())?).ok()
    }

    fn keep(&self, purpose: Purpose) {
        if let Ok(text) = serde_json::to_vec(self) {
            session::put(purpose.key(), &text, LIFETIME_SECONDS);
        }
    }

    fn log_in(account: &Account, purpose: Purpose) -> Result<Session, Failure> {
        let (content, first) = call::service_content(account)?;
        let login = Call::Login {
            manager: &content.session_manager,
            user: &account.user,
            password: &secret::placeholder(secret::PASSWORD, secret::Encoding::Xml)?,
        };
        // Some versions set the cookie with the first answer, others with that to the login.
        let second = call::log_in(account, first.as_deref(), &login)?;
        let session = Session { cookie: second.or(first), ..content.session };
        session.keep(purpose);
        Ok(session)
    }

    /// Does it, with a view. The session is kept for as long again where it was of use.
    fn run<T>(
        mut self,
        account: &Account,
        purpose: Purpose,
        work: impl Fn(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if self.view.is_none() {
            self.view = Some(call::create_view(account, &self)?);
            self.keep(purpose);
        }
        let done = work(&self)?;
        self.keep(purpose);
        Ok(done)
    }
}
