//! The order of polls: endpoints take turns, and the accounts of each by how long they have been due. A row for each
//! endpoint says when it has something due. So neither a claim nor the query for the next due poll reads polls that
//! wait for a share or for a circuit breaker, however many there are.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::super::{Admission, PlacedProvider, PollClaim, PollNote, Result};
use super::columns::{get, kind_number};
use super::damage::Reading;
use super::writing::Writing;
use crate::model::breaker::Standing;
use crate::model::{AccountId, Share, Timestamp};

/// By how much a clock may go back without having been set.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// A poll whose turn it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) account: AccountId,
    /// The number of its kind.
    pub(super) kind: i64,
    pub(super) share: Share,
}

/// The due polls of one endpoint, the longest due first.
struct Line {
    endpoint: Arc<str>,
    slow: bool,
    polls: VecDeque<(AccountId, i64)>,
}

/// The class of the endpoints whose polls are counted to a share.
fn class(share: Share) -> i64 {
    match share {
        Share::Prompt => 0,
        Share::Slow => 1,
        Share::Unproven => 2,
        Share::Suspected => 3,
    }
}

/// Which polls are to be claimed. What cannot be claimed is passed over at a price that only polls under way have: those
/// that are held back stand in rows that are not due, or of a share that has no room.
pub(super) fn turns(writing: &Writing<'_>, claim: &PollClaim) -> Result<Vec<Turn>> {
    let (mut turns, mut taken) = (Vec::new(), HashSet::new());
    for share in Share::ALL {
        let room = claim.admission.room(share).min(claim.limit - turns.len());
        let mut lines = lines(writing, claim, share, room)?;
        let before = turns.len();
        while turns.len() - before < room && !lines.is_empty() {
            lines.retain_mut(|line| {
                if turns.len() - before >= room {
                    return false;
                }
                // One account at a time, of both kinds and of all shares.
                while let Some((account, kind)) = line.polls.pop_front() {
                    if taken.insert(account) {
                        turns.push(Turn { account, kind, share });
                        return true;
                    }
                }
                false
            });
        }
    }
    Ok(turns)
}

/// As many endpoints as there is room for polls, each with its due polls as far as there is room for them; all are served.
fn lines(writing: &Writing<'_>, claim: &PollClaim, share: Share, room: usize) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let now = claim.now.as_millis();
    // Most of those that were never asked may hang: one that came last is not to wait behind all of them. Every second
    // place is for it, and those that came first have the others.
    if share == Share::Unproven {
        lines_in(writing, claim, share, (room, room.div_ceil(2)), Order::NewestFirst, &mut lines)?;
    }
    lines_in(writing, claim, share, (room, room), Order::OldestFirst, &mut lines)?;
    for line in &lines {
        let mut update = writing.prepare("UPDATE endpoints SET served = ?3 WHERE name = ?1 AND slow = ?2")?;
        update.execute(params![line.endpoint, line.slow, now])?;
    }
    Ok(lines)
}

/// Which of the endpoints that have something due comes first.
#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// Adds lines of so much room each, until there are `most`.
fn lines_in(
    writing: &Writing<'_>,
    claim: &PollClaim,
    share: Share,
    (room, most): (usize, usize),
    order: Order,
    lines: &mut Vec<Line>,
) -> Result<()> {
    let now = claim.now.as_millis();
    let mut select = writing.prepare(match order {
        Order::OldestFirst => "SELECT name, slow FROM endpoints WHERE class = ?1 AND due <= ?2 ORDER BY due, served",
        Order::NewestFirst => {
            "SELECT name, slow FROM endpoints WHERE class = ?1 AND due <= ?2 ORDER BY due DESC, served DESC"
        }
    })?;
    let mut rows = select.query(params![class(share), now])?;
    while lines.len() < most
        && let Some(row) = rows.next()?
    {
        // One whose name can't be read has the polls of accounts that can't be, either.
        let (Ok(endpoint), Ok(slow)) = (row.get::<_, Arc<str>>(0), row.get::<_, bool>(1)) else { continue };
        if lines.iter().any(|line| line.endpoint == endpoint && line.slow == slow) {
            continue;
        }
        let room = claim.admission.room_at(&endpoint, share).min(room);
        if room > 0 {
            let polls = due_polls(writing, (&endpoint, slow), now, room)?;
            if !polls.is_empty() {
                lines.push(Line { endpoint, slow, polls });
            }
        }
    }
    Ok(())
}

fn due_polls(
    writing: &Writing<'_>,
    (endpoint, slow): (&str, bool),
    now: i64,
    room: usize,
) -> Result<VecDeque<(AccountId, i64)>> {
    let mut select = writing.prepare(
        "SELECT p.account, p.kind FROM polls p
         WHERE p.endpoint = ?1 AND p.slow = ?2 AND p.due <= ?3 AND NOT EXISTS (
             SELECT 1 FROM polls o
             WHERE o.account = p.account AND o.kind <> p.kind AND o.claimed IS NOT NULL AND o.due > ?3)
         ORDER BY p.due",
    )?;
    let mut rows = select.query(params![endpoint, slow, now])?;
    let damages = &writing.memory.damages;
    let (mut polls, mut accounts) = (VecDeque::new(), HashSet::new());
    while polls.len() < room
        && let Some(row) = rows.next()?
    {
        // A row without its key is of no account.
        let (Ok(account), Ok(kind)) = (get(row, 0), row.get(1)) else { continue };
        if !damages.is_passed_over(account, kind) && accounts.insert(account) {
            polls.push_back((account, kind));
        }
    }
    Ok(polls)
}

/// See `Polls::next_poll_due`.
pub(super) fn next_due(reading: &Reading<'_>, now: Timestamp, admission: &dyn Admission) -> Result<Option<Timestamp>> {
    let mut earliest: Option<Timestamp> = None;
    let is_enough = |earliest: Option<Timestamp>, due: Timestamp| earliest.is_some_and(|earliest| earliest <= due);
    for share in Share::ALL {
        if admission.room(share) == 0 {
            continue;
        }
        let mut select = reading.prepare_cached(
            "SELECT name, slow, due FROM endpoints WHERE class = ?1 AND due IS NOT NULL ORDER BY due",
        )?;
        let mut rows = select.query([class(share)])?;
        while let Some(row) = rows.next()? {
            let due: Timestamp = get(row, 2)?;
            let (Ok(name), Ok(slow)) = (row.get::<_, Arc<str>>(0), row.get::<_, bool>(1)) else { continue };
            if is_enough(earliest, due) {
                break;
            }
            // What is due and has no room at its endpoint waits for a call there to end, and not for a time.
            if due <= now && admission.room_at(&name, share) == 0 {
                continue;
            }
            if let Some(next) = next_at(reading, (&name, slow), due)? {
                earliest = Some(earliest.map_or(next, |earliest| earliest.min(next)));
            }
        }
    }
    Ok(earliest)
}

/// When the next poll of an endpoint can be claimed, that has nothing to claim before `from`.
fn next_at(reading: &Reading<'_>, (endpoint, slow): (&str, bool), from: Timestamp) -> Result<Option<Timestamp>> {
    // From the earliest on: nearly always the first row is the answer.
    let mut select = reading.prepare_cached(
        "SELECT p.due, (SELECT MAX(o.due) FROM polls o
             WHERE o.account = p.account AND o.kind <> p.kind AND o.claimed IS NOT NULL), p.account, p.kind
         FROM polls p WHERE p.endpoint = ?1 AND p.slow = ?2 AND p.due IS NOT NULL ORDER BY p.due",
    )?;
    let mut earliest: Option<Timestamp> = None;
    let mut rows = select.query(params![endpoint, slow])?;
    while let Some(row) = rows.next()? {
        let due = get::<Timestamp>(row, 0)?.max(from);
        if earliest.is_some_and(|earliest| earliest <= due) {
            break;
        }
        let (Ok(account), Ok(kind)) = (get(row, 2), row.get(3)) else { continue };
        if reading.damages.is_passed_over(account, kind) {
            continue;
        }
        // Its account is being polled for the other kind: it can be claimed once that lease has ended.
        let free: Option<Timestamp> = get(row, 1)?;
        let due = free.map_or(due, |free| free.max(due));
        earliest = Some(earliest.map_or(due, |earliest| earliest.min(due)));
    }
    Ok(earliest)
}

/// A clock that was set back, and nobody said so: what was served by the former time would wait until that comes again.
pub(super) fn bear_clock(writing: &mut Writing<'_>, now: Timestamp) -> Result<()> {
    let before = std::mem::replace(&mut writing.memory.polls_claimed, now);
    match now.after(CLOCK_SLACK) < before {
        true => rebuild(writing.connection),
        false => Ok(()),
    }
}

/// Takes down what the host found out.
pub(super) fn note(writing: &Writing<'_>, notes: &[PollNote]) -> Result<()> {
    for note in notes {
        match note {
            PollNote::Endpoint { name, standing, held } => {
                let class = match standing {
                    Standing::Proven | Standing::Slow => None,
                    Standing::Unproven => Some(class(Share::Unproven)),
                    Standing::TimedOut => Some(class(Share::Suspected)),
                };
                let mut update = writing.prepare(
                    "UPDATE endpoints SET class = COALESCE(?2, slow), held_until = ?3, due = (
                         SELECT MAX(p.due, served, ?3) FROM polls p
                         WHERE p.endpoint = endpoints.name AND p.slow = endpoints.slow AND p.due IS NOT NULL
                         ORDER BY p.due LIMIT 1)
                     WHERE name = ?1",
                )?;
                update.execute(params![name, class, held.map_or(0, Timestamp::as_millis)])?;
            }
            PollNote::Pace { account, kind, slow } => {
                let mut update = writing.prepare("UPDATE polls SET slow = ?3 WHERE account = ?1 AND kind = ?2")?;
                update.execute(params![account.0, kind_number(*kind), slow])?;
            }
        }
    }
    Ok(())
}

/// See `Polls::endpoints`.
pub(super) fn known(reading: &Connection) -> Result<Vec<(Arc<str>, Standing)>> {
    let mut select = reading.prepare_cached("SELECT name, MIN(class) FROM endpoints GROUP BY name")?;
    let known = select.query_map((), |row| {
        let standing = match row.get(1)? {
            2_i64 => Standing::Unproven,
            3 => Standing::TimedOut,
            _ => Standing::Proven,
        };
        Ok(row.get(0).ok().map(|name| (name, standing)))
    })?;
    Ok(known.filter_map(Result::transpose).collect::<rusqlite::Result<_>>()?)
}

/// See `Polls::place_providers`.
pub(super) fn place(writing: &Writing<'_>, placed: &[PlacedProvider]) -> Result<()> {
    for PlacedProvider { driver, provider, endpoint } in placed {
        let mut upsert = writing.prepare(
            "INSERT INTO providers (driver, provider, endpoint) VALUES (?1, ?2, ?3)
             ON CONFLICT (driver, provider) DO UPDATE SET endpoint = ?3 WHERE endpoint <> ?3",
        )?;
        if upsert.execute(params![driver, provider, endpoint])? > 0 {
            let mut update = writing.prepare(
                "UPDATE polls SET endpoint = ?3
                 WHERE account IN (SELECT id FROM accounts WHERE driver = ?1 AND provider = ?2)",
            )?;
            update.execute(params![driver, provider, endpoint])?;
        }
    }
    Ok(())
}

/// Makes all turns anew from the polls. What is known of each endpoint stays, for as long as polls are due there.
pub(super) fn rebuild(connection: &Connection) -> Result<()> {
    connection.execute_batch(
        "DELETE FROM endpoints WHERE name NOT IN (SELECT endpoint FROM polls);
         INSERT OR IGNORE INTO endpoints (name, slow, class) SELECT DISTINCT endpoint, slow, 2 FROM polls;
         UPDATE endpoints SET served = 0, due = (
             SELECT MAX(p.due, held_until) FROM polls p WHERE p.endpoint = endpoints.name AND p.slow = endpoints.slow
             AND p.due IS NOT NULL ORDER BY p.due LIMIT 1);",
    )?;
    Ok(())
}
