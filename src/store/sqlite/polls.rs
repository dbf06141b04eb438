//! The claims of due polls, and their outcome.

use std::time::Duration;

use rusqlite::types::{Type, Value};
use rusqlite::{OptionalExtension, Row, params};

use super::super::{Pace, PollClaim, PollError, PollFailure, PollStatus, PollTicket, ProviderStates, Reach, Result};
use super::accounts::note_budget;
use super::columns::{get, kind_number, millis, read_account};
use super::damage::{Key, Reading, Source};
use super::due_polls::{check_lease, due_again};
use super::mass_changes::{self, held_columns};
use super::writing::Writing;
use super::{attributes, damage, endpoints, reach, wanted};
use crate::model::{AccountId, Kind, Share, Timestamp};

pub(super) fn claim(writing: &mut Writing<'_>, claim: &PollClaim) -> Result<Vec<PollTicket>> {
    endpoints::bear_clock(writing, claim.now)?;
    endpoints::note(writing, &claim.notes)?;
    let mut tickets = Vec::new();
    if claim.limit == 0 {
        return Ok(tickets);
    }
    let mut select = writing.prepare(concat!(
        "SELECT a.id, a.driver, a.provider, a.user, a.origin, a.password,
                p.kind, COALESCE(p.claimed, p.due), p.last_complete, p.failures, p.lease, p.listed_by,
                CASE WHEN p.failures > 0 THEN p.error_code || ': ' || p.error_message
                     WHEN p.put_off IS NOT NULL THEN 'budget: the account had no requests left'
                     ELSE p.partial_reason END,
                a.origin = 'config' OR EXISTS (SELECT 1 FROM hooks h WHERE h.account = a.id), ",
        held_columns!(),
        ", p.every, p.changed, p.hook_set, p.last_requests, p.last_full, p.unconfirmed, p.gap_told, p.endpoint, p.slow, p.partials, p.wanted, p.list_due
         FROM polls p JOIN accounts a ON a.id = p.account
         WHERE p.account = ?1 AND p.kind = ?2"
    ))?;
    // Not before the next instant, however short the lease: none is due again in its own claim.
    let end = claim.now.after(claim.lease.max(Duration::from_millis(1)));
    loop {
        let turns = endpoints::turns(writing, claim)?;
        let is_any = !turns.is_empty();
        for turn in turns {
            let ticket = select.query_row(params![turn.account.0, turn.kind], |row| {
                let (damages, account) = (&writing.memory.damages, Some(turn.account));
                // An account that can't be read has no polls, and a poll that can't be read is reset.
                let of_account = Source { table: "accounts", account, key: Key::Columns(&[0]) };
                if damages.read(of_account, row, |row| read_account(row, 0))?.is_none() {
                    return Ok(None);
                }
                let of_poll = Source { table: "polls", account, key: Key::Columns(&[0, 6]) };
                damages.read(of_poll, row, |row| read_ticket(row, turn.share, claim.now))
            });
            match ticket.optional()? {
                Some(Some(ticket)) if take(writing, &ticket, claim.now, end)? => tickets.push(ticket),
                Some(_) => {}
                None => writing.memory.damages.note_missing(turn.account),
            }
        }
        // Where none of those whose turn it was can be claimed, others come next.
        if !is_any || !tickets.is_empty() || damage::set_aside(writing)? == 0 {
            break;
        }
    }
    tickets.sort_by_key(|ticket: &PollTicket| ticket.due);
    Ok(tickets)
}

/// Puts a poll under lease; says whether its row can be written.
fn take(writing: &Writing<'_>, ticket: &PollTicket, now: Timestamp, end: Timestamp) -> Result<bool> {
    let mut update = writing.prepare(
        "UPDATE polls SET claimed = COALESCE(claimed, due), due = ?3, lease = ?4,
         asked = CASE WHEN asked <= ?5 THEN NULL ELSE asked END, wanted = NULL, list_due = NULL
         WHERE account = ?1 AND kind = ?2",
    )?;
    let (account, kind) = (ticket.account.id, kind_number(ticket.kind));
    match update.execute(params![account.0, kind, end.as_millis(), ticket.lease, now.as_millis()]) {
        Err(error) if damage::is_of_another_type(&error) => {
            let key = vec![Value::Integer(account.0), Value::Integer(kind)];
            damage::note_of_another_type(writing, "polls", Some(account), key)?;
            Ok(false)
        }
        written => Ok(written? > 0),
    }
}

fn read_ticket(row: &Row<'_>, share: Share, now: Timestamp) -> rusqlite::Result<PollTicket> {
    let lease: i64 = row.get(10)?;
    let every: Option<i64> = row.get(21)?;
    Ok(PollTicket {
        account: read_account(row, 0)?,
        kind: get(row, 6)?,
        due: get(row, 7)?,
        every: every.map(|millis| Duration::from_millis(millis.unsigned_abs())),
        changed: get(row, 22)?,
        hook_set: get(row, 23)?,
        last_complete: get(row, 8)?,
        last_full: get(row, 25)?,
        unconfirmed: row.get(26)?,
        gap_told: get(row, 27)?,
        listed_by: row.get(11)?,
        trouble: row.get(12)?,
        watched: row.get(13)?,
        held: mass_changes::read(row, 14)?,
        failures: row.get(9)?,
        lease: lease.wrapping_add(1),
        last_requests: row.get(24)?,
        endpoint: row.get(28)?,
        slow: row.get(29)?,
        partials: row.get(30)?,
        wanted: wanted::read(row, 31)?.filter(|wanted| wanted.list_due.is_none_or(|due| due > now)),
        share,
    })
}

pub(super) fn provider_states(reading: &Reading<'_>, account: AccountId) -> Result<ProviderStates> {
    let mut select = reading.prepare_cached(
        "SELECT r.id, b.attributes, r.account, r.kind
         FROM resources r LEFT JOIN bodies b ON b.id = r.body WHERE r.account = ?1 AND r.kind = ?2",
    )?;
    ProviderStates::read(|take| {
        let mut rows = select.query(params![account.0, kind_number(Kind::Instance)])?;
        while let Some(row) = rows.next()? {
            let source = Source { table: "resources", account: Some(account), key: Key::Columns(&[2, 3, 0]) };
            reading.damages.read(source, row, |row| {
                let state = attributes::provider_state(row.get_ref(1)?.as_str()?)
                    .map_err(|error| rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error)))?;
                take(&get(row, 0)?, &state);
                Ok(())
            })?;
        }
        Ok(())
    })
}

pub(super) fn put_off(
    writing: &mut Writing<'_>,
    account: AccountId,
    kind: Kind,
    lease: i64,
    until: Timestamp,
) -> Result<()> {
    check_lease(writing, account, kind, lease)?;
    // As if it had been asked for then: one that nobody watches is made all the same.
    let mut update = writing.prepare(
        "UPDATE polls SET due = ?3, asked = ?3, claimed = NULL, put_off = COALESCE(put_off, ?3),
         wanted = NULL, list_due = NULL
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![account.0, kind_number(kind), until.as_millis()])?;
    Ok(())
}

pub(super) fn release(
    writing: &mut Writing<'_>,
    account: AccountId,
    kind: Kind,
    lease: i64,
    until: Timestamp,
) -> Result<()> {
    check_lease(writing, account, kind, lease)?;
    let mut update = writing.prepare(
        "UPDATE polls SET due = MIN(?3, COALESCE(asked, ?3)), asked = MIN(?3, COALESCE(asked, ?3)), claimed = NULL,
         wanted = NULL, list_due = NULL
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![account.0, kind_number(kind), until.as_millis()])?;
    // Whoever claimed it may sleep for longer than that.
    writing.wake_polls();
    Ok(())
}

pub(super) fn record_failure(writing: &mut Writing<'_>, failure: &PollFailure) -> Result<()> {
    let PollFailure { account, kind, lease, .. } = *failure;
    check_lease(writing, account, kind, lease)?;
    let due = due_again(writing, account, kind, failure.next_due)?;
    let mut update = writing.prepare(
        "UPDATE polls SET due = ?3, claimed = NULL, asked = NULL, put_off = NULL, last_attempt = ?4, failures = MIN(failures, 1 << 30) + 1,
         error_at = ?4, error_code = ?5, error_message = ?6, last_duration = ?7, requests = MIN(requests, 1 << 62) + ?8,
         retry = ?9, wanted = NULL, list_due = NULL
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![
        account.0,
        kind_number(kind),
        due.map(Timestamp::as_millis),
        failure.now.as_millis(),
        failure.code.to_string(),
        failure.message,
        millis(failure.effort.duration),
        failure.effort.requests,
        failure.next_due.as_millis(),
    ])?;
    note_budget(writing, account, failure.effort.budget)?;
    match failure.reach {
        Reach::Answered => reach::answered(writing, account, failure.now, &failure.damping),
        Reach::Unreachable => reach::failed(writing, account, failure.unreachable_after, failure.now, &failure.damping),
        Reach::Unknown => Ok(()),
    }
}

pub(super) fn status(reading: &Reading<'_>, account: AccountId) -> Result<Vec<PollStatus>> {
    let mut select = reading.prepare_cached(
        "SELECT kind, last_attempt, last_complete, COALESCE(claimed, due), failures, error_at, error_code, error_message,
                partial_reason, last_duration, requests, every, pace, held IS NOT NULL,
                put_off IS NOT NULL, last_full, claimed IS NOT NULL, account, partials, retry, ids_polled
         FROM polls WHERE account = ?1 ORDER BY kind",
    )?;
    let source = Source { table: "polls", account: Some(account), key: Key::Columns(&[17, 0]) };
    let rows = select.query([account.0])?;
    let (status, _) = reading.damages.rows(source, rows, |row| {
        let duration: Option<i64> = row.get(9)?;
        let requests: i64 = row.get(10)?;
        let last_error = match get(row, 5)? {
            Some(at) => Some(PollError { at, code: get(row, 6)?, message: row.get(7)? }),
            None => None,
        };
        let every: Option<i64> = row.get(11)?;
        let pace = match (every, get(row, 12)?) {
            (Some(millis), Some(reason)) => Some(Pace { every: Duration::from_millis(millis.unsigned_abs()), reason }),
            _ => None,
        };
        Ok(PollStatus {
            kind: get(row, 0)?,
            last_attempt: get(row, 1)?,
            last_complete: get(row, 2)?,
            next_due: get(row, 3)?,
            under_way: row.get(16)?,
            pace,
            held: row.get(13)?,
            put_off: row.get(14)?,
            last_full: get(row, 15)?,
            failures: row.get(4)?,
            last_error,
            partial_reason: row.get(8)?,
            partials: row.get(18)?,
            retry: get(row, 19)?,
            ids_polled: get(row, 20)?,
            last_duration: duration.map(|millis| Duration::from_millis(millis.unsigned_abs())),
            requests: requests.unsigned_abs(),
        })
    })?;
    Ok(status)
}
