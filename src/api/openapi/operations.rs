//! What can be asked of the API: each operation with its parameters, its body and its answers, as a table.

use utoipa::openapi::path::HttpMethod;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Paths, RefOr, Required};

use super::asked::{Asked, JSON, Who, asked};
use super::shapes::{
    any_of, array, bytes, form, header_parameter, id, id_pattern, id_patterns, ids, lease_id, named, nullable, object,
    optional, past, path, query, required, several_of, span, text, whole, words_of,
};
use crate::model::{ChangeType, Format, Mode, Rate, State};

const PAST: &str = "The time is before the first list of the account, or older than what is kept; `since` says since when the \
    past is known (`past-forgotten`)";

pub(super) fn paths(bounds: Bounds) -> Paths {
    let mut api = Api { paths: Paths::new(), bounds };
    api.host();
    api.inventory();
    api.tracking();
    api.changes();
    api.account();
    api.paths
}

/// What the settings of this host allow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) page_items: usize,
    pub(super) filter_items: usize,
    pub(super) token_bytes: usize,
    /// In seconds.
    pub(super) wait: u64,
    /// In seconds.
    pub(super) lease: u64,
    pub(super) pending: usize,
}

struct Api {
    paths: Paths,
    bounds: Bounds,
}

impl Api {
    fn add(&mut self, method: HttpMethod, path: &str, asked: Asked) {
        self.paths.add_path_operation(path, vec![method], asked.done());
    }

    fn get(&mut self, path: &str, asked: Asked) {
        self.add(HttpMethod::Get, path, asked);
    }

    fn post(&mut self, path: &str, asked: Asked) {
        self.add(HttpMethod::Post, path, asked);
    }

    fn host(&mut self) {
        let on = |id: &str, summary: &str| asked("host", id, summary, Who::Anybody);
        self.get("/", on("lead", "Leads to the entry point").gives("307", "To /api", None, &["Location"]));
        let tried = query("force_auth", words_of(&["true", "false", "1", "0"]), "Whether to try the credentials out");
        self.get(
            "/api",
            on("entry", "The entry point: version, driver and provider, and links to the collections")
                .and_xml()
                .takes(vec![tried])
                .takes_format()
                .gives("200", "The entry point", Some(named("EntryPoint")), &[]),
        );
        let list = vec![
            query("id", text().into(), "Only the driver of that id"),
            query("state", text().into(), "Only those of that health, as Deltacloud's clients may ask"),
        ];
        self.get(
            "/api/drivers",
            on("drivers", "The drivers that are loaded")
                .and_xml()
                .takes(list)
                .takes_format()
                .gives("200", "The drivers", Some(named("Drivers")), &["ETag"])
                .gives("304", "As If-None-Match has it", None, &["ETag"]),
        );
        self.get(
            "/api/drivers/{id}",
            on("driver", "One driver")
                .and_xml()
                .takes(vec![path("id", text().min_length(Some(1)).into(), "As X-Deltacloud-Driver names it")])
                .takes_format()
                .gives("200", "The driver", Some(named("Driver")), &["ETag"])
                .gives("304", "As If-None-Match has it", None, &["ETag"]),
        );
        let status = || object(vec![("status", text().into())]);
        self.get("/healthz", on("alive", "Whether the process runs").gives("200", "It does", Some(status()), &[]));
        self.get(
            "/readyz",
            on("ready", "Whether requests can be served").gives("200", "They can", Some(status()), &[]).fails(
                "503",
                "They can't: the store can't be written, work with it keeps failing, or none of the drivers that are \
                 approved or needed is loaded. `failing` says what fails, since when and why: `error` is `disk-full` where \
                 the disk is full, `size-limit` where the store is as large as it may be, and `gone` where a file of the store was removed or replaced while the host runs",
                &["Retry-After"],
            ),
        );
        let metrics = on("metrics", "What the host counts, as Prometheus reads it");
        self.get("/metrics", metrics.gives_text("OpenMetrics text", "application/openmetrics-text", &[]));
        let anything = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)));
        self.get(
            "/openapi.json",
            on("openapi", "This description").gives("200", "OpenAPI 3.1", Some(anything.into()), &["ETag"]).gives(
                "304",
                "As If-None-Match has it",
                None,
                &["ETag"],
            ),
        );
        let docs = on("docs", "This description, to be read").gives_text("A page", "text/html", &["ETag"]);
        self.get("/docs", docs.gives("304", "As If-None-Match has it", None, &["ETag"]));
        let types = object(vec![("problems", array(named("ProblemType")))]);
        self.get("/problems", on("problems", "Every type of problem").gives("200", "The types", Some(types), &[]));
        self.get(
            "/problems/{slug}",
            on("problem", "What a type of problem means")
                .takes(vec![path("slug", text().min_length(Some(1)).into(), "The end of the type's URI")])
                .gives("200", "The type", Some(named("ProblemType")), &[]),
        );
    }

    fn inventory(&mut self) {
        let on = |id: &str, summary: &str| asked("inventory", id, summary, Who::Account);
        for (kind, of, many, states) in [
            ("instance", "Instance", "instances", states_of(Kind::Instance)),
            ("realm", "Realm", "realms", states_of(Kind::Realm)),
        ] {
            let mut filters = vec![
                query("id", id(), "Only that one"),
                query(
                    "state",
                    words_of(&states),
                    "Only those in that state. In XML, a word that is no state fits nothing",
                ),
                query("at", past(), "As it was known at that time"),
                query(
                    "limit",
                    whole(1, self.bounds.page_items),
                    "How many on a page, at most; a page of much text has fewer, and a Link to the rest. XML has no pages",
                ),
                query("after", form(&format!("{many}-page")), "Opaque: from the Link of the page before"),
            ];
            if kind == "instance" {
                filters.push(query("realm_id", text().into(), "Only those in that realm"));
            }
            let headers = ["ETag", "Link", "Tracker-Cursor"];
            self.get(
                &format!("/api/{many}"),
                on(many, &format!("The {many} that were last seen, sorted by id"))
                    .and_xml()
                    .takes(filters)
                    .takes_format()
                    .gives("200", "One page", Some(object(vec![(many, array(named(of)))])), &headers)
                    .gives("304", "As If-None-Match has it", None, &["ETag"])
                    .fails("410", PAST, &[]),
            );
            let one = || vec![path("id", id(), "The provider's id")];
            self.get(
                &format!("/api/{many}/{{id}}"),
                on(kind, &format!("One {kind}"))
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
                query("track_token", bytes(self.bounds.token_bytes), "Sent with each of them"),
                query("track_secret", form("signing-secret"), "What they are signed with, instead of one made here"),
            ];
            self.add(
                HttpMethod::Put,
                &format!("/api/{many}/{{id}}"),
                asked(
                    "tracking",
                    &format!("track-{kind}"),
                    &format!("Sets the caller's hook on one {kind}"),
                    Who::Account,
                )
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
                .fails(
                    "412",
                    "The resource is not as If-Match or If-None-Match has it (`precondition-failed`)",
                    &[],
                ),
            );
            let pages = vec![
                query(
                    "limit",
                    whole(1, self.bounds.page_items),
                    "How many on a page, at most; a page of much text has fewer, and a Link to the rest",
                ),
                query("before", form("cursor"), "Only changes before that one"),
            ];
            self.get(
                &format!("/api/{many}/{{id}}/history"),
                on(&format!("{kind}-history"), &format!("What happened to one {kind}, newest first"))
                    .takes(one())
                    .takes(pages)
                    .takes_format()
                    .gives("200", "One page", Some(array(named("Change"))), &["Link"]),
            );
        }
    }

    fn tracking(&mut self) {
        let on = |id: &str, summary: &str| asked("tracking", id, summary, Who::Account);
        let the_hook = || vec![path("id", form("hook-id"), "The hook's id")];
        let bounds = self.bounds;
        let pages = |of: &str| {
            vec![
                query(
                    "limit",
                    whole(1, bounds.page_items),
                    "How many on a page, at most; a page of much text has fewer, and a Link to the rest",
                ),
                query("after", form(of), "Opaque: from the Link of the page before"),
            ]
        };
        let list = object(vec![("hooks", array(named("ListedHook")))]);
        self.get(
            "/api/hooks",
            on("hooks", "The caller's hooks").takes(pages("hooks-page")).takes_format().gives(
                "200",
                "One page",
                Some(list),
                &["Link"],
            ),
        );
        self.post(
            "/api/hooks",
            on("create-hook", "Makes a hook")
                .once()
                .body(JSON, hook_order(Order::New, self.bounds), Required::True)
                .gives(
                    "201",
                    "The hook, with its secret in this answer and no other",
                    Some(named("Hook")),
                    &["Location", "ETag"],
                ),
        );
        self.get(
            "/api/hooks/{id}",
            on("hook", "One hook").takes(the_hook()).takes_format().gives(
                "200",
                "It",
                Some(named("ListedHook")),
                &["ETag"],
            ),
        );
        self.add(
            HttpMethod::Put,
            "/api/hooks/{id}",
            on("replace-hook", "Says anew what a hook is to be")
                .takes(the_hook())
                .conditional()
                .body(JSON, hook_order(Order::Old, self.bounds), Required::True)
                .gives("200", "It", Some(named("Hook")), &["ETag"]),
        );
        self.add(
            HttpMethod::Delete,
            "/api/hooks/{id}",
            on("remove-hook", "Removes a hook, with its pending deliveries").takes(the_hook()).conditional().gives(
                "204",
                "It is gone",
                None,
                &[],
            ),
        );
        let nothing = || object(vec![]);
        let change = object(vec![("change", text().into())]);
        self.post(
            "/api/hooks/{id}/test",
            on("test-hook", "Sends a hook a change of type `hook.test`")
                .takes(the_hook())
                .conditional()
                .once()
                .body(JSON, nothing(), Required::False)
                .gives("202", "The id of the change", Some(change), &[]),
        );
        for (word, what) in [("pause", "Lets a hook rest"), ("resume", "Lets a hook go on from where it stopped")] {
            self.post(
                &format!("/api/hooks/{{id}}/{word}"),
                on(&format!("{word}-hook"), what)
                    .takes(the_hook())
                    .conditional()
                    .once()
                    .body(JSON, nothing(), Required::False)
                    .gives("200", "It", Some(named("Hook")), &["ETag"]),
            );
        }
        let rotation = optional(vec![("overlap", span()), ("secret", form("signing-secret"))]);
        self.post(
            "/api/hooks/{id}/rotate",
            on("rotate-hook", "Gives a hook another signing key, beside which the one before signs for a while")
                .takes(the_hook())
                .conditional()
                .once()
                .body(JSON, rotation, Required::False)
                .gives("200", "It, with its secret in this answer and no other", Some(named("Hook")), &["ETag"]),
        );
        let from = object(vec![("from", form("place"))]);
        let begins = object(vec![("from", text().into())]);
        self.post(
            "/api/hooks/{id}/replay",
            on("replay-hook", "Sends a hook everything anew from a place of the journal, or a time, on")
                .takes(the_hook())
                .conditional()
                .once()
                .body(JSON, from, Required::True)
                .gives("202", "Where it begins", Some(begins), &[]),
        );
        self.post(
            "/api/hooks/{id}/redrive",
            on("redrive-hook", "Tries again what was given up: all of it, or one change")
                .takes(the_hook())
                .conditional()
                .once()
                .body(JSON, optional(vec![("change", form("change-id"))]), Required::False)
                .gives("202", "How many", Some(named("Redriven")), &[]),
        );
        let state = query("state", words_of(&["waiting", "dead", "done"]), "Only those");
        self.get(
            "/api/hooks/{id}/deliveries",
            on("deliveries", "What became of a hook's changes, newest first, with every try")
                .takes(the_hook())
                .takes(vec![state])
                .takes(pages("cursor"))
                .takes_format()
                .gives("200", "One page", Some(named("Deliveries")), &["Link"]),
        );
    }

    fn changes(&mut self) {
        let least_limit = self.bounds.page_items.min(self.bounds.pending);
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
            query(
                "wait",
                whole(0, self.bounds.wait),
                "With `since`: for how many seconds to wait until something comes",
            ),
            query(
                "snapshot",
                words_of(&["true"]),
                "Asks for a stream that begins with what there is. Not with `since`, `limit`, `wait` and `lease`",
            ),
            query(
                "lease",
                whole(1, self.bounds.lease),
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
        self.get(
            "/api/changes",
            asked("changes", "changes", "The feed; or, without `since`, pending changes of the caller's hooks", Who::Account)
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
                .gives("410", "The cursor is older than what is kept", None, &[]),
        );
        let wanted = object(vec![("lease", lease_id()), ("cursor", form("cursor"))]);
        self.post(
            "/api/changes/acknowledge",
            asked("changes", "acknowledge-changes", "Counts pending changes that were read with a lease as delivered", Who::Account)
                .says(
                    "All of the lease, up to the change with that cursor. What is not acknowledged by the end of the lease is \
                     pending again. Sent again, it acknowledges nothing more.",
                )
                .body(JSON, wanted, Required::True)
                .gives("200", "How many", Some(named("Acknowledged")), &[]),
        );
    }

    fn account(&mut self) {
        let on = |id: &str, summary: &str, who| asked("account", id, summary, who);
        self.get(
            "/api/account",
            on("account", "How the caller's account is doing", Who::Account).takes_format().gives(
                "200",
                "The account",
                Some(named("Account")),
                &[],
            ),
        );
        self.add(
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
        self.post(
            "/api/refresh",
            on("refresh", "Asks for a poll now, or joins one that is under way", Who::Account)
                .takes(vec![kind, one])
                .takes_format()
                .once()
                .gives("200", "What came of it, by collection", Some(refreshed()), &[])
                .says(
                    "Where the poll is made and the store does not take what came of it, this ends as soon as that is known, \
                     with 503 or 507; the host polls again by itself. Its answer is of its moment and is not kept under an \
                     Idempotency-Key: a second request finds the poll of the first.",
                )
                .gives("202", "It takes longer than a request may wait", Some(refreshed()), &[]),
        );
        let the_token = || vec![path("id", form("token-id"), "The token's id")];
        let pages = vec![
            query(
                "limit",
                whole(1, self.bounds.page_items),
                "How many on a page, at most; a page of much text has fewer, and a Link to the rest",
            ),
            query("after", form("tokens-page"), "Opaque: from the Link of the page before"),
        ];
        let list = object(vec![("tokens", array(named("ListedToken")))]);
        self.get(
            "/api/tokens",
            on("tokens", "The account's tokens", Who::Owner).takes(pages).takes_format().gives(
                "200",
                "One page",
                Some(list),
                &["Link"],
            ),
        );
        self.post(
            "/api/tickets",
            on("create-ticket", "Makes a ticket, with which a browser opens one stream of changes", Who::Account)
                .gives("201", "The ticket", Some(named("Ticket")), &[]),
        );
        let order = ObjectBuilder::new()
            .property("name", id())
            .property("scope", words_of(&["read", "track"]))
            .property("expires", nullable(form("expiry")))
            .required("name")
            .required("scope")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        self.post(
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
        self.get(
            "/api/tokens/{id}",
            on("token", "One token", Who::Owner).takes(the_token()).takes_format().gives(
                "200",
                "It",
                Some(named("ListedToken")),
                &[],
            ),
        );
        self.add(
            HttpMethod::Delete,
            "/api/tokens/{id}",
            on("revoke-token", "Revokes a token", Who::Owner).takes(the_token()).gives("204", "It is gone", None, &[]),
        );
        self.post(
            "/api/tokens/{id}/rotate",
            on("rotate-token", "Gives a token another secret; its hooks stay", Who::Owner)
                .takes(the_token())
                .once()
                .body(JSON, optional(vec![("expires", form("expiry"))]), Required::False)
                .gives("200", "It, with its secret in this answer and no other", Some(named("Token")), &[]),
        );
    }
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
    let types = ChangeType::ALL.map(ChangeType::as_str);
    let states = State::ALL.map(State::as_str);
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
        .property("kinds", several(words_of(&["instance", "realm"])))
        .property("ids", several(id_pattern()))
        .property("realms", several(id()))
        .property("types", several(words_of(&types)))
        .property("from", several(words_of(&states)))
        .property("to", several(words_of(&states)))
        .property("format", nullable(words_of(&Format::ALL.map(Format::as_str))))
        .property("mode", nullable(words_of(&Mode::ALL.map(Mode::as_str))))
        .property("rate_per_second", nullable(rate.into()))
        .property("retries", nullable(ArrayBuilder::new().items(span()).max_items(Some(32)).into()))
        .property("description", nullable(text().max_length(Some(256)).into()))
        .property("token", token)
        .required("url")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    if order == Order::New {
        order_of = order_of.property("signing", nullable(words_of(&["hmac", "ed25519"])));
    }
    order_of.into()
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Instance,
    Realm,
}

fn states_of(kind: Kind) -> Vec<&'static str> {
    let of = |state: &State| matches!(state, State::Instance(_)) == (kind == Kind::Instance);
    State::ALL.into_iter().filter(of).map(State::as_str).collect()
}
