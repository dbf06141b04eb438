//! govmomi's simulator of a vCenter Server or an ESXi host, in a process of its own, and someone who changes its inventory.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::client::http;
use crate::support::free_port;
use crate::support::lines::{Killed, Lines};

pub(super) const USER: &str = "tracker@vsphere.local";
/// It has to be escaped in XML.
pub(super) const PASSWORD: &str = "s3cret & more";

pub(super) struct Simulator {
    server: &'static str,
    port: u16,
    /// The most objects on a page.
    objects: usize,
    /// For the files of its virtual machines.
    folder: TempDir,
    process: Option<Killed>,
}

impl Simulator {
    /// A vCenter Server with eight virtual machines.
    pub(super) async fn vcenter() -> Simulator {
        Simulator::start("vcenter", 1000).await
    }

    /// The same, with so many objects on a page.
    pub(super) async fn with_pages_of(objects: usize) -> Simulator {
        Simulator::start("vcenter", objects).await
    }

    /// An ESXi host with four virtual machines.
    pub(super) async fn esxi() -> Simulator {
        Simulator::start("esxi", 1000).await
    }

    async fn start(server: &'static str, objects: usize) -> Simulator {
        let folder = tempfile::tempdir().expect("a folder");
        let mut simulator = Simulator { server, port: free_port(), objects, folder, process: None };
        simulator.goes_up().await;
        simulator
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it, with the inventory that it has at first, and nobody logged in.
    pub(super) async fn goes_up(&mut self) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/vcenter/simulator");
        let mut process = Command::new(&program)
            .args([self.server, &format!("127.0.0.1:{}", self.port), USER, PASSWORD, &self.objects.to_string()])
            .current_dir(self.folder.path())
            .env_clear()
            .env("TMPDIR", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}. Run `make vcenter`, which builds it", program.display()));
        let says = Lines::default();
        says.follow(process.stdout.take().expect("piped"));
        self.process = Some(Killed(process));
        says.find("the simulator listens", |line| line.ends_with("/sdk").then_some(())).await;
    }

    /// Ends it; what it had is lost.
    pub(super) fn goes_down(&mut self) {
        self.process = None;
    }

    /// It takes connections, and answers nothing.
    pub(super) fn hangs(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn goes_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.as_ref().expect("it runs").0.id();
        let id = Pid::from_raw(i32::try_from(id).expect("a process id")).expect("a process id is not 0");
        kill_process(id, signal).expect("signalled");
    }

    /// Calls a method of a virtual machine.
    pub(super) async fn machine(&self, id: &str, method: &str) {
        self.call("VirtualMachine", id, method, "").await;
    }

    /// Has a host enter or exit maintenance mode.
    pub(super) async fn maintenance(&self, host: &str, method: &str) {
        self.call("HostSystem", host, method, "<timeout>0</timeout>").await;
    }

    /// Gives a virtual machine a custom attribute, which is a new one.
    pub(super) async fn attribute(&self, id: &str, name: &str, value: &str) {
        const MANAGER: (&str, &str) = ("CustomFieldsManager", "CustomFieldsManager");
        let made = self.call(MANAGER.0, MANAGER.1, "AddCustomFieldDef", &format!("<name>{name}</name>")).await;
        let key = made.split_once("<key>").and_then(|(_, rest)| rest.split_once("</key>"));
        let (key, _) = key.unwrap_or_else(|| panic!("a key: {made}"));
        let field = format!("<entity type=\"VirtualMachine\">{id}</entity><key>{key}</key><value>{value}</value>");
        self.call(MANAGER.0, MANAGER.1, "SetField", &field).await;
    }

    /// Logs in, and calls a method of an object; gives the answer.
    async fn call(&self, kind: &str, id: &str, method: &str, arguments: &str) -> String {
        let password = PASSWORD.replace('&', "&amp;");
        let login = format!("<userName>{USER}</userName><password>{password}</password>");
        let (_, cookie) = self.send(None, "SessionManager", "SessionManager", "Login", &login).await;
        let cookie = cookie.expect("a login sets a cookie");
        self.send(Some(&cookie), kind, id, method, arguments).await.0
    }

    /// The answer, and the cookie that it sets.
    async fn send(
        &self,
        cookie: Option<&str>,
        kind: &str,
        id: &str,
        method: &str,
        arguments: &str,
    ) -> (String, Option<String>) {
        let body = format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><soapenv:Body>\
             <{method} xmlns=\"urn:vim25\"><_this type=\"{kind}\">{id}</_this>{arguments}</{method}>\
             </soapenv:Body></soapenv:Envelope>"
        );
        let mut request = http().post(format!("{}/sdk", self.endpoint())).header("content-type", "text/xml").body(body);
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let answer = request.send().await.expect("the simulator answers");
        let status = answer.status();
        let set = answer.headers().get("set-cookie").map(|set| set.to_str().expect("text").to_owned());
        let text = answer.text().await.expect("text");
        assert!(status.is_success(), "{method}: {text}");
        (text, set.and_then(|set| Some(set.split_once(';')?.0.to_owned())))
    }
}
