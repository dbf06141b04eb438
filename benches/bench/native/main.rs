//! Drivers compiled for this machine, as `native.rs` builds them: lists a scenario's instances in one driver with
//! the SDK's pretend host, once for each line of its input, and prints the CPU time in nanoseconds and the number of instances.

/// Written by the bench: the drivers by name.
mod drivers;

use std::collections::HashMap;
use std::time::Duration;
use std::{env, fs, io, thread};

use serde_json::Value;
use tracker_driver_sdk::testing::{Answer, Host};
use tracker_driver_sdk::{Account, Error, Instance, Page, Query, SecretKind};

pub(crate) type List = fn(&Account, &Query) -> Result<Page<Instance>, Error>;
type Session = HashMap<String, Vec<u8>>;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let [_, name, file] = &arguments[..] else { panic!("the driver and the scenario are missing") };
    let list = drivers::list(name).expect("a driver of that name");
    let scenario = Scenario::read(file);
    let (_, mut session) = scenario.poll(list, scenario.host(&scenario.first, Session::new()));
    for line in io::stdin().lines() {
        line.expect("text");
        // Handing out answers is the host's work. What it hands out is copied before.
        let host = scenario.host(&scenario.again, session);
        let before = cpu_time();
        let (listed, kept) = scenario.poll(list, host);
        println!("{} {listed}", (cpu_time() - before).as_nanos());
        session = kept;
    }
}

struct Scenario {
    account: Account,
    secrets: Vec<(String, String)>,
    at: i64,
    first: Vec<Recorded>,
    again: Vec<Recorded>,
}

struct Recorded {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Scenario {
    fn read(file: &str) -> Scenario {
        let value: Value = serde_json::from_slice(&fs::read(file).expect("a scenario")).expect("JSON");
        let answers = |list: &str| value[list].as_array().expect("answers").iter().map(recorded).collect();
        let said = &value["account"];
        let mut account = Account::new(text(&said["provider"]), text(&said["endpoint"]), text(&said["user"]));
        account.endpoints = members(&said["endpoints"]);
        account.options = members(&said["options"]);
        account.secret_expires = said["secret_expires"].as_i64();
        account.secret = match said["secret"].as_str() {
            Some("password") => SecretKind::Password,
            Some("private-key") => SecretKind::PrivateKey,
            Some("access-token") => SecretKind::AccessToken,
            other => panic!("{other:?} is no kind of secret"),
        };
        Scenario {
            account,
            secrets: pairs(&value["secrets"]),
            at: value["at"].as_i64().expect("a time"),
            first: answers("first"),
            again: answers("again"),
        }
    }

    fn host(&self, answers: &[Recorded], session: Session) -> Host {
        let mut host = Host::new().user(&self.account.user).at(self.at);
        for (name, value) in &self.secrets {
            host = host.secret(name, value.as_str());
        }
        for (key, value) in session {
            host = host.remembering(&key, value);
        }
        for Recorded { status, headers, body } in answers {
            let mut answer = Answer::new(*status).body(body.as_slice());
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            host = host.answer(answer);
        }
        host
    }

    /// Lists all pages; gives the number of instances, and what is kept for the next poll.
    fn poll(&self, list: List, host: Host) -> (usize, Session) {
        let (listed, seen) = host.run(|| {
            let mut query = Query::default();
            let mut listed = 0;
            loop {
                let page = list(&self.account, &query).unwrap_or_else(|error| panic!("no list: {error}"));
                listed += page.items.len();
                match page.next.filter(|next| !next.is_empty()) {
                    Some(next) => query.cursor = Some(next),
                    None => return listed,
                }
            }
        });
        (listed, seen.session)
    }
}

fn recorded(answer: &Value) -> Recorded {
    Recorded {
        status: u16::try_from(answer["status"].as_u64().expect("a status")).expect("a status"),
        headers: pairs(&answer["headers"]),
        body: fs::read(text(&answer["body"])).expect("a body"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    value.as_array().expect("pairs").iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

fn members(value: &Value) -> Vec<(String, String)> {
    value.as_object().expect("members").iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// CPU time of this thread. Linux brings it up to date when the thread stops running.
fn cpu_time() -> Duration {
    thread::sleep(Duration::from_micros(1));
    let times = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let running = times.split_whitespace().next().and_then(|time| time.parse().ok());
    Duration::from_nanos(running.expect("a number"))
}
