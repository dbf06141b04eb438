//! The old versions of resources. When a resource changes or is removed, its version is stored with the times between
//! which it was the known one.

use rusqlite::{Connection, OptionalExtension, Row, Statement, params};

use super::super::{ListQuery, Page, Result, Seen, StoreError};
use super::bounded_page::{BoundedPage, text_of};
use super::columns::{get, kind_number, state_number};
use super::damage::{Key, Reading, Source};
use super::inventory::read_resource;
use super::marks::mark_of;
use super::writing::Writing;
use crate::model::{AccountId, Kind, ResourceId, Timestamp};

/// The name in `meta` of the time since which nothing of the past of any account was forgotten.
pub(super) const MARK: &str = "past";

/// What a resource is, as far as it does not stand in its body.
pub(super) struct Standing<'a> {
    pub(super) account: AccountId,
    pub(super) kind: Kind,
    pub(super) id: &'a ResourceId,
    pub(super) state: i64,
    /// When it was last seen.
    pub(super) seen: Timestamp,
    pub(super) body: i64,
    /// Since when it was as its body says.
    pub(super) since: Timestamp,
}

/// Puts aside what a resource is, which at `until` is found to be no longer so. Its body is the version's from now on.
pub(super) fn keep(writing: &Writing<'_>, standing: &Standing<'_>, until: Timestamp) -> Result<()> {
    if standing.since >= until {
        // After a step of the clock backward it ended before it began: nobody can ask for it.
        writing.prepare("DELETE FROM bodies WHERE id = ?1")?.execute([standing.body])?;
        return Ok(());
    }
    let mut insert = writing.prepare(
        "INSERT INTO versions (account, kind, id, until, state, seen, body, since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    insert.execute(params![
        standing.account.0,
        kind_number(standing.kind),
        standing.id.as_str(),
        until.as_millis(),
        standing.state,
        standing.seen.as_millis(),
        standing.body,
        standing.since.as_millis(),
    ])?;
    Ok(())
}

/// Reads id, state, name, realm, attributes, when it was first and last seen, since when it was in its state, and since
/// when it was as it was; `$is` has the resource. The body is read only where it is that of the time.
macro_rules! present {
    ($is:literal) => {
        concat!(
            "SELECT r.id, r.state, b.name, b.realm, b.attributes, b.first_seen, \
             MIN(CASE WHEN r.missing = 0 THEN MAX(r.seen, COALESCE(p.last_complete, r.seen)) ELSE r.seen END, ?4), \
             b.state_since, r.since, r.account, r.kind \
             FROM resources r LEFT JOIN bodies b ON b.id = CASE WHEN r.since <= ?4 THEN r.body END \
             LEFT JOIN polls p ON p.account = r.account AND p.kind = r.kind \
             WHERE r.account = ?1 AND r.kind = ?2 AND ",
            $is
        )
    };
}

/// Reads the same of versions, and number and end of each; `?1` is the time. Of one that was over by then nothing is read
/// but that: the index has it.
macro_rules! versions {
    ($which:literal) => {
        concat!(
            "SELECT v.id, CASE WHEN v.until > ?1 THEN v.state END AS state, b.name, b.realm, b.attributes, b.first_seen, \
             CASE WHEN v.until > ?1 THEN MIN(v.seen, ?1) END AS seen, b.state_since, \
             CASE WHEN v.until > ?1 THEN v.since END AS since, v.number, v.until FROM versions v INDEXED BY versions_resource \
             LEFT JOIN bodies b ON b.id = CASE WHEN v.until > ?1 AND v.since <= ?1 THEN v.body END \
             WHERE v.account = ?2 AND v.kind = ?3 AND ",
            $which
        )
    };
}

/// How many versions of a resource are looked at for the one of a time. The first that ended after it is the one, but
/// where the clock was set back in between.
const VERSIONS_LOOKED_AT: i64 = 8;

/// An id that has versions.
struct Past {
    id: String,
    /// What the one that ended first says of the time. Of what is that old that nothing older is kept, it is the one.
    first: Told,
}

/// The present and the past of an account's resources, as they were at a time.
struct Moment<'a> {
    reading: &'a Reading<'a>,
    account: AccountId,
    kind: Kind,
    at: Timestamp,
}

/// A page of what was known at that time, sorted by id. Whose hooks there are is a matter of the present.
///
/// It goes through the ids of the present and of the past side by side, and looks up the version of each, so that it costs
/// what the page costs, whatever the number of versions.
pub(super) fn list(reading: &Reading<'_>, account: AccountId, query: &ListQuery, at: Timestamp) -> Result<Page<Seen>> {
    require_known(reading, account, query.kind, at)?;
    let moment = Moment { reading, account, kind: query.kind, at };
    // No id is empty, so all come after it.
    let after = query.after.as_ref().map_or("", ResourceId::as_str);
    if let Some(id) = &query.id {
        let found = if id.as_str() > after { moment.find(id.as_str(), Some(query))? } else { None };
        return Ok(Page::of_all(found.into_iter().map(|(seen, _)| seen).take(query.limit).collect()));
    }
    let mut select = reading.prepare_cached(present!("r.id > ?3 ORDER BY r.id"))?;
    let mut rows = select.query(params![account.0, kind_number(query.kind), after, at.as_millis()])?;
    let mut present = rows.next()?;
    let mut select_past = reading.prepare_cached(versions!("v.id > ?4 ORDER BY v.id, v.until LIMIT 1"))?;
    let mut past = moment.next_past(&mut select_past, after, query)?;
    let mut page = BoundedPage::new(query.limit, reading.page_bytes);
    if query.limit == 0 {
        return Ok(page.finish());
    }
    loop {
        let present_id = match present {
            None => None,
            Some(row) => match row.get_ref(0)?.as_str() {
                Ok(id) => Some(id),
                Err(_) => {
                    let _: Option<ResourceId> = reading.damages.read(moment.present(), row, |row| get(row, 0))?;
                    present = rows.next()?;
                    continue;
                }
            },
        };
        let past_id = past.as_ref().map(|past| past.id.as_str());
        let id = match (present_id, past_id) {
            (None, None) => break,
            (Some(id), None) | (None, Some(id)) => id,
            (Some(one), Some(other)) => one.min(other),
        };
        let (in_present, in_past) = (present_id == Some(id), past_id == Some(id));
        let told = match present {
            Some(row) if in_present => moment.read(moment.present(), row, Some(query))?,
            _ => Told::NotYet,
        };
        let next_past = if in_past { Some(moment.next_past(&mut select_past, id, query)?) } else { None };
        let found = match told {
            Told::Row(found) => found,
            Told::NotYet if in_past => match past.take() {
                Some(Past { first: Told::Row(found), .. }) => found,
                Some(Past { id, first: Told::NotYet }) => moment.version(&id, Some(query))?,
                None => None,
            },
            Told::NotYet => None,
        };
        if let Some((seen, text)) = found {
            if !page.has_room_for(text) {
                break;
            }
            page.add(seen);
        }
        if in_present {
            present = rows.next()?;
        }
        past = next_past.unwrap_or(past);
    }
    Ok(page.finish())
}

pub(super) fn find(
    reading: &Reading<'_>,
    account: AccountId,
    kind: Kind,
    id: &ResourceId,
    at: Timestamp,
) -> Result<Option<Seen>> {
    require_known(reading, account, kind, at)?;
    Ok(Moment { reading, account, kind, at }.find(id.as_str(), None)?.map(|(seen, _)| seen))
}

impl Moment<'_> {
    fn find(&self, id: &str, query: Option<&ListQuery>) -> Result<Option<Found>> {
        let mut select = self.reading.prepare_cached(present!("r.id = ?3"))?;
        let mut rows = select.query(params![self.account.0, kind_number(self.kind), id, self.at.as_millis()])?;
        if let Some(row) = rows.next()?
            && let Told::Row(seen) = self.read(self.present(), row, query)?
        {
            return Ok(seen);
        }
        self.version(id, query)
    }

    /// The version of that time, if it is wanted.
    fn version(&self, id: &str, query: Option<&ListQuery>) -> Result<Option<Found>> {
        let mut select =
            self.reading.prepare_cached(versions!("v.id = ?4 AND v.until > ?1 ORDER BY v.until LIMIT ?5"))?;
        let at = self.at.as_millis();
        let mut rows = select.query(params![at, self.account.0, kind_number(self.kind), id, VERSIONS_LOOKED_AT])?;
        while let Some(row) = rows.next()? {
            if let Told::Row(seen) = self.read_version(row, query)? {
                return Ok(seen);
            }
        }
        Ok(None)
    }

    /// The next id that has versions; `select` looks for it.
    fn next_past(&self, select: &mut Statement<'_>, after: &str, query: &ListQuery) -> Result<Option<Past>> {
        let mut rows = select.query(params![self.at.as_millis(), self.account.0, kind_number(self.kind), after])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let id: Option<String> = self.reading.damages.read(self.past(), row, |row| row.get(0))?;
        let Some(id) = id else { return Ok(None) };
        Ok(Some(Past { id, first: self.read_version(row, Some(query))? }))
    }

    /// Where the rows of `present!` come from.
    fn present(&self) -> Source<'static> {
        Source { table: "resources", account: Some(self.account), key: Key::Columns(&[9, 10, 0]) }
    }

    /// Where the rows of `versions!` come from.
    fn past(&self) -> Source<'static> {
        Source { table: "versions", account: Some(self.account), key: Key::Columns(&[9]) }
    }

    fn read(&self, source: Source<'_>, row: &Row<'_>, query: Option<&ListQuery>) -> Result<Told> {
        let told = self.reading.damages.read(source, row, |row| match is_since(row, self.at)? {
            true => Ok(Told::Row(wanted(row, query)?)),
            false => Ok(Told::NotYet),
        })?;
        // One that can't be read is nothing that there was.
        Ok(told.unwrap_or(Told::Row(None)))
    }

    fn read_version(&self, row: &Row<'_>, query: Option<&ListQuery>) -> Result<Told> {
        let until = self.reading.damages.read(self.past(), row, |row| get::<Timestamp>(row, 10))?;
        if until.is_some_and(|until| until <= self.at) { Ok(Told::NotYet) } else { self.read(self.past(), row, query) }
    }
}

/// A resource, and how many bytes of text its row has.
type Found = (Seen, usize);

/// What a row says of the time.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
enum Told {
    /// What was there then, unless the query leaves it out.
    Row(Option<Found>),
    /// It was not yet so.
    NotYet,
}

/// Whether it was at that time already as the row says.
fn is_since(row: &Row<'_>, at: Timestamp) -> rusqlite::Result<bool> {
    let since: Timestamp = get(row, 8)?;
    Ok(since <= at)
}

/// Reads the row, unless the query leaves it out.
fn wanted(row: &Row<'_>, query: Option<&ListQuery>) -> rusqlite::Result<Option<Found>> {
    if let Some(query) = query {
        if let Some(state) = query.state
            && row.get::<_, i64>(1)? != state_number(state)
        {
            return Ok(None);
        }
        if let Some(realm) = &query.realm
            && row.get_ref(3)?.as_str_or_null().ok().flatten() != Some(realm)
        {
            return Ok(None);
        }
    }
    Ok(Some((read_seen(row)?, text_of(row))))
}

fn read_seen(row: &Row<'_>) -> rusqlite::Result<Seen> {
    Ok(Seen {
        resource: read_resource(row)?,
        first_seen: get(row, 5)?,
        last_seen: get(row, 6)?,
        state_since: get(row, 7)?,
        flapping: None,
        track: None,
    })
}

/// Errs where what was then was never known, or was forgotten.
fn require_known(reading: &Reading<'_>, account: AccountId, kind: Kind, at: Timestamp) -> Result<()> {
    let since =
        first_list(reading, account, kind)?.map(|first| known_since_of(reading, account).map(|kept| first.max(kept)));
    match since.transpose()? {
        Some(since) if since <= at => Ok(()),
        since => Err(StoreError::PastUnknown { since }),
    }
}

/// When the account was first listed. Before that an empty list would say that there was nothing.
fn first_list(reading: &Reading<'_>, account: AccountId, kind: Kind) -> Result<Option<Timestamp>> {
    let mut select = reading.prepare_cached("SELECT first_list FROM polls WHERE account = ?1 AND kind = ?2")?;
    let key = [account.0, kind_number(kind)];
    let source = Source { table: "polls", account: Some(account), key: Key::Values(&key) };
    let read = |row: &Row<'_>| reading.damages.read(source, row, |row| get::<Option<Timestamp>>(row, 0));
    let first = select.query_row(key, read).optional()?.flatten().flatten();
    // What is beyond every time is none: the next list puts its own there.
    Ok(first.filter(|first| first.as_millis() < 1 << 48))
}

/// Since when nothing was forgotten; long ago, if nothing ever was.
pub(super) fn known_since(reading: &Connection) -> Result<Timestamp> {
    let mut select = reading.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let since = select.query_row([MARK], |row| get(row, 0)).optional()?;
    Ok(since.unwrap_or(Timestamp::from_millis(i64::MIN)))
}

/// The same for what an account has, which may have lost more.
fn known_since_of(reading: &Connection, account: AccountId) -> Result<Timestamp> {
    let since = known_since(reading)?;
    Ok(mark_of(reading, account)?.map_or(since, |mark| since.max(mark.past)))
}

/// Whether there are versions that were over by then, among the oldest.
pub(super) fn is_any_before(reading: &Connection, time: Timestamp, oldest: i64) -> Result<bool> {
    let mut select = reading.prepare_cached(
        "SELECT 1 FROM (SELECT until FROM versions ORDER BY number LIMIT ?2) WHERE until <= ?1 LIMIT 1",
    )?;
    Ok(select.exists([time.as_millis(), oldest])?)
}

/// Forgets some of these, the last first; gives those that are left.
pub(super) fn forget_these(writing: &mut Writing<'_>, mut versions: Vec<i64>) -> Result<Vec<i64>> {
    while let Some(version) = versions.pop() {
        for sql in [
            "DELETE FROM bodies WHERE id = (SELECT body FROM versions WHERE number = ?1)",
            "DELETE FROM versions WHERE number = ?1",
        ] {
            writing.prepare(sql)?.execute([version])?;
        }
        if writing.is_turn_over() {
            break;
        }
    }
    Ok(versions)
}

/// Forgets those of the oldest versions that were over before the mark; gives how many those were.
pub(super) fn forget(writing: &mut Writing<'_>, oldest: i64) -> Result<usize> {
    let since = known_since(writing.connection)?;
    let mut forgotten = 0;
    for sql in [
        "DELETE FROM bodies WHERE id IN (SELECT body FROM versions
         WHERE number IN (SELECT number FROM versions ORDER BY number LIMIT ?2) AND until <= ?1)",
        "DELETE FROM versions WHERE number IN (SELECT number FROM versions ORDER BY number LIMIT ?2) AND until <= ?1",
    ] {
        forgotten = writing.prepare(sql)?.execute([since.as_millis(), oldest])?;
    }
    Ok(forgotten)
}
