//! Why a host does not start, or ended with an error.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::drivers::DriversError;
use super::key::KeyError;
use crate::net::NetError;
use crate::store::StoreError;
use crate::vault::VaultError;

/// Why a host does not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on {address}: {source}{}", hint(.source))]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot listen on {address} for operators: {source} (setting: operator.listen)")]
    ListenForOperators { address: SocketAddr, source: io::Error },
    #[error("cannot create the data directory {}: {source} (setting: data_dir)", .path.display())]
    DataDirectory { path: PathBuf, source: io::Error },
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Drivers(#[from] DriversError),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error("the API ended: {0}")]
    Api(io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ". Another program uses it, perhaps another host: stop that one, or set `listen`",
        io::ErrorKind::PermissionDenied => ". Ports below 1024 are the system's: set `listen` to a higher one",
        io::ErrorKind::AddrNotAvailable => ". It is not an address of this machine: set `listen`",
        _ => " (setting: listen)",
    }
}
