//! The account, its polls and its tokens.

use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Required};

use super::table::Table;
use crate::api::openapi::asked::{JSON, Who, asked};
use crate::api::openapi::shapes::{array, form, id, named, nullable, object, optional, path, query, whole, words_of};

pub(super) fn describe(api: &mut Table) {
    let on = |id: &str, summary: &str, who| asked("account", id, summary, who);
    api.get(
        "/api/account",
        on("account", "How the caller's account is doing", Who::Account).takes_format().gives(
            "200",
            "The account",
            Some(named("Account")),
            &[],
        ),
    );
    api.add(
        HttpMethod::Delete,
        "/api/account",
        on("forget-account", "Forgets the account, with its credentials, tokens, hooks and history", Who::Owner)
            .says("Open streams of the account end. Whoever proves its credentials later begins anew.")
            .gives("204", "All of it is gone", None, &[])
            .fails("409", "It stands in the configuration of the host (`account-configured`)", &[]),
    );
    let kind = query("kind", words_of(&["instance", "realm"]), "Only that; both, if it is left out");
    let one = query(
        "id",
        id(),
        "That instance alone, whatever kind says, where the driver can ask for it; if it is not listed, everything is",
    );
    let refreshed = || RefOr::from(ObjectBuilder::new().additional_properties(Some(named("Refreshed"))));
    api.post(
        "/api/refresh",
        on("refresh", "Asks for a poll now, or joins one that is under way", Who::Account)
            .takes(vec![kind, one])
            .takes_format()
            .once()
            .gives("200", "What came of it, by collection", Some(refreshed()), &[])
            .says(
                "Where the poll is made and the store does not take what came of it, this ends as soon as that is known, \
                 with 503 or 507; the host polls again by itapi. Its answer is of its moment and is not kept under an \
                 Idempotency-Key: a second request finds the poll of the first.",
            )
            .gives("202", "It takes longer than a request may wait", Some(refreshed()), &[]),
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
    let list = object(vec![("tokens", array(named("ListedToken")))]);
    api.get(
        "/api/tokens",
        on("tokens", "The account's tokens", Who::Owner).takes(pages).takes_format().gives(
            "200",
            "One page",
            Some(list),
            &["Link"],
        ),
    );
    api.post(
        "/api/tickets",
        on("create-ticket", "Makes a ticket, with which a browser opens one stream of changes", Who::Account).gives(
            "201",
            "The ticket",
            Some(named("Ticket")),
            &[],
        ),
    );
    let order = ObjectBuilder::new()
        .property("name", id())
        .property("scope", words_of(&["read", "track"]))
        .property("expires", nullable(form("expiry")))
        .required("name")
        .required("scope")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    api.post(
        "/api/tokens",
        on("create-token", "Makes a token, which stands for the account", Who::Owner)
            .once()
            .body(JSON, order.into(), Required::True)
            .gives(
                "201",
                "The token, with its secret in this answer and no other",
                Some(named("Token")),
                &["Location"],
            ),
    );
    api.get(
        "/api/tokens/{id}",
        on("token", "One token", Who::Owner).takes(the_token()).takes_format().gives(
            "200",
            "It",
            Some(named("ListedToken")),
            &[],
        ),
    );
    api.add(
        HttpMethod::Delete,
        "/api/tokens/{id}",
        on("revoke-token", "Revokes a token", Who::Owner).takes(the_token()).gives("204", "It is gone", None, &[]),
    );
    api.post(
        "/api/tokens/{id}/rotate",
        on("rotate-token", "Gives a token another secret; its hooks stay", Who::Owner)
            .takes(the_token())
            .once()
            .body(JSON, optional(vec![("expires", form("expiry"))]), Required::False)
            .gives("200", "It, with its secret in this answer and no other", Some(named("Token")), &[]),
    );
}
