//! Decides whether a list comes so late that changes may have been missed. Pure.

use std::time::Duration;

use crate::model::{AccountKey, ChangeType, Details, Gap, NewChange, ResourceId, Subject, Timestamp};
use crate::store::PollTicket;

/// The multiples of an interval from which a poll is late, and from which the time before it is a gap. With every poll
/// in time, lists are one interval apart, plus or minus the jitter.
const LATE: f64 = 1.5;
const GAP: f64 = 2.0;
/// The minimum, however short the interval: a machine that is busy for a moment has missed nothing.
const LATE_BY: Duration = Duration::from_secs(2);
const GAP_OF: Duration = Duration::from_secs(10);

const NOT_POLLED: &str = "not-polled: the tracker was not running, or could not keep up";

/// The time between a list and the complete list before it.
#[derive(Debug, PartialEq)]
pub(super) struct Since {
    /// Whether a poll was missed, or this one is late.
    pub(super) late: bool,
    /// A gap for the journal.
    pub(super) gap: Option<Gap>,
}

/// Judges a list by the time since the complete list before it, compared with the planned interval. Without regular
/// polls, none was missed.
///
/// A list that is late at the fast interval may have missed a state, and its changes say so. But the account was
/// observed as long as it was listed at the `usual` interval, so there is no gap.
pub(super) fn since(ticket: &PollTicket, usual: Duration, observed_at: Timestamp, complete: bool) -> Since {
    let Some(from) = ticket.last_complete.filter(|_| ticket.watched) else {
        return Since { late: false, gap: None };
    };
    let interval = ticket.every.unwrap_or(usual);
    let late = ticket.failures > 0 || observed_at.since(from) > interval.mul_f64(LATE).max(interval + LATE_BY);
    // A gap that was reported is not reported again, even if the list that ended it was not recorded completely.
    let from = ticket.gap_told.map_or(from, |told| told.max(from));
    let stretch = observed_at.since(from);
    // A list that is not complete ends no gap. There is no gap either if lists came and were held: the mass change
    // reports that.
    let is_gap = complete && ticket.held.is_none() && stretch > interval.max(usual).mul_f64(GAP).max(GAP_OF);
    let gap = is_gap.then(|| Gap {
        of: ticket.kind.plural().to_owned(),
        from,
        to: observed_at,
        why: ticket.trouble.clone().unwrap_or_else(|| NOT_POLLED.to_owned()),
    });
    Since { late, gap }
}

/// A gap as a change of the account.
pub(super) fn change(account: &AccountKey, gap: Gap) -> NewChange {
    NewChange {
        change_type: ChangeType::TrackerGap,
        subject: Subject::Account,
        resource: ResourceId::made_of(&account.user),
        name: None,
        realm: None,
        old_state: None,
        new_state: None,
        observed_after: Some(gap.from),
        observed_at: gap.to,
        passed_over: true,
        details: Some(Details::Gap(gap)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::pretend;

    const INTERVAL: Duration = Duration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn ticket(last_complete: Option<i64>, failures: u32, trouble: Option<&str>) -> PollTicket {
        let (last_complete, trouble) = (last_complete.map(at), trouble.map(str::to_owned));
        PollTicket { last_complete, failures, trouble, ..pretend::ticket() }
    }

    #[test]
    fn what_was_missed_is_told() {
        let check = |ticket: PollTicket, now: i64, late: bool, gap: Option<&str>| {
            let since = since(&ticket, INTERVAL, at(now), true);
            assert_eq!((since.late, since.gap.as_ref().map(|gap| gap.why.as_str())), (late, gap), "{now}");
        };
        check(ticket(None, 0, None), 1_000_000, false, None);
        check(ticket(Some(0), 0, None), 60, false, None);
        check(ticket(Some(0), 0, None), 90, false, None);
        check(ticket(Some(0), 0, None), 91, true, None);
        check(ticket(Some(0), 1, Some("unavailable: x")), 65, true, None);
        check(ticket(Some(0), 4, Some("unavailable: x")), 121, true, Some("unavailable: x"));
        check(ticket(Some(0), 0, None), 7200, true, Some(NOT_POLLED));
        // What counts is what was planned, be it faster than usual or slower.
        let paced = |seconds| PollTicket { every: Some(Duration::from_secs(seconds)), ..ticket(Some(0), 0, None) };
        check(paced(5), 7, false, None);
        check(paced(5), 8, true, None);
        check(paced(5), 120, true, None);
        check(paced(5), 121, true, Some(NOT_POLLED));
        check(paced(120), 180, false, None);
        check(paced(120), 181, true, None);
        check(paced(120), 241, true, Some(NOT_POLLED));
        let quick = |now| since(&ticket(Some(0), 0, None), Duration::from_millis(300), at(now), true);
        assert_eq!(quick(2), Since { late: false, gap: None });
        assert!(quick(3).late && quick(10).gap.is_none() && quick(11).gap.is_some());
        // The clock was set back: nothing is known to have been missed.
        check(ticket(Some(1000), 0, None), 0, false, None);
        check(PollTicket { watched: false, ..ticket(Some(0), 0, None) }, 7200, false, None);
        // A gap that was told is not told again; what came after it is.
        let told = |until| PollTicket { gap_told: Some(at(until)), ..ticket(Some(0), 0, None) };
        check(told(7100), 7200, true, None);
        check(told(7100), 7221, true, Some(NOT_POLLED));
        assert_eq!(since(&told(7100), INTERVAL, at(7221), true).gap.map(|gap| gap.from), Some(at(7100)));
        let partial = since(&ticket(Some(0), 0, Some("one zone")), INTERVAL, at(7200), false);
        assert_eq!(partial, Since { late: true, gap: None });
    }

    #[test]
    fn a_gap_is_a_change_of_the_account() {
        let ticket = ticket(Some(0), 0, None);
        let gap = since(&ticket, INTERVAL, at(7200), true).gap.expect("a gap");
        let change = change(&ticket.account.key, gap);
        assert_eq!(
            (change.resource.as_str(), change.observed_after, change.observed_at),
            ("ann", Some(at(0)), at(7200))
        );
    }
}
