//! Shows each exchange with a provider as it happens. The account's secrets appear as their names, as the driver wrote
//! them. Tokens that the provider issued appear as fakes, the same fake each time.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use clap::ValueEnum;
use http::HeaderMap;

use crate::cli::output;
use crate::cli::table::printable;
use crate::driver::wire::{Exchange, Watch};
use crate::kit::cassette::redact::Redactor;

/// How much of a body is shown at its beginning, in characters.
const BEGINNING: usize = 400;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Extent {
    /// The beginning of each body
    Short,
    /// All of each body
    Full,
}

/// Prints to standard error.
#[derive(Debug)]
pub(super) struct Trace {
    extent: Extent,
    redactor: Mutex<Redactor>,
}

impl Trace {
    pub(super) fn new(extent: Extent) -> Trace {
        Trace { extent, redactor: Mutex::default() }
    }

    fn text(&self, exchange: &Exchange) -> String {
        let mut redactor = self.redactor.lock().unwrap_or_else(PoisonError::into_inner);
        redactor.learn(exchange);
        let asked = &exchange.asked;
        let mut text = String::new();
        let _ = writeln!(text, "> {} {}", asked.method, printable(redactor.url(&asked.url).as_str()));
        self.part(&mut text, '>', &redactor, &asked.headers, &asked.body);
        match &exchange.outcome {
            Ok(answered) => {
                let broken = if answered.broken { ", and then the connection broke off" } else { "" };
                let _ = writeln!(
                    text,
                    "< {} after {:.1?}: {} bytes, sent {}{broken}",
                    answered.status,
                    exchange.took,
                    answered.body.len(),
                    asked.body.len()
                );
                self.part(&mut text, '<', &redactor, &answered.headers, &answered.body);
            }
            Err(why) => {
                let _ = writeln!(text, "< no answer after {:.1?}: {}", exchange.took, printable(&why.to_string()));
            }
        }
        text
    }

    fn part(&self, text: &mut String, mark: char, redactor: &Redactor, headers: &HeaderMap, body: &Bytes) {
        for (name, value) in redactor.shown_headers(headers) {
            let _ = writeln!(text, "{mark}   {name}: {}", printable(&value));
        }
        if body.is_empty() {
            return;
        }
        let body = redactor.shown_body(headers, body);
        let Ok(body) = std::str::from_utf8(&body) else {
            let _ = writeln!(text, "{mark}   ({} bytes that are no text)", body.len());
            return;
        };
        let end = match self.extent {
            Extent::Full => None,
            Extent::Short => body.char_indices().nth(BEGINNING).map(|(at, _)| at),
        };
        for line in body[..end.unwrap_or(body.len())].lines() {
            let _ = writeln!(text, "{mark}   {}", printable(line));
        }
        if let Some(end) = end {
            let _ = writeln!(text, "{mark}   ... {} more bytes (--trace=full shows them)", body.len() - end);
        }
    }
}

impl Watch for Trace {
    fn saw(&self, exchange: Exchange) {
        output::stderr(format_args!("{}", self.text(&exchange)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue, Method, StatusCode};

    use super::*;
    use crate::driver::wire::{Answered, Asked, Unanswered};

    fn exchange(body: &str, outcome: Result<&str, Unanswered>) -> Exchange {
        let header =
            |name: &'static str, value: &'static str| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Exchange {
            asked: Asked {
                method: Method::POST,
                url: "https://a.example/login?token=hidden".parse().expect("a URL"),
                headers: HeaderMap::from_iter([header("authorization", "Basic {{password as basic}}")]),
                body: body.to_owned().into(),
            },
            outcome: outcome.map(|body| Answered {
                status: StatusCode::OK,
                headers: HeaderMap::from_iter([header("x-subject-token", "a-real-token")]),
                body: body.to_owned().into(),
                broken: true,
            }),
            took: Duration::from_millis(12),
        }
    }

    #[test]
    fn an_exchange_is_shown_without_secrets() {
        let trace = Trace::new(Extent::Short);
        let shown = trace.text(&exchange("a\x1b[2J", Ok(&format!("{{\"x\": \"a-real-token\"}}\n{}", "y".repeat(500)))));
        let want = "> POST https://a.example/login?token=*\n\
                    >   authorization: Basic {{password as basic}}\n\
                    >   a<U+001B>[2J\n\
                    < 200 OK after 12.0ms: 522 bytes, sent 5, and then the connection broke off\n\
                    <   x-subject-token: fake-token-1\n\
                    <   {\"x\": \"fake-token-1\"}\n";
        assert!(shown.starts_with(want), "{shown}");
        assert!(shown.ends_with("... 122 more bytes (--trace=full shows them)\n"), "{shown}");
        let full = Trace::new(Extent::Full).text(&exchange("", Ok(&"y".repeat(500))));
        assert!(full.contains(&"y".repeat(500)), "{full}");
        let failed = trace.text(&exchange("", Err(Unanswered::Timeout)));
        assert!(failed.ends_with("< no answer after 12.0ms: no answer in time\n"), "{failed}");
    }
}
