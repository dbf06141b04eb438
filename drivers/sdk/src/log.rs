//! Into the host's log, with driver and account named beside each line. Capped there in lines and length.

pub use crate::bindings::tracker::driver::log::Level;
use crate::host;

pub fn debug(message: &str) {
    host::log(Level::Debug, message);
}

pub fn info(message: &str) {
    host::log(Level::Info, message);
}

pub fn warn(message: &str) {
    host::log(Level::Warn, message);
}

pub fn error(message: &str) {
    host::log(Level::Error, message);
}
