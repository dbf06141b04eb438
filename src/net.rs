//! Every outbound connection, drivers' and callbacks' alike: which addresses may be reached (pure), and
//! pooled clients that can reach no other.

pub mod client;
pub mod local;
pub mod policy;
mod resolver;
mod trust;

pub use client::{Client, ClientSettings, Clients, NetError, SendError};
pub use policy::{AddressPolicy, AddressRefused};
