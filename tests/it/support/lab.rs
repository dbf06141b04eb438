//! A host that watches a provider of the tests' own, through the ec2 driver: whatever is to happen to an
//! instance happens when a test says so.

use serde_json::{Value, json};

use super::client::Client;
use super::host::{Host, Setup};
use super::provider::{Misbehaviour, Provider};
use super::receiver::Receiver;

pub(crate) const USER: &str = "AKIALAB";
pub(crate) const PASSWORD: &str = "lab-secret-access-key";
pub(crate) const TOKEN: &str = "lab-track-token";

pub(crate) struct Lab {
    pub(crate) provider: Provider,
    pub(crate) host: Host,
    pub(crate) client: Client,
}

impl Lab {
    /// With these instances seen: ids and EC2's words for their states.
    pub(crate) async fn start(instances: &[(&str, &str)]) -> Lab {
        Lab::with(instances, |setup| setup).await
    }

    /// The same, with something said to the setup before.
    pub(crate) async fn with(instances: &[(&str, &str)], prepare: impl FnOnce(Setup) -> Setup) -> Lab {
        let provider = Provider::start().await;
        provider.has(instances);
        let setup = Setup::new(&["ec2"]).provider("ec2", "lab", &provider.endpoint(), "region = \"us-east-1\"");
        let host = prepare(setup.account("ec2", "lab", USER, PASSWORD)).start().await;
        let client = host.client().at("ec2", "lab").as_user(USER, PASSWORD);
        let lab = Lab { provider, host, client };
        for (id, _) in instances {
            lab.client.until(&format!("/api/instances/{id}"), "it is seen", |_| true).await;
        }
        lab
    }

    /// Sets a hook on an instance, of its own name at the receiver; gives the secret.
    pub(crate) async fn track(&self, id: &str, receiver: &Receiver) -> String {
        self.client.track(&format!("/api/instances/{id}"), &receiver.url(id), TOKEN).await
    }

    /// Lets the provider have these instances, and waits until the tracker saw them so.
    pub(crate) async fn becomes(&self, instances: &[(&str, &str)]) {
        self.provider.has(instances);
        for (id, word) in instances {
            let path = format!("/api/instances/{id}");
            self.client.until(&path, word, |instance| instance["provider_state"] == *word).await;
        }
    }

    /// Lets the provider misbehave, and waits until the account's owner is told of it; gives the error.
    pub(crate) async fn fails(&self, how: Misbehaviour) -> Value {
        let before = self.polls().await;
        self.provider.misbehaves(how);
        let is_new = |polls: &Value| {
            polls["last_error"].is_object() && polls["last_error"]["at"].as_str() > before["last_complete"].as_str()
        };
        let account = self.client.until("/api/account", "the failure is told", |body| is_new(&polls_of(body))).await;
        polls_of(&account)["last_error"].clone()
    }

    /// Lets the provider answer again, and waits until a whole list was seen.
    pub(crate) async fn recovers(&self) {
        let before = self.polls().await;
        self.provider.recovers();
        let is_new = |polls: &Value| polls["last_complete"].as_str() > before["last_complete"].as_str();
        self.client.until("/api/account", "polls go on", |body| is_new(&polls_of(body))).await;
    }

    pub(crate) async fn polls(&self) -> Value {
        polls_of(&self.client.get("/api/account").await.ok())
    }
}

/// What `/api/account` says of the polls for instances.
fn polls_of(account: &Value) -> Value {
    account["polls"]["instances"].clone()
}

/// From which state to which.
pub(crate) fn step(change: &Value) -> Value {
    json!([change["old_state"], change["new_state"]])
}

pub(crate) fn steps(changes: &[Value]) -> Vec<Value> {
    changes.iter().map(step).collect()
}
