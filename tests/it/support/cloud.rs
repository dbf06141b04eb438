//! Someone who runs, stops and ends instances: AWS's own client (boto3) in a process of its own, so that what
//! the tracker watches was done by nothing of the tracker's.

use std::io::Write as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::lines::{Killed, Lines};
use super::moto::in_venv;
use super::wait::{SOON, eventually};

pub(crate) struct Cloud {
    _process: Killed,
    requests: ChildStdin,
    answers: Lines,
    answered: usize,
}

/// Access to the API, as AWS gives it.
#[derive(serde::Deserialize)]
pub(crate) struct AccessKey {
    pub(crate) id: String,
    pub(crate) secret: String,
    /// Of a session; keys of users have none.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

impl Cloud {
    pub(super) fn start(endpoint: &str, region: &str) -> Cloud {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/cloud.py");
        let mut process = Command::new(in_venv("python"))
            .arg(script)
            .args([endpoint, region])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python of the virtual environment starts");
        let requests = process.stdin.take().expect("piped");
        let answers = Lines::default();
        answers.follow(process.stdout.take().expect("piped"));
        Cloud { _process: Killed(process), requests, answers, answered: 0 }
    }

    /// Runs instances, all of one reservation, and gives their ids.
    pub(crate) async fn run(&mut self, count: usize) -> Vec<String> {
        let ids = self.ask(json!({ "do": "run", "count": count })).await;
        serde_json::from_value(ids).expect("ids")
    }

    /// Runs instances, each of a reservation of its own, and gives their ids.
    pub(crate) async fn run_apart(&mut self, count: usize) -> Vec<String> {
        let ids = self.ask_patiently(json!({ "do": "run_apart", "count": count }), 4 * SOON).await;
        serde_json::from_value(ids).expect("ids")
    }

    /// Runs instances of many kinds.
    pub(crate) async fn fleet(&mut self, count: usize) {
        self.ask_patiently(json!({ "do": "fleet", "count": count }), 12 * SOON).await;
    }

    /// What AWS's own client lists, one object for each instance, with members as the tracker's API names them.
    pub(crate) async fn described(&mut self) -> Vec<Value> {
        let list = self.ask_patiently(json!({ "do": "described" }), 12 * SOON).await;
        serde_json::from_value(list).expect("a list")
    }

    pub(crate) async fn run_named(&mut self, name: &str) -> String {
        let ids = self.ask(json!({ "do": "run", "name": name })).await;
        ids[0].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn stop(&mut self, id: &str) {
        self.ask(json!({ "do": "stop", "ids": [id] })).await;
    }

    pub(crate) async fn start_again(&mut self, id: &str) {
        self.ask(json!({ "do": "start", "ids": [id] })).await;
    }

    pub(crate) async fn terminate(&mut self, id: &str) {
        self.ask(json!({ "do": "terminate", "ids": [id] })).await;
    }

    /// A key of a user who may list what there is.
    pub(crate) async fn user(&mut self, name: &str) -> AccessKey {
        self.key(json!({ "do": "user", "name": name, "may_look": true })).await
    }

    /// A key of a user who may do nothing.
    pub(crate) async fn powerless_user(&mut self, name: &str) -> AccessKey {
        self.key(json!({ "do": "user", "name": name, "may_look": false })).await
    }

    /// The key of a session of a role that may list what there is.
    pub(crate) async fn session(&mut self, role: &str) -> AccessKey {
        self.key(json!({ "do": "session", "role": role })).await
    }

    async fn key(&mut self, request: Value) -> AccessKey {
        let key = self.ask(request).await;
        serde_json::from_value(key).expect("a key")
    }

    async fn ask(&mut self, request: Value) -> Value {
        self.ask_patiently(request, SOON).await
    }

    async fn ask_patiently(&mut self, request: Value, deadline: Duration) -> Value {
        writeln!(self.requests, "{request}").expect("the cloud's owner listens");
        let (answers, answered) = (&self.answers, self.answered);
        let line = eventually(deadline, &format!("an answer to {request}"), async || {
            let text = answers.text();
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().nth(answered).map(str::to_owned).ok_or(text)
        })
        .await;
        self.answered += 1;
        let answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        assert!(answer["error"].is_null(), "{request}: {answer}");
        answer["ok"].clone()
    }
}
