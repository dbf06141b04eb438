//! Damping of flapping resources. A resource that changes state too often is reported as flapping, and once more with
//! its final state, but not for each change between. Pure.

use std::time::Duration;

use super::resource::State;
use super::time::Timestamp;

/// When a state counts as flapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damping {
    /// How many changes of state are reported within this time; the next one begins the damping. With 0 there is no
    /// damping.
    pub flips: u32,
    pub within: Duration,
    /// How long the state has to stay the same until the damping ends.
    pub stable_for: Duration,
}

impl Default for Damping {
    fn default() -> Damping {
        Damping { flips: 4, within: Duration::from_secs(3600), stable_for: Duration::from_secs(15 * 60) }
    }
}

/// The recent changes of one state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flaps {
    /// When they were seen, the newest last: only as many as the decision needs.
    pub times: Vec<Timestamp>,
    pub damped: Option<Damped>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damped {
    /// When the last change before the damping was seen, and the state that it reported.
    pub since: Timestamp,
    pub told: State,
    /// How many changes there were, including those before the damping.
    pub flips: u32,
}

/// How a change is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flip {
    /// As always.
    Told,
    /// As the last one before the damping.
    Begins(Damped),
    /// Not at all.
    Held,
}

impl Flaps {
    /// Records a change to this state.
    pub fn flip(&mut self, at: Timestamp, state: State, damping: &Damping) -> Flip {
        // A time in the future is from before the clock was set back.
        self.times.retain(|time| *time <= at && at.since(*time) < damping.within);
        self.times.push(at);
        if let Some(damped) = &mut self.damped {
            damped.flips = damped.flips.saturating_add(1);
            self.times.drain(..self.times.len() - 1);
            return Flip::Held;
        }
        let flips = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        if damping.flips == 0 || flips <= damping.flips {
            return Flip::Told;
        }
        let damped = Damped { since: at, told: state, flips };
        self.damped = Some(damped);
        Flip::Begins(damped)
    }

    /// Ends the damping if the state has been stable for long enough, and returns it.
    pub fn settle(&mut self, now: Timestamp, damping: &Damping) -> Option<Damped> {
        let last = self.times.last_mut()?;
        // The clock was set back: the stable time counts from now on.
        *last = (*last).min(now);
        if now.since(*last) < damping.stable_for {
            return None;
        }
        let damped = self.damped.take()?;
        self.times.clear();
        Some(damped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RealmState::{Available, Unavailable};

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_795_341_600_000 + minutes * 60_000)
    }

    fn state(flip: usize) -> State {
        State::Realm(if flip.is_multiple_of(2) { Unavailable } else { Available })
    }

    /// One change at each of these minutes: `t`old, `b`egins, `h`eld.
    fn flips(flaps: &mut Flaps, minutes: &[i64], want: &str) {
        let damping = Damping::default();
        let got: String = (minutes.iter().enumerate())
            .map(|(flip, minute)| match flaps.flip(at(*minute), state(flip), &damping) {
                Flip::Told => 't',
                Flip::Begins(_) => 'b',
                Flip::Held => 'h',
            })
            .collect();
        assert_eq!(got, want, "{minutes:?}");
    }

    #[test]
    fn too_many_changes_within_an_hour_are_not_told() {
        let check = |minutes: &[i64], want| flips(&mut Flaps::default(), minutes, want);
        check(&[0, 10, 20, 30], "tttt");
        check(&[0, 10, 20, 30, 59, 65, 900], "ttttbhh");
        check(&[0, 10, 20, 30, 60, 75, 90, 130], "tttttttt");
        // Set back by a day, the clock has no changes of late behind it.
        check(&[0, 10, 20, 30, -1400, -1390], "tttttt");
        let mut never = Flaps::default();
        let off = Damping { flips: 0, ..Damping::default() };
        assert!((0..100).all(|minute| never.flip(at(minute), state(0), &off) == Flip::Told));
        assert!(never.times.len() <= 60, "{}", never.times.len());
    }

    #[test]
    fn what_is_stable_is_told_of_again() {
        let damping = Damping::default();
        let mut flaps = Flaps::default();
        flips(&mut flaps, &[0, 1, 2, 3, 4, 9, 14], "ttttbhh");
        assert_eq!(flaps.settle(at(28), &damping), None);
        let damped = Damped { since: at(4), told: state(4), flips: 7 };
        assert_eq!(flaps.settle(at(29), &damping), Some(damped));
        assert_eq!((flaps.settle(at(99), &damping), &flaps), (None, &Flaps::default()));
        flips(&mut flaps, &[30], "t");

        let mut set_back = Flaps::default();
        flips(&mut set_back, &[0, 1, 2, 3, 4], "ttttb");
        assert_eq!(set_back.settle(at(-1000), &damping), None);
        assert!(set_back.settle(at(-985), &damping).is_some(), "as long as ever, from when it was set back");
    }
}
