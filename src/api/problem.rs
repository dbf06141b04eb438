//! The form of an error: a problem as RFC 9457 defines it, with one of the types listed here. The URI of a type is
//! stable, and relative to this host, which explains the type there.
//!
//! The client and the log get different texts: `detail` is for the client, `logged` is for the operator. Only
//! `middleware/access_log` logs the latter.

use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Each type: its name in code and URI, its status, its title, and what it means.
macro_rules! problem_types {
    ($($name:ident $slug:literal $status:ident $title:literal $meaning:literal;)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ProblemType { $($name,)+ }

        impl ProblemType {
            const ALL: &[ProblemType] = &[$(ProblemType::$name,)+];

            fn entry(self) -> Entry {
                match self {
                    $(ProblemType::$name => Entry {
                        slug: $slug, status: StatusCode::$status, title: $title, meaning: $meaning,
                    },)+
                }
            }
        }
    };
}

problem_types! {
    MalformedRequest "malformed-request" BAD_REQUEST "Malformed request"
        "The path, the query or the body has an invalid encoding.";
    UnknownParameter "unknown-parameter" BAD_REQUEST "Unknown parameter"
        "The resource has no parameter `parameter`. `known` lists the parameters that it has.";
    InvalidParameter "invalid-parameter" BAD_REQUEST "Invalid parameter value"
        "`parameter` names the parameter; `detail` says which values it takes.";
    InvalidId "invalid-id" BAD_REQUEST "Invalid id"
        "An id has 1 to 255 bytes and no control characters.";
    UnknownMember "unknown-member" BAD_REQUEST "Unknown member in the body"
        "The body has no member `member`. `known` lists the members that it can have.";
    InvalidMember "invalid-member" BAD_REQUEST "Invalid member value in the body"
        "`where` points to the member (RFC 6901); `detail` says which values it takes.";
    InvalidHook "invalid-hook" BAD_REQUEST "Invalid hook URL"
        "A hook URL is an absolute http or https URL without user information and fragment.";
    ConsentRefused "consent-refused" BAD_REQUEST "The receiver did not consent"
        "The operator requires the consent of receivers. The host asks for it with OPTIONS, as CloudEvents web hooks do; \
         `detail` says what was missing in the answer.";
    ForeignCursor "foreign-cursor" BAD_REQUEST "The cursor belongs to another journal"
        "Another store gave it out, or this store before it was restored from a backup.";
    InvalidIdempotencyKey "invalid-idempotency-key" BAD_REQUEST "Invalid Idempotency-Key"
        "Send the header once, with 1 to 255 visible ASCII characters.";
    HookAddressClosed "hook-address-closed" BAD_REQUEST "The hook's address is not allowed"
        "Callbacks go to public addresses only, unless the operator allows others with delivery.allow_addresses. The host \
         checks an address that is written in the URL when the hook is set, and the addresses of a name at each delivery.";
    ProviderNotNamed "provider-not-named" BAD_REQUEST "Driver and provider are missing"
        "Name them in X-Deltacloud-Driver and X-Deltacloud-Provider; `known` lists the names.";
    UnknownDriver "unknown-driver" BAD_REQUEST "Unknown driver"
        "X-Deltacloud-Driver names a driver that is not loaded; `known` lists the loaded drivers.";
    UnknownProvider "unknown-provider" BAD_REQUEST "Unknown provider"
        "X-Deltacloud-Provider names a provider that is neither configured nor known to the driver; `known` lists the \
         providers.";
    AccountUnusable "account-unusable" BAD_REQUEST "The account's configuration is invalid"
        "The driver refuses the account as it is configured; `detail` says why.";
    CredentialsMissing "credentials-missing" UNAUTHORIZED "Credentials are missing"
        "Send the user and the password of the cloud account with HTTP Basic, or a token as Bearer.";
    CredentialsRefused "credentials-refused" UNAUTHORIZED "Invalid credentials"
        "The provider does not accept this user and password.";
    TokenRefused "token-refused" UNAUTHORIZED "Invalid token"
        "The token is unknown, revoked or expired. The account's credentials create a new one.";
    AccountNeeded "account-needed" FORBIDDEN "The account's credentials are required"
        "Only the user and the password of the cloud account can create, list and revoke tokens.";
    InsufficientScope "insufficient-scope" FORBIDDEN "The token's scope is insufficient"
        "A token with the scope `read` cannot change anything and cannot read pending changes. Use one with the scope \
         `track`.";
    TooManyTokens "too-many-tokens" FORBIDDEN "The account has too many tokens"
        "Revoke tokens that are no longer needed. `limit` is the most that an account can have.";
    TooManyAccounts "too-many-accounts" FORBIDDEN "Too many users have these credentials"
        "The credentials are valid, but `limit` other users are enrolled with them. Use one of those users, or delete one \
         with DELETE /api/account.";
    TooManyNewAccounts "too-many-new-accounts" TOO_MANY_REQUESTS "Too many new accounts"
        "This address enrolled as many new accounts as the host allows. Retry after the time in Retry-After.";
    TooManyRequests "too-many-requests" TOO_MANY_REQUESTS "Too many requests"
        "Retry after the time in Retry-After. The RateLimit headers of every answer show how many requests are left.";
    Forbidden "forbidden" FORBIDDEN "The provider denies access"
        "The provider accepts the credentials, but does not let the account list these resources.";
    TooManyHooks "too-many-hooks" FORBIDDEN "The account has too many hooks"
        "Delete hooks that are no longer needed. `limit` is the most that an account can have.";
    TooManyFilterItems "too-many-filter-items" FORBIDDEN "The filters of the account have too many items"
        "Use the beginning of ids (`web-*`) instead of many ids, or delete hooks. `limit` is the most that the filters of \
         all hooks can have together.";
    RouteNotFound "not-found" NOT_FOUND "Not found"
        "There is no resource at this path. GET /api links to all resources.";
    InstanceNotFound "instance-not-found" NOT_FOUND "No such instance"
        "The account's last list did not have it. If a hook waits for it, `track` shows the hook.";
    RealmNotFound "realm-not-found" NOT_FOUND "No such realm"
        "The account's last list did not have it. If a hook waits for it, `track` shows the hook.";
    HookNotFound "hook-not-found" NOT_FOUND "No such hook"
        "The caller has no hook with this id; GET /api/hooks lists the caller's hooks.";
    TokenNotFound "token-not-found" NOT_FOUND "No such token"
        "The account has no token with this id; GET /api/tokens lists its tokens.";
    TokenDamaged "token-damaged" CONFLICT "The token is damaged"
        "The host cannot read the token from its store; `damaged` says why. Revoke the token and create a new one.";
    AccountConfigured "account-configured" CONFLICT "The account is in the host's configuration"
        "The host polls it whether or not a client asks. Only the operator can remove it.";
    NoDeadLetter "no-dead-letter" CONFLICT "The change is not a dead letter of the hook"
        "The host has not given up delivering this change to this hook.";
    DriverNotFound "driver-not-found" NOT_FOUND "No such driver"
        "The driver is not loaded; `known` lists the loaded drivers.";
    LeaseNeeded "lease-needed" BAD_REQUEST "Over HTTP/2, pending changes need a lease"
        "Send GET /api/changes?lease=60, and acknowledge the changes with POST /api/changes/acknowledge.";
    CursorExpired "cursor-expired" GONE "The cursor has expired"
        "The journal no longer keeps the changes after the cursor. Read the current lists in `list`, each of which gives \
         a Tracker-Cursor to follow from; or continue from `oldest` without the changes before it.";
    HistoryUnavailable "history-unavailable" GONE "No history for this time"
        "The time is before the first list of the account, or before what the journal keeps. `since` is the earliest time \
         for `at`.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "Method not allowed"
        "The Allow header lists the methods of the resource.";
    RequestTimeout "request-timeout" REQUEST_TIMEOUT "The request took too long"
        "The client did not send the whole head or body in time.";
    AnswerLost "answer-lost" CONFLICT "The answer to the first request with this key is lost"
        "The host may have carried out the request, but cannot read its answer from the store, so it does not carry it out \
         again. Check the current state, and send what is missing with a new key.";
    HookConflict "hook-conflict" CONFLICT "The change conflicts with the hook"
        "`where` points to the member that conflicts; `detail` says why.";
    PreconditionFailed "precondition-failed" PRECONDITION_FAILED "Precondition failed"
        "The hook has changed since the client read it, so that If-Match does not name its version; or If-None-Match does. \
         `etag` is the current tag. Read the hook and repeat the change. Instances and realms have weak tags, which never \
         fulfil If-Match.";
    UriTooLong "uri-too-long" URI_TOO_LONG "The path and query are too long"
        "They can have about 64 KB.";
    HeadTooLarge "head-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too large"
        "A request has at most 100 headers. With the request line they have at most as many bytes as the host allows, by \
         default 128 KiB.";
    BodyTooLarge "body-too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "`limit` is the largest size in bytes.";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "Unsupported media type"
        "Send application/json for hooks, and application/x-www-form-urlencoded for PUT of a resource.";
    UnsupportedContentCoding "unsupported-content-coding" UNSUPPORTED_MEDIA_TYPE "Unsupported content coding"
        "The only supported coding of a body is gzip, and Content-Encoding has to name it.";
    IdempotencyKeyReused "idempotency-key-reused" UNPROCESSABLE_ENTITY "The Idempotency-Key belongs to another request"
        "A request with the same key has to have the same path and body.";
    TooManyAttempts "too-many-attempts" TOO_MANY_REQUESTS "Too many wrong passwords"
        "Retry after the time in Retry-After. A password that was accepted before still works.";
    Internal "internal" INTERNAL_SERVER_ERROR "Internal error"
        "The host failed; its log says more.";
    ProviderFailed "provider-failed" BAD_GATEWAY "The provider or its driver failed"
        "The provider gave no usable answer; `code` classifies the error.";
    ProviderThrottled "provider-throttled" SERVICE_UNAVAILABLE "The provider limits requests"
        "Retry after the time in Retry-After.";
    ProofsBusy "proofs-busy" SERVICE_UNAVAILABLE "The credentials could not be checked in time"
        "Too many other credentials wait to be checked at this provider, or at providers that do not answer. Retry after the \
         time in Retry-After.";
    AccountDeleted "account-deleted" SERVICE_UNAVAILABLE "The account is being deleted"
        "A client deleted it with DELETE /api/account while the host handled the request. The request changed nothing. Retry \
         after the time in Retry-After; the host then creates the account again.";
    NoDriver "no-driver" SERVICE_UNAVAILABLE "No driver is loaded"
        "The host's log says why each driver is not loaded. Fix the cause, and run `tracker driver reload`.";
    StoreUnavailable "store-unavailable" SERVICE_UNAVAILABLE "The store is unavailable"
        "Retry; the host's log says more.";
    StoreFull "store-full" INSUFFICIENT_STORAGE "The disk or the store is full"
        "Reading still works. Retry after the time in Retry-After, when the operator has made room.";
    AccountFull "account-full" INSUFFICIENT_STORAGE "The account's share of the store is used up"
        "Reading and deleting still work. `storage` in /api/account shows the share. Delete hooks with many pending changes, \
         or wait until the journal drops old changes. The operator can raise the share.";
    TooManyStreams "too-many-streams" SERVICE_UNAVAILABLE "Too many open streams"
        "Retry after the time in Retry-After, or read the feed page by page. `limit` is the most that can be open at once.";
    StreamLimit "stream-limit" TOO_MANY_REQUESTS "The caller has too many open streams"
        "`of` says whether the limit applies to the account, the token or the address. `limit` is the most that can be open \
         at once, including long polls. Close some, or retry after the time in Retry-After.";
    RequestLimit "request-limit" TOO_MANY_REQUESTS "The caller has too many requests in progress"
        "`of` says whether the limit applies to the account or the address. `limit` is the most requests, or bytes of \
         requests, at once. Wait for an answer, or retry after the time in Retry-After.";
    TooManyRequestsAtOnce "too-many-requests-at-once" SERVICE_UNAVAILABLE "Too many requests in progress"
        "The host answers as many requests, or holds as many bytes of requests, as `limit` allows. Retry after the time in \
         Retry-After.";
    TooManyConnections "too-many-connections" SERVICE_UNAVAILABLE "Too many open connections"
        "The address has as many connections as the host allows, each with a request in progress. Retry after the time in \
         Retry-After.";
    Starting "starting" SERVICE_UNAVAILABLE "The host is starting"
        "The host opens its store and loads its drivers, some of which it may compile. Retry after the time in Retry-After.";
    Stopping "stopping" SERVICE_UNAVAILABLE "The host is stopping"
        "Retry when it has started again.";
    Timeout "timeout" GATEWAY_TIMEOUT "The request took too long"
        "Retry. The host may have finished the work by then.";
}

impl ProblemType {
    fn bearer_challenge(self) -> &'static str {
        match self {
            ProblemType::TokenRefused => r#"Bearer realm="tracker", error="invalid_token""#,
            _ => r#"Bearer realm="tracker""#,
        }
    }
}

struct Entry {
    slug: &'static str,
    status: StatusCode,
    title: &'static str,
    meaning: &'static str,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    problem_type: ProblemType,
    detail: String,
    members: Vec<(&'static str, Value)>,
    retry_after: Option<Duration>,
    logged: Option<String>,
}

/// What the log is told of a response; `middleware/access_log` takes it from the response's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Logged(pub(crate) String);

/// For how long to wait where nobody can say.
pub(crate) const RETRY_SOON: Duration = Duration::from_secs(5);

/// Details may quote what a client or a driver wrote: so much of it, and no more.
const MAX_DETAIL_CHARS: usize = 1000;

impl Problem {
    pub(crate) fn new(problem_type: ProblemType, detail: impl Into<String>) -> Problem {
        Problem { problem_type, detail: detail.into(), members: Vec::new(), retry_after: None, logged: None }
    }

    /// A fault of the host: the client learns only that there was one.
    pub(crate) fn internal(logged: impl std::fmt::Display) -> Problem {
        Problem::new(ProblemType::Internal, "the request could not be answered").logging(logged)
    }

    /// Adds an extension member.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Problem {
        self.members.push((name, value.into()));
        self
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Problem {
        self.retry_after = Some(wait);
        self
    }

    pub(crate) fn logging(mut self, logged: impl std::fmt::Display) -> Problem {
        self.logged = Some(logged.to_string());
        self
    }

    #[cfg(test)]
    pub(crate) fn problem_type(&self) -> ProblemType {
        self.problem_type
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.problem_type.entry().status
    }

    /// As `Retry-After` says it.
    pub(crate) fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(seconds)
    }

    /// What the log is told of it.
    pub(crate) fn logged(&self) -> &str {
        self.logged.as_deref().unwrap_or(&self.detail)
    }

    pub(crate) fn body(&self) -> Value {
        let Entry { slug, status, title, .. } = self.problem_type.entry();
        let mut body = Map::new();
        body.insert("type".into(), uri(slug).into());
        body.insert("title".into(), title.into());
        body.insert("status".into(), status.as_u16().into());
        body.insert("detail".into(), self.detail.chars().take(MAX_DETAIL_CHARS).collect::<String>().into());
        for (name, value) in &self.members {
            body.insert((*name).into(), value.clone());
        }
        Value::Object(body)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status() == StatusCode::UNAUTHORIZED {
            // Both ways, each in a header of its own: a token that was refused is told so as RFC 6750 has it.
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="tracker""#));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(self.problem_type.bearer_challenge()));
        }
        if self.problem_type == ProblemType::UnsupportedContentCoding {
            // RFC 9110, 15.5.16.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(logged) = self.logged {
            response.extensions_mut().insert(Logged(logged));
        }
        response
    }
}

fn uri(slug: &str) -> String {
    format!("/problems/{slug}")
}

/// Whole seconds, rounded up, and never "at once".
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProblemType)]
pub(crate) struct TypeDocument {
    #[serde(rename = "type")]
    uri: String,
    title: &'static str,
    status: u16,
    meaning: &'static str,
}

impl From<ProblemType> for TypeDocument {
    fn from(problem_type: ProblemType) -> TypeDocument {
        let Entry { slug, status, title, meaning } = problem_type.entry();
        TypeDocument { uri: uri(slug), title, status: status.as_u16(), meaning }
    }
}

/// `GET /problems`: every type there is.
pub(crate) async fn list() -> Response {
    let types: Vec<TypeDocument> = ProblemType::ALL.iter().map(|found| (*found).into()).collect();
    Json(json!({ "problems": types })).into_response()
}

/// `GET /problems/{slug}`: what a type's URI leads to.
pub(crate) async fn show(Path(slug): Path<String>) -> Result<Response, Problem> {
    match ProblemType::ALL.iter().find(|found| found.entry().slug == slug) {
        Some(found) => Ok(Json(TypeDocument::from(*found)).into_response()),
        None => Err(Problem::new(ProblemType::RouteNotFound, "there is no such problem; GET /problems lists them")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn is_rendered_as_rfc_9457_says() {
        let problem = Problem::new(ProblemType::TooManyHooks, "10 hooks")
            .with("limit", 10)
            .retry_after(Duration::from_millis(1200))
            .logging("only for the log");
        assert_eq!(
            problem.body(),
            json!({
                "type": "/problems/too-many-hooks",
                "title": "The account has too many hooks",
                "status": 403,
                "detail": "10 hooks",
                "limit": 10,
            })
        );
        let response = problem.into_response();
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.extensions().get::<Logged>().expect("logged").0, "only for the log");
        assert!(response.headers().get(WWW_AUTHENTICATE).is_none());
    }

    #[test]
    fn every_401_says_how_to_authenticate() {
        for problem_type in [ProblemType::CredentialsMissing, ProblemType::CredentialsRefused] {
            let response = Problem::new(problem_type, "").into_response();
            assert_eq!(response.headers()[WWW_AUTHENTICATE], r#"Basic realm="tracker""#);
        }
    }

    #[test]
    fn types_have_uris_of_their_own() {
        let slugs: HashSet<&str> = ProblemType::ALL.iter().map(|found| found.entry().slug).collect();
        assert_eq!(slugs.len(), ProblemType::ALL.len());
        for found in ProblemType::ALL {
            let entry = found.entry();
            assert!(entry.slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", entry.slug);
            assert!(entry.status.is_client_error() || entry.status.is_server_error(), "{}", entry.slug);
        }
    }

    #[test]
    fn a_detail_has_an_end() {
        let problem = Problem::new(ProblemType::InvalidId, "ä".repeat(5000));
        assert_eq!(problem.body()["detail"].as_str().expect("text").chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn retry_after_is_in_whole_seconds() {
        let check = |wait: Duration, want: u64| assert_eq!(seconds(wait), want, "{wait:?}");
        check(Duration::ZERO, 1);
        check(Duration::from_millis(1), 1);
        check(Duration::from_secs(1), 1);
        check(Duration::from_millis(1001), 2);
        check(Duration::MAX, u64::MAX);
    }
}
