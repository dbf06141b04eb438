//! `GET /mass-changes`: held mass changes; and `POST`, which accepts or rejects one.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::state::{Control, store_failed};
use crate::model::{AccountKey, Kind, Timestamp};
use crate::store::{Decided, Decision, Held, HeldId, HeldMassChange};

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
    /// Names the list by what it does.
    pub id: String,
    pub since: Timestamp,
    pub lists: u32,
    pub affected: usize,
    pub known: usize,
    /// What was decided, where something was: it holds for no list that does more.
    pub decision: Option<WrittenDecision>,
}

/// What `POST /mass-changes` answers with: what the list shows that the answer is to.
#[derive(Debug, Serialize, Deserialize)]
pub struct DecidedDocument {
    pub affected: usize,
    pub known: usize,
}

/// The body of `POST /mass-changes`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionDocument {
    pub driver: String,
    pub provider: String,
    pub user: String,
    pub kind: Kind,
    /// The list that it is to: no other. Absent, it is to the one that is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
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

pub(super) async fn mass_changes(State(control): State<Control>) -> Response {
    let held = match control.store.held_mass_changes().await {
        Ok(held) => held,
        Err(error) => return store_failed(&error),
    };
    let document = |HeldMassChange { account, kind, id, held }: HeldMassChange| MassChangeDocument {
        account: account.to_string(),
        kind,
        id: id.to_string(),
        since: held.since,
        lists: held.lists,
        affected: held.affected,
        known: held.known,
        decision: held.decision.map(WrittenDecision::from),
    };
    Json(MassChangesDocument { mass_changes: held.into_iter().map(document).collect() }).into_response()
}

pub(super) async fn decide_mass_change(
    State(control): State<Control>,
    Json(decided): Json<DecisionDocument>,
) -> Response {
    let DecisionDocument { driver, provider, user, kind, id, decision } = decided;
    let only = match id.as_deref().map(str::parse::<HeldId>).transpose() {
        Ok(only) => only,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let account = AccountKey { driver, provider, user };
    let shown = format!("the host holds no mass change of {} for {account}", kind.plural());
    let decide = |now| control.store.decide_mass_change(account, kind, only, decision.into(), now);
    match control.clock.while_steady(decide).await {
        Err(error) => store_failed(&error),
        Ok(Decided::NothingHeld) => (StatusCode::NOT_FOUND, shown).into_response(),
        Ok(Decided::Another(id, Held { affected, known, .. })) => {
            let message = format!(
                "another list is held now: {id}, with {affected} of {known} {}. Nothing was decided; look at it with `tracker \
                 mass-change list`",
                kind.plural()
            );
            (StatusCode::CONFLICT, message).into_response()
        }
        Ok(Decided::Recording) => {
            let message = format!("the mass change of {} is being recorded: it is too late", kind.plural());
            (StatusCode::CONFLICT, message).into_response()
        }
        Ok(Decided::Taken(Held { affected, known, .. })) => Json(DecidedDocument { affected, known }).into_response(),
    }
}
