//! Operations on the account, its polls and its tokens.

use utoipa::openapi::Required;
use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

use super::table::Table;
use crate::api::openapi::asked::{JSON, Who, asked};
use crate::api::openapi::shapes::{array, form, id, named, nullable, object, optional, path, query, whole};

pub(super) fn describe(api: &mut Table) {
    let on = |id: &str, summary: &str, who| asked("account", id, summary, who);
    api.get(
        "/api/account",
        on("getAccount", "The state of the caller's account", Who::Account).takes_format().gives(
            "200",
            "The account",
            Some(named("Account")),
            &[],
        ),
    );
    api.add(
        HttpMethod::Delete,
        "/api/account",
        on("deleteAccount", "Deletes the account, with its credentials, tokens, hooks and history", Who::Owner)
            .says("Open streams of the account end. A later request with its credentials enrols it again, without hooks and history.")
            .gives("204", "It is deleted", None, &[])
            .fails("409", "It is in the configuration of the host (`account-configured`)", &[]),
    );
    let kind = query("kind", named("Kind"), "Only this kind; without it, both");
    let one = query(
        "id",
        id(),
        "Only this instance, if the driver can list single instances. If the provider does not list it, the host polls everything",
    );
    let refresh = ObjectBuilder::new().property("instances", named("Refreshed")).property("realms", named("Refreshed"));
    let refresh = refresh.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let refresh = api.define("Refresh", refresh);
    api.post(
        "/api/refresh",
        on("refreshAccount", "Polls the account now, or waits for a poll in progress", Who::Account)
            .takes(vec![kind, one])
            .takes_format()
            .once()
            .gives("200", "The outcome, by collection", Some(refresh.clone()), &[])
            .says(
                "If the store cannot record the poll, the answer is 503 or 507 at once, and the host polls again by \
                 itself. The answer describes one moment and is not kept under an Idempotency-Key: a repeated \
                 request finds the poll of the first.",
            )
            .gives("202", "The poll takes longer than a request may wait", Some(refresh), &[]),
    );
    let the_token = || vec![path("id", form("token-id"), "The token's id")];
    let pages = vec![
        query(
            "limit",
            whole(1, api.bounds.page_items),
            "The maximum number of items on a page; a page with much text has fewer, and a Link to the rest",
        ),
        query("after", form("tokens-page"), "Opaque: from the Link of the previous page"),
    ];
    let list = api.define("TokenList", object(vec![("tokens", array(named("ListedToken")))]));
    api.get(
        "/api/tokens",
        on("listTokens", "The account's tokens", Who::Owner).takes(pages).takes_format().gives(
            "200",
            "One page",
            Some(list),
            &["Link"],
        ),
    );
    api.post(
        "/api/tickets",
        on("createTicket", "Creates a ticket, with which a browser opens one stream of changes", Who::Account).gives(
            "201",
            "The ticket",
            Some(named("Ticket")),
            &[],
        ),
    );
    let order = ObjectBuilder::new()
        .property("name", id())
        .property("scope", named("TokenScope"))
        .property("expires", nullable(form("expiry")))
        .required("name")
        .required("scope")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let order = api.define("NewToken", order);
    api.post(
        "/api/tokens",
        on("createToken", "Creates a token for the account", Who::Owner)
            .once()
            .body(JSON, order, Required::True)
            .gives(
                "201",
                "The token; its secret is in this answer and in no other",
                Some(named("Token")),
                &["Location"],
            ),
    );
    api.get(
        "/api/tokens/{id}",
        on("getToken", "One token", Who::Owner).takes(the_token()).takes_format().gives(
            "200",
            "The token",
            Some(named("ListedToken")),
            &[],
        ),
    );
    api.add(
        HttpMethod::Delete,
        "/api/tokens/{id}",
        on("revokeToken", "Revokes a token", Who::Owner).takes(the_token()).gives("204", "It is revoked", None, &[]),
    );
    let rotation = api.define("TokenRotation", optional(vec![("expires", form("expiry"))]));
    api.post(
        "/api/tokens/{id}/rotate",
        on("rotateToken", "Gives a token a new secret; its hooks stay", Who::Owner)
            .takes(the_token())
            .once()
            .body(JSON, rotation, Required::False)
            .gives("200", "The token; only this answer contains its secret", Some(named("Token")), &[]),
    );
}
