//! The driver `docker` with real engines: each step of a container's life is seen and called back, an outage removes nothing,
//! and by TCP only a certificate of the right authority leads to a list.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::engine::{Brand, Engine, IMAGE};
use crate::support::pki::{Authority, Certified};
use crate::support::watched::Watched;
use crate::support::{Client, Setup};

const USER: &str = "lab-user";
const PASSWORD: &str = "lab-engine-password";

/// An engine, and what watches it.
struct Watch {
    engine: Engine,
    watched: Watched,
}

impl Watch {
    async fn start(brand: Brand) -> Watch {
        let engine = Engine::start(brand).await;
        let setup = Setup::new(&["docker"]).limits("request_timeout = \"2s\"");
        let setup = setup.provider("docker", "lab", &engine.endpoint(), "");
        Watch::over(engine, setup.account("docker", "lab", USER, PASSWORD), 0).await
    }

    /// Over the provider `lab`, which has so many containers.
    async fn over(engine: Engine, setup: Setup, containers: usize) -> Watch {
        let client = |client: Client| client.at("docker", "lab").as_user(USER, PASSWORD);
        Watch { engine, watched: Watched::start(setup, containers, client).await }
    }

    /// Makes a container, and waits until it is seen and called back; gives its id.
    async fn create(&mut self, name: &str, options: &[&str], program: &[&str]) -> String {
        let id = self.engine.create(name, options, program);
        let change = self.called_back("instance.created", &id).await;
        assert_eq!((&change["new_state"], &change["resource"]["name"]), (&json!("STOPPED"), &json!(name)), "{change}");
        self.sees(&id, "it is created", |instance| is(instance, "STOPPED", "created")).await;
        id
    }

    /// Does something to a container, and waits until its new state is seen and called back; gives it.
    async fn turns(&mut self, arguments: &[&str], id: &str, state: &str, word: &str) -> Value {
        self.engine.run(arguments);
        self.comes_to(id, state, word).await
    }

    async fn comes_to(&mut self, id: &str, state: &str, word: &str) -> Value {
        let mut new_state = Value::Null;
        while new_state != state {
            new_state = self.called_back("instance.state", id).await["new_state"].take();
            assert!(new_state == state || new_state == "STOPPING", "{new_state} where {state} is to come");
        }
        self.sees(id, word, |instance| is(instance, state, word)).await
    }

    /// Removes a container, and waits until that is seen and called back.
    async fn removes(&mut self, id: &str) {
        self.engine.run(&["rm", "--force", id]);
        let change = self.called_back("instance.removed", id).await;
        assert_eq!(change["new_state"], "FINISH", "{change}");
        self.watched.client.until("/api/instances", "it is gone", |list| listed(list, id).is_none()).await;
    }

    /// Waits until the list has a container so.
    async fn sees(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let list = self.watched.client.until("/api/instances", what, |list| listed(list, id).is_some_and(&is_so)).await;
        listed(&list, id).expect("it was there").clone()
    }

    /// The next change of a container that is of this type. Until it is removed, its state may change; what else is known of it
    /// may change at any time.
    async fn called_back(&mut self, wanted: &str, id: &str) -> Value {
        loop {
            let change = self.watched.called_back(id).await;
            match change["type"].as_str() {
                Some(kind) if kind == wanted => return change,
                Some("instance.updated") => {}
                Some("instance.state") if wanted == "instance.removed" => {}
                _ => panic!("{wanted} is to come: {change}"),
            }
        }
    }

    /// Waits until a container is called back in this state, after whatever others.
    async fn passes_to(&mut self, id: &str, state: &str) {
        while self.called_back("instance.state", id).await["new_state"] != state {}
    }

    /// Waits until it is called back that the provider is in this state.
    async fn provider_becomes(&mut self, state: &str) {
        let change = self.watched.called_back("lab").await;
        assert_eq!((&change["type"], &change["new_state"]), (&json!("provider.state"), &json!(state)), "{change}");
    }

    /// Waits until an outage is called back, and told for this reason. What was known stays known.
    async fn loses_sight(&mut self, id: &str, code: &str, says: &str) {
        self.provider_becomes("UNAVAILABLE").await;
        let is_it = |account: &Value| {
            let error = &account["polls"]["instances"]["last_error"];
            error["code"] == code && error["message"].as_str().is_some_and(|message| message.contains(says))
        };
        self.watched.client.until("/api/account", says, is_it).await;
        self.sees(id, "it was running", |instance| is(instance, "RUNNING", "running")).await;
    }
}

fn listed<'a>(list: &'a Value, id: &str) -> Option<&'a Value> {
    list["instances"].as_array()?.iter().find(|instance| instance["id"] == id)
}

fn is(instance: &Value, state: &str, word: &str) -> bool {
    instance["state"] == state && instance["provider_state"] == word
}

/// Its public and its private addresses.
fn addresses(instance: &Value) -> [Vec<&str>; 2] {
    ["public_addresses", "private_addresses"].map(|member| {
        let addresses = instance[member].as_array().expect("a list").iter();
        addresses.map(|address| address["value"].as_str().expect("text")).collect()
    })
}

#[tokio::test]
async fn each_step_of_a_container_in_docker_is_seen_and_called_back() {
    let mut watch = Watch::start(Brand::Docker).await;
    life(&mut watch).await;
    networks(&mut watch).await;

    let id = watch.create("loop", &["--network", "none", "--restart", "always"], &["sh", "-c", "exit 1"]).await;
    watch.engine.run(&["start", &id]);
    watch.passes_to(&id, "PENDING").await;
    watch.sees(&id, "it is to be started again", |instance| is(instance, "PENDING", "restarting")).await;
    watch.removes(&id).await;

    // The name of its image comes to stand for another one.
    let id = watch.create("old", &["--network", "none"], &["sleep", "600"]).await;
    watch.engine.import_image();
    watch.called_back("instance.updated", &id).await;
    let is_by_id = |instance: &Value| instance["image"].as_str().is_some_and(|image| image.starts_with("sha256:"));
    watch.sees(&id, "its image is known by its id", is_by_id).await;
    watch.removes(&id).await;

    outages(&mut watch).await;
}

#[tokio::test]
async fn each_step_of_a_container_in_podman_is_seen_and_called_back() {
    let mut watch = Watch::start(Brand::Podman).await;
    life(&mut watch).await;
    networks(&mut watch).await;

    // Podman has no word for the time between, in which one is stopped.
    let id =
        watch.create("loop", &["--network", "none", "--restart", "always"], &["sh", "-c", "sleep 2; exit 1"]).await;
    watch.turns(&["start", &id], &id, "RUNNING", "running").await;
    watch.passes_to(&id, "STOPPED").await;
    watch.passes_to(&id, "RUNNING").await;
    watch.removes(&id).await;

    outages(&mut watch).await;
}

async fn life(watch: &mut Watch) {
    let id = watch.create("web", &["--network", "none", "--label", "team=blue"], &["sleep", "600"]).await;
    let made = watch.sees(&id, "it is created", |_| true).await;
    assert_eq!((&made["labels"]["team"], &made["realm"]), (&json!("blue"), &json!("engine")), "{made}");
    assert!(made["image"].as_str().is_some_and(|image| image.ends_with(IMAGE)), "{made}");
    assert!(made["launched_at"].is_string(), "{made}");
    let realm = watch.watched.client.get("/api/realms/engine").await.ok();
    assert_eq!(realm["state"], "AVAILABLE", "{realm}");
    assert_eq!(realm["name"], watch.engine.run(&["info", "--format", "{{.Name}}"]), "{realm}");

    watch.turns(&["start", &id], &id, "RUNNING", "running").await;
    watch.turns(&["pause", &id], &id, "STOPPED", "paused").await;
    watch.turns(&["unpause", &id], &id, "RUNNING", "running").await;
    watch.turns(&["stop", "--time", "1", &id], &id, "STOPPED", "exited").await;
    watch.engine.run(&["rename", &id, "shop"]);
    while watch.called_back("instance.updated", &id).await["resource"]["name"] != "shop" {}
    watch.sees(&id, "it is renamed", |instance| instance["name"] == "shop").await;
    watch.turns(&["start", &id], &id, "RUNNING", "running").await;
    watch.turns(&["kill", &id], &id, "STOPPED", "exited").await;
    watch.removes(&id).await;
}

async fn networks(watch: &mut Watch) {
    watch.engine.run(&["network", "create", "--subnet", "198.51.100.0/24", "outside"]);
    let both = ["network", "create", "--ipv6", "--subnet", "10.99.0.0/24", "--subnet", "fd00:99::/64", "inside"];
    watch.engine.run(&both);

    let web = watch.create("web", &["--network", "outside", "--publish", "80"], &["sleep", "600"]).await;
    let running = watch.turns(&["start", &web], &web, "RUNNING", "running").await;
    assert_eq!(addresses(&running), [vec!["198.51.100.2"], vec![]]);
    let both = [vec!["198.51.100.2"], vec!["10.99.0.2", "fd00:99::2"]];
    watch.engine.run(&["network", "connect", "inside", &web]);
    watch.called_back("instance.updated", &web).await;
    watch.sees(&web, "it is in both networks", |instance| addresses(instance) == both).await;

    // Of the addresses at which ports are published, a public one leads here.
    let published = ["203.0.113.5:8080:80", "127.0.0.1:8081:81", "8082:82"].map(|port| ["--publish", port]).concat();
    let options = [&["--network", "inside"], published.as_slice()].concat();
    let ports = watch.create("ports", &options, &["sleep", "600"]).await;
    let running = watch.turns(&["start", &ports], &ports, "RUNNING", "running").await;
    assert_eq!(addresses(&running), [vec!["203.0.113.5"], vec!["10.99.0.3", "fd00:99::3"]]);

    let host = watch.create("host", &["--network", "host"], &["sleep", "600"]).await;
    let running = watch.turns(&["start", &host], &host, "RUNNING", "running").await;
    assert_eq!(addresses(&running), [vec![], Vec::<&str>::new()]);

    let stopped = watch.turns(&["stop", "--time", "1", &web], &web, "STOPPED", "exited").await;
    assert_eq!(addresses(&stopped), [vec![], Vec::<&str>::new()]);
    for id in [&web, &ports, &host] {
        watch.removes(id).await;
    }
}

/// The engine hangs, and goes on; the machine loses power, and comes back.
async fn outages(watch: &mut Watch) {
    let id = watch.create("web", &["--network", "none"], &["sleep", "600"]).await;
    watch.turns(&["start", &id], &id, "RUNNING", "running").await;

    watch.engine.signal(Signal::STOP).await;
    watch.loses_sight(&id, "limit.request_timeout", "2s").await;
    watch.engine.signal(Signal::CONT).await;
    watch.provider_becomes("AVAILABLE").await;

    watch.engine.loses_power();
    watch.loses_sight(&id, "unavailable", "nothing listens on it").await;
    watch.engine.goes_up().await;
    watch.provider_becomes("AVAILABLE").await;
    // All the while the container was there. Now it is off, which Podman calls by the word for what was never started.
    let word = match watch.engine.brand {
        Brand::Docker => "exited",
        Brand::Podman => "created",
    };
    watch.comes_to(&id, "STOPPED", word).await;
    assert!(!watch.watched.removed().await.contains(&id));
    watch.turns(&["start", &id], &id, "RUNNING", "running").await;
    watch.removes(&id).await;
}

#[tokio::test]
async fn docker_by_tcp_answers_whoever_shows_a_certificate_of_its_authority() {
    let (lab, other) = (Authority::new("lab"), Authority::new("other"));
    let engine = Engine::docker_with_tls(&lab).await;
    let endpoint = format!("https://{}", engine.address());

    let setup = Setup::new(&["docker"]);
    let roots = format!("roots_file = {:?}\n", setup.secret_file("ca.pem", &lab.pem()));
    let shows = |name: &str, certified: &Certified| {
        let certificate = setup.secret_file(&format!("{name}.pem"), &certified.pem);
        let key = setup.secret_file(&format!("{name}.key"), &certified.key_pem());
        format!("{roots}client_certificate_file = {certificate:?}\nclient_key_file = {key:?}\n")
    };
    let (known, stranger) =
        (shows("known", &lab.certify("known", &[])), shows("stranger", &other.certify("stranger", &[])));
    let at = |setup: Setup, name: &str, endpoint: &str, network: &str| {
        let setup = setup.provider("docker", name, endpoint, "").provider_network(network);
        setup.account("docker", name, USER, PASSWORD)
    };
    let setup = at(setup, "lab", &endpoint, &known);
    let setup = at(setup, "stranger", &endpoint, &stranger);
    let setup = at(setup, "nobody", &endpoint, &roots);
    let setup = at(setup, "plain", &format!("http://{}", engine.address()), &roots);
    engine.create("web", &["--network", "none"], &["sleep", "600"]);
    let polled = |provider: &str| setup.run(&["poll", "--account", &format!("docker/{provider}/{USER}")]);
    let seen = polled("lab").succeeded();
    assert!(seen.stdout.contains("web"), "{seen:?}");
    let check = |provider: &str, says: &str| {
        let refused = polled(provider);
        assert!(refused.code != Some(0) && refused.stderr.contains(says), "{provider}: {refused:?}");
        assert!(!refused.stdout.contains("web"), "{provider}: {refused:?}");
    };
    check("nobody", "client certificate");
    check("stranger", "client certificate");
    check("plain", "HTTP request to an HTTPS server");

    let mut watch = Watch::over(engine, setup, 1).await;
    let id = watch.create("shop", &["--network", "none"], &["sleep", "600"]).await;
    watch.turns(&["start", &id], &id, "RUNNING", "running").await;
    watch.removes(&id).await;
}
