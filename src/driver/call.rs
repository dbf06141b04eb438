//! One call of a driver: all pages of a list in one sandbox, within the limits of a poll.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::bindings::{DriverPre, inventory};
use super::egress::Egress;
use super::engine::{Engine, Slot};
use super::grants::{Grants, Origin, Reach};
use super::load::DriverInfo;
use super::meter::Meter;
use super::page::{self, Checks, Left, Page};
use super::sandbox::{Running, Sandbox, guest_account};
use super::wire::Paged;
use super::{CallError, CallFailure, Coverage, Listing, Target, Usage};
use crate::clock::Stopwatch;
use crate::model::{Kind, Resource};

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
        self.call(target, kind, Extent::AllPages).await
    }

    /// Asks the provider, by one page of realms, whether it accepts the account's credentials. An account
    /// that is accepted but may not list realms is accepted.
    pub async fn prove(&self, target: &Target) -> Result<(), CallFailure> {
        match self.call(target, Kind::Realm, Extent::FirstPage).await {
            Ok(_) | Err(CallFailure { error: CallError::Forbidden(_), .. }) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Makes a sandbox for the target and throws it away: what every poll pays before it asks anything.
    pub async fn make_sandbox(&self, target: &Target) -> Result<(), CallError> {
        let _slot = self.engine.slot().await;
        let egress = self.egress(target)?;
        let meter = Arc::new(Meter::new(self.engine.limits().cpu_per_page));
        Running::start(&self.engine, &self.pre, Some((target, egress)), &meter).await.map(drop)
    }

    fn egress(&self, target: &Target) -> Result<Arc<Egress>, CallError> {
        let endpoint = Origin::parse(&target.endpoint).ok();
        let reach = Reach::of_account(&self.grants, endpoint, target.endpoint_source);
        Egress::new(&self.info, target, reach, self.engine.clients(), self.engine.limits())
            .map(Arc::new)
            .map_err(|error| CallError::InvalidAccount(error.to_string()))
    }

    async fn call(&self, target: &Target, kind: Kind, extent: Extent) -> Result<Listing, CallFailure> {
        let slot = self.engine.slot().await;
        let stopwatch = Stopwatch::start();
        let limits = self.engine.limits();
        let egress = match self.egress(target) {
            Ok(egress) => egress,
            Err(error) => return Err(CallFailure { error, usage: Usage::default() }),
        };
        let meter = Arc::new(Meter::new(limits.cpu_per_page));
        let taken = Arc::new(Mutex::new(Usage::default()));
        let pages = Pages {
            _slot: slot,
            engine: self.engine.clone(),
            pre: self.pre.clone(),
            target: target.clone(),
            kind,
            extent,
            egress: Arc::clone(&egress),
            meter: Arc::clone(&meter),
            taken: Arc::clone(&taken),
        };
        let listing = self.engine.lane().run((&self.info.digest, &target.key, kind), &meter, pages.list());
        let listed = match tokio::time::timeout(limits.poll_timeout, listing).await {
            Ok(Ok(listed)) => listed,
            Ok(Err(ended)) => match ended.try_into_panic() {
                // A fault of the host's, which is for whoever joins this poll.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(CallError::Crashed("the host is ending".into())),
            },
            Err(_) => Err(CallError::Limit {
                limit: "the time of a poll",
                setting: "poll_timeout",
                value: format!("{:?}", limits.poll_timeout),
            }),
        };
        let mut usage = *taken.lock().expect("invariant: no holder of this lock can panic");
        usage.requests = egress.requests();
        usage.cpu = meter.total();
        usage.wall = stopwatch.elapsed();
        match listed {
            Ok((resources, coverage)) => Ok(Listing { resources, coverage, usage }),
            Err(error) => Err(CallFailure { error, usage }),
        }
    }
}

/// What it takes to list all pages. It is whole in itself, since it may go on in another lane than it began in.
struct Pages {
    /// Given back when the sandbox is gone, and not when nobody waits for it any more.
    _slot: Slot,
    engine: Engine,
    pre: DriverPre<Sandbox>,
    target: Target,
    kind: Kind,
    extent: Extent,
    egress: Arc<Egress>,
    meter: Arc<Meter>,
    /// What the poll took so far, for when it is given up.
    taken: Arc<Mutex<Usage>>,
}

impl Pages {
    /// All resources, sorted.
    async fn list(self) -> Result<(Vec<Resource>, Coverage), CallError> {
        let limits = self.engine.limits();
        let account = Some((&self.target, Arc::clone(&self.egress)));
        let mut running = Running::start(&self.engine, &self.pre, account, &self.meter).await?;
        let account = guest_account(&self.target);
        let mut query = inventory::Query { cursor: None, changed_since: None };
        let mut seen_cursors = HashSet::new();
        let mut resources = Vec::new();
        let mut coverage = Coverage::Complete;
        let (mut pages, mut bytes) = (0, 0);
        let mut counted = Duration::ZERO;
        loop {
            if pages >= limits.pages {
                let value = limits.pages.to_string();
                return Err(CallError::Limit { limit: "pages", setting: "pages", value });
            }
            let left = Left { items: limits.items.saturating_sub(resources.len()), bytes };
            let page = one_page(&mut running, self.kind, &account, &query, Checks::new(limits, left)).await;
            pages += 1;
            let usage = Usage { pages, memory: running.peak_memory(), ..Usage::default() };
            *self.taken.lock().expect("invariant: no holder of this lock can panic") = usage;
            let cpu = self.meter.total().saturating_sub(counted);
            counted += cpu;
            let page = page?;
            bytes = page.bytes;
            if let Some(watch) = self.egress.watch() {
                watch.paged(Paged { resources: &page.resources, is_last: page.next.is_none(), cpu });
            }
            if resources.is_empty() {
                resources = page.resources;
            } else {
                resources.extend(page.resources);
            }
            if coverage == Coverage::Complete {
                coverage = page.coverage;
            }
            match page.next {
                Some(next) if self.extent == Extent::AllPages => {
                    if !seen_cursors.insert(next.clone()) {
                        let error = "it gave the same cursor twice: the list would never end";
                        return Err(CallError::Contract(error.into()));
                    }
                    query.cursor = Some(next);
                }
                _ => {
                    sort_by_id(&mut resources);
                    return Ok((resources, coverage));
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

/// Sorts by id, and keeps of each id the last one listed: a provider that pages while things change may
/// show one twice.
fn sort_by_id(resources: &mut Vec<Resource>) {
    resources.sort_by(|a, b| a.id().cmp(b.id()));
    resources.dedup_by(|later, earlier| {
        let same = later.id() == earlier.id();
        if same {
            std::mem::swap(later, earlier);
        }
        same
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Realm, RealmState, ResourceId};

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
    }
}
