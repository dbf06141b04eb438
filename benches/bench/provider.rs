//! A provider in a process of its own, so that its CPU time is not counted as the host's: it answers every
//! request with the same file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// What tells a copy of this program to be the provider.
pub(crate) const FLAG: &str = "--serve-file";

pub(crate) struct Provider {
    child: Child,
    pub(crate) endpoint: String,
}

impl Provider {
    pub(crate) fn start(file: &std::path::Path) -> Provider {
        let program = std::env::current_exe().expect("this program");
        let mut child =
            Command::new(program).arg(FLAG).arg(file).stdout(Stdio::piped()).spawn().expect("started again");
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
pub(crate) fn serve(file: &str) {
    let answer = std::fs::read(file).expect("the file to serve");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    std::io::stdout().flush().expect("told");
    for stream in listener.incoming().flatten() {
        let answer = answer.clone();
        std::thread::spawn(move || answer_all(stream, &answer));
    }
}

/// Serves one connection until it is closed.
fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().expect("cloned"));
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.trim().is_empty() => break,
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
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(answer).is_err() {
            return;
        }
    }
}
