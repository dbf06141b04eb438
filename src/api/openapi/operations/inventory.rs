//! Operations on instances and realms: lists, single resources, their hooks and their history.

use utoipa::openapi::path::HttpMethod;

use super::table::Table;
use crate::api::openapi::asked::{Who, asked};
use crate::api::openapi::shapes::{
    any_of, array, bytes, form, id, named, object, past, path, query, required, text, whole,
};

const PAST: &str = "The time is before the first list of the account, or before the oldest history that is kept. `since` is the \
    earliest known time (`history-unavailable`)";

pub(super) fn describe(api: &mut Table) {
    let on = |id: &str, summary: &str| asked("inventory", id, summary, Who::Account);
    for (kind, of, many) in [("instance", "Instance", "instances"), ("realm", "Realm", "realms")] {
        let state = named(&format!("{of}State"));
        let mut filters = vec![
            query("id", id(), "Only this one"),
            query("state", state, "Only those in this state. In XML, a word that is not a state matches nothing"),
            query("at", past(), "The state that was known at this time"),
            query(
                "limit",
                whole(1, api.bounds.page_items),
                "The maximum number of items on a page; a page with much text has fewer, and a Link to the rest. XML has no pages",
            ),
            query("after", form(&format!("{many}-page")), "Opaque: from the Link of the previous page"),
        ];
        if kind == "instance" {
            filters.push(query("realm_id", text().into(), "Only those in this realm"));
        }
        let headers = ["ETag", "Link", "Tracker-Cursor"];
        let page = api.define(&format!("{of}List"), object(vec![(many, array(named(of)))]));
        api.get(
            &format!("/api/{many}"),
            on(&format!("list{of}s"), &format!("The last known {many}, sorted by id"))
                .and_xml()
                .takes(filters)
                .takes_format()
                .gives("200", "One page", Some(page), &headers)
                .gives("304", "Unchanged since If-None-Match", None, &["ETag"])
                .fails("410", PAST, &[]),
        );
        let one = || vec![path("id", id(), "The provider's id")];
        api.get(
            &format!("/api/{many}/{{id}}"),
            on(&format!("get{of}"), &format!("One {kind}"))
                .and_xml()
                .takes(one())
                .takes(vec![query("at", past(), "The state that was known at this time")])
                .takes_format()
                .gives("200", "The resource", Some(named(of)), &["ETag"])
                .gives("304", "Unchanged since If-None-Match", None, &["ETag"])
                .fails("410", PAST, &[]),
        );
        let track = vec![
            required(query("track_hook", form("hook"), "The URL that its changes are sent to, or `none`")),
            query("track_token", bytes(api.bounds.token_bytes), "A text that each callback returns"),
            query("track_secret", form("signing-secret"), "The signing secret, instead of one that the host creates"),
        ];
        api.add(
            HttpMethod::Put,
            &format!("/api/{many}/{{id}}"),
            asked("tracking", &format!("track{of}"), &format!("Sets the caller's hook on one {kind}"), Who::Account)
                .says(
                    "It replaces an existing hook; `track_hook=none` removes it. The resource may be unknown so far. \
                 The parameters may be in the body as a form instead.",
                )
                .and_xml()
                .takes(one())
                .takes(track)
                .takes_format()
                .gives(
                    "200",
                    "The resource with its hook, or an unknown resource without one",
                    Some(any_of(&[of, "Unseen"])),
                    &[],
                )
                .gives("202", "The hook, which waits for a resource that is not known yet", Some(named("Unseen")), &[])
                .fails("412", "The resource does not match If-Match or If-None-Match (`precondition-failed`)", &[]),
        );
        let pages = vec![
            query(
                "limit",
                whole(1, api.bounds.page_items),
                "The maximum number of items on a page; a page with much text has fewer, and a Link to the rest",
            ),
            query("before", form("cursor"), "Only changes before this cursor"),
        ];
        api.get(
            &format!("/api/{many}/{{id}}/history"),
            on(&format!("get{of}History"), &format!("The changes of one {kind}, newest first"))
                .takes(one())
                .takes(pages)
                .takes_format()
                .gives("200", "One page", Some(array(named("Change"))), &["Link"]),
        );
    }
}
