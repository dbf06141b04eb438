//! Held mass changes: lists that are not recorded until another list shows the same, or the operator decides.

use rusqlite::{OptionalExtension, Row, params};

use super::super::{Decided, Decision, Effects, Held, HeldId, HeldMassChange, PollHeld, Result, StoreError};
use super::accounts::note_budget;
use super::columns::{account_key, get, kind_number, millis};
use super::damage::{Key, Reading, Source};
use super::due_polls::{check_lease, due_again};
use super::writing::Writing;
use crate::model::{AccountId, AccountKey, Kind, Timestamp};

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

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Accept => ACCEPT,
        Decision::AcceptSilently => ACCEPT_SILENTLY,
        Decision::Reject => REJECT,
    }
}

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

/// Reads `held_effects`.
fn read_effects(row: &Row<'_>, index: usize) -> rusqlite::Result<Effects> {
    let effects: Option<Vec<u8>> = row.get(index)?;
    Ok(effects.map(|bytes| Effects::from_bytes(&bytes)).unwrap_or_default())
}

/// Errs if the operator has answered meanwhile: that answer may ask for something else.
pub(super) fn check_answer(
    writing: &Writing<'_>,
    account: AccountId,
    kind: Kind,
    decision: Option<Decision>,
) -> Result<()> {
    // A word that is none is taken for what it is read as.
    let mut select = writing.prepare(
        "SELECT 1 FROM polls WHERE account = ?1 AND kind = ?2 AND (held IS NULL OR ?3 IS
         CASE WHEN held_decision NOT IN ('accept', 'accept-silently') THEN 'reject' ELSE held_decision END)",
    )?;
    match select.exists(params![account.0, kind_number(kind), decision.map(word)])? {
        true => Ok(()),
        false => Err(StoreError::AnswerChanged),
    }
}

pub(super) fn of(reading: &Reading<'_>, account: AccountId, kind: Kind) -> Result<Option<(Held, Effects)>> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        held_columns!(),
        ", p.held_effects FROM polls p WHERE p.account = ?1 AND p.kind = ?2"
    ))?;
    let key = [account.0, kind_number(kind)];
    let source = Source { table: "polls", account: Some(account), key: Key::Values(&key) };
    let found = select.query_row(key, |row| {
        reading.damages.read(source, row, |row| {
            let effects = read_effects(row, 7)?;
            Ok(read(row, 0)?.map(|held| (held, effects)))
        })
    });
    Ok(found.optional()?.flatten().flatten())
}

pub(super) fn hold(writing: &mut Writing<'_>, held: &PollHeld) -> Result<()> {
    let PollHeld { account, kind, lease, .. } = *held;
    check_lease(writing, account, kind, lease)?;
    check_answer(writing, account, kind, held.decision)?;
    let due = due_again(writing, account, kind, held.next_due)?;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut update = writing.prepare(
        "UPDATE polls SET due = ?3, claimed = NULL, asked = NULL, put_off = NULL, last_attempt = ?4, failures = 0,
         held = CASE WHEN ?11 THEN ?5 ELSE COALESCE(held, ?5) END,
         held_lists = CASE WHEN ?11 THEN 1 ELSE MIN(held_lists, 1 << 30) + 1 END,
         held_decision = CASE WHEN ?11 THEN NULL ELSE held_decision END,
         held_told = CASE WHEN ?11 THEN 0 ELSE held_told END,
         held_print = CASE WHEN ?11 THEN ?10 ELSE COALESCE(?10, held_print) END,
         held_affected = CASE WHEN ?12 IS NULL THEN held_affected ELSE ?6 END,
         held_known = CASE WHEN ?12 IS NULL THEN held_known ELSE ?7 END,
         held_effects = COALESCE(?12, held_effects),
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
        millis(held.effort.duration),
        held.effort.requests,
        held.print.map(u64::cast_signed),
        held.is_anew,
        held.effects.as_ref().map(Effects::to_bytes),
    ])?;
    note_budget(writing, account, held.effort.budget)?;
    Ok(())
}

pub(super) fn all(reading: &Reading<'_>) -> Result<Vec<HeldMassChange>> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT a.driver, a.provider, a.user, p.kind, ",
        held_columns!(),
        ", p.account, p.held_effects FROM polls p JOIN accounts a ON a.id = p.account WHERE p.held IS NOT NULL
         ORDER BY a.driver, a.provider, a.user, p.kind"
    ))?;
    let mut held = Vec::new();
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let source = Source { table: "polls", account: get(row, 11).ok(), key: Key::Columns(&[11, 3]) };
        let mass_change = reading.damages.read(source, row, |row| match read(row, 4)? {
            Some(held) => {
                let (account, kind, id) = (account_key(row, 0)?, get(row, 3)?, read_effects(row, 12)?.id());
                Ok(Some(HeldMassChange { account, kind, id, held }))
            }
            None => Ok(None),
        })?;
        held.extend(mass_change.flatten());
    }
    Ok(held)
}

pub(super) fn decide(
    writing: &mut Writing<'_>,
    (account, kind): (&AccountKey, Kind),
    only: Option<HeldId>,
    decision: Decision,
    now: Timestamp,
) -> Result<Decided> {
    let mut select = writing.prepare(concat!(
        "SELECT ",
        held_columns!(),
        ", p.account, p.held_effects FROM polls p WHERE p.kind = ?4
         AND p.account = (SELECT id FROM accounts WHERE driver = ?1 AND provider = ?2 AND user = ?3)"
    ))?;
    let AccountKey { driver, provider, user } = account;
    let key = params![driver, provider, user, kind_number(kind)];
    let found = select.query_row(key, |row| Ok((read(row, 0)?, row.get(7)?, read_effects(row, 8)?))).optional()?;
    let Some((Some(held), account, effects)) = found else { return Ok(Decided::NothingHeld) };
    // Clients were told already, or were not told.
    if held.told {
        return Ok(Decided::Recording);
    }
    if only.is_some_and(|only| only != effects.id()) {
        return Ok(Decided::Another(effects.id(), held));
    }
    let account: i64 = account;
    let mut update = writing.prepare(
        "UPDATE polls SET held_decision = ?3, asked = ?4, wanted = NULL, list_due = NULL,
         due = CASE WHEN claimed IS NULL THEN MIN(?4, COALESCE(due, ?4)) ELSE due END
         WHERE account = ?1 AND kind = ?2",
    )?;
    update.execute(params![account, kind_number(kind), word(decision), now.as_millis()])?;
    writing.wake_polls();
    Ok(Decided::Taken(Held { decision: Some(decision), ..held }))
}
