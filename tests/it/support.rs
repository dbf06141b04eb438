//! The harness: the real binary in a folder of its own, real receivers of callbacks, a real EC2 API, and a
//! provider that misbehaves on request. Everything listens on loopback and ends with the test that started it.

pub(crate) mod chance;
pub(crate) mod client;
pub(crate) mod cloud;
pub(crate) mod disk;
pub(crate) mod droplets;
pub(crate) mod gate;
pub(crate) mod host;
pub(crate) mod lab;
pub(crate) mod lines;
pub(crate) mod moto;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod provider;
pub(crate) mod receiver;
pub(crate) mod registry;
pub(crate) mod replayed;
pub(crate) mod shelf;
pub(crate) mod shifted;
pub(crate) mod terminal;
pub(crate) mod verifier;
pub(crate) mod wait;
pub(crate) mod watched;

pub(crate) use client::Client;
pub(crate) use host::{Host, Setup, built_driver, built_drivers, built_faulty, free_port};
pub(crate) use lab::Lab;
pub(crate) use lines::Lines;
pub(crate) use moto::Moto;
pub(crate) use process::{Ended, Running, tracker};
pub(crate) use provider::{Misbehaviour, Provider};
pub(crate) use receiver::{Receiver, Reply};
pub(crate) use registry::Registry;
pub(crate) use shelf::Shelf;
pub(crate) use terminal::at_terminal;
pub(crate) use verifier::Verifier;
pub(crate) use watched::Watched;
