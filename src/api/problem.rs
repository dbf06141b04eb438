//! How an error looks to a client: a problem as RFC 9457 has it, of one of the types listed here. A type's
//! URI is stable, and relative to this host, which shows what it means there.
//!
//! What a client is told and what the log is told are two things: `detail` is written for whoever sent the
//! request, `logged` for whoever runs the host, and only `middleware/access_log` logs it.

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
    MalformedRequest "malformed-request" BAD_REQUEST "The request is malformed"
        "The path, the query or the body is not encoded as it has to be.";
    UnknownParameter "unknown-parameter" BAD_REQUEST "There is no such parameter"
        "`parameter` is not among those that this resource takes, which are in `known`.";
    InvalidParameter "invalid-parameter" BAD_REQUEST "A parameter has a value that it can't have"
        "`parameter` says which; `detail` says what it may be.";
    InvalidId "invalid-id" BAD_REQUEST "The id can't be one"
        "An id has 1 to 255 bytes and no control characters.";
    UnknownMember "unknown-member" BAD_REQUEST "The body has a member that is not known"
        "`member` is not among those that this body may have, which are in `known`.";
    InvalidMember "invalid-member" BAD_REQUEST "A member of the body has a value that it can't have"
        "`where` points to it (RFC 6901); `detail` says what it may be.";
    InvalidHook "invalid-hook" BAD_REQUEST "The hook can't be one"
        "A hook is an absolute http or https URL without user information and fragment.";
    ConsentRefused "consent-refused" BAD_REQUEST "The hook's receiver did not consent"
        "The operator has receivers asked for their consent, by OPTIONS as CloudEvents' web hooks have it; `detail` \
         says what was missing in the answer.";
    ForeignCursor "foreign-cursor" BAD_REQUEST "The cursor is not of this journal"
        "It was given out by another store, or by this one before it was restored from a backup.";
    InvalidIdempotencyKey "invalid-idempotency-key" BAD_REQUEST "The Idempotency-Key can't be one"
        "It is given once, as 1 to 255 visible ASCII characters.";
    HookAddressClosed "hook-address-closed" BAD_REQUEST "The hook's address is closed"
        "Callbacks go to public addresses only, unless the operator opens others with delivery.allow_addresses. Only an \
         address that is written in the URL is judged when the hook is set: a callback to a name that leads to none fails.";
    ProviderNotNamed "provider-not-named" BAD_REQUEST "Driver and provider are not named"
        "Name them in X-Deltacloud-Driver and X-Deltacloud-Provider; `known` has what can be named.";
    UnknownDriver "unknown-driver" BAD_REQUEST "There is no such driver"
        "X-Deltacloud-Driver names a driver that is not loaded; `known` has those that are.";
    UnknownProvider "unknown-provider" BAD_REQUEST "There is no such provider"
        "X-Deltacloud-Provider names a provider that neither the operator configured nor the driver knows; \
         `known` has those that can be named.";
    AccountUnusable "account-unusable" BAD_REQUEST "The account can't be used as it is"
        "The driver can't work with the account as it is configured, for the reason in `detail`.";
    CredentialsMissing "credentials-missing" UNAUTHORIZED "Credentials are needed"
        "Send the user and the password of the cloud account by HTTP Basic, or a token as Bearer.";
    CredentialsRefused "credentials-refused" UNAUTHORIZED "The credentials are not accepted"
        "The provider does not accept this user and password.";
    TokenRefused "token-refused" UNAUTHORIZED "The token is not accepted"
        "It is not known, was revoked, or has expired. The account's own credentials give another.";
    AccountNeeded "account-needed" FORBIDDEN "This takes the account's own credentials"
        "Tokens are given out, listed and revoked by whoever proves the cloud account's user and password.";
    InsufficientScope "insufficient-scope" FORBIDDEN "The token does not allow this"
        "A token of scope `read` changes nothing, and reads no pending changes: this needs one of scope `track`.";
    TooManyTokens "too-many-tokens" FORBIDDEN "The account has as many tokens as it may have"
        "Revoke tokens that are no longer needed; `limit` says how many there may be.";
    TooManyAccounts "too-many-accounts" FORBIDDEN "As many users have these credentials as may have them"
        "The credentials are good, but `limit` other users are enrolled with them. Be one of those, or forget one with \
         DELETE /api/account.";
    TooManyNewAccounts "too-many-new-accounts" TOO_MANY_REQUESTS "Too many new accounts"
        "As many accounts that the host did not know were enrolled from this address as may be. Wait as Retry-After says.";
    TooManyRequests "too-many-requests" TOO_MANY_REQUESTS "Too many requests"
        "Wait as Retry-After says; the RateLimit headers of every answer say how many are left.";
    Forbidden "forbidden" FORBIDDEN "The provider refuses this to the account"
        "The provider accepts the credentials, but does not let this account list such resources.";
    TooManyHooks "too-many-hooks" FORBIDDEN "The account has as many hooks as it may have"
        "Remove hooks that are no longer needed; `limit` says how many there may be.";
    TooManyFilterItems "too-many-filter-items" FORBIDDEN "The filters of the account's hooks have as many items as they may have"
        "Name the beginning of ids (`web-*`) in place of many ids, or remove hooks; `limit` says how many items the filters of \
         all hooks may have together.";
    RouteNotFound "not-found" NOT_FOUND "There is nothing at this path"
        "GET /api has links to what there is.";
    InstanceNotFound "instance-not-found" NOT_FOUND "There is no such instance"
        "It was not in the account's last list. Where a hook waits for it, `track` shows that.";
    RealmNotFound "realm-not-found" NOT_FOUND "There is no such realm"
        "It was not in the account's last list. Where a hook waits for it, `track` shows that.";
    HookNotFound "hook-not-found" NOT_FOUND "There is no such hook"
        "It is not among the caller's hooks; GET /api/hooks lists them.";
    TokenNotFound "token-not-found" NOT_FOUND "There is no such token"
        "It is not among the account's tokens; GET /api/tokens lists them.";
    TokenDamaged "token-damaged" CONFLICT "The token can't be read any more"
        "The host can't read it from its store, for the reason in `damaged`: revoke it, and make another.";
    AccountConfigured "account-configured" CONFLICT "The account is the operator's"
        "It stands in the host's configuration, by which it is polled whoever asks: only the operator can remove it.";
    NoDeadLetter "no-dead-letter" CONFLICT "The change is no dead letter of the hook"
        "The change is not among those that were given up for this hook.";
    DriverNotFound "driver-not-found" NOT_FOUND "There is no such driver"
        "It is not loaded; `known` has those that are.";
    LeaseNeeded "lease-needed" BAD_REQUEST "Over HTTP/2, pending changes are read with a lease"
        "Send GET /api/changes?lease=60, and acknowledge what was dealt with by POST /api/changes/acknowledge.";
    CursorForgotten "cursor-forgotten" GONE "The cursor is older than what is kept"
        "Changes behind it were forgotten. Read what there is now at the places in `list`, each of which gives a \
         Tracker-Cursor to follow from; or go on from `oldest`, without what lies between.";
    PastForgotten "past-forgotten" GONE "What was at that time is not known, or no longer"
        "The time is before the first list of the account, or older than what is kept. `since` says from when on the past is \
         known: `at` with that time is answered.";
    MethodNotAllowed "method-not-allowed" METHOD_NOT_ALLOWED "The resource does not take this method"
        "The Allow header has those that it takes.";
    RequestTimeout "request-timeout" REQUEST_TIMEOUT "The request did not end in time"
        "Its head, or its body, was not sent within the time that a request may take.";
    AnswerLost "answer-lost" CONFLICT "The answer to the first request with this key is lost"
        "The request may have been carried out, but what it was answered can't be read from the host's store any more, so it \
         is not carried out again. Look at what there is now, and send what is still to be done with a new key.";
    HookConflict "hook-conflict" CONFLICT "The hook is not such that it could become this"
        "`where` points to the member that does not go with what the hook is; `detail` says why.";
    PreconditionFailed "precondition-failed" PRECONDITION_FAILED "The hook or resource is not as the request is for"
        "The hook was changed since the client read it, and If-Match does not name its version; or If-None-Match does. \
         `etag` has its tag now. Read the hook again, and make the change anew. An instance or a realm has a weak tag, with \
         which If-Match never holds.";
    UriTooLong "uri-too-long" URI_TOO_LONG "The path and query are too long"
        "They have at most some 64 KB.";
    HeadTooLarge "head-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too large"
        "There are at most 100 of them, and with the request's line they have as many bytes as the \
         host allows, 128 KiB if nobody set that.";
    BodyTooLarge "body-too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "`limit` says how many bytes it may have.";
    UnsupportedMediaType "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "The body is of a type that is not read"
        "Bodies are application/json for hooks, and application/x-www-form-urlencoded for PUT of a resource.";
    UnsupportedContentCoding "unsupported-content-coding" UNSUPPORTED_MEDIA_TYPE "The body has a coding that is not read"
        "A body may be compressed with gzip, and Content-Encoding has to say so. No other coding is read.";
    IdempotencyKeyReused "idempotency-key-reused" UNPROCESSABLE_ENTITY "The key came with another request"
        "An Idempotency-Key belongs to one request, which is sent again with the same path and body.";
    TooManyAttempts "too-many-attempts" TOO_MANY_REQUESTS "Too many wrong passwords"
        "Wait as Retry-After says. A password that was proven before gets in meanwhile.";
    Internal "internal" INTERNAL_SERVER_ERROR "The host failed"
        "This is a fault of the host; its log says more.";
    ProviderFailed "provider-failed" BAD_GATEWAY "The provider or its driver failed"
        "No usable answer came from the provider; `code` says in one word what was wrong.";
    ProviderThrottled "provider-throttled" SERVICE_UNAVAILABLE "The provider asks for fewer requests"
        "Wait as Retry-After says.";
    ProofsBusy "proofs-busy" SERVICE_UNAVAILABLE "The credentials could not be checked in time"
        "Too many others wait to be checked at the same provider, or at providers that give no answer. Try again as \
         Retry-After says.";
    NoDriver "no-driver" SERVICE_UNAVAILABLE "The host has none of the drivers that it is to have"
        "The host's log says why each is not loaded. Put that right, and run `tracker driver reload`.";
    StoreUnavailable "store-unavailable" SERVICE_UNAVAILABLE "The host's store is not available"
        "Try again; the host's log says more.";
    StoreFull "store-full" INSUFFICIENT_STORAGE "The host's disk is full, or its store as large as it may be"
        "Reading goes on; try again as Retry-After says, once the operator has made room.";
    AccountFull "account-full" INSUFFICIENT_STORAGE "The account takes as much of the host's store as it may"
        "Reading and deleting go on. `storage` in /api/account says how much that is. Delete hooks that have many pending changes, or wait \
         until changes are old enough to be forgotten; the operator can raise the account's share.";
    TooManyStreams "too-many-streams" SERVICE_UNAVAILABLE "Too many streams are open"
        "Try again as Retry-After says, or read the feed page by page. `limit` says how many may be open at once.";
    StreamLimit "stream-limit" TOO_MANY_REQUESTS "The caller has as many streams open as it may have"
        "`of` says whether that is the account, the token or the address, and `limit` how many it may have open, requests \
         that wait included. Close some, or try again as Retry-After says.";
    RequestLimit "request-limit" TOO_MANY_REQUESTS "The caller has as many requests under way as it may have"
        "`of` says whether that is the account or the address, and `limit` how many requests, or bytes of them, it may have \
         under way at once. Wait for an answer, or try again as Retry-After says.";
    TooManyRequestsAtOnce "too-many-requests-at-once" SERVICE_UNAVAILABLE "Too many requests are under way"
        "The host answers as many as it may at once, or holds as many bytes of requests, which `limit` says. Try again as \
         Retry-After says.";
    TooManyConnections "too-many-connections" SERVICE_UNAVAILABLE "Too many connections are open"
        "The address has as many as the host allows, and a request is under way on each. Try again as Retry-After says.";
    Starting "starting" SERVICE_UNAVAILABLE "The host is starting"
        "It opens its store and loads its drivers, which may have to be compiled. Wait as Retry-After says.";
    Stopping "stopping" SERVICE_UNAVAILABLE "The host is stopping"
        "Try again once it has started anew.";
    Timeout "timeout" GATEWAY_TIMEOUT "No answer in time"
        "The provider did not answer in time. Try again: what was begun may be done by then.";
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
                "title": "The account has as many hooks as it may have",
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
