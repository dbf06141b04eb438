//! The hook on a resource, as the resource shows it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{Hook, HookStatus};
use crate::store::Track;

/// A hook as the resource that it is on shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Track)]
pub(crate) struct TrackDocument {
    hook: String,
    /// By which it is found among the hooks.
    id: String,
    #[schema(value_type = HookStatus)]
    status: &'static str,
    /// Whether one is set; the token itself is never given back.
    token: bool,
    /// What its callbacks are signed with: only in the answer to the request that set the hook.
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

/// A resource that was not seen yet: all there is to show is the hook that waits for it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Unseen)]
pub(crate) struct UnseenDocument<'a> {
    pub(crate) id: &'a str,
    pub(crate) href: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) track: Option<TrackDocument>,
}
