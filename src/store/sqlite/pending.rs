//! Pending changes that clients read with a lease. The first delivery of an ordering key is leased as if it were
//! claimed for sending: it is due when the lease expires. Deliveries behind it wait as before. A change that is not
//! acknowledged by then is sent, or leased again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use rusqlite::{OptionalExtension as _, Row, params};

use super::super::{LeaseId, LeasePlace, LeaseRequest, Leased, PendingChange, Result};
use super::SqliteStore;
use super::bounded_page::{BoundedPage, text_of};
use super::catch_up::{Gone, Reached, Step};
use super::columns::get;
use super::damage::{Key, Source};
use super::fair_pool::Flow;
use super::fault::Fault;
use super::journal::{CHANGE_COLUMNS, change_columns, read_change};
use super::listener::Listener;
use super::queue::{self, Line};
use super::turns::Touched;
use super::writing::Writing;
use crate::model::{HookId, Timestamp};

/// How many deliveries are looked at for each that is lent, and for all of a lease at least: others may be lent already.
const LOOKED_AT_FOR_EACH: usize = 16;
const LOOKED_AT: usize = 100_000;

/// Dead letters are pending, too: who asks after an outage of its receiver misses nothing. Nor does one whose hooks are behind
/// in the journal: they are owed what comes next in it as far as the page reaches.
pub(super) async fn lend(store: &SqliteStore, request: LeaseRequest) -> Result<Leased> {
    let (account, rows) = (request.account, store.step_rows);
    let mut lending = Lending::new(request, store.page_bytes)?;
    loop {
        let step = store.write_step(Flow::Account(account), move |writing| {
            let is_more = lending.step(writing, rows)?;
            Ok((lending, is_more))
        });
        let (lent, is_more) = step.await?;
        if !is_more {
            return Ok(lent.leased);
        }
        lending = lent;
    }
}

/// Where the hooks of a lease are.
#[derive(Default)]
struct Heads {
    /// The next delivery of each hook by the number of its change; and of a hook that is behind in the journal the number up to
    /// which it was owed what there is, behind which it is to be owed more. The oldest comes first.
    line: BinaryHeap<Reverse<(i64, i64, At)>>,
    /// The next delivery of each hook: there may be an older one by the time that one is met.
    next: HashMap<i64, i64>,
    /// How many changes a hook that is behind goes on at once: what all of them are owed together fills the page.
    at_once: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    Delivery,
    EndOfOwed,
}

impl Heads {
    fn is_done(&self) -> bool {
        self.line.is_empty()
    }

    /// Puts the hook's next delivery behind that change into the line.
    fn put_next(&mut self, writing: &Writing<'_>, hook: i64, after: i64) -> Result<()> {
        match next(writing, hook, after)? {
            Some(change) => {
                self.next.insert(hook, change);
                self.line.push(Reverse((change, hook, At::Delivery)));
            }
            None => drop(self.next.remove(&hook)),
        }
        Ok(())
    }
}

/// A lease that is being made.
struct Lending {
    request: LeaseRequest,
    leased: Leased,
    /// What there is room for.
    room: BoundedPage<()>,
    /// One delivery after the other is taken from the hook that has the oldest, so that backlogs are not read whole, and no more
    /// of the journal than the page needs.
    heads: Option<Heads>,
    /// Of what is lent to others already: what waits behind it waits for it.
    lent_to_others: HashSet<Line>,
    /// How many deliveries are lent, and how many were looked at.
    number: usize,
    looked_at: usize,
}

impl Lending {
    fn new(request: LeaseRequest, page_bytes: usize) -> Result<Lending> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(Fault::NoRandomness)?;
        // One that ends with the host is negative, by which the next start knows it.
        let number = (i64::from_ne_bytes(bytes) & i64::MAX).max(1);
        let id = LeaseId(if request.ends_with_host { -number } else { number });
        let leased = Leased { id, changes: Vec::new(), up_to: None, is_more: false };
        let room = BoundedPage::new(request.limit, page_bytes);
        Ok(Lending { request, leased, room, heads: None, lent_to_others: HashSet::new(), number: 0, looked_at: 0 })
    }

    /// Goes on for as long as its turn lasts; says whether there is more to do.
    fn step(&mut self, writing: &mut Writing<'_>, rows: usize) -> Result<bool> {
        let mut touched = Touched::default();
        let mut heads = match self.heads.take() {
            Some(heads) => heads,
            None => self.first(writing)?,
        };
        let at_most = self.request.limit.saturating_mul(LOOKED_AT_FOR_EACH).max(LOOKED_AT);
        let mut done = 0;
        self.leased.is_more = false;
        loop {
            if self.number >= self.request.limit || self.looked_at >= at_most {
                self.leased.is_more = !heads.is_done();
                break;
            }
            if done >= rows || done > 0 && writing.is_turn_over() {
                self.heads = Some(heads);
                break;
            }
            let Some(Reverse((place, hook, at))) = heads.line.pop() else { break };
            let looked_at = match at {
                At::EndOfOwed => owe_more(writing, &mut heads, (hook, place), rows - done, &mut touched)?,
                At::Delivery if heads.next.get(&hook) != Some(&place) => 0,
                At::Delivery => {
                    if !self.lend_one(writing, hook, place, &mut touched)? {
                        self.leased.is_more = true;
                        break;
                    }
                    heads.put_next(writing, hook, place)?;
                    1
                }
            };
            done += looked_at;
            self.looked_at += looked_at;
        }
        touched.refresh(writing)?;
        Ok(self.heads.is_some())
    }

    fn first(&self, writing: &Writing<'_>) -> Result<Heads> {
        let hooks: Vec<(i64, Option<i64>)> = writing
            .prepare("SELECT id, behind FROM hooks INDEXED BY hooks_owner WHERE account = ?1 AND owner = ?2")?
            .query_map(params![self.request.account.0, self.request.owner.word()], |row| {
                // A place that can't be read is set aside with its hook.
                Ok((row.get(0)?, row.get(1).ok().flatten()))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let behind = hooks.iter().filter(|(_, behind)| behind.is_some()).count();
        let at_once = (self.request.limit / behind.max(1)).max(1);
        let mut heads = Heads { at_once, ..Heads::default() };
        for (hook, behind) in hooks {
            heads.put_next(writing, hook, 0)?;
            heads.line.extend(behind.map(|behind| Reverse((behind, hook, At::EndOfOwed))));
        }
        Ok(heads)
    }

    /// Says whether there was room for it.
    fn lend_one(&mut self, writing: &Writing<'_>, hook: i64, change: i64, touched: &mut Touched) -> Result<bool> {
        const AT: usize = CHANGE_COLUMNS;
        let LeaseRequest { account, now, until, .. } = self.request;
        let mut select = writing.prepare(concat!(
            "SELECT ",
            change_columns!(),
            ", h.token, d.history, c.history, d.due IS NOT NULL, d.hook, d.change,
             COALESCE(d.lent IS NOT NULL AND typeof(d.lent_until) = 'integer' AND d.lent_until > ?3, 0)
             FROM deliveries d CROSS JOIN hooks h ON h.id = d.hook
             LEFT JOIN changes c ON c.sequence = d.change LEFT JOIN accounts a ON a.id = c.account
             WHERE d.hook = ?1 AND d.change = ?2"
        ))?;
        let mut found = select.query(params![hook, change, now.as_millis()])?;
        let Some(row) = found.next()? else { return Ok(true) };
        let (is_head, is_lent): (bool, bool) = (row.get(AT + 3)?, row.get(AT + 6)?);
        let line = Line::read(row, AT + 1, HookId(hook)).ok();
        if is_lent {
            self.lent_to_others.extend(line);
            return Ok(true);
        }
        if line.is_some_and(|line| self.lent_to_others.contains(&line)) {
            return Ok(true);
        }
        if !self.room.has_room_for(text_of(row)) {
            return Ok(false);
        }
        self.room.add(());
        let source = Source { table: "deliveries", account: Some(account), key: Key::Columns(&[AT + 4, AT + 5]) };
        let mark = writing.memory.mark;
        let read = |row: &Row<'_>| {
            let line = Line::read(row, AT + 1, HookId(hook))?;
            Ok(PendingChange { hook: line.hook, change: read_change(row, mark)?, token: get(row, AT)? })
        };
        // What can't be read goes with the rest: there is nothing of it to give.
        self.leased.changes.extend(writing.memory.damages.read(source, row, read)?);
        let sql = "UPDATE deliveries SET lent = ?3, lent_until = ?4, lease = lease + 1,
                   claimed = CASE WHEN due IS NULL THEN NULL ELSE COALESCE(claimed, due) END,
                   due = CASE WHEN due IS NULL THEN NULL ELSE ?4 END
                   WHERE hook = ?1 AND change = ?2";
        writing.prepare(sql)?.execute(params![hook, change, self.leased.id.0, until.as_millis()])?;
        self.number += 1;
        self.leased.up_to = Some(change);
        if is_head {
            touched.hook(HookId(hook));
        }
        Ok(true)
    }
}

/// Owes a hook that is behind at that place more of the journal; says at how many changes it looked, up to so many
/// rows. One that rests stays behind, at the journal's end.
fn owe_more(
    writing: &mut Writing<'_>,
    heads: &mut Heads,
    (hook, place): (i64, i64),
    rows: usize,
    touched: &mut Touched,
) -> Result<usize> {
    let Some(listener) = Listener::one(writing.connection, &writing.memory.damages, HookId(hook))? else {
        return Ok(1);
    };
    // It is lent at once, whenever it would have been due.
    let step = Step { at_most: heads.at_once.min(rows).max(1), now: Timestamp::default() };
    let Gone { at, to, looked_at } = step.go(writing, &listener, touched)?;
    heads.put_next(writing, hook, place)?;
    if at == Reached::ItsLimit {
        heads.line.push(Reverse((to, hook, At::EndOfOwed)));
    }
    Ok(looked_at.max(1))
}

/// The hook's next delivery behind that change.
fn next(writing: &Writing<'_>, hook: i64, after: i64) -> Result<Option<i64>> {
    let mut select = writing.prepare("SELECT MIN(change) FROM deliveries WHERE hook = ?1 AND change > ?2")?;
    // What is no number is no change's.
    Ok(select.query_row([hook, after], |row| Ok(row.get(0).ok().flatten()))?)
}

pub(super) async fn acknowledge(store: &SqliteStore, lease: LeasePlace, up_to: i64) -> Result<u64> {
    let (mut all, rows) = (0, store.step_rows);
    loop {
        let lease = lease.clone();
        let step =
            store.write_step(Flow::Account(lease.account), move |writing| each_lent(writing, &lease, up_to, rows, end));
        let Done { number, is_more } = step.await?;
        all += number;
        if !is_more {
            return Ok(all);
        }
    }
}

pub(super) async fn give_back(store: &SqliteStore, lease: LeasePlace) -> Result<()> {
    let rows = store.step_rows;
    loop {
        let lease = lease.clone();
        let step = store.write_step(Flow::Account(lease.account), move |writing| {
            each_lent(writing, &lease, i64::MAX, rows, |writing, delivery| {
                let sql =
                    "UPDATE deliveries SET lent = NULL, lent_until = NULL, due = COALESCE(claimed, due), claimed = NULL
                           WHERE hook = ?1 AND change = ?2";
                writing.prepare(sql)?.execute([delivery.hook, delivery.change])?;
                Ok(())
            })
        });
        if !step.await?.is_more {
            return Ok(());
        }
    }
}

struct Lent {
    hook: i64,
    change: i64,
    /// Its line, where that can be read.
    line: Option<Line>,
    /// Of the head of a line: when it was due before it was lent.
    due: Option<Timestamp>,
    again: bool,
}

struct Done {
    number: u64,
    is_more: bool,
}

/// Does something to each delivery of a lease up to a place in the journal, as far as its turn lasts.
fn each_lent(
    writing: &mut Writing<'_>,
    lease: &LeasePlace,
    up_to: i64,
    rows: usize,
    each: impl Fn(&Writing<'_>, &Lent) -> Result<()>,
) -> Result<Done> {
    let LeasePlace { account, owner, id } = lease;
    let found: Vec<Lent> = {
        let mut select = writing.prepare(
            "SELECT d.hook, d.change, d.history, COALESCE(d.claimed, d.due), d.again <> 0
             FROM deliveries d INDEXED BY deliveries_lent CROSS JOIN hooks h ON h.id = d.hook
             WHERE d.lent = ?1 AND d.change <= ?2 AND h.account = ?3 AND h.owner = ?4 ORDER BY d.change LIMIT ?5",
        )?;
        let limit = i64::try_from(rows.max(1)).unwrap_or(i64::MAX);
        let lent = |row: &Row<'_>| {
            let hook: i64 = row.get(0)?;
            let line = get(row, 2).ok().map(|history| Line { hook: HookId(hook), history });
            Ok(Lent { hook, change: row.get(1)?, line, due: get(row, 3).ok().flatten(), again: row.get(4)? })
        };
        let found = select.query_map(params![id.0, up_to, account.0, owner.word(), limit], lent)?;
        found.collect::<rusqlite::Result<_>>()?
    };
    let (mut touched, mut done) = (Touched::default(), 0);
    let mut headless: HashMap<Line, Timestamp> = HashMap::new();
    for delivery in &found {
        each(writing, delivery)?;
        touched.hook(HookId(delivery.hook));
        if let (Some(line), Some(due)) = (delivery.line, delivery.due) {
            headless.insert(line, due);
        }
        done += 1;
        if writing.is_turn_over() {
            break;
        }
    }
    for (line, due) in headless {
        promote(writing, &line, due)?;
    }
    touched.refresh(writing)?;
    if done > 0 {
        writing.wake_deliveries();
    }
    Ok(Done { number: done as u64, is_more: done < found.len() || done == rows.max(1) })
}

/// A change that was acknowledged is delivered, unless a replay asked for it since it was lent.
fn end(writing: &Writing<'_>, delivery: &Lent) -> Result<()> {
    let sql = match delivery.again {
        true => {
            "UPDATE deliveries SET lent = NULL, lent_until = NULL, due = NULL, claimed = NULL, attempts = 0, again = 0,
             dead = NULL, dead_id = NULL WHERE hook = ?1 AND change = ?2"
        }
        false => "DELETE FROM deliveries WHERE hook = ?1 AND change = ?2",
    };
    writing.prepare(sql)?.execute([delivery.hook, delivery.change])?;
    Ok(())
}

/// Makes the head of a line due as the one before it was, so that a receiver that is being spared is spared still; or when its
/// lease ends, if it is lent.
fn promote(writing: &Writing<'_>, line: &Line, due: Timestamp) -> Result<()> {
    let mut select = writing.prepare(
        "SELECT change, due IS NULL AND lent IS NOT NULL FROM deliveries INDEXED BY deliveries_line
         WHERE hook = ?1 AND history = ?2 AND dead IS NULL ORDER BY change LIMIT 1",
    )?;
    let place = [line.hook.0, line.history.0];
    let head: Option<(i64, bool)> = select.query_row(place, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match head {
        Some((change, true)) => {
            let sql = "UPDATE deliveries SET claimed = ?3, due = MAX(?3, lent_until) WHERE hook = ?1 AND change = ?2";
            writing.prepare(sql)?.execute(params![line.hook.0, change, due.as_millis()])?;
            Ok(())
        }
        _ => queue::promote(writing, line, due),
    }
}
