//! A host that watches one account of a system that is not the tests' own, and a hook for all that changes there.

use serde_json::{Value, json};

use super::client::Client;
use super::host::{Host, Setup};
use super::receiver::Receiver;

pub(crate) struct Watched {
    _host: Host,
    pub(crate) client: Client,
    receiver: Receiver,
    secret: String,
    /// What was called back and not asked for yet.
    changes: Vec<Value>,
}

impl Watched {
    /// Starts the host, and waits until it has seen so many instances of an account that it is set up with.
    pub(crate) async fn start(setup: Setup, instances: usize, client: impl FnOnce(Client) -> Client) -> Watched {
        let host = setup.start().await;
        let client = client(host.client());
        let seen = |list: &Value| list["instances"].as_array().is_some_and(|list| list.len() == instances);
        client.until("/api/instances?limit=1000", &format!("{instances} instances are seen"), seen).await;
        client.until("/api/account", "the realms are listed", |account| is_complete(account, "realms")).await;
        let receiver = Receiver::start().await;
        let hook = client.post("/api/hooks", &json!({ "url": receiver.url("all") })).await.ok();
        let secret = hook["secret"].as_str().expect("a secret").to_owned();
        Watched { _host: host, client, receiver, secret, changes: Vec::new() }
    }

    /// The next change of this resource that is called back.
    pub(crate) async fn called_back(&mut self, id: &str) -> Value {
        loop {
            if let Some(at) = self.changes.iter().position(|change| change["resource"]["id"] == id) {
                return self.changes.remove(at);
            }
            self.changes.push(self.receiver.next().await.change(&self.secret));
        }
    }

    /// All instances, by their ids.
    pub(crate) async fn instances(&self) -> Vec<Value> {
        let list = self.client.get("/api/instances").await.ok();
        list["instances"].as_array().expect("a list").clone()
    }

    /// The id of the instance of this name.
    pub(crate) async fn id_of(&self, name: &str) -> String {
        let instances = self.instances().await;
        let found = instances.iter().find(|instance| instance["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name} in {instances:#?}"));
        found["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until an instance is in this state; gives it.
    pub(crate) async fn sees(&self, id: &str, state: &str) -> Value {
        self.client.until(&format!("/api/instances/{id}"), state, |instance| instance["state"] == state).await
    }

    /// Waits until a list of instances has failed with this code after the last complete one; gives the error.
    pub(crate) async fn fails(&self, code: &str) -> Value {
        let account = self.client.until("/api/account", code, |account| {
            let polls = &account["polls"]["instances"];
            let error = &polls["last_error"];
            error["code"] == code && error["at"].as_str() > polls["last_complete"].as_str()
        });
        account.await["polls"]["instances"]["last_error"].take()
    }

    /// Waits until instances and realms were listed completely twice from now on. The first list may have begun before.
    pub(crate) async fn lists_again(&self) {
        for kind in ["instances", "realms"] {
            for _ in 0..2 {
                let before = self.client.get("/api/account").await.ok()["polls"][kind].take();
                self.client
                    .until("/api/account", &format!("{kind} are listed again"), |account| {
                        let last = &account["polls"][kind]["last_complete"];
                        is_complete(account, kind) && last.as_str() > before["last_complete"].as_str()
                    })
                    .await;
            }
        }
    }

    /// The ids of what was removed so far.
    pub(crate) async fn removed(&self) -> Vec<String> {
        let changes = self.client.feed("/api/changes?since=0").await;
        let removed = changes.iter().filter(|change| {
            matches!(change["type"].as_str(), Some("instance.removed" | "realm.removed" | "tracker.storm"))
        });
        removed.map(|change| change["resource"]["id"].as_str().expect("an id").to_owned()).collect()
    }
}

/// Whether the last list of this kind was complete.
fn is_complete(account: &Value, kind: &str) -> bool {
    let polls = &account["polls"][kind];
    polls["last_complete"].is_string() && polls["failures"] == 0
}
