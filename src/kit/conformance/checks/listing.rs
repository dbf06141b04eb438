//! Whether a driver lists what its cassettes show.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::accounts::undeclared;
use crate::driver::wire::Asked;
use crate::driver::{CallError, CallFailure};
use crate::kit::cassette::{Expect, Request};
use crate::kit::conformance::chain::Link;
use crate::kit::conformance::document::Document;
use crate::kit::conformance::manifest::ErrorName;
use crate::kit::conformance::report::{Finding, count};
use crate::kit::conformance::stage::recorded;
use crate::kit::conformance::stand::{Run, StandError};
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;
use crate::model::Resource;

pub(super) async fn replays(suite: &Suite) -> Result<Verdict, StandError> {
    let exchanges: usize = suite.cases.iter().map(|case| case.cassette.exchanges.len()).sum();
    let mut verdict =
        Verdict::tried(format!("{} with {}", count(suite.cases.len(), "cassette"), count(exchanges, "exchange")));
    let mut surprised = Vec::new();
    let mut others = Vec::new();
    for case in &suite.cases {
        for (why, what_to_do) in undeclared(suite, case) {
            others.push(case.finding(why, what_to_do));
        }
        let tape = case.cassette.tape();
        let run =
            suite.stand.list_as(suite.blank.stranger(&case.cassette), &case.cassette, Arc::clone(&tape) as _).await;
        let surprises = tape.surprises();
        if let Some(again) = surprises.first().and_then(|_| asked_again(&run)) {
            others.push(case.finding(
                format!("it asks again for {again}, which was answered, and that is recorded once"),
                "ask once, and say what came: the host asks again when it is time",
            ));
        } else if let Some(surprise) = surprises.first() {
            surprised.push(case.finding(
                surprise.to_string(),
                "record the cassette anew if the driver is right, or have it ask for what was recorded",
            ));
        } else if let Some(&unused) = tape.unused().first() {
            let Request { method, url, .. } = &case.cassette.exchanges[unused].request;
            others.push(case.finding(
                format!("exchanges[{unused}] ({method} {url}) was never asked for, and what came is {}", run.came()),
                "a list that ends too early loses resources: follow the provider's pages to their end, or take the \
                 exchange out of the cassette",
            ));
        }
        // Words for states, lists that are partial and those of what changed have checks of their own.
        let expect = Expect { states: BTreeMap::new(), coverage: None, gone: None, ..case.cassette.expect.clone() };
        let remedy = match &run.outcome {
            Err(CallFailure { error: CallError::InvalidAccount(_), .. }) => {
                "see that the cassette's account has every option that the driver requires"
            }
            Err(CallFailure { error: CallError::Refused(_), .. }) => {
                "declare the endpoint in `describe`, or ask another"
            }
            Err(_) => "see what the driver makes of the recorded answers",
            Ok(listing) if lists_the_same(&expect, &listing.resources) => {
                "hold the resource against the provider's answer, field by field: correct the driver if that is wrong, and \
                 `expect.resources` if it is right"
            }
            Ok(_) => "list every entry of the answers once, by the provider's own id, unchanged",
        };
        for why in expect.differences(run.outcome.as_ref().map_err(|failure| &failure.error)) {
            others.push(case.finding(why, remedy));
        }
    }
    if !surprised.is_empty() {
        let asked = suite.cases.iter().filter(|case| !case.cassette.exchanges.is_empty()).count();
        verdict.find(Finding {
            cassette: None,
            why: format!("{} of {} no longer have what it asks for", surprised.len(), count(asked, "cassette")),
            what_to_do:
                "see to this first: where the driver is right, record those cassettes anew; what other checks find \
                         may come of it alone"
                    .into(),
        });
    }
    surprised.into_iter().chain(others).for_each(|finding| verdict.find(finding));
    Ok(verdict)
}

/// What a run that was surprised had asked for before.
fn asked_again(run: &Run) -> Option<String> {
    let last = run.asked.last()?;
    let is_same = |asked: &&Asked| (&asked.method, &asked.url, &asked.body) == (&last.method, &last.url, &last.body);
    (run.asked.iter().filter(is_same).count() > 1).then(|| format!("{} {}", last.method, last.url))
}

/// Whether a list has the expected ids, whatever its resources are otherwise.
fn lists_the_same(expect: &Expect, resources: &[Resource]) -> bool {
    let listed: BTreeSet<&str> = resources.iter().map(|resource| resource.id().as_str()).collect();
    let expected = expect.ids.iter().flatten().map(String::as_str).collect();
    listed == expected && resources.len() == listed.len()
}

pub(super) async fn shows_each_list(suite: &Suite) -> Result<Verdict, StandError> {
    let kinds = suite.manifest.kinds();
    let words: Vec<_> = kinds.iter().map(|kind| kind.plural()).collect();
    let mut verdict = Verdict::tried(words.join(" and "));
    for kind in kinds {
        let shows = |case: &Case| {
            case.cassette.list == kind && case.cassette.since.is_none() && !case.run.resources().is_empty()
        };
        if !suite.lists().any(shows) {
            let list = kind.plural();
            verdict.find(Finding {
                cassette: None,
                why: format!("no cassette lists any {list}"),
                what_to_do: format!(
                    "record one (tracker driver record --list {list}); where the provider has none, say which lists \
                     it has in suite.json: {{\"suite\": 1, \"lists\": [...]}}"
                ),
            });
        }
    }
    Ok(verdict)
}

pub(super) async fn shows_each_error(suite: &Suite) -> Result<Verdict, StandError> {
    if !suite.makes_requests() {
        return Ok(Verdict::nothing("it makes no requests, so nobody answers with an error"));
    }
    let errors = suite.manifest.errors();
    let words: Vec<_> = errors.iter().map(|error| error.as_str()).collect();
    let mut verdict = Verdict::tried(words.join(", "));
    let shows = |word: &str| {
        let mut shown = suite.cases.iter().filter(|case| case.cassette.expect.error.as_deref() == Some(word));
        shown.any(|case| case.cassette.exchanges.iter().any(|exchange| recorded(exchange).is_ok()))
    };
    for word in words.into_iter().filter(|word| !shows(word)) {
        verdict.find(Finding {
            cassette: None,
            why: format!("no cassette shows how the provider says {word:?}"),
            what_to_do: format!(
                "record one, or write one by hand from the provider's documentation, with \"error\": {word:?} in its \
                 `expect`; where the provider never says it, say which errors it has in suite.json: {{\"suite\": 1, \
                 \"errors\": [...]}}"
            ),
        });
    }
    if let Some(declared) = &suite.manifest.errors {
        for (case, error) in suite.cases.iter().filter_map(|case| Some((case, case.cassette.expect.error.as_deref()?)))
        {
            let is_belied = ErrorName::ALL.iter().any(|name| name.as_str() == error && !declared.contains(name));
            if is_belied {
                verdict.find(case.finding(
                    format!("suite.json does not have {error:?} among the provider's errors, and this is one"),
                    "add it to \"errors\" in suite.json",
                ));
            }
        }
    }
    Ok(verdict)
}

pub(super) async fn pages(suite: &Suite) -> Result<Verdict, StandError> {
    let whole = || suite.lists().filter(|case| case.cassette.since.is_none());
    let most = whole().max_by_key(|case| case.run.pages.len());
    let paged = whole().filter(|case| case.run.pages.len() > 1).count();
    let mut verdict = Verdict::tried(match most {
        Some(case) => {
            let paged = count(paged, "list");
            format!("{paged} of several pages; the longest, {}, has {}", case.name(), case.run.pages.len())
        }
        None => "no list".into(),
    });
    for case in suite.lists() {
        let mut seen = HashMap::new();
        for (page, ids) in case.run.pages.iter().enumerate() {
            for id in ids {
                if let Some(before) = seen.insert(id, page) {
                    let on = match before == page {
                        true => format!("twice on page {}", page + 1),
                        false => format!("on page {} and again on page {}", before + 1, page + 1),
                    };
                    verdict.find(case.finding(
                        format!("{id} is {on}"),
                        "give each resource once; where pages overlap, the cursor has to begin where the page before \
                         ended",
                    ));
                }
            }
        }
    }
    if suite.manifest.paging == Some(false) {
        for case in suite.lists() {
            if let Some(what) = next_page(case) {
                verdict.find(case.finding(
                    format!("suite.json says that the provider has no pages, and an answer leads to another: {what}"),
                    "follow it, and take \"paging\": false out of suite.json",
                ));
            }
        }
    }
    // Two requests that differ in a cursor alone, and one page made of what came.
    let all_in_one = suite.lists().filter(|case| case.run.pages.len() == 1 && Link::of(case).is_some());
    let all_in_one: Vec<&Case> = all_in_one.collect();
    for case in &all_in_one {
        verdict.find(case.finding(
            format!("it asks for {} of the provider's pages in one call, and gives one page", case.run.asked.len()),
            "a call of `list-instances` or `list-realms` gives one page: ask for one of the provider's in each, and give the \
             cursor to the one behind it as `next`. Memory, time and the length of a page are limited by the call",
        ));
    }
    match (paged, suite.manifest.paging) {
        (0, _) if !all_in_one.is_empty() => {}
        (0, Some(false)) => verdict.tried = "suite.json says that the provider has no pages, and no list has".into(),
        (0, _) => verdict.find(Finding {
            cassette: None,
            why: "no cassette shows a list of several pages".into(),
            what_to_do: "record one of an account with more than fits on a page; where the provider gives every list \
                         whole, say so in suite.json: {\"suite\": 1, \"paging\": false}"
                .into(),
        }),
        (_, Some(false)) => verdict.find(Finding {
            cassette: None,
            why: "suite.json says that the provider has no pages, and a list has".into(),
            what_to_do: "take \"paging\": false out of suite.json".into(),
        }),
        _ => {}
    }
    Ok(verdict)
}

/// What in a case's answers says that there is another page.
fn next_page(case: &Case) -> Option<String> {
    const CURSORS: [&str; 12] = [
        "next",
        "nexturl",
        "nexthref",
        "nextlink",
        "nextpage",
        "nextpagetoken",
        "nexttoken",
        "nextcursor",
        "nextmarker",
        "odatanextlink",
        "continuationtoken",
        "pagingcursor",
    ];
    const FLAGS: [&str; 5] = ["hasmore", "hasnext", "hasnextpage", "istruncated", "truncated"];
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    for exchange in &case.cassette.exchanges {
        let Ok(answered) = recorded(exchange) else { continue };
        let is_next = |value: &http::HeaderValue| value.to_str().is_ok_and(|value| value.contains("rel=\"next\""));
        if answered.headers.get_all(http::header::LINK).iter().any(is_next) {
            return Some("a Link header with rel=\"next\"".into());
        }
        let nodes = Document::read(&answered.body).map(|document| document.nodes()).unwrap_or_default();
        for node in nodes {
            let name = plain(node.path.rsplit('/').next().unwrap_or_default());
            let text = node.text.as_deref().unwrap_or_default();
            let leads_on = CURSORS.contains(&name.as_str()) && !matches!(text, "" | "false" | "0")
                || FLAGS.contains(&name.as_str()) && text == "true";
            if leads_on {
                return Some(format!("{} is {text:?}", node.path));
            }
        }
    }
    None
}
