//! All outbound connections, of drivers and of callbacks: which addresses they may reach (pure), and pooled clients
//! that can reach no others.

pub mod client;
mod error;
mod failure;
pub mod home;
pub mod local;
mod pem;
pub mod policy;
mod resolver;
mod route;
mod trust;

pub use client::{Client, ClientSettings, Clients};
pub use error::NetError;
pub use failure::{SendError, SocketFault, TlsFault};
pub use pem::{Identity, PemError, PrivateRoots, RootsReach};
pub use policy::{AddressPolicy, AddressRefused};
pub use route::{Proxy, ProxyChoice, Route, Via};
