//! The token that every request carries: one that the operator gave, one that is left from an earlier poll, or one
//! that the application signs in for, with a client secret or with an assertion that its private key signs.

pub mod jwt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tracker_driver_sdk::http::Request;
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{Error, SecretKind, session, time};

use crate::settings::Settings;
use crate::{poll, problem};

const SESSION: &str = "token";

/// The driver replaces a token this many seconds before it expires, because a poll may take some minutes.
const MARGIN: u64 = 300;

/// What goes into the header.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Whether it was got in an earlier poll, and may have ended since.
    pub(crate) is_kept: bool,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// A number; a text from endpoints of version 1.
    expires_in: Option<Value>,
    error: Option<IgnoredAny>,
}

/// The token to use: that of this poll, or of an earlier one, or a new one.
pub(crate) fn token(settings: &Settings<'_>) -> Result<Token, Error> {
    if settings.account.secret == SecretKind::AccessToken {
        let text = secret::placeholder(secret::PASSWORD, Encoding::Raw)?;
        return Ok(Token { text, is_kept: false });
    }
    if let Some(token) = poll::with(|poll| poll.token.clone()) {
        return Ok(token);
    }
    match session::get(SESSION).and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| is_token(text)) {
        Some(text) => {
            let token = Token { text, is_kept: true };
            poll::with(|poll| poll.token = Some(token.clone()));
            Ok(token)
        }
        None => log_in(settings),
    }
}

/// A new token, whatever is kept.
pub(crate) fn log_in(settings: &Settings<'_>) -> Result<Token, Error> {
    let url = format!("{}/{}/oauth2/v2.0/token", settings.login_endpoint()?, settings.tenant()?);
    let account = settings.account;
    let scope = format!("{}/.default", account.endpoint);
    let mut form = vec![("client_id", account.user.as_str()), ("grant_type", "client_credentials"), ("scope", &scope)];
    let credential;
    if account.secret == SecretKind::PrivateKey {
        credential = jwt::assertion(&url, &account.user, &settings.thumbprint()?, time::now())?;
        form.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
        form.push(("client_assertion", &credential));
    } else {
        credential = secret::placeholder(secret::PASSWORD, Encoding::Form)?;
        form.push(("client_secret", &credential));
    }
    let response = Request::post(url).header("accept", "application/json").form(form).send()?;
    let granted: Granted = problem::read(response, |granted: &Granted| granted.error.is_some())?;
    if !is_token(&granted.access_token) {
        return Err(Error::UnexpectedAnswer("the sign-in answered with a token that is none".to_owned()));
    }
    let lifetime = granted.expires_in.as_ref().and_then(seconds).unwrap_or(0).saturating_sub(MARGIN);
    if lifetime > 0 {
        session::put(SESSION, granted.access_token.as_bytes(), u32::try_from(lifetime).unwrap_or(u32::MAX));
    }
    let token = Token { text: granted.access_token, is_kept: false };
    poll::with(|poll| poll.token = Some(token.clone()));
    Ok(token)
}

fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// What can stand in a header.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
