//! Operations of the feed, and of pending changes.

use utoipa::openapi::Required;

use super::table::Table;
use crate::api::openapi::asked::{JSON, Who, asked};
use crate::api::openapi::shapes::{
    form, header_parameter, id_patterns, ids, lease_id, named, object, query, several_of, text, whole, words_of,
};
use crate::model::{ChangeType, State};

pub(super) fn describe(api: &mut Table) {
    let snapshot = api.define("Snapshot", words_of(&["true"]));
    let least_limit = api.bounds.page_items.min(api.bounds.pending);
    let parameters = vec![
        query(
            "since",
            form("since"),
            "Reads the feed from here: a cursor, `0` for the oldest change that is kept, `now` for the end. Without it and \
             without `snapshot`, the answer has pending changes",
        ),
        query(
            "limit",
            whole(1, least_limit),
            "The maximum number of changes on a page; a page with much text has fewer. With `since` or `lease`, not in a stream",
        ),
        query("wait", whole(0, api.bounds.wait), "With `since`: how many seconds to wait for a change"),
        query(
            "snapshot",
            snapshot,
            "Opens a stream that begins with the current state. Not with `since`, `limit`, `wait` and `lease`",
        ),
        query(
            "lease",
            whole(1, api.bounds.lease),
            "Reads pending changes with a lease of this many seconds. Only together with `limit` and `format`",
        ),
        query(
            "ticket",
            text().into(),
            "In a stream: a ticket from POST /api/tickets, for browsers, which cannot send Authorization",
        ),
        query("kind", several_of(&["instance", "realm"]), "Only these kinds, separated by commas. In the feed"),
        query(
            "id",
            id_patterns(),
            "Only these ids, or ids with the beginning before `*`; `\\,` is a comma within an id, and `\\\\` a backslash. In \
             the feed",
        ),
        query("realm_id", ids(), "Only in these realms. In the feed"),
        query("type", several_of(&ChangeType::ALL.map(ChangeType::as_str)), "Only these types. In the feed"),
        query("from", several_of(&State::ALL.map(State::as_str)), "Only from these states. In the feed"),
        query("to", several_of(&State::ALL.map(State::as_str)), "Only to these states. In the feed"),
    ];
    let last = header_parameter("Last-Event-ID", form("cursor"), "Where a stream continues");
    api.get(
        "/api/changes",
        asked("changes", "listChanges", "The feed; or, without `since`, pending changes of the caller's hooks", Who::Account)
            .says(
                "With `since`, a page of the journal after that cursor. Reading marks nothing, and `Link` leads to the \
                 next page. A filter that no change can match is refused. `Accept: text/event-stream` returns the same changes as a \
                 stream. Without either, the pending changes of the caller's hooks. With `lease`, an \
                 object with the lease and the changes: the host sends no callback for them, and nobody else reads \
                 them, until they are acknowledged or the lease expires. Without `lease`, over HTTP/1.1, an array. Its \
                 changes count as delivered once the client's TCP has acknowledged its end, which does not mean that \
                 the client has read it.",
            )
            .takes(parameters)
            .takes(vec![last])
            .takes_format()
            .streams("Changes, oldest first")
            .fails("410", "The journal no longer has the changes after the cursor (`cursor-expired`)", &[]),
    );
    let wanted = object(vec![("lease", lease_id()), ("cursor", form("cursor"))]);
    let wanted = api.define("Acknowledgement", wanted);
    api.post(
        "/api/changes/acknowledge",
        asked(
            "changes",
            "acknowledgeChanges",
            "Acknowledges pending changes that were read with a lease",
            Who::Account,
        )
        .says(
            "Acknowledges the changes of the lease up to the one with this cursor. Changes that are not acknowledged when \
                 the lease expires are pending again. A repeated request acknowledges nothing more.",
        )
        .body(JSON, wanted, Required::True)
        .gives("200", "The number of changes", Some(named("Acknowledged")), &[]),
    );
}
