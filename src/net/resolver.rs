//! Names into addresses, the closed ones left out. It is the client's own resolver, so that the addresses
//! judged are the very ones connected to, and a name that changes its mind between a check and a connection
//! (rebinding) gains nothing.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::policy::{AddressPolicy, AddressRefused};

#[derive(Clone, Debug)]
pub(super) struct Resolver {
    pub(super) policy: Arc<AddressPolicy>,
    /// How many lookups may be under way, in all clients together: each holds a thread of the pool that
    /// the store works on too, and a name server that hangs must not take them all.
    pub(super) lookups: Arc<Semaphore>,
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
        self.lookup_with(move || (name.as_str(), 0).to_socket_addrs().map(Vec::from_iter)).await
    }

    /// The same with whatever answers in the system's place.
    async fn lookup_with(
        self,
        answer: impl FnOnce() -> std::io::Result<Vec<SocketAddr>> + Send + 'static,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let permit = self.lookups.acquire_owned().await.map_err(|_| ResolveError::Unresolved)?;
        let found = tokio::task::spawn_blocking(move || {
            // Held by the thread and not by the caller: a caller that gives up does not free the thread.
            let _permit = permit;
            answer()
        })
        .await;
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
        let resolver =
            Resolver { policy: Arc::new(AddressPolicy::default()), lookups: Arc::new(tokio::sync::Semaphore::new(1)) };
        let check = async |answer: &[&str], want: Result<&[&str], &str>| {
            let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
                texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
            };
            let found = addresses(answer);
            let got = resolver.clone().lookup_with(move || Ok(found)).await.map_err(|error| match error {
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
