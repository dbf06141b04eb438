//! When so much of an account vanishes or changes at once that the provider is more likely to be wrong than right. Such
//! a list is held: it is asked for again, and only what is still so is told, as a storm. Pure.

use crate::model::{AccountKey, ChangeType, Details, Kind, NewChange, ResourceId, Storm, Subject, Timestamp};
use crate::store::{Held, StormOrder};

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Which share of an account's resources of one kind, and how many at least, make a storm.
    pub share: f64,
    pub least: usize,
    pub until: Until,
}

/// How long a storm is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until a second list shows it too.
    Confirmed,
    /// Until an operator releases or discards it, or it passes.
    Ordered,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { share: 0.3, least: 20, until: Until::Confirmed }
    }
}

/// What a list shows beside what is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Resources that vanished or are in another state.
    pub(super) affected: usize,
    pub(super) known: usize,
}

/// What is to be made of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Recorded like any other.
    Calm,
    /// Not recorded, and asked for again.
    Hold,
    /// Recorded, and told as a storm that was held since then.
    Report(Timestamp),
    /// Recorded, and nothing told of it but that it was discarded.
    Discard(Timestamp),
}

pub(super) fn judge(settings: &Settings, weather: Weather, held: Option<&Held>) -> Verdict {
    let Weather { affected, known } = weather;
    let is_storm = affected >= settings.least.max(1) && affected as f64 > known as f64 * settings.share;
    match (is_storm, held) {
        // It was judged before, and what is left of it to be recorded may be less than a storm.
        (_, Some(held)) if held.told => match held.order {
            Some(StormOrder::Discard) => Verdict::Discard(held.since),
            Some(StormOrder::Release) | None => Verdict::Report(held.since),
        },
        (false, _) => Verdict::Calm,
        (true, None) => Verdict::Hold,
        (true, Some(held)) => match (held.order, settings.until) {
            (Some(StormOrder::Discard), _) => Verdict::Discard(held.since),
            (Some(StormOrder::Release), _) | (None, Until::Confirmed) => Verdict::Report(held.since),
            (None, Until::Ordered) => Verdict::Hold,
        },
    }
}

/// The change that goes before what a storm is made of.
pub(super) fn change(
    account: &AccountKey,
    kind: Kind,
    weather: Weather,
    verdict: Verdict,
    observed_at: Timestamp,
) -> Option<NewChange> {
    let (since, discarded) = match verdict {
        Verdict::Calm | Verdict::Hold => return None,
        Verdict::Report(since) => (since, false),
        Verdict::Discard(since) => (since, true),
    };
    let storm = Storm {
        of: kind.plural().to_owned(),
        affected: weather.affected,
        known: weather.known,
        held_since: since,
        discarded,
    };
    Some(NewChange {
        change_type: ChangeType::TrackerStorm,
        subject: Subject::Account,
        resource: ResourceId::made_of(&account.user),
        name: None,
        realm: None,
        old_state: None,
        new_state: None,
        observed_after: Some(since),
        observed_at,
        passed_over: false,
        details: Some(Details::Storm(storm)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_held_and_then_told() {
        let since = Timestamp::from_millis(1000);
        let held = |order| Some(Held { since, lists: 1, affected: 25, known: 50, order, told: false });
        let check = |until: Until, affected: usize, known: usize, held: Option<Held>, want: Verdict| {
            let settings = Settings { until, ..Settings::default() };
            let got = judge(&settings, Weather { affected, known }, held.as_ref());
            assert_eq!(got, want, "{until:?} {affected} {known} {held:?}");
        };
        use Until::{Confirmed, Ordered};
        use Verdict::{Calm, Discard, Hold, Report};
        check(Confirmed, 19, 19, None, Calm);
        check(Confirmed, 20, 20, None, Hold);
        check(Confirmed, 30, 100, None, Calm);
        check(Confirmed, 31, 100, None, Hold);
        check(Confirmed, 31, 100, held(None), Report(since));
        check(Confirmed, 5, 100, held(None), Calm);
        check(Ordered, 31, 100, held(None), Hold);
        check(Ordered, 5, 100, held(None), Calm);
        check(Ordered, 31, 100, held(Some(StormOrder::Release)), Report(since));
        check(Ordered, 31, 100, held(Some(StormOrder::Discard)), Discard(since));
        check(Confirmed, 0, 0, None, Calm);
    }
}
