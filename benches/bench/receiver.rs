//! A receiver of callbacks in a process of its own, on all addresses of this machine: each 127.0.0.x is a
//! destination to the tracker. It answers 204 as cheaply as a correct server can, and hangs where it is asked to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What tells a copy of this program to be the receiver.
pub(crate) const FLAG: &str = "--receive-callbacks";

/// The path that is never answered.
pub(crate) const HANGS: &str = "/hangs";

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

pub(crate) struct Receiver {
    child: Child,
    pub(crate) port: u16,
}

impl Receiver {
    pub(crate) fn start() -> Receiver {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program).arg(FLAG).stdout(Stdio::piped()).spawn().expect("started again");
        let mut port = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut port).expect("its port");
        Receiver { child, port: port.trim().parse().expect("a port") }
    }

    /// The URL of a hook at one of 250 destinations.
    pub(crate) fn url(&self, destination: usize, path: &str) -> String {
        format!("http://127.0.0.{}:{}{path}", 1 + destination % 250, self.port)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads the port there")]
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("bound").port());
        std::io::stdout().flush().expect("told");
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            connections.spawn(answer_all(stream));
            while connections.try_join_next().is_some() {}
        }
    });
}

/// Serves one connection until it is closed.
async fn answer_all(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(8192);
    loop {
        let length = loop {
            if let Some(length) = whole_request(&buffer) {
                break length;
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        if buffer.windows(HANGS.len()).take(32).any(|window| window == HANGS.as_bytes()) {
            return std::future::pending().await;
        }
        buffer.drain(..length);
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// The length of the request at the beginning of the buffer, once all of it is there.
fn whole_request(buffer: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(buffer, b"\r\n\r\n")? + 4;
    let mut body = 0;
    for line in buffer[..head].split(|byte| *byte == b'\n') {
        if let Some((name, value)) = line.split_at_checked(15)
            && name.eq_ignore_ascii_case(b"content-length:")
        {
            body = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
        }
    }
    (buffer.len() >= head + body).then_some(head + body)
}
