//! Records a poll of single instances: the changes of the instances that were listed. An instance that is missing only
//! triggers a complete poll, which shows whether it is gone.

use std::collections::HashSet;

use super::super::cadence::{self, Signs};
use super::super::context::Context;
use super::super::diff::{Missed, Observation, diff};
use super::super::gap;
use super::decide::Seen;
use super::record::{awaited, effort};
use crate::clock::Stopwatch;
use crate::driver::Coverage;
use crate::model::{Resource, ResourceId};
use crate::store::{
    Again, Breadth, Pace, PaceReason, PollRecord, PollTicket, Recorded, StoreError, Upserts, WantedIds,
};

pub(super) async fn record(
    context: &Context,
    ticket: PollTicket,
    seen: Seen,
    wanted: &WantedIds,
    stopwatch: &Stopwatch,
) -> Result<Recorded, StoreError> {
    let (account, kind) = (ticket.account.id, ticket.kind);
    let Seen { listing, listed_by, observed_at, .. } = seen;
    let resources = listing.resources;
    // If an id is listed twice, it is unknown which entry is right.
    let fits = !matches!(listing.coverage, Coverage::Misfit(_));
    let (settings, now) = (&context.settings, context.clock.now());
    let is_all = is_all_of(&wanted.ids, &resources);
    let awaited = awaited(context, account, cadence::passing(&resources), observed_at).await?;
    let ids = resources.iter().map(Resource::id).cloned().collect();
    let known = context.store.known_among(account, kind, ids).await?;
    let observation = Observation {
        kind,
        resources,
        complete: false,
        in_pieces: false,
        observed_at,
        last_complete: ticket.last_complete,
        confirmations: settings.removal_confirmations,
        missed: Missed::default(),
        former_words: None,
    };
    let delta = diff(observation, &known);
    // A complete list has to decide whether this many changes are believed.
    let is_believed = fits && delta.affected < settings.mass_changes.least;
    let upserts = if is_believed { delta.upserts } else { Upserts::default() };
    if !is_believed || !is_all {
        context.store.request_poll(account, kind, now).await?;
    }
    let changed = if upserts.is_empty() { ticket.changed } else { Some(observed_at) };
    let pace =
        cadence::pace(settings, Signs { kind, now, awaited: awaited.is_any(), hook_set: ticket.hook_set, changed });
    let usual = settings.interval(kind);
    let record = PollRecord {
        account,
        kind,
        lease: ticket.lease,
        observed_at,
        complete: false,
        breadth: Breadth::Ids,
        since: ticket.last_complete,
        listed_by,
        partial_reason: None,
        upserts,
        missing: Vec::new(),
        removed: Vec::new(),
        changes: Vec::new(),
        decision: None,
        ends_hold: false,
        passed_over: gap::since(&ticket, usual, observed_at, false).late,
        // The interval of lists stays the same.
        pace: Pace { every: ticket.every.unwrap_or(usual), reason: pace.reason },
        // An account that became watched during the poll has no schedule yet.
        next_due: wanted.list_due.unwrap_or(now),
        again: match pace.reason {
            PaceReason::Passing => Some(Again { ids: awaited.ids, at: now.after(pace.every) }),
            _ => None,
        },
        now,
        effort: effort(context, &ticket.account.key, stopwatch.elapsed(), listing.usage.requests),
        damping: settings.damping,
    };
    context.store.record_poll(record).await
}

/// Whether all wanted instances were listed.
fn is_all_of(wanted: &[ResourceId], listed: &[Resource]) -> bool {
    let listed: HashSet<&ResourceId> = listed.iter().map(Resource::id).collect();
    wanted.iter().all(|id| listed.contains(id))
}
