//! The operator's own door: a Unix socket in the data directory, which only the host's user can open. Behind it
//! drivers are loaded anew, and what their shadows saw is told. It is no part of the API that clients have.

mod keys;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path as PathOf, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::driver::reload::{Outcome, Reloaded};
use crate::driver::shadow::Tally;
use crate::driver::{LoadError, Role};
use crate::model::{AccountId, AccountKey, Kind, Timestamp};
use crate::roster::Roster;
use crate::rotation::Rotation;
use crate::store::{DamagedRow, Decision, HeldMassChange, Store, StoreError};
pub use keys::{KeyDocument, KeysDocument, WrittenKeyUse};

/// How long what was asked for is answered when the host ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Asks for drivers to be loaded anew.
#[derive(Debug, Default)]
pub struct ReloadRequest {
    /// Who wants to know what came of it.
    pub answer: Option<oneshot::Sender<Result<Vec<Reloaded>, String>>>,
}

pub type Reloads = mpsc::Sender<ReloadRequest>;

/// What `POST /drivers/reload` answers with.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadDocument {
    pub drivers: Vec<ReloadedDocument>,
    /// Files that are not loaded, with why.
    pub not_loaded: Vec<NotLoadedDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ReloadedDocument {
    pub name: String,
    pub role: Role,
    /// `loaded`, `replaced`, `unchanged` or `dropped`.
    pub outcome: String,
    /// What is loaded now, with the beginning of its SHA-256.
    pub version: Option<String>,
    /// What was loaded before, if that is something else.
    pub before: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct NotLoadedDocument {
    pub file: String,
    /// Whether it should be: it is approved. A file that nobody vetted may lie there.
    pub approved: bool,
    pub reason: String,
}

/// What `GET /drivers/shadows` answers with.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShadowsDocument {
    pub shadows: Vec<ShadowDocument>,
}

/// How one candidate's lists compare with the current version's, since it was loaded.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShadowDocument {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub lists: u64,
    pub equal_lists: u64,
    pub resources: u64,
    pub failures: u64,
    pub last_failure: Option<FailureDocument>,
    pub differences: DifferencesDocument,
    /// Resources that changed between the two lists, of which nothing can be said.
    pub changed_between: u64,
    /// The newest, newest last.
    pub examples: Vec<ExampleDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct FailureDocument {
    pub at: Timestamp,
    pub account: String,
    pub message: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct DifferencesDocument {
    pub coverage: u64,
    pub only_current: u64,
    pub only_shadow: u64,
    pub state: u64,
    pub fields: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ExampleDocument {
    pub at: Timestamp,
    pub account: String,
    pub what: String,
}

/// What `GET /mass-changes` answers with.
#[derive(Debug, Serialize, Deserialize)]
pub struct MassChangesDocument {
    pub mass_changes: Vec<MassChangeDocument>,
}

/// Lists that are held, since more vanished or changed in them at once than is believed.
#[derive(Debug, Serialize, Deserialize)]
pub struct MassChangeDocument {
    pub account: String,
    pub kind: Kind,
    pub since: Timestamp,
    pub lists: u32,
    pub affected: usize,
    pub known: usize,
    /// What was decided, where something was: it holds for the next list.
    pub decision: Option<WrittenDecision>,
}

/// What `GET /damaged` answers with.
#[derive(Debug, Serialize, Deserialize)]
pub struct DamagedRowsDocument {
    pub rows: Vec<DamagedRowDocument>,
}

/// A stored row that can't be read.
#[derive(Debug, Serialize, Deserialize)]
pub struct DamagedRowDocument {
    /// The number of the account that it is of, where that is known.
    pub account: Option<i64>,
    pub table: String,
    pub key: String,
    pub column: String,
    pub reason: String,
}

/// The body of `POST /mass-changes`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionDocument {
    pub driver: String,
    pub provider: String,
    pub user: String,
    pub kind: Kind,
    pub decision: WrittenDecision,
}

/// `Decision`, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrittenDecision {
    Accept,
    AcceptSilently,
    Reject,
}

impl From<Decision> for WrittenDecision {
    fn from(decision: Decision) -> WrittenDecision {
        match decision {
            Decision::Accept => WrittenDecision::Accept,
            Decision::AcceptSilently => WrittenDecision::AcceptSilently,
            Decision::Reject => WrittenDecision::Reject,
        }
    }
}

impl From<WrittenDecision> for Decision {
    fn from(written: WrittenDecision) -> Decision {
        match written {
            WrittenDecision::Accept => Decision::Accept,
            WrittenDecision::AcceptSilently => Decision::AcceptSilently,
            WrittenDecision::Reject => Decision::Reject,
        }
    }
}

/// What the operator's requests are answered from.
#[derive(Clone)]
pub struct Control {
    pub roster: Arc<Roster>,
    pub reloads: Reloads,
    pub rotation: Arc<Rotation>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// Wakes whoever polls.
    pub poll_wake: Arc<Notify>,
}

/// Takes the socket. One that a host left behind is removed: the store is locked by then, so there is no other
/// host of this data directory.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;

    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves it until `token` is cancelled.
pub async fn serve(listener: UnixListener, control: Control, token: CancellationToken) -> io::Result<()> {
    serve_routes(listener, routes(control), token).await
}

/// A request that is never whole would keep a host that ends for good.
async fn serve_routes(listener: UnixListener, router: Router, token: CancellationToken) -> io::Result<()> {
    let served = axum::serve(listener, router).with_graceful_shutdown(token.clone().cancelled_owned());
    let ended = async {
        token.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = served.into_future() => served,
        () = ended => Ok(()),
    }
}

pub(super) fn routes(control: Control) -> Router {
    Router::new()
        .route("/drivers/reload", post(reload))
        .route("/drivers/shadows", get(shadows))
        .route("/mass-changes", get(mass_changes).post(decide_mass_change))
        .route("/keys", get(keys::keys))
        .route("/keys/rotate", post(keys::rotate))
        .route("/damaged", get(damaged))
        .route("/damaged/accounts/{id}", delete(remove_account))
        .with_state(control)
}

async fn reload(State(control): State<Control>) -> Response {
    let (answer, answered) = oneshot::channel();
    let ending = || (StatusCode::SERVICE_UNAVAILABLE, "the host is ending").into_response();
    if control.reloads.send(ReloadRequest { answer: Some(answer) }).await.is_err() {
        return ending();
    }
    match answered.await {
        Err(_) => ending(),
        Ok(Err(error)) => (StatusCode::UNPROCESSABLE_ENTITY, error).into_response(),
        Ok(Ok(reloaded)) => {
            let catalog = control.roster.catalog();
            let not_loaded = catalog.rejected().iter().map(|rejected| NotLoadedDocument {
                file: rejected.file.display().to_string(),
                approved: !matches!(rejected.reason, LoadError::NotApproved { .. }),
                reason: rejected.reason.to_string(),
            });
            let drivers = reloaded.into_iter().map(ReloadedDocument::from).collect();
            Json(ReloadDocument { drivers, not_loaded: not_loaded.collect() }).into_response()
        }
    }
}

async fn shadows(State(control): State<Control>) -> Json<ShadowsDocument> {
    let catalog = control.roster.catalog();
    let shadows = catalog.shadows().map(|shadow| {
        let info = shadow.driver().info();
        let Tally { lists, equal_lists, failures, last_failure, resources, counts, examples } = shadow.tally();
        ShadowDocument {
            name: info.name.clone(),
            version: info.version.clone(),
            digest: info.digest.clone(),
            lists,
            equal_lists,
            resources,
            failures,
            last_failure: last_failure.map(|failure| FailureDocument {
                at: failure.at,
                account: failure.account.to_string(),
                message: failure.message,
            }),
            differences: DifferencesDocument {
                coverage: counts.coverage,
                only_current: counts.only_current,
                only_shadow: counts.only_shadow,
                state: counts.state,
                fields: counts.fields,
            },
            changed_between: counts.changed_between,
            examples: examples
                .into_iter()
                .map(|example| ExampleDocument {
                    at: example.at,
                    account: example.account.to_string(),
                    what: example.difference.to_string(),
                })
                .collect(),
        }
    });
    Json(ShadowsDocument { shadows: shadows.collect() })
}

async fn mass_changes(State(control): State<Control>) -> Response {
    let held = match control.store.held_mass_changes().await {
        Ok(held) => held,
        Err(error) => return store_failed(&error),
    };
    let document = |HeldMassChange { account, kind, held }: HeldMassChange| MassChangeDocument {
        account: account.to_string(),
        kind,
        since: held.since,
        lists: held.lists,
        affected: held.affected,
        known: held.known,
        decision: held.decision.map(WrittenDecision::from),
    };
    Json(MassChangesDocument { mass_changes: held.into_iter().map(document).collect() }).into_response()
}

async fn decide_mass_change(State(control): State<Control>, Json(decided): Json<DecisionDocument>) -> Response {
    let DecisionDocument { driver, provider, user, kind, decision } = decided;
    let account = AccountKey { driver, provider, user };
    let shown = format!("no mass change of {} is held of {account}", kind.plural());
    match control.store.decide_mass_change(account, kind, decision.into(), control.clock.now()).await {
        Err(error) => store_failed(&error),
        Ok(false) => (StatusCode::NOT_FOUND, shown).into_response(),
        Ok(true) => {
            control.poll_wake.notify_one();
            Json(()).into_response()
        }
    }
}

async fn damaged(State(control): State<Control>) -> Response {
    let rows = match control.store.all_damaged_rows().await {
        Ok(rows) => rows,
        Err(error) => return store_failed(&error),
    };
    let document = |(account, row): (Option<AccountId>, DamagedRow)| DamagedRowDocument {
        account: account.map(|account| account.0),
        table: row.table.to_owned(),
        key: row.key,
        column: row.column,
        reason: row.reason,
    };
    Json(DamagedRowsDocument { rows: rows.into_iter().map(document).collect() }).into_response()
}

async fn remove_account(State(control): State<Control>, PathOf(id): PathOf<i64>) -> Response {
    match control.store.remove_damaged_account(AccountId(id)).await {
        Err(error) => store_failed(&error),
        Ok(false) => {
            let why = format!("there is no account {id} of which driver, provider or user can't be read");
            (StatusCode::NOT_FOUND, why).into_response()
        }
        Ok(true) => Json(()).into_response(),
    }
}

fn store_failed(error: &StoreError) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("the store: {error}")).into_response()
}

impl From<Reloaded> for ReloadedDocument {
    fn from(reloaded: Reloaded) -> ReloadedDocument {
        let Reloaded { name, role, outcome } = reloaded;
        let (outcome, version, before) = match outcome {
            Outcome::Loaded { version } => ("loaded", Some(version), None),
            Outcome::Replaced { before, version } => ("replaced", Some(version), Some(before)),
            Outcome::Unchanged { version } => ("unchanged", Some(version), None),
            Outcome::Dropped { before } => ("dropped", None, Some(before)),
        };
        ReloadedDocument { name, role, outcome: outcome.to_owned(), version, before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn a_request_that_is_never_whole_does_not_keep_the_host() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("control.sock");
        let listener = listen(&path).expect("a socket");
        let token = CancellationToken::new();
        let router = Router::new().route("/", get(async || "here"));
        let served = tokio::spawn(serve_routes(listener, router, token.clone()));
        let mut endless = UnixStream::connect(&path).await.expect("connected");
        endless.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.expect("written");
        // By the time that another is answered, this one is being read.
        let mut whole = UnixStream::connect(&path).await.expect("connected");
        whole.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("written");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut whole, &mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("here"), "{answer}");
        token.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await.expect("ended in time");
        ended.expect("ended well").expect("served");
        drop(endless);
    }
}
