//! The test environment of drivers: an engine with a clock that stands at a cassette's time, and runs that record
//! everything that a check may need.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::ManualClock;
use crate::driver::wire::{Asked, Exchange, Paged, Tape, Watch, Wire};
use crate::driver::{
    CallFailure, Coverage, Driver, Engine, EngineError, Limits, Listing, LoadError, Target, Usage, compile, load,
};
use crate::kit::cassette::{Cassette, Row};
use crate::model::{Resource, ResourceId, Timestamp};
use crate::net::{ClientSettings, Clients, NetError};
use crate::supply::DriverFile;

/// How many sandboxes a stand has: runs are made one after the other.
const SANDBOXES: u32 = 2;
/// How much of what a driver prints is kept, in bytes: log lines are bounded by the host.
const MOST_PRINTED: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum StandError {
    #[error("cannot create HTTP clients: {0}")]
    Clients(#[from] NetError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("cannot store compiled code: {0}")]
    Cache(#[source] std::io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// What every stand for one file is made of.
pub(super) struct Blank {
    pub(super) file: DriverFile,
    pub(super) limits: Limits,
    compile: compile::Settings,
    /// Where its compiled code is kept.
    compiled: PathBuf,
    /// Is gone with this, and the compiled code in it.
    _folder: Option<tempfile::TempDir>,
    runs: AtomicU32,
}

/// A loaded driver, in an engine that nothing else has used.
pub(super) struct Stand {
    pub(super) driver: Driver,
    engine: Engine,
    clock: Arc<ManualClock>,
}

/// One list as it was called for.
pub(super) struct Run {
    pub(super) outcome: Result<Listing, CallFailure>,
    /// The ids on each page, in the driver's order.
    pub(super) pages: Vec<Vec<ResourceId>>,
    /// How many entries its pages say that they leave out.
    pub(super) omitted: u64,
    /// The most CPU time that one page took.
    pub(super) page_cpu: Duration,
    /// For how long it slept.
    pub(super) slept: Duration,
    /// The most memory that the sandbox had by the end of each page.
    pub(super) memory: Vec<usize>,
    /// Why requests were not let out.
    pub(super) refused: Vec<String>,
    /// Its log lines, and behind them, as if it were one, what it printed.
    pub(super) logged: Vec<String>,
    pub(super) asked: Vec<Asked>,
    /// The same requests as they would go out, with the fake secrets in them.
    pub(super) sent: Vec<Asked>,
}

impl Blank {
    pub(super) fn new(
        path: &Path,
        limits: &Limits,
        (compile, compiled): (&compile::Settings, Option<&Path>),
    ) -> Result<Blank, StandError> {
        let compile = compile.clone();
        let file = DriverFile::read(path, limits.driver_bytes).map_err(LoadError::from)?;
        let limits = Limits { sandboxes: SANDBOXES, ..limits.clone() };
        let (compiled, folder) = match compiled {
            Some(directory) => (directory.to_owned(), None),
            None => {
                let folder = tempfile::tempdir().map_err(StandError::Cache)?;
                (folder.path().join("compiled"), Some(folder))
            }
        };
        Ok(Blank { file, limits, compile, compiled, _folder: folder, runs: AtomicU32::new(0) })
    }

    /// A new engine with the driver loaded, granted what it declares.
    pub(super) async fn stand(&self) -> Result<Stand, StandError> {
        self.stand_at(Timestamp::from_millis(0)).await
    }

    /// The same with its clock at another time while the driver describes itself.
    pub(super) async fn stand_at(&self, at: Timestamp) -> Result<Stand, StandError> {
        self.made(at, self.limits.clone()).await
    }

    /// The same under other limits.
    pub(super) async fn stand_under(&self, limits: Limits) -> Result<Stand, StandError> {
        self.made(Timestamp::from_millis(0), limits).await
    }

    async fn made(&self, at: Timestamp, limits: Limits) -> Result<Stand, StandError> {
        let clock = Arc::new(ManualClock::new(at));
        let clients = Clients::new(ClientSettings::default())?;
        let engine = Engine::skipping_sleep(self.compile.clone(), limits, clients, &clock)?;
        let cache = load::cache(&engine, &self.compiled).map_err(StandError::Cache)?;
        let driver = load::unapproved_file(&engine, &self.file, Some(&cache)).await?;
        Ok(Stand { driver, engine, clock })
    }

    /// How many lists were called for.
    pub(super) fn runs(&self) -> u32 {
        self.runs.load(Ordering::Relaxed)
    }

    /// An account that nobody was before: it has no session.
    pub(super) fn stranger(&self, cassette: &Cassette) -> Target {
        let mut target = cassette.target();
        // The driver's name in it is not told to the driver, and sessions are kept by it.
        target.key.driver = format!("suite-{}", self.runs.fetch_add(1, Ordering::Relaxed));
        target
    }
}

impl Stand {
    /// The clock that its sandboxes are lent.
    pub(super) fn clock(&self) -> Arc<ManualClock> {
        Arc::clone(&self.clock)
    }

    /// Lists by a cassette, in an account without a session.
    pub(super) async fn list(&self, blank: &Blank, cassette: &Cassette, tape: impl Tape) -> Run {
        self.list_as(blank.stranger(cassette), cassette, Arc::new(tape)).await
    }

    /// The same as an account that may have a session.
    pub(super) async fn list_as(&self, target: Target, cassette: &Cassette, tape: Arc<dyn Tape>) -> Run {
        self.noted(target, cassette, tape, async |target| match cassette.ids.as_slice() {
            ids if !ids.is_empty() && self.driver.info().by_id => self.driver.list_ids(&target, ids).await,
            _ => self.driver.list_since(&target, cassette.list, cassette.since).await,
        })
        .await
    }

    /// Asks for single instances.
    pub(super) async fn list_ids(
        &self,
        target: Target,
        cassette: &Cassette,
        ids: &[ResourceId],
        tape: Arc<dyn Tape>,
    ) -> Run {
        self.noted(target, cassette, tape, async |target| self.driver.list_ids(&target, ids).await).await
    }

    /// Makes a call, and notes what is seen of it.
    async fn noted(
        &self,
        target: Target,
        cassette: &Cassette,
        tape: Arc<dyn Tape>,
        call: impl AsyncFnOnce(Target) -> Result<Listing, CallFailure>,
    ) -> Run {
        self.clock.set(cassette.at);
        let notes = Arc::new(Notes::default());
        let wire = Wire { tape: Some(tape), watch: Some(Arc::clone(&notes) as Arc<_>), pulse: None };
        let outcome = call(Target { wire, ..target }).await;
        let noted = std::mem::take(&mut *notes.noted.lock().expect("invariant: no holder of this lock can panic"));
        let Noted { pages, omitted, page_cpu, slept, memory, refused, mut logged, printed, asked, sent } = noted;
        // A host's operator reads it as log lines are read.
        if !printed.is_empty() {
            logged.push(String::from_utf8_lossy(&printed).into_owned());
        }
        Run { outcome, pages, omitted, page_cpu, slept, memory, refused, logged, asked, sent }
    }

    /// Puts a token that is worth nothing in the place of all that an account's session has; says whether it
    /// has anything.
    pub(super) fn spoil_session(&self, target: &Target, token: &str) -> bool {
        self.engine.sessions().spoil(&target.key, token.as_bytes())
    }
}

impl Run {
    pub(super) fn usage(&self) -> Usage {
        match &self.outcome {
            Ok(listing) => listing.usage,
            Err(failure) => failure.usage,
        }
    }

    pub(super) fn resources(&self) -> &[Resource] {
        self.outcome.as_ref().map_or(&[], |listing| &listing.resources)
    }

    /// Everything that a driver gave back, for whoever looks for what should not be in it.
    pub(super) fn said(&self) -> String {
        let given = match &self.outcome {
            Ok(listing) => format!("{:?} {:?}", listing.resources, listing.coverage),
            Err(failure) => failure.to_string(),
        };
        format!("{given}\n{}", self.logged.join("\n"))
    }

    /// What came, for people.
    pub(super) fn came(&self) -> String {
        match &self.outcome {
            Ok(Listing { resources, coverage: Coverage::Complete, .. }) => {
                format!("a list of {} that says it is complete", resources.len())
            }
            Ok(Listing { resources, coverage: Coverage::Partial(why) | Coverage::Misfit(why), .. }) => {
                format!("a partial list of {} ({why})", resources.len())
            }
            Ok(Listing { resources, coverage: Coverage::Delta(removed), .. }) => {
                format!("a delta of {} that are there and {} that are gone", resources.len(), removed.len())
            }
            Err(failure) => format!("{} ({failure})", failure.error.code()),
        }
    }

    /// Whether it gave the same list, to the last field.
    pub(super) fn is_same(&self, other: &Run) -> bool {
        match (&self.outcome, &other.outcome) {
            (Ok(one), Ok(two)) => one.resources == two.resources && is_same_coverage(&one.coverage, &two.coverage),
            (Err(one), Err(two)) => one.error.code() == two.error.code(),
            _ => false,
        }
    }
}

/// What differs between two lists, by the first id at which they do.
pub(super) fn difference(before: &[Resource], now: &[Resource]) -> String {
    let by_id = |resources: &[Resource]| -> BTreeMap<String, Resource> {
        resources.iter().map(|resource| (resource.id().to_string(), resource.clone())).collect()
    };
    let (before, now) = (by_id(before), by_id(now));
    let gone: Vec<&str> = before.keys().filter(|id| !now.contains_key(*id)).map(String::as_str).collect();
    let new: Vec<&str> = now.keys().filter(|id| !before.contains_key(*id)).map(String::as_str).collect();
    if !gone.is_empty() || !new.is_empty() {
        let list = |ids: &[&str]| match ids {
            [] => "none".to_owned(),
            [first, second, rest @ ..] if rest.len() > 1 => format!("{first}, {second} and {} more", rest.len()),
            few => few.join(", "),
        };
        return format!("missing: {}; not there before: {}", list(&gone), list(&new));
    }
    let changed = before.iter().find(|(id, resource)| now.get(*id) != Some(resource));
    match changed {
        Some((id, resource)) => match now.get(id) {
            Some(other) => format!("{id} was {resource:?} and is {other:?}"),
            None => format!("{id} is missing"),
        },
        None => "nothing but how complete it says it is".to_owned(),
    }
}

/// Looks on, and writes down.
#[derive(Default)]
struct Notes {
    noted: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    pages: Vec<Vec<ResourceId>>,
    omitted: u64,
    page_cpu: Duration,
    slept: Duration,
    memory: Vec<usize>,
    refused: Vec<String>,
    logged: Vec<String>,
    printed: Vec<u8>,
    asked: Vec<Asked>,
    sent: Vec<Asked>,
}

impl Notes {
    fn note(&self, note: impl FnOnce(&mut Noted)) {
        note(&mut self.noted.lock().expect("invariant: no holder of this lock can panic"));
    }
}

impl Watch for Notes {
    fn saw(&self, exchange: Exchange) {
        self.note(|noted| noted.asked.push(exchange.asked));
    }

    fn would_send(&self, sent: &Asked) {
        self.note(|noted| noted.sent.push(sent.clone()));
    }

    fn refused(&self, why: &str) {
        self.note(|noted| noted.refused.push(why.to_owned()));
    }

    fn paged(&self, page: Paged<'_>) {
        self.note(|noted| {
            noted.pages.push(page.resources.iter().map(|resource| resource.id().clone()).collect());
            noted.omitted = noted.omitted.saturating_add(page.omitted);
            noted.page_cpu = noted.page_cpu.max(page.cpu);
            noted.memory.push(page.memory);
        });
    }

    fn slept(&self, time: Duration) {
        self.note(|noted| noted.slept = noted.slept.saturating_add(time));
    }

    fn logged(&self, line: &str) {
        self.note(|noted| noted.logged.push(line.to_owned()));
    }

    fn printed(&self, part: &[u8]) {
        self.note(|noted| {
            let room = MOST_PRINTED.saturating_sub(noted.printed.len());
            noted.printed.extend_from_slice(&part[..part.len().min(room)]);
        });
    }
}

/// What does not fit together need not be told in the same words: it names ids of the list.
pub(super) fn is_same_coverage(one: &Coverage, two: &Coverage) -> bool {
    one == two || matches!((one, two), (Coverage::Misfit(_), Coverage::Misfit(_)))
}

/// The ids that a list has.
pub(super) fn ids(resources: &[Resource]) -> HashSet<&str> {
    resources.iter().map(|resource| resource.id().as_str()).collect()
}

/// Whether two lists are the same but for the order of addresses and labels, which follows that of the answer.
pub(super) fn is_alike(one: &Run, other: &Run) -> bool {
    match (&one.outcome, &other.outcome) {
        (Ok(first), Ok(second)) => {
            is_same_coverage(&first.coverage, &second.coverage)
                && first.resources.len() == second.resources.len()
                && first.resources.iter().all(|row| Row::of(row).difference(&second.resources).is_none())
        }
        _ => false,
    }
}
