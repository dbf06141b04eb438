//! The APIs of DigitalOcean and of Hetzner Cloud as far as a list of machines goes: pages, tokens, limits on requests.
//! What they answer with is the droplet or server of the drivers' own fixtures, as often as a test wants it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The token that it accepts.
pub(crate) const TOKEN: &str = "dop_v1_a_token_of_the_tests";

pub(crate) struct Droplets {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
}

/// Whose API it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    DigitalOcean,
    Hetzner,
}

struct State {
    api: Api,
    /// Ids, with the API's words for their states.
    droplets: Vec<(u64, String)>,
    /// The fixtures' droplet, and their regions.
    droplet: Value,
    regions: Value,
    instead: Option<Instead>,
    /// The paths that were asked for, with their queries.
    asked: Vec<String>,
}

/// What it answers with in place of a list.
#[derive(Clone, Debug)]
pub(crate) enum Instead {
    /// This status, and this body.
    Status(u16, &'static str),
    /// Too many requests, the oldest of which is forgotten in the year 2100.
    Throttled,
    /// The list, without its end.
    CutShort,
    /// A list of which the second page says that there is one fewer.
    Shrinking,
}

impl Droplets {
    pub(crate) async fn start() -> Droplets {
        Droplets::speaking(Api::DigitalOcean).await
    }

    /// The same in the words of Hetzner Cloud, where they are called servers.
    pub(crate) async fn servers() -> Droplets {
        Droplets::speaking(Api::Hetzner).await
    }

    async fn speaking(api: Api) -> Droplets {
        let (driver, machines, realms) = match api {
            Api::DigitalOcean => ("digitalocean", "droplets", "regions.json"),
            Api::Hetzner => ("hetzner", "servers", "locations.json"),
        };
        let fixture = |name: &str| -> Value {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers").join(driver).join("fixtures").join(name);
            let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            serde_json::from_slice(&text).expect("JSON")
        };
        let state = State {
            api,
            droplets: Vec::new(),
            droplet: match api {
                Api::DigitalOcean => fixture("droplets.json")[machines][0].clone(),
                Api::Hetzner => fixture("servers-page-1.json")[machines][0].clone(),
            },
            regions: fixture(realms),
            instead: None,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, Arc::clone(&state)));
        Droplets { address, state, _serving: serving }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn has(&self, droplets: impl IntoIterator<Item = (u64, &'static str)>) {
        self.state().droplets = droplets.into_iter().map(|(id, status)| (id, status.to_owned())).collect();
    }

    /// From now on, until it is told to answer again.
    pub(crate) fn answers_with(&self, instead: Option<Instead>) {
        self.state().instead = instead;
    }

    /// How much was asked for since it was last taken.
    pub(crate) fn asked_so_far(&self) -> usize {
        self.state().asked.len()
    }

    /// Takes what was asked for since this was last taken.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(answer(stream, Arc::clone(&state)));
        while connections.try_join_next().is_some() {}
    }
}

/// One request, one answer, and the connection is closed.
async fn answer(stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if !matches!(stream.read_line(&mut head).await, Ok(length) if length > 0) {
            return;
        }
    }
    let answer = state.lock().expect("no holder panics").answer(&head);
    let stream = stream.get_mut();
    // Whether the other end still listens is its business.
    let _ = stream.write_all(&answer).await;
    let _ = stream.shutdown().await;
}

impl State {
    fn answer(&mut self, head: &str) -> Vec<u8> {
        let target = head.split(' ').nth(1).expect("a request line").to_owned();
        let url = url::Url::parse(&format!("http://api{target}")).expect("a target");
        self.asked.push(target);
        let is_known = head.lines().filter_map(|line| line.split_once(": ")).any(|(name, value)| {
            name.eq_ignore_ascii_case("authorization") && value.strip_prefix("Bearer ") == Some(TOKEN)
        });
        if !is_known {
            return whole(401, "", &self.error("unauthorized", "Unable to authenticate you."));
        }
        let number = |name: &str, default: usize| {
            let value = url.query_pairs().find(|(found, _)| found == name);
            value.map_or(default, |(_, value)| value.parse().expect("a number"))
        };
        // As the APIs have it: so many a page unless more are asked for, and never more than that.
        let (few, most) = match self.api {
            Api::DigitalOcean => (20, 200),
            Api::Hetzner => (25, 50),
        };
        let (page, per_page) = (number("page", 1), number("per_page", few).min(most));
        let body = match (self.api, url.path()) {
            (Api::DigitalOcean, "/v2/droplets") | (Api::Hetzner, "/v1/servers") => {
                self.page(page, per_page).to_string()
            }
            (Api::DigitalOcean, "/v2/regions") | (Api::Hetzner, "/v1/locations") => self.regions.to_string(),
            (api, path) if let Some(machine) = self.single(path) => match api {
                Api::DigitalOcean => json!({ "droplet": machine }).to_string(),
                Api::Hetzner => json!({ "server": machine }).to_string(),
            },
            _ => return whole(404, "", &self.error("not_found", "No such resource.")),
        };
        match self.instead {
            Some(Instead::Status(status, body)) => whole(status, "", body),
            Some(Instead::Throttled) => {
                let headers = "RateLimit-Remaining: 0\r\nRateLimit-Reset: 4102444800\r\n";
                whole(429, headers, &self.error("too_many_requests", "API Rate limit exceeded."))
            }
            Some(Instead::CutShort) => whole(200, "", &body[..body.len() / 2]),
            Some(Instead::Shrinking) | None => whole(200, "", &body),
        }
    }

    fn page(&self, page: usize, per_page: usize) -> Value {
        let mut total = self.droplets.len();
        let rest = self.droplets.iter().skip((page - 1) * per_page).take(per_page);
        let droplets: Vec<Value> = rest.map(|machine| self.machine(machine)).collect();
        let next = (page * per_page < total).then_some(page + 1);
        if page > 1 && matches!(self.instead, Some(Instead::Shrinking)) {
            total -= 1;
        }
        match self.api {
            Api::DigitalOcean => {
                let next = next.map(|next| format!("https://elsewhere.invalid/v2/droplets?page={next}"));
                let links = next.map_or(json!({}), |next| json!({ "pages": { "next": next } }));
                json!({"droplets": droplets, "links": links, "meta": {"total": total}})
            }
            Api::Hetzner => {
                json!({"servers": droplets, "meta": {"pagination": {"next_page": next, "total_entries": total}}})
            }
        }
    }

    fn machine(&self, (id, status): &(u64, String)) -> Value {
        let mut droplet = self.droplet.clone();
        droplet["id"] = json!(id);
        droplet["name"] = json!(format!("machine-{id}"));
        droplet["status"] = json!(status);
        droplet
    }

    /// The machine that a path is of, if it is there.
    fn single(&self, path: &str) -> Option<Value> {
        let folder = match self.api {
            Api::DigitalOcean => "/v2/droplets/",
            Api::Hetzner => "/v1/servers/",
        };
        let wanted: u64 = path.strip_prefix(folder)?.parse().ok()?;
        self.droplets.iter().find(|(id, _)| *id == wanted).map(|machine| self.machine(machine))
    }

    fn error(&self, code: &str, message: &str) -> String {
        match self.api {
            Api::DigitalOcean => json!({ "id": code, "message": message }).to_string(),
            Api::Hetzner => json!({ "error": { "code": code, "message": message } }).to_string(),
        }
    }
}

fn whole(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}
