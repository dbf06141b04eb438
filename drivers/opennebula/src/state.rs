//! A VM's state: a number, and a second one for what an active VM is doing (OpenNebula's "Virtual Machine States
//! Reference"). The names are OpenNebula's own, as its tools show them.

use tracker_driver_sdk::InstanceState;
use tracker_driver_sdk::InstanceState::{Error, Finish, Pending, Running, ShuttingDown, Stopped, Stopping, Unknown};

/// The number of ACTIVE, for which the second number counts.
const ACTIVE: &str = "3";

/// By `STATE`.
const STATES: [(&str, &str, InstanceState); 11] = [
    ("0", "INIT", Pending),
    ("1", "PENDING", Pending),
    // It waits for its owner's word to be deployed.
    ("2", "HOLD", Pending),
    ("4", "STOPPED", Stopped),
    ("5", "SUSPENDED", Stopped),
    ("6", "DONE", Finish),
    // Of versions before 5.
    ("7", "FAILED", Error),
    ("8", "POWEROFF", Stopped),
    ("9", "UNDEPLOYED", Stopped),
    ("10", "CLONING", Pending),
    ("11", "CLONING_FAILURE", Error),
];

/// By `LCM_STATE`, where `STATE` is ACTIVE.
const ACTIVITIES: [(&str, &str, InstanceState); 72] = [
    // Not yet anything that says whether it is on.
    ("0", "LCM_INIT", Unknown),
    ("1", "PROLOG", Pending),
    ("2", "BOOT", Pending),
    ("3", "RUNNING", Running),
    // Live: the guest goes on.
    ("4", "MIGRATE", Running),
    ("5", "SAVE_STOP", Stopping),
    ("6", "SAVE_SUSPEND", Stopping),
    // A cold migration: the guest is saved, moved while it is off, and started again.
    ("7", "SAVE_MIGRATE", Stopping),
    ("8", "PROLOG_MIGRATE", Pending),
    ("9", "PROLOG_RESUME", Pending),
    ("10", "EPILOG_STOP", Stopping),
    ("11", "EPILOG", ShuttingDown),
    ("12", "SHUTDOWN", ShuttingDown),
    // 13 and 14 are of versions before 5.
    ("13", "CANCEL", ShuttingDown),
    ("14", "FAILURE", Error),
    // It is made anew.
    ("15", "CLEANUP_RESUBMIT", Pending),
    // The host does not answer.
    ("16", "UNKNOWN", Unknown),
    ("17", "HOTPLUG", Running),
    ("18", "SHUTDOWN_POWEROFF", Stopping),
    ("19", "BOOT_UNKNOWN", Pending),
    ("20", "BOOT_POWEROFF", Pending),
    ("21", "BOOT_SUSPENDED", Pending),
    ("22", "BOOT_STOPPED", Pending),
    ("23", "CLEANUP_DELETE", ShuttingDown),
    ("24", "HOTPLUG_SNAPSHOT", Running),
    ("25", "HOTPLUG_NIC", Running),
    ("26", "HOTPLUG_SAVEAS", Running),
    ("27", "HOTPLUG_SAVEAS_POWEROFF", Stopped),
    ("28", "HOTPLUG_SAVEAS_SUSPENDED", Stopped),
    ("29", "SHUTDOWN_UNDEPLOY", Stopping),
    ("30", "EPILOG_UNDEPLOY", Stopping),
    ("31", "PROLOG_UNDEPLOY", Pending),
    ("32", "BOOT_UNDEPLOY", Pending),
    ("33", "HOTPLUG_PROLOG_POWEROFF", Stopped),
    ("34", "HOTPLUG_EPILOG_POWEROFF", Stopped),
    ("35", "BOOT_MIGRATE", Pending),
    ("36", "BOOT_FAILURE", Error),
    ("37", "BOOT_MIGRATE_FAILURE", Error),
    ("38", "PROLOG_MIGRATE_FAILURE", Error),
    ("39", "PROLOG_FAILURE", Error),
    ("40", "EPILOG_FAILURE", Error),
    ("41", "EPILOG_STOP_FAILURE", Error),
    ("42", "EPILOG_UNDEPLOY_FAILURE", Error),
    ("43", "PROLOG_MIGRATE_POWEROFF", Stopped),
    ("44", "PROLOG_MIGRATE_POWEROFF_FAILURE", Error),
    ("45", "PROLOG_MIGRATE_SUSPEND", Stopped),
    ("46", "PROLOG_MIGRATE_SUSPEND_FAILURE", Error),
    ("47", "BOOT_UNDEPLOY_FAILURE", Error),
    ("48", "BOOT_STOPPED_FAILURE", Error),
    ("49", "PROLOG_RESUME_FAILURE", Error),
    ("50", "PROLOG_UNDEPLOY_FAILURE", Error),
    ("51", "DISK_SNAPSHOT_POWEROFF", Stopped),
    ("52", "DISK_SNAPSHOT_REVERT_POWEROFF", Stopped),
    ("53", "DISK_SNAPSHOT_DELETE_POWEROFF", Stopped),
    ("54", "DISK_SNAPSHOT_SUSPENDED", Stopped),
    ("55", "DISK_SNAPSHOT_REVERT_SUSPENDED", Stopped),
    ("56", "DISK_SNAPSHOT_DELETE_SUSPENDED", Stopped),
    ("57", "DISK_SNAPSHOT", Running),
    // Of versions before 5.
    ("58", "DISK_SNAPSHOT_REVERT", Running),
    ("59", "DISK_SNAPSHOT_DELETE", Running),
    // Its host failed, and it is started on a different one.
    ("60", "PROLOG_MIGRATE_UNKNOWN", Pending),
    ("61", "PROLOG_MIGRATE_UNKNOWN_FAILURE", Error),
    ("62", "DISK_RESIZE", Running),
    ("63", "DISK_RESIZE_POWEROFF", Stopped),
    ("64", "DISK_RESIZE_UNDEPLOYED", Stopped),
    ("65", "HOTPLUG_NIC_POWEROFF", Stopped),
    ("66", "HOTPLUG_RESIZE", Running),
    ("67", "HOTPLUG_SAVEAS_UNDEPLOYED", Stopped),
    ("68", "HOTPLUG_SAVEAS_STOPPED", Stopped),
    ("69", "BACKUP", Running),
    ("70", "BACKUP_POWEROFF", Stopped),
    // Of a VM that is off.
    ("71", "RESTORE", Stopped),
];

/// The state, and OpenNebula's name for it. Numbers without a name stay numbers: `3/99` where the second one counts.
pub fn of(state: &str, activity: &str) -> (InstanceState, String) {
    let known = |table: &[(&str, &'static str, InstanceState)], number: &str| {
        table.iter().find(|(known, ..)| *known == number).map(|(_, name, state)| (*state, (*name).to_owned()))
    };
    if state == ACTIVE {
        return known(&ACTIVITIES, activity).unwrap_or_else(|| match activity.is_empty() {
            true => (Unknown, "ACTIVE".to_owned()),
            false => (Unknown, format!("{state}/{activity}")),
        });
    }
    known(&STATES, state).unwrap_or_else(|| (Unknown, state.to_owned()))
}
