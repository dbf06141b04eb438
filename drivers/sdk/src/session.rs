//! The account's small memory across polls, for what is costly to get again, such as a login token. The
//! host may forget any of it at any time: a driver that finds nothing logs in again.

use crate::host;

/// What was put under `key`, where the host still has it.
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::session_get(key)
}

/// Keeps a value of at most 16 KiB for so many seconds.
pub fn put(key: &str, value: &[u8], lifetime_seconds: u32) {
    host::session_put(key, value, lifetime_seconds);
}
