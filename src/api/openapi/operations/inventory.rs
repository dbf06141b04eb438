//! Instances and realms: lists, single ones, their hooks and their history.

use utoipa::openapi::path::HttpMethod;

use super::table::Table;
use crate::api::openapi::asked::{Who, asked};
use crate::api::openapi::shapes::{
    any_of, array, bytes, form, id, named, object, past, path, query, required, text, whole,
};

const PAST: &str = "The time is before the first list of the account, or older than what is kept; `since` says since when the \
    past is known (`history-unavailable`)";

pub(super) fn describe(api: &mut Table) {
    let on = |id: &str, summary: &str| asked("inventory", id, summary, Who::Account);
    for (kind, of, many) in [("instance", "Instance", "instances"), ("realm", "Realm", "realms")] {
        let state = named(&format!("{of}State"));
        let mut filters = vec![
            query("id", id(), "Only that one"),
            query("state", state, "Only those in that state. In XML, a word that is no state fits nothing"),
            query("at", past(), "As it was known at that time"),
            query(
                "limit",
                whole(1, api.bounds.page_items),
                "How many on a page, at most; a page of much text has fewer, and a Link to the rest. XML has no pages",
            ),
            query("after", form(&format!("{many}-page")), "Opaque: from the Link of the page before"),
        ];
        if kind == "instance" {
            filters.push(query("realm_id", text().into(), "Only those in that realm"));
        }
        let headers = ["ETag", "Link", "Tracker-Cursor"];
        let page = api.define(&format!("{of}List"), object(vec![(many, array(named(of)))]));
        api.get(
            &format!("/api/{many}"),
            on(&format!("list{of}s"), &format!("The {many} that were last seen, sorted by id"))
                .and_xml()
                .takes(filters)
                .takes_format()
                .gives("200", "One page", Some(page), &headers)
                .gives("304", "As If-None-Match has it", None, &["ETag"])
                .fails("410", PAST, &[]),
        );
        let one = || vec![path("id", id(), "The provider's id")];
        api.get(
            &format!("/api/{many}/{{id}}"),
            on(&format!("get{of}"), &format!("One {kind}"))
                .and_xml()
                .takes(one())
                .takes(vec![query("at", past(), "As it was known at that time")])
                .takes_format()
                .gives("200", "It", Some(named(of)), &["ETag"])
                .gives("304", "As If-None-Match has it", None, &["ETag"])
                .fails("410", PAST, &[]),
        );
        let track = vec![
            required(query("track_hook", form("hook"), "Where its changes are sent, or `none`")),
            query("track_token", bytes(api.bounds.token_bytes), "Sent with each of them"),
            query("track_secret", form("signing-secret"), "What they are signed with, instead of one made here"),
        ];
        api.add(
            HttpMethod::Put,
            &format!("/api/{many}/{{id}}"),
            asked("tracking", &format!("track{of}"), &format!("Sets the caller's hook on one {kind}"), Who::Account)
                .says(
                    "It replaces the one there was; `track_hook=none` removes it. What was not seen yet is waited for. \
                 The parameters may stand in a form that is the body, instead.",
                )
                .and_xml()
                .takes(one())
                .takes(track)
                .takes_format()
                .gives(
                    "200",
                    "It, with its hook; or what was not seen, without one",
                    Some(any_of(&[of, "Unseen"])),
                    &[],
                )
                .gives("202", "The hook, which waits for what was not seen yet", Some(named("Unseen")), &[])
                .fails("412", "The resource is not as If-Match or If-None-Match has it (`precondition-failed`)", &[]),
        );
        let pages = vec![
            query(
                "limit",
                whole(1, api.bounds.page_items),
                "How many on a page, at most; a page of much text has fewer, and a Link to the rest",
            ),
            query("before", form("cursor"), "Only changes before that one"),
        ];
        api.get(
            &format!("/api/{many}/{{id}}/history"),
            on(&format!("get{of}History"), &format!("What happened to one {kind}, newest first"))
                .takes(one())
                .takes(pages)
                .takes_format()
                .gives("200", "One page", Some(array(named("Change"))), &["Link"]),
        );
    }
}
