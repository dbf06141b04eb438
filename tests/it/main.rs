//! The tracker from outside: its binary, its HTTP surface and its command line, against real receivers and
//! real providers on the loopback. `make test` makes what these tests need: the drivers, and a virtual
//! environment with moto, an EC2 API that really starts and stops instances.

mod api;
mod sandbox;
mod support;
mod tidy;
