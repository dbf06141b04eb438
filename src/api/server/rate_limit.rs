//! Rate limits: a token bucket for each caller. Every answer shows its level, as in
//! draft-ietf-httpapi-ratelimit-headers.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::api::problem::{Problem, ProblemType};
use crate::model::{AccountId, Owner};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// A minute, in which as many requests may be sent as the settings say.
const WINDOW: Duration = Duration::from_secs(60);

/// With no more buckets than this, none is thrown away.
const MANY: usize = 10_000;

type Key = (AccountId, Owner);
type Limiter = RateLimiter<Key, DefaultKeyedStateStore<Key>, DefaultClock, StateInformationMiddleware>;

pub(crate) struct Rates {
    limiter: Limiter,
    per_window: NonZeroU32,
    /// With more buckets than this, those that are full are looked for.
    sweep_beyond: AtomicUsize,
}

/// What is left for a caller, put down by whoever finds out who it is, for whoever answers.
#[derive(Clone, Default)]
pub(crate) struct Left(Arc<OnceLock<u32>>);

impl Rates {
    pub(crate) fn new(per_minute: NonZeroU32) -> Rates {
        let limiter = RateLimiter::keyed(Quota::per_minute(per_minute)).with_middleware();
        Rates { limiter, per_window: per_minute, sweep_beyond: AtomicUsize::new(MANY) }
    }

    /// Counts a request.
    pub(crate) fn count(&self, account: AccountId, owner: &Owner, left: Option<&Left>) -> Result<(), Problem> {
        if self.limiter.len() > self.sweep_beyond.load(Ordering::Relaxed) {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
            // Where all are in use, the next request does not look through all of them again.
            self.sweep_beyond.store(MANY.max(self.limiter.len().saturating_mul(2)), Ordering::Relaxed);
        }
        let counted = self.limiter.check_key(&(account, owner.clone()));
        if let Some(Left(told)) = left {
            // It is counted once in a request, so nobody has told it before.
            let _ = told.set(counted.as_ref().map_or(0, |state| state.remaining_burst_capacity()));
        }
        match counted {
            Ok(_) => Ok(()),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let detail = format!("more than {} requests in a minute", self.per_window);
                Err(Problem::new(ProblemType::TooManyRequests, detail)
                    .with("limit", self.per_window.get())
                    .retry_after(wait))
            }
        }
    }

    /// Tells the caller what is left, where it is known who it is.
    pub(crate) fn tell(&self, Left(left): &Left, headers: &mut HeaderMap) {
        let Some(left) = left.get() else { return };
        let full = self.per_window.get();
        let window = WINDOW.as_secs();
        // Until the bucket is full again.
        let reset = (u64::from(full - left.min(&full)) * window).div_ceil(u64::from(full));
        for (name, value) in
            [(POLICY, format!("\"requests\";q={full};w={window}")), (LEFT, format!("\"requests\";r={left};t={reset}"))]
        {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}
