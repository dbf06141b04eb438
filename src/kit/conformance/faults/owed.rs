//! A fault of a provider, and the errors that a driver may return for it.

use std::time::Duration;

use super::told::Told;
use crate::driver::{CallError, Coverage};
use crate::kit::conformance::stage::Outcome;
use crate::kit::conformance::stand::Run;

/// Something that goes wrong at one exchange.
pub(in crate::kit::conformance) struct Fault {
    /// As in "where the answer is ...".
    pub(in crate::kit::conformance) what: String,
    pub(in crate::kit::conformance) outcome: Outcome,
    pub(in crate::kit::conformance) owed: Owed,
    pub(in crate::kit::conformance) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kit::conformance) enum FaultKind {
    /// The status says what is wrong, or there is no answer.
    Status,
    /// An answer that no list can be read from.
    Broken,
}

/// What a driver owes for a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kit::conformance) enum Owed {
    Unauthorized,
    Forbidden,
    /// With the provider's wait, where it gave one.
    Throttled(Option<Duration>),
    Unavailable,
    /// Either: 503 with Retry-After is said by providers that throttle, and by those that are down.
    UnavailableOrThrottled(Duration),
    /// Unavailable or unexpected-answer: which of them an answer that is cut off is, is the driver's to say.
    NoList,
    /// The same, or a list that the host sees to be short, by the provider's total.
    NoListOrMisfit,
    /// The same as `NoList`, and not even the very list: what is cut off behind the list is no whole list either.
    NotWhole,
    /// Any of the errors but wrong credentials: what a provider's error means is the provider's to say.
    NoListAtAll,
    /// The same, and not even the very list: a status that says that there is none is needed.
    NoListByStatus,
    /// What is asked for is not to be had: no word on the credentials, none on when to ask again, and no fault of the
    /// provider's.
    Refused,
    /// The same for a status that few providers use. Some of them may also mean an outage.
    RareRefusal,
    /// Any error that a provider may have: its own words say which.
    AnyError,
    /// What a recorded error means, whatever its status.
    Told(Told),
}

impl Owed {
    /// For people.
    pub(in crate::kit::conformance) fn expected(self) -> String {
        match self {
            Owed::Unauthorized => "unauthorized".into(),
            Owed::Forbidden => "forbidden".into(),
            Owed::Throttled(Some(wait)) => format!("throttled, with {} seconds to wait", wait.as_secs()),
            Owed::Throttled(None) => "throttled, without a time to wait".into(),
            Owed::Unavailable => "unavailable".into(),
            Owed::UnavailableOrThrottled(wait) => {
                format!("unavailable, or throttled with {} seconds to wait", wait.as_secs())
            }
            Owed::NoList | Owed::NoListOrMisfit | Owed::NotWhole => "unavailable or unexpected-answer".into(),
            Owed::Told(told) => told.expected(),
            Owed::AnyError => "an error".into(),
            Owed::Refused => "unexpected-answer, forbidden or invalid-account".into(),
            Owed::RareRefusal => "unexpected-answer, unavailable, forbidden or invalid-account".into(),
            Owed::NoListAtAll | Owed::NoListByStatus => "an error, and no guess that the credentials are wrong".into(),
        }
    }

    /// Whether a run gave what is owed. The list to its last field is always right: what was broken was not
    /// needed. So is a partial one that has something in it, where a part of the provider may fail alone.
    pub(in crate::kit::conformance) fn is_given(self, run: &Run, good: &Run) -> bool {
        let error = match &run.outcome {
            Err(failure) => &failure.error,
            Ok(listing) => {
                let in_part = matches!(listing.coverage, Coverage::Partial(_)) && !listing.resources.is_empty();
                return match self {
                    Owed::NoListOrMisfit if matches!(listing.coverage, Coverage::Misfit(_)) => true,
                    Owed::Unauthorized | Owed::Throttled(_) => false,
                    Owed::Told(told) => told.may_be_partial() && in_part,
                    Owed::NoListByStatus | Owed::NotWhole | Owed::Refused | Owed::RareRefusal => in_part,
                    Owed::Forbidden
                    | Owed::Unavailable
                    | Owed::UnavailableOrThrottled(_)
                    | Owed::NoList
                    | Owed::NoListOrMisfit
                    | Owed::NoListAtAll
                    | Owed::AnyError => in_part || run.is_same(good),
                };
            }
        };
        match (self, error) {
            (Owed::Unauthorized, CallError::Unauthorized(_))
            | (Owed::Forbidden, CallError::Forbidden(_))
            | (
                Owed::Unavailable
                | Owed::UnavailableOrThrottled(_)
                | Owed::NoList
                | Owed::NoListOrMisfit
                | Owed::NotWhole
                | Owed::RareRefusal,
                CallError::Unavailable(_),
            )
            | (Owed::NoList | Owed::NoListOrMisfit | Owed::NotWhole, CallError::UnexpectedAnswer(_))
            | (Owed::AnyError, CallError::Unauthorized(_))
            | (
                Owed::Refused | Owed::RareRefusal,
                CallError::Forbidden(_) | CallError::InvalidAccount(_) | CallError::UnexpectedAnswer(_),
            )
            | (
                Owed::NoListAtAll | Owed::NoListByStatus | Owed::AnyError,
                CallError::Forbidden(_)
                | CallError::Throttled { .. }
                | CallError::Unavailable(_)
                | CallError::InvalidAccount(_)
                | CallError::UnexpectedAnswer(_),
            ) => true,
            (Owed::Told(told), error) => told.is(error),
            (Owed::Throttled(wait), CallError::Throttled { retry_after, .. }) => wait == *retry_after,
            (Owed::UnavailableOrThrottled(wait), CallError::Throttled { retry_after, .. }) => {
                Some(wait) == *retry_after
            }
            _ => false,
        }
    }

    pub(in crate::kit::conformance) fn remedy(self) -> &'static str {
        match self {
            Owed::Unauthorized => {
                "401 is the provider's word that it does not accept the credentials: say `unauthorized`"
            }
            Owed::Forbidden => "403 is a right that is missing: say `forbidden`",
            Owed::Throttled(_) => {
                "say `throttled` with the Retry-After that the provider gave, in seconds, and with none where it gave none; \
                 do not wait and do not ask again"
            }
            Owed::Unavailable | Owed::UnavailableOrThrottled(_) => {
                "say `unavailable`: the fault is the provider's, or the network's"
            }
            Owed::Refused => {
                "a status that only says that the request was not done (4xx) is `unexpected-answer`: `unavailable` is for no \
                 answer and for 5xx, and what asks for patience or for other credentials says so"
            }
            Owed::RareRefusal => {
                "only 401 says that the credentials are wrong, and only 429 when to ask again; a status that you do not know is \
                 `unexpected-answer` (4xx) or `unavailable` (5xx), and never a list"
            }
            Owed::NoListByStatus => "take for a list only what comes with a status of success (2xx)",
            Owed::Told(_) => {
                "know the provider's error documents by what is in them, whatever their root, their status and what stands \
                 beside; where the provider says how long to wait, give the host that; go by the status \
                 where you do not know the code, and say `unexpected-answer` where the status says nothing either"
            }
            Owed::NotWhole => {
                "read the answer to its end before you say that the list is complete: what is missing may be the way to \
                 the next page"
            }
            Owed::NoList | Owed::NoListOrMisfit | Owed::NoListAtAll | Owed::AnyError => {
                "read the answer whole, and take for a list only what has the list in it: anything else is \
                 `unexpected-answer`, or `unavailable` where it was cut off"
            }
        }
    }
}
