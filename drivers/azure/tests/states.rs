//! The table of states: every word, in other cases of letters, and words that nobody knows.

use azure::answer::state::{View, state};
use serde_json::json;
use tracker_driver_sdk::InstanceState::{self, Error, Pending, Running, ShuttingDown, Stopped, Stopping, Unknown};

const POWER: [(&str, InstanceState); 13] = [
    ("creating", Pending),
    ("starting", Pending),
    ("running", Running),
    ("stopping", Stopping),
    ("stopped", Stopped),
    ("deallocating", Stopping),
    ("deallocated", Stopped),
    ("hibernating", Stopping),
    ("hibernated", Stopped),
    ("unknown", Unknown),
    ("paused", Unknown),
    ("running/soon", Unknown),
    ("", Unknown),
];

#[test]
fn every_power_state_is_mapped_and_keeps_its_word() {
    for (word, expected) in POWER {
        for code in [format!("PowerState/{word}"), format!("powerstate/{}", word.to_uppercase())] {
            for doing in [None, Some("Succeeded"), Some("Failed"), Some("Updating"), Some("Creating"), Some("other")] {
                assert_eq!(state(Some(&code), doing), (expected, code.clone()), "{code} {doing:?}");
            }
        }
    }
}

#[test]
fn a_machine_that_is_being_deleted_is_shutting_down_whatever_its_power_state() {
    for doing in ["Deleting", "deleting"] {
        for power in [None, Some("PowerState/running"), Some("PowerState/stopped"), Some("PowerState/odd")] {
            assert_eq!(state(power, Some(doing)), (ShuttingDown, doing.to_owned()));
        }
    }
}

#[test]
fn without_a_power_state_the_provisioning_state_decides_and_none_is_guessed() {
    for (word, expected) in [
        ("Creating", Pending),
        ("creating", Pending),
        ("Failed", Error),
        ("Succeeded", Unknown),
        ("Updating", Unknown),
        ("Migrating", Unknown),
        ("Canceled", Unknown),
        ("Running", Unknown),
        ("", Unknown),
    ] {
        assert_eq!(state(None, Some(word)), (expected, word.to_owned()));
    }
    assert_eq!(state(None, None), (Unknown, String::new()));
}

#[test]
fn the_power_state_is_found_among_other_codes() {
    let power = |codes: &[Option<&str>]| {
        let statuses: Vec<_> = codes.iter().map(|code| json!({ "code": code, "level": "Info" })).collect();
        let view: View = serde_json::from_value(json!({ "statuses": statuses })).unwrap();
        view.power().map(str::to_owned)
    };
    let running = Some("PowerState/running".to_owned());
    assert_eq!(power(&[Some("ProvisioningState/succeeded"), Some("PowerState/running")]), running);
    assert_eq!(power(&[None, Some("Odd/word"), Some("PowerState/running"), Some("OSState/generalized")]), running);
    assert_eq!(power(&[Some("ProvisioningState/failed/AllocationFailed"), Some("HibernationState/Hibernated")]), None);
    assert_eq!(power(&[Some("ProvisioningState/succeeded"), Some("Odd word")]).as_deref(), Some("Odd word"));
    assert_eq!(power(&[Some(""), None]), None);
    for view in ["{}", r#"{"statuses": null}"#, r#"{"statuses": []}"#] {
        assert_eq!(serde_json::from_str::<View>(view).unwrap().power(), None, "{view}");
    }
}
