//! The feed, and pending changes.

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
            "Asks for the feed: a cursor, `0` for the oldest that is kept, `now` for the end. Without it, and without `snapshot`, \
             the answer has pending changes",
        ),
        query(
            "limit",
            whole(1, least_limit),
            "How many on a page, at most; a page of much text has fewer. With `since` or `lease`, and not in a stream",
        ),
        query("wait", whole(0, api.bounds.wait), "With `since`: for how many seconds to wait until something comes"),
        query(
            "snapshot",
            snapshot,
            "Asks for a stream that begins with what there is. Not with `since`, `limit`, `wait` and `lease`",
        ),
        query(
            "lease",
            whole(1, api.bounds.lease),
            "Asks for pending changes: for how many seconds what is read is kept for the reader. With `limit` and `format` alone",
        ),
        query(
            "ticket",
            text().into(),
            "In a stream, from POST /api/tickets: says who asks, where a browser can't send Authorization",
        ),
        query("kind", several_of(&["instance", "realm"]), "Only of these kinds, with commas between. In the feed"),
        query(
            "id",
            id_patterns(),
            "Only of these ids, or of ids that begin as one before `*`; `\\,` is a comma of an id, and `\\\\` a backslash. In the \
             feed",
        ),
        query("realm_id", ids(), "Only in these realms. In the feed"),
        query("type", several_of(&ChangeType::ALL.map(ChangeType::as_str)), "Only of these types. In the feed"),
        query("from", several_of(&State::ALL.map(State::as_str)), "Only from these states. In the feed"),
        query("to", several_of(&State::ALL.map(State::as_str)), "Only to these states. In the feed"),
    ];
    let last = header_parameter("Last-Event-ID", form("cursor"), "Where a stream goes on");
    api.get(
        "/api/changes",
        asked("changes", "listChanges", "The feed; or, without `since`, pending changes of the caller's hooks", Who::Account)
            .says(
                "With `since`, a page of the journal behind that place: nothing is marked by it, and `Link` says where \
                 the next begins. Lists of a filter that no change can pass together are refused. `Accept: text/event-stream` gives a stream of the same. Without either, the pending \
                 changes of the caller's hooks. With `lease`, an object with the lease and the changes: no callback is \
                 sent for them, and nobody else reads them, until they are acknowledged or the lease ends. Without \
                 `lease`, over HTTP/1.1, an array; the changes count as delivered once the client's TCP has \
                 acknowledged the end of it, which does not say that the client has read it.",
            )
            .takes(parameters)
            .takes(vec![last])
            .takes_format()
            .streams("Changes, oldest first")
            .fails("410", "The cursor is older than what is kept (`cursor-forgotten`)", &[]),
    );
    let wanted = object(vec![("lease", lease_id()), ("cursor", form("cursor"))]);
    let wanted = api.define("Acknowledgement", wanted);
    api.post(
        "/api/changes/acknowledge",
        asked(
            "changes",
            "acknowledgeChanges",
            "Counts pending changes that were read with a lease as delivered",
            Who::Account,
        )
        .says(
            "All of the lease, up to the change with that cursor. What is not acknowledged by the end of the lease is \
                 pending again. Sent again, it acknowledges nothing more.",
        )
        .body(JSON, wanted, Required::True)
        .gives("200", "How many", Some(named("Acknowledged")), &[]),
    );
}
