//! Why a cassette cannot be read or written.

use std::io;
use std::path::PathBuf;

/// The form of the files; a host reads no later one.
pub const VERSION: u32 = 1;

/// The most bytes of one file: several times a page of 1,000 in the most talkative of formats.
pub(super) const MOST_FILE_BYTES: u64 = 64 << 20;

/// The most cassettes of one directory: enough for every state and error of any provider.
pub(super) const MOST_FILES: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", .path.display())]
    NotWritten { path: PathBuf, source: io::Error },
    #[error("{} has {found} bytes; a cassette and each file of a body have at most {MOST_FILE_BYTES}", .path.display())]
    TooLarge { path: PathBuf, found: u64 },
    #[error("there are more than {MOST_FILES} cassettes in {}: put them into several directories", .0.display())]
    TooMany(PathBuf),
    /// The message says in which line.
    #[error("{} is not a cassette: {source}", .path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{} is a cassette of format {found}, but this host reads format {VERSION}: update the host", .path.display())]
    TooNew { path: PathBuf, found: u32 },
    #[error("{}: {what}", .path.display())]
    Invalid { path: PathBuf, what: String },
}
