//! What a destination is trusted with: how many callbacks it may have under way at once, and a breaker that
//! stops sending where nothing gets through. Pure.
//!
//! The number under way grows by one with each success and halves where a receiver bears no more, so that one
//! that hangs takes few connections, and one that is quick as many as it may. The breaker opens after
//! failures in a row that go on for a while, lets one callback through after a wait that doubles, and closes
//! with the first success.

use std::time::Duration;

use crate::model::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many failures in a row open it.
    pub failures: u32,
    /// For how long these must have gone on: a short hiccup under much traffic is no outage.
    pub window: Duration,
    /// How long it stays open at first; twice as long after each probe that fails.
    pub open_for: Duration,
    /// The longest that it stays open.
    pub open_at_most: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            failures: 10,
            window: Duration::from_secs(5),
            open_for: Duration::from_secs(10),
            open_at_most: Duration::from_secs(300),
        }
    }
}

/// How a try failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failing {
    /// It answers, and takes nothing.
    Refusing,
    /// It bears no more: no connection, no answer in time, or an answer that says so.
    Strained,
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    state: State,
    /// How many may be under way.
    width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        /// In a row.
        failures: u32,
        since: Timestamp,
    },
    /// Open until then, when one is let through.
    Open {
        until: Timestamp,
        /// How long it is open this time.
        wait: Duration,
    },
}

const CLOSED: State = State::Closed { failures: 0, since: Timestamp::from_millis(0) };

/// How many a destination that nothing is known of may have under way.
pub(super) const FIRST_WIDTH: usize = 8;

impl Breaker {
    pub(super) fn new(most: usize) -> Breaker {
        Breaker { state: CLOSED, width: FIRST_WIDTH.min(most) }
    }

    /// How many more may be sent, with so many under way.
    pub(super) fn allowance(&self, now: Timestamp, under_way: usize) -> usize {
        match self.state {
            State::Closed { .. } => self.width.saturating_sub(under_way),
            // A clock that was set back does not make it wait longer.
            State::Open { until, wait } if now < until && until.since(now) <= wait => 0,
            State::Open { .. } => usize::from(under_way == 0),
        }
    }

    /// Whether all is well, and nothing would be lost if it were forgotten but the width.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// `most` is how many may be under way at best. Says whether it was open.
    pub(super) fn succeeded(&mut self, most: usize) -> bool {
        let was_open = !self.is_closed();
        self.state = CLOSED;
        self.width = (self.width + 1).clamp(1, most.max(1));
        was_open
    }

    /// Gives until when nothing is to be sent, if that opened it.
    pub(super) fn failed(&mut self, settings: &Settings, now: Timestamp, how: Failing) -> Option<Timestamp> {
        if how == Failing::Strained {
            self.width = (self.width / 2).max(1);
        }
        let wait = match self.state {
            State::Closed { failures: 0, .. } => {
                self.state = State::Closed { failures: 1, since: now };
                settings.open_for
            }
            State::Closed { failures, since } => {
                self.state = State::Closed { failures: failures.saturating_add(1), since };
                settings.open_for
            }
            // One that was under way when it opened says nothing new.
            State::Open { until, .. } if now < until => return None,
            State::Open { wait, .. } => wait.saturating_mul(2).min(settings.open_at_most),
        };
        if let State::Closed { failures, since } = self.state
            && (failures < settings.failures.max(1) || now.since(since) < settings.window)
        {
            return None;
        }
        let until = now.after(wait);
        self.state = State::Open { until, wait };
        // It begins anew when it is back: all its hooks at once would be no welcome.
        self.width = self.width.min(FIRST_WIDTH);
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        failures: 3,
        window: Duration::from_secs(2),
        open_for: Duration::from_secs(10),
        open_at_most: Duration::from_secs(35),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_341_600_000 + seconds * 1000)
    }

    /// What happens to one, each at its second; gives until which second it is open each time that it opens.
    fn opened(happened: &[(i64, Result<(), Failing>)]) -> Vec<i64> {
        let mut breaker = Breaker::new(64);
        let mut opened = Vec::new();
        for (second, how) in happened {
            match how {
                Ok(()) => {
                    breaker.succeeded(64);
                    assert!(breaker.allowance(at(*second), 0) > 0);
                }
                Err(how) => opened.extend(breaker.failed(&SETTINGS, at(*second), *how)),
            }
        }
        opened.into_iter().map(|until| until.since(at(0)).as_secs() as i64).collect()
    }

    #[test]
    fn opens_after_failures_in_a_row_that_go_on() {
        let check = |happened: &[(i64, Result<(), Failing>)], want: &[i64]| assert_eq!(opened(happened), want);
        let failed = |second: i64| (second, Err(Failing::Refusing));
        let went = |second: i64| (second, Ok(()));
        check(&[failed(1), failed(2), failed(3)], &[13]);
        check(&[failed(1), failed(1), failed(1), failed(1), failed(2)], &[]);
        check(&[failed(1), failed(1), failed(1), failed(3)], &[13]);
        check(&[failed(1), failed(2), went(2), failed(3), failed(4)], &[]);
        // What was under way when it opened does not open it anew; probes that fail do, for twice as long.
        check(&[failed(1), failed(2), failed(3), failed(5)], &[13]);
        check(&[failed(1), failed(2), failed(3), failed(13), failed(33), failed(68)], &[13, 33, 68, 103]);
        // A success closes it, and the next time it is open for as long as at first.
        check(&[failed(1), failed(2), failed(3), went(13), failed(14), failed(15), failed(16)], &[13, 26]);
    }

    #[test]
    fn lets_one_through_when_it_has_been_open_long_enough() {
        let mut breaker = Breaker::new(64);
        for second in 1..=3 {
            breaker.failed(&SETTINGS, at(second), Failing::Refusing);
        }
        assert!(!breaker.is_closed());
        assert_eq!((breaker.allowance(at(3), 0), breaker.allowance(at(12), 0)), (0, 0));
        assert_eq!(breaker.allowance(at(-3600), 0), 1, "the clock was set back");
        assert_eq!((breaker.allowance(at(13), 0), breaker.allowance(at(13), 1)), (1, 0));
        assert!(breaker.succeeded(64));
        assert!(breaker.is_closed() && breaker.allowance(at(13), 0) > 1);
    }

    #[test]
    fn the_number_under_way_grows_with_success_and_halves_under_strain() {
        let mut breaker = Breaker::new(20);
        assert_eq!((breaker.allowance(at(0), 0), breaker.allowance(at(0), 7)), (8, 1));
        for _ in 0..100 {
            breaker.succeeded(20);
        }
        assert_eq!((breaker.allowance(at(0), 0), breaker.allowance(at(0), 25)), (20, 0));
        breaker.failed(&SETTINGS, at(1), Failing::Refusing);
        assert_eq!(breaker.allowance(at(1), 0), 20, "it is not too much");
        let widths: Vec<usize> = (0..6)
            .map(|_| {
                breaker.failed(&SETTINGS, at(1), Failing::Strained);
                breaker.allowance(at(1), 0)
            })
            .collect();
        assert_eq!(widths, [10, 5, 2, 1, 1, 1]);
        assert_eq!(Breaker::new(3).allowance(at(0), 0), 3);
    }
}
