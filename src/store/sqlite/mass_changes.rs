//! Mass changes that are held: lists of which nothing is recorded until another shows the same, or an operator says so.

use rusqlite::{Row, params};

use super::super::{Decision, Held, HeldMassChange, PollHeld, Result};
use super::accounts::note_budget;
use super::columns::{account_key, get, kind_number};
use super::damage::{Key, Reading, Source};
use super::polls::{check_lease, due_again, millis};
use super::writer::Writing;
use crate::model::{AccountKey, Kind, Timestamp};

/// The columns that `read` reads, of `polls p`.
macro_rules! held_columns {
    () => {
        "p.held, p.held_lists, p.held_affected, p.held_known, p.held_decision, p.held_told,
         p.held_print"
    };
}
pub(super) use held_columns;

const ACCEPT: &str = "accept";
const ACCEPT_SILENTLY: &str = "accept-silently";
const REJECT: &str = "reject";

/// Reads `held_columns!()` from that index on.
pub(super) fn read(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Held>> {
    let since: Option<Timestamp> = get(row, index)?;
    let Some(since) = since else { return Ok(None) };
    let decision: Option<String> = row.get(index + 4)?;
    let count = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok(Some(Held {
        since,
        lists: row.get(index + 1)?,
        affected: count(row.get(index + 2)?),
        known: count(row.get(index + 3)?),
        decision: decision.map(|decision| match decision.as_str() {
            ACCEPT => Decision::Accept,
            ACCEPT_SILENTLY => Decision::AcceptSilently,
            // The schema lets nothing else in.
            _ => Decision::Reject,
        }),
        told: row.get(index + 5)?,
        print: row.get::<_, Option<i64>>(index + 6)?.map(i64::cast_unsigned),
    }))
}

pub(super) fn hold(writing: &mut Writing<'_>, held: &PollHeld) -> Result<()> {
    let PollHeld { account, kind, lease, .. } = *held;
    check_lease(writing, account, kind, lease)?;
    let due = due_again(writing, account, kind, held.next_due)?;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut update = writing.prepare(
        "UPDATE polls SET due = ?3, claimed = NULL, asked = NULL, put_off = NULL, last_attempt = ?4, failures = 0,
         held = CASE WHEN ?11 THEN ?5 ELSE COALESCE(held, ?5) END,
         held_lists = CASE WHEN ?11 THEN 1 ELSE MIN(held_lists, 1 << 30) + 1 END,
         held_decision = CASE WHEN ?11 THEN NULL ELSE held_decision END,
         held_print = COALESCE(?10, held_print), held_affected = ?6, held_known = ?7,
         wanted = NULL, list_due = NULL,
         last_duration = ?8, requests = MIN(requests, 1 << 62) + ?9, last_requests = ?9
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![
        account.0,
        kind_number(kind),
        due.map(Timestamp::as_millis),
        held.now.as_millis(),
        held.observed_at.as_millis(),
        count(held.affected),
        count(held.known),
        millis(held.duration),
        held.requests,
        held.print.map(u64::cast_signed),
        held.is_anew,
    ])?;
    note_budget(writing, account, held.budget)?;
    Ok(())
}

pub(super) fn all(reading: &Reading<'_>) -> Result<Vec<HeldMassChange>> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT a.driver, a.provider, a.user, p.kind, ",
        held_columns!(),
        ", p.account FROM polls p JOIN accounts a ON a.id = p.account WHERE p.held IS NOT NULL
         ORDER BY a.driver, a.provider, a.user, p.kind"
    ))?;
    let mut held = Vec::new();
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let source = Source { table: "polls", account: get(row, 11).ok(), key: Key::Columns(&[11, 3]) };
        let mass_change = reading.damages.read(source, row, |row| match read(row, 4)? {
            Some(held) => Ok(Some(HeldMassChange { account: account_key(row, 0)?, kind: get(row, 3)?, held })),
            None => Ok(None),
        })?;
        held.extend(mass_change.flatten());
    }
    Ok(held)
}

pub(super) fn decide(
    writing: &mut Writing<'_>,
    account: &AccountKey,
    kind: Kind,
    decision: Decision,
    now: Timestamp,
) -> Result<bool> {
    let word = match decision {
        Decision::Accept => ACCEPT,
        Decision::AcceptSilently => ACCEPT_SILENTLY,
        Decision::Reject => REJECT,
    };
    let mut update = writing.prepare(
        "UPDATE polls SET held_decision = ?5, asked = ?6, wanted = NULL, list_due = NULL,
         due = CASE WHEN claimed IS NULL THEN MIN(?6, COALESCE(due, ?6)) ELSE due END
         WHERE kind = ?4 AND held IS NOT NULL
         AND account = (SELECT id FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3)",
    )?;
    let AccountKey { driver, provider, user } = account;
    Ok(update.execute(params![driver, provider, user, kind_number(kind), word, now.as_millis()])? > 0)
}
