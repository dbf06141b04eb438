//! Tracker polls cloud accounts through sandboxed WebAssembly drivers, detects changes, and notifies its clients.
//! ARCHITECTURE.md is the map. This file lists the modules, from those that depend on no other to the one that connects
//! all of them.

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
