//! HTTP/2 written by hand (RFC 9113), for what no client would send: each flood that servers of HTTP/2 are known to have
//! fallen to, at a size that is a small part of the original.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::support::wait::at_most;

pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// How many frames a flood has, or streams; each is a hundred times what any client needs, and far less than what a host
/// that takes all of it needs to fail.
const MANY: u32 = 20_000;

/// A host that has not closed a flood by then lets it go on.
const PATIENCE: Duration = Duration::from_secs(60);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0xfa;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flood {
    /// Streams that are opened and reset at once (CVE-2023-44487).
    Resets,
    /// The same, but reset only once the host has begun with them.
    LateResets,
    /// Streams that the host is made to reset (CVE-2025-8671).
    MadeResets,
    Pings,
    Acknowledged,
    Settings,
    Priorities,
    Unknown,
    /// Data without any, on a stream that never ends.
    EmptyData,
    /// A head that never ends, in pieces without anything in them.
    Continuations,
    /// The same with something in each, more than a host keeps.
    LongHead,
    /// One long header, named a thousand times by a byte.
    HeaderBomb,
    /// A window that never opens, so that answers stay with the host.
    NeverReads,
    /// One that opens byte by byte.
    ReadsByByte,
    /// Streams that never end what they send.
    LeftHalf,
}

/// How a connection ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) is_closed: bool,
    /// Of the last GOAWAY.
    pub(super) reason: Option<u32>,
}

impl Flood {
    pub(super) const ALL: [Flood; 15] = [
        Flood::Resets,
        Flood::LateResets,
        Flood::MadeResets,
        Flood::Pings,
        Flood::Acknowledged,
        Flood::Settings,
        Flood::Priorities,
        Flood::Unknown,
        Flood::EmptyData,
        Flood::Continuations,
        Flood::LongHead,
        Flood::HeaderBomb,
        Flood::NeverReads,
        Flood::ReadsByByte,
        Flood::LeftHalf,
    ];

    pub(super) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Runs until the host closes the connection, or has had enough time to do so.
    pub(super) async fn run(self, stream: TcpStream) -> End {
        let (reader, writer) = stream.into_split();
        let (acked, acks) = tokio::sync::watch::channel(0);
        let reading = tokio::spawn(read(reader, acked));
        let mut client = Client { writer, acks, pings: 0 };
        let sent = async {
            // The host closes it while it is sent, which is what is wanted.
            let _ = client.send(self).await;
            // What was begun is held open.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = sent => unreachable!("it never ends"),
            ended = at_most(PATIENCE, reading) => match ended {
                Some(ended) => End { is_closed: true, reason: ended.expect("no panic") },
                None => End { is_closed: false, reason: None },
            },
        }
    }
}

/// Reads frames until the connection ends, and gives the reason of the last GOAWAY.
async fn read(mut reader: OwnedReadHalf, acked: tokio::sync::watch::Sender<u64>) -> Option<u32> {
    let mut reason = None;
    loop {
        let mut head = [0; 9];
        if reader.read_exact(&mut head).await.is_err() {
            return reason;
        }
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).expect("it fits")];
        if reader.read_exact(&mut payload).await.is_err() {
            return reason;
        }
        match kind {
            GOAWAY => reason = Some(u32::from_be_bytes(payload[4..8].try_into().expect("a GOAWAY"))),
            PING if flags & ACK != 0 => acked.send_modify(|acked| *acked += 1),
            _ => {}
        }
    }
}

struct Client {
    writer: OwnedWriteHalf,
    /// How many pings were answered.
    acks: tokio::sync::watch::Receiver<u64>,
    pings: u64,
}

impl Client {
    async fn send(&mut self, flood: Flood) -> std::io::Result<()> {
        let window = match flood {
            Flood::NeverReads | Flood::ReadsByByte => 0_u32,
            _ => 65_535,
        };
        let mut greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        // SETTINGS_INITIAL_WINDOW_SIZE
        greeting.extend(frame(SETTINGS, 0, 0, &[&4_u16.to_be_bytes()[..], &window.to_be_bytes()].concat()));
        greeting.extend(frame(SETTINGS, ACK, 0, &[]));
        self.write(&greeting).await?;
        match flood {
            Flood::Resets => self.repeat(|n| [open(n, "/healthz", END_STREAM), reset(n)].concat()).await,
            Flood::LateResets => {
                for batch in 0..MANY / 90 {
                    let streams = batch * 90..(batch + 1) * 90;
                    let opened: Vec<u8> = streams.clone().flat_map(|n| open(n, "/problems", END_STREAM)).collect();
                    self.write(&opened).await?;
                    self.heard().await?;
                    let reset: Vec<u8> = streams.flat_map(reset).collect();
                    self.write(&reset).await?;
                }
                Ok(())
            }
            // A window that grows beyond what it can be is an error of its stream.
            Flood::MadeResets => {
                let overflow = |n| frame(WINDOW_UPDATE, 0, number(n), &0x7fff_ffff_u32.to_be_bytes());
                self.repeat(|n| [open(n, "/problems", END_STREAM), overflow(n)].concat()).await
            }
            Flood::Pings => self.repeat(|_| frame(PING, 0, 0, &[0; 8])).await,
            Flood::Acknowledged => self.repeat(|_| frame(PING, ACK, 0, &[0; 8])).await,
            Flood::Settings => self.repeat(|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])).await,
            Flood::Priorities => self.repeat(|n| frame(PRIORITY, 0, number(n), &[0, 0, 0, 0, 7])).await,
            Flood::Unknown => self.repeat(|_| frame(UNKNOWN, 0, 0, &[])).await,
            Flood::EmptyData => {
                self.write(&open(0, "/api/hooks", 0)).await?;
                self.repeat(|_| frame(DATA, 0, number(0), &[])).await
            }
            Flood::Continuations => {
                self.write(&frame(HEADERS, END_STREAM, number(0), &block("/healthz"))).await?;
                self.repeat(|_| frame(CONTINUATION, 0, number(0), &[])).await
            }
            Flood::LongHead => {
                self.write(&frame(HEADERS, END_STREAM, number(0), &block("/healthz"))).await?;
                // x: and 100 bytes, literal and not to be kept.
                let header = [&[0, 1, b'x', 100][..], &[b'y'; 100]].concat();
                self.repeat(|_| frame(CONTINUATION, 0, number(0), &header.repeat(100))).await
            }
            Flood::HeaderBomb => {
                // A header of nearly 4 KiB, literal and to be kept (RFC 7541, 6.2.1), and then named by its index, 62.
                let kept = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'y'; 4000]].concat();
                self.write(&frame(HEADERS, END_HEADERS | END_STREAM, number(0), &[block("/healthz"), kept].concat()))
                    .await?;
                let bomb = [block("/healthz"), vec![0x80 | 62; 4000]].concat();
                self.repeat(|n| frame(HEADERS, END_HEADERS | END_STREAM, number(n + 1), &bomb)).await
            }
            Flood::NeverReads => {
                let opened: Vec<u8> = (0..100).flat_map(|n| open(n, "/openapi.json", END_STREAM)).collect();
                self.write(&opened).await
            }
            Flood::ReadsByByte => {
                let opened: Vec<u8> = (0..100).flat_map(|n| open(n, "/openapi.json", END_STREAM)).collect();
                self.write(&opened).await?;
                self.repeat(|n| frame(WINDOW_UPDATE, 0, number(n % 100), &1_u32.to_be_bytes())).await
            }
            Flood::LeftHalf => {
                let opened: Vec<u8> = (0..100).flat_map(|n| open(n, "/api/hooks", 0)).collect();
                self.write(&opened).await
            }
        }
    }

    async fn repeat(&mut self, frames: impl Fn(u32) -> Vec<u8>) -> std::io::Result<()> {
        for batch in 0..MANY / 100 {
            let bytes: Vec<u8> = (batch * 100..(batch + 1) * 100).flat_map(&frames).collect();
            self.write(&bytes).await?;
        }
        Ok(())
    }

    /// Returns once the host has answered a ping: what was sent before is read.
    async fn heard(&mut self) -> std::io::Result<()> {
        self.pings += 1;
        self.write(&frame(PING, 0, 0, &[1; 8])).await?;
        let pings = self.pings;
        self.acks.wait_for(|acks| *acks >= pings).await.map_err(std::io::Error::other)?;
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.writer.write_all(bytes).await
    }
}

/// The number of a client's stream.
fn number(n: u32) -> u32 {
    2 * n + 1
}

fn open(n: u32, path: &str, flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, number(n), &block(path))
}

fn reset(n: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, number(n), &8_u32.to_be_bytes())
}

/// A GET of this path (RFC 7541): indexed method and scheme, literal path and authority.
fn block(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).expect("a short path");
    [&[0x82, 0x86, 0x04, length][..], path.as_bytes(), &[0x01, 1, b'x']].concat()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}
