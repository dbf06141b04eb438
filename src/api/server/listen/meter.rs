//! Weighs the cost of an HTTP/2 connection against its requests. Each frame has a price. Answers, their bytes, and time
//! pay it back. The host reads more slowly from a connection that has spent its balance, and closes it if it continues.
//! So a client that sends requests and takes the answers is never slowed down, however many it sends. Resets, pings,
//! settings, priorities, empty frames and window updates of one byte are. Pure: time is a parameter.

use std::time::Duration;

use super::frames::{CONTINUATION, DATA, Frame, HEADERS, PING, PUSH_PROMISE, RST_STREAM, SETTINGS};
use crate::api::settings::Settings;

/// What may be spent, and how soon it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    /// The credit of whoever has not spent anything.
    pub(super) most: i64,
    /// The credit that comes back in a second.
    pub(super) per_second: i64,
}

impl Allowance {
    pub(super) fn of_connection(settings: &Settings) -> Allowance {
        Allowance::new(settings.http2_budget, settings.http2_budget_per_second)
    }

    /// Of all connections of one network together, so that a new connection is no new credit. Only those connections are
    /// held back for it that have spent half of their own.
    pub(super) fn of_network(settings: &Settings) -> Allowance {
        Allowance::new(settings.http2_budget_per_peer, settings.http2_budget_per_peer_per_second)
    }

    fn new(most: u32, per_second: u32) -> Allowance {
        Allowance { most: most.into(), per_second: per_second.into() }
    }
}

/// For how long reading stops at once, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Who was held back for so long, without having earned its credit back, is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Fewer bytes in a frame of data than this cost more to handle than they bring.
const TINY: u32 = 256;

/// The price of a frame that a client sends. One that opens a stream costs a task and a request; one that resets it
/// makes that worthless. Settings go over all streams, and pings are answered.
fn price(frame: Frame) -> i64 {
    let size = i64::from(frame.length / 4096);
    match frame.kind {
        DATA if frame.length >= TINY => 0,
        HEADERS | CONTINUATION => 2 + size,
        RST_STREAM => 20,
        SETTINGS | PING if frame.is_ack() => 1,
        SETTINGS => 20,
        PING => 5,
        PUSH_PROMISE => 10,
        _ => 1,
    }
}

/// What a frame that the host sends pays back; what it costs, where a client's fault made the host reset a stream.
fn pays(frame: Frame) -> i64 {
    let ends = if frame.ends_stream() { 2 } else { 0 };
    match frame.kind {
        HEADERS => 10 + ends,
        DATA => i64::from(frame.length / 1024) + ends,
        RST_STREAM => -20,
        _ => 0,
    }
}

/// The credit of a connection, or of a network.
#[derive(Debug)]
pub(super) struct Meter {
    allowance: Allowance,
    credit: i64,
    /// As of when, by a stopwatch of the meter's own.
    at: Duration,
    /// For how long it was held back since it last had most of its credit.
    held_back: Duration,
}

/// What to do before reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Read,
    Wait(Duration),
    Close,
}

impl Meter {
    pub(super) fn new(allowance: Allowance, at: Duration) -> Meter {
        Meter { allowance, credit: allowance.most, at, held_back: Duration::ZERO }
    }

    pub(super) fn came_in(&mut self, frame: Frame, now: Duration) -> i64 {
        self.change(-price(frame), now)
    }

    pub(super) fn went_out(&mut self, frame: Frame, now: Duration) -> i64 {
        self.change(pays(frame), now)
    }

    /// Adds to the credit, and gives back by how much.
    pub(super) fn change(&mut self, by: i64, now: Duration) -> i64 {
        self.pass(now);
        self.credit = (self.credit + by).min(self.allowance.most);
        by
    }

    /// Takes half of what there may be, from somebody of a network that has spent all of its own.
    pub(super) fn begin_with_half(&mut self) {
        // And something for a greeting, so that who asks little is not held back at all.
        self.credit = self.credit.min(self.allowance.most / 2 + self.allowance.most / 40);
    }

    pub(super) fn has_half(&self) -> bool {
        self.credit >= self.allowance.most / 2
    }

    /// How long it takes until there is credit again; nothing where there is.
    pub(super) fn wait(&mut self, now: Duration) -> Option<Duration> {
        self.pass(now);
        let missing = u64::try_from(-self.credit).ok().filter(|missing| *missing > 0)?;
        let per_second = u64::try_from(self.allowance.per_second).unwrap_or(0).max(1);
        Some(Duration::from_millis(missing.saturating_mul(1000).div_ceil(per_second)))
    }

    /// Whether time alone gives all of it back by then.
    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        self.pass(now);
        self.credit >= self.allowance.most
    }

    /// What to do next with a connection, whose network has to wait for `network`.
    pub(super) fn next(&mut self, network: Option<Duration>, now: Duration) -> Next {
        let own = self.wait(now);
        if self.credit >= self.allowance.most / 4 * 3 {
            self.held_back = Duration::ZERO;
        }
        if self.has_half() {
            return Next::Read;
        }
        // More than twice its credit in one go: that is no burst.
        let is_far_off = self.credit < -self.allowance.most;
        let Some(wait) = own.max(network) else { return Next::Read };
        if is_far_off || self.held_back >= PATIENCE {
            return Next::Close;
        }
        let wait = wait.min(LONGEST_PAUSE);
        // It has a part in what its network has spent, but not all of it.
        self.held_back += if own.is_some() { wait } else { wait / 4 };
        Next::Wait(wait)
    }

    fn pass(&mut self, now: Duration) {
        let passed = i64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(i64::MAX);
        let back = passed.saturating_mul(self.allowance.per_second) / 1000;
        // What is less than one stays for the next time.
        if back > 0 {
            self.credit = self.credit.saturating_add(back).min(self.allowance.most);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::server::listen::frames::Frames;

    fn of_connection() -> Allowance {
        Allowance::of_connection(&Settings::default())
    }

    fn frame(kind: u8, flags: u8, length: u32) -> Frame {
        let [_, a, b, c] = length.to_be_bytes();
        let mut found = None;
        Frames::of_server().take_in(&[a, b, c, kind, flags, 0, 0, 0, 1], |frame| found = Some(frame));
        found.expect("a head")
    }

    /// A client that sends these frames over and over, so many rounds a second, and what it is sent for each round. Gives
    /// how many rounds it gets through, and whether it is closed.
    fn driven(rounds: u32, per_second: u32, sends: &[Frame], gets: &[Frame]) -> (u32, bool) {
        driven_with(of_connection(), rounds, per_second, sends, gets)
    }

    fn driven_with(allowance: Allowance, rounds: u32, per_second: u32, sends: &[Frame], gets: &[Frame]) -> (u32, bool) {
        let mut meter = Meter::new(allowance, Duration::ZERO);
        let mut now = Duration::ZERO;
        for round in 0..rounds {
            loop {
                match meter.next(None, now) {
                    Next::Read => break,
                    Next::Wait(wait) => now += wait,
                    Next::Close => return (round, true),
                }
            }
            for frame in sends {
                meter.came_in(*frame, now);
            }
            for frame in gets {
                meter.went_out(*frame, now);
            }
            now += Duration::from_secs(1) / per_second;
        }
        (rounds, false)
    }

    #[test]
    fn floods_are_closed() {
        let check = |sends: &[Frame], gets: &[Frame]| {
            let (rounds, is_closed) = driven(1_000_000, 100_000, sends, gets);
            assert!(is_closed && rounds < 20_000, "{rounds} rounds of {sends:?}");
        };
        let open = frame(HEADERS, 5, 40);
        let answered = frame(HEADERS, 4, 60);
        check(&[open, frame(RST_STREAM, 0, 4)], &[]);
        check(&[open, frame(RST_STREAM, 0, 4)], &[answered]);
        // The host is made to reset what was opened.
        check(&[open, frame(8, 0, 4)], &[frame(RST_STREAM, 0, 4)]);
        check(&[frame(PING, 0, 8)], &[frame(PING, 1, 8)]);
        check(&[frame(PING, 1, 8)], &[]);
        check(&[frame(SETTINGS, 0, 6)], &[frame(SETTINGS, 1, 0)]);
        check(&[frame(SETTINGS, 1, 0)], &[]);
        check(&[frame(2, 0, 5)], &[]);
        check(&[frame(DATA, 0, 0)], &[]);
        check(&[frame(DATA, 0, 1)], &[]);
        check(&[frame(CONTINUATION, 0, 0)], &[]);
        check(&[frame(0xfa, 0, 0)], &[]);
        // A window that opens by a byte, for a byte of the answer.
        check(&[frame(8, 0, 4)], &[frame(DATA, 0, 1)]);
    }

    #[test]
    fn the_budget_is_a_setting() {
        let pings = |budget: u32| {
            let settings =
                Settings { http2_budget: budget, http2_budget_per_second: budget / 20, ..Settings::default() };
            driven_with(Allowance::of_connection(&settings), 1_000_000, 100_000, &[frame(PING, 0, 8)], &[]).0
        };
        let (small, large) = (pings(400), pings(40_000));
        assert!(large > 50 * small && small > 0, "{small} and {large} pings until a connection is closed");
        let settings =
            Settings { http2_budget_per_peer: 7, http2_budget_per_peer_per_second: 3, ..Settings::default() };
        assert_eq!(Allowance::of_network(&settings), Allowance { most: 7, per_second: 3 });
    }

    #[test]
    fn who_asks_and_takes_the_answers_is_never_held_back() {
        let check = |per_second: u32, sends: &[Frame], gets: &[Frame]| {
            assert_eq!(driven(200_000, per_second, sends, gets), (200_000, false), "{sends:?}");
        };
        let (ask, answer) = (frame(HEADERS, 5, 100), frame(HEADERS, 4, 80));
        check(50_000, &[ask], &[answer, frame(DATA, 1, 20)]);
        // With a priority and windows for each, as browsers do it.
        check(50_000, &[ask, frame(2, 0, 5), frame(8, 0, 4), frame(8, 0, 4)], &[answer, frame(DATA, 1, 700)]);
        // An upload, and a download whose reader opens its windows as it takes it.
        check(50_000, &[frame(DATA, 0, 16_384)], &[]);
        check(50_000, &[frame(8, 0, 4), frame(8, 0, 4)], &[frame(DATA, 0, 16_384)]);
        // A ping a second for days.
        check(1, &[frame(PING, 0, 8), frame(PING, 1, 8)], &[]);
    }

    #[test]
    fn a_tab_may_be_closed() {
        let mut meter = Meter::new(of_connection(), Duration::ZERO);
        for _ in 0..100 {
            meter.came_in(frame(HEADERS, 5, 100), Duration::ZERO);
        }
        for _ in 0..100 {
            meter.came_in(frame(RST_STREAM, 0, 4), Duration::ZERO);
        }
        assert_eq!(meter.next(None, Duration::ZERO), Next::Read);
    }

    #[test]
    fn a_network_holds_back_those_who_spend() {
        let network = Some(Duration::from_millis(300));
        let mut calm = Meter::new(of_connection(), Duration::ZERO);
        calm.begin_with_half();
        assert_eq!(calm.next(network, Duration::ZERO), Next::Read);
        let mut busy = Meter::new(of_connection(), Duration::ZERO);
        busy.change(-of_connection().most * 3 / 4, Duration::ZERO);
        assert_eq!(busy.next(network, Duration::ZERO), Next::Wait(Duration::from_millis(300)));
        assert_eq!(busy.next(None, Duration::ZERO), Next::Read);
        // It has its part in that, and is closed as well, later than for its own debts.
        let waits = (0..).take_while(|_| busy.next(network, Duration::ZERO) != Next::Close).count();
        assert!((50..100).contains(&waits), "{waits}");
    }
}
