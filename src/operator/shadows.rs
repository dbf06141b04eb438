//! `GET /drivers/shadows`: how the lists of shadows compare with those of the current versions.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::state::Control;
use crate::driver::shadow::Tally;
use crate::model::Timestamp;

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

pub(super) async fn shadows(State(control): State<Control>) -> Json<ShadowsDocument> {
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
