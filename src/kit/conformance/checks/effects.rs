//! Options without an effect, which an operator would set in vain. The suite does not know the valid values of an
//! option. So any effect of any value is enough: in a request, in a list, or as a refusal.

use crate::driver::wire::Asked;
use crate::kit::conformance::report::Finding;
use crate::kit::conformance::stage::Stage;
use crate::kit::conformance::stand::Run;
use crate::kit::conformance::suite::{Case, Suite};
use crate::kit::conformance::verdict::Verdict;

/// Something of each kind that an option may be.
const VALUES: [&str; 7] =
    ["suite-value", "suite malformed?", "7", "1000", "true", "2026-01-02", "https://suite-option.example"];

/// Sets each option that is no secret to each of the values, in each list; says how many options there are that no cassette
/// sets.
pub(super) async fn none(suite: &Suite, verdict: &mut Verdict) -> usize {
    let mut unset = 0;
    for option in suite.stand.driver.info().options.iter().filter(|option| !option.secret) {
        let is_set = |case: &&Case| case.cassette.account.options.contains_key(&option.name);
        unset += usize::from(!suite.cases.iter().any(|case| is_set(&case)));
        if !has_effect(suite, &option.name).await {
            verdict.find(Finding {
                cassette: None,
                why: format!("whatever the option {:?} is, it asks for the same and lists the same", option.name),
                what_to_do:
                    "use it, or take it out of `describe`; where it has an effect together with another one, record \
                             a cassette that has both"
                        .into(),
            });
        }
    }
    unset
}

async fn has_effect(suite: &Suite, name: &str) -> bool {
    for case in suite.good() {
        let list = async |value: Option<&str>| {
            let mut cassette = case.cassette.clone();
            match value {
                Some(value) => drop(cassette.account.options.insert(name.to_owned(), value.to_owned())),
                None => drop(cassette.account.options.remove(name)),
            }
            suite.stand.list(&suite.blank, &cassette, Stage::of(&cassette)).await
        };
        let without = list(None).await;
        if !is_same(&without, &case.run) {
            return true;
        }
        for value in VALUES {
            if !is_same(&list(Some(value)).await, &without) {
                return true;
            }
        }
    }
    false
}

/// Whether the same was sent, to the last header, and the same came of it.
fn is_same(one: &Run, other: &Run) -> bool {
    let all = |asked: &Asked| (asked.method.clone(), asked.url.clone(), asked.headers.clone(), asked.body.clone());
    one.sent.iter().map(all).eq(other.sent.iter().map(all)) && one.is_same(other)
}
