//! Operations on hooks.

use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, Required};

use super::table::{Bounds, Table};
use crate::api::openapi::asked::{JSON, Who, asked};
use crate::api::openapi::shapes::{
    array, bytes, form, id, id_pattern, named, nullable, object, optional, path, query, span, text, whole,
};
use crate::model::Rate;

pub(super) fn describe(api: &mut Table) {
    let on = |id: &str, summary: &str| asked("tracking", id, summary, Who::Account);
    let the_hook = || vec![path("id", form("hook-id"), "The hook's id")];
    let bounds = api.bounds;
    let pages = |of: &str| {
        vec![
            query(
                "limit",
                whole(1, bounds.page_items),
                "The maximum number of items on a page; a page with much text has fewer, and a Link to the rest",
            ),
            query("after", form(of), "Opaque: from the Link of the previous page"),
        ]
    };
    let list = api.define("HookList", object(vec![("hooks", array(named("ListedHook")))]));
    api.get(
        "/api/hooks",
        on("listHooks", "The caller's hooks").takes(pages("hooks-page")).takes_format().gives(
            "200",
            "One page",
            Some(list),
            &["Link"],
        ),
    );
    let order = api.define("NewHook", hook_order(Order::New, bounds));
    api.post(
        "/api/hooks",
        on("createHook", "Creates a hook").once().body(JSON, order, Required::True).gives(
            "201",
            "The hook; only this answer contains its secret",
            Some(named("Hook")),
            &["Location", "ETag"],
        ),
    );
    api.get(
        "/api/hooks/{id}",
        on("getHook", "One hook")
            .takes(the_hook())
            .takes_format()
            .gives("200", "The hook", Some(named("ListedHook")), &["ETag"])
            .gives("304", "Unchanged since If-None-Match, except perhaps its failing_since", None, &["ETag"]),
    );
    let order = api.define("HookReplacement", hook_order(Order::Old, bounds));
    api.add(
        HttpMethod::Put,
        "/api/hooks/{id}",
        on("replaceHook", "Replaces the URL, the filter and the settings of a hook")
            .takes(the_hook())
            .conditional()
            .body(JSON, order, Required::True)
            .gives("200", "The hook", Some(named("Hook")), &["ETag"]),
    );
    api.add(
        HttpMethod::Delete,
        "/api/hooks/{id}",
        on("deleteHook", "Deletes a hook, with its pending deliveries").takes(the_hook()).conditional().gives(
            "204",
            "It is deleted",
            None,
            &[],
        ),
    );
    let change = api.define("HookTest", object(vec![("change", text().into())]));
    api.post(
        "/api/hooks/{id}/test",
        on("testHook", "Sends a change of type `hook.test` to a hook").takes(the_hook()).conditional().once().gives(
            "202",
            "The id of the change",
            Some(change),
            &[],
        ),
    );
    for (word, what) in [("pause", "Pauses a hook"), ("resume", "Resumes a hook from where it stopped")] {
        api.post(
            &format!("/api/hooks/{{id}}/{word}"),
            on(&format!("{word}Hook"), what).takes(the_hook()).conditional().once().gives(
                "200",
                "The hook",
                Some(named("Hook")),
                &["ETag"],
            ),
        );
    }
    let rotation = optional(vec![("overlap", span()), ("secret", form("signing-secret"))]);
    let rotation = api.define("HookRotation", rotation);
    api.post(
        "/api/hooks/{id}/rotate",
        on("rotateHook", "Gives a hook a new signing key; the old key signs as well for a while")
            .takes(the_hook())
            .conditional()
            .once()
            .body(JSON, rotation, Required::False)
            .gives("200", "The hook; only this answer contains its secret", Some(named("Hook")), &["ETag"]),
    );
    let from = api.define("Replay", object(vec![("from", form("place"))]));
    let begins = api.define("ReplayStart", object(vec![("from", text().into())]));
    let which = api.define("Redrive", optional(vec![("change", form("change-id"))]));
    api.post(
        "/api/hooks/{id}/replay",
        on("replayHook", "Replays the changes from a cursor or a time on")
            .takes(the_hook())
            .conditional()
            .once()
            .body(JSON, from, Required::True)
            .gives("202", "The first cursor", Some(begins), &[]),
    );
    api.post(
        "/api/hooks/{id}/redrive",
        on("redriveHook", "Sends dead letters again: all of them, or one change")
            .takes(the_hook())
            .conditional()
            .once()
            .body(JSON, which, Required::False)
            .gives("202", "The number of dead letters", Some(named("Redriven")), &[]),
    );
    let state = query("state", named("DeliveryState"), "Only deliveries in this state");
    api.get(
        "/api/hooks/{id}/deliveries",
        on("listDeliveries", "The deliveries of a hook, newest first, with every attempt")
            .takes(the_hook())
            .takes(vec![state])
            .takes(pages("cursor"))
            .takes_format()
            .gives("200", "One page", Some(named("DeliveryList")), &["Link"]),
    );
}

/// Whether a hook is new.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    New,
    Old,
}

fn hook_order(order: Order, bounds: Bounds) -> RefOr<Schema> {
    let several =
        |items: RefOr<Schema>| nullable(ArrayBuilder::new().items(items).max_items(Some(bounds.filter_items)).into());
    let rate = ObjectBuilder::new().schema_type(Type::Number).minimum(Some(Rate::LEAST)).maximum(Some(Rate::MOST));
    let is_set = match order {
        // One that there is keeps its token by `true`.
        Order::Old => ObjectBuilder::new().schema_type(Type::Boolean),
        Order::New => ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([false])),
    };
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let token = utoipa::openapi::schema::OneOfBuilder::new().item(bytes(bounds.token_bytes)).item(is_set).item(null);
    let mut order_of = ObjectBuilder::new()
        .property("url", form("receiver"))
        .property("kinds", several(named("Kind")))
        .property("ids", several(id_pattern()))
        .property("realms", several(id()))
        .property("types", several(named("ChangeType")))
        .property("from", several(named("State")))
        .property("to", several(named("State")))
        .property("format", nullable(named("CallbackFormat")))
        .property("mode", nullable(named("HookMode")))
        .property("rate_per_second", nullable(rate.into()))
        .property("retries", nullable(ArrayBuilder::new().items(span()).max_items(Some(32)).into()))
        .property("description", nullable(text().max_length(Some(256)).into()))
        .property("token", token)
        .required("url")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    if order == Order::New {
        let secret = nullable(form("signing-secret"));
        order_of = order_of.property("signing", nullable(named("SigningAlgorithm"))).property("secret", secret);
    }
    order_of.into()
}
