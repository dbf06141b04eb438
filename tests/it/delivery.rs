//! Delivery when receivers are slow, broken or gone: at least once, in order for one instance, and none
//! delayed by another.

use serde_json::{Value, json};

use crate::support::lab::{step, steps};
use crate::support::{Lab, Receiver, Reply};

#[tokio::test]
async fn a_slow_receiver_delays_no_other() {
    let mut slow = Receiver::start().await;
    let mut quick = Receiver::start().await;
    let lab = Lab::start(&[("i-slow", "running"), ("i-quick", "running")]).await;
    slow.replies("i-slow", [Reply::Hang]);
    let slow_secret = lab.track("i-slow", &slow).await;
    let quick_secret = lab.track("i-quick", &quick).await;

    lab.becomes(&[("i-slow", "stopped"), ("i-quick", "running")]).await;
    assert_eq!(step(&slow.next().await.change(&slow_secret)), json!(["RUNNING", "STOPPED"]));
    // While that one hangs, the other is served, again and again.
    for (state, want) in [("stopped", "STOPPED"), ("running", "RUNNING"), ("terminated", "FINISH")] {
        lab.becomes(&[("i-slow", "stopped"), ("i-quick", state)]).await;
        assert_eq!(quick.next().await.change(&quick_secret)["new_state"], want);
    }
}

#[tokio::test]
async fn hooks_of_one_receiver_do_not_delay_one_another() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-slow", "running"), ("i-quick", "running")]).await;
    receiver.replies("i-slow", [Reply::Hang]);
    lab.track("i-slow", &receiver).await;
    let secret = lab.track("i-quick", &receiver).await;
    lab.becomes(&[("i-slow", "stopped"), ("i-quick", "running")]).await;
    assert_eq!(receiver.next().await.path, "/i-slow");
    lab.becomes(&[("i-slow", "stopped"), ("i-quick", "stopped")]).await;
    let callback = receiver.next().await;
    assert_eq!((callback.path.as_str(), &callback.change(&secret)["new_state"]), ("/i-quick", &json!("STOPPED")));
}

#[tokio::test]
async fn what_fails_is_sent_again_with_the_same_id() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running")]).await;
    // A redirect is a failure, too, and is not followed: it would lead to another hook of this receiver.
    receiver.replies("i-1", [Reply::Status(500), Reply::Status(302), Reply::Status(404), Reply::Status(200)]);
    let secret = lab.track("i-1", &receiver).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let first = receiver.next().await;
    let change = first.change(&secret);
    for _ in 0..3 {
        let again = receiver.next().await;
        assert_eq!(again.id(), first.id());
        assert_eq!(again.change(&secret), change, "the very same change");
    }
    // It was taken the fourth time: the next that comes is the next change.
    lab.becomes(&[("i-1", "running")]).await;
    let next = receiver.next().await;
    assert_ne!(next.id(), first.id());
    assert_eq!(step(&next.change(&secret)), json!(["STOPPED", "RUNNING"]));
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_ends_its_hook() {
    let mut receiver = Receiver::start().await;
    let lab = Lab::start(&[("i-1", "running"), ("i-2", "running")]).await;
    receiver.replies("i-1", [Reply::Status(410)]);
    lab.track("i-1", &receiver).await;
    lab.track("i-2", &receiver).await;
    lab.becomes(&[("i-1", "stopped"), ("i-2", "running")]).await;
    assert_eq!(receiver.next().await.path, "/i-1");
    let disabled = |instance: &Value| instance["track"]["status"] == "disabled";
    lab.client.until("/api/instances/i-1", "the hook is disabled", disabled).await;

    lab.becomes(&[("i-1", "running"), ("i-2", "running")]).await;
    lab.becomes(&[("i-1", "running"), ("i-2", "stopped")]).await;
    assert_eq!(receiver.next().await.path, "/i-2", "nothing more comes to the hook that was disabled");
    let feed = lab.client.get("/api/changes?since=0").await.ok();
    let disabled = feed.as_array().expect("changes").iter().filter(|change| change["type"] == "hook.disabled");
    assert_eq!(disabled.map(|change| &change["resource"]["kind"]).collect::<Vec<_>>(), ["hook"], "the feed says so");
    let owed = lab.client.pending().await;
    let of_it = owed.iter().filter(|change| change["resource"]["id"] == "i-1").map(step).collect::<Vec<_>>();
    assert_eq!(of_it, [json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"])], "and nothing is lost");
}

#[tokio::test]
async fn retries_survive_a_restart() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    receiver.replies("i-1", [Reply::Status(500)]);
    let secret = lab.track("i-1", &receiver).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let first = receiver.next().await;
    lab.becomes(&[("i-1", "running")]).await;

    let status = lab.host.stop().await;
    assert!(status.success(), "a host that is asked to end ends well: {status}");
    receiver.replies("i-1", [Reply::Status(200)]);
    lab.host.start().await;

    let mut changes: Vec<Value> = Vec::new();
    while changes.len() < 2 {
        let callback = receiver.next().await;
        // Those that were tried before the end may still be waiting to be looked at.
        if changes.is_empty() {
            assert_eq!(callback.id(), first.id(), "the oldest comes first");
        }
        let change = callback.change(&secret);
        if changes.last().is_none_or(|last| last["id"] != change["id"]) {
            changes.push(change);
        }
    }
    assert_eq!(steps(&changes), [json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"])]);
}

#[tokio::test]
async fn a_host_killed_while_a_callback_is_under_way_sends_it_again() {
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    receiver.replies("i-1", [Reply::Hang, Reply::Status(200)]);
    let secret = lab.track("i-1", &receiver).await;
    lab.becomes(&[("i-1", "stopped")]).await;
    let first = receiver.next().await;
    lab.host.kill();
    lab.host.start().await;
    let again = receiver.next().await;
    assert_eq!(again.id(), first.id());
    assert_eq!(step(&again.change(&secret)), json!(["RUNNING", "STOPPED"]));
}

#[tokio::test]
async fn no_crash_loses_a_change_or_invents_one() {
    const ROUNDS: usize = 9;
    let mut receiver = Receiver::start().await;
    let mut lab = Lab::start(&[("i-1", "running")]).await;
    let secret = lab.track("i-1", &receiver).await;
    let mut callbacks = Vec::new();
    for round in 0..ROUNDS {
        let word = ["stopped", "running"][round % 2];
        lab.provider.has(&[("i-1", word)]);
        // At once; when it was seen; when it is being delivered.
        match round % 3 {
            0 => {}
            1 => lab.becomes(&[("i-1", word)]).await,
            _ => callbacks.push(receiver.next().await),
        }
        lab.host.kill();
        lab.host.start().await;
        lab.becomes(&[("i-1", word)]).await;
    }
    lab.becomes(&[("i-1", "terminated")]).await;

    let mut changes: Vec<Value> = callbacks.iter().map(|callback| callback.change(&secret)).collect();
    while changes.last().is_none_or(|last| last["new_state"] != "FINISH") {
        changes.push(receiver.next().await.change(&secret));
    }
    // What was under way at a crash is sent again, with the same id and content; each is there once.
    changes.dedup_by(|again, first| again["id"] == first["id"]);
    let mut want: Vec<Value> = (0..ROUNDS)
        .map(|round| [json!(["RUNNING", "STOPPED"]), json!(["STOPPED", "RUNNING"])][round % 2].clone())
        .collect();
    want.push(json!(["STOPPED", "FINISH"]));
    assert_eq!(steps(&changes), want);
    assert!(changes.is_sorted_by_key(|change| change["cursor"].as_str()), "{changes:#?}");
}
