//! How long to wait between tries of a store that fails. Short at its longest, so that everything goes on within
//! seconds once the store works again, and jittered, so that those who wait do not all come back at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
/// What a try costs a disk that is full or broken is next to nothing.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The store did what it was asked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure: from half up to all of a time that doubles from 100 ms to 3 s.
    pub fn wait(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // The middle, should the system give no randomness.
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
