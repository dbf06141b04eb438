//! Every state that OpenNebula has had, and what is none.

use opennebula::state::of;
use tracker_driver_sdk::InstanceState;
use tracker_driver_sdk::InstanceState::{Error, Finish, Pending, Running, ShuttingDown, Stopped, Stopping, Unknown};

fn check(state: &str, activity: &str, expected: InstanceState, word: &str) {
    assert_eq!(of(state, activity), (expected, word.to_owned()), "{state}/{activity}");
}

#[test]
fn every_state_is_mapped_whatever_stands_beside_it() {
    for (number, word, expected) in [
        ("0", "INIT", Pending),
        ("1", "PENDING", Pending),
        ("2", "HOLD", Pending),
        ("4", "STOPPED", Stopped),
        ("5", "SUSPENDED", Stopped),
        ("6", "DONE", Finish),
        ("7", "FAILED", Error),
        ("8", "POWEROFF", Stopped),
        ("9", "UNDEPLOYED", Stopped),
        ("10", "CLONING", Pending),
        ("11", "CLONING_FAILURE", Error),
    ] {
        // The second number is left over from before.
        for activity in ["0", "3", "36", "99", ""] {
            check(number, activity, expected, word);
        }
    }
}

#[test]
fn what_an_active_vm_does_is_its_state() {
    let words = "LCM_INIT PROLOG BOOT RUNNING MIGRATE SAVE_STOP SAVE_SUSPEND SAVE_MIGRATE PROLOG_MIGRATE PROLOG_RESUME \
                 EPILOG_STOP EPILOG SHUTDOWN CANCEL FAILURE CLEANUP_RESUBMIT UNKNOWN HOTPLUG SHUTDOWN_POWEROFF \
                 BOOT_UNKNOWN BOOT_POWEROFF BOOT_SUSPENDED BOOT_STOPPED CLEANUP_DELETE HOTPLUG_SNAPSHOT HOTPLUG_NIC \
                 HOTPLUG_SAVEAS HOTPLUG_SAVEAS_POWEROFF HOTPLUG_SAVEAS_SUSPENDED SHUTDOWN_UNDEPLOY EPILOG_UNDEPLOY \
                 PROLOG_UNDEPLOY BOOT_UNDEPLOY HOTPLUG_PROLOG_POWEROFF HOTPLUG_EPILOG_POWEROFF BOOT_MIGRATE \
                 BOOT_FAILURE BOOT_MIGRATE_FAILURE PROLOG_MIGRATE_FAILURE PROLOG_FAILURE EPILOG_FAILURE \
                 EPILOG_STOP_FAILURE EPILOG_UNDEPLOY_FAILURE PROLOG_MIGRATE_POWEROFF PROLOG_MIGRATE_POWEROFF_FAILURE \
                 PROLOG_MIGRATE_SUSPEND PROLOG_MIGRATE_SUSPEND_FAILURE BOOT_UNDEPLOY_FAILURE BOOT_STOPPED_FAILURE \
                 PROLOG_RESUME_FAILURE PROLOG_UNDEPLOY_FAILURE DISK_SNAPSHOT_POWEROFF DISK_SNAPSHOT_REVERT_POWEROFF \
                 DISK_SNAPSHOT_DELETE_POWEROFF DISK_SNAPSHOT_SUSPENDED DISK_SNAPSHOT_REVERT_SUSPENDED \
                 DISK_SNAPSHOT_DELETE_SUSPENDED DISK_SNAPSHOT DISK_SNAPSHOT_REVERT DISK_SNAPSHOT_DELETE \
                 PROLOG_MIGRATE_UNKNOWN PROLOG_MIGRATE_UNKNOWN_FAILURE DISK_RESIZE DISK_RESIZE_POWEROFF \
                 DISK_RESIZE_UNDEPLOYED HOTPLUG_NIC_POWEROFF HOTPLUG_RESIZE HOTPLUG_SAVEAS_UNDEPLOYED \
                 HOTPLUG_SAVEAS_STOPPED BACKUP BACKUP_POWEROFF RESTORE";
    let words: Vec<&str> = words.split(' ').collect();
    assert_eq!(words.len(), 72);
    for (number, word) in words.into_iter().enumerate() {
        let expected = match number {
            0 | 16 => Unknown,
            3 | 4 | 17 | 24..=26 | 57..=59 | 62 | 66 | 69 => Running,
            5..=7 | 10 | 18 | 29 | 30 => Stopping,
            11..=13 | 23 => ShuttingDown,
            14 | 36..=42 | 44 | 46..=50 | 61 => Error,
            27 | 28 | 33 | 34 | 43 | 45 | 51..=56 | 63..=65 | 67 | 68 | 70 | 71 => Stopped,
            _ => Pending,
        };
        assert_eq!(word.ends_with("FAILURE"), expected == Error, "{word}");
        check("3", &number.to_string(), expected, word);
    }
}

#[test]
fn a_number_without_a_name_is_unknown_and_stays() {
    for state in ["12", "-1", "", "03", "RUNNING", "ACTIVE", "3.0"] {
        check(state, "3", Unknown, state);
    }
    for activity in ["72", "-1", "03", "RUNNING", "x y"] {
        check("3", activity, Unknown, &format!("3/{activity}"));
    }
    check("3", "", Unknown, "ACTIVE");
}
