//! The feed as a stream of server-sent events. The connection pulls the stream: the host produces only what the reader
//! takes, so a slow reader costs no memory, only its slot. A reader that takes nothing for too long is disconnected,
//! and gets the cursor to continue from.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use tokio_util::sync::CancellationToken;

use super::events::{self, End};
use super::hub::{Behind, Listener};
use super::page::place;
use super::shares::{Place, Waits};
use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::auth::tickets::PARAMETER;
use crate::api::input::filter;
use crate::api::input::parameters::{ParameterError, Parameters};
use crate::api::problem::Problem;
use crate::api::resources::documents::Document;
use crate::api::resources::documents::track::TrackDocument;
use crate::api::resources::fresh;
use crate::clock::Stopwatch;
use crate::model::{Cursor, Filter, Kind, ResourceId};
use crate::store::{After, ChangeQuery, ListQuery, StoreError};

const KNOWN: &[&str] = &["since", "snapshot", PARAMETER, "kind", "id", "realm_id", "type", "from", "to", "format"];

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many changes or resources are taken at once.
const AT_ONCE: usize = 100;

/// Opens a stream behind `Last-Event-ID`, or `since`, or the journal's end.
pub(crate) async fn open(
    app: &Arc<App>,
    caller: Caller,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    parameters.only(KNOWN)?;
    parameters.check_format()?;
    let settings = &app.context.settings;
    let filter = filter::of_parameters(parameters, settings.filter_items)?;
    let wants_snapshot = match parameters.get("snapshot") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("snapshot", "is true or false")),
    };
    if wants_snapshot && parameters.get("since").is_some() {
        return Err(invalid("since", "cannot be combined with snapshot=true, which begins with the current state"));
    }
    let last_id = match headers.get(LAST_EVENT_ID).map(HeaderValue::to_str) {
        None | Some(Ok("")) => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(invalid("since", "is not what Last-Event-ID has: that is not a cursor")),
    };
    let own_place = app.shares.take(&caller, Waits::Stream, &filter)?;

    let listener = app.hub.listen(caller.account);
    let extent = app.context.store.extent(caller.account).await?;
    let after = match place(last_id.or(parameters.get("since")).unwrap_or("now"), extent.newest)? {
        After::Oldest => extent.oldest.sequence,
        After::Number(number) if number < extent.oldest.sequence => {
            return Err(StoreError::Forgotten { oldest: extent.oldest }.into());
        }
        After::Number(number) => number,
    };
    let mut existing = Vec::new();
    if wants_snapshot && last_id.is_none() {
        existing
            .extend(Kind::ALL.into_iter().rev().filter(|kind| filter.kinds.is_empty() || filter.kinds.contains(kind)));
        for &kind in &existing {
            fresh::wait(app, &caller, kind).await?;
        }
    }
    let stream = Stream {
        app: Arc::clone(app),
        caller,
        filter,
        listener,
        store: extent.newest.store,
        position: after,
        snapshot: (!existing.is_empty()).then_some(Snapshot { kinds: existing, after: None }),
        opened: Stopwatch::start(),
        beaten: Stopwatch::start(),
        handed: None,
        has_ended: false,
        stopping: app.stopping.clone(),
        own_place,
    };
    let body = Body::from_stream(unfold(stream, |mut stream| async move {
        let bytes = stream.next().await?;
        Some((Ok::<_, Infallible>(bytes), stream))
    }));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // A proxy that collects answers before it passes them on would hold every event back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

fn invalid(name: &'static str, why: &str) -> Problem {
    ParameterError::Invalid { name, why: why.into() }.into()
}

struct Stream {
    app: Arc<App>,
    caller: Caller,
    filter: Filter,
    listener: Listener,
    /// The store's mark, which is part of every cursor.
    store: u32,
    /// The number of the journal up to which the reader was given everything.
    position: i64,
    /// What is still to be given of what exists.
    snapshot: Option<Snapshot>,
    opened: Stopwatch,
    /// Since the last heartbeat.
    beaten: Stopwatch,
    /// Since the reader was last given something.
    handed: Option<Stopwatch>,
    has_ended: bool,
    stopping: CancellationToken,
    own_place: Place,
}

struct Snapshot {
    /// Those that are left, the next one last.
    kinds: Vec<Kind>,
    after: Option<ResourceId>,
}

impl Stream {
    /// What the reader gets next; nothing once the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        let settings = &self.app.context.settings;
        if self.handed.take().is_some_and(|handed| handed.elapsed() > settings.feed_stall) {
            return Some(self.end(End::Slow));
        }
        let bytes = match self.forward().await {
            Ok(bytes) => bytes,
            Err(why) => self.end(why),
        };
        self.handed = Some(Stopwatch::start());
        Some(bytes)
    }

    async fn forward(&mut self) -> Result<Bytes, End> {
        let (every, open_for) = {
            let settings = &self.app.context.settings;
            (settings.feed_heartbeat, settings.feed_stream_for)
        };
        loop {
            if self.opened.elapsed() >= open_for {
                return Err(End::Expired);
            }
            if self.own_place.is_given_up() {
                return Err(self.given_up());
            }
            if let Some(ended) = self.caller.ended(self.app.context.clock.now()) {
                return Err(ended.into());
            }
            if self.beaten.elapsed() >= every {
                self.beaten = Stopwatch::start();
                self.keep_polled().await;
                if self.snapshot.is_none() {
                    return Ok(events::heartbeat(self.cursor()));
                }
            }
            if self.snapshot.is_some() {
                return self.existing().await;
            }
            if let Some(bytes) = self.ready().await? {
                return Ok(bytes);
            }
            let until = every.saturating_sub(self.beaten.elapsed()).min(open_for.saturating_sub(self.opened.elapsed()));
            tokio::select! {
                () = self.listener.changed() => {}
                () = tokio::time::sleep(until) => {}
                () = self.stopping.cancelled() => return Err(End::Stopping),
                () = self.own_place.given_up() => return Err(self.given_up()),
                ended = self.caller.end(&*self.app.context.clock) => return Err(ended.into()),
            }
        }
    }

    /// What there is behind the position, which moves on; nothing where that is the end of the journal.
    async fn ready(&mut self) -> Result<Option<Bytes>, End> {
        loop {
            // Asked before the ring is read: all up to there is in it.
            let known = self.listener.position();
            match self.listener.behind(self.position, AT_ONCE) {
                Behind::Here(entries) => {
                    let is_all = entries.len() < AT_ONCE;
                    self.position = entries.last().map_or(self.position, |entry| entry.number);
                    if is_all {
                        self.position = self.position.max(known);
                    }
                    let passing: Vec<&Bytes> = entries
                        .iter()
                        .filter(|entry| self.filter.matches(&entry.what))
                        .map(|entry| &entry.event)
                        .collect();
                    if let [one] = passing[..] {
                        return Ok(Some(one.clone()));
                    }
                    if !passing.is_empty() {
                        return Ok(Some(joined(passing)));
                    }
                    if is_all {
                        return Ok(None);
                    }
                }
                Behind::Further => {
                    let events = self.stored().await?;
                    if !events.is_empty() {
                        return Ok(Some(events));
                    }
                }
            }
        }
    }

    /// The next page of the journal from the store, which may have nothing that passes.
    async fn stored(&mut self) -> Result<Bytes, End> {
        let query = ChangeQuery {
            after: After::Number(self.position),
            filter: self.filter.clone(),
            limit: AT_ONCE,
            looked_at: AT_ONCE * 10,
        };
        let page = self.app.context.store.changes(self.caller.account, query).await.map_err(|error| failed(&error))?;
        self.position = page.next.sequence;
        let public_url = &self.app.context.public_url;
        let events: Vec<Bytes> = page.changes.iter().map(|change| events::change(change, public_url)).collect();
        Ok(joined(events.iter()))
    }

    /// The next of what exists, or the mark behind all of it.
    async fn existing(&mut self) -> Result<Bytes, End> {
        let context = &self.app.context;
        while let Some(snapshot) = &mut self.snapshot
            && let Some(&kind) = snapshot.kinds.last()
        {
            let query = ListQuery {
                kind,
                id: None,
                state: None,
                realm: None,
                after: snapshot.after.take(),
                limit: AT_ONCE,
                at: None,
                owner: self.caller.owner.clone(),
            };
            let seen = context.store.list(self.caller.account, query).await.map_err(|error| failed(&error))?;
            if seen.is_more {
                snapshot.after = seen.last().map(|last| last.resource.id().clone());
            } else {
                snapshot.kinds.pop();
            }
            let events: Vec<Bytes> = seen
                .iter()
                .filter(|seen| self.filter.shows(&seen.resource))
                .map(|seen| {
                    let track = seen.track.as_ref().map(TrackDocument::from);
                    events::existing(kind.as_str(), &Document::of(seen, &context.public_url, track))
                })
                .collect();
            if !events.is_empty() {
                return Ok(joined(events.iter()));
            }
        }
        self.snapshot = None;
        Ok(events::snapshot_end(self.cursor()))
    }

    /// Sees to it that an account that nobody has a hook on is polled while somebody follows it.
    async fn keep_polled(&self) {
        if self.listener.looks_after_it(self.app.context.settings.feed_heartbeat)
            && let Err(problem) = fresh::keep_polled(&self.app, &self.caller).await
        {
            tracing::warn!(account = %self.caller.key, "cannot request a poll for a stream: {problem:?}");
        }
    }

    fn given_up(&self) -> End {
        if self.own_place.is_forgotten() { End::AccountForgotten } else { End::Displaced }
    }

    fn cursor(&self) -> Cursor {
        Cursor { store: self.store, sequence: self.position }
    }

    fn end(&mut self, why: End) -> Bytes {
        self.has_ended = true;
        events::end(why, self.snapshot.is_none().then(|| self.cursor()))
    }
}

fn failed(error: &StoreError) -> End {
    match error {
        StoreError::Forgotten { .. } => End::Forgotten,
        error => {
            tracing::error!("a stream ends because the store cannot be read: {error}");
            End::StoreUnavailable
        }
    }
}

fn joined<'a>(events: impl IntoIterator<Item = &'a Bytes>) -> Bytes {
    let mut all = BytesMut::new();
    for event in events {
        all.extend_from_slice(event);
    }
    all.freeze()
}
