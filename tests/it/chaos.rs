//! Delivery when everything fails at once: hundreds of instances that change at every step, dozens of hooks at
//! receivers in every mood, a provider that errs, a disk that is full for a while, and a host that is killed at random
//! moments and started again, and whose clock is set. Beside them are neighbours who hang, and who change much at once. At the
//! end every change has arrived, in order, and nothing is left over; what clients have written meanwhile was done once, and who
//! came for pending changes has all of them.
//!
//! `CHAOS_ROUNDS` says how many steps there are, or `CHAOS_SECONDS` for how long there are any; `CHAOS_SEED` says which:
//! a run that fails prints the seed of its choices, which comes as near to having it again as machines allow.

mod ledger;
mod neighbours;
mod persistent;
mod readers;
mod receivers;
mod world;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::future::join_all;

use self::ledger::{Ledger, Mode};
use self::neighbours::Neighbours;
use self::persistent::text;
use self::readers::Readers;
use self::receivers::{REPLIES, Receiver};
use self::world::{Step, World};
use self::writers::{TOKENS, Writers};
use serde_json::{Value, json};
use tracker::clock::Stopwatch;

use crate::support::chance::Chance;
use crate::support::client::Answer;
use crate::support::lab::TOKEN;
use crate::support::wait::{SOON, at_most, eventually};
use crate::support::{Lab, Misbehaviour, Setup};

const ROUNDS: usize = 40;
const INSTANCES: usize = 240;
const RECEIVERS: usize = 12;
/// Of each receiver.
const HOOKS: usize = 3;

const POLLS: &str = r#"
[polling]
instances_every = "100ms"
realms_every = "10s"
jitter = 0.0
max_backoff = "100ms"

[api.credentials]
failed_for = "1ms"
new_accounts_per_peer = 1000000

[log]
filter = "warn"

# Short, so that little fits into it once the disk is full, and it is often folded into the file and begun anew.
[store]
wal_size = "64 KiB"
"#;

/// How long a receiver that hangs is waited for in chaos, and where every answer is good and may only be late.
const IMPATIENT: &str = "1s";
const PATIENT: &str = "20s";

/// Waits enough that none is ever given up on.
fn delivery(timeout: &str) -> String {
    let waits = ["\"100ms\""; 1000].join(", ");
    format!(
        "[delivery]\nallow_addresses = [\"127.0.0.0/8\"]\ntimeout = {timeout:?}\n\n\
         [delivery.retries]\nwaits = [{waits}]\njitter = 0.5\nslow_down = \"100ms\"\n\n\
         [delivery.breaker]\nwindow = \"300ms\"\nopen_for = \"100ms\"\nopen_at_most = \"500ms\"\n"
    )
}

struct Chaos {
    chance: Chance,
    lab: Lab,
    world: World,
    ledger: Arc<Ledger>,
    receivers: Vec<Receiver>,
    neighbours: Neighbours,
    writers: Writers,
    readers: Readers,
    /// By how many seconds the host's clock is ahead.
    ahead: i64,
    /// How often its clock was set.
    steps: usize,
    /// How often the host was killed.
    kills: usize,
    /// How often it was refused a write, as its disk was full.
    refusals: usize,
    /// The hooks that took the last room on its disk.
    fillers: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_callback_is_lost_in_chaos() {
    let length = Length::given();
    let seed = given("CHAOS_SEED").unwrap_or_else(|| getrandom::u64().expect("random numbers"));
    let _shown = ShownOnFailure(seed);

    let mut chaos = Chaos::begin(Chance::from_seed(seed)).await;
    let (running, mut rounds) = (Stopwatch::start(), 0);
    while !length.is_over(rounds, running.elapsed()) {
        chaos.round().await;
        rounds += 1;
    }
    chaos.end(rounds).await;

    // Otherwise it would have been no chaos. Ten rounds have some of everything.
    let tally = chaos.ledger.tally();
    let (changes, callbacks) = (tally.changes, tally.callbacks);
    assert!(rounds < 10 || tally.replies.len() == REPLIES, "a reply was never given: {tally:#?}");
    assert!(callbacks > changes && changes > 20 * rounds, "{changes} changes in {callbacks} callbacks");
    assert!(chaos.kills >= rounds / 10, "{} kills", chaos.kills);
    let is_noticed = chaos.lab.host.log().text().contains("the clock was set");
    assert!(
        rounds < 40 || is_noticed,
        "the clock was set {} times in {rounds} rounds, and no host noticed",
        chaos.steps
    );
    assert!(chaos.refusals >= rounds / 40, "the disk was full in {} of {rounds} rounds", chaos.refusals);
}

impl Chaos {
    /// All is well yet: the instances are seen, and each has its hook, if it is there or not.
    async fn begin(mut chance: Chance) -> Chaos {
        let world = World::new(INSTANCES, &mut chance);
        let neighbours = Neighbours::start().await;
        let writers = Writers::start().await;
        let mut readers = Readers::start().await;
        let polls = format!("{POLLS}\n[api]\ntokens_per_account = {TOKENS}\n");
        let prepare = |setup: Setup| {
            let setup = setup.polls(&polls).delivery(&delivery(IMPATIENT));
            readers.move_in(writers.move_in(neighbours.move_in(setup))).with_a_clock().on_a_disk()
        };
        let lab = Lab::with(&world.list(), prepare).await;
        let ledger = Arc::new(Ledger::new());
        let mut receivers = Vec::new();
        for _ in 0..RECEIVERS {
            receivers.push(Receiver::start(&ledger, chance.split()).await);
        }
        readers.make_hooks(&lab.host, &mut chance).await;
        let chaos = Chaos {
            chance,
            lab,
            world,
            ledger,
            receivers,
            neighbours,
            writers,
            readers,
            ahead: 0,
            steps: 0,
            kills: 0,
            refusals: 0,
            fillers: Vec::new(),
        };
        chaos.set_track_hooks().await;
        chaos.make_hooks().await;
        chaos.neighbours.make_hooks(&chaos.lab.host).await;
        chaos
    }

    /// One on each resource. Several have one URL with one secret, and go their own ways all the same.
    async fn set_track_hooks(&self) {
        for (number, id) in self.world.ids().enumerate() {
            let at = number % (RECEIVERS * HOOKS);
            let path = format!("/{at}");
            let hook = self.receivers[at % RECEIVERS].url(&path);
            let secret = format!("whsec_{}", BASE64.encode(format!("the secret of the hook {at:08}")));
            let form = [("track_hook", &*hook), ("track_token", TOKEN), ("track_secret", &secret)];
            self.lab.client.put(&format!("/api/instances/{id}"), &form).await.ok();
            self.ledger.follows(&path, &secret, id, Mode::Every);
        }
    }

    /// One of many instances at each receiver, every other one of which wants only the latest.
    async fn make_hooks(&self) {
        for (number, receiver) in self.receivers.iter().enumerate() {
            let path = format!("/many/{number}");
            let (word, mode) = if number % 2 == 0 { ("every", Mode::Every) } else { ("latest", Mode::Latest) };
            // Ids are i-0000 and up, so that these are a hundred instances, or ten.
            let ids = if number % 3 == 0 { "i-00".to_owned() } else { format!("i-0{number:02}") };
            let secret = format!("whsec_{}", BASE64.encode(format!("the secret of many {number:08}")));
            let hook = json!({
                "url": receiver.url(&path), "kinds": ["instance"], "ids": [format!("{ids}*")], "mode": word,
                "token": TOKEN, "secret": secret,
            });
            self.lab.client.post("/api/hooks", &hook).await.ok();
            for id in self.world.ids().filter(|id| id.starts_with(&ids)) {
                self.ledger.follows(&path, &secret, id, mode);
            }
        }
    }

    async fn round(&mut self) {
        for receiver in &mut self.receivers {
            receiver.change_mood().await;
        }
        if self.chance.one_in(4) {
            let errors = [
                Misbehaviour::Status(500),
                Misbehaviour::Garbage,
                Misbehaviour::HalfAnswer,
                Misbehaviour::CutShort,
                Misbehaviour::Nothing,
            ];
            self.lab.provider.misbehaves(self.chance.pick(&errors).clone());
        }
        self.neighbours.step(&mut self.chance);
        self.writers.begin(&self.lab.host).await;
        self.readers.step(&mut self.chance);
        self.readers.begin();
        if self.chance.one_in(4) {
            self.set_clock();
        }
        let is_full = self.chance.one_in(4);
        if is_full {
            self.lab.host.fill_disk().await;
        }
        let steps = self.world.step(&mut self.chance);
        self.take(&steps);
        if is_full {
            self.is_refused().await;
            self.moment().await;
        }
        match self.chance.below(12) {
            0..5 => {
                self.moment().await;
                self.lab.host.kill();
                self.kills += 1;
                if self.chance.one_in(8) {
                    self.set_clock();
                }
                self.start().await;
            }
            5 => {
                self.moment().await;
                self.stop().await;
                self.start().await;
            }
            _ => {}
        }
        if is_full {
            self.lab.host.free_disk();
        }
        self.lab.provider.recovers();
        self.is_seen().await;
        self.writers.are_done().await;
        self.readers.are_done().await;
        self.remove_fillers().await;
        self.ledger.has_no_faults();
    }

    /// Sets the host's clock, to at most an hour from the machine's.
    fn set_clock(&mut self) {
        let hour = i64::try_from(self.chance.below(7200)).expect("small") - 3600;
        // Often by little.
        self.ahead = if self.chance.one_in(2) { hour } else { self.ahead + hour / 60 };
        self.lab.host.set_clock(self.ahead);
        self.steps += 1;
    }

    /// Everyone behaves. What is left over then goes out, and after it there is nothing.
    async fn end(&mut self, rounds: usize) {
        for receiver in &mut self.receivers {
            receiver.behave().await;
        }
        self.stop().await;
        self.lab.host.delivers(&delivery(PATIENT));
        self.start().await;
        self.is_settled().await;

        // Whether half an answer counts was the host's to say. The next change tells: before it, what came
        // before was settled.
        let steps = self.world.step_all();
        self.take(&steps);
        self.is_settled().await;
        // A host that was asked to end has written down all that it heard.
        self.stop().await;
        self.start().await;
        assert_eq!(self.lab.client.pending().await, Vec::<Value>::new(), "nothing is pending any more");

        let steps = self.world.step_all();
        self.take(&steps);
        self.is_settled().await;
        self.is_seen().await;
        self.neighbours.are_seen(&self.lab.host).await;
        let tally = self.writers.are_served(&self.lab.host).await;
        assert!(rounds < 10 || tally.conflicts > 0, "no write was for a hook that another had changed");
        let read = self.readers.have_all(&self.lab.host).await;
        assert!(rounds < 10 || read.acknowledged > 0 && read.whole > 0 && read.broken_off > 0, "{read:#?}");
        assert!(2 * rounds <= TOKENS || tally.refused_tokens > 0, "the limit of tokens was not reached");
        self.ledger.has_no_faults();
        self.ledger.is_the_journal(&self.lab.client.feed("/api/changes?since=0").await);
    }

    /// Lets the provider have what the world became. What is owed for it is known before anyone can see it.
    fn take(&self, steps: &[(String, Step)]) {
        for (id, step) in steps {
            self.ledger.owes(id, *step);
        }
        self.lab.provider.has(&self.world.list());
    }

    /// Waits until the tracker saw the world as it is. Only then may it change again, so that each step is one
    /// change in the journal, and the journal is known.
    async fn is_seen(&self) {
        eventually(SOON, "the tracker sees what is", async || {
            let answer = self.lab.client.get("/api/instances").await;
            let list = serde_json::from_str(&answer.text).map_err(|_| answer.text)?;
            self.world.is_seen(&list)
        })
        .await;
    }

    /// Whoever would change something is told that the disk is full, once what is left of the log and of the store's own file is,
    /// and whoever reads is answered.
    async fn is_refused(&mut self) {
        // It takes room: the longer the store was in use, the more of its file is free.
        let token = "t".repeat(1000);
        let url = self.receivers[0].url("/refused");
        let hook = json!({ "url": url, "kinds": ["instance"], "ids": ["none"], "token": token });
        let answer = eventually(SOON, "a write is refused", async || {
            let answers = (0..20).map(|_| self.lab.client.post("/api/hooks", &hook));
            let (made, refused): (Vec<_>, Vec<_>) =
                join_all(answers).await.into_iter().partition(|answer| answer.status == 201);
            self.fillers.extend(made.into_iter().map(|answer| text(&answer.ok()["id"])));
            refused.into_iter().next().ok_or_else(|| format!("{} are made", self.fillers.len()))
        })
        .await;
        // Credentials are proven anew when the clock was set, or the host killed, and the provider may be one that fails just now.
        let is_of_provider =
            |answer: &Answer| answer.status == 502 && answer.text.contains("/problems/provider-failed");
        if is_of_provider(&answer) {
            return;
        }
        answer.problem(507);
        let answer = self.lab.client.get("/api/instances").await;
        assert!(answer.status == 200 || is_of_provider(&answer), "{} {}", answer.status, answer.text);
        self.refusals += 1;
    }

    /// Removes the hooks that took the room.
    async fn remove_fillers(&mut self) {
        while !self.fillers.is_empty() {
            let some = self.fillers.split_off(self.fillers.len().saturating_sub(50));
            let paths: Vec<String> = some.iter().map(|id| format!("/api/hooks/{id}")).collect();
            let removed = paths.iter().map(|path| self.lab.client.delete(path));
            assert!(join_all(removed).await.iter().all(|answer| answer.status == 204));
        }
    }

    async fn is_settled(&self) {
        eventually(4 * SOON, "all that is owed arrives", async || {
            self.ledger.has_no_faults();
            self.ledger.is_settled()
        })
        .await;
    }

    /// One at which the host may be doing anything: in the middle of a callback, or of whatever it does otherwise.
    async fn moment(&mut self) {
        let longest = Duration::from_millis(u64::try_from(self.chance.below(400)).expect("small"));
        if self.chance.one_in(2) {
            let callbacks = 1 + self.chance.below(50);
            at_most(2 * longest, self.ledger.more(callbacks)).await;
        } else {
            at_most(longest, std::future::pending::<()>()).await;
        }
    }

    async fn stop(&mut self) {
        let status = self.lab.host.stop().await;
        assert!(status.success(), "a host that is asked to end ends well: {status}");
    }

    /// Starts the host again, once the one before it is heard out. A host does not start on a full disk.
    async fn start(&mut self) {
        self.lab.host.free_disk();
        for receiver in &self.receivers {
            receiver.hears_out().await;
        }
        self.lab.host.start().await;
    }
}

/// How long the chaos goes on.
enum Length {
    Rounds(usize),
    For(Duration),
}

impl Length {
    fn given() -> Length {
        match given("CHAOS_SECONDS") {
            Some(seconds) => Length::For(Duration::from_secs(seconds)),
            None => {
                Length::Rounds(given("CHAOS_ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).expect("a count")))
            }
        }
    }

    fn is_over(&self, rounds: usize, elapsed: Duration) -> bool {
        match self {
            Length::Rounds(most) => rounds >= *most,
            Length::For(time) => elapsed >= *time,
        }
    }
}

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name} is {text:?}: {error}")))
}

struct ShownOnFailure(u64);

impl Drop for ShownOnFailure {
    #[expect(clippy::print_stderr, reason = "the test runner shows what a failing test prints")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("these were the choices of CHAOS_SEED={}", self.0);
        }
    }
}
