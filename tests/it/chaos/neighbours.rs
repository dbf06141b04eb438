//! Who shares the host with the account under test, and must cost it nothing: receivers and a cloud that accept
//! connections and never answer, and an account whose long list changes all at once.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::chance::Chance;
use crate::support::wait::{SOON, eventually};
use crate::support::{Client, Host, Misbehaviour, Provider, Setup};

/// Accounts at the cloud that never answers: more than the polls that run at one time.
const SILENT_ACCOUNTS: usize = 40;
/// Destinations that accept connections and never answer, each with one hook.
const SILENT_RECEIVERS: usize = 40;
/// Instances of the account with the long list.
const CROWD: usize = 2_000;

const USER: &str = "AKIACROWD";
const PASSWORD: &str = "crowd-secret-access-key";
const STATES: [&str; 2] = ["running", "stopped"];

pub(super) struct Neighbours {
    crowd: Provider,
    /// Which of `STATES` all its instances have.
    state: usize,
    silent: Provider,
    /// The kernel completes connections to these; nobody reads them.
    receivers: Vec<TcpListener>,
}

impl Neighbours {
    pub(super) async fn start() -> Neighbours {
        let (crowd, silent) = (Provider::start().await, Provider::start().await);
        silent.misbehaves(Misbehaviour::Silence);
        let listen = |_| TcpListener::bind("127.0.0.1:0").expect("a port");
        let neighbours = Neighbours { crowd, state: 0, silent, receivers: (0..SILENT_RECEIVERS).map(listen).collect() };
        neighbours.lists();
        neighbours
    }

    /// Makes them part of the host's configuration.
    pub(super) fn move_in(&self, setup: Setup) -> Setup {
        let region = "region = \"us-east-1\"";
        let setup = setup.provider("ec2", "crowd", &self.crowd.endpoint(), region);
        let setup = setup.account("ec2", "crowd", USER, PASSWORD);
        let setup = setup.provider("ec2", "silent", &self.silent.endpoint(), region);
        (0..SILENT_ACCOUNTS)
            .fold(setup, |setup, number| setup.account("ec2", "silent", &format!("AKIASILENT{number}"), PASSWORD))
    }

    /// Sets a hook at each receiver that never answers. The first hears of every instance, the others of some.
    pub(super) async fn make_hooks(&self, host: &Host) {
        let client = client(host);
        client.until("/api/instances/i-0000", "the long list is seen", |_| true).await;
        for (number, receiver) in self.receivers.iter().enumerate() {
            let url = format!("http://{}/", receiver.local_addr().expect("bound"));
            let ids = if number == 0 { "*".to_owned() } else { format!("i-{number:02}*") };
            let hook = json!({ "url": url, "kinds": ["instance"], "ids": [ids] });
            client.post("/api/hooks", &hook).await.ok();
        }
    }

    /// Now and then every instance of the long list changes its state.
    pub(super) fn step(&mut self, chance: &mut Chance) {
        if chance.one_in(3) {
            self.state = (self.state + 1) % STATES.len();
            self.lists();
        }
    }

    /// Waits until the host has the long list as it is.
    pub(super) async fn are_seen(&self, host: &Host) {
        let client = client(host);
        let word = STATES[self.state];
        eventually(4 * SOON, "the long list is seen as it is", async || {
            let mut next = Some("/api/instances?limit=1000".to_owned());
            let mut seen = 0;
            while let Some(path) = next {
                let answer = client.get(&path).await;
                next = answer.next_page();
                let page: Value = serde_json::from_str(&answer.text).map_err(|_| answer.text)?;
                let page = page["instances"].as_array().ok_or("no list")?;
                seen += page.iter().filter(|instance| instance["provider_state"] == word).count();
            }
            if seen == CROWD { Ok(()) } else { Err(format!("{seen} of {CROWD} are {word}")) }
        })
        .await;
    }

    fn lists(&self) {
        let ids: Vec<String> = (0..CROWD).map(|number| format!("i-{number:04}")).collect();
        let list: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), STATES[self.state])).collect();
        self.crowd.has(&list);
    }
}

fn client(host: &Host) -> Client {
    host.client().at("ec2", "crowd").as_user(USER, PASSWORD)
}
