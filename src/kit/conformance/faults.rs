//! Faults of providers, made from a good answer, and the errors that a driver has to return for each.

mod errors;
mod lists;
mod owed;
mod told;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::document::{self, Document, Order};
use super::stage::{answer, with_body};
use crate::driver::wire::{Answered, Unanswered};

pub(super) use errors::{lost_places, recorded_errors};
pub(super) use lists::{errors_as_lists, other_statuses, without_envelope, without_list};
pub(super) use owed::{Fault, FaultKind, Owed};

/// Statuses, and requests without an answer.
pub(super) fn statuses() -> Vec<Fault> {
    const WAIT: u64 = 7;
    let status = |code: StatusCode, wait: Option<u64>, owed: Owed| {
        let body = format!("{{\"error\": \"{}\"}}", code.canonical_reason().unwrap_or("failed"));
        let mut answered = answer(code, "application/json", body);
        if let Some(wait) = wait {
            answered.headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        let with = wait.map_or(String::new(), |wait| format!(" with Retry-After: {wait}"));
        Fault { what: format!("{}{with}", code.as_u16()), outcome: Ok(answered), owed, kind: FaultKind::Status }
    };
    let silence = |unanswered: Unanswered| Fault {
        what: format!("missing ({unanswered})"),
        outcome: Err(unanswered),
        owed: Owed::Unavailable,
        kind: FaultKind::Status,
    };
    let own = |code: u16, owed: Owed| {
        status(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), None, owed)
    };
    let wait = Duration::from_secs(WAIT);
    let mut faults = vec![
        status(StatusCode::UNAUTHORIZED, None, Owed::Unauthorized),
        status(StatusCode::FORBIDDEN, None, Owed::Forbidden),
        status(StatusCode::TOO_MANY_REQUESTS, Some(WAIT), Owed::Throttled(Some(wait))),
        status(StatusCode::TOO_MANY_REQUESTS, None, Owed::Throttled(None)),
        status(StatusCode::INTERNAL_SERVER_ERROR, None, Owed::Unavailable),
        status(StatusCode::BAD_GATEWAY, None, Owed::Unavailable),
        status(StatusCode::SERVICE_UNAVAILABLE, None, Owed::Unavailable),
        status(StatusCode::SERVICE_UNAVAILABLE, Some(WAIT), Owed::UnavailableOrThrottled(wait)),
        status(StatusCode::GATEWAY_TIMEOUT, None, Owed::Unavailable),
        status(StatusCode::NOT_IMPLEMENTED, None, Owed::Unavailable),
        status(StatusCode::INSUFFICIENT_STORAGE, None, Owed::Unavailable),
        // A proxy's own, between it and the provider.
        own(520, Owed::Unavailable),
        own(524, Owed::Unavailable),
        own(599, Owed::Unavailable),
        status(StatusCode::BAD_REQUEST, None, Owed::Refused),
        status(StatusCode::NOT_FOUND, None, Owed::Refused),
        status(StatusCode::METHOD_NOT_ALLOWED, None, Owed::Refused),
        status(StatusCode::CONFLICT, None, Owed::Refused),
        status(StatusCode::GONE, None, Owed::Refused),
        status(StatusCode::UNPROCESSABLE_ENTITY, None, Owed::Refused),
        silence(Unanswered::NoConnection),
        silence(Unanswered::Unresolved),
        silence(Unanswered::Broken),
        silence(Unanswered::Timeout),
    ];
    faults.extend(RARE_REFUSALS.map(|code| own(code, Owed::RareRefusal)));
    faults.extend(RARE_OUTAGES.map(|code| own(code, Owed::Unavailable)));
    faults
}

/// Statuses of which no driver needs to know more than their class: 402 and 407 name credentials or money that are not the
/// account's at the provider, 408 and 425 ask for patience, 419 and 499 are in no standard.
const RARE_REFUSALS: [u16; 18] =
    [402, 406, 407, 408, 412, 415, 417, 418, 419, 421, 423, 424, 425, 426, 428, 431, 451, 499];
/// The same of outages. 511 is a network that wants to be signed in to, and says nothing about the account.
const RARE_OUTAGES: [u16; 3] = [508, 511, 529];

/// Statuses with other bodies than the provider's: a proxy's, none, and a list that nobody is to believe.
pub(super) fn in_other_bodies(good: &Answered) -> Vec<Fault> {
    const PAGE: &str =
        "<!DOCTYPE html>\n<html><head><title>Oops</title></head><body><h1>Something went wrong</h1></body></html>\n";
    let bodies = [
        ("a page for people", answer(StatusCode::OK, "text/html; charset=UTF-8", PAGE)),
        ("nothing", answer(StatusCode::OK, "text/plain", "")),
        ("the list", without_hints(good)),
    ];
    let statuses = [
        (StatusCode::UNAUTHORIZED, Owed::Unauthorized),
        (StatusCode::FORBIDDEN, Owed::Forbidden),
        (StatusCode::NOT_FOUND, Owed::Refused),
        (StatusCode::TOO_MANY_REQUESTS, Owed::Throttled(None)),
        (StatusCode::INTERNAL_SERVER_ERROR, Owed::Unavailable),
        (StatusCode::SERVICE_UNAVAILABLE, Owed::Unavailable),
    ];
    let pairs = statuses.iter().flat_map(|status| bodies.iter().map(move |body| (status, body)));
    let fault = |((status, owed), (what, answered)): (&(StatusCode, Owed), &(&str, Answered))| Fault {
        what: format!("{} with {what} in it", status.as_u16()),
        outcome: Ok(Answered { status: *status, ..answered.clone() }),
        owed: *owed,
        kind: FaultKind::Status,
    };
    pairs.map(fault).collect()
}

/// An answer without headers that may say when to ask again.
fn without_hints(good: &Answered) -> Answered {
    let mut answered = good.clone();
    answered.headers = good.headers.iter().filter(|(name, _)| **name == header::CONTENT_TYPE).map(own).collect();
    answered
}

fn own((name, value): (&header::HeaderName, &HeaderValue)) -> (header::HeaderName, HeaderValue) {
    (name.clone(), value.clone())
}

/// What an answer becomes on a bad way, or where something else answers in the provider's place.
pub(super) fn broken(good: &Answered) -> Vec<Fault> {
    const LOGIN_PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form method=\"post\">\
                              <input name=\"user\"><input name=\"password\" type=\"password\"></form></body></html>\n";
    const GARBAGE: &[u8] = b"\x00\x01\xfe\xff\x7f no list of anything {[<\x80\x81";
    let owed = Owed::NoList;
    let mut faults = Vec::new();
    let mut add = |what: &str, answered: Answered| {
        faults.push(Fault { what: what.to_owned(), outcome: Ok(answered), owed, kind: FaultKind::Broken });
    };
    add("empty", with_body(good, ""));
    add("garbage", with_body(good, GARBAGE));
    add("a login page", answer(StatusCode::OK, "text/html; charset=utf-8", LOGIN_PAGE));
    let mut elsewhere = answer(StatusCode::FOUND, "text/html", "");
    elsewhere.headers.insert(header::LOCATION, HeaderValue::from_static("https://sign-in.invalid/"));
    add("a redirect to another host", elsewhere);
    let mut mislabelled = good.clone();
    mislabelled.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    add("of another content type", mislabelled);
    match Document::read(&good.body) {
        Some(Document::Json(_)) => {
            add("another JSON object", with_body(good, "{\"message\": \"ok\"}"));
            add("an empty JSON object", with_body(good, "{}"));
            add("a JSON null", with_body(good, "null"));
        }
        Some(Document::Xml(_)) => add("another XML document", with_body(good, "<?xml version=\"1.0\"?><ok/>")),
        None => {}
    }
    faults
}

/// The answer cut off: in the middle, and behind all that closes in it, in each order that its members may have. Where a
/// list is in it (`has_list`) there is none without its end.
pub(super) fn cut_off(good: &Answered, has_list: bool) -> Vec<Fault> {
    let mut faults = Vec::new();
    let owed = if has_list { Owed::NotWhole } else { Owed::NoList };
    let mut bodies = vec![(String::new(), good.body.clone())];
    if let Some(document) = Document::read(&good.body) {
        for order in Order::ALL {
            let body = Bytes::from(document.ordered(order));
            if bodies.iter().all(|(_, other)| *other != body) {
                bodies.push((format!(" with its members {}", order.name()), body));
            }
        }
    }
    for (order, body) in bodies {
        // White space at the end is no part of what is said.
        let length = body.trim_ascii_end().len();
        let mut cuts = document::ends(&body);
        if order.is_empty() {
            cuts.extend([1, length / 4, length / 2, length * 3 / 4, length.saturating_sub(1)]);
        }
        cuts.retain(|cut| (1..length).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts {
            let start = body.slice(..cut);
            let at = format!("cut off after {cut} of {length} bytes{order}");
            let broken = Answered { broken: true, ..with_body(good, start.clone()) };
            for (what, answered) in
                [(at.clone(), with_body(good, start)), (format!("{at}, where the connection breaks"), broken)]
            {
                faults.push(Fault { what, outcome: Ok(answered), owed, kind: FaultKind::Broken });
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_cut_within_what_it_says() {
        let check = |body: &'static str, cuts: usize, others: usize| {
            let good = answer(StatusCode::OK, "application/json", body);
            assert_eq!(broken(&good).len(), others, "{body}");
            let faults = cut_off(&good, true);
            assert_eq!(faults.len(), 2 * cuts, "{body}");
            let whole = body.trim_end().len();
            let is_shorter =
                |fault: &Fault| matches!(&fault.outcome, Ok(answered) if (1..whole).contains(&answered.body.len()));
            assert!(faults.iter().all(is_shorter), "each is shorter");
        };
        check("{\"servers\": [1, 2, 3]}\n\n", 6, 8);
        check("<servers><server/></servers>\n", 6, 6);
        // Behind each member, and in both orders.
        check("{\"a\":[],\"b\":1}", 7, 8);
        check("id,state\n1,on\n", 5, 5);
        check("{}", 1, 8);
        check("", 0, 5);
    }

    #[test]
    fn each_status_is_there_once() {
        let faults = statuses();
        let names: std::collections::BTreeSet<_> = faults.iter().map(|fault| &fault.what).collect();
        assert_eq!(names.len(), faults.len());
        assert!(faults.iter().any(|fault| fault.what == "429 with Retry-After: 7"));
        for code in ["402", "407", "419", "451", "511"] {
            assert!(faults.iter().any(|fault| fault.what == code), "{code}");
        }
    }
}
