//! The wait between retries on a failing store. It is short even at its longest, so that everything continues within
//! seconds once the store works again. It has jitter, so that not all callers return at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
/// A try costs a full or broken disk next to nothing.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The store works again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: from half up to all of a time that doubles from 100 ms to 3 s.
    pub fn wait(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // The middle, if the system's random number generator fails.
        let random = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
        longest.mul_f64(0.5 + random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        for round in 0..2 {
            let mut longest = Duration::from_millis(100);
            for failure in 0..40 {
                let wait = backoff.wait();
                assert!(wait <= longest && wait >= longest / 2, "{round}.{failure}: {wait:?} of {longest:?}");
                longest = (longest * 2).min(Duration::from_secs(3));
            }
            backoff.reset();
        }
    }
}
