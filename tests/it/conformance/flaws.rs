//! Each check fails a driver that has the very flaw that it is there for, and no other check does.

use tracker::driver::Limits;
use tracker::kit::conformance::Selection;

use super::Lax;

#[tokio::test(flavor = "multi_thread")]
async fn each_check_fails_the_flaw_that_it_is_there_for() {
    // What is compiled here is there for all of them: as many compilers at once are more than a machine has room for.
    let one = Selection::Only(vec!["describes-itself".to_owned()]);
    Lax::with("none").report_of(&Limits::default(), &one).await;
    let mut checks = tokio::task::JoinSet::new();
    // Some of what a check measures is time: a machine on which all of them wait for each other shows nothing.
    let room = std::sync::Arc::new(tokio::sync::Semaphore::new(4));
    let mut check = |flaw: &'static str, want: &'static [&'static str]| {
        let room = std::sync::Arc::clone(&room);
        checks.spawn(async move {
            let _place = room.acquire_owned().await.expect("it stays open");
            Lax::with(flaw).fails(flaw, want).await;
        });
    };
    check("asks-twice", &["replays-cassettes", "many-pages"]);
    check("repeats", &["pages-to-the-end", "partial-is-said"]);
    check("by-place", &["replays-cassettes", "ids-are-stable"]);
    check("shows-session", &["replays-cassettes", "ids-are-stable", "session-changes-nothing"]);
    check("keeps-stale", &["session-changes-nothing"]);
    check("keeps-refused", &["session-changes-nothing"]);
    check("needs-plain-json", &["errors-are-told-apart"]);
    check("rounds-up", &["changes-are-whole"]);
    check("misreads", &["replays-cassettes", "states-are-mapped"]);
    check("guesses", &["unknown-states", "reads-each-entry"]);
    check("refuses-unknown", &["unknown-states"]);
    check("changes-words", &["replays-cassettes", "states-are-mapped", "unknown-states", "reads-each-entry"]);
    check("hides-partial", &["partial-is-said"]);
    check("401-is-down", &["many-pages", "errors-are-told-apart"]);
    check("forgets-wait", &["errors-are-told-apart"]);
    check("strays", &["works-elsewhere", "stays-inside"]);
    check("logs-placeholder", &["keeps-secrets"]);
    check("logs-token", &["keeps-secrets"]);
    check("lists-token", &["replays-cassettes", "keeps-secrets"]);
    check("lenient", &["many-pages", "session-changes-nothing", "broken-answers"]);
    check("defaults", &["many-pages", "session-changes-nothing", "broken-answers"]);
    check("small", &["a-thousand"]);
    check("forgets-gone", &["changes-are-whole"]);
    check("calls-it-all", &["changes-are-whole"]);
    check("ends-on-500", &["many-pages", "errors-are-told-apart", "broken-answers"]);
    check("follows", &["many-pages", "broken-answers", "asks-no-more", "stays-inside"]);
    check(
        "random",
        &[
            "replays-cassettes",
            "ids-are-stable",
            "is-deterministic",
            "session-changes-nothing",
            "cold-start",
            "reads-each-entry",
            "errors-are-told-apart",
            "broken-answers",
            "works-elsewhere",
        ],
    );
    check("cuts-cursors", &["many-pages"]);
    check("goes-to-last", &["many-pages"]);
    check("skips", &["reads-each-entry"]);
    check("busy-is-pending", &["reads-each-entry"]);
    check("reads-relatives", &["reads-each-entry"]);
    check("needs-names", &["reads-each-entry"]);
    check("keeps-realm", &["reads-each-entry"]);
    check("hides-off", &["replays-cassettes", "states-are-mapped", "lists-every-row", "partial-is-said"]);
    check("keeps-pages", &["many-pages"]);
    check("keeps-texts", &["many-pages"]);
    check("keeps-items", &["many-pages"]);
    check("ends-at-empty", &["many-pages"]);
    check("two-pages", &["many-pages"]);
    check("region-for-realm", &["replays-cassettes", "values-are-plausible", "reads-each-entry"]);
    check("launched-now", &["replays-cassettes", "works-elsewhere"]);
    check("no-name", &["replays-cassettes"]);
    check("retries", &["replays-cassettes", "many-pages", "asks-no-more"]);
    check("sleeps", &["asks-no-more"]);
    check("sleeps-as-told", &["errors-are-told-apart", "asks-no-more"]);
    check("logs-headers", &["keeps-secrets"]);
    check("logs-answers", &["keeps-secrets"]);
    check(
        "sends-raw",
        &[
            "replays-cassettes",
            "pages-to-the-end",
            "states-are-mapped",
            "changes-are-whole",
            "errors-are-told-apart",
            "uses-secrets",
        ],
    );
    check(
        "sends-none",
        &[
            "replays-cassettes",
            "pages-to-the-end",
            "states-are-mapped",
            "changes-are-whole",
            "errors-are-told-apart",
            "uses-secrets",
        ],
    );
    check("knows-user", &["works-elsewhere"]);
    check("hides-repeats", &["lists-every-row"]);
    check("cuts-names", &["reads-each-entry"]);
    check("any-next", &["lists-every-row", "broken-answers"]);
    check("hides-total", &["lists-every-row"]);
    check("raw-cursors", &["many-pages"]);
    check("takes-beginnings", &["unknown-states"]);
    check("sleeps-between-pages", &["many-pages", "asks-no-more"]);
    check("takes-redirects", &["broken-answers"]);
    check("logs-broken", &["keeps-secrets"]);
    check("prints-broken", &["keeps-secrets"]);
    check("prints-token", &["keeps-secrets"]);
    check("repeats-addresses", &["replays-cassettes", "values-are-plausible"]);
    check("lists-networks", &["replays-cassettes", "values-are-plausible"]);
    check("sends-twice", &["uses-secrets"]);
    check("ignores-ids", &["replays-cassettes", "lists-by-id"]);
    check("refuses-absent", &["replays-cassettes", "lists-by-id"]);
    check("first-id", &["replays-cassettes", "lists-by-id"]);
    check("takes-cut", &["broken-answers"]);
    check("needs-order", &["ids-are-stable"]);
    check("drops-future", &["works-elsewhere"]);
    check("epoch", &["reads-each-entry"]);
    check("guesses-kind", &["reads-each-entry"]);
    check("assumes-up", &["reads-each-entry"]);
    check("waits-zero", &["replays-cassettes", "many-pages", "errors-are-told-apart"]);
    check("forgets-codes", &["errors-are-told-apart"]);
    check("logs-names", &["keeps-secrets"]);
    check("quotes-login", &["keeps-secrets"]);
    check("small-ids", &["ids-are-stable"]);
    check("trims-padding", &["many-pages"]);
    check("blames-user", &["errors-are-told-apart"]);
    check("waits-a-minute", &["errors-are-told-apart"]);
    check("refuses-odd-ids", &["lists-by-id"]);
    check("fixed-since", &["changes-are-whole"]);
    check("needs-servers", &["lists-every-row"]);
    check("knows-tens", &["reads-each-entry"]);
    check("drops-paths", &["works-elsewhere"]);
    check("counts-in-32-bits", &["works-elsewhere"]);
    check("loses-filter", &["lists-by-id"]);
    check("partial-at-first", &["partial-is-said"]);
    check("reads-page-one", &["ids-are-stable"]);
    check("lower-ids", &["ids-are-stable"]);
    check("lower-words", &["unknown-states"]);
    check("lower-labels", &["reads-each-entry"]);
    check("drops-empty-labels", &["reads-each-entry"]);
    check("asks-for-zones", &["reads-each-entry"]);
    check("wraps-waits", &["errors-are-told-apart"]);
    check("needs-seconds", &["errors-are-told-apart"]);
    check("fears-pages", &["errors-are-told-apart"]);
    check("4xx-is-down", &["many-pages", "errors-are-told-apart"]);
    check("ends-far-behind", &["many-pages"]);
    check("serves-kept", &["session-changes-nothing"]);
    check("one-call", &["pages-to-the-end", "changes-are-whole"]);
    check("fixed-identity", &["works-elsewhere"]);
    check("derives-compute", &["works-elsewhere"]);
    check("swaps-roles", &["replays-cassettes"]);
    check("compute-at-main", &["replays-cassettes"]);
    check("ignores-kind", &["replays-cassettes"]);
    check("kind-by-roles", &["works-elsewhere"]);
    check("needs-end", &["works-elsewhere"]);
    check("fixed-end", &["works-elsewhere"]);
    check("believes-end", &["works-elsewhere"]);
    check("forgets-end", &["replays-cassettes"]);
    check("hides-moved", &["lists-every-row"]);
    check("merges-ids", &["ids-are-stable"]);
    check("first-thousand", &["a-thousand"]);
    check("few-labels", &["reads-each-entry"]);
    check("few-addresses", &["reads-each-entry"]);
    check("trims-labels", &["reads-each-entry"]);
    check("cuts-labels", &["reads-each-entry"]);
    check("drops-system-labels", &["reads-each-entry"]);
    check("lists-unset", &["reads-each-entry"]);
    check("ends-at-lost-place", &["errors-are-told-apart"]);
    check("trusts-codes-alone", &["replays-cassettes", "many-pages", "errors-are-told-apart"]);
    check("needs-inner", &["reads-each-entry"]);
    check("drops-spot", &["reads-each-entry"]);
    check("drops-busy", &["reads-each-entry"]);
    check("keeps-date", &["session-changes-nothing"]);
    check("logs-cursors", &["keeps-secrets"]);
    check("logs-request-ids", &["keeps-secrets"]);
    check("fears-quotas", &["errors-are-told-apart"]);
    check("takes-hints", &["errors-are-told-apart"]);
    check("blames-credentials", &["many-pages", "errors-are-told-apart"]);
    check("451-is-empty", &["errors-are-told-apart"]);
    // Each says itself what is wrong.
    let mut failed = 0;
    while let Some(checked) = checks.join_next().await {
        failed += usize::from(checked.is_err());
    }
    assert_eq!(failed, 0, "flaws that were found by other checks than theirs, or by none");
}
