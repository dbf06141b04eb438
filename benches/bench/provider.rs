//! A provider in a process of its own, so that its CPU time is not counted as the host's: it answers each request
//! with a file, chosen by what stands in the request, or with the next answer of a list.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// What tells a copy of this program to be the provider.
pub(crate) const FLAG: &str = "--serve-answers";
/// What tells it to answer in turn.
pub(crate) const IN_TURN: &str = "--serve-in-turn";

/// What one kind of request is answered with.
pub(crate) struct Answer<B> {
    /// What stands in the request, in its first line or in its body. Nothing stands in every one.
    asked: Vec<u8>,
    body: B,
}

impl Answer<PathBuf> {
    pub(crate) fn to(asked: &str, file: &Path) -> Answer<PathBuf> {
        Answer { asked: asked.into(), body: file.to_owned() }
    }
}

pub(crate) struct Provider {
    child: Child,
    pub(crate) endpoint: String,
}

impl Provider {
    /// Each request is answered by the first that it fits.
    pub(crate) fn start(answers: &[Answer<PathBuf>]) -> Provider {
        let mut arguments: Vec<&OsStr> = vec![FLAG.as_ref()];
        for Answer { asked, body } in answers {
            arguments.extend([str::from_utf8(asked).expect("text").as_ref(), body.as_os_str()]);
        }
        Provider::with(&arguments)
    }

    /// A proxy in the place of all providers of a scenario. It gives the answers of its first list once, then those of the
    /// others over and over.
    pub(crate) fn in_turn(scenario: &Path) -> Provider {
        Provider::with(&[IN_TURN.as_ref(), scenario.as_os_str()])
    }

    fn with(arguments: &[&OsStr]) -> Provider {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().expect("started again");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut address).expect("its address");
        Provider { child, endpoint: format!("http://{}", address.trim()) }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn serve(answers: &[&str]) {
    let read = |file| std::fs::read(file).expect("a file to answer with");
    let answers = answers.chunks_exact(2).map(|pair| Answer { asked: pair[0].into(), body: read(pair[1]) });
    let answers: Vec<Answer<Vec<u8>>> = answers.collect();
    listen(move |first, body| {
        let stands = |asked: &[u8]| [first, body].iter().any(|text| memchr::memmem::find(text, asked).is_some());
        let answer = &answers.iter().find(|answer| stands(&answer.asked))?.body;
        let kind = if answer.starts_with(b"<") { "text/xml" } else { "application/json" };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", answer.len());
        Some([head.as_bytes(), answer].concat())
    });
}

/// The scenario is what `drivers::Scenario` writes.
pub(crate) fn serve_in_turn(scenario: &str) {
    let text = std::fs::read(scenario).expect("a scenario");
    let scenario: Value = serde_json::from_slice(&text).expect("JSON");
    let answers =
        |list: &str| -> Vec<Vec<u8>> { scenario[list].as_array().expect("answers").iter().map(whole_answer).collect() };
    let (first, again) = (answers("first"), answers("again"));
    let turn = AtomicUsize::new(0);
    listen(move |line, _| {
        // Nothing here speaks TLS.
        if line.starts_with(b"CONNECT") {
            return None;
        }
        let turn = turn.fetch_add(1, Ordering::Relaxed);
        let answer = match turn.checked_sub(first.len()) {
            None => first.get(turn),
            Some(later) => again.get(later % again.len().max(1)),
        };
        answer.cloned()
    });
}

/// An answer as it is sent.
fn whole_answer(answer: &Value) -> Vec<u8> {
    let body = std::fs::read(answer["body"].as_str().expect("a path")).expect("a file to answer with");
    let mut head = format!("HTTP/1.1 {} -\r\ncontent-length: {}\r\n", answer["status"], body.len());
    for header in answer["headers"].as_array().expect("headers") {
        let part = |at: usize| header[at].as_str().expect("text");
        head.push_str(&format!("{}: {}\r\n", part(0), part(1)));
    }
    head.push_str("\r\n");
    [head.as_bytes(), &body].concat()
}

/// Serves until it is killed. `answer` is given the first line of a request, and its body; without an answer the connection
/// ends.
#[expect(clippy::print_stdout, reason = "the parent reads the address there")]
fn listen(answer: impl Fn(&[u8], &[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    std::io::stdout().flush().expect("told");
    let answer = Arc::new(answer);
    for stream in listener.incoming().flatten() {
        let answer = Arc::clone(&answer);
        std::thread::spawn(move || answer_all(stream, &*answer));
    }
}

/// Serves one connection until it is closed.
fn answer_all(mut stream: TcpStream, answer: &impl Fn(&[u8], &[u8]) -> Option<Vec<u8>>) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    loop {
        let mut length = 0;
        let mut first = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
                Ok(_) if first.is_empty() => first = line.clone().into_bytes(),
                Ok(_) => {}
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let Some(answer) = answer(&first, &body) else { return };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}
