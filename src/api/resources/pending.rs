//! Pending changes: `GET /api/changes` without a cursor. A client reads them with a lease and acknowledges them. Or, as
//! in the Deltacloud API of 2012, it reads them in one step: a page then counts as delivered once the client's TCP has
//! acknowledged its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::Version;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors::foreign_cursor;
use crate::api::input::paging::{put_next, read_limit};
use crate::api::input::parameters::{ParameterError, Parameters};
use crate::api::input::request::json_object;
use crate::api::problem::{Problem, ProblemType};
use crate::api::server::receipt::Receipt;
use crate::model::{ChangeDocument, Cursor, Timestamp};
use crate::store::{LeaseId, LeasePlace, LeaseRequest, Leased, SealedColumn, Unopened};
use crate::vault::Purpose;

/// The longest lease that a client may ask for.
pub(crate) const LONGEST_LEASE: Duration = Duration::from_secs(3600);
/// How long a page that is read in one step is lent. It is given back before that, when its connection ends.
const PAGE_LEASE: Duration = Duration::from_secs(300);

/// A page that was read with a lease.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PendingChanges)]
pub(crate) struct PendingDocument<'a> {
    /// Absent if nothing is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    lease: Option<LeaseDocument>,
    changes: Vec<ChangeDocument<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lease)]
pub(crate) struct LeaseDocument {
    id: String,
    /// Changes that are not acknowledged by then are pending again.
    expires_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Acknowledged)]
pub(crate) struct AcknowledgedDocument {
    /// How many changes this request marked as delivered.
    acknowledged: u64,
}

/// Every change that is pending for the caller's hooks, oldest first, each as a callback would carry it.
pub(crate) async fn read(
    app: &Arc<App>,
    caller: &Caller,
    parameters: &Parameters,
    version: Version,
) -> Result<Response, Problem> {
    caller.may_track()?;
    match parameters.get("lease") {
        Some(text) => lease(app, caller, parameters, read_lease(text)?).await,
        None => page(app, caller, parameters, version).await,
    }
}

/// In whole seconds.
fn read_lease(text: &str) -> Result<Duration, ParameterError> {
    let lease = text.parse().ok().map(Duration::from_secs);
    let lease = lease.filter(|lease| !lease.is_zero() && *lease <= LONGEST_LEASE);
    lease.ok_or_else(|| ParameterError::Invalid {
        name: "lease",
        why: format!("is a number of seconds from 1 to {}", LONGEST_LEASE.as_secs()),
    })
}

async fn lease(app: &Arc<App>, caller: &Caller, parameters: &Parameters, lease: Duration) -> Result<Response, Problem> {
    parameters.only(&["lease", "limit", "format"])?;
    parameters.check_format()?;
    let context = &app.context;
    let most = context.settings.pending_changes;
    let limit = parameters.get("limit").map_or(Ok(most), |text| read_limit(text, most))?;
    let lend = async |now: Timestamp| {
        let (owner, until) = (caller.owner.clone(), now.after(lease));
        let request = LeaseRequest { account: caller.account, owner, limit, now, until, ends_with_host: false };
        (until, context.store.lend_pending(request).await)
    };
    let (until, leased) = context.clock.while_steady(lend).await;
    let leased = leased?;
    let tokens = tokens(app, caller, &leased).await;
    let document = PendingDocument {
        lease: leased.up_to.map(|_| LeaseDocument { id: leased.id.0.to_string(), expires_at: until }),
        changes: documents(app, &leased, &tokens),
    };
    let mut response = Json(&document).into_response();
    if leased.is_more {
        let query = parameters.with("lease", &lease.as_secs().to_string());
        put_next(&mut response, &format!("{}/api/changes?{query}", context.public_url));
    }
    Ok(response)
}

async fn page(app: &Arc<App>, caller: &Caller, parameters: &Parameters, version: Version) -> Result<Response, Problem> {
    // Were another parameter passed over, changes would be taken that the client did not ask for.
    parameters.only(&["format"])?;
    parameters.check_format()?;
    if version == Version::HTTP_2 {
        let detail = "over HTTP/2 the host cannot find out when a page has arrived: read it with lease=60, and acknowledge it by \
                      POST /api/changes/acknowledge; or use HTTP/1.1";
        return Err(Problem::new(ProblemType::LeaseNeeded, detail));
    }
    let context = &app.context;
    let limit = context.settings.pending_changes;
    let lend = |now: Timestamp| {
        let (owner, until) = (caller.owner.clone(), now.after(PAGE_LEASE));
        let request = LeaseRequest { account: caller.account, owner, limit, now, until, ends_with_host: true };
        context.store.lend_pending(request)
    };
    let leased = context.clock.while_steady(lend).await?;
    let tokens = tokens(app, caller, &leased).await;
    let documents = documents(app, &leased, &tokens);
    let mut response = Json(&documents).into_response();
    if leased.is_more {
        put_next(&mut response, &format!("{}/api/changes", context.public_url));
    }
    if let Some(up_to) = leased.up_to {
        let lease = LeasePlace { account: caller.account, owner: caller.owner.clone(), id: leased.id };
        response.extensions_mut().insert(Receipt { store: Arc::clone(&context.store), lease, up_to });
    }
    Ok(response)
}

/// The tokens of the hooks that the changes are of. A hook whose token does not open is set aside; a change without its token is
/// better than none.
async fn tokens(app: &Arc<App>, caller: &Caller, leased: &Leased) -> Vec<Option<SecretString>> {
    let context = &app.context;
    let mut tokens = Vec::with_capacity(leased.changes.len());
    let mut unopened = HashMap::new();
    for pending in &leased.changes {
        let opened = pending.token.as_ref().map(|token| context.vault.open(Purpose::HookToken(&caller.key), token));
        if let (Some(token), Some(Err(_))) = (&pending.token, &opened) {
            unopened.insert(pending.hook, token.clone());
        }
        tokens.push(opened.and_then(Result::ok));
    }
    for (hook, sealed) in unopened {
        let unopened = Unopened { column: SealedColumn::HookToken(hook), sealed };
        if let Err(error) = context.store.set_aside_unopened(unopened).await {
            tracing::error!(%hook, account = %caller.key, %error, "a hook whose token does not open cannot be set aside");
        }
    }
    tokens
}

fn documents<'a>(app: &'a App, leased: &'a Leased, tokens: &'a [Option<SecretString>]) -> Vec<ChangeDocument<'a>> {
    let document = |(pending, token): (&'a crate::store::PendingChange, &'a Option<SecretString>)| {
        pending.change.document(&app.context.public_url, token.as_ref().map(|token| token.expose_secret()))
    };
    leased.changes.iter().zip(tokens).map(document).collect()
}

/// `POST /api/changes/acknowledge`: what was read with a lease, up to a change of it, counts as delivered. The same request
/// again does no harm.
pub(crate) async fn acknowledge(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.may_track()?;
    let context = &app.context;
    let mut object = json_object(request, app.body_bounds()).await?;
    object.only(&["lease", "cursor"])?;
    let lease = object.need("lease", "the id of the lease that the changes were read with")?;
    let id: u64 = lease.text()?.parse().map_err(|_| lease.invalid("is not the id of a lease"))?;
    // No lease has a larger one.
    let id = i64::try_from(id).unwrap_or_default();
    let member = object.need("cursor", "the cursor of the last change that was processed")?;
    let cursor: Cursor = member.text()?.parse().map_err(|_| member.invalid("is not the cursor of a change"))?;
    if !cursor.is_in(context.store.extent(caller.account).await?.newest) {
        return Err(foreign_cursor().with("where", member.pointer()));
    }
    let lease = LeasePlace { account: caller.account, owner: caller.owner.clone(), id: LeaseId(id) };
    caller.require_accepted(context.clock.now())?;
    let acknowledged = context.store.acknowledge_pending(lease, cursor.sequence).await?;
    Ok(Json(AcknowledgedDocument { acknowledged }).into_response())
}
