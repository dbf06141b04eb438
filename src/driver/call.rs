//! One call of a driver: all pages of a list in one sandbox, within the limits of a poll.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bindings::{DriverPre, inventory};
use super::egress::Egress;
use super::engine::{Engine, Slot};
use super::grants::{Grants, Origin, Reach};
use super::load::DriverInfo;
use super::memory::{ListMemory, PollMemory, SandboxMemory};
use super::meter::Meter;
use super::page::{self, Checks, Left, Page};
use super::sandbox::{Running, Sandbox, guest_account};
use super::wire::Paged;
use super::{CallError, CallFailure, Coverage, Listing, Target, Usage};
use crate::clock::Stopwatch;
use crate::model::{Kind, Resource, Timestamp};

/// A loaded driver.
pub struct Driver {
    pub(super) info: DriverInfo,
    pub(super) pre: DriverPre<Sandbox>,
    pub(super) grants: Grants,
    pub(super) engine: Engine,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("info", &self.info).finish_non_exhaustive()
    }
}

/// How far a call goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    AllPages,
    FirstPage,
}

impl Driver {
    pub fn info(&self) -> &DriverInfo {
        &self.info
    }

    /// Lists all of an account's resources of one kind: every page, in one fresh sandbox.
    pub async fn list(&self, target: &Target, kind: Kind) -> Result<Listing, CallFailure> {
        self.call(target, kind, Extent::AllPages, None).await
    }

    /// The same, or only what changed since then, as the driver likes; for one that gives deltas.
    pub async fn list_since(
        &self,
        target: &Target,
        kind: Kind,
        since: Option<Timestamp>,
    ) -> Result<Listing, CallFailure> {
        self.call(target, kind, Extent::AllPages, since.filter(|_| self.info.delta)).await
    }

    /// Asks the provider, by one page of realms, whether it accepts the account's credentials. An account
    /// that is accepted but may not list realms is accepted.
    pub async fn prove(&self, target: &Target) -> Result<(), CallFailure> {
        match self.call(target, Kind::Realm, Extent::FirstPage, None).await {
            Ok(_) | Err(CallFailure { error: CallError::Forbidden(_), .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a sandbox for the target and throws it away: what every poll pays before it asks anything.
    pub async fn make_sandbox(&self, target: &Target) -> Result<(), CallError> {
        let _slot = self.engine.slot().await;
        let memory = self.engine.memory().admit().await;
        let _memory = SandboxMemory(Arc::clone(&memory));
        let egress = self.egress(target, &memory)?;
        let meter = Arc::new(Meter::new(self.engine.limits().cpu_per_page));
        Running::start(&self.engine, &self.pre, Some((target, egress)), (&meter, &memory)).await.map(drop)
    }

    fn egress(&self, target: &Target, memory: &Arc<PollMemory>) -> Result<Arc<Egress>, CallError> {
        let endpoint = Origin::parse(&target.endpoint).ok();
        let reach = Reach::of_account(&self.grants, endpoint, target.endpoint_source);
        Egress::new(&self.info, target, reach, (self.engine.clients(), self.engine.limits()), Arc::clone(memory))
            .map(Arc::new)
            .map_err(|error| CallError::InvalidAccount(error.to_string()))
    }

    async fn call(
        &self,
        target: &Target,
        kind: Kind,
        extent: Extent,
        since: Option<Timestamp>,
    ) -> Result<Listing, CallFailure> {
        let slot = self.engine.slot().await;
        let memory = self.engine.memory().admit().await;
        let spent = SandboxMemory(Arc::clone(&memory));
        let stopwatch = Stopwatch::start();
        let limits = self.engine.limits();
        let egress = match self.egress(target, &memory) {
            Ok(egress) => egress,
            Err(error) => return Err(CallFailure { error, usage: Usage::default() }),
        };
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
            since,
            egress: Arc::clone(&egress),
            meter: Arc::clone(&meter),
            taken: Arc::clone(&taken),
        };
        let listing = self.engine.lane().run((&self.info.digest, &target.key, kind), &meter, pages.list());
        let mut listing = pin!(tokio::time::timeout(limits.poll_timeout, listing));
        // Looked at before it is dropped with all that waits in it.
        let listed = match listing.as_mut().await {
            Ok(Ok(listed)) => listed,
            Ok(Err(ended)) => match ended.try_into_panic() {
                // A fault of the host's, which is for whoever joins this poll.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::Crashed("the host is ending".into())),
            },
            Err(_) => Err(memory.waiting().unwrap_or_else(|| CallError::Limit {
                limit: "the time of a poll",
                setting: "poll_timeout",
                value: format!("{:?}", limits.poll_timeout),
            })),
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
    pre: DriverPre<Sandbox>,
    target: Target,
    kind: Kind,
    extent: Extent,
    /// Since when changes are enough.
    since: Option<Timestamp>,
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
        let mut running = Running::start(&self.engine, &self.pre, account, (&self.meter, memory)).await?;
        let mut list_memory = memory.hold(0).await?;
        let account = guest_account(&self.target);
        let mut query = inventory::Query { cursor: None, changed_since: self.since.map(Timestamp::as_millis) };
        let mut seen_cursors = HashSet::new();
        let mut resources = Vec::new();
        let mut coverage = None;
        let (mut pages, mut bytes) = (0, 0);
        let mut counted = Duration::ZERO;
        loop {
            if pages >= limits.pages {
                let value = limits.pages.to_string();
                return Err(CallError::Limit { limit: "pages", setting: "pages", value });
            }
            let listed = resources.len() + removed_count(&coverage);
            let left = Left { items: limits.items.saturating_sub(listed), bytes };
            let page = one_page(&mut running, self.kind, &account, &query, Checks::new(limits, left)).await;
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
                watch.paged(Paged { resources: &page.resources, is_last: page.next.is_none(), cpu });
            }
            if resources.is_empty() {
                resources = page.resources;
            } else {
                resources.extend(page.resources);
            }
            coverage = Some(joined(coverage, page.coverage, self.since)?);
            match page.next {
                Some(next) if self.extent == Extent::AllPages => {
                    memory.grow(size_of::<String>() + next.len()).await?;
                    if !seen_cursors.insert(next.clone()) {
                        let error = "it gave the same cursor twice: the list would never end";
                        return Err(CallError::Contract(error.into()));
                    }
                    query.cursor = Some(next);
                }
                _ => {
                    sort_by_id(&mut resources);
                    let mut coverage = coverage.unwrap_or(Coverage::Complete);
                    if let Coverage::Delta(removed) = &mut coverage {
                        removed.sort();
                        removed.dedup();
                        // What is listed is there, whatever else was said of it.
                        removed.retain(|id| resources.binary_search_by(|resource| resource.id().cmp(id)).is_err());
                    }
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
    checks: Checks<'_>,
) -> Result<Page, CallError> {
    match kind {
        Kind::Instance => page::instances(running.list_instances(account, query).await?, checks),
        Kind::Realm => page::realms(running.list_realms(account, query).await?, checks),
    }
}

/// The coverage of the pages so far and of the next one.
fn joined(before: Option<Coverage>, page: Coverage, since: Option<Timestamp>) -> Result<Coverage, CallError> {
    if since.is_none() && matches!(page, Coverage::Delta(_)) {
        return Err(CallError::Contract("it gave a delta, and was not asked for what has changed".into()));
    }
    match (before, page) {
        (None, page) => Ok(page),
        (Some(Coverage::Delta(mut removed)), Coverage::Delta(more)) => {
            removed.extend(more);
            Ok(Coverage::Delta(removed))
        }
        // Not everything was listed, whatever the other pages are: what is there is as it says.
        (Some(Coverage::Partial(why)), _) | (Some(_), Coverage::Partial(why)) => Ok(Coverage::Partial(why)),
        (Some(Coverage::Complete), Coverage::Complete) => Ok(Coverage::Complete),
        (Some(_), _) => Err(CallError::Contract("some pages of the list are a delta, and others are not".into())),
    }
}

fn removed_count(coverage: &Option<Coverage>) -> usize {
    match coverage {
        Some(Coverage::Delta(removed)) => removed.len(),
        _ => 0,
    }
}

/// Sorts by id, and keeps of each id the last one listed: a provider that pages while things change may
/// show one twice.
fn sort_by_id(resources: &mut Vec<Resource>) {
    if !resources.is_sorted_by(|a, b| a.id() < b.id()) {
        sort_in_place(resources);
    }
    resources.dedup_by(|later, earlier| {
        let same = later.id() == earlier.id();
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

/// Sorts by id, and those of one id by their place, without a copy of half the list, which a stable sort of the standard
/// library makes: a list may be most of what a host has in memory.
fn sort_in_place(resources: &mut [Resource]) {
    const PREFIX: usize = 16;
    let id = |place: usize| resources[place].id();
    // Nearly all ids differ within their first bytes, which are compared where they lie together.
    let mut order: Vec<([u8; PREFIX], usize)> = (0..resources.len())
        .map(|place| {
            let bytes = id(place).as_str().as_bytes();
            let mut prefix = [0; PREFIX];
            let length = bytes.len().min(PREFIX);
            prefix[..length].copy_from_slice(&bytes[..length]);
            (prefix, place)
        })
        .collect();
    order.sort_unstable_by(|(prefix, place), (other_prefix, other)| {
        prefix.cmp(other_prefix).then_with(|| id(*place).cmp(id(*other))).then(place.cmp(other))
    });
    // Cycle by cycle, each gets the one that belongs in its place.
    for first in 0..order.len() {
        let mut place = first;
        loop {
            let from = std::mem::replace(&mut order[place].1, place);
            if from == first || from == place {
                break;
            }
            resources.swap(place, from);
            place = from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Realm, RealmState, ResourceId};

    #[test]
    fn pages_are_all_of_a_delta_or_none() {
        let delta =
            |ids: &[&str]| Coverage::Delta(ids.iter().map(|id| ResourceId::parse(*id).expect("an id")).collect());
        let partial = || Coverage::Partial("a zone is down".into());
        let since = Some(Timestamp::from_millis(1));
        let check = |before: Option<Coverage>, page: Coverage, since, want: Result<Coverage, &str>| {
            let got = joined(before, page, since).map_err(|error| error.to_string());
            match want {
                Ok(want) => assert_eq!(got, Ok(want)),
                Err(part) => assert!(got.as_ref().is_err_and(|error| error.contains(part)), "{got:?}"),
            }
        };
        check(None, delta(&["a"]), since, Ok(delta(&["a"])));
        check(None, delta(&[]), None, Err("was not asked"));
        check(None, Coverage::Complete, since, Ok(Coverage::Complete));
        check(Some(delta(&["a"])), delta(&["b"]), since, Ok(delta(&["a", "b"])));
        check(Some(delta(&["a"])), Coverage::Complete, since, Err("others are not"));
        check(Some(Coverage::Complete), delta(&[]), since, Err("others are not"));
        check(Some(delta(&["a"])), partial(), since, Ok(partial()));
        check(Some(partial()), Coverage::Complete, None, Ok(partial()));
        check(Some(Coverage::Complete), partial(), None, Ok(partial()));
    }

    #[test]
    fn of_an_id_listed_twice_the_later_is_kept() {
        let realm = |id: &str, name: &str| {
            Resource::Realm(Realm {
                id: ResourceId::parse(id).expect(id),
                name: name.into(),
                state: RealmState::Available,
                limit: None,
            })
        };
        let mut resources = vec![realm("b", "1"), realm("a", "2"), realm("b", "3"), realm("b", "4")];
        sort_by_id(&mut resources);
        assert_eq!(resources, [realm("a", "2"), realm("b", "4")]);

        // As a stable sort has them, whatever their order and however long a beginning they share.
        for count in [0_usize, 1, 2, 3, 50, 500] {
            for step in [1, 7, 11, 13] {
                let listed: Vec<Resource> = (0..count)
                    .map(|number| {
                        let id = (number * step) % (count / 2 + 1);
                        let prefix = if number % 2 == 0 { "i-0123456789abcdef" } else { "i" };
                        realm(&format!("{prefix}{id}"), &number.to_string())
                    })
                    .collect();
                let mut wanted = listed.clone();
                wanted.sort_by(|a, b| a.id().cmp(b.id()));
                let mut sorted = listed;
                sort_in_place(&mut sorted);
                assert_eq!(sorted, wanted, "{count} {step}");
            }
        }
    }
}
