//! `GET /damaged`: damaged rows; and `DELETE` of an account that no client can authenticate for.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};

use super::state::{Control, store_failed};
use crate::model::AccountId;
use crate::store::DamagedRow;

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

pub(super) async fn damaged(State(control): State<Control>) -> Response {
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

pub(super) async fn remove_account(State(control): State<Control>, Path(id): Path<i64>) -> Response {
    match control.store.remove_damaged_account(AccountId(id)).await {
        Err(error) => store_failed(&error),
        Ok(false) => {
            let why = format!("there is no account {id} with an unreadable driver, provider or user");
            (StatusCode::NOT_FOUND, why).into_response()
        }
        Ok(true) => Json(()).into_response(),
    }
}
