//! A browser that a test drives through WebDriver: Chromium, without a screen. It reaches nothing but this machine.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::Client;
use crate::support::lines::{Killed, Lines};
use crate::support::wait::{SOON, eventually};

/// By which WebDriver calls an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(super) struct Browser {
    _driver: Killed,
    _home: TempDir,
    client: Client,
}

pub(super) struct Window<'a> {
    client: &'a Client,
    session: String,
}

impl Browser {
    pub(super) async fn start() -> Browser {
        let home = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("chromedriver");
        command
            .arg("--port=0")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let started = command.spawn();
        let mut driver = started.unwrap_or_else(|error| panic!("{error}: run `make test-systems`, which installs it"));
        let says = Lines::default();
        says.follow(driver.stdout.take().expect("piped"));
        let driver = Killed(driver);
        let port: u16 = says
            .find("chromedriver says where it listens", |line| {
                line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .await;
        Browser { _driver: driver, _home: home, client: Client::new(&format!("http://127.0.0.1:{port}")) }
    }

    /// A window that is so many pixels wide.
    pub(super) async fn window(&self, width: u32) -> Window<'_> {
        // As root there is no sandbox. Over the pipe, the browser ends with its driver.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--remote-debugging-pipe",
        ];
        let screen = json!({ "width": width, "height": 844, "pixelRatio": 1, "mobile": false, "touch": false });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "WARNING" },
            "goog:chromeOptions": { "args": arguments, "mobileEmulation": { "deviceMetrics": screen } },
        } } });
        let made = self.client.post("/session", &wanted).await.ok();
        let session = made["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("a session: {made}")).to_owned();
        Window { client: &self.client, session }
    }
}

impl Window<'_> {
    pub(super) async fn open(&self, url: &str) {
        self.command("url", &json!({ "url": url })).await.expect("it is opened");
    }

    /// What a function gives whose body this is.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] })).await.expect("it runs")
    }

    /// Waits until a function whose body this is gives true.
    pub(super) async fn until(&self, what: &str, script: &str) {
        eventually(SOON, what, async || match self.run(script).await {
            Value::Bool(true) => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
    }

    /// Clicks on the first element of this selector, once there is one that can be clicked on.
    pub(super) async fn click(&self, selector: &str) {
        self.act(selector, "click", &json!({})).await;
    }

    /// Types into the first element of this selector.
    pub(super) async fn write(&self, selector: &str, text: &str) {
        self.act(selector, "value", &json!({ "text": text })).await;
    }

    /// What the browser warned of: errors of scripts, and what was refused or not found.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let log = self.command("se/log", &json!({ "type": "browser" })).await.expect("a log");
        log.as_array().expect("a list").iter().map(Value::to_string).collect()
    }

    async fn act(&self, selector: &str, action: &str, body: &Value) {
        eventually(SOON, &format!("{action} of {selector}"), async || {
            let found = self.command("element", &json!({ "using": "css selector", "value": selector })).await?;
            let id = found[ELEMENT].as_str().ok_or_else(|| found.to_string())?;
            self.command(&format!("element/{id}/{action}"), body).await.map(drop)
        })
        .await;
    }

    /// What WebDriver answers to a command, or the error.
    async fn command(&self, command: &str, body: &Value) -> Result<Value, String> {
        let answer = self.client.post(&format!("/session/{}/{command}", self.session), body).await;
        if answer.status.is_success() { Ok(answer.ok()["value"].take()) } else { Err(answer.text) }
    }
}
