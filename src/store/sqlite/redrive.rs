//! Redrives dead letters, and lists deliveries.

use rusqlite::{OptionalExtension, Row, params};

use super::super::{
    Attempt, Condition, DeliveryQuery, DeliveryRecord, DeliveryState, Once, Page, Redrive, Redriven, Refusal, Replay,
    Result, Written,
};
use super::bounded_page::{BoundedPage, text_of};
use super::columns::get;
use super::damage::{Key, Reading, Source};
use super::fair_pool::Flow;
use super::journal::{self, change_columns, read_change};
use super::queue::{self, Line};
use super::requests::{self, Found, Progress};
use super::turns::Touched;
use super::writing::Writing;
use super::{SqliteStore, attempts, hook_edits};
use crate::model::{Change, HookId};

/// Makes dead letters due again, in steps. Where the request has a key, how far it is stands in the store: whoever sends it
/// again goes on from there, also beside one that is under way.
pub(super) async fn redrive(
    store: &SqliteStore,
    redrive: Redrive,
    once: Option<Once<Redriven>>,
) -> Result<Written<Redriven>> {
    let mut progress = Progress::default();
    loop {
        let (redrive, once, rows) = (redrive.clone(), once.clone(), store.step_rows);
        let step = store.write_step(Flow::Account(redrive.place.account), move |writing| {
            step(writing, &redrive, once.as_ref(), progress, rows)
        });
        match step.await? {
            Step::Ended(written) => return Ok(written),
            Step::More(reached) => progress = reached,
        }
    }
}

enum Step {
    More(Progress),
    Ended(Written<Redriven>),
}

fn step(
    writing: &mut Writing<'_>,
    redrive: &Redrive,
    once: Option<&Once<Redriven>>,
    mut progress: Progress,
    rows: usize,
) -> Result<Step> {
    let known = once.map(|once| requests::find(writing, &once.request)).transpose()?.flatten();
    match known {
        Some(Found::Begun(reached)) => progress = reached,
        Some(Found::Ended(replay)) => return Ok(Step::Ended(Written::Replayed(replay))),
        Some(Found::Damaged) => return Ok(Step::Ended(Written::Replayed(Replay::Lost))),
        None => {}
    }
    let is_first = progress == Progress::default();
    // The version is that which the request found when it began.
    let condition = if is_first { redrive.condition.clone() } else { Condition::default() };
    let is_more = match hook_edits::require(writing, &redrive.place, &condition)? {
        Err(refusal) if is_first => return Ok(Step::Ended(Written::Refused(refusal))),
        // It was removed meanwhile, with what was left of its dead letters.
        Err(_) => false,
        Ok(hook) => {
            let done = usize::try_from(progress.done).unwrap_or(usize::MAX);
            let at_most = rows.min(redrive.limit.saturating_sub(done));
            redrive_some(writing, hook.id, redrive, at_most, &mut progress)?
        }
    };
    let number = usize::try_from(progress.done).unwrap_or(usize::MAX);
    if redrive.only.is_some() && number == 0 {
        return Ok(Step::Ended(Written::Refused(Refusal::NoDeadLetter)));
    }
    if is_more && number < redrive.limit {
        if let Some(once) = once {
            requests::note_progress(writing, &once.request, progress)?;
        }
        return Ok(Step::More(progress));
    }
    let redriven = Redriven { number, more: redrive.only.is_none() && number >= redrive.limit };
    if let Some(once) = once {
        requests::keep(writing, once, &redriven)?;
    }
    Ok(Step::Ended(Written::Done(redriven)))
}

/// Makes some due again, and says whether there may be more.
fn redrive_some(
    writing: &mut Writing<'_>,
    hook: HookId,
    redrive: &Redrive,
    at_most: usize,
    progress: &mut Progress,
) -> Result<bool> {
    // One is found by its id, and not among all that is dead. What was taken before and is given up again is not taken
    // twice: it lies before what was reached.
    let sql = match redrive.only {
        Some(_) => {
            "SELECT d.change, d.history, c.history, d.hook
             FROM deliveries d INDEXED BY deliveries_dead_id CROSS JOIN changes c ON c.sequence = d.change
             WHERE d.hook = ?1 AND d.dead_id = ?2 AND d.dead IS NOT NULL AND d.damaged IS NULL AND d.change > ?4
             LIMIT ?3"
        }
        None => {
            "SELECT d.change, d.history, c.history, d.hook
             FROM deliveries d INDEXED BY deliveries_dead CROSS JOIN changes c ON c.sequence = d.change
             WHERE d.hook = ?1 AND d.dead IS NOT NULL AND d.damaged IS NULL AND ?2 IS NULL AND d.change > ?4
             ORDER BY d.change LIMIT ?3"
        }
    };
    let mut select = writing.prepare(sql)?;
    let only = redrive.only.map(|id| id.0.to_be_bytes());
    let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
    let dead: Vec<(i64, Line)> = {
        let mut rows = select.query(params![hook.0, only, limit, progress.reached])?;
        let mut dead = Vec::new();
        while let Some(row) = rows.next()? {
            let source = Source { table: "deliveries", account: None, key: Key::Columns(&[3, 0]) };
            let line = writing.memory.damages.read(source, row, |row| Line::read(row, 1, hook))?;
            dead.extend(line.map(|line| Ok::<_, rusqlite::Error>((row.get(0)?, line))).transpose()?);
        }
        dead
    };
    let mut redriven = 0;
    for (change, line) in &dead {
        queue::revive(writing, hook, *change)?;
        queue::elect(writing, line, redrive.now)?;
        progress.done = progress.done.saturating_add(1);
        progress.reached = *change;
        redriven += 1;
        if writing.is_turn_over() {
            break;
        }
    }
    let mut touched = Touched::default();
    touched.hook(hook);
    touched.refresh(writing)?;
    writing.wake_deliveries();
    Ok(redriven < dead.len() || dead.len() == at_most)
}

/// What became of the hook's changes, newest first.
pub(super) fn records(
    reading: &Reading<'_>,
    mark: u32,
    hook: HookId,
    query: &DeliveryQuery,
) -> Result<Page<DeliveryRecord>> {
    // One more than is shown, which tells whether there are more.
    let limit = i64::try_from(query.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let before = query.before.unwrap_or(i64::MAX);
    let waiting = "SELECT change FROM deliveries WHERE hook = ?1 AND change < ?2 AND dead IS NULL";
    let dead =
        "SELECT change FROM deliveries INDEXED BY deliveries_dead WHERE hook = ?1 AND change < ?2 AND dead IS NOT NULL";
    let done = "SELECT DISTINCT change FROM attempts a WHERE hook = ?1 AND change < ?2
                AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.hook = a.hook AND d.change = a.change)";
    let newest = |sql: &str| format!("SELECT * FROM ({sql} ORDER BY change DESC LIMIT ?3)");
    let sql = match query.state {
        Some(DeliveryState::Waiting) => newest(waiting),
        Some(DeliveryState::Dead) => newest(dead),
        Some(DeliveryState::Done) => newest(done),
        None => {
            let all = [waiting, dead, done].map(newest).join(" UNION ALL ");
            format!("SELECT change FROM ({all}) ORDER BY change DESC LIMIT ?3")
        }
    };
    // What is no number is no change's.
    let numbers: Vec<Option<i64>> = reading
        .prepare_cached(&sql)?
        .query_map([hook.0, before, limit], |row| Ok(row.get(0).ok()))?
        .collect::<rusqlite::Result<_>>()?;
    let mut page = BoundedPage::new(query.limit, reading.page_bytes);
    for number in numbers.into_iter().flatten() {
        let Some((record, text)) = record(reading, mark, hook, number)? else { continue };
        if !page.has_room_for(text) {
            break;
        }
        page.add(record);
    }
    Ok(page.finish())
}

fn record(reading: &Reading<'_>, mark: u32, hook: HookId, number: i64) -> Result<Option<(DeliveryRecord, usize)>> {
    let mut select = reading.prepare_cached(concat!(
        "SELECT ",
        change_columns!(),
        " FROM changes c JOIN accounts a ON a.id = c.account WHERE c.sequence = ?1"
    ))?;
    let read = |row: &Row<'_>| Ok((read_change(row, mark)?, text_of(row)));
    let found = select.query_row([number], |row| reading.damages.read(journal::source(None), row, read));
    let found: Option<(Change, usize)> = found.optional()?.flatten();
    let Some((change, text)) = found else { return Ok(None) };
    let mut select = reading.prepare_cached(
        "SELECT dead IS NOT NULL, COALESCE(claimed, due) FROM deliveries WHERE hook = ?1 AND change = ?2",
    )?;
    let waiting = select.query_row([hook.0, number], |row| Ok((row.get(0)?, get(row, 1).ok().flatten()))).optional()?;
    let (state, due) = match waiting {
        Some((true, _)) => (DeliveryState::Dead, None),
        Some((false, due)) => (DeliveryState::Waiting, due),
        None => (DeliveryState::Done, None),
    };
    let attempts = attempts::of(reading, hook, number)?;
    let said = attempts.iter().flat_map(|attempt| [&attempt.error, &attempt.answer]).flatten().map(String::len);
    let text = text + said.sum::<usize>() + attempts.len() * size_of::<Attempt>();
    Ok(Some((DeliveryRecord { change, state, due, attempts }, text)))
}
