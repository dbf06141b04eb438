//! Decides whether the stored list of an account is fresh enough for an answer. The host polls a watched account
//! regularly, and answers with its last list. It polls any other account on request, and the caller waits for the poll.
//! After a failed poll the answer is its error, until the next try is due.

use std::time::Duration;

use tokio::sync::watch;

use crate::api::app::App;
use crate::api::auth::caller::Caller;
use crate::api::errors;
use crate::api::problem::{Problem, ProblemType};
use crate::metrics::Unrecorded;
use crate::model::{ErrorCode, Kind, Owner, ResourceId, Timestamp};
use crate::store::{PollError, PollStatus, StoreError};

/// How often a request that waits for a poll looks for it without having been told of one: the hint may
/// get lost, and another host on the same store may be the one that polls.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For how long to wait where a poll takes longer than a request may.
const RETRY_SOON: Duration = Duration::from_secs(5);

/// Returns once the store has an answer for the caller about this kind of resource, from a list that is
/// fresh enough; or the problem, should it have none at all.
pub(crate) async fn wait(app: &App, caller: &Caller, kind: Kind) -> Result<(), Problem> {
    let context = &app.context;
    let fresh_for = fresh_for(app, kind);
    let before = status(app, caller, kind).await?;
    let mut view = View { now: context.clock.now(), fresh_for, proven: caller.proven, account: AccountIs::NotWatched };
    // What is fresh is fresh, watched or not: only otherwise is it worth another look into the store.
    if matches!(judge(before.as_ref(), &view), Footing::Fresh) {
        return Ok(());
    }
    if is_watched(app, caller).await? {
        view.account = AccountIs::Watched;
    }
    match judge(before.as_ref(), &view) {
        Footing::Fresh | Footing::Stale => Ok(()),
        Footing::Failed { error, retry_after } => Err(failed(app, caller, &error, retry_after)),
        Footing::Poll => {
            let attempted = before.and_then(|status| status.last_attempt);
            let after = poll(app, caller, kind, attempted).await?;
            settle(app, caller, after)
        }
    }
}

fn fresh_for(app: &App, kind: Kind) -> Duration {
    match kind {
        Kind::Instance => app.context.settings.fresh_instances,
        Kind::Realm => app.context.settings.fresh_realms,
    }
}

pub(crate) async fn status(app: &App, caller: &Caller, kind: Kind) -> Result<Option<PollStatus>, Problem> {
    let all = app.context.store.poll_status(caller.account).await?;
    Ok(all.into_iter().find(|status| status.kind == kind))
}

pub(crate) async fn is_watched(app: &App, caller: &Caller) -> Result<bool, Problem> {
    Ok(is_configured(app, caller) || app.context.store.count_hooks(caller.account).await? > 0)
}

pub(crate) fn is_configured(app: &App, caller: &Caller) -> bool {
    app.context.roster.accounts().iter().any(|account| account.key == caller.key)
}

/// Has an account that is not polled regularly polled once more where its lists are not fresh, without waiting for it:
/// for somebody who follows what happens.
pub(crate) async fn keep_polled(app: &App, caller: &Caller) -> Result<(), Problem> {
    if is_watched(app, caller).await? {
        return Ok(());
    }
    let context = &app.context;
    let now = context.clock.now();
    let all = context.store.poll_status(caller.account).await?;
    for kind in Kind::ALL {
        let fresh_for = fresh_for(app, kind);
        let again = all.iter().find(|status| status.kind == kind).and_then(|status| again_at(status, now, fresh_for));
        if again.is_none_or(|again| again <= now) {
            context.clock.while_steady(|now| context.store.request_poll(caller.account, kind, now)).await?;
        }
    }
    Ok(())
}

/// Asks for a poll and waits for its end; gives the status then. `attempted` is the last attempt before:
/// a poll that was under way already is as good as a new one.
pub(crate) async fn poll(
    app: &App,
    caller: &Caller,
    kind: Kind,
    attempted: Option<Timestamp>,
) -> Result<Waited, Problem> {
    let context = &app.context;
    let before = Before::of(app, caller, kind);
    let request = |now| context.store.request_poll(caller.account, kind, now);
    let requested = context.clock.while_steady(request).await;
    ended(app, caller, kind, (before, requested), |status| status.and_then(|status| status.last_attempt) != attempted)
        .await
}

/// The same for a single instance: a poll of everything answers for it, too.
pub(crate) async fn poll_one(
    app: &App,
    caller: &Caller,
    id: ResourceId,
    attempted: Option<Timestamp>,
) -> Result<Waited, Problem> {
    let context = &app.context;
    let before = Before::of(app, caller, Kind::Instance);
    let request = async |asked| (asked, context.store.request_ids(caller.account, vec![id], asked).await);
    let (asked, requested) = context.clock.while_steady(request).await;
    ended(app, caller, Kind::Instance, (before, requested), |status| {
        let began = status.and_then(|status| status.ids_polled);
        status.and_then(|status| status.last_attempt) != attempted || began.is_some_and(|began| began >= asked)
    })
    .await
}

/// How things stood before a poll was requested: it may have ended before anybody waits for it.
struct Before {
    polled: watch::Receiver<u64>,
    unrecorded: Option<Unrecorded>,
}

impl Before {
    fn of(app: &App, caller: &Caller, kind: Kind) -> Before {
        let context = &app.context;
        let unrecorded = context.metrics.work.health().unrecorded_of(caller.account, kind);
        Before { polled: context.polled.clone(), unrecorded }
    }
}

/// Waits until a poll that was requested has ended, which `is_over` tells by the status.
async fn ended(
    app: &App,
    caller: &Caller,
    kind: Kind,
    (before, requested): (Before, Result<(), StoreError>),
    is_over: impl Fn(Option<&PollStatus>) -> bool,
) -> Result<Waited, Problem> {
    let context = &app.context;
    if let Err(error) = requested {
        // The store may have forgotten the account, which a new proof makes known again.
        app.proofs.distrust(&caller.key, caller.proven);
        return Err(error.into());
    }
    // It will be made once the circuit is closed, which no request waits for.
    let endpoint = context.roster.endpoint(&caller.key.driver, &caller.key.provider);
    if context.poll_shares.endpoints().view(&endpoint).open_until.is_some() {
        return Ok(Waited::InVain(status(app, caller, kind).await?));
    }
    let Before { mut polled, unrecorded: before } = before;
    let unrecorded = || context.metrics.work.health().unrecorded_of(caller.account, kind);
    let ended = async {
        loop {
            let status = status(app, caller, kind).await?;
            if is_over(status.as_ref()) {
                return Ok::<_, Problem>(Waited::Polled(status));
            }
            if let Some(lost) = unrecorded().filter(|lost| Some(lost) != before.as_ref()) {
                return Ok(Waited::Unrecorded(status, lost));
            }
            if status.is_none() && context.store.account(caller.account).await?.is_none() {
                app.proofs.distrust(&caller.key, caller.proven);
                let detail = "the account was deleted while the request waited for its list";
                return Err(Problem::new(ProblemType::CredentialsRefused, detail));
            }
            if tokio::time::timeout(LOOK_EVERY, polled.changed()).await.is_ok_and(|changed| changed.is_err()) {
                // Nobody is there any more to tell of polls.
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(context.settings.poll_wait, ended) => match ended {
            Ok(waited) => waited,
            Err(_) => Ok(Waited::InVain(status(app, caller, kind).await?)),
        },
        ended = caller.end(&*context.clock) => Err(ended.into()),
        () = app.stopping.cancelled() => {
            Err(Problem::new(ProblemType::Stopping, "the host is stopping").retry_after(RETRY_SOON))
        }
    }
}

pub(crate) enum Waited {
    Polled(Option<PollStatus>),
    InVain(Option<PollStatus>),
    /// It was made, and the store did not take what came of it.
    Unrecorded(Option<PollStatus>, Unrecorded),
}

/// What a poll that was waited for makes of the request: any list there ever was is an answer.
fn settle(app: &App, caller: &Caller, waited: Waited) -> Result<(), Problem> {
    let (Waited::Polled(status) | Waited::InVain(status) | Waited::Unrecorded(status, _)) = &waited;
    let ever_listed = status.as_ref().is_some_and(has_list);
    match (&waited, status.as_ref().and_then(|status| status.last_error.as_ref())) {
        _ if ever_listed => Ok(()),
        // A poll with another password than the one proven meanwhile: the one that was asked for follows.
        (Waited::Polled(Some(status)), Some(_)) if is_outdone(status, caller.proven) => Err(not_listed_yet()),
        (Waited::Polled(_), Some(error)) => Err(failed(app, caller, error, RETRY_SOON)),
        (Waited::Unrecorded(_, lost), _) => Err(errors::poll_unrecorded(lost)),
        _ => Err(not_listed_yet()),
    }
}

fn not_listed_yet() -> Problem {
    let detail = "the provider has not returned its list yet; the poll continues, try again";
    Problem::new(ProblemType::Timeout, detail).retry_after(RETRY_SOON)
}

fn failed(app: &App, caller: &Caller, error: &PollError, retry_after: Duration) -> Problem {
    // A client's account is polled with the password that the client proved: the provider has changed its
    // mind about it. One of the configuration is polled with the password there, which says nothing of it.
    let by_account = caller.owner == Owner::Account;
    if error.code == ErrorCode::Unauthorized && by_account && !is_configured(app, caller) {
        app.proofs.distrust(&caller.key, error.at);
        let detail = "the provider no longer accepts this user and password";
        return Problem::new(ProblemType::CredentialsRefused, detail);
    }
    errors::poll_failed(error, retry_after)
}

#[derive(Clone, Copy)]
enum AccountIs {
    Watched,
    NotWatched,
}

/// From where a status is looked at.
#[derive(Clone, Copy)]
struct View {
    now: Timestamp,
    fresh_for: Duration,
    /// When the caller's credentials were proven.
    proven: Timestamp,
    account: AccountIs,
}

/// What to do about a request, as the last poll stands.
#[derive(Debug)]
enum Footing {
    Fresh,
    /// Not fresh, but what is there is the answer.
    Stale,
    /// There is nothing to answer with, and it is too early to try again.
    Failed {
        error: PollError,
        retry_after: Duration,
    },
    Poll,
}

/// Whether a poll was refused with a password from before the one that was proven: that may do better.
fn is_outdone(status: &PollStatus, proven: Timestamp) -> bool {
    let is_refused = status.last_error.as_ref().is_some_and(|error| error.code == ErrorCode::Unauthorized);
    let began = status.last_attempt.map(|ended| ended.before(status.last_duration.unwrap_or_default()));
    is_refused && began.is_some_and(|began| began <= proven)
}

/// Whether there was ever a list, complete or not.
fn has_list(status: &PollStatus) -> bool {
    status.last_complete.is_some() || (status.failures == 0 && status.last_attempt.is_some())
}

/// When an account that is not watched may be polled again because somebody asks: when its list is no longer fresh, or
/// when a poll that failed is to be tried again. None: now, as it was never polled, or the clock was set back since.
fn again_at(status: &PollStatus, now: Timestamp, fresh_for: Duration) -> Option<Timestamp> {
    let attempted = status.last_attempt.filter(|attempted| *attempted <= now)?;
    let retry = status.retry.filter(|_| status.failures > 0);
    Some(retry.unwrap_or_else(|| attempted.after(fresh_for)))
}

fn judge(status: Option<&PollStatus>, view: &View) -> Footing {
    let Some((status, attempted)) = status.and_then(|status| Some((status, status.last_attempt?))) else {
        return Footing::Poll;
    };
    let is_recent = attempted <= view.now && view.now.since(attempted) < view.fresh_for;
    if status.failures == 0 && is_recent {
        return Footing::Fresh;
    }
    let is_watched = matches!(view.account, AccountIs::Watched);
    if is_watched && status.last_complete.is_some() {
        return Footing::Stale;
    }
    let Some(error) = status.last_error.as_ref().filter(|_| status.failures > 0) else {
        return Footing::Poll;
    };
    if is_outdone(status, view.proven) {
        return Footing::Poll;
    }
    let next = if is_watched { status.next_due } else { None };
    let next = next.or_else(|| again_at(status, view.now, view.fresh_for)).unwrap_or(view.now);
    if next <= view.now || attempted > view.now {
        Footing::Poll
    } else if has_list(status) {
        Footing::Stale
    } else {
        Footing::Failed { error: error.clone(), retry_after: next.since(view.now) }
    }
}

#[cfg(test)]
mod tests;
