//! Lists and single resources of both kinds: the last known state of the caller's account.

mod whole;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::documents::Document;
use super::documents::track::TrackDocument;
use super::fresh;
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::deltacloud::accept::InXml;
use crate::api::deltacloud::matrix::Matrix;
use crate::api::input::paging::{put_next, read_limit};
use crate::api::input::parameters::{ParameterError, Parameters};
use crate::api::problem::{Problem, ProblemType};
use crate::model::{Kind, ResourceId, State, Timestamp};
use crate::store::{self, HookTarget, ListQuery, StoreError, Track};

/// Where the feed goes on from a list.
const CURSOR: HeaderName = HeaderName::from_static("tracker-cursor");

/// What a client asks of a list.
pub(crate) struct Asked<'a> {
    pub(crate) parameters: &'a Parameters,
    pub(crate) form: Form,
    pub(crate) matrix: Matrix,
}

/// What the list will be told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Xml,
}

impl<S: Send + Sync> FromRequestParts<S> for Form {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Form, Infallible> {
        Ok(if parts.extensions.get::<InXml>().is_some() { Form::Xml } else { Form::Json })
    }
}

/// `GET` of a collection: one page of it, sorted by id. In XML it is all of it, unless the client sets a limit: clients
/// of the Deltacloud API know of no pages, and would take the first for everything.
pub(crate) async fn list(app: &Arc<App>, caller: &Caller, kind: Kind, asked: Asked<'_>) -> Result<Response, Problem> {
    let Asked { parameters, form, matrix } = asked;
    let query = Query::read(parameters, (kind, form), app.context.settings.page_items)?;
    let at = read_at(app, parameters)?;
    if at.is_none() {
        fresh::wait(app, caller, kind).await?;
    }
    // Read before the list: whoever follows the feed from here may read again what the list shows, and misses nothing.
    let cursor = app.context.store.extent(caller.account).await?.newest;
    // Whether a time of the past is known is asked also where nothing fits the filter.
    let limit = if query.state == States::None { 0 } else { query.limit };
    let wanted = ListQuery {
        kind,
        id: query.id,
        state: query.state.one(),
        realm: query.realm,
        after: query.after,
        limit,
        at,
        owner: caller.owner.clone(),
    };
    let read = || app.context.store.list(caller.account, wanted.clone());
    let page = if at.is_some() { of_the_past(app, caller, kind, read).await? } else { read().await? };
    let public_url = &app.context.public_url;
    let is_all_wanted = form == Form::Xml && parameters.get("limit").is_none();
    let next = page.last().filter(|_| page.is_more && !is_all_wanted).map(|last| {
        let query = parameters.with("after", &after_text(kind, last.resource.id()));
        let format = if form == Form::Xml { "&format=xml" } else { "" };
        format!("{public_url}/api{matrix}/{}?{query}{format}", kind.plural())
    });
    let mut response = if is_all_wanted && page.is_more {
        whole::written(Arc::clone(app), caller, wanted, page)?
    } else {
        let shown = page.iter().map(|seen| Document::shown(seen, public_url)).collect::<Vec<_>>();
        Json(std::collections::BTreeMap::from([(kind.plural(), shown)])).into_response()
    };
    if at.is_none() {
        let cursor = HeaderValue::try_from(cursor.to_string()).expect("invariant: a cursor is hexadecimal");
        response.headers_mut().insert(CURSOR, cursor);
    }
    if let Some(next) = next {
        put_next(&mut response, &next);
    }
    Ok(response)
}

/// `GET` of one resource.
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    target: (Kind, ResourceId),
    parameters: &Parameters,
) -> Result<Response, Problem> {
    let (kind, id) = target;
    parameters.only(&["at", "format"])?;
    parameters.check_format()?;
    let context = &app.context;
    if let Some(at) = read_at(app, parameters)? {
        let seen = of_the_past(app, caller, kind, || context.store.find_at(caller.account, kind, &id, at)).await?;
        let seen = seen.ok_or_else(|| {
            Problem::new(missing(kind), format!("{kind} {:?} was not in the account's last list at {at}", id.as_str()))
        })?;
        return Ok(Json(Document::of(&seen, &context.public_url, None)).into_response());
    }
    fresh::wait(app, caller, kind).await?;
    match context.store.find(caller.account, kind, &id, &caller.owner).await? {
        Some(seen) => {
            let track = seen.track.as_ref().map(TrackDocument::from);
            Ok(Json(Document::of(&seen, &context.public_url, track)).into_response())
        }
        None => Err(not_found(app, caller, kind, id).await?),
    }
}

/// A resource that was not seen has no state to show, be there a hook that waits for it or not; so it is
/// not found, and the problem shows the hook.
async fn not_found(app: &App, caller: &Caller, kind: Kind, id: ResourceId) -> Result<Problem, Problem> {
    let problem_type = missing(kind);
    let target = HookTarget { account: caller.account, owner: caller.owner.clone(), kind, resource: id };
    let hook = app.context.store.track_hook(&target).await?;
    let detail = format!("{kind} {:?} was not in the account's last list", target.resource.as_str());
    Ok(match hook {
        None => Problem::new(problem_type, detail),
        Some(hook) => {
            let track = TrackDocument::from(&Track {
                hook: hook.id,
                url: hook.spec.url,
                token_set: hook.spec.token.is_some(),
                status: hook.status,
            });
            let track = serde_json::to_value(track).map_err(Problem::internal)?;
            Problem::new(problem_type, format!("{detail}; a hook waits for it")).with("track", track)
        }
    })
}

fn missing(kind: Kind) -> ProblemType {
    match kind {
        Kind::Instance => ProblemType::InstanceNotFound,
        Kind::Realm => ProblemType::RealmNotFound,
    }
}

/// Reads the past. An account that was never listed is listed first, so that the answer says since when its past is known.
async fn of_the_past<T, R>(app: &App, caller: &Caller, kind: Kind, read: impl Fn() -> R) -> Result<T, Problem>
where
    R: Future<Output = store::Result<T>>,
{
    match read().await {
        Err(StoreError::PastUnknown { since: None }) => {
            fresh::wait(app, caller, kind).await?;
            Ok(read().await?)
        }
        read => Ok(read?),
    }
}

/// The time of the past that `at` names.
fn read_at(app: &App, parameters: &Parameters) -> Result<Option<Timestamp>, ParameterError> {
    let Some(text) = parameters.get("at") else { return Ok(None) };
    let invalid = |why: String| ParameterError::Invalid { name: "at", why };
    let at = text.parse::<Timestamp>().map_err(|error| invalid(format!("is {error}")))?;
    if at > app.context.clock.now() { Err(invalid("is in the future".to_owned())) } else { Ok(Some(at)) }
}

/// A list's query, valid.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    id: Option<ResourceId>,
    state: States,
    realm: Option<String>,
    after: Option<ResourceId>,
    limit: usize,
}

/// The states that a list is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum States {
    Any,
    One(State),
    /// The word is no state, which nothing fits.
    None,
}

impl States {
    /// Who wants JSON is told of a word that is no state. Deltacloud's clients were promised an empty list, as for
    /// every filter that fits nothing.
    fn read(text: &str, kind: Kind, form: Form) -> Result<States, ParameterError> {
        match (read_state(text, kind), form) {
            (Ok(state), _) => Ok(States::One(state)),
            (Err(_), Form::Xml) => Ok(States::None),
            (Err(error), Form::Json) => Err(error),
        }
    }

    fn one(self) -> Option<State> {
        match self {
            States::One(state) => Some(state),
            States::Any | States::None => None,
        }
    }
}

impl Query {
    fn read(parameters: &Parameters, list: (Kind, Form), page_items: usize) -> Result<Query, ParameterError> {
        let (kind, form) = list;
        parameters.only(match kind {
            Kind::Instance => &["id", "state", "realm_id", "at", "limit", "after", "format"],
            Kind::Realm => &["id", "state", "at", "limit", "after", "format"],
        })?;
        parameters.check_format()?;
        let id = parameters.get("id").map(|text| {
            ResourceId::parse(text)
                .map_err(|error| ParameterError::Invalid { name: "id", why: format!("is not one: {error}") })
        });
        Ok(Query {
            id: id.transpose()?,
            state: parameters.get("state").map_or(Ok(States::Any), |text| States::read(text, kind, form))?,
            realm: parameters.get("realm_id").map(str::to_owned),
            after: parameters.get("after").map(|text| read_after(text, kind)).transpose()?,
            limit: parameters.get("limit").map_or(Ok(page_items), |text| read_limit(text, page_items))?,
        })
    }
}

fn read_state(text: &str, kind: Kind) -> Result<State, ParameterError> {
    let of_kind = |state: &State| match state {
        State::Instance(_) => kind == Kind::Instance,
        State::Realm(_) => kind == Kind::Realm,
    };
    text.parse().ok().filter(of_kind).ok_or_else(|| {
        let words: Vec<&str> = State::ALL.iter().filter(|state| of_kind(state)).map(|state| state.as_str()).collect();
        ParameterError::Invalid { name: "state", why: format!("is one of {}", words.join(", ")) }
    })
}

/// Where a page begins: opaque to clients, and told apart from that of another collection.
fn after_text(kind: Kind, id: &ResourceId) -> String {
    BASE64URL.encode(format!("{kind}:{id}"))
}

fn read_after(text: &str, kind: Kind) -> Result<ResourceId, ParameterError> {
    let decoded = BASE64URL.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let id = decoded.as_deref().and_then(|text| text.split_once(':')).filter(|(of, _)| *of == kind.as_str());
    id.and_then(|(_, id)| ResourceId::parse(id).ok()).ok_or_else(|| ParameterError::Invalid {
        name: "after",
        why: format!("is not from the Link header of a list of {}", kind.plural()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InstanceState, RealmState};

    #[test]
    fn a_query_is_read_whole_or_refused() {
        let check = |kind: Kind, text: &str, want: Result<Query, &str>| {
            let parameters = Parameters::parse(text.as_bytes()).expect(text);
            let got = Query::read(&parameters, (kind, Form::Json), 1000);
            assert_eq!(got.map_err(|error| error.to_string()), want.map_err(str::to_owned), "{text}");
        };
        let all = || Query { id: None, state: States::Any, realm: None, after: None, limit: 1000 };
        let id = |text: &str| Some(ResourceId::parse(text).expect(text));
        check(Kind::Instance, "", Ok(all()));
        check(Kind::Instance, "format=json", Ok(all()));
        check(Kind::Instance, "format=xml", Err("format can only be json"));
        check(Kind::Instance, "limit=1&id=a%2Fb", Ok(Query { id: id("a/b"), limit: 1, ..all() }));
        let state = States::One(State::Instance(InstanceState::ShuttingDown));
        check(
            Kind::Instance,
            "state=SHUTTING_DOWN&realm_id=us",
            Ok(Query { state, realm: Some("us".into()), ..all() }),
        );
        let state = States::One(State::Realm(RealmState::Available));
        check(Kind::Realm, "state=AVAILABLE", Ok(Query { state, ..all() }));
        check(Kind::Realm, "state=RUNNING", Err("state is one of AVAILABLE, UNAVAILABLE"));
        let states = "state is one of PENDING, RUNNING, STOPPING, STOPPED, SHUTTING_DOWN, FINISH, ERROR, UNKNOWN";
        check(Kind::Instance, "state=AVAILABLE", Err(states));
        check(Kind::Instance, "state=running", Err(states));
        let parameters = Parameters::parse(b"state=running").expect("parameters");
        let in_xml = Query::read(&parameters, (Kind::Instance, Form::Xml), 1000);
        assert_eq!(in_xml, Ok(Query { state: States::None, ..all() }));
        for limit in ["0", "1001", "-1", "1000000000000000000000", "ten", ""] {
            check(Kind::Instance, &format!("limit={limit}"), Err("limit is a number from 1 to 1000"));
        }
        check(Kind::Instance, "id=", Err("id is not one: an id can't be empty"));
        check(
            Kind::Realm,
            "realm_id=us",
            Err(r#""realm_id" is not a known parameter; known parameters: id, state, at, limit, after, format"#),
        );
    }

    #[test]
    fn pages_follow_each_other() {
        let check = |kind: Kind, text: &str, want: Option<&str>| {
            let got = read_after(text, kind).ok();
            assert_eq!(got.as_ref().map(ResourceId::as_str), want, "{text}");
        };
        let id = ResourceId::parse("i-1:x").expect("id");
        let after = after_text(Kind::Instance, &id);
        check(Kind::Instance, &after, Some("i-1:x"));
        check(Kind::Realm, &after, None);
        for wrong in ["", "i-1", "%%%", "aW5zdGFuY2U6", "_w"] {
            check(Kind::Instance, wrong, None);
        }
        let parameters = Parameters::parse(b"limit=2&after=old&realm_id=a+b").expect("parameters");
        assert_eq!(parameters.with("after", "new"), "limit=2&realm_id=a+b&after=new");
    }
}
