//! The whole table of states: each run state and each lock, alone and together.

use proxmox::state::of_guest;
use tracker_driver_sdk::InstanceState;

const STATUSES: [(&str, InstanceState); 22] = [
    ("running", InstanceState::Running),
    ("stopped", InstanceState::Stopped),
    ("paused", InstanceState::Stopped),
    ("prelaunch", InstanceState::Stopped),
    ("suspended", InstanceState::Stopped),
    ("inmigrate", InstanceState::Pending),
    ("restore-vm", InstanceState::Pending),
    ("shutdown", InstanceState::Stopping),
    ("guest-panicked", InstanceState::Error),
    ("internal-error", InstanceState::Error),
    ("io-error", InstanceState::Error),
    ("watchdog", InstanceState::Error),
    ("save-vm", InstanceState::Unknown),
    ("finish-migrate", InstanceState::Unknown),
    ("postmigrate", InstanceState::Unknown),
    ("colo", InstanceState::Unknown),
    ("debug", InstanceState::Unknown),
    ("preconfig", InstanceState::Unknown),
    ("unknown", InstanceState::Unknown),
    // What nobody knows, another letter case among it.
    ("Running", InstanceState::Unknown),
    ("frozen", InstanceState::Unknown),
    (" ", InstanceState::Unknown),
];

const LOCKS_WITH_A_STATE: [(&str, InstanceState); 7] = [
    ("clone", InstanceState::Pending),
    ("create", InstanceState::Pending),
    ("suspending", InstanceState::Stopping),
    ("destroyed", InstanceState::ShuttingDown),
    // What nobody knows may mean anything.
    ("Create", InstanceState::Unknown),
    ("archive", InstanceState::Unknown),
    ("unknown", InstanceState::Unknown),
];

const LOCKS_WITHOUT: [&str; 9] =
    ["backup", "disk", "fstrim", "migrate", "mounted", "rollback", "snapshot", "snapshot-delete", "suspended"];

fn check(status: &str, lock: Option<&str>, state: InstanceState, word: &str) {
    let found = of_guest(status.to_owned(), lock.map(str::to_owned));
    assert_eq!((found.0, found.1.as_str()), (state, word), "{status} {lock:?}");
}

#[test]
fn every_status_is_mapped_and_none_is_guessed() {
    for (status, state) in STATUSES {
        check(status, None, state, status);
        check(status, Some(""), state, status);
    }
}

#[test]
fn a_lock_outranks_the_status_where_it_says_what_comes_next() {
    for (status, state) in STATUSES {
        for (lock, of_lock) in LOCKS_WITH_A_STATE {
            check(status, Some(lock), of_lock, lock);
        }
        for lock in LOCKS_WITHOUT {
            check(status, Some(lock), state, status);
        }
    }
}
