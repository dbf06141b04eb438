//! Tracker polls cloud accounts through sandboxed WebAssembly drivers, works out what changed, and
//! tells every client that asked. ARCHITECTURE.md is the map; this is the table of contents, from the
//! rooms that know nothing of the others up to the one that joins them all.

pub mod clock;
pub mod mask;
pub mod metrics;
pub mod model;
pub mod vault;

pub mod net;
pub mod store;
pub mod supply;

pub mod driver;
pub mod rotation;

pub mod kit;
pub mod roster;

pub mod api;
pub mod deliver;
pub mod operator;
pub mod poll;
pub mod retention;

pub mod config;
pub mod serve;

pub mod cli;

/// See `Cargo.toml` for why.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
