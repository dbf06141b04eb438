//! Clients that come for their pending changes while the host is killed under them: one reads them with a lease and
//! acknowledges some, another in one step, and breaks off some answers. Each change comes at least once and in the order of
//! its resource, and none comes again that was acknowledged.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::persistent::{Credentials, Persistent, text};
use crate::support::chance::Chance;
use crate::support::wait::{SOON, at_most, eventually};
use crate::support::{Host, Provider, Setup};

const USER: &str = "AKIAREADER";
const PASSWORD: &str = "reader-secret-access-key";
const INSTANCES: usize = 200;
const STATES: [&str; 3] = ["running", "stopping", "stopped"];
/// How many bytes an answer has that a reader breaks off: more than the system takes in for a reader that reads nothing.
const BROKEN_OFF: usize = 32_768;
/// How often each reads in a round.
const READS: usize = 4;

pub(super) struct Readers {
    provider: Provider,
    states: Vec<usize>,
    /// One that reads with leases, and one that reads in one step; made with the first round.
    readers: Vec<Reader>,
    at_work: JoinSet<Reader>,
}

/// What they did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ReaderTally {
    pub(super) acknowledged: usize,
    /// How often an answer in one step was read to its end, and how often it was broken off.
    pub(super) whole: usize,
    pub(super) broken_off: usize,
    /// How many changes came again.
    pub(super) repeats: usize,
}

struct Reader {
    client: Persistent,
    token: String,
    address: SocketAddr,
    has_leases: bool,
    chance: Chance,
    book: Book,
    tally: ReaderTally,
}

/// What came to a reader.
#[derive(Default)]
struct Book {
    /// The changes as they first came, without repeats.
    came: Vec<Value>,
    /// Their ids.
    known: HashSet<String>,
    /// The cursor of the last change that was new, of each resource.
    last: HashMap<String, String>,
    /// The ids of those of which the host has said that they are acknowledged.
    acknowledged: HashSet<String>,
}

impl Readers {
    pub(super) async fn start() -> Readers {
        let readers = Readers {
            provider: Provider::start().await,
            states: vec![0; INSTANCES],
            readers: Vec::new(),
            at_work: JoinSet::new(),
        };
        readers.list();
        readers
    }

    /// Makes their provider and their account part of the host's configuration.
    pub(super) fn move_in(&self, setup: Setup) -> Setup {
        let setup = setup.provider("ec2", "readers", &self.provider.endpoint(), "region = \"us-east-1\"");
        setup.account("ec2", "readers", USER, PASSWORD)
    }

    /// Gives each a token, and a hook of its own: one whose receiver is down, and one that is paused.
    pub(super) async fn make_hooks(&mut self, host: &Host, chance: &mut Chance) {
        let client = host.client().at("ec2", "readers").as_user(USER, PASSWORD);
        client.until(&format!("/api/instances/{}", id(INSTANCES - 1)), "their instances are seen", |_| true).await;
        for has_leases in [true, false] {
            let asked = json!({ "name": format!("leases: {has_leases}"), "scope": "track" });
            let token = text(&client.post("/api/tokens", &asked).await.ok()["token"]);
            let persistent = Persistent::new(host, "readers", Credentials::Token(token.clone()));
            // Nothing listens there.
            let hook = json!({ "url": "http://127.0.0.1:9/", "kinds": ["instance"] });
            let made = persistent.answered(Method::POST, "/api/hooks", Some(("hook", &hook))).await;
            assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
            if !has_leases {
                let pause = format!("/api/hooks/{}/pause", text(&made.body["id"]));
                persistent.answered(Method::POST, &pause, None).await;
            }
            let address = client.base().trim_start_matches("http://").parse().expect("an address");
            let (book, tally) = Default::default();
            let chance = chance.split();
            self.readers.push(Reader { client: persistent, token, address, has_leases, chance, book, tally });
        }
    }

    /// Some of their instances change.
    pub(super) fn step(&mut self, chance: &mut Chance) {
        for state in &mut self.states {
            if chance.one_in(2) {
                *state = (*state + 1 + chance.below(STATES.len() - 1)) % STATES.len();
            }
        }
        self.list();
    }

    /// Has them come for their changes. What happens to the host from here on happens to them.
    pub(super) fn begin(&mut self) {
        for mut reader in self.readers.drain(..) {
            self.at_work.spawn(async move {
                for _ in 0..READS {
                    reader.read().await;
                }
                reader
            });
        }
    }

    pub(super) async fn are_done(&mut self) {
        while let Some(reader) = self.at_work.join_next().await {
            self.readers.push(reader.expect("no promise was broken"));
        }
    }

    /// Fails unless each has all that the journal has of their instances, in its order, and nothing is left.
    pub(super) async fn have_all(&mut self, host: &Host) -> ReaderTally {
        self.are_done().await;
        let client = host.client().at("ec2", "readers").as_user(USER, PASSWORD);
        eventually(4 * SOON, "their instances are seen as they are", async || {
            let answer = client.get("/api/instances?limit=1000").await;
            let list: Value = serde_json::from_str(&answer.text).map_err(|_| answer.text)?;
            let list = list["instances"].as_array().ok_or("no list")?;
            let is_seen = |(instance, state): (&Value, &usize)| instance["provider_state"] == STATES[*state];
            match list.len() == INSTANCES && list.iter().zip(&self.states).all(is_seen) {
                true => Ok(()),
                false => Err(format!("{list:?}")),
            }
        })
        .await;
        let mut tally = ReaderTally::default();
        for reader in &mut self.readers {
            reader.read_all().await;
            reader.has_all(&client.feed("/api/changes?since=0&kind=instance").await);
            tally.acknowledged += reader.tally.acknowledged;
            tally.whole += reader.tally.whole;
            tally.broken_off += reader.tally.broken_off;
            tally.repeats += reader.tally.repeats;
        }
        tally
    }

    fn list(&self) {
        let ids: Vec<String> = (0..INSTANCES).map(id).collect();
        let list = ids.iter().zip(&self.states).map(|(id, state)| (id.as_str(), STATES[*state]));
        self.provider.has(&list.collect::<Vec<_>>());
    }
}

fn id(number: usize) -> String {
    format!("i-{number:04}")
}

impl Reader {
    async fn read(&mut self) {
        if self.has_leases { self.lease().await } else { self.take().await }
    }

    /// Reads some with a lease, and acknowledges all of them, a part, or none.
    async fn lease(&mut self) {
        let limit = 1 + self.chance.below(40);
        let page = self.client.answered(Method::GET, &format!("/api/changes?lease=1&limit={limit}"), None).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let changes = page.body["changes"].as_array().expect("a list").clone();
        self.have_come(&changes);
        let dealt_with = match self.chance.below(4) {
            0 => 0,
            1 => self.chance.below(changes.len() + 1),
            _ => changes.len(),
        };
        let Some(last) = changes[..dealt_with].last() else { return };
        self.acknowledge(&page.body, last, &changes[..dealt_with]).await;
    }

    async fn acknowledge(&mut self, page: &Value, last: &Value, dealt_with: &[Value]) {
        let body = json!({ "lease": page["lease"]["id"], "cursor": last["cursor"] });
        let answer = self.client.answered(Method::POST, "/api/changes/acknowledge", Some(("none", &body))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        // Fewer than that, and some were lent no more, or an answer before this one was lost.
        if answer.body["acknowledged"] == dealt_with.len() {
            self.tally.acknowledged += dealt_with.len();
            self.book.acknowledged.extend(dealt_with.iter().map(|change| text(&change["id"])));
        }
    }

    /// Reads in one step, and breaks some answers off. There may be no host to answer.
    async fn take(&mut self) {
        let breaks_off = self.chance.one_in(3);
        let asked = at_most(SOON, ask(self.address, &self.token, breaks_off)).await.expect("an answer ends in time");
        match asked {
            Ok(Some(changes)) => {
                self.tally.whole += 1;
                self.have_come(&changes);
            }
            Ok(None) => self.tally.broken_off += usize::from(breaks_off),
            Err(_) => {}
        }
    }

    #[track_caller]
    fn have_come(&mut self, changes: &[Value]) {
        for change in changes {
            match self.book.comes(change) {
                Ok(is_new) => self.tally.repeats += usize::from(!is_new),
                Err(why) => panic!("{why}: {change}"),
            }
        }
    }

    /// Reads until nothing is left, also of what is lent still.
    async fn read_all(&mut self) {
        let path = "/api/changes?lease=30";
        eventually(2 * SOON, "nothing is pending", async || {
            let page = self.client.answered(Method::GET, path, None).await;
            let changes = page.body["changes"].as_array().expect("a list").clone();
            self.have_come(&changes);
            let Some(last) = changes.last() else {
                let hooks = self.client.answered(Method::GET, "/api/hooks", None).await;
                let waiting = format!("/api/hooks/{}/deliveries?state=waiting", text(&hooks.body["hooks"][0]["id"]));
                let waiting = self.client.answered(Method::GET, &waiting, None).await.body;
                let is_empty = waiting["deliveries"].as_array().is_some_and(Vec::is_empty);
                return if is_empty { Ok(()) } else { Err(waiting.to_string()) };
            };
            self.acknowledge(&page.body, last, &changes).await;
            Err("there was more".into())
        })
        .await;
    }

    #[track_caller]
    fn has_all(&self, journal: &[Value]) {
        let sorted = |changes: &[Value]| {
            let mut ids: Vec<String> = changes.iter().map(|change| text(&change["id"])).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(sorted(&self.book.came), sorted(journal), "leases: {}", self.has_leases);
    }
}

impl Book {
    /// Judges a change that came; says whether it is new.
    fn comes(&mut self, change: &Value) -> Result<bool, String> {
        let id = text(&change["id"]);
        if self.acknowledged.contains(&id) {
            return Err("it was acknowledged, and comes again".into());
        }
        if !self.known.insert(id) {
            return Ok(false);
        }
        let (resource, cursor) = (text(&change["resource"]["id"]), text(&change["cursor"]));
        if let Some(before) = self.last.insert(resource, cursor.clone())
            && before >= cursor
        {
            return Err(format!("it comes after {before}"));
        }
        self.came.push(change.clone());
        Ok(true)
    }
}

/// Asks for pending changes in one step, and reads them; or breaks the answer off after its head, if it is large enough. None
/// was broken off, here or by the host's death.
async fn ask(address: SocketAddr, token: &str, breaks_off: bool) -> std::io::Result<Option<Vec<Value>>> {
    let socket = TcpSocket::new_v4()?;
    if breaks_off {
        // So that the system takes in little that the reader does not.
        socket.set_recv_buffer_size(4096)?;
    }
    let mut stream = socket.connect(address).await?;
    let request = format!(
        "GET /api/changes HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while stream.read_buf(&mut answer).await? > 0 {
        if breaks_off && length(&answer).is_some_and(|length| length >= BROKEN_OFF) {
            return Ok(None);
        }
    }
    Ok(whole(&answer))
}

/// How long an answer's body is, once its head is there.
fn length(answer: &[u8]) -> Option<usize> {
    let head = &answer[..head_end(answer)?];
    let head = std::str::from_utf8(head).ok()?.to_ascii_lowercase();
    head.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim().parse().ok()
}

fn head_end(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The changes of an answer that came whole.
fn whole(answer: &[u8]) -> Option<Vec<Value>> {
    let head_end = head_end(answer)?;
    if !answer.starts_with(b"HTTP/1.1 200") {
        return None;
    }
    serde_json::from_slice(&answer[head_end..]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_promise_is_found() {
        let change = |id: &str, cursor: &str| json!({ "id": id, "cursor": cursor, "resource": { "id": "i-1" } });
        let mut book = Book::default();
        assert_eq!(book.comes(&change("a", "2")), Ok(true));
        assert_eq!(book.comes(&change("a", "2")), Ok(false));
        assert!(book.comes(&change("b", "1")).is_err(), "out of order");
        book.acknowledged.insert("a".into());
        assert!(book.comes(&change("a", "2")).is_err(), "again");
    }
}
