//! Claims due deliveries. Half of a claim is for accounts in turns (`claim/round.rs`), whatever the number of their
//! destinations. The rest is for destinations in turns, then for the accounts of each destination, then for the hooks
//! of each account.

mod destination;
mod hook;
mod round;

use super::super::{Budget, DeliveryClaim, DueDelivery, Result};
use super::writing::Writing;
use super::{damage, turns};
use round::Round;

pub(super) fn claim(writing: &mut Writing<'_>, claim: &DeliveryClaim) -> Result<Vec<DueDelivery>> {
    let mut budget = Budget::new(&claim.room, claim.limit);
    let mut round = match Round::look(writing, claim, &mut budget) {
        Err(error) if damage::is_damaged_row(&error) => {
            // Whose turn it is follows from what waits.
            writing.memory.damages.note("queues", None, Vec::new(), "destination", &error.to_string());
            turns::rebuild(writing.connection)?;
            budget = Budget::new(&claim.room, claim.limit);
            Round::look(writing, claim, &mut budget)?
        }
        found => found?,
    };
    let mut claimed = Vec::new();
    round.serve_accounts(writing, claim, &mut budget, &mut claimed)?;
    round.serve_destinations(writing, claim, &mut budget, &mut claimed)?;
    let ended = round.end(writing, claim, &budget);
    turns::or_rebuild(writing, ended)?;
    Ok(claimed)
}
