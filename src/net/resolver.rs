//! Resolves names to addresses without the denied ones. The client uses it as its own resolver. So it connects exactly
//! to the checked addresses, and a name that changes between a check and a connection (DNS rebinding) gains nothing.

use std::collections::{HashMap, HashSet};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::policy::{AddressPolicy, AddressRefused};

/// How long the lookup of a name may take until its name server is held to hang.
const PROMPT: Duration = Duration::from_secs(1);
/// How many names are remembered that resolved soon, some 100 bytes each. Beyond that all are forgotten, and each is looked
/// up once in the share of the others.
const MOST_REMEMBERED: usize = 10_000;

#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) policy: Arc<AddressPolicy>,
    pub(super) lookups: Arc<Lookups>,
}

/// How many lookups may be under way, in all clients together: each holds a thread of the pool that the store works on
/// too, and a name server that hangs must not take them all. Names of which it is not known that they resolve soon have half
/// of the threads, one each.
#[derive(Debug)]
pub(super) struct Lookups {
    all: Arc<Semaphore>,
    doubtful: Arc<Semaphore>,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    /// Those that resolved soon the last time.
    prompt: HashSet<String>,
    /// Of the others, those that are being looked up or wait for that.
    busy: HashMap<String, Arc<Semaphore>>,
}

/// The right to look one name up, held by the thread that does.
struct Permits {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Lookups {
    pub(super) fn new(most: usize) -> Lookups {
        // Semaphores have a limit of their own, far beyond any sensible setting.
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        Lookups { all: semaphore(most), doubtful: semaphore(most / 2), names: Mutex::default() }
    }

    async fn permits(&self, name: &str) -> Result<Permits, ResolveError> {
        let own = {
            let mut names = self.names();
            // Nobody looks these up any more.
            names.busy.retain(|_, own| Arc::strong_count(own) > 1);
            match names.prompt.contains(name) {
                true => None,
                false => {
                    Some(Arc::clone(names.busy.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1)))))
                }
            }
        };
        let doubtful = own.map(|own| [own, Arc::clone(&self.doubtful)]);
        let mut permits = Vec::new();
        for semaphore in doubtful.into_iter().flatten().chain([Arc::clone(&self.all)]) {
            permits.push(semaphore.acquire_owned().await.map_err(|_| ResolveError::Unresolved)?);
        }
        Ok(Permits { _permits: permits })
    }

    fn note(&self, name: &str, prompt: bool) {
        let mut names = self.names();
        if !prompt {
            names.prompt.remove(name);
        } else if !names.prompt.contains(name) {
            if names.prompt.len() >= MOST_REMEMBERED {
                names.prompt.clear();
            }
            names.prompt.insert(name.to_owned());
        }
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().expect("invariant: no holder of this lock can panic")
    }
}

/// Found again, by its type, in the error that the client gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResolveError {
    #[error(transparent)]
    Refused(AddressRefused),
    #[error("the name does not resolve")]
    Unresolved,
}

impl Resolver {
    /// The addresses of a name that may be connected to; at least one.
    pub(super) async fn lookup(self, name: String) -> Result<Vec<SocketAddr>, ResolveError> {
        self.lookup_with(name, |name| (name, 0).to_socket_addrs().map(Vec::from_iter)).await
    }

    /// The same with whatever answers in the system's place.
    async fn lookup_with(
        self,
        name: String,
        answer: impl FnOnce(&str) -> std::io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let permits = self.lookups.permits(&name).await?;
        let asked = name.clone();
        let mut lookup = tokio::task::spawn_blocking(move || {
            // Held by the thread and not by the caller: a caller that gives up does not free the thread.
            let _permits = permits;
            answer(&asked)
        });
        let found = match tokio::time::timeout(PROMPT, &mut lookup).await {
            Ok(found) => {
                self.lookups.note(&name, matches!(&found, Ok(Ok(_))));
                found
            }
            Err(_) => {
                self.lookups.note(&name, false);
                lookup.await
            }
        };
        let Ok(Ok(found)) = found else {
            return Err(ResolveError::Unresolved);
        };
        allowed(&self.policy, found)
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let found = resolver.lookup(name.as_str().to_owned()).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn allowed(policy: &AddressPolicy, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ResolveError> {
    let mut refused = None;
    let mut open = Vec::with_capacity(found.len());
    for address in found {
        match policy.check(address.ip()) {
            Ok(()) => open.push(address),
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        _ if !open.is_empty() => Ok(open),
        Some(refusal) => Err(ResolveError::Refused(refusal)),
        None => Err(ResolveError::Unresolved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name server that is out to do harm answers with a public address when a name is checked, and with one behind
    /// the host when it is connected to. The client looks a name up for each connection through this resolver and
    /// connects to what it gives, so each answer is judged and there is nothing in between.
    #[tokio::test]
    async fn each_answer_of_a_name_that_changes_its_mind_is_judged() {
        let resolver = Resolver { policy: Arc::new(AddressPolicy::default()), lookups: Arc::new(Lookups::new(1)) };
        let check = async |answer: &[&str], want: Result<&[&str], &str>| {
            let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
            };
            let found = addresses(answer);
            let got =
                resolver.clone().lookup_with("name".into(), move |_| Ok(found)).await.map_err(|error| match error {
                    ResolveError::Refused(refused) => refused.address.to_string(),
                    ResolveError::Unresolved => "nothing".into(),
                });
            assert_eq!(got, want.map(addresses).map_err(str::to_owned), "{answer:?}");
        };
        check(&["1.1.1.1"], Ok(&["1.1.1.1"])).await;
        check(&["127.0.0.1"], Err("127.0.0.1")).await;
        check(&["169.254.169.254", "1.1.1.1"], Ok(&["1.1.1.1"])).await;
        check(&["::ffff:169.254.169.254"], Err("::ffff:169.254.169.254")).await;
        check(&["64:ff9b::a9fe:a9fe"], Err("64:ff9b::a9fe:a9fe")).await;
        check(&[], Err("nothing")).await;
        check(&["1.1.1.1"], Ok(&["1.1.1.1"])).await;
    }

    #[tokio::test]
    async fn names_that_hang_leave_threads_to_names_that_resolve() {
        let policy = AddressPolicy::opening(vec!["127.0.0.0/8".parse().expect("a range")]);
        let resolver = Resolver { policy: Arc::new(policy), lookups: Arc::new(Lookups::new(4)) };
        let found = || Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]);
        resolver.clone().lookup_with("known".into(), move |_| found()).await.expect("found");
        let begun = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (mut ends, mut lookups) = (Vec::new(), Vec::new());
        for number in 0..20 {
            let (end, ended) = std::sync::mpsc::channel::<()>();
            let begun = Arc::clone(&begun);
            let answer = move |_: &str| {
                begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                // An error, once the test lets go of the other end.
                let _ = ended.recv();
                found()
            };
            ends.push(end);
            lookups.push(tokio::spawn(resolver.clone().lookup_with(format!("hangs{}", number % 10), answer)));
        }
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        resolver.clone().lookup_with("known".into(), move |_| found()).await.expect("found");
        assert!(begun.load(std::sync::atomic::Ordering::SeqCst) <= 2, "half of the threads");
        drop(ends);
        for lookup in lookups {
            lookup.await.expect("ended").expect("found");
        }
    }

    #[test]
    fn closed_addresses_of_a_name_are_left_out() {
        let check = |found: &[&str], want: Result<&[&str], Option<&str>>| {
            let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
            };
            let got = allowed(&AddressPolicy::default(), addresses(found)).map_err(|error| match error {
                ResolveError::Refused(refused) => Some(refused.address.to_string()),
                ResolveError::Unresolved => None,
            });
            assert_eq!(got, want.map(addresses).map_err(|address| address.map(str::to_owned)), "{found:?}");
        };
        check(&["1.1.1.1"], Ok(&["1.1.1.1"]));
        check(&["127.0.0.1", "1.1.1.1", "::1", "2606:4700::1"], Ok(&["1.1.1.1", "2606:4700::1"]));
        check(&["10.0.0.1", "::1"], Err(Some("10.0.0.1")));
        check(&["::ffff:10.0.0.1"], Err(Some("::ffff:10.0.0.1")));
        check(&[], Err(None));
    }
}
