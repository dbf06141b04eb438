//! How the driver shows who asks: by a password, or by an access token, where its provider has a place for that.

use serde_json::{Value, json};
use tracker_driver_sdk::http::{Request, Response};
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{Account, Error, SecretKind, Timestamp, log, session, time};

use super::answers::told;
use super::{flaw, text};

/// When the access token of the cassettes ends.
const RECORDED_END: Timestamp = 1_795_176_000_000;

/// Where it is shown who asks.
pub(crate) const IDENTITY: &str = "identity";
/// Where the servers are.
pub(crate) const COMPUTE: &str = "compute";

/// The endpoint of a role; that of the account where the role has none.
pub(crate) fn endpoint_of(account: &Account, role: &str) -> String {
    let role = match account.option("flaw") {
        Some("swaps-roles") if role == IDENTITY => COMPUTE,
        Some("swaps-roles") => IDENTITY,
        _ => role,
    };
    match account.endpoint_of(role) {
        Some(_) if role == IDENTITY && flaw(account, "fixed-identity") => {
            "https://identity.north.lax.example/v3".into()
        }
        Some(_) if role == COMPUTE && flaw(account, "derives-compute") => account.endpoint.replacen("api", COMPUTE, 1),
        Some(_) if role == COMPUTE && flaw(account, "compute-at-main") => account.endpoint.clone(),
        Some(endpoint) => endpoint.to_owned(),
        None => account.endpoint.clone(),
    }
}

/// Logs in and keeps the token.
pub(crate) fn log_in(account: &Account) -> Result<String, Error> {
    let is_token = match account.option("flaw") {
        Some("ignores-kind") => false,
        Some("kind-by-roles") => account.endpoint_of(IDENTITY).is_some(),
        Some("needs-end") => account.secret_expires.is_some(),
        _ => account.secret == SecretKind::AccessToken,
    };
    if is_token {
        return trade(account);
    }
    let word = secret::placeholder(secret::PASSWORD, Encoding::Json)?;
    if flaw(account, "logs-placeholder") {
        log::info(&format!("logging in with {word}"));
    }
    let word = match flaw(account, "sends-raw") {
        true => secret::placeholder(secret::PASSWORD, Encoding::Raw)?,
        false => word,
    };
    let word = if flaw(account, "sends-none") { "cassette-password".to_owned() } else { word };
    let user = if flaw(account, "knows-user") { "demo" } else { &account.user };
    let body = format!("{{\"user\": {}, \"password\": \"{word}\"}}", json!(user));
    let key = match account.option("flaw") {
        Some("keys-in-query") => format!("?key={}", secret::placeholder(secret::PASSWORD, Encoding::Query)?),
        Some("raw-in-query") => format!("?key={}", secret::placeholder(secret::PASSWORD, Encoding::Raw)?),
        _ => String::new(),
    };
    let request = Request::post(format!("{}/login{key}", endpoint_of(account, IDENTITY)));
    let request = request.header("content-type", "application/json");
    let request = match flaw(account, "sends-twice") {
        true => request.header("x-password", secret::placeholder(secret::PASSWORD, Encoding::Raw)?),
        false => request,
    };
    let response = match request.body(body).send()?.success() {
        Err(Error::Unauthorized(_)) if flaw(account, "quotes-login") => {
            return Err(Error::Unauthorized(format!("the provider does not take {word}")));
        }
        response => response?,
    };
    keep_token(account, response)
}

/// Trades an access token for a token of the provider's, which is not good for longer.
fn trade(account: &Account) -> Result<String, Error> {
    let ends = match account.option("flaw") {
        Some("forgets-end") => None,
        Some("fixed-end") => account.secret_expires.map(|_| RECORDED_END),
        _ => account.secret_expires,
    };
    if ends.is_some_and(|ends| ends <= time::now()) && flaw(account, "believes-end") {
        return Err(Error::Unauthorized("the access token has ended".into()));
    }
    let word = secret::placeholder(secret::PASSWORD, Encoding::Raw)?;
    let body = match ends {
        Some(ends) => json!({ "user": account.user, "until": ends / 1000 }),
        None => json!({ "user": account.user }),
    };
    let request = Request::post(format!("{}/tokens", endpoint_of(account, IDENTITY)))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {word}"));
    keep_token(account, request.body(body.to_string()).send()?.success()?)
}

/// Keeps the token of an answer.
fn keep_token(account: &Account, response: Response) -> Result<String, Error> {
    let answer: Value = response.json()?;
    if let Some(code) = answer["code"].as_str().filter(|_| !flaw(account, "forgets-codes")) {
        return Err(told(code));
    }
    let token = text(&answer, "token")?;
    if flaw(account, "prints-token") {
        println!("the token is {token}");
    }
    if flaw(account, "logs-token") {
        log::info(&format!("the token is {token}"));
    }
    session::put("token", token.as_bytes(), 300);
    Ok(token)
}
