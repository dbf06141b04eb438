//! What a driver for Tracker is written with.
//!
//! A driver answers two questions about a cloud account: which instances are there, and which realms. This
//! is a whole one, for a provider that answers with JSON:
//!
//! ```
//! use serde::Deserialize;
//! use tracker_driver_sdk::http::Request;
//! use tracker_driver_sdk::{
//!     Account, Description, Driver, Error, Instance, InstanceState, Page, Provider, Query, Realm,
//! };
//!
//! struct Example;
//! tracker_driver_sdk::export_driver!(Example);
//!
//! #[derive(Deserialize)]
//! struct Server {
//!     id: String,
//!     name: String,
//!     status: String,
//! }
//!
//! impl Driver for Example {
//!     fn describe() -> Description {
//!         Description {
//!             providers: vec![Provider::new("main", "https://api.cloud.example")],
//!             endpoints: vec!["https://api.cloud.example".into()],
//!             ..Description::new("example", "Example Cloud", env!("CARGO_PKG_VERSION"))
//!         }
//!     }
//!
//!     fn list_instances(account: &Account, _query: &Query) -> Result<Page<Instance>, Error> {
//!         let url = format!("{}/servers", account.endpoint);
//!         let servers: Vec<Server> = Request::get(url).basic_auth()?.send()?.success()?.json()?;
//!         Ok(Page::complete(servers.into_iter().map(instance).collect()))
//!     }
//!
//!     fn list_realms(_account: &Account, _query: &Query) -> Result<Page<Realm>, Error> {
//!         Ok(Page::complete(vec![]))
//!     }
//! }
//!
//! fn instance(server: Server) -> Instance {
//!     let state = match server.status.as_str() {
//!         "active" => InstanceState::Running,
//!         "off" => InstanceState::Stopped,
//!         _ => InstanceState::Unknown,
//!     };
//!     Instance { name: Some(server.name), ..Instance::new(server.id, state, server.status) }
//! }
//!
//! # // What a test of it looks like, with the pretend host of `testing`.
//! # use tracker_driver_sdk::testing::{Answer, Host};
//! let host = Host::new()
//!     .secret("password", "s3cret")
//!     .answer(Answer::new(200).body(r#"[{"id": "7", "name": "web", "status": "active"}]"#));
//! let account = Account::new("main", "https://api.cloud.example", "me");
//! let (page, seen) = host.run(|| Example::list_instances(&account, &Query::default()));
//! assert_eq!(page.unwrap().items[0].state, InstanceState::Running);
//! assert_eq!(seen.sent[0].url, "https://api.cloud.example/servers");
//! ```
//!
//! Built with `cargo build --release --target wasm32-wasip2` and `crate-type = ["cdylib"]` it is a component.
//! A driver never sees a secret: [`secret`] says how it uses one all the same.

pub mod addresses;
pub mod bindings;
pub mod driver;
pub mod error;
mod host;
pub mod http;
pub mod json;
pub mod log;
pub mod model;
pub mod parts;
pub mod secret;
pub mod session;
pub mod sigv4;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
pub mod xml;

pub use driver::Driver;
pub use error::{Error, Throttle};
pub use model::{
    Account, AccountOption, Address, AddressKind, Coverage, Description, EndpointRole, Features, Instance,
    InstanceState, Page, Provider, Query, Realm, RealmState, SecretKind, Timestamp,
};
