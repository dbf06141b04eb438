//! `GET /api/account`: the state of the caller's account.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::fresh;
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors::store_failure;
use crate::api::input::request::Query;
use crate::api::problem::{Problem, ProblemType};
use crate::driver::BudgetView;
use crate::metrics::{Operation, Unrecorded};
use crate::model::{ErrorCode, Flapping, Kind, Timestamp, whole_millis};
use crate::roster::EndpointView;
use crate::store::Forgetting::Configured;
use crate::store::{AccountSize, DamagedRow, Fullness, PollError, PollStatus};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountDocument<'a> {
    driver: &'a str,
    provider: &'a str,
    user: &'a str,
    /// `config` or `client`.
    origin: &'static str,
    provider_state: ProviderState,
    endpoint: EndpointDocument,
    /// Set while the provider state is flapping, so that its changes are damped.
    #[schema(required)]
    provider_flapping: Option<Flapping>,
    /// Whether the account is polled regularly, because it is configured or has a hook.
    watched: bool,
    hooks: u64,
    /// The request budget of the account; null while its driver is not loaded.
    #[schema(required)]
    budget: Option<BudgetDocument>,
    /// By collection; only collections that were polled or requested.
    polls: BTreeMap<&'static str, PollDocument>,
    storage: StorageDocument,
    /// The damaged rows of the account that the host has met since it started. Damaged hooks and tokens can be deleted and
    /// created again; the next poll restores resources. A row that was removed or repaired is no longer here.
    damaged: Vec<DamagedDocument>,
}

/// The account's share of the host's store.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Storage)]
struct StorageDocument {
    /// `ok`, `near-limit`, or `at-limit`: nothing can be added to the account, and polls that see something new are not
    /// recorded. The host checks it each minute, or less often if its store is large.
    state: &'static str,
    /// An estimate; null if the account is not near its limit.
    #[schema(required)]
    used_bytes: Option<u64>,
    limit_bytes: u64,
}

impl From<AccountSize> for StorageDocument {
    fn from(size: AccountSize) -> StorageDocument {
        let AccountSize { used, limit, fullness } = size;
        let state = match fullness {
            Fullness::Room => "ok",
            Fullness::NearLimit => "near-limit",
            Fullness::AtLimit => "at-limit",
        };
        StorageDocument { state, used_bytes: used, limit_bytes: limit }
    }
}

/// A stored row that cannot be read.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DamagedRow)]
pub(crate) struct DamagedDocument {
    #[schema(value_type = String)]
    table: &'static str,
    /// Its primary key; slashes join the parts.
    key: String,
    column: String,
    reason: String,
}

impl From<DamagedRow> for DamagedDocument {
    fn from(row: DamagedRow) -> DamagedDocument {
        let DamagedRow { table, key, column, reason } = row;
        DamagedDocument { table, key, column, reason }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Poll)]
pub(crate) struct PollDocument {
    #[schema(required)]
    last_attempt: Option<Timestamp>,
    #[schema(required)]
    last_complete: Option<Timestamp>,
    /// The last complete list that was not a delta.
    #[schema(required)]
    last_full: Option<Timestamp>,
    /// The age of the last complete list.
    #[schema(required)]
    age_seconds: Option<u64>,
    #[schema(required)]
    next_due: Option<Timestamp>,
    /// Why a due poll has not begun, or why a poll that has begun waits.
    #[schema(required)]
    waiting: Option<WaitingDocument>,
    /// The planned interval between lists, without the jitter. After failures, retries use other waits.
    #[schema(required)]
    interval_seconds: Option<f64>,
    /// The reason for the interval: `usual`; `passing` while an instance with a hook changes its state (between lists it
    /// is then polled alone, if the driver can list single instances); `hook-set` just after a hook was set; `quiet` if
    /// nothing has happened for long; `failing` after a failure; `held` while a mass change is held; `budget` while the
    /// request budget is used up.
    #[schema(required)]
    pace: Option<&'static str>,
    /// Failures since the last success.
    failures: u32,
    #[schema(required)]
    last_error: Option<ErrorDocument>,
    /// Why the last list was not complete.
    #[schema(required)]
    partial_reason: Option<String>,
    /// Why nothing is removed: the last lists were not complete.
    #[schema(required)]
    nothing_removed: Option<String>,
    #[schema(required)]
    last_duration_ms: Option<u64>,
    /// The total number of requests to the provider.
    requests: u64,
}

/// The endpoint of the provider. All its accounts share this state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Endpoint)]
struct EndpointDocument {
    /// `answers`; `unproven` before its first answer; or `suspected` if the last call got no answer. Calls to an unproven
    /// or suspected endpoint have a bounded share.
    state: &'static str,
    /// Until when its circuit breaker is open: the host sends nothing there.
    #[schema(required)]
    open_until: Option<Timestamp>,
}

impl From<EndpointView> for EndpointDocument {
    fn from(view: EndpointView) -> EndpointDocument {
        EndpointDocument { state: view.state(), open_until: view.open_until }
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Waiting)]
struct WaitingDocument {
    /// `circuit-open` while the circuit breaker of the endpoint is open, `share` while other polls use all slots of its
    /// share, `store` while the host cannot write its claim to the store. `memory` is for a poll that has begun: it
    /// continues once other polls release memory (`drivers.limits.total_memory`).
    why: &'static str,
    /// The earliest end of the wait, if it is known.
    #[schema(required)]
    until: Option<Timestamp>,
}

/// What may keep a poll waiting.
#[derive(Clone, Copy, Debug)]
struct Obstacles {
    endpoint: EndpointView,
    unclaimed: Option<StoreFailure>,
    /// A call for the account waits for memory.
    lacks_memory: bool,
}

fn waiting(status: &PollStatus, obstacles: Obstacles, now: Timestamp) -> Option<WaitingDocument> {
    let Obstacles { endpoint, unclaimed, lacks_memory } = obstacles;
    if status.under_way {
        return lacks_memory.then_some(WaitingDocument { why: "memory", until: None });
    }
    if !is_due(status, now) {
        return None;
    }
    let why = match (unclaimed, endpoint.open_until) {
        (Some(_), _) => return Some(WaitingDocument { why: "store", until: None }),
        (None, Some(_)) => "circuit-open",
        (None, None) => "share",
    };
    Some(WaitingDocument { why, until: endpoint.open_until })
}

/// Whether it could be polled by now, and is not.
fn is_due(status: &PollStatus, now: Timestamp) -> bool {
    !status.under_way && status.next_due.is_some_and(|due| due <= now)
}

/// A token bucket that every request is paid from; it refills evenly.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Budget)]
pub(crate) struct BudgetDocument {
    #[schema(value_type = u32, minimum = 1)]
    requests_per_minute: NonZeroU32,
    /// Who set the limit: `operator`, `driver` or `default`.
    set_by: &'static str,
    /// How many requests can be made at once when the bucket is full; `left` is how many can be made now, and `spent` the
    /// difference.
    #[schema(value_type = u32, minimum = 1)]
    limit: NonZeroU32,
    left: u32,
    spent: u32,
    /// When the bucket is full again, without further requests.
    full_at: Timestamp,
}

impl From<BudgetView> for BudgetDocument {
    fn from(view: BudgetView) -> BudgetDocument {
        let BudgetView { allowance, left, spent, full_at } = view;
        let (per_minute, set_by) = (allowance.per_minute, allowance.set_by.as_str());
        BudgetDocument { requests_per_minute: per_minute, set_by, limit: per_minute, left, spent, full_at }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PollError)]
pub(crate) struct ErrorDocument {
    at: Timestamp,
    code: String,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ProviderState {
    Available,
    Unavailable,
    Unknown,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(parameters): Query,
) -> Result<Response, Problem> {
    parameters.only(&["format"])?;
    parameters.check_format()?;
    let store = &app.context.store;
    let status = store.poll_status(caller.account).await?;
    let hooks = store.count_hooks(caller.account).await?;
    let is_configured = fresh::is_configured(&app, &caller);
    let now = app.context.clock.now();
    let health = app.context.metrics.work.health();
    let endpoint = app.context.roster.endpoint(&caller.key.driver, &caller.key.provider);
    let endpoint = app.context.poll_shares.endpoints().view(&endpoint);
    let unclaimed = health.last_failure(Operation::ClaimPolls);
    let catalog = app.context.roster.catalog();
    let driver = catalog.driver(&caller.key.driver);
    let known = |status: PollStatus| {
        let unrecorded = health.unrecorded_of(caller.account, status.kind);
        let status = with_unclaimed(status, unclaimed, now);
        let lacks_memory = driver.is_some_and(|driver| driver.waits_for_memory(&caller.key, status.kind));
        poll(with_unrecorded(status, unrecorded), Obstacles { endpoint, unclaimed, lacks_memory }, now)
    };
    let document = AccountDocument {
        driver: &caller.key.driver,
        provider: &caller.key.provider,
        user: &caller.key.user,
        origin: if is_configured { "config" } else { "client" },
        provider_state: provider_state(&status),
        endpoint: endpoint.into(),
        provider_flapping: store.provider_flapping(caller.account).await?,
        watched: is_configured || hooks > 0,
        hooks,
        budget: app.context.roster.budget(&caller.key).map(|budget| budget.view().into()),
        polls: status.into_iter().map(|status| (status.kind.plural(), known(status))).collect(),
        storage: store.account_size(caller.account).into(),
        damaged: store.damaged_rows(caller.account).await?.into_iter().map(DamagedDocument::from).collect(),
    };
    Ok(Json(document).into_response())
}

/// `DELETE /api/account`: forgets the account with its credentials, tokens, hooks and history. Answers once all of it is
/// gone; what is left by a failure in the midst goes by itself, and nothing leads to it meanwhile.
pub(crate) async fn forget(State(app): State<Arc<App>>, caller: Caller) -> Result<StatusCode, Problem> {
    caller.is_the_account()?;
    let context = &app.context;
    if fresh::is_configured(&app, &caller) || context.store.forget_account(caller.account).await? == Configured {
        let detail = "the account is in the host's configuration: only the operator can remove it";
        return Err(Problem::new(ProblemType::AccountConfigured, detail));
    }
    app.proofs.forget(&caller.key);
    app.shares.forget(caller.account);
    app.tickets.forget(caller.account);
    app.bearers.revoke_all(caller.account);
    if let Some(driver) = context.roster.catalog().driver(&caller.key.driver) {
        driver.forget_sessions(&caller.key);
    }
    for kind in Kind::ALL {
        context.metrics.work.health().recorded(caller.account, kind);
    }
    if let Err(error) = context.store.clear_account(caller.account).await {
        tracing::warn!(account = %caller.key, %error, "a deleted account still has rows; the host deletes the rest later");
    }
    Ok(StatusCode::NO_CONTENT)
}

/// When the store failed last, and the stable word for how.
type StoreFailure = (Timestamp, &'static str);

/// The status of a poll that is due and can't be begun, as the store does not take that down.
fn with_unclaimed(status: PollStatus, unclaimed: Option<StoreFailure>, now: Timestamp) -> PollStatus {
    let Some((at, error)) = unclaimed.filter(|_| is_due(&status, now)) else { return status };
    let (_, why) = store_failure(error);
    let message = format!("the host cannot begin this poll, because {why}; it retries soon");
    PollStatus { last_error: Some(PollError { at, code: ErrorCode::Store, message }), ..status }
}

/// The status with what the store could not be told: polls that were made since and not recorded.
fn with_unrecorded(status: PollStatus, unrecorded: Option<Unrecorded>) -> PollStatus {
    let Some(Unrecorded { last, failures, error }) = unrecorded else { return status };
    let (_, why) = store_failure(error);
    let message = format!("the host could not record the last poll, because {why}; it polls again until it can");
    PollStatus {
        last_attempt: status.last_attempt.max(Some(last)),
        failures: status.failures.saturating_add(failures),
        last_error: Some(PollError { at: last, code: ErrorCode::Store, message }),
        ..status
    }
}

/// From so many lists in a row on that were not complete, it is said what that does.
const MANY_PARTIALS: u32 = 3;

fn nothing_removed(status: &PollStatus) -> Option<String> {
    if status.partials < MANY_PARTIALS {
        return None;
    }
    let why = status.partial_reason.as_deref().unwrap_or("the driver does not say why");
    Some(format!("the last {} lists were not complete, and resources that they lack may exist: {why}", status.partials))
}

fn poll(status: PollStatus, obstacles: Obstacles, now: Timestamp) -> PollDocument {
    let nothing_removed = nothing_removed(&status);
    PollDocument {
        last_attempt: status.last_attempt,
        last_complete: status.last_complete,
        last_full: status.last_full,
        age_seconds: status.last_complete.map(|at| now.since(at).as_secs()),
        next_due: status.next_due,
        waiting: waiting(&status, obstacles, now),
        interval_seconds: status.pace.map(|pace| pace.every.as_secs_f64()),
        pace: pace(&status),
        failures: status.failures,
        last_error: status.last_error.map(|error| ErrorDocument {
            at: error.at,
            code: error.code.to_string(),
            message: error.message,
        }),
        nothing_removed,
        partial_reason: status.partial_reason,
        last_duration_ms: status.last_duration.map(whole_millis),
        requests: status.requests,
    }
}

fn pace(status: &PollStatus) -> Option<&'static str> {
    // Where nothing is planned, nothing has a pace.
    status.next_due?;
    match status {
        PollStatus { put_off: true, .. } => Some("budget"),
        PollStatus { failures: 1.., .. } => Some("failing"),
        PollStatus { held: true, .. } => Some("held"),
        PollStatus { pace, .. } => pace.map(|pace| pace.reason.as_str()),
    }
}

/// The provider as the newest attempt found it. One that refuses the account is there all the same: that is
/// the account's trouble, and stands in `last_error`.
fn provider_state(status: &[PollStatus]) -> ProviderState {
    let newest = status.iter().filter(|status| status.last_attempt.is_some()).max_by_key(|status| status.last_attempt);
    let Some(newest) = newest else {
        return ProviderState::Unknown;
    };
    match newest.last_error.as_ref().filter(|_| newest.failures > 0) {
        None => ProviderState::Available,
        Some(error) => match &error.code {
            // It answers, if oddly.
            ErrorCode::Unauthorized | ErrorCode::Forbidden | ErrorCode::Throttled | ErrorCode::UnexpectedAnswer => {
                ProviderState::Available
            }
            ErrorCode::Unavailable => ProviderState::Unavailable,
            // The driver's or the host's own trouble says nothing of the provider.
            _ => ProviderState::Unknown,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kind;

    fn status(kind: Kind, at: i64, code: Option<ErrorCode>) -> PollStatus {
        let at = Timestamp::from_millis(at);
        PollStatus {
            kind,
            last_attempt: Some(at),
            last_complete: None,
            last_full: None,
            next_due: None,
            under_way: false,
            pace: None,
            held: false,
            put_off: false,
            failures: u32::from(code.is_some()),
            last_error: code.map(|code| PollError { at, code, message: String::new() }),
            partial_reason: None,
            partials: 0,
            retry: None,
            ids_polled: None,
            last_duration: None,
            requests: 0,
        }
    }

    #[test]
    fn three_partial_lists_in_a_row_say_why_nothing_is_removed() {
        let why = "\"i-1\" stands twice in the list, so another may be missing";
        let said = |partials| {
            let status = PollStatus { partials, partial_reason: Some(why.into()), ..status(Kind::Instance, 1, None) };
            nothing_removed(&status)
        };
        assert_eq!((said(0), said(2)), (None, None));
        for partials in [3, 40] {
            let said = said(partials).expect("it is said");
            assert!(said.contains(why) && said.contains(&format!("the last {partials} lists")), "{said}");
        }
    }

    #[test]
    fn the_provider_is_as_the_newest_attempt_found_it() {
        let check = |instances: Option<(i64, Option<ErrorCode>)>, realms: Option<(i64, Option<ErrorCode>)>, want| {
            let instances = instances.map(|(at, code)| status(Kind::Instance, at, code));
            let realms = realms.map(|(at, code)| status(Kind::Realm, at, code));
            let all: Vec<PollStatus> = instances.into_iter().chain(realms).collect();
            assert_eq!(provider_state(&all), want, "{all:?}");
        };
        check(None, None, ProviderState::Unknown);
        check(Some((1, None)), None, ProviderState::Available);
        check(Some((1, Some(ErrorCode::Unavailable))), None, ProviderState::Unavailable);
        check(Some((2, None)), Some((1, Some(ErrorCode::Unavailable))), ProviderState::Available);
        check(Some((1, None)), Some((2, Some(ErrorCode::Unavailable))), ProviderState::Unavailable);
        check(Some((1, Some(ErrorCode::Unauthorized))), None, ProviderState::Available);
        check(Some((1, Some(ErrorCode::UnexpectedAnswer))), None, ProviderState::Available);
        check(Some((1, Some(ErrorCode::Limit("memory".into())))), None, ProviderState::Unknown);
    }
}
