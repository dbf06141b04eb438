//! Tracks one resource, as in the Deltacloud API of 2012. `PUT` with `track_hook` and `track_token` sets the caller's
//! hook on the resource, and `track_hook=none` removes it. The resource may be unknown so far.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::documents::Document;
use super::documents::track::{TrackDocument, UnseenDocument};
use crate::api::app::App;
use crate::api::auth::bearer::Ended;
use crate::api::auth::caller::Caller;
use crate::api::hooks::callback_url::{UrlIn, check_form};
use crate::api::hooks::creation::{check_room, create, new_hook, no_room, seal_token};
use crate::api::hooks::{receiver, signing};
use crate::api::input::conditions::ResourceConditions;
use crate::api::input::parameters::{ParameterError, Parameters};
use crate::api::input::request::query_and_form;
use crate::api::problem::{Problem, ProblemType};
use crate::api::settings::Settings;
use crate::model::change::href;
use crate::model::{Hook, HookSpec, HookStatus, HookUrl, Kind, ResourceId, Sealed, SigningSecret};
use crate::store::{Condition, HookAction, HookEdit, HookPlace, HookTarget, Refusal, Seen, Written};
use crate::vault::{Purpose, Vault};

const KNOWN: &[&str] = &["track_hook", "track_token", "track_secret", "format"];

/// `PUT` of one resource. Answers 200 with its representation; 202 with only the hook where that waits for a
/// resource which was not seen yet.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    target: (Kind, ResourceId),
    request: Request,
) -> Result<Response, Problem> {
    let (kind, resource) = target;
    let context = &app.context;
    let conditions = ResourceConditions::of(request.headers())?;
    let parameters = query_and_form(request, app.body_bounds()).await?;
    let order = Order::read(&parameters, &context.settings)?;
    let target = HookTarget { account: caller.account, owner: caller.owner.clone(), kind, resource };
    // Read first: once the hook is set nothing is left that can fail.
    let seen = context.store.find(caller.account, kind, &target.resource, &target.owner).await?;
    check_conditions(app, &conditions, seen.as_ref())?;
    let track = match order {
        Order::Remove => {
            context.store.remove_track_hook(&target).await?;
            None
        }
        Order::Set(wanted) => Some(set(app, caller, &target, wanted).await?),
    };
    match seen {
        Some(seen) => Ok(Json(Document::of(&seen, &context.public_url, track)).into_response()),
        None => {
            let status = if track.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
            let href = href(&context.public_url, kind, &target.resource);
            let unseen = UnseenDocument { id: target.resource.as_str(), href, track };
            Ok((status, Json(unseen)).into_response())
        }
    }
}

/// Errs where the request is not for the resource as `GET` shows it.
fn check_conditions(app: &App, conditions: &ResourceConditions, seen: Option<&Seen>) -> Result<(), Problem> {
    let shown = seen.map(|seen| serde_json::to_vec(&Document::shown(seen, &app.context.public_url)));
    if conditions.hold(shown.transpose().map_err(Problem::internal)?.as_deref()) {
        return Ok(());
    }
    let detail = "the resource is not as If-Match or If-None-Match has it. Its tag is weak, and changes with each poll, so that \
                  If-Match with a tag never holds here: PUT /api/hooks/{id} takes If-Match with the tag of the hook";
    Err(Problem::new(ProblemType::PreconditionFailed, detail))
}

/// What a request wants of the hook.
#[derive(Debug)]
enum Order {
    Set(Wanted),
    Remove,
}

#[derive(Debug)]
struct Wanted {
    url: HookUrl,
    token: Option<SecretString>,
    /// One that the client brings; if it brings none, one is made.
    secret: Option<SigningSecret>,
}

impl Order {
    fn read(parameters: &Parameters, settings: &Settings) -> Result<Order, Problem> {
        parameters.only(KNOWN)?;
        parameters.check_format()?;
        let invalid = |name, why: String| Problem::from(ParameterError::Invalid { name, why });
        let hook = parameters.get("track_hook").filter(|hook| !hook.is_empty()).ok_or_else(|| {
            invalid("track_hook", "is needed: the URL to call back, or `none` to remove the hook".into())
        })?;
        let token = parameters.get("track_token").filter(|token| !token.is_empty());
        if token.is_some_and(|token| token.len() > settings.token_bytes) {
            return Err(invalid("track_token", format!("has at most {} bytes", settings.token_bytes)));
        }
        let secret = parameters.get("track_secret").map(SigningSecret::parse).transpose();
        let secret = secret.map_err(|error| invalid("track_secret", format!("can't be one: {error}")))?;
        if hook == "none" {
            return Ok(Order::Remove);
        }
        let url = HookUrl::parse(hook).map_err(|error| UrlIn::Parameter.invalid(&error))?;
        check_form(&url, UrlIn::Parameter, settings)?;
        Ok(Order::Set(Wanted { url, token: token.map(SecretString::from), secret }))
    }
}

async fn set(app: &App, caller: &Caller, target: &HookTarget, wanted: Wanted) -> Result<TrackDocument, Problem> {
    let context = &app.context;
    let old = context.store.track_hook(target).await?;
    if let Some(old) = &old
        && is_same(&context.vault, caller, old, &wanted)
        && let Some(track) = resumed(app, old).await?
    {
        // Nothing changes, and what is pending for the hook stays pending.
        return Ok(track);
    }
    if old.is_none() {
        check_room(app, caller).await?;
    }
    let rate = receiver::admit(app, &wanted.url, UrlIn::Parameter, None).await?;
    let secret = match wanted.secret {
        Some(secret) => secret,
        None => signing::made()?,
    };
    let secret = secret.to_text();
    let token = seal_token(&context.vault, caller, wanted.token.as_ref())?;
    let sealed = context.vault.seal(Purpose::HookSecret(&caller.key), secret.as_bytes())?;
    let spec = HookSpec { token, rate, ..HookSpec::to(wanted.url) };
    caller.require_accepted(context.clock.now())?;
    let track = Some((target.kind, target.resource.clone()));
    let set = |now| create(app, caller, new_hook(app, caller, track, (spec, sealed), now), None);
    match context.clock.while_steady(set).await? {
        Written::Done(hook) => Ok(TrackDocument::of(&hook).with_secret(secret)),
        Written::Refused(Refusal::OwnerGone) => Err(Ended::Revoked.into()),
        Written::Refused(_) => Err(no_room(app)),
        Written::Replayed(_) => Err(Problem::internal("the store replayed a request that has no key")),
    }
}

/// A hook that the tracker disabled goes on when its client sets it once more; one that is paused was paused by
/// that client. Nothing, where it was removed meanwhile.
async fn resumed(app: &App, hook: &Hook) -> Result<Option<TrackDocument>, Problem> {
    if !matches!(hook.status, HookStatus::Disabled { .. }) {
        return Ok(Some(TrackDocument::of(hook)));
    }
    let context = &app.context;
    let place = HookPlace { account: hook.account, owner: hook.owner.clone(), hook: hook.id };
    let (condition, action) = (Condition::default(), HookAction::Resume);
    let resume = |now| context.store.edit_hook(HookEdit { place, condition, action, now }, None);
    let Written::Done(edited) = context.clock.while_steady(resume).await? else { return Ok(None) };
    Ok(Some(TrackDocument::of(&edited.hook)))
}

/// Whether a hook is as wanted already. A secret that no longer opens is like no other, so that the hook is
/// made anew.
fn is_same(vault: &Vault, caller: &Caller, old: &Hook, wanted: &Wanted) -> bool {
    let is = |purpose, sealed: &Sealed, wanted: &[u8]| match vault.open(purpose, sealed) {
        Ok(opened) => bool::from(opened.expose_secret().as_bytes().ct_eq(wanted)),
        Err(error) => {
            tracing::warn!(hook = %old.id, account = %caller.key, "a hook is created again: {error}");
            false
        }
    };
    let same_token = match (&old.spec.token, &wanted.token) {
        (None, None) => true,
        (Some(old), Some(wanted)) => is(Purpose::HookToken(&caller.key), old, wanted.expose_secret().as_bytes()),
        _ => false,
    };
    let same_secret = wanted
        .secret
        .as_ref()
        .is_none_or(|wanted| is(Purpose::HookSecret(&caller.key), &old.secrets.current, wanted.to_text().as_bytes()));
    old.spec.url == wanted.url && same_token && same_secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, AccountKey, HookId, HookSecrets, Owner, Timestamp};
    use crate::vault::Keyring;

    #[test]
    fn an_order_is_read_whole_or_refused() {
        let settings = Settings { token_bytes: 4, ..Settings::default() };
        let check_with = |settings: &Settings, text: &str, want: Result<&str, ProblemType>| {
            let got = Order::read(&Parameters::parse(text.as_bytes()).expect(text), settings);
            let got = got.map_err(|problem| problem.problem_type()).map(|order| match order {
                Order::Remove => "none".to_owned(),
                Order::Set(Wanted { url, token, secret }) => {
                    let token = token.as_ref().map_or("-", |token| token.expose_secret());
                    let secret = secret.map_or("-".to_owned(), |secret| secret.to_text());
                    format!("{url} {token} {secret}")
                }
            });
            assert_eq!(got, want.map(str::to_owned), "{text}");
        };
        let check = |text: &str, want: Result<&str, ProblemType>| check_with(&settings, text, want);
        check("track_hook=none", Ok("none"));
        check("track_hook=none&track_token=x", Ok("none"));
        check("track_hook=https://e.com/cb", Ok("https://e.com/cb - -"));
        check("track_hook=https://e.com/cb&track_token=", Ok("https://e.com/cb - -"));
        check("track_hook=http://e.com/cb&track_token=abcd&format=json", Ok("http://e.com/cb abcd -"));
        check("track_hook=http://e.com/cb&track_token=abcde", Err(ProblemType::InvalidParameter));
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        check(&format!("track_hook=http://e.com/&track_secret={secret}"), Ok(&format!("http://e.com/ - {secret}")));
        check("track_hook=http://e.com/&track_secret=whsec_x", Err(ProblemType::InvalidParameter));
        check("track_hook=/cb", Err(ProblemType::InvalidHook));
        check("track_hook=ftp://e.com/cb", Err(ProblemType::InvalidHook));
        check("track_hook=", Err(ProblemType::InvalidParameter));
        check("track_token=x", Err(ProblemType::InvalidParameter));
        check("", Err(ProblemType::InvalidParameter));
        check("track_hook=none&hook=x", Err(ProblemType::UnknownParameter));

        let https = Settings { https_only: true, ..Settings::default() };
        check_with(&https, "track_hook=http://e.com/cb", Err(ProblemType::InvalidHook));
        check_with(&https, "track_hook=https://e.com/cb", Ok("https://e.com/cb - -"));
    }

    #[test]
    fn a_hook_stays_only_if_all_of_it_is_the_same() {
        const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        const OTHER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let vault =
            Vault::new(Keyring::parse("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=", "a test").expect("a key"));
        let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "a".into() };
        let (account, owner, proven) = (AccountId(1), Owner::Account, Timestamp::default());
        let caller = Caller {
            account,
            key,
            owner,
            scope: crate::model::Scope::Track,
            proven,
            peer: None,
            place: None,
            bearer: None,
        };
        let old = |token: Option<&str>| Hook {
            id: HookId(1),
            account,
            owner: Owner::Account,
            track: Some((Kind::Instance, ResourceId::parse("i").expect("id"))),
            spec: HookSpec {
                token: seal_token(&vault, &caller, token.map(SecretString::from).as_ref()).expect("sealed"),
                ..HookSpec::to(HookUrl::parse("https://e.com/cb").expect("url"))
            },
            secrets: HookSecrets {
                current: vault.seal(Purpose::HookSecret(&caller.key), SECRET.as_bytes()).expect("sealed"),
                previous: None,
            },
            status: HookStatus::Active,
            failing_since: None,
            created: proven,
            version: crate::model::HookVersion { store: 1, number: 1 },
        };
        let check = |token: Option<&str>, wanted: &str, want: bool| {
            let parameters = Parameters::parse(wanted.as_bytes()).expect(wanted);
            let Ok(Order::Set(wanted)) = Order::read(&parameters, &Settings::default()) else { panic!("{wanted}") };
            assert_eq!(is_same(&vault, &caller, &old(token), &wanted), want, "{wanted:?}");
        };
        check(None, "track_hook=https://e.com/cb", true);
        check(None, "track_hook=https://e.com/cb&track_token=t", false);
        check(Some("t"), "track_hook=https://e.com/cb&track_token=t", true);
        check(Some("t"), "track_hook=https://e.com/cb&track_token=u", false);
        check(Some("t"), "track_hook=https://e.com/cb", false);
        check(None, "track_hook=https://e.com/other", false);
        check(None, &format!("track_hook=https://e.com/cb&track_secret={SECRET}"), true);
        check(None, &format!("track_hook=https://e.com/cb&track_secret={OTHER}"), false);
    }
}
