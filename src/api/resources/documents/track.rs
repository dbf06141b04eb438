//! The hook on a resource, as the resource shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Hook, HookStatus};
use crate::store::Track;

/// The hook on a resource, as the resource shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Track)]
pub(crate) struct TrackDocument {
    hook: String,
    /// The id of the hook in `/api/hooks`.
    id: String,
    #[schema(value_type = HookStatus)]
    status: &'static str,
    /// Whether a token is set; no answer contains the token itself.
    token: bool,
    /// The signing secret of its callbacks: only in the answer to the request that set the hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    secret: Option<String>,
}

impl From<&Track> for TrackDocument {
    fn from(track: &Track) -> TrackDocument {
        TrackDocument {
            hook: track.url.to_string(),
            id: track.hook.to_string(),
            status: track.status.as_str(),
            token: track.token_set,
            secret: None,
        }
    }
}

impl TrackDocument {
    pub(crate) fn of(hook: &Hook) -> TrackDocument {
        TrackDocument {
            hook: hook.spec.url.to_string(),
            id: hook.id.to_string(),
            status: hook.status.as_str(),
            token: hook.spec.token.is_some(),
            secret: None,
        }
    }

    /// In the answer to the request that set the hook.
    pub(crate) fn with_secret(self, secret: String) -> TrackDocument {
        TrackDocument { secret: Some(secret), ..self }
    }
}

/// A resource that is not known yet: only the hook that waits for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unseen)]
pub(crate) struct UnseenDocument<'a> {
    pub(crate) id: &'a str,
    pub(crate) href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) track: Option<TrackDocument>,
}
