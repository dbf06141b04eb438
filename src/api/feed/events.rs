//! The server-sent events of a stream (the HTML standard, 9.2). Changes are events without a name, so that every client
//! gets them as messages; Tracker's own events have names. Pure.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::api::auth::bearer::Ended;
use crate::model::{Change, Cursor};

/// Why a stream ends; its `end` event says so, and from where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was open for as long as one may be: whoever opens it anew is asked again who they are.
    Expired,
    /// Its reader did not take what it was sent.
    Slow,
    Stopping,
    /// All streams were taken, its account had the most, and another account has its place now.
    Displaced,
    /// Its account was forgotten, by whoever holds it.
    AccountForgotten,
    /// Its token was revoked or rotated.
    TokenRevoked,
    TokenExpired,
    /// What it was about to send is no longer kept.
    Forgotten,
    StoreUnavailable,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            End::Expired => "expired",
            End::Slow => "slow",
            End::Stopping => "stopping",
            End::Displaced => "displaced",
            End::AccountForgotten => "account-forgotten",
            End::TokenRevoked => "token-revoked",
            End::TokenExpired => "token-expired",
            End::Forgotten => "forgotten",
            End::StoreUnavailable => "store-unavailable",
        }
    }
}

impl From<Ended> for End {
    fn from(ended: Ended) -> End {
        match ended {
            Ended::Revoked => End::TokenRevoked,
            Ended::Expired(_) => End::TokenExpired,
        }
    }
}

pub(super) fn change(change: &Change, public_url: &str) -> Bytes {
    event(None, Some(change.cursor), &change.document(public_url, None))
}

/// One of the resources that exist. It has no cursor: a snapshot that broke off is begun anew.
pub(super) fn existing(kind: &str, document: &impl Serialize) -> Bytes {
    event(Some("snapshot"), None, &json!({ "kind": kind, "resource": document }))
}

pub(super) fn snapshot_end(cursor: Cursor) -> Bytes {
    event(Some("snapshot-end"), Some(cursor), &json!({ "cursor": cursor }))
}

pub(super) fn heartbeat(cursor: Cursor) -> Bytes {
    event(Some("heartbeat"), Some(cursor), &json!({ "cursor": cursor }))
}

/// The last word, with the cursor to go on from; none in the midst of a snapshot, which is then begun anew.
pub(super) fn end(why: End, cursor: Option<Cursor>) -> Bytes {
    let mut data = json!({ "reason": why.as_str() });
    if let Some(cursor) = cursor {
        data["cursor"] = json!(cursor);
    }
    event(Some("end"), cursor, &data)
}

fn event(name: Option<&str>, id: Option<Cursor>, data: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(512);
    if let Some(name) = name {
        text.extend_from_slice(b"event: ");
        text.extend_from_slice(name.as_bytes());
        text.push(b'\n');
    }
    if let Some(id) = id {
        text.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    text.extend_from_slice(b"data: ");
    // JSON has no line ends of its own, so it is one line.
    serde_json::to_writer(&mut text, data).expect("invariant: documents have text as keys");
    text.extend_from_slice(b"\n\n");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_as_the_standard_has_it() {
        let cursor = Cursor { store: 7, sequence: 3 };
        let check = |event: Bytes, want: &str| assert_eq!(String::from_utf8_lossy(&event), want);
        check(
            heartbeat(cursor),
            "event: heartbeat\nid: 000000070000000000000003\ndata: {\"cursor\":\"000000070000000000000003\"}\n\n",
        );
        check(
            existing("realm", &json!({ "id": "a\nb" })),
            "event: snapshot\ndata: {\"kind\":\"realm\",\"resource\":{\"id\":\"a\\nb\"}}\n\n",
        );
        check(
            end(End::Slow, Some(cursor)),
            "event: end\nid: 000000070000000000000003\ndata: {\"cursor\":\"000000070000000000000003\",\"reason\":\"slow\"}\n\n",
        );
        check(end(End::Stopping, None), "event: end\ndata: {\"reason\":\"stopping\"}\n\n");
    }
}
