//! The tracker from outside: its binary, its HTTP surface and its command line, against real receivers and
//! real providers on the loopback. `make test` makes what these tests need: the drivers, and a virtual
//! environment with moto, an EC2 API that really starts and stops instances, and what others verify callbacks with.

mod api;
mod bad_config;
mod bad_driver;
mod bad_provider;
mod bad_requests;
mod budget;
mod cadence;
mod callers;
mod chaos;
mod clouds;
mod command_line;
mod conformance;
mod contracts;
mod curl;
mod delivery;
mod deltacloud;
mod digitalocean;
mod driver_tools;
mod ec2;
mod full_disk;
mod hetzner;
mod hooks;
mod hooks_resource;
mod hostile;
mod incremental;
mod mass_changes;
mod mock_world;
mod network;
mod openapi;
mod pages;
mod refresh;
mod reload;
mod routes;
mod sandbox;
mod scaffold;
mod secrets;
mod signatures;
mod sources;
mod stopping;
mod streams;
mod support;
mod tidy;
mod verifiers;
mod watch;
