//! A receiver of callbacks on loopback, with answers that a test chooses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A callback as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Received {
    /// Method and path.
    pub(super) line: String,
    /// By name in lower case.
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    pub(super) received: mpsc::UnboundedReceiver<Received>,
    answer: Arc<Mutex<String>>,
    connections: Arc<Mutex<usize>>,
}

pub(super) const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";
/// Takes a callback and says nothing.
pub(super) const HANG: &str = "";
/// Takes a callback and closes the connection.
pub(super) const CUT: &str = "cut";

impl Receiver {
    pub(super) async fn start(answer: &str) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrived, received) = mpsc::unbounded_channel();
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let connections = Arc::new(Mutex::new(0));
        let (answers, counted) = (Arc::clone(&answer), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                let (answers, arrived) = (Arc::clone(&answers), arrived.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(callback) = read(&mut stream).await {
                        let answer = answers.lock().unwrap().clone();
                        if arrived.send(callback).is_err() || answer == CUT {
                            return;
                        }
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Receiver { address, received, answer, connections }
    }

    pub(super) fn answer(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// One request; nothing at the end of the connection.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers: HashMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received { line: lines.swap_remove(0), headers, body })
}
