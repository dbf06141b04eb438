//! What Oracle's answers mean. Nothing in here makes a request: everything takes what was answered and gives what it says.

mod identity;
mod instance;
mod network;

pub use identity::{Compartment, Domain, compartments, domains};
pub use instance::{Entry, instance, state};
pub use network::{Attached, Attachment, Attachments, Ipv6, PrivateIp, PublicIp, Vnic, address, attach, ipv6};
