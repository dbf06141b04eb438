//! A provider in a process of its own, so that its CPU time is not counted as the host's: it answers each request
//! with a file, chosen by what stands in the request.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// What tells a copy of this program to be the provider.
pub(crate) const FLAG: &str = "--serve-answers";

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
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(FLAG).stdout(Stdio::piped());
        for Answer { asked, body } in answers {
            command.arg(str::from_utf8(asked).expect("text")).arg(body);
        }
        let mut child = command.spawn().expect("started again");
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

#[expect(clippy::print_stdout, reason = "the parent reads the address there")]
pub(crate) fn serve(answers: &[&str]) {
    let read = |file| std::fs::read(file).expect("a file to answer with");
    let answers = answers.chunks_exact(2).map(|pair| Answer { asked: pair[0].into(), body: read(pair[1]) });
    let answers: Arc<[Answer<Vec<u8>>]> = answers.collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    std::io::stdout().flush().expect("told");
    for stream in listener.incoming().flatten() {
        let answers = Arc::clone(&answers);
        std::thread::spawn(move || answer_all(stream, &answers));
    }
}

/// Serves one connection until it is closed.
fn answer_all(mut stream: TcpStream, answers: &[Answer<Vec<u8>>]) {
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
        let stands = |asked: &[u8]| [&first, &body].iter().any(|text| memchr::memmem::find(text, asked).is_some());
        let Some(answer) = answers.iter().find(|answer| stands(&answer.asked)) else { return };
        let answer = &answer.body;
        let kind = if answer.starts_with(b"<") { "text/xml" } else { "application/json" };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(answer).is_err() {
            return;
        }
    }
}
