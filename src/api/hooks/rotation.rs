//! `POST .../rotate`: creates a new signing key. The old key signs as well for a while, so that a receiver can change
//! over without missing a callback.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::actions::Wanted;
use super::found::{Number, Shower, find, place};
use super::order::secret_of;
use super::signing::{self, Signing};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::input::conditions::Conditions;
use crate::api::input::request::json_object;
use crate::api::middleware::idempotency::Repeatable;
use crate::api::problem::{Problem, ProblemType};
use crate::model::span;
use crate::store::{EditedHook, HookAction};

/// For longer than this no two keys sign: a key that leaked would go on being good.
const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Answers with the hook, which has the new secret in this answer and no other.
pub(crate) async fn rotate(
    State(app): State<Arc<App>>,
    caller: Caller,
    number: Number,
    (repeatable, conditions): (Repeatable, Conditions),
    request: Request,
) -> Result<Response, Problem> {
    let context = &app.context;
    let place = place(&caller, number);
    let mut object = json_object(request, app.body_bounds()).await?;
    object.only(&["overlap", "secret"])?;
    let overlap = match object.take("overlap") {
        None => context.settings.rotation_overlap,
        Some(member) => {
            let overlap = span::parse_kept(member.text()?).map_err(|error| member.invalid(format!("is {error}")))?;
            if overlap > LONGEST_OVERLAP {
                return Err(member.invalid("is longer than 7 days").into());
            }
            overlap
        }
    };
    let hook = find(&app, &caller, &place).await?;
    let kind = signing::present(&app, &caller, &hook).map_or(Signing::default(), |key| key.signing);
    if kind == Signing::Ed25519 && object.has("secret") {
        let detail = "/secret cannot be given: the private key of an ed25519 hook never leaves this host";
        return Err(Problem::new(ProblemType::HookConflict, detail).with("where", "/secret"));
    }
    let (secret, key) = signing::new_key(&app, &caller, kind, secret_of(&mut object, kind)?)?;
    let overlap = overlap.min(LONGEST_OVERLAP);
    let shower = Shower::new(&app, &caller, Some(key));
    let answer = move |edited: &EditedHook| shower.answer(StatusCode::OK, &edited.hook);
    let wanted = Wanted { place, conditions, repeatable };
    wanted.act(&app, &caller, HookAction::RotateSecret { secret, overlap }, answer).await
}
