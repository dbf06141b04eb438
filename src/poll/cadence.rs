//! The polling interval: shorter while an instance changes state and somebody waits for it, longer if nothing has
//! happened for long. Pure.

use std::time::Duration;

use super::settings::Settings;
use crate::model::{Kind, Resource, Timestamp};
use crate::store::{Pace, PaceReason, Passing};

/// The factor by which an interval grows with each further period of quiet.
const GROWTH: f64 = 1.5;

/// How many instances in passing states are compared with the account's hooks; if there are more, these are enough for
/// the decision.
const MOST_PASSING: usize = 10_000;

/// The facts that decide the interval until the next list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    pub(super) kind: Kind,
    pub(super) now: Timestamp,
    /// Whether a hook waits for an instance in a passing state.
    pub(super) awaited: Awaited,
    /// When a hook for this kind was last set.
    pub(super) hook_set: Option<Timestamp>,
    /// When a list last showed something new.
    pub(super) changed: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Something,
    Nothing,
}

/// The first rule that applies decides. The fast interval is never longer than the usual one, and the quiet one never
/// shorter.
pub(super) fn pace(settings: &Settings, signs: Signs) -> Pace {
    let usual = settings.interval(signs.kind);
    let fast = settings.fast.min(usual);
    if signs.awaited == Awaited::Something {
        return Pace { every: fast, reason: PaceReason::Passing };
    }
    // A time in the future is from before the clock was set back, and is ignored.
    let age = |at: Timestamp| (at <= signs.now).then(|| signs.now.since(at));
    if signs.hook_set.and_then(age).is_some_and(|age| age < settings.fast_after_hook) {
        return Pace { every: fast, reason: PaceReason::HookSet };
    }
    // The later of the two known times. An unknown age counts as zero.
    let quiet_for = signs.changed.max(signs.hook_set).and_then(age).unwrap_or_default();
    let every = usual.mul_f64(grown(quiet_for, settings.quiet_after)).min(settings.quiet).max(usual);
    let reason = if every > usual { PaceReason::Quiet } else { PaceReason::Usual };
    Pace { every, reason }
}

/// The factor for the usual interval.
fn grown(quiet_for: Duration, quiet_after: Duration) -> f64 {
    let stretches = quiet_for.as_millis().checked_div(quiet_after.as_millis()).unwrap_or(0);
    // Bounded, so that the product is a valid duration; the limit of the setting is far below.
    GROWTH.powi(i32::try_from(stretches.min(20)).unwrap_or(20))
}

/// The instances of a list in passing states.
pub(super) fn passing(resources: &[Resource]) -> Vec<Passing> {
    let passing = resources.iter().filter_map(|resource| match resource {
        Resource::Instance(instance) if instance.state.is_passing() => Some(Passing {
            id: instance.id.clone(),
            realm: instance.realm.as_deref().map(str::to_owned),
            state: instance.state,
        }),
        _ => None,
    });
    passing.take(MOST_PASSING).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

    #[test]
    fn the_pace_follows_what_happens() {
        let settings = Settings { quiet: Duration::from_secs(200), ..Settings::default() };
        let ago = |seconds: i64| Timestamp::from_millis(NOW.as_millis() - seconds * 1000);
        let check = |awaited, hook_set: Option<i64>, changed: Option<i64>, want: (u64, PaceReason)| {
            let (hook_set, changed) = (hook_set.map(ago), changed.map(ago));
            let signs = Signs { kind: Kind::Instance, now: NOW, awaited, hook_set, changed };
            let pace = pace(&settings, signs);
            assert_eq!((pace.every.as_secs(), pace.reason), want, "{signs:?}");
        };
        use Awaited::{Nothing, Something};
        check(Nothing, None, None, (60, PaceReason::Usual));
        check(Something, None, Some(99_999), (5, PaceReason::Passing));
        check(Nothing, Some(59), Some(99_999), (5, PaceReason::HookSet));
        check(Nothing, Some(60), Some(99_999), (60, PaceReason::Usual));
        check(Nothing, None, Some(3599), (60, PaceReason::Usual));
        check(Nothing, None, Some(3600), (90, PaceReason::Quiet));
        check(Nothing, None, Some(7200), (135, PaceReason::Quiet));
        check(Nothing, None, Some(4 * 3600), (200, PaceReason::Quiet));
        check(Nothing, None, Some(1 << 40), (200, PaceReason::Quiet));
        check(Nothing, Some(3600), Some(7200), (90, PaceReason::Quiet));
        // The clock was set back.
        check(Nothing, Some(-30), Some(-7200), (60, PaceReason::Usual));
    }

    #[test]
    fn the_usual_interval_is_a_bound_for_both() {
        let check = |settings: &Settings, awaited, kind, changed: Option<Timestamp>, want: u64| {
            let pace = pace(settings, Signs { kind, now: NOW, awaited, hook_set: None, changed });
            assert_eq!(pace.every.as_millis(), u128::from(want), "{pace:?}");
        };
        let quick = Settings { instances_every: Duration::from_millis(300), ..Settings::default() };
        check(&quick, Awaited::Something, Kind::Instance, None, 300);
        let long_ago = Some(Timestamp::from_millis(0));
        // Realms are listed less often than the bound for quiet accounts as it is.
        check(&Settings::default(), Awaited::Nothing, Kind::Realm, long_ago, 300_000);
        let none = Settings { quiet: Duration::from_secs(1), ..Settings::default() };
        check(&none, Awaited::Nothing, Kind::Instance, long_ago, 60_000);
        let at_once = Settings { quiet_after: Duration::ZERO, ..Settings::default() };
        check(&at_once, Awaited::Nothing, Kind::Instance, long_ago, 60_000);
    }
}
