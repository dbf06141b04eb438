//! The state that the demo shows, as plain data: the current instances, the newest callbacks, and counters. The live
//! view and the plain lines are both drawn from it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use crate::model::Timestamp;

/// How many callbacks are kept to be shown.
const KEPT: usize = 200;
/// How many ids of changes are kept, by which a callback that comes again is known.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Board {
    instances: BTreeMap<String, Instance>,
    callbacks: VecDeque<Callback>,
    seen: HashSet<String>,
    /// The instance that the commands below the view are about.
    example: Option<String>,
    pub(super) counts: Counts,
    /// The last thing that went wrong, and when.
    pub(super) problem: Option<(Timestamp, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) hooks: usize,
    pub(super) callbacks: u64,
    pub(super) verified: u64,
    pub(super) refused: u64,
    pub(super) repeats: u64,
}

/// An instance as the tracker's API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) realm: String,
    pub(super) state: String,
    pub(super) state_since: Option<Timestamp>,
    pub(super) launched_at: Option<Timestamp>,
}

/// A callback as the receiver got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Callback {
    pub(super) at: Timestamp,
    /// The change's id, the same each time that it is sent.
    pub(super) change: String,
    pub(super) change_type: String,
    pub(super) resource: String,
    pub(super) old_state: Option<String>,
    pub(super) new_state: Option<String>,
    /// How long after the tracker saw the change the callback was here.
    pub(super) delay: Option<Duration>,
    pub(super) signature: Signature,
}

/// What an independent implementation of Standard Webhooks says of a callback's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Signature {
    Verified,
    Refused(String),
}

impl Board {
    /// Takes in what the API lists now.
    pub(super) fn list(&mut self, instances: Vec<Instance>) {
        self.instances = instances.into_iter().map(|instance| (instance.id.clone(), instance)).collect();
        let is_there = self.example.as_ref().is_some_and(|id| self.instances.contains_key(id));
        if !is_there {
            // The youngest has the most changes before it, and stays the example until it is gone.
            let youngest = self.instances.values().max_by_key(|instance| instance.launched_at);
            self.example = youngest.map(|instance| instance.id.clone());
        }
    }

    /// An instance to try something on.
    pub(super) fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// Takes in a callback.
    pub(super) fn called(&mut self, callback: Callback) {
        self.counts.callbacks += 1;
        match callback.signature {
            Signature::Verified => self.counts.verified += 1,
            Signature::Refused(_) => self.counts.refused += 1,
        }
        if self.seen.len() >= REMEMBERED {
            self.seen.clear();
        }
        if !self.seen.insert(callback.change.clone()) {
            self.counts.repeats += 1;
        }
        self.callbacks.push_front(callback);
        self.callbacks.truncate(KEPT);
    }

    /// By id; those with numbers in the order of their numbers.
    pub(super) fn instances(&self) -> Vec<&Instance> {
        let mut instances: Vec<_> = self.instances.values().collect();
        instances.sort_by_key(|instance| (instance.id.len(), instance.id.as_str()));
        instances
    }

    /// The newest first.
    pub(super) fn callbacks(&self) -> impl Iterator<Item = &Callback> {
        self.callbacks.iter()
    }

    /// How many instances are in each state.
    pub(super) fn states(&self) -> BTreeMap<&str, usize> {
        let mut states = BTreeMap::new();
        for instance in self.instances.values() {
            *states.entry(instance.state.as_str()).or_default() += 1;
        }
        states
    }
}

impl Callback {
    /// What changed: `PENDING -> RUNNING`, or for a first sight, `RUNNING`.
    pub(super) fn change_of_state(&self) -> String {
        if self.change_type.ends_with(".removed") {
            return "gone".into();
        }
        match (self.old_state.as_deref(), self.new_state.as_deref()) {
            (Some(old), Some(new)) => format!("{old} -> {new}"),
            (None, Some(new)) => format!("first seen {new}"),
            (Some(old), None) => format!("{old} -> ?"),
            (None, None) => self.change_type.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cli::demo) fn callback(change: &str, signature: Signature) -> Callback {
        Callback {
            at: Timestamp::from_millis(1_795_341_600_000),
            change: change.into(),
            change_type: "instance.state".into(),
            resource: "inst1".into(),
            old_state: Some("PENDING".into()),
            new_state: Some("RUNNING".into()),
            delay: Some(Duration::from_millis(12)),
            signature,
        }
    }

    pub(in crate::cli::demo) fn instance(id: &str, state: &str) -> Instance {
        Instance {
            id: id.into(),
            name: id.into(),
            realm: "us".into(),
            state: state.into(),
            state_since: None,
            launched_at: None,
        }
    }

    #[test]
    fn callbacks_are_counted_and_kept_within_bounds() {
        let mut board = Board::default();
        board.called(callback("chg_1", Signature::Verified));
        board.called(callback("chg_1", Signature::Verified));
        board.called(callback("chg_2", Signature::Refused("no".into())));
        let want = Counts { hooks: 0, callbacks: 3, verified: 2, refused: 1, repeats: 1 };
        assert_eq!(board.counts, want);
        for number in 0..2 * REMEMBERED {
            board.called(callback(&format!("chg_x{number}"), Signature::Verified));
        }
        assert_eq!(board.callbacks().count(), KEPT);
        assert!(board.seen.len() <= REMEMBERED);
    }

    #[test]
    fn instances_stand_in_the_order_of_their_numbers() {
        let mut board = Board::default();
        board.list(["inst10", "inst9", "inst1"].map(|id| instance(id, "RUNNING")).into());
        let ids: Vec<_> = board.instances().into_iter().map(|instance| instance.id.as_str()).collect();
        assert_eq!(ids, ["inst1", "inst9", "inst10"]);
        assert_eq!(board.states(), BTreeMap::from([("RUNNING", 3)]));
    }

    #[test]
    fn the_example_is_the_youngest_and_stays() {
        let born =
            |id: &str, at: i64| Instance { launched_at: Some(Timestamp::from_millis(at)), ..instance(id, "PENDING") };
        let mut board = Board::default();
        let mut check = |instances: Vec<Instance>, want: Option<&str>| {
            board.list(instances);
            assert_eq!(board.example(), want);
        };
        check(vec![], None);
        check(vec![born("a", 1), born("b", 2)], Some("b"));
        check(vec![born("b", 2), born("c", 3)], Some("b"));
        check(vec![born("c", 3)], Some("c"));
    }

    #[test]
    fn a_change_of_state_is_told_in_words() {
        let check = |change_type: &str, old: Option<&str>, new: Option<&str>, want: &str| {
            let mut callback = callback("chg_1", Signature::Verified);
            callback.change_type = change_type.into();
            (callback.old_state, callback.new_state) = (old.map(str::to_owned), new.map(str::to_owned));
            assert_eq!(callback.change_of_state(), want);
        };
        check("instance.state", Some("PENDING"), Some("RUNNING"), "PENDING -> RUNNING");
        check("instance.created", None, Some("RUNNING"), "first seen RUNNING");
        check("instance.removed", Some("FINISH"), Some("FINISH"), "gone");
        check("instance.state", Some("RUNNING"), None, "RUNNING -> ?");
        check("instance.updated", None, None, "instance.updated");
    }
}
