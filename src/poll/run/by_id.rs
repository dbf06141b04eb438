//! What is made of a poll of single instances: what changed of those that were listed is recorded and told. Nothing is
//! made of those that were not, but that everything is polled at once: that tells whether they are gone.

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
    // Of an id that stands twice, nobody knows which entry holds.
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
    // Whether so much is to be believed is for a list of everything to say.
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
        // Lists keep theirs.
        pace: Pace { every: ticket.every.unwrap_or(usual), reason: pace.reason },
        // An account that is watched since it was asked has no plan yet.
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

/// Whether nothing was asked for in vain.
fn is_all_of(wanted: &[ResourceId], listed: &[Resource]) -> bool {
    let listed: HashSet<&ResourceId> = listed.iter().map(Resource::id).collect();
    wanted.iter().all(|id| listed.contains(id))
}
