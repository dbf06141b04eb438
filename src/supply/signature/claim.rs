//! A signed statement, and the readers of the files beside a driver.

use std::io;
use std::path::Path;

/// Something that is signed: one signature, over this message.
pub(super) struct Claim<'a> {
    pub(super) message: &'a [u8],
    pub(super) signature: Vec<u8>,
    /// Where it was found, for messages.
    pub(super) place: String,
}

/// What was read, or a note that it could not be.
pub(super) fn unless<T>(read: io::Result<T>, path: &Path, found: &mut Vec<String>) -> Option<T> {
    read.map_err(|error| found.push(format!("{}: it can't be read: {error}", file_name(path)))).ok()
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
