//! A small OpenStack: the real Keystone, Placement and Nova, whose hypervisor is the fake one, in databases of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::support::client::{Answer, http};
use crate::support::host::QUICK_POLLS;
use crate::support::lines::Killed;
use crate::support::wait::{SOON, a_moment, eventually};
use crate::support::{Lines, Setup, free_port};

/// Who watches: a reader of the project.
pub(super) const USER: &str = "tracker";
pub(super) const PASSWORD: &str = "a reader's password";
pub(super) const PROJECT: &str = "shop";

/// An image that Nova's stand-in for Glance has.
pub(super) const IMAGE: &str = "70a599e0-31e7-49b7-b260-868f441e862b";

/// Of the administrator, as `cloud.py` has it.
pub(super) const ADMIN: (&str, &str) = ("admin", "open sesame");

/// Python has much to read when it starts, and three of them start.
const STARTS_WITHIN: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Keystone,
    Placement,
    Nova,
}

const SERVICES: [Service; 3] = [Service::Keystone, Service::Placement, Service::Nova];

/// Who has a cloud: several at a time would only wait for each other.
static TURN: Mutex<()> = Mutex::const_new(());

pub(super) struct Cloud {
    folder: TempDir,
    ports: [u16; 3],
    processes: [Option<Killed>; 3],
    log: Lines,
    http: reqwest::Client,
    /// The administrator's tokens in their own project and in `PROJECT`.
    admin: String,
    owner: String,
    project: String,
    user: String,
    _turn: MutexGuard<'static, ()>,
}

impl Cloud {
    /// With a project in which nothing runs yet, and a user who may look into it.
    pub(super) async fn start() -> Cloud {
        let turn = TURN.lock().await;
        let folder = tempfile::tempdir().expect("a folder");
        let new = made().join("new/.");
        let copied = Command::new("cp").arg("-R").arg(new).arg(folder.path()).status();
        assert!(copied.expect("cp runs").success(), "target/openstack/new is whole");
        let ports = [free_port(), free_port(), free_port()];
        let none = String::new;
        let (admin, owner, project, user) = (none(), none(), none(), none());
        let (processes, log, http) = ([None, None, None], Lines::default(), http());
        let mut cloud = Cloud { folder, ports, processes, log, http, admin, owner, project, user, _turn: turn };
        for service in SERVICES {
            cloud.goes_up(service).await;
        }
        cloud.admin = cloud.token(ADMIN, "admin").await.expect("the administrator may log in");
        cloud.fill().await;
        cloud
    }

    async fn fill(&mut self) {
        let made = self.identity("services", &json!({ "service": { "type": "compute", "name": "nova" } })).await;
        let endpoint = json!({ "service_id": id_of(&made["service"]), "interface": "public", "region_id": "here", "url": self.compute() });
        self.identity("endpoints", &json!({ "endpoint": endpoint })).await;
        self.project = self.project_of(PROJECT).await;
        let user = json!({ "name": USER, "password": PASSWORD, "domain_id": "default" });
        self.user = id_of(&self.identity("users", &json!({ "user": user })).await["user"]);
        self.grants(&self.user, "reader", &self.project).await;
        self.owner = self.token(ADMIN, PROJECT).await.expect("the administrator may log in");
        for (id, ram) in [("small", 512), ("huge", 1_000_000_000)] {
            let flavor = json!({ "id": id, "name": id, "ram": ram, "vcpus": 1, "disk": 1 });
            self.nova(Method::POST, "flavors", &json!({ "flavor": flavor })).await;
        }
    }

    /// Makes a project that the administrator is a member of; gives its id.
    pub(super) async fn project_of(&self, name: &str) -> String {
        let made = self.identity("projects", &json!({ "project": { "name": name, "domain_id": "default" } })).await;
        let project = id_of(&made["project"]);
        let admin =
            self.ask(Method::GET, &format!("{}/users?name=admin", self.keystone()), &self.admin, None).await.ok();
        self.grants(&id_of(&admin["users"][0]), "member", &project).await;
        self.grants(&id_of(&admin["users"][0]), "admin", &project).await;
        project
    }

    async fn grants(&self, user: &str, role: &str, project: &str) {
        let roles =
            self.ask(Method::GET, &format!("{}/roles?name={role}", self.keystone()), &self.admin, None).await.ok();
        let role = id_of(&roles["roles"][0]);
        let url = format!("{}/projects/{project}/users/{user}/roles/{role}", self.keystone());
        let answer = self.ask(Method::PUT, &url, &self.admin, None).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// Starts a service, and waits until it answers.
    pub(super) async fn goes_up(&mut self, service: Service) {
        let ports = self.ports.map(|port| port.to_string());
        let mut command = Command::new(made().join("venv/bin/python"));
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openstack/cloud.py");
        command
            .args(["-B", "-W", "ignore"])
            .arg(program)
            .arg(format!("{service:?}").to_lowercase())
            .args(ports)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.spawn().expect("Python starts");
        self.log.follow(process.stderr.take().expect("piped"));
        let process = self.processes[service as usize].insert(Killed(process));
        let url = format!("http://127.0.0.1:{}/", self.ports[service as usize]);
        eventually(STARTS_WITHIN, &format!("{service:?} answers"), async || {
            if let Some(status) = process.0.try_wait().expect("asked") {
                // What it wrote last is still being read.
                a_moment().await;
                panic!("{service:?} ended with {status}:\n{}", self.log.text());
            }
            self.http.get(&url).send().await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Ends a service as a power cut would.
    pub(super) fn goes_down(&mut self, service: Service) {
        drop(self.processes[service as usize].take().expect("it runs"));
    }

    pub(super) fn hangs(&self, service: Service) {
        self.signal(service, Signal::STOP);
    }

    pub(super) fn goes_on(&self, service: Service) {
        self.signal(service, Signal::CONT);
    }

    fn signal(&self, service: Service, signal: Signal) {
        let process = self.processes[service as usize].as_ref().expect("it runs");
        let id = i32::try_from(process.0.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("signalled");
    }

    pub(super) fn keystone(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.ports[Service::Keystone as usize])
    }

    fn compute(&self) -> String {
        format!("http://127.0.0.1:{}/v2.1", self.ports[Service::Nova as usize])
    }

    /// A host with this cloud as the provider `lab`.
    pub(super) fn setup(&self) -> Setup {
        let roles = [("compute".to_owned(), self.compute())].into_iter();
        let setup = Setup::new(&["openstack"]).limits("request_timeout = \"10s\"");
        let setup = setup.polls(&QUICK_POLLS.replace("\"300ms\"", "\"1s\""));
        setup.provider_with_roles("openstack", "lab", &self.keystone(), roles)
    }

    /// The same with an account of the project's reader.
    pub(super) fn setup_with(&self, password: &str) -> Setup {
        self.setup().account("openstack", "lab", USER, password).account_options(&format!("project = {PROJECT:?}"))
    }

    /// Has a server of this flavor made in the project, with what else is to be said of it; gives its id.
    pub(super) async fn create(&self, name: &str, flavor: &str, more: Value) -> String {
        self.create_as(&self.owner, name, flavor, more).await
    }

    /// The same in another project.
    pub(super) async fn create_in(&self, project: &str, name: &str) -> String {
        let token = self.token(ADMIN, project).await.expect("the administrator may log in");
        self.create_as(&token, name, "small", json!({})).await
    }

    async fn create_as(&self, token: &str, name: &str, flavor: &str, more: Value) -> String {
        let mut server = json!({ "name": name, "flavorRef": flavor, "imageRef": IMAGE, "networks": "auto" });
        server.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let url = format!("{}/servers", self.compute());
        let made = self.ask(Method::POST, &url, token, Some(&json!({ "server": server }))).await.ok();
        id_of(&made["server"])
    }

    /// Waits until Nova itself says this of a server.
    pub(super) async fn until(&self, id: &str, status: &str) {
        eventually(SOON, status, async || {
            let text = self.nova(Method::GET, &format!("servers/{id}"), &Value::Null).await;
            let server: Value = serde_json::from_str(&text).expect("JSON");
            if server["server"]["status"] == status { Ok(()) } else { Err(text) }
        })
        .await;
    }

    pub(super) async fn act(&self, id: &str, action: &Value) {
        self.nova(Method::POST, &format!("servers/{id}/action"), action).await;
    }

    pub(super) async fn delete(&self, id: &str) {
        self.nova(Method::DELETE, &format!("servers/{id}"), &Value::Null).await;
    }

    /// What Nova answers to a request of the project's owner.
    pub(super) async fn nova(&self, method: Method, path: &str, body: &Value) -> String {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = self.ask(method, &format!("{}/{path}", self.compute()), &self.owner, body).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.text);
        answer.text
    }

    /// The status that Nova lists servers with for this token.
    pub(super) async fn lists_with(&self, token: &str) -> u16 {
        self.ask(Method::GET, &format!("{}/servers", self.compute()), token, None).await.status.as_u16()
    }

    /// Changes the reader, as the administrator does. A password revokes all tokens, even if it is the same one.
    pub(super) async fn change_user(&self, change: &Value) {
        let url = format!("{}/users/{}", self.keystone(), self.user);
        self.ask(Method::PATCH, &url, &self.admin, Some(&json!({ "user": change }))).await.ok();
    }

    /// Makes an application credential of the reader's own; gives its id and its secret.
    pub(super) async fn application_credential(&self, name: &str) -> (String, String) {
        let token = self.token((USER, PASSWORD), PROJECT).await.expect("the reader may log in");
        let body = json!({ "application_credential": { "name": name } });
        let made = self.ask(Method::POST, &self.credentials(), &token, Some(&body)).await.ok();
        let made = &made["application_credential"];
        (id_of(made), made["secret"].as_str().expect("a secret").to_owned())
    }

    pub(super) async fn delete_credential(&self, id: &str) {
        let token = self.token((USER, PASSWORD), PROJECT).await.expect("the reader may log in");
        let answer = self.ask(Method::DELETE, &format!("{}/{id}", self.credentials()), &token, None).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    fn credentials(&self) -> String {
        format!("{}/users/{}/application_credentials", self.keystone(), self.user)
    }

    /// A token of that user in a project.
    pub(super) async fn token(&self, (user, password): (&str, &str), project: &str) -> Result<String, String> {
        let domain = json!({ "id": "default" });
        let user = json!({ "name": user, "password": password, "domain": domain });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": project, "domain": domain } },
        } });
        let answer = self.ask(Method::POST, &format!("{}/auth/tokens", self.keystone()), "", Some(&body)).await;
        let token = answer.headers.get("x-subject-token").ok_or(answer.text)?;
        Ok(token.to_str().expect("text").to_owned())
    }

    async fn identity(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, &format!("{}/{path}", self.keystone()), &self.admin, Some(body)).await.ok()
    }

    async fn ask(&self, method: Method, url: &str, token: &str, body: Option<&Value>) -> Answer {
        let mut request = self.http.request(method, url).header("openstack-api-version", "compute 2.69");
        if !token.is_empty() {
            request = request.header("x-auth-token", token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("text") }
    }
}

impl Drop for Cloud {
    #[expect(clippy::print_stderr, reason = "the test runner shows what a failing test prints")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the services' log:\n{}", self.log.text());
        }
    }
}

/// What `make openstack` makes.
fn made() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openstack");
    assert!(folder.join("installed").exists(), "there is no OpenStack: run `make test-systems`, which installs it");
    folder
}

fn id_of(thing: &Value) -> String {
    thing["id"].as_str().unwrap_or_else(|| panic!("an id: {thing}")).to_owned()
}
