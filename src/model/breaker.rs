//! The circuit breaker of a remote peer: its standing, and how many requests it may have in flight. Pure.
//!
//! A peer that never answered may have one request in flight, and so may one whose last request timed out. For all
//! others the width grows by one with each success and halves when the peer is overloaded. The breaker opens after
//! consecutive failures, sooner after timeouts, because each timeout holds a slot for its whole length. It lets one
//! request through after a wait that doubles, and closes with the first success.

use std::time::Duration;

use super::time::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How many failures in a row open the breaker.
    pub failures: u32,
    /// How many timeouts in a row open the breaker, independent of `window`.
    pub timeouts: u32,
    /// How long the failures must have lasted: a short interruption under much traffic is no outage.
    pub window: Duration,
    /// How long the breaker stays open at first; the time doubles after each failed probe.
    pub open_for: Duration,
    /// The longest time that the breaker stays open.
    pub open_at_most: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            failures: 10,
            timeouts: 2,
            window: Duration::from_secs(5),
            open_for: Duration::from_secs(10),
            open_at_most: Duration::from_secs(300),
        }
    }
}

/// How a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failing {
    /// The peer answers, but accepts nothing.
    Refusing,
    /// The peer is overloaded: no connection, or an answer that says so.
    Strained,
    /// No answer in time.
    TimedOut,
}

/// The standing of a peer, by its last requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// The last answer came in good time.
    Proven,
    /// It never answered.
    #[default]
    Unproven,
    /// The last answer took long.
    Slow,
    /// The last request timed out.
    TimedOut,
}

impl Standing {
    /// Whether its requests are limited to the share for peers that may hang.
    pub fn is_probation(self) -> bool {
        self != Standing::Proven
    }

    /// Whether the last answer was late, or did not come at all.
    pub fn is_late(self) -> bool {
        matches!(self, Standing::Slow | Standing::TimedOut)
    }
}

/// The breaker of one peer.
#[derive(Clone, Debug)]
pub struct Breaker {
    state: State,
    standing: Standing,
    /// How many requests may be in flight.
    width: usize,
    /// In a row.
    timeouts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        /// In a row.
        failures: u32,
        since: Timestamp,
    },
    /// Open until this time; then one request is let through.
    Open {
        until: Timestamp,
        /// How long the breaker is open this time.
        wait: Duration,
    },
}

const CLOSED: State = State::Closed { failures: 0, since: Timestamp::from_millis(0) };

/// How many requests a peer may have in flight after its first success.
pub const FIRST_WIDTH: usize = 8;

impl Breaker {
    /// `most` is the largest width.
    pub fn new(standing: Standing, most: usize) -> Breaker {
        Breaker { state: CLOSED, standing, width: FIRST_WIDTH.min(most.max(1)), timeouts: 0 }
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// How many more requests may be sent while `under_way` are in flight.
    pub fn allowance(&self, now: Timestamp, under_way: usize) -> usize {
        match self.state {
            State::Closed { .. } => self.width().saturating_sub(under_way),
            // A clock that was set back does not extend the wait.
            State::Open { until, wait } if now < until && until.since(now) <= wait => 0,
            State::Open { .. } => usize::from(under_way == 0),
        }
    }

    fn width(&self) -> usize {
        match self.standing {
            Standing::Proven | Standing::Slow => self.width,
            Standing::Unproven | Standing::TimedOut => self.width.min(1),
        }
    }

    /// Whether requests are sent. Of a closed breaker, only the width and the standing are worth keeping.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// The peer answered in good time. `most` is the largest width. Returns whether the breaker was open.
    pub fn succeeded(&mut self, most: usize) -> bool {
        let was_open = !self.is_closed();
        self.state = CLOSED;
        self.standing = Standing::Proven;
        self.timeouts = 0;
        self.width = (self.width + 1).clamp(1, most.max(1));
        was_open
    }

    /// The last answer, success or failure, took so long that more like it could use up all slots.
    pub fn slowed(&mut self) {
        if self.standing != Standing::TimedOut {
            self.standing = Standing::Slow;
        }
    }

    /// Returns until when nothing may be sent, if this failure opened the breaker.
    pub fn failed(&mut self, settings: &Settings, now: Timestamp, how: Failing) -> Option<Timestamp> {
        match how {
            Failing::Refusing => self.timeouts = 0,
            Failing::Strained => {
                self.timeouts = 0;
                self.width = (self.width / 2).max(1);
            }
            Failing::TimedOut => {
                self.timeouts = self.timeouts.saturating_add(1);
                self.standing = Standing::TimedOut;
                self.width = (self.width / 2).max(1);
            }
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
            // A request that was in flight when the breaker opened says nothing new.
            State::Open { until, .. } if now < until => return None,
            State::Open { wait, .. } => wait.saturating_mul(2).min(settings.open_at_most),
        };
        if let State::Closed { failures, since } = self.state
            && (failures < settings.failures.max(1) || now.since(since) < settings.window)
            && self.timeouts < settings.timeouts.max(1)
        {
            return None;
        }
        let until = now.after(wait);
        self.state = State::Open { until, wait };
        // The peer starts with a small width when it is back, so that not all its hooks reach it at once.
        self.width = self.width.min(FIRST_WIDTH);
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings = Settings {
        failures: 3,
        timeouts: 2,
        window: Duration::from_secs(2),
        open_for: Duration::from_secs(10),
        open_at_most: Duration::from_secs(35),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_795_341_600_000 + seconds * 1000)
    }

    /// What happens to one, each at its second; gives until which second it is open each time that it opens.
    fn opened(happened: &[(i64, Result<(), Failing>)]) -> Vec<i64> {
        let mut breaker = Breaker::new(Standing::Proven, 64);
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
        let mut breaker = Breaker::new(Standing::Proven, 64);
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
        let mut breaker = Breaker::new(Standing::Proven, 20);
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
        assert_eq!(Breaker::new(Standing::Proven, 3).allowance(at(0), 0), 3);
    }
    #[test]
    fn timeouts_open_it_sooner_than_refusals() {
        let check = |happened: &[(i64, Result<(), Failing>)], want: &[i64]| assert_eq!(opened(happened), want);
        let timed_out = |second: i64| (second, Err(Failing::TimedOut));
        let refused = |second: i64| (second, Err(Failing::Refusing));
        check(&[timed_out(20), timed_out(20)], &[30]);
        check(&[timed_out(20), (21, Ok(())), timed_out(41)], &[]);
        check(&[timed_out(20), refused(21), timed_out(41)], &[51]);
        check(&[timed_out(20), refused(20), timed_out(20)], &[]);
        check(&[timed_out(20), timed_out(20), timed_out(30), timed_out(70)], &[30, 50, 105]);
    }

    #[test]
    fn a_peer_is_proven_by_an_answer_and_may_have_one_in_flight_until_then() {
        let mut breaker = Breaker::new(Standing::Unproven, 64);
        assert_eq!((breaker.allowance(at(0), 0), breaker.allowance(at(0), 1)), (1, 0));
        breaker.failed(&SETTINGS, at(1), Failing::Refusing);
        assert_eq!((breaker.standing(), breaker.allowance(at(1), 0)), (Standing::Unproven, 1));
        breaker.succeeded(64);
        assert_eq!((breaker.standing(), breaker.allowance(at(2), 0)), (Standing::Proven, FIRST_WIDTH + 1));
        breaker.failed(&SETTINGS, at(3), Failing::TimedOut);
        assert_eq!((breaker.standing(), breaker.allowance(at(3), 0)), (Standing::TimedOut, 1));
        breaker.slowed();
        assert_eq!(breaker.standing(), Standing::TimedOut, "a timeout is worse than a slow answer");
        breaker.succeeded(64);
        breaker.slowed();
        assert_eq!((breaker.standing(), breaker.allowance(at(4), 0)), (Standing::Slow, 5));
    }
}
