//! How the status of polls decides over a request, case by case.

use super::*;

/// Seconds before now of: the last attempt, the last complete list; then when it is due again, from now.
#[derive(Clone, Copy, Default)]
struct Case {
    attempted: Option<i64>,
    complete: Option<i64>,
    due_in: Option<i64>,
    /// When a failure is to be tried again, from now.
    retry_in: Option<i64>,
    failed: Option<&'static str>,
    partial: bool,
    watched: bool,
    /// How long ago the caller's credentials were proven.
    proven: i64,
}

fn check(case: Case, want: &str) {
    let ago = |seconds: i64| Timestamp::from_millis(1_000_000_000 - seconds * 1000);
    let status = PollStatus {
        kind: Kind::Instance,
        last_attempt: case.attempted.map(ago),
        last_complete: case.complete.map(ago),
        last_full: case.complete.map(ago),
        next_due: case.due_in.map(|seconds| ago(-seconds)),
        under_way: false,
        pace: None,
        held: false,
        put_off: false,
        failures: u32::from(case.failed.is_some()),
        last_error: case.failed.map(|code| PollError {
            at: ago(case.attempted.unwrap_or(0)),
            code: ErrorCode::parse(code).expect(code),
            message: String::new(),
        }),
        partial_reason: case.partial.then(|| "a zone is missing".to_owned()),
        partials: 0,
        ids_polled: None,
        retry: case.retry_in.map(|seconds| ago(-seconds)),
        last_duration: None,
        requests: 1,
    };
    let account = if case.watched { AccountIs::Watched } else { AccountIs::NotWatched };
    let view = View { now: ago(0), fresh_for: Duration::from_secs(60), proven: ago(case.proven), account };
    let got = match judge(Some(&status), &view) {
        Footing::Fresh => "fresh".to_owned(),
        Footing::Stale => "stale".to_owned(),
        Footing::Failed { retry_after, .. } => format!("failed, again in {}", retry_after.as_secs()),
        Footing::Poll => "poll".to_owned(),
    };
    assert_eq!(got, want, "{status:?}");
}

#[test]
fn an_account_that_is_not_watched_is_polled_when_its_list_is_old() {
    let listed = |seconds| Case { attempted: Some(seconds), complete: Some(seconds), proven: 500, ..Case::default() };
    check(Case::default(), "poll");
    check(listed(0), "fresh");
    check(listed(59), "fresh");
    check(listed(60), "poll");
    // The clock was set back: how old it is can't be said.
    check(listed(-1), "poll");
    // A list that is not complete is as much as there is.
    check(Case { complete: None, partial: true, ..listed(59) }, "fresh");
    check(Case { complete: None, partial: true, ..listed(60) }, "poll");
}

#[test]
fn a_watched_account_is_left_to_its_schedule() {
    let watched = Case { watched: true, proven: 500, ..Case::default() };
    check(watched, "poll");
    check(Case { attempted: Some(300), complete: Some(300), due_in: Some(5), ..watched }, "stale");
    check(Case { attempted: Some(3), complete: Some(300), failed: Some("unavailable"), ..watched }, "stale");
}

#[test]
fn a_failure_is_not_repeated_for_everyone_who_asks() {
    let failed =
        Case { attempted: Some(20), retry_in: Some(40), failed: Some("unavailable"), proven: 500, ..Case::default() };
    check(failed, "failed, again in 40");
    // A failure is an answer until it is tried again, and no longer, however long a list would be.
    check(Case { attempted: Some(3), retry_in: Some(2), ..failed }, "failed, again in 2");
    check(Case { attempted: Some(5), retry_in: Some(0), ..failed }, "poll");
    check(Case { attempted: Some(100), retry_in: Some(200), ..failed }, "failed, again in 200");
    // It was recorded without a time to try again.
    check(Case { attempted: Some(60), retry_in: None, ..failed }, "poll");
    check(Case { complete: Some(90), ..failed }, "stale");
    // What the provider asked for, or the backoff, is kept.
    check(Case { watched: true, due_in: Some(600), ..failed }, "failed, again in 600");
    check(Case { watched: true, attempted: Some(300), due_in: Some(600), ..failed }, "failed, again in 600");
    check(Case { watched: true, due_in: Some(-1), ..failed }, "poll");
}

#[test]
fn a_password_that_was_proven_since_gets_its_chance() {
    let refused =
        Case { attempted: Some(20), retry_in: Some(40), failed: Some("unauthorized"), proven: 500, ..Case::default() };
    check(refused, "failed, again in 40");
    check(Case { proven: 10, ..refused }, "poll");
    check(Case { proven: 10, failed: Some("unavailable"), ..refused }, "failed, again in 40");
}
