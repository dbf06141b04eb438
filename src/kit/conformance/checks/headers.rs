//! Good answers with other headers: about rate limits, and another form of what they have. The last request of a quota is
//! answered as well, so a header about later requests is no reason to list less than the answer contains.

use http::{HeaderName, HeaderValue, header};

use crate::driver::wire::Answered;
use crate::kit::conformance::stage::{Stage, recorded};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;

/// In how many seconds a quota begins again.
const RESET: i64 = 1_800;

/// Tries each of the richest lists, and single instances; says how often.
pub(super) async fn on_good_answers(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut tried = 0;
    let single = suite.richest_of_ids().map(|place| &suite.cases[place]);
    for case in suite.richest_by_secret().into_iter().chain(single) {
        let mut forms: Vec<(&str, Form)> = vec![("a Content-Type with other parameters", Form::Parameters)];
        forms.extend(all(suite, case).into_iter().map(|(what, headers)| (what, Form::With(headers))));
        for (what, form) in forms {
            let mut stage = Stage::of(&case.cassette);
            let mut has_changed = false;
            for (at, exchange) in case.cassette.exchanges.iter().enumerate() {
                let Ok(answered) = recorded(exchange) else { continue };
                let changed = form.of(&answered).filter(|_| answered.status.is_success());
                if let Some(changed) = changed {
                    stage = stage.with(at, Ok(changed));
                    has_changed = true;
                }
            }
            if !has_changed {
                continue;
            }
            tried += 1;
            let run = suite.list(case, stage).await;
            let why = match () {
                () if !run.is_same(&case.run) => format!("expected the same list, and {} came", run.came()),
                () if run.slept > case.run.slept => format!("it sleeps for {:?}", run.slept),
                () => continue,
            };
            verdict.find(case.finding(
                format!("where its good answers have {what}, {why}"),
                "the status says whether a request was answered: list what came, at once, and report `throttled` only for a \
                 request that was turned away; the host keeps to the provider's rate",
            ));
        }
    }
    tried
}

/// What becomes of an answer's headers.
enum Form {
    With(Vec<(HeaderName, HeaderValue)>),
    /// The media type is the same whatever its parameters (RFC 9110, 8.3.1): a gateway may add a charset.
    Parameters,
}

impl Form {
    fn of(&self, answered: &Answered) -> Option<Answered> {
        let mut answered = answered.clone();
        match self {
            Form::With(headers) => headers.iter().for_each(|(name, value)| {
                answered.headers.insert(name.clone(), value.clone());
            }),
            Form::Parameters => {
                let text = answered.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
                let other = match text.split_once(';') {
                    Some((media_type, _)) => media_type.trim().to_owned(),
                    None => format!("{text};charset=UTF-8"),
                };
                answered.headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&other).ok()?);
            }
        }
        Some(answered)
    }
}

/// What headers say, by what it is about.
fn all(suite: &Suite, case: &Case) -> Vec<(&'static str, Vec<(HeaderName, HeaderValue)>)> {
    let reset = (case.cassette.at.as_seconds() + RESET).to_string();
    // Some providers write a time there, and some a span: a good answer is one whichever it is.
    let span = RESET.to_string();
    let draft = format!("\"default\";r=0;t={RESET}");
    let spans =
        [("ratelimit", draft.as_str()), ("ratelimit-reset", span.as_str()), ("x-ratelimit-reset", span.as_str())];
    let times = [
        ("ratelimit-reset", reset.as_str()),
        ("x-ratelimit-reset", reset.as_str()),
        ("x-rate-limit-reset", reset.as_str()),
    ];
    let none_left = |resets: &[(&'static str, &str)]| {
        let mut headers = parsed(&[
            ("ratelimit-limit", "3600"),
            ("ratelimit-remaining", "0"),
            ("x-ratelimit-limit", "3600"),
            ("x-ratelimit-remaining", "0"),
            ("x-rate-limit-remaining", "0"),
        ]);
        headers.extend(parsed(resets));
        headers.extend(own_quotas(suite).into_iter().map(|name| (name, HeaderValue::from_static("0"))));
        headers
    };
    vec![
        ("no request left of a quota, with the span after which it begins again", none_left(&spans)),
        ("no request left of a quota, with the time at which it begins again", none_left(&times)),
        ("Retry-After: 7", parsed(&[("retry-after", "7")])),
        ("a Retry-After with a date", parsed(&[("retry-after", "Fri, 01 Jan 2038 00:00:00 GMT")])),
        (
            "a warning",
            parsed(&[
                ("warning", "199 - \"requests are counted\""),
                ("deprecation", "true"),
                ("sunset", "Fri, 01 Jan 2038 00:00:00 GMT"),
            ]),
        ),
    ]
}

fn parsed(pairs: &[(&'static str, &str)]) -> Vec<(HeaderName, HeaderValue)> {
    let pair = |(name, value): &(&'static str, &str)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
    };
    pairs.iter().filter_map(pair).collect()
}

/// The headers in which the provider itself counts what is left.
fn own_quotas(suite: &Suite) -> Vec<HeaderName> {
    let exchanges = suite.cases.iter().flat_map(|case| &case.cassette.exchanges);
    let answers = exchanges.filter_map(|exchange| recorded(exchange).ok());
    let names = answers.flat_map(|answered| answered.headers.keys().cloned().collect::<Vec<_>>());
    names.filter(|name| name.as_str().contains("remaining")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::conformance::stage::answer;

    #[test]
    fn a_media_type_gets_a_parameter_or_loses_them() {
        let check = |content_type: &'static str, want: &str| {
            let other = Form::Parameters.of(&answer(http::StatusCode::OK, content_type, "")).expect("it has one");
            assert_eq!(other.headers[header::CONTENT_TYPE], want);
        };
        check("application/json", "application/json;charset=UTF-8");
        check("text/xml; charset=utf-8", "text/xml");
    }
}
