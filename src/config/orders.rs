//! Rules between settings: the waits that must be shorter than others, and the parts that must fit into others.

use std::time::Duration;

use super::error::Problem;
use crate::driver::Limits;
use crate::model::span;
use crate::{api, deliver, poll};

/// What has to be less than, or at most, what.
struct Order<T> {
    lesser: (&'static str, T),
    greater: (&'static str, T),
    equal: bool,
    why: &'static str,
}

/// The first order that is not kept, with the keys that it is about.
pub(super) fn broken(
    limits: &Limits,
    polling: &poll::Settings,
    delivery: &deliver::Settings,
    api: &api::Settings,
) -> Option<(Problem, [&'static str; 2])> {
    let request_timeout = ("api.request_timeout", api.request_timeout);
    let within_request = |lesser: (&'static str, Duration)| Order {
        lesser,
        greater: request_timeout,
        equal: false,
        why: "a request may spend as much waiting",
    };
    let times = [
        within_request(("api.poll_wait", api.poll_wait)),
        within_request(("api.feed_wait", api.feed_wait)),
        within_request(("api.consent_timeout", api.consent_timeout)),
        within_request(("api.credentials.wait", api.proof.wait)),
        Order {
            lesser: ("drivers.limits.poll_timeout", limits.poll_timeout),
            greater: ("polling.lease", polling.lease),
            equal: false,
            why: "a long poll might be made twice",
        },
        Order {
            lesser: ("delivery.timeout", delivery.timeout),
            greater: ("delivery.lease", delivery.lease),
            equal: false,
            why: "a slow receiver might be called twice",
        },
        Order {
            lesser: ("polling.breaker.open_for", polling.breaker.open_for),
            greater: ("polling.breaker.open_at_most", polling.breaker.open_at_most),
            equal: true,
            why: "it is the first of the waits that rise to that",
        },
        Order {
            lesser: ("delivery.breaker.open_for", delivery.breaker.open_for),
            greater: ("delivery.breaker.open_at_most", delivery.breaker.open_at_most),
            equal: true,
            why: "it is the first of the waits that rise to that",
        },
    ];
    let poll_memory = ("drivers.limits.poll_memory", limits.poll_memory);
    let body_bytes = ("api.body_bytes", api.body_bytes);
    let body_fits = "no body of that size could be taken";
    let sizes = [
        (("drivers.limits.memory", limits.memory), poll_memory, "a poll has a sandbox of that size"),
        (poll_memory, ("drivers.limits.total_memory", limits.total_memory), "no poll would fit into it"),
        (body_bytes, ("api.request_memory", api.request_memory), body_fits),
        (body_bytes, ("api.request_memory_per_peer", api.request_memory_per_peer), body_fits),
    ];
    let sizes = sizes.map(|(lesser, greater, why)| Order { lesser, greater, equal: true, why });
    let times = times.into_iter().filter_map(|order| order.broken(|time| span::to_text(*time)));
    let sizes = sizes.into_iter().filter_map(|order| order.broken(|size| bytesize::ByteSize(*size as u64).to_string()));
    times.chain(sizes).next()
}

impl<T: Ord> Order<T> {
    fn broken(self, shown: impl Fn(&T) -> String) -> Option<(Problem, [&'static str; 2])> {
        let Order { lesser: (lesser, is), greater: (greater, than), equal, why } = self;
        let is_kept = is < than || equal && is == than;
        let problem = || Problem::Order { lesser, is: shown(&is), greater, than: shown(&than), equal, why };
        (!is_kept).then(|| (problem(), [lesser, greater]))
    }
}
