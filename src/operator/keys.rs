//! The host's keys for the operator: their ids, and the progress of a rotation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::state::{Control, store_failed};
use crate::model::Timestamp;
use crate::rotation::{Progress, Rotation};
use crate::store::{KeyUse, StoreError, StoreKey};

/// What `GET /keys` and `POST /keys/rotate` answer with.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeysDocument {
    /// Those that the store names, the current one first.
    pub keys: Vec<KeyDocument>,
    /// Of the rotation that is under way, or of the last one since the host started: secrets that were looked at.
    pub looked_at: u64,
    /// Those of them that open with no key of the host's.
    pub unopened: u64,
    /// Why it did not go on, when it was last tried.
    pub failure: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct KeyDocument {
    pub id: String,
    #[serde(rename = "use")]
    pub used: WrittenKeyUse,
    /// Of one that only hashes were made with: until when it is needed.
    pub until: Option<Timestamp>,
}

/// `KeyUse`, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WrittenKeyUse {
    Current,
    Sealed,
    Hashed,
}

impl KeysDocument {
    pub async fn of(rotation: &Rotation) -> Result<KeysDocument, StoreError> {
        let keys = rotation.keys().await?.into_iter().map(KeyDocument::from).collect();
        let Progress { looked_at, unopened, failure } = rotation.progress();
        Ok(KeysDocument { keys, looked_at, unopened, failure })
    }

    /// Whether secrets may still be sealed with an old key.
    pub fn is_under_way(&self) -> bool {
        self.keys.iter().any(|key| key.used == WrittenKeyUse::Sealed)
    }
}

impl From<StoreKey> for KeyDocument {
    fn from(key: StoreKey) -> KeyDocument {
        let (used, until) = match key.used {
            KeyUse::Current => (WrittenKeyUse::Current, None),
            KeyUse::Sealed => (WrittenKeyUse::Sealed, None),
            KeyUse::Hashed(until) => (WrittenKeyUse::Hashed, Some(until)),
        };
        KeyDocument { id: key.id.to_string(), used, until }
    }
}

pub(super) async fn keys(State(control): State<Control>) -> Response {
    match KeysDocument::of(&control.rotation).await {
        Ok(document) => Json(document).into_response(),
        Err(error) => store_failed(&error),
    }
}

pub(super) async fn rotate(State(control): State<Control>) -> Response {
    match control.rotation.begin().await {
        Ok(()) => keys(State(control)).await,
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()).into_response(),
    }
}
