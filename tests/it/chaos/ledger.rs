//! What every resource on every hook is owed, and what came of it. What came is judged as it comes, by what is
//! promised: each change at least once, signed, and in order, so that dropping repeats by `webhook-id` leaves
//! the journal and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

use http::HeaderMap;
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::sync::watch;

use super::world::Step;
use crate::support::lab::TOKEN;

/// More of them would only say the same again.
const MOST_FAULTS: usize = 20;

pub(super) struct Ledger {
    books: Mutex<Books>,
    /// How many callbacks came.
    came: watch::Sender<usize>,
}

#[derive(Default)]
struct Books {
    /// By the path of a hook.
    secrets: HashMap<String, Webhook>,
    /// By resource, then by the path of the hook.
    lanes: BTreeMap<String, BTreeMap<String, Lane>>,
    faults: Vec<String>,
    /// How often each reply was given.
    replies: BTreeMap<&'static str, usize>,
}

/// One resource on one hook.
struct Lane {
    mode: Mode,
    owed: Vec<Step>,
    came: Vec<Came>,
}

/// Which changes a hook wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Every,
    /// A newer one takes the place of one that still waits. Which these are is the tracker's to say: what came is
    /// held against what came to a hook that wants every change of the same resource.
    Latest,
}

/// A change that came, once or again.
struct Came {
    change: Value,
    times: usize,
    acknowledged: Acknowledged,
}

/// Whether the tracker may take it that a callback arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// A 2xx was given, or at least begun.
    Yes,
    No,
}

/// What happened in all.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) changes: usize,
    pub(super) callbacks: usize,
    pub(super) replies: BTreeMap<&'static str, usize>,
}

impl Ledger {
    pub(super) fn new() -> Ledger {
        Ledger { books: Mutex::default(), came: watch::Sender::new(0) }
    }

    /// A hook that hears of this resource from now on. One may be told for many resources, each of which is
    /// in an order of its own.
    pub(super) fn follows(&self, path: &str, secret: &str, resource: &str, mode: Mode) {
        let mut books = self.books();
        books.secrets.insert(path.to_owned(), Webhook::new(secret).expect("a secret as Standard Webhooks writes it"));
        books.lanes.entry(resource.to_owned()).or_default().insert(path.to_owned(), Lane::new(mode));
    }

    /// Writes down what is about to happen to a resource.
    pub(super) fn owes(&self, resource: &str, step: Step) {
        for lane in self.books().lanes.get_mut(resource).expect("a resource that is followed").values_mut() {
            lane.owed.push(step);
        }
    }

    /// Judges a callback that came whole, and will be replied to like this.
    pub(super) fn came(&self, path: &str, headers: &HeaderMap, body: &[u8], reply: &'static str, as_: Acknowledged) {
        let mut books = self.books();
        *books.replies.entry(reply).or_default() += 1;
        if let Err(fault) = books.judge(path, headers, body, as_)
            && books.faults.len() < MOST_FAULTS
        {
            let body = String::from_utf8_lossy(body);
            books.faults.push(format!("{path}: {fault}: {body}"));
        }
        drop(books);
        self.came.send_modify(|count| *count += 1);
    }

    /// Waits until so many more callbacks came.
    pub(super) async fn more(&self, count: usize) {
        let mut came = self.came.subscribe();
        let enough = *came.borrow() + count;
        came.wait_for(|came| *came >= enough).await.expect("this holds the sender");
    }

    /// Fails if anything came that should not have come like that.
    #[track_caller]
    pub(super) fn has_no_faults(&self) {
        // Not under the lock: receivers go on while this fails.
        let faults = self.books().faults.clone();
        assert!(faults.is_empty(), "promises were broken:\n{}", faults.join("\n"));
    }

    /// Whether everything that is owed came and was acknowledged; if not, some of what is left.
    pub(super) fn is_settled(&self) -> Result<(), String> {
        let books = self.books();
        let mut left = Vec::new();
        for (resource, hooks) in &books.lanes {
            let every = hooks.values().find(|lane| lane.mode == Mode::Every).expect("each has a track hook");
            for (path, lane) in hooks {
                left.extend(lane.left(&every.came).map(|left| format!("{resource} on {path}: {left}")));
            }
        }
        match left.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} wait, the first of them {first}", left.len())),
        }
    }

    /// Fails unless what came, repeats dropped, is what the journal has of each resource.
    #[track_caller]
    pub(super) fn is_the_journal(&self, journal: &[Value]) {
        let books = self.books();
        for (resource, hooks) in &books.lanes {
            let of_it: Vec<&Value> = journal.iter().filter(|change| change["resource"]["id"] == **resource).collect();
            for (path, lane) in hooks.iter().filter(|(_, lane)| lane.mode == Mode::Every) {
                let came: Vec<Value> = lane.came.iter().map(|came| without_token(&came.change)).collect();
                assert_eq!(came.iter().collect::<Vec<_>>(), of_it, "{resource} on {path}");
            }
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let books = self.books();
        let changes = books.lanes.values().flat_map(BTreeMap::values).map(|lane| lane.came.len()).sum();
        Tally { changes, callbacks: *self.came.borrow(), replies: books.replies.clone() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no holder panics")
    }
}

/// As the feed has it: a token is the hook's.
fn without_token(change: &Value) -> Value {
    let mut change = change.clone();
    change.as_object_mut().expect("an object").remove("track_token");
    change
}

impl Books {
    fn judge(&mut self, path: &str, headers: &HeaderMap, body: &[u8], as_: Acknowledged) -> Result<(), String> {
        let webhook = self.secrets.get(path).ok_or("no such hook was set")?;
        is_signed(webhook, headers, body)?;
        let change: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        if headers["webhook-id"].to_str().ok() != change["id"].as_str() {
            return Err("the webhook's id is not the change's".into());
        }
        let resource = change["resource"]["id"].as_str().unwrap_or_default();
        let lane = self.lanes.get_mut(resource).and_then(|hooks| hooks.get_mut(path));
        lane.ok_or("the hook does not follow this resource")?.comes(change, as_)
    }
}

/// Whether a callback has the hook's signature, of whatever age it is: the host's clock is set.
fn is_signed(webhook: &Webhook, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or_else(|| format!("it has no {name}"))
    };
    let timestamp = header("webhook-timestamp")?.parse().map_err(|error| format!("its time is not good: {error}"))?;
    let expected = webhook.sign(header("webhook-id")?, timestamp, body).map_err(|error| error.to_string())?;
    match header("webhook-signature")?.split(' ').any(|signature| signature == expected) {
        true => Ok(()),
        false => Err("the signature is not good".into()),
    }
}

impl Lane {
    fn new(mode: Mode) -> Lane {
        Lane { mode, owed: Vec::new(), came: Vec::new() }
    }

    /// At least once, in order, is this: the next change comes only once the one before it was acknowledged, and
    /// repeats of a change come only until the next one does. What came is then sorted, whatever the receiver
    /// did and whenever the tracker was killed; for that an acknowledgement has to be durable before the next
    /// change is sent.
    fn comes(&mut self, change: Value, as_: Acknowledged) -> Result<(), String> {
        let at = self.came.iter().rposition(|came| came.change["id"] == change["id"]);
        let last = self.came.len().checked_sub(1);
        match at {
            Some(at) if Some(at) == last => {
                let came = &mut self.came[at];
                if came.change != change {
                    return Err(format!("a repeat is not the same; before it was {}", came.change));
                }
                came.times += 1;
                if as_ == Acknowledged::Yes {
                    came.acknowledged = as_;
                }
                Ok(())
            }
            Some(at) => Err(format!("repeated after {} later ones had come", self.came.len() - at - 1)),
            None => self.comes_first(change, as_),
        }
    }

    fn comes_first(&mut self, change: Value, acknowledged: Acknowledged) -> Result<(), String> {
        if let Some(last) = self.came.last() {
            if self.mode == Mode::Every && last.acknowledged == Acknowledged::No {
                return Err(format!("came before {} was acknowledged", last.change["id"]));
            }
            if last.change["cursor"].as_str() >= change["cursor"].as_str() {
                return Err(format!("its cursor is not after {}", last.change["cursor"]));
            }
        }
        let step = self.owed.get(self.came.len()).ok_or("nothing like that happened")?;
        let is_it = change["type"] == step.change_type
            && change["old_state"].as_str() == step.old_state
            && change["new_state"] == step.new_state;
        if self.mode == Mode::Every && !is_it {
            return Err(format!("it should be {step:?}"));
        }
        if change["track_token"] != TOKEN {
            return Err("it has not the hook's token".into());
        }
        self.came.push(Came { change, times: 1, acknowledged });
        Ok(())
    }

    /// What of it is not done, if anything. `every` is what came to those who want every change of the resource.
    fn left(&self, every: &[Came]) -> Option<String> {
        let (last, owed) = (self.came.last(), self.owed.len());
        let tried = last.map_or(0, |last| last.times);
        let waits = last.is_some_and(|last| last.acknowledged == Acknowledged::No);
        let is_done = match self.mode {
            Mode::Every => self.came.len() == owed,
            Mode::Latest => {
                let mut every = every.iter().map(|came| &came.change);
                if let Some(stray) = self.came.iter().find(|came| !every.any(|change| *change == came.change)) {
                    return Some(format!("not in the journal, or not in its order: {}", stray.change));
                }
                every.next().is_none()
            }
        };
        (waits || !is_done).then(|| format!("{} of {owed} came, the last {tried} times", self.came.len()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Steps of a resource that is created, runs and stops.
    fn lane(mode: Mode) -> Lane {
        let states = [None, Some("PENDING"), Some("RUNNING"), Some("STOPPED")];
        let steps = states.windows(2).map(|states| Step {
            change_type: if states[0].is_none() { "instance.created" } else { "instance.state" },
            old_state: states[0],
            new_state: states[1].expect("a state"),
        });
        Lane { owed: steps.collect(), ..Lane::new(mode) }
    }

    /// The first, second, ... change of that resource.
    fn change(number: usize) -> Value {
        let states = [None, Some("PENDING"), Some("RUNNING"), Some("STOPPED"), Some("FINISH")];
        json!({
            "id": format!("chg_{number}"),
            "cursor": format!("{number:08}"),
            "type": if number == 1 { "instance.created" } else { "instance.state" },
            "old_state": states[number - 1],
            "new_state": states[number],
            "track_token": TOKEN,
        })
    }

    #[test]
    fn what_breaks_a_promise_is_found() {
        // `+` is acknowledged, `-` is not.
        let check_in = |mode: Mode, came: &str, want: Result<(), &str>| {
            let mut lane = lane(mode);
            let mut got = Ok(());
            for word in came.split_whitespace() {
                let (number, sign) = word.split_at(1);
                let as_ = if sign == "+" { Acknowledged::Yes } else { Acknowledged::No };
                got = got.and_then(|()| lane.comes(change(number.parse().expect("a number")), as_));
            }
            let mut every = self::lane(Mode::Every);
            for number in 1..=3 {
                every.comes(change(number), Acknowledged::Yes).expect("as owed");
            }
            let got = got.and_then(|()| lane.left(&every.came).map_or(Ok(()), Err));
            match (&got, want) {
                (Ok(()), Ok(())) => {}
                (Err(got), Err(want)) if got.contains(want) => {}
                _ => panic!("{came}: {got:?} and not {want:?}"),
            }
        };
        let check = |came: &str, want: Result<(), &str>| check_in(Mode::Every, came, want);
        check("1+ 2+ 3+", Ok(()));
        check("1- 1- 1+ 2- 2+ 3+", Ok(()));
        check("1+ 1+ 1- 2+ 2+ 3+ 3-", Ok(()));
        check("", Err("0 of 3 came"));
        check("1+ 2+", Err("2 of 3 came"));
        check("1+ 2+ 3- 3-", Err("3 of 3 came, the last 2 times"));
        check("1- 2+ 3+", Err("before \"chg_1\" was acknowledged"));
        check("1+ 3+", Err("it should be"));
        check("2+ 3+", Err("it should be"));
        check("1+ 2- 1+", Err("repeated after 1 later"));
        check("1+ 2+ 3+ 1+", Err("repeated after 2 later"));
        check("1+ 2+ 3+ 4+", Err("nothing like that happened"));

        let check = |came: &str, want: Result<(), &str>| check_in(Mode::Latest, came, want);
        check("1+ 2+ 3+", Ok(()));
        check("3+", Ok(()));
        check("1- 1- 3- 3+", Ok(()));
        check("", Err("0 of 3 came"));
        check("3-", Err("1 of 3 came"));
        check("2+", Err("1 of 3 came"));
        check("1+ 2+", Err("2 of 3 came"));
        check("4+", Err("not in the journal"));
        check("1- 3+ 1-", Err("repeated after 1 later"));
        check("2+ 1+ 3+", Err("its cursor is not after"));
        check("1+ 2+ 3+ 4+", Err("nothing like that happened"));
    }

    #[test]
    fn what_is_not_the_change_owed_is_found() {
        let check = |member: &str, value: Value, want: &str| {
            let mut lane = lane(Mode::Every);
            lane.comes(change(1), Acknowledged::Yes).expect("as owed");
            let mut second = change(2);
            second[member] = value;
            let fault = lane.comes(second, Acknowledged::Yes).expect_err(member);
            assert!(fault.contains(want), "{fault}");
        };
        check("cursor", json!("00000001"), "its cursor is not after");
        check("type", json!("instance.removed"), "it should be");
        check("old_state", json!("RUNNING"), "it should be");
        check("old_state", Value::Null, "it should be");
        check("new_state", json!("STOPPED"), "it should be");
        check("track_token", Value::Null, "token");
        check("id", json!("chg_1"), "a repeat is not the same");
    }
}
