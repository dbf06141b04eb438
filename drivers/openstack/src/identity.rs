//! Logging in at Keystone, and keeping the token for the polls that follow.

use serde::Deserialize;
use serde_json::{Value, json};
use tracker_driver_sdk::http::Request;
use tracker_driver_sdk::secret::{self, Encoding};
use tracker_driver_sdk::{Account, Error, json as answers, session, time};

use crate::catalogue::{self, Service};
use crate::problem::Answered;
use crate::settings::{Login, Named, Project, Settings};

/// Where the session has the token, behind the endpoint that it is for.
const KEPT: &str = "token";

/// A token is kept for this part of its life, and a day at most: a poll that begins with it has to end with it.
const KEPT_PART: (i64, i64) = (9, 10);
const MOST_KEPT: i64 = 86_400;

/// How many seconds a token is kept that does not say when it ends: for a poll.
const LEAST_KEPT: i64 = 120;

/// Keystone does not say which of these it refuses.
const HINT: &str = "Keystone says the same of a wrong user, password, domain or project, and of a disabled one";

/// A token, and where it leads.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) token: String,
    pub(crate) compute: String,
}

#[derive(Deserialize)]
struct Answer {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    issued_at: Option<String>,
    expires_at: Option<String>,
    catalog: Option<Vec<Service>>,
}

/// What a poll before logged in with.
pub(crate) fn kept() -> Option<Access> {
    let text = String::from_utf8(session::get(KEPT)?).ok()?;
    let (compute, token) = text.split_once('\n')?;
    Some(Access { token: token.to_owned(), compute: compute.to_owned() })
}

pub(crate) fn log_in(account: &Account, settings: &Settings<'_>) -> Result<Access, Error> {
    let url = format!("{}/auth/tokens", catalogue::identity(account)?);
    let request = Request::post(url).header("accept", "application/json").json(&credentials(account, settings)?)?;
    let response = request.send()?;
    let token = response.headers.get("x-subject-token").map(str::trim).unwrap_or_default().to_owned();
    let answered = Answered::of(response);
    let is_fault = answered.is_fault();
    // Keystone looks an application credential up before it looks at the secret.
    let is_absent = matches!(settings.login, Login::ApplicationCredential) && answered.is_unknown();
    let answered = answered.success().map_err(|error| match error {
        Error::UnexpectedAnswer(text) if is_absent => Error::Unauthorized(text),
        Error::Unauthorized(text) if is_fault => Error::Unauthorized(format!("{text} ({HINT})")),
        other => other,
    })?;
    answered.read(|body| {
        let answer: Answer = answers::parse(body)?;
        if token.is_empty() {
            return Err(Error::UnexpectedAnswer("the answer has no X-Subject-Token, in which the token is".to_owned()));
        }
        let compute = catalogue::compute(account, settings, answer.token.catalog.as_deref())?;
        session::put(KEPT, format!("{compute}\n{token}").as_bytes(), lifetime(&answer.token));
        Ok(Access { token, compute })
    })
}

/// For how many seconds the token is kept. Its life is measured by Keystone's own clock.
fn lifetime(token: &Token) -> u32 {
    let moment = |text: &Option<String>| text.as_deref().and_then(time::parse_rfc3339);
    let life = moment(&token.expires_at).zip(moment(&token.issued_at)).map(|(end, start)| (end - start) / 1000);
    let kept = life.filter(|life| *life > 0).map_or(LEAST_KEPT, |life| life * KEPT_PART.0 / KEPT_PART.1);
    u32::try_from(kept.min(MOST_KEPT)).unwrap_or_default()
}

/// The login's body, with a placeholder for the secret.
fn credentials(account: &Account, settings: &Settings<'_>) -> Result<Value, Error> {
    let word = secret::placeholder(secret::PASSWORD, Encoding::Json)?;
    Ok(match &settings.login {
        Login::ApplicationCredential => json!({ "auth": { "identity": {
            "methods": ["application_credential"],
            "application_credential": { "id": account.user, "secret": word }
        } } }),
        Login::Password { user_domain, project } => {
            let user = json!({ "name": account.user, "domain": reference(*user_domain), "password": word });
            let project = match project {
                Project::Id(id) => json!({ "id": id }),
                Project::Name(name, domain) => json!({ "name": name, "domain": reference(*domain) }),
            };
            let identity = json!({ "methods": ["password"], "password": { "user": user } });
            json!({ "auth": { "identity": identity, "scope": { "project": project } } })
        }
    })
}

fn reference(named: Named<'_>) -> Value {
    match named {
        Named::Id(id) => json!({ "id": id }),
        Named::Name(name) => json!({ "name": name }),
    }
}
