//! EC2 in a process of its own, so that its CPU time is not counted as the host's: it answers each of the two
//! calls with one file, always.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// What tells a copy of this program to be the provider.
pub(crate) const FLAG: &str = "--serve-answers";

/// The call that is answered with the zones; any other is with the instances.
const ZONES: &[u8] = b"Action=DescribeAvailabilityZones";

/// The two files that it answers with.
#[derive(Clone)]
pub(crate) struct Answers<P> {
    pub(crate) instances: P,
    pub(crate) zones: P,
}

pub(crate) struct Provider {
    child: Child,
    pub(crate) endpoint: String,
}

impl Provider {
    pub(crate) fn start(answers: &Answers<&Path>) -> Provider {
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg(FLAG).arg(answers.instances).arg(answers.zones).stdout(Stdio::piped());
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
pub(crate) fn serve(files: &Answers<&str>) {
    let read = |file| std::fs::read(file).expect("a file to answer with");
    let answers = Arc::new(Answers { instances: read(files.instances), zones: read(files.zones) });
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("bound"));
    std::io::stdout().flush().expect("told");
    for stream in listener.incoming().flatten() {
        let answers = Arc::clone(&answers);
        std::thread::spawn(move || answer_all(stream, &answers));
    }
}

/// Serves one connection until it is closed.
fn answer_all(mut stream: TcpStream, answers: &Answers<Vec<u8>>) {
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
        let asks_for_zones = body.windows(ZONES.len()).any(|window| window == ZONES);
        let answer = if asks_for_zones { &answers.zones } else { &answers.instances };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", answer.len());
        if stream.write_all(head.as_bytes()).is_err() || stream.write_all(answer).is_err() {
            return;
        }
    }
}
