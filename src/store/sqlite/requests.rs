//! Requests that a client may repeat: the key and the answer of each are written in the transaction that does the work.
//!
//! Work in steps writes its key with the first step, its progress with each step, and the answer with the last one. A
//! repeated request continues from there, so that no step is done twice, and the answer counts all of them.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Once, Refusal, RepeatableRequest, Replay, Result, Written};
use super::columns::get;
use super::damage::{Damages, Key, Source};
use super::fault::Fault;
use super::writing::Writing;
use crate::model::{Sealed, Timestamp};

/// How many old ones go with each new one: more than one, so that they never gather.
const FORGOTTEN_AT_ONCE: i64 = 8;

/// How far work in steps is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) done: i64,
    /// The number of the last change that it took.
    pub(super) reached: i64,
}

/// What is known of a request.
pub(super) enum Found {
    /// Some of its steps were made.
    Begun(Progress),
    Ended(Replay),
    /// Whether it was carried out can't be told: it must not be done twice.
    Damaged,
}

/// Does the work of a request, unless it was carried out before, and keeps its answer.
pub(super) fn once<T>(
    writing: &mut Writing<'_>,
    once: Option<Once<T>>,
    work: impl FnOnce(&mut Writing<'_>) -> Result<Result<T, Refusal>>,
) -> Result<Written<T>> {
    if let Some(replay) = once.as_ref().map(|once| ended(writing, &once.request)).transpose()?.flatten() {
        return Ok(Written::Replayed(replay));
    }
    let done = work(writing)?;
    if let (Some(once), Ok(done)) = (&once, &done) {
        keep(writing, once, done)?;
    }
    Ok(done.into())
}

/// How the request was answered, if it was. For work in one step, which is never under way.
fn ended(writing: &Writing<'_>, request: &RepeatableRequest) -> Result<Option<Replay>> {
    match find(writing, request)? {
        None | Some(Found::Begun(_)) => Ok(None),
        Some(Found::Ended(replay)) => Ok(Some(replay)),
        Some(Found::Damaged) => Ok(Some(Replay::Lost)),
    }
}

/// What is known of a request, for whoever is about to do its work.
pub(super) fn find(writing: &Writing<'_>, request: &RepeatableRequest) -> Result<Option<Found>> {
    let found = look_up(writing.connection, &writing.memory.damages, request)?;
    if matches!(found, Some(Found::Damaged)) {
        lose(writing, request)?;
    }
    Ok(found)
}

pub(super) fn look_up(
    connection: &Connection,
    damages: &Damages,
    request: &RepeatableRequest,
) -> Result<Option<Found>> {
    let id = &request.id;
    let mut select = connection.prepare_cached(
        "SELECT account, owner, key, fingerprint, begun, answer, done, reached FROM requests
         WHERE account = ?1 AND owner = ?2 AND key = ?3",
    )?;
    let source = Source { table: "requests", account: Some(id.account), key: Key::Columns(&[0, 1, 2]) };
    let read = |row: &Row<'_>| {
        let progress = Progress { done: row.get(6)?, reached: row.get(7)? };
        let answer: Option<Sealed> = get(row, 5)?;
        Ok((row.get::<_, [u8; 32]>(3)?, get::<Timestamp>(row, 4)?, answer, progress))
    };
    let place = params![id.account.0, id.owner.word(), id.key];
    Ok(match select.query_row(place, |row| damages.read(source, row, read)).optional()? {
        None => None,
        Some(None) => Some(Found::Damaged),
        Some(Some((_, begun, ..))) if begun < request.forget => None,
        Some(Some((print, ..))) if print != request.fingerprint && !request.old_fingerprints.contains(&print) => {
            Some(Found::Ended(Replay::Another))
        }
        Some(Some((_, _, None, progress))) => Some(Found::Begun(progress)),
        Some(Some((_, _, Some(Sealed(answer)), _))) if answer.is_empty() => Some(Found::Ended(Replay::Lost)),
        Some(Some((_, _, Some(answer), _))) => Some(Found::Ended(Replay::Answered(answer))),
    })
}

/// Keeps the answer of a request whose work is done.
pub(super) fn keep<T>(writing: &Writing<'_>, once: &Once<T>, done: &T) -> Result<()> {
    let answer = (once.answer)(done).map_err(Fault::Answer)?;
    put(writing, &once.request, Progress::default(), Some(&answer))
}

/// Keeps how far a request is whose work goes on.
pub(super) fn note_progress(writing: &Writing<'_>, request: &RepeatableRequest, progress: Progress) -> Result<()> {
    put(writing, request, progress, None)
}

fn put(writing: &Writing<'_>, request: &RepeatableRequest, progress: Progress, answer: Option<&Sealed>) -> Result<()> {
    let mut delete = writing.prepare(
        "DELETE FROM requests WHERE (account, owner, key) IN (
             SELECT account, owner, key FROM requests WHERE begun < ?1 ORDER BY begun LIMIT ?2)",
    )?;
    delete.execute(params![request.forget.as_millis(), FORGOTTEN_AT_ONCE])?;
    let id = &request.id;
    // A request that goes on is remembered from its first step on.
    let mut upsert = writing.prepare(
        "INSERT INTO requests (account, owner, key, fingerprint, begun, answer, done, reached)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (account, owner, key) DO UPDATE SET begun = CASE WHEN begun < ?9 THEN excluded.begun ELSE begun END,
         fingerprint = excluded.fingerprint, answer = excluded.answer, done = excluded.done, reached = excluded.reached",
    )?;
    upsert.execute(params![
        id.account.0,
        id.owner.word(),
        id.key,
        request.fingerprint,
        request.now.as_millis(),
        answer.map(|answer| &answer.0),
        progress.done,
        progress.reached,
        request.forget.as_millis(),
    ])?;
    Ok(())
}

/// Has the row of a request say that its answer is lost, for as long as it would have been kept.
pub(super) fn lose(writing: &Writing<'_>, request: &RepeatableRequest) -> Result<()> {
    let id = &request.id;
    let sql = "UPDATE requests SET fingerprint = ?4, answer = x'', done = 0, reached = 0,
               begun = CASE WHEN typeof(begun) = 'integer' AND begun BETWEEN 0 AND ?5 THEN begun ELSE ?5 END
               WHERE account = ?1 AND owner = ?2 AND key = ?3";
    let place = params![id.account.0, id.owner.word(), id.key, request.fingerprint, request.now.as_millis()];
    writing.prepare(sql)?.execute(place)?;
    Ok(())
}
