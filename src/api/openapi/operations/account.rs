//! The account, its polls and its tokens.

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
        on("getAccount", "How the caller's account is doing", Who::Account).takes_format().gives(
            "200",
            "The account",
            Some(named("Account")),
            &[],
        ),
    );
    api.add(
        HttpMethod::Delete,
        "/api/account",
        on("deleteAccount", "Forgets the account, with its credentials, tokens, hooks and history", Who::Owner)
            .says("Open streams of the account end. A later request with its credentials enrols it again, without hooks and history.")
            .gives("204", "All of it is gone", None, &[])
            .fails("409", "It stands in the configuration of the host (`account-configured`)", &[]),
    );
    let kind = query("kind", named("Kind"), "Only that; both, if it is left out");
    let one = query(
        "id",
        id(),
        "That instance alone, whatever kind says, where the driver can ask for it; if it is not listed, everything is",
    );
    let refresh = ObjectBuilder::new().property("instances", named("Refreshed")).property("realms", named("Refreshed"));
    let refresh = refresh.additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let refresh = api.define("Refresh", refresh);
    api.post(
        "/api/refresh",
        on("refreshAccount", "Asks for a poll now, or joins one that is under way", Who::Account)
            .takes(vec![kind, one])
            .takes_format()
            .once()
            .gives("200", "What came of it, by collection", Some(refresh.clone()), &[])
            .says(
                "Where the poll is made and the store does not take what came of it, this ends as soon as that is known, \
                 with 503 or 507; the host polls again by itself. Its answer is of its moment and is not kept under an \
                 Idempotency-Key: a second request finds the poll of the first.",
            )
            .gives("202", "It takes longer than a request may wait", Some(refresh), &[]),
    );
    let the_token = || vec![path("id", form("token-id"), "The token's id")];
    let pages = vec![
        query(
            "limit",
            whole(1, api.bounds.page_items),
            "How many on a page, at most; a page of much text has fewer, and a Link to the rest",
        ),
        query("after", form("tokens-page"), "Opaque: from the Link of the page before"),
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
        on("createTicket", "Makes a ticket, with which a browser opens one stream of changes", Who::Account).gives(
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
        on("createToken", "Makes a token, which stands for the account", Who::Owner)
            .once()
            .body(JSON, order, Required::True)
            .gives(
                "201",
                "The token, with its secret in this answer and no other",
                Some(named("Token")),
                &["Location"],
            ),
    );
    api.get(
        "/api/tokens/{id}",
        on("getToken", "One token", Who::Owner).takes(the_token()).takes_format().gives(
            "200",
            "It",
            Some(named("ListedToken")),
            &[],
        ),
    );
    api.add(
        HttpMethod::Delete,
        "/api/tokens/{id}",
        on("revokeToken", "Revokes a token", Who::Owner).takes(the_token()).gives("204", "It is gone", None, &[]),
    );
    let rotation = api.define("TokenRotation", optional(vec![("expires", form("expiry"))]));
    api.post(
        "/api/tokens/{id}/rotate",
        on("rotateToken", "Gives a token another secret; its hooks stay", Who::Owner)
            .takes(the_token())
            .once()
            .body(JSON, rotation, Required::False)
            .gives("200", "It, with its secret in this answer and no other", Some(named("Token")), &[]),
    );
}
