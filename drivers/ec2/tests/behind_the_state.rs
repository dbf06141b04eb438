//! What stands behind the state in an instance's `provider_state`: the reason for it, and what checks say.

use ec2::answer::{instances, statuses};
use tracker_driver_sdk::{Error, Instance};

/// The one instance of an answer, with that inside.
fn instance(inside: &str) -> Instance {
    let document = format!(
        "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i</instanceId>{inside}</item>\
         </instancesSet></item></reservationSet></DescribeInstancesResponse>"
    );
    instances(document.as_bytes()).expect("a list of one").items.remove(0)
}

#[test]
fn a_reason_stands_behind_the_state_where_it_says_more() {
    let check = |word: &str, reason: &str, is_shown: bool| {
        let reason_xml = format!("<stateReason><code>{reason}</code><message>{reason}: why</message></stateReason>");
        let state = format!("<instanceState><code>99</code><name>{word}</name></instanceState>");
        let expected = if is_shown { format!("{word}/{reason}") } else { word.to_owned() };
        // Whichever stands first. The state is what the word says, with a reason and without.
        for inside in [format!("{state}{reason_xml}"), format!("{reason_xml}{state}")] {
            let item = instance(&inside);
            assert_eq!((item.state, item.provider_state), (instance(&state).state, expected.clone()));
        }
    };
    let ended = ["stopping", "stopped", "shutting-down", "terminated"];
    for word in ended.into_iter().chain(["pending", "running", "hibernated", ""]) {
        for (reason, says_more) in [
            ("Client.UserInitiatedHibernate", true),
            ("Client.InternalError", true),
            ("Client.InvalidSnapshot.NotFound", true),
            ("Client.VolumeLimitExceeded", true),
            ("Server.InsufficientInstanceCapacity", true),
            ("Server.InternalError", true),
            ("Server.ScheduledStop", true),
            ("Server.SpotInstanceShutdown", true),
            ("Server.SpotInstanceStop", true),
            ("Server.SpotInstanceTermination", true),
            ("Server.SomethingNew", true),
            ("Client.InstanceInitiatedShutdown", false),
            ("Client.InstanceTerminated", false),
            ("Client.UserInitiatedShutdown", false),
            ("Client.SomethingNew", false),
            ("Server.", false),
            ("pending", false),
            ("", false),
        ] {
            check(word, reason, says_more && ended.contains(&word));
        }
    }
}

#[test]
fn the_worst_check_of_an_instance_counts() {
    let check = |system: &str, own: &str, volumes: &str, expected: Option<&str>| {
        let status = |name: &str, word: &str| format!("<{name}><status>{word}</status><details/></{name}>");
        let inside =
            [status("systemStatus", system), status("instanceStatus", own), status("attachedEbsStatus", volumes)];
        let document = format!(
            "<DescribeInstanceStatusResponse><instanceStatusSet><item><instanceId>i</instanceId>{}</item>\
             </instanceStatusSet></DescribeInstanceStatusResponse>",
            inside.concat()
        );
        let page = statuses(document.as_bytes()).expect("a list");
        let expected: Vec<_> = expected.map(|word| ("i".to_owned(), word.to_owned())).into_iter().collect();
        assert_eq!(page.items, expected, "{system} {own} {volumes}");
    };
    for passing in ["ok", "not-applicable", ""] {
        check(passing, "ok", passing, None);
        // From the worst to the least: each before all that follow.
        let words = ["impaired", "something-new", "insufficient-data", "initializing", passing];
        for (at, worst) in words[..4].iter().enumerate() {
            for other in &words[at..] {
                check(worst, other, passing, Some(worst));
                check(other, worst, passing, Some(worst));
                check(passing, other, worst, Some(worst));
            }
        }
    }
}

#[test]
fn a_list_of_checks_without_its_list_or_an_id_is_no_list() {
    for inside in
        ["", "<instanceStatusSet><item/></instanceStatusSet>", "<instanceStatusSet><entry/></instanceStatusSet>"]
    {
        let document = format!("<DescribeInstanceStatusResponse>{inside}</DescribeInstanceStatusResponse>");
        assert!(matches!(statuses(document.as_bytes()), Err(Error::UnexpectedAnswer(_))), "{inside}");
    }
    let none = "<DescribeInstanceStatusResponse><instanceStatusSet/><nextToken/></DescribeInstanceStatusResponse>";
    let page = statuses(none.as_bytes()).expect("a list of none");
    assert_eq!((page.items.len(), page.next), (0, None));
}
