//! Why a host does not start, or did not end well.

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
    #[error("can't listen on {address}: {source}{}", hint(.source))]
    Listen { address: SocketAddr, source: io::Error },
    #[error("can't listen on {address} for operators: {source} (setting: operator.listen)")]
    ListenForOperators { address: SocketAddr, source: io::Error },
    #[error("can't make the data directory {}: {source} (setting: data_dir)", .path.display())]
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
        io::ErrorKind::AddrInUse => ". Another program has it, perhaps another tracker: end that one, or set `listen`",
        io::ErrorKind::PermissionDenied => ". Ports below 1024 are the system's: set `listen` to a higher one",
        io::ErrorKind::AddrNotAvailable => ". It is no address of this machine: set `listen`",
        _ => " (setting: listen)",
    }
}
