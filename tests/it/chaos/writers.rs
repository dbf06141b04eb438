//! Clients that write while the host is killed under them and its disk is full. Each sends a request again until it is
//! answered, as a client does that can't know whether the one before arrived. What was asked for once is done once, no
//! limit is passed, no write undoes another, and of an account that its owner took back nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

use super::persistent::{Credentials, Persistent, text};
use crate::support::{Host, Provider, Setup};

/// How many tokens an account may have: fewer than are asked for, in a run of usual length.
pub(super) const TOKENS: usize = 25;

const USER: &str = "AKIAWRITER";
/// Nothing listens there, and no change is for these hooks.
const URL: &str = "http://127.0.0.1:9/";
const COUNTERS: [&str; 2] = ["left", "right"];

pub(super) struct Writers {
    provider: Provider,
    /// The hook that counts, by both of the counters; made with the first round.
    counting: Option<String>,
    rounds: usize,
    at_work: JoinSet<Done>,
    /// By the key of the request that made it.
    hooks: BTreeMap<String, String>,
    tokens: BTreeSet<String>,
    tokens_asked: usize,
    forgotten: Vec<String>,
    tally: WriterTally,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WriterTally {
    /// How many times a write was for a hook that another had changed.
    pub(super) conflicts: usize,
    pub(super) refused_tokens: usize,
}

/// What came of a piece of work.
enum Done {
    Hook {
        key: String,
        id: String,
    },
    /// With its id, unless the account had as many as it may have.
    Token(Option<String>),
    Counted {
        conflicts: usize,
    },
    Forgotten {
        user: String,
    },
}

/// A client of one account.
#[derive(Clone)]
struct Writer(Persistent);

impl Writers {
    pub(super) async fn start() -> Writers {
        Writers {
            provider: Provider::start().await,
            counting: None,
            rounds: 0,
            at_work: JoinSet::new(),
            hooks: BTreeMap::new(),
            tokens: BTreeSet::new(),
            tokens_asked: 0,
            forgotten: Vec::new(),
            tally: WriterTally::default(),
        }
    }

    /// Makes their provider part of the host's configuration. Their accounts come with them.
    pub(super) fn move_in(&self, setup: Setup) -> Setup {
        setup.provider("ec2", "writers", &self.provider.endpoint(), "region = \"us-east-1\"")
    }

    /// Has them begin. What happens to the host from here on happens to their requests.
    pub(super) async fn begin(&mut self, host: &Host) {
        let writer = Writer::of(host, USER);
        let round = self.rounds;
        self.rounds += 1;
        let counting = match &self.counting {
            Some(id) => id.clone(),
            None => {
                let hook = json!({ "url": URL, "ids": ["none"], "description": described([0, 0]) });
                let made = writer.0.answered(Method::POST, "/api/hooks", Some(("counting", &hook))).await;
                self.counting.insert(text(&made.body["id"])).clone()
            }
        };
        let key = format!("hook-{round}");
        let author = writer.clone();
        self.at_work.spawn(async move { author.make_hook(key).await });
        for number in 0..2 {
            let key = format!("token-{round}-{number}");
            let author = writer.clone();
            self.at_work.spawn(async move { author.make_token(key).await });
            self.tokens_asked += 1;
        }
        for side in 0..COUNTERS.len() {
            let (author, counting) = (writer.clone(), counting.clone());
            self.at_work.spawn(async move { author.count(&counting, side, round + 1).await });
        }
        if round.is_multiple_of(4) {
            let user = format!("AKIALEAVES{round}");
            let author = Writer::of(host, &user);
            self.at_work.spawn(async move { author.come_and_go(user).await });
        }
    }

    /// Waits until all of them were answered.
    pub(super) async fn are_done(&mut self) {
        while let Some(done) = self.at_work.join_next().await {
            match done.expect("no promise was broken") {
                Done::Hook { key, id } => assert_eq!(self.hooks.insert(key, id), None),
                Done::Token(Some(id)) => assert!(self.tokens.insert(id.clone()), "two were given the token {id}"),
                Done::Token(None) => self.tally.refused_tokens += 1,
                Done::Counted { conflicts } => self.tally.conflicts += conflicts,
                Done::Forgotten { user } => self.forgotten.push(user),
            }
        }
    }

    /// Fails unless what is there is what was asked for, once.
    pub(super) async fn are_served(&mut self, host: &Host) -> WriterTally {
        self.are_done().await;
        let client = host.client().at("ec2", "writers").as_user(USER, &password(USER));
        let mut made = BTreeMap::new();
        let mut next = Some("/api/hooks?limit=100".to_owned());
        while let Some(path) = next {
            let page = client.get(&path).await;
            next = page.next_page();
            for hook in page.ok()["hooks"].as_array().expect("a list") {
                let (key, id) = (text(&hook["description"]), text(&hook["id"]));
                assert_eq!(made.insert(key.clone(), id), None, "{key} was carried out twice");
            }
        }
        let counted = made.remove(&described([self.rounds; 2]));
        assert_eq!(counted, self.counting, "a write was lost, or done twice: {made:?}");
        assert_eq!(made, self.hooks);

        let tokens = client.get("/api/tokens").await.ok();
        let tokens: BTreeSet<String> =
            tokens["tokens"].as_array().expect("a list").iter().map(|token| text(&token["id"])).collect();
        assert_eq!(tokens, self.tokens);
        assert_eq!(tokens.len(), self.tokens_asked.min(TOKENS), "the limit is kept, and none is refused below it");

        for user in &self.forgotten {
            let client = host.client().at("ec2", "writers").as_user(user, &password(user));
            for list in ["hooks", "tokens"] {
                assert_eq!(client.get(&format!("/api/{list}")).await.ok()[list], json!([]), "{user}");
            }
        }
        self.tally
    }
}

impl Writer {
    fn of(host: &Host, user: &str) -> Writer {
        Writer(Persistent::new(host, "writers", Credentials::Password(user.to_owned(), password(user))))
    }

    async fn make_hook(&self, key: String) -> Done {
        let hook = json!({ "url": URL, "ids": ["none"], "description": key });
        // The one that lost patience sends it a second time while the first is under way.
        let (first, second) = tokio::join!(
            self.0.answered(Method::POST, "/api/hooks", Some((&key, &hook))),
            self.0.answered(Method::POST, "/api/hooks", Some((&key, &hook))),
        );
        assert_eq!((first.status, &first.body), (StatusCode::CREATED, &second.body), "{key}");
        assert!(first.body["secret"].is_string(), "its secret is not lost: {}", first.body);
        let again = self.0.answered(Method::POST, "/api/hooks", Some((&key, &hook))).await;
        assert_eq!((again.is_replay, &again.body), (true, &first.body), "{key}");
        Done::Hook { key, id: text(&first.body["id"]) }
    }

    async fn make_token(&self, key: String) -> Done {
        let token = json!({ "name": key, "scope": "read" });
        let made = self.0.answered(Method::POST, "/api/tokens", Some((&key, &token))).await;
        if made.status == StatusCode::FORBIDDEN {
            assert_eq!(made.body["type"], "/problems/too-many-tokens");
            return Done::Token(None);
        }
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        Done::Token(Some(text(&made.body["id"])))
    }

    /// Sets one of the counters of a hook to the number that follows, and leaves the other as it is.
    async fn count(&self, hook: &str, side: usize, number: usize) -> Done {
        let path = format!("/api/hooks/{hook}");
        let mut conflicts = 0;
        loop {
            let read = self.0.answered(Method::GET, &path, None).await;
            let mut counters = counters(&text(&read.body["description"]));
            if counters[side] == number {
                return Done::Counted { conflicts };
            }
            assert_eq!(counters[side] + 1, number, "{} was undone", COUNTERS[side]);
            counters[side] = number;
            let body = json!({ "url": URL, "ids": ["none"], "description": described(counters) });
            let tag = read.tag.expect("a hook has a tag");
            // Not sent again as it is: it may have been done, and what comes then is for another version.
            match self.0.send(Method::PUT, &path, None, Some(&tag), Some(&body)).await {
                Ok(put) if put.status == StatusCode::OK => {}
                Ok(put) => {
                    assert_eq!(put.status, StatusCode::PRECONDITION_FAILED, "{}", put.body);
                    conflicts += 1;
                }
                Err(_) => {}
            }
        }
    }

    /// An account that comes, has something, and is taken back by its owner.
    async fn come_and_go(&self, user: String) -> Done {
        let hook = json!({ "url": URL, "ids": ["none"] });
        let made = self.0.answered(Method::POST, "/api/hooks", Some(("hook", &hook))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let token = json!({ "name": "leaves", "scope": "track" });
        let made = self.0.answered(Method::POST, "/api/tokens", Some(("token", &token))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let gone = self.0.answered(Method::DELETE, "/api/account", None).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT, "{}", gone.body);
        Done::Forgotten { user }
    }
}

/// Each has another: of one there are only so many users.
fn password(user: &str) -> String {
    format!("secret-access-key-of-{user}")
}

fn described(counters: [usize; 2]) -> String {
    format!("{}={} {}={}", COUNTERS[0], counters[0], COUNTERS[1], counters[1])
}

fn counters(description: &str) -> [usize; 2] {
    let mut numbers = description.split(['=', ' ']).filter_map(|word| word.parse().ok());
    [(); 2].map(|()| numbers.next().unwrap_or_else(|| panic!("two counters: {description}")))
}
