//! The table of states, over every combination of the three words.

use tracker_driver_sdk::InstanceState::{self, Pending, Running, Stopped, Unknown};
use vultr::state;

const POWER: [&str; 2] = ["running", "stopped"];
const SERVER: [&str; 5] = ["none", "locked", "installingbooting", "isomounting", "ok"];

fn check(status: &str, power: &str, expected: [InstanceState; 5]) {
    for (server, expected) in SERVER.into_iter().zip(expected) {
        let found = state::of(status, power, server);
        assert_eq!(found, (expected, format!("{status}/{power}/{server}")));
    }
}

#[test]
fn every_combination_is_mapped_and_none_is_guessed() {
    check("pending", "running", [Pending; 5]);
    check("pending", "stopped", [Pending; 5]);
    check("active", "running", [Running, Running, Pending, Running, Running]);
    check("active", "stopped", [Stopped, Unknown, Pending, Unknown, Stopped]);
    check("suspended", "running", [Unknown; 5]);
    check("suspended", "stopped", [Stopped; 5]);
    check("resizing", "running", [Unknown; 5]);
    check("resizing", "stopped", [Unknown; 5]);
}

#[test]
fn words_that_nobody_knows_decide_nothing() {
    let of = |status: &str, power: &str, server: &str| state::of(status, power, server).0;
    for odd in ["", "closed", "Active", "starting"] {
        for server in SERVER {
            assert!(POWER.iter().all(|power| of(odd, power, server) == Unknown), "{odd} {server}");
            assert_eq!((of("active", odd, server), of("suspended", odd, server)), (Unknown, Unknown), "{odd} {server}");
        }
        assert_eq!((of("active", "running", odd), of("active", "stopped", odd)), (Unknown, Unknown), "{odd}");
        // The other words of one that is being made say nothing.
        assert_eq!(of("pending", odd, odd), Pending);
    }
    assert_eq!(state::of("active", "", "ok").1, "active//ok");
}
