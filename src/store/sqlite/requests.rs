//! Requests that a client may repeat, and the answers that they were given.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::{Begun, RepeatableRequest, Repeats, RequestId, Result};
use super::SqliteStore;
use super::columns::get;
use super::damage::{Key, Source};
use super::fair_pool::Flow;
use super::writer::Writing;
use crate::model::{Sealed, Timestamp};

/// How many old ones go with each new one: more than one, so that they never gather.
const FORGOTTEN_AT_ONCE: i64 = 8;

#[async_trait]
impl Repeats for SqliteStore {
    async fn begin_request(&self, request: RepeatableRequest) -> Result<Begun> {
        self.write(Flow::Account(request.id.account), move |writing| begin(writing, &request)).await
    }

    async fn finish_request(&self, id: &RequestId, answer: Sealed) -> Result<()> {
        let id = id.clone();
        self.write(Flow::Account(id.account), move |writing| {
            let sql = "UPDATE requests SET answer = ?4 WHERE account = ?1 AND owner = ?2 AND key = ?3";
            writing.prepare(sql)?.execute(params![id.account.0, id.owner.word(), id.key, answer.0])?;
            Ok(())
        })
        .await
    }

    async fn lose_answer(&self, id: &RequestId, why: &'static str) -> Result<()> {
        let id = id.clone();
        self.write(Flow::Account(id.account), move |writing| {
            let key = vec![
                Value::Integer(id.account.0),
                Value::Blob(id.owner.word().as_bytes().to_vec()),
                Value::Blob(id.key.as_bytes().to_vec()),
            ];
            writing.memory.damages.note("requests", Some(id.account), key, "answer", why);
            lose(writing, &id)
        })
        .await
    }

    async fn abandon_request(&self, id: &RequestId) -> Result<()> {
        let id = id.clone();
        self.write(Flow::Account(id.account), move |writing| {
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
    let mut select = writing.prepare(
        "SELECT account, owner, key, fingerprint, begun, answer FROM requests
         WHERE account = ?1 AND owner = ?2 AND key = ?3",
    )?;
    let source = Source { table: "requests", account: Some(request.id.account), key: Key::Columns(&[0, 1, 2]) };
    let read =
        |row: &Row<'_>| Ok((row.get::<_, [u8; 32]>(3)?, get::<Timestamp>(row, 4)?, get::<Option<Sealed>>(row, 5)?));
    let known = select.query_row(place, |row| writing.memory.damages.read(source, row, read)).optional()?;
    drop(select);
    match known {
        // Whether it was carried out can't be told: it must not be done twice.
        Some(None) => {
            let sql = "UPDATE requests SET fingerprint = ?4, begun = ?5, answer = x''
                       WHERE account = ?1 AND owner = ?2 AND key = ?3";
            let id = &request.id;
            let now = request.now.as_millis();
            writing.prepare(sql)?.execute(params![id.account.0, id.owner.word(), id.key, request.fingerprint, now])?;
            return Ok(Begun::Lost);
        }
        Some(Some((fingerprint, begun, answer))) if begun >= request.forget => match answer {
            _ if fingerprint != request.fingerprint => return Ok(Begun::Another),
            Some(Sealed(answer)) if answer.is_empty() => return Ok(Begun::Lost),
            Some(answer) => return Ok(Begun::Answered(answer)),
            None if begun >= request.abandoned => return Ok(Begun::UnderWay),
            None => {}
        },
        Some(Some(_)) | None => {}
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

fn lose(writing: &Writing<'_>, id: &RequestId) -> Result<()> {
    let sql = "UPDATE requests SET answer = x'' WHERE account = ?1 AND owner = ?2 AND key = ?3";
    writing.prepare(sql)?.execute(params![id.account.0, id.owner.word(), id.key])?;
    Ok(())
}

/// What the last host had under way is answered by nobody any more.
pub(super) fn void(connection: &Connection) -> Result<()> {
    connection.execute("DELETE FROM requests WHERE answer IS NULL", ())?;
    Ok(())
}
