//! What the provider has: instances that change, come and go, a step at a time, and what each step owes to
//! whoever follows them.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::support::chance::Chance;

/// EC2's words for states, and the tracker's.
const STATES: [State; 6] = [
    State { word: "pending", name: "PENDING" },
    State { word: "running", name: "RUNNING" },
    State { word: "stopping", name: "STOPPING" },
    State { word: "stopped", name: "STOPPED" },
    State { word: "shutting-down", name: "SHUTTING_DOWN" },
    State { word: "terminated", name: "FINISH" },
];

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    word: &'static str,
    name: &'static str,
}

/// A change as it has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) change_type: &'static str,
    pub(super) old_state: Option<&'static str>,
    pub(super) new_state: &'static str,
}

pub(super) struct World {
    /// Those that are not there at the time have no state.
    instances: BTreeMap<String, Option<State>>,
}

impl World {
    /// Most of so many instances are there.
    pub(super) fn new(instances: usize, chance: &mut Chance) -> World {
        let state = |chance: &mut Chance| (!chance.one_in(5)).then(|| *chance.pick(&STATES));
        World { instances: (0..instances).map(|number| (format!("i-{number:04}"), state(chance))).collect() }
    }

    /// Ids of all instances, there or not.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.instances.keys().map(String::as_str)
    }

    /// Those that are there, with EC2's words for their states.
    pub(super) fn list(&self) -> Vec<(&str, &str)> {
        self.instances.iter().filter_map(|(id, state)| Some((id.as_str(), state.as_ref()?.word))).collect()
    }

    /// Lets many instances change, some come, and a few go.
    pub(super) fn step(&mut self, chance: &mut Chance) -> Vec<(String, Step)> {
        self.change(|state| match state {
            None => chance.one_in(4).then(|| *chance.pick(&STATES)),
            Some(_) if chance.one_in(100) => None,
            Some(state) if chance.one_in(3) => Some(*chance.pick(&STATES)).filter(|new| *new != state).or(Some(state)),
            unchanged => unchanged,
        })
    }

    /// Lets every instance change, or come.
    pub(super) fn step_all(&mut self) -> Vec<(String, Step)> {
        self.change(|state| {
            let at = STATES.iter().position(|other| Some(*other) == state);
            Some(STATES[at.map_or(0, |at| (at + 1) % STATES.len())])
        })
    }

    fn change(&mut self, mut becomes: impl FnMut(Option<State>) -> Option<State>) -> Vec<(String, Step)> {
        let mut steps = Vec::new();
        for (id, state) in &mut self.instances {
            let old = std::mem::replace(state, becomes(*state));
            steps.extend(Step::between(old, *state).map(|step| (id.clone(), step)));
        }
        steps
    }

    /// Whether a list of the tracker's says the same; if not, how they differ.
    pub(super) fn is_seen(&self, list: &Value) -> Result<(), String> {
        let items = list["instances"].as_array().ok_or_else(|| format!("no list: {list}"))?;
        let seen: HashMap<&str, &str> = items
            .iter()
            .filter_map(|instance| Some((instance["id"].as_str()?, instance["provider_state"].as_str()?)))
            .collect();
        let there: HashMap<&str, &str> = self.list().into_iter().collect();
        let differs = self.ids().find(|id| seen.get(id) != there.get(id));
        match differs {
            None => Ok(()),
            Some(id) => Err(format!("{id} is {:?}, and is seen as {:?}", there.get(id), seen.get(id))),
        }
    }
}

impl Step {
    fn between(old: Option<State>, new: Option<State>) -> Option<Step> {
        let (change_type, old_state, new_state) = match (old, new) {
            (None, None) => return None,
            (Some(old), Some(new)) if old == new => return None,
            (None, Some(new)) => ("instance.created", None, new.name),
            (Some(old), Some(new)) => ("instance.state", Some(old.name), new.name),
            (Some(old), None) => ("instance.removed", Some(old.name), "FINISH"),
        };
        Some(Step { change_type, old_state, new_state })
    }
}
