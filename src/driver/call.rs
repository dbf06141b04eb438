//! One call of a driver: all pages of a list in one sandbox, within the limits of a poll.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bindings::inventory;
use super::contract::Contract;
use super::engine::{Engine, Slot};
use super::error::{CallError, CallFailure};
use super::gather::Gathering;
use super::info::DriverInfo;
use super::limits::Limits;
use super::limits::memory::{ListMemory, Owner, PollMemory, SandboxMemory};
use super::limits::meter::Meter;
use super::listing::{Coverage, Listing};
use super::page::{self, Checks, Left, Page};
use super::requests::egress::Egress;
use super::requests::wire::Paged;
use super::sandbox::guest::GuestPre;
use super::sandbox::{Running, guest_account};
use super::target::Target;
use super::usage::Usage;
use crate::clock::Stopwatch;
use crate::model::word::Words;
use crate::model::{AccountKey, Kind, MOST_IDS, Resource, ResourceId, Timestamp};
use crate::supply::grants::{Endpoint, Grants, Reach};

/// A loaded driver.
pub struct Driver {
    pub(super) info: DriverInfo,
    pub(super) pre: GuestPre,
    pub(super) grants: Grants,
    pub(super) engine: Engine,
}

impl Driver {
    /// Forgets what drivers remember of an account.
    pub fn forget_sessions(&self, account: &AccountKey) {
        self.engine.sessions().forget(account);
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("info", &self.info).finish_non_exhaustive()
    }
}

/// What a call is for.
enum Asked {
    Everything,
    /// Changes since then are enough.
    Since(Timestamp),
    /// These instances alone.
    Ids(Vec<ResourceId>),
}

/// How far a call goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    AllPages,
    FirstPage,
}

impl Driver {
    /// The contract that it is built for.
    pub(crate) fn contract(&self) -> Contract {
        self.pre.contract()
    }

    pub fn info(&self) -> &DriverInfo {
        &self.info
    }

    /// Lists all of an account's resources of one kind: every page, in one fresh sandbox.
    pub async fn list(&self, target: &Target, kind: Kind) -> Result<Listing, CallFailure> {
        self.call(target, kind, Extent::AllPages, Asked::Everything).await
    }

    /// The same, or only what changed since then, as the driver likes; for one that gives deltas.
    pub async fn list_since(
        &self,
        target: &Target,
        kind: Kind,
        since: Option<Timestamp>,
    ) -> Result<Listing, CallFailure> {
        let asked = since.filter(|_| self.info.delta).map_or(Asked::Everything, Asked::Since);
        self.call(target, kind, Extent::AllPages, asked).await
    }

    /// Those of these instances that the provider has, for a driver that lists by id. At most `MOST_IDS` are asked for. What
    /// is not listed may be there all the same, so the list has no coverage that counts.
    pub async fn list_ids(&self, target: &Target, ids: &[ResourceId]) -> Result<Listing, CallFailure> {
        let ids = ids[..ids.len().min(MOST_IDS)].to_vec();
        self.call(target, Kind::Instance, Extent::AllPages, Asked::Ids(ids)).await
    }

    /// Asks the provider, by one page of realms, whether it accepts the account's credentials. An account
    /// that is accepted but may not list realms is accepted.
    pub async fn prove(&self, target: &Target) -> Result<(), CallFailure> {
        match self.call(target, Kind::Realm, Extent::FirstPage, Asked::Everything).await {
            Ok(_) | Err(CallFailure { error: CallError::Forbidden(_), .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Whether a call for this account has begun and waits for memory, of which other polls have taken all.
    pub fn waits_for_memory(&self, account: &AccountKey, kind: Kind) -> bool {
        self.engine.memory().is_waited_for(account, kind)
    }

    /// Makes a sandbox for the target and throws it away: what every poll pays before it asks anything.
    pub async fn make_sandbox(&self, target: &Target) -> Result<(), CallError> {
        let _slot = self.engine.slot().await;
        let memory = self.engine.memory().admit(None).await;
        let _memory = SandboxMemory(Arc::clone(&memory));
        let egress = self.egress(target, &memory)?;
        let meter = Arc::new(Meter::new(self.engine.limits().cpu_per_page));
        Running::start(self.engine.host(), &self.pre, Some((target, egress)), (&meter, &memory)).await.map(drop)
    }

    fn egress(&self, target: &Target, memory: &Arc<PollMemory>) -> Result<Arc<Egress>, CallError> {
        let endpoints = std::iter::once(&target.endpoint).chain(target.roles.values().map(|role| &role.endpoint));
        let endpoints = endpoints.map(|endpoint| Endpoint::parse(endpoint).ok());
        let reach = Reach::of_account(&self.grants, endpoints, target.endpoint_source);
        let shared = (self.engine.clients(), self.engine.limits(), self.engine.clock());
        Egress::new(&self.info, target, reach, shared, Arc::clone(memory))
            .map(Arc::new)
            .map_err(|error| CallError::InvalidAccount(error.to_string()))
    }

    async fn call(&self, target: &Target, kind: Kind, extent: Extent, asked: Asked) -> Result<Listing, CallFailure> {
        let slot = self.engine.slot().await;
        let (account, endpoint) = (target.key.clone(), target.endpoint.clone());
        let memory = self.engine.memory().admit(Some(Owner { account, kind, endpoint })).await;
        let spent = SandboxMemory(Arc::clone(&memory));
        let stopwatch = Stopwatch::start();
        let limits = self.engine.limits();
        let egress = match self.egress(target, &memory) {
            Ok(egress) => egress,
            Err(error) => return Err(CallFailure { error, usage: Usage::default() }),
        };
        if extent == Extent::AllPages {
            // A list is asked for with the credentials that are in force; a proof may be of any.
            self.engine.sessions().keep_credentials(egress.session(), &target.mark());
        }
        let meter = Arc::new(Meter::new(limits.cpu_per_page));
        let taken = Arc::new(Mutex::new(Usage::default()));
        let pages = Pages {
            _slot: slot,
            memory: spent,
            engine: self.engine.clone(),
            pre: self.pre.clone(),
            target: target.clone(),
            kind,
            extent,
            asked,
            egress: Arc::clone(&egress),
            meter: Arc::clone(&meter),
            taken: Arc::clone(&taken),
        };
        let listing = self.engine.lane().run((&self.info.digest, &target.key, kind), &meter, pages.list());
        let mut listing = pin!(tokio::time::timeout(limits.poll_timeout, listing));
        // Looked at before it is dropped with all that waits in it.
        let ended = tokio::select! {
            biased;
            ended = listing.as_mut() => ended,
            error = memory.displaced() => Ok(Ok(Err(error))),
        };
        let listed = match ended {
            Ok(Ok(listed)) => listed,
            Ok(Err(ended)) => Err(CallError::of_task(&ended)),
            Err(_) => Err(memory.waiting().unwrap_or_else(|| CallError::poll_timeout(limits))),
        };
        let mut usage = *taken.lock().expect("invariant: no holder of this lock can panic");
        usage.requests = egress.requests();
        usage.cpu = meter.total();
        usage.wall = stopwatch.elapsed();
        match listed {
            Ok((resources, coverage, memory)) => Ok(Listing { resources, coverage, usage, memory }),
            Err(error) => Err(CallFailure { error, usage }),
        }
    }
}

/// What it takes to list all pages. It is whole in itself, since it may go on in another lane than it began in.
struct Pages {
    /// Given back when the sandbox is gone, and not when nobody waits for it any more. So is its memory.
    _slot: Slot,
    memory: SandboxMemory,
    engine: Engine,
    pre: GuestPre,
    target: Target,
    kind: Kind,
    extent: Extent,
    asked: Asked,
    egress: Arc<Egress>,
    meter: Arc<Meter>,
    /// What the poll took so far, for when it is given up.
    taken: Arc<Mutex<Usage>>,
}

impl Pages {
    /// All resources, sorted.
    async fn list(self) -> Result<(Vec<Resource>, Coverage, ListMemory), CallError> {
        let limits = self.engine.limits();
        let account = Some((&self.target, Arc::clone(&self.egress)));
        let memory = &self.memory.0;
        let mut running = Running::start(self.engine.host(), &self.pre, account, (&self.meter, memory)).await?;
        let mut list_memory = memory.hold(0).await?;
        let account = guest_account(&self.target);
        let mut query = inventory::Query { cursor: None, changed_since: None, ids: Vec::new() };
        let mut gathering = match &self.asked {
            Asked::Everything => Gathering::new(None, limits.empty_pages),
            Asked::Since(since) => {
                query.changed_since = Some(since.as_millis());
                Gathering::new(Some(*since), limits.empty_pages)
            }
            Asked::Ids(ids) => {
                query.ids = ids.iter().map(|id| id.as_str().to_owned()).collect();
                Gathering::of(ids, limits.empty_pages)
            }
        };
        let mut words = Words::default();
        let (mut pages, mut bytes) = (0, 0);
        let mut counted = Duration::ZERO;
        loop {
            if pages >= limits.pages {
                let value = limits.pages.to_string();
                return Err(CallError::Limit { limit: "pages", setting: "pages", value });
            }
            let left = Left { items: limits.items.saturating_sub(gathering.count()), bytes };
            let page =
                one_page(&mut running, self.kind, &account, &query, (&self.egress, limits, left), &mut words).await;
            pages += 1;
            let usage = Usage { pages, memory: running.peak_memory(), ..Usage::default() };
            *self.taken.lock().expect("invariant: no holder of this lock can panic") = usage;
            let cpu = self.meter.total().saturating_sub(counted);
            counted += cpu;
            let page = page?;
            // The pages before have room by now, and this one is no larger than a guest.
            list_memory.grow(page.bytes.saturating_sub(bytes)).await?;
            bytes = page.bytes;
            if let Some(watch) = self.egress.watch() {
                let (is_last, omitted) = (page.next.is_none(), page.omitted);
                let memory = running.peak_memory();
                watch.paged(Paged { resources: &page.resources, is_last, omitted, cpu, memory });
            }
            match gathering.take(page)? {
                Some(next) if self.extent == Extent::AllPages => {
                    memory.grow(size_of::<String>() + next.len()).await?;
                    query.cursor = Some(next);
                }
                _ => {
                    let (resources, coverage) = gathering.finish();
                    return Ok((resources, coverage, list_memory.into()));
                }
            }
        }
    }
}

async fn one_page(
    running: &mut Running,
    kind: Kind,
    account: &inventory::Account,
    query: &inventory::Query,
    (egress, limits, left): (&Egress, &Limits, Left),
    words: &mut Words,
) -> Result<Page, CallError> {
    match kind {
        Kind::Instance => {
            let page = running.list_instances(account, query).await?;
            egress.outcome().with_withheld(|withheld| page::instances(page, Checks::new(limits, left, withheld, words)))
        }
        Kind::Realm => {
            let page = running.list_realms(account, query).await?;
            egress.outcome().with_withheld(|withheld| page::realms(page, Checks::new(limits, left, withheld, words)))
        }
    }
}
