//! Requests that a client may repeat, and the answers that they were given.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::super::{Begun, RepeatableRequest, Repeats, RequestId, Result};
use super::SqliteStore;
use super::columns::get;
use super::damage::{Key, Source};
use super::writer::Writing;
use crate::model::{Sealed, Timestamp};

/// How many old ones go with each new one: more than one, so that they never gather.
const FORGOTTEN_AT_ONCE: i64 = 8;

#[async_trait]
impl Repeats for SqliteStore {
    async fn begin_request(&self, request: RepeatableRequest) -> Result<Begun> {
        self.write(move |writing| begin(writing, &request)).await
    }

    async fn finish_request(&self, id: &RequestId, answer: Sealed) -> Result<()> {
        let id = id.clone();
        self.write(move |writing| {
            let sql = "UPDATE requests SET answer = ?4 WHERE account = ?1 AND owner = ?2 AND key = ?3";
            writing.prepare(sql)?.execute(params![id.account.0, id.owner.word(), id.key, answer.0])?;
            Ok(())
        })
        .await
    }

    async fn abandon_request(&self, id: &RequestId) -> Result<()> {
        let id = id.clone();
        self.write(move |writing| {
            let sql = "DELETE FROM requests WHERE account = ?1 AND owner = ?2 AND key = ?3 AND answer IS NULL";
            writing.prepare(sql)?.execute(params![id.account.0, id.owner.word(), id.key])?;
            Ok(())
        })
        .await
    }
}

fn begin(writing: &mut Writing<'_>, request: &RepeatableRequest) -> Result<Begun> {
    let mut delete = writing.prepare(
        "DELETE FROM requests WHERE (account, owner, key) IN (
             SELECT account, owner, key FROM requests WHERE begun < ?1 ORDER BY begun LIMIT ?2)",
    )?;
    delete.execute(params![request.forget.as_millis(), FORGOTTEN_AT_ONCE])?;
    let place = params![request.id.account.0, request.id.owner.word(), request.id.key];
    let mut select = writing
        .prepare("SELECT fingerprint, begun, answer FROM requests WHERE account = ?1 AND owner = ?2 AND key = ?3")?;
    // One that can't be read is begun anew, in its place.
    let account = request.id.account;
    let source = Source { table: "requests", account: Some(account), key: Key::Values(&[account.0]) };
    let known = select.query_row(place, |row| {
        writing.memory.damages.read(source, row, |row| Ok((row.get(0)?, get(row, 1)?, get(row, 2)?)))
    });
    let known: Option<(Vec<u8>, Timestamp, Option<Sealed>)> = known.optional()?.flatten();
    if let Some((fingerprint, begun, answer)) = known
        && begun >= request.forget
    {
        match answer {
            _ if fingerprint != request.fingerprint => return Ok(Begun::Another),
            Some(answer) => return Ok(Begun::Answered(answer)),
            None if begun >= request.abandoned => return Ok(Begun::UnderWay),
            None => {}
        }
    }
    let mut insert = writing.prepare(
        "INSERT OR REPLACE INTO requests (account, owner, key, fingerprint, begun) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![
        request.id.account.0,
        request.id.owner.word(),
        request.id.key,
        request.fingerprint,
        request.now.as_millis(),
    ])?;
    Ok(Begun::New)
}
