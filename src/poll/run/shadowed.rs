//! A list that the driver's shadow lists as well, to compare both.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use secrecy::SecretString;

use super::super::context::Context;
use super::list::Listed;
use crate::driver::{CallError, Coverage, Listing, Shadow};
use crate::model::{AccountKey, Kind};

/// A list that the driver's shadow lists too, once the result is recorded and reported.
pub(super) struct Shadowed {
    shadow: Arc<Shadow>,
    /// As the current version listed it.
    listing: Listing,
    key: AccountKey,
    password: SecretString,
}

pub(super) fn shadow(context: &Context, listed: &Listed) -> Option<Shadowed> {
    // An incomplete list cannot be compared.
    if listed.wanted.is_some() || matches!(listed.listing.coverage, Coverage::Delta(_)) {
        return None;
    }
    let key = &listed.target.key;
    let shadow = Arc::clone(context.roster.catalog().shadow(&key.driver)?);
    let (listing, password) = (listed.listing.clone(), listed.target.password.clone());
    Some(Shadowed { shadow, listing, key: key.clone(), password })
}

impl Shadowed {
    pub(super) async fn follow(self, context: &Context, kind: Kind) {
        let Shadowed { shadow, listing, key, password } = self;
        let requests = listing.usage.requests;
        if context.roster.budget(&key).is_some_and(|budget| !budget.wait_for(requests).is_zero()) {
            tracing::debug!(account = %key, %kind, "the shadow does not list this time: the account's request budget is used up");
            return;
        }
        match context.roster.target_of(shadow.driver(), &key, password) {
            Ok(target) => {
                let now = context.clock.now();
                // The poll itself is recorded: a fault here affects only the shadow.
                if AssertUnwindSafe(shadow.follow(&target, kind, &listing, now)).catch_unwind().await.is_err() {
                    context.metrics.work.host_fault("shadow");
                    shadow.failed(&key, CallError::HostFault.to_string(), now);
                }
            }
            Err(error) => shadow.failed(&key, error.to_string(), context.clock.now()),
        }
    }
}
