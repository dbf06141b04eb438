//! Why a key can't be used, or a secret cannot be opened.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("cannot read the key file {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot create the key file {}: {source}", .path.display())]
    NotMade { path: PathBuf, source: io::Error },
    #[error(
        "cannot write the key file {}: {source}. If another program writes the file, put a new key from \
         `openssl rand -base64 32` into its first line, keep the other lines, and run this again", .path.display()
    )]
    NotReplaced { path: PathBuf, source: io::Error },
    #[error("another command is changing the key file {}: run this command again when it has ended", .path.display())]
    Busy { path: PathBuf },
    #[error("cannot lock the folder of the key file {}: {source}", .path.display())]
    Unlockable { path: PathBuf, source: io::Error },
    #[error("cannot flush the key file {} to disk, so nothing is sealed with its new key: {source}", .path.display())]
    NotFlushed { path: PathBuf, source: io::Error },
    #[error("there are {keys} keys, the maximum: run `tracker key prune`, which removes those that are not needed")]
    Full { keys: usize },
    #[error(
        "the key file {} can be read by others (mode {mode:o}): it holds the key to every stored credential. Run: \
         chmod 600 {}", .path.display(), .path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "{origin}: key {number} is not a key: expected base64 of 32 bytes, as `openssl rand -base64 32` prints; if there are \
         several, the current one is first"
    )]
    Malformed { origin: String, number: usize },
    #[error("{origin} has more than {most} keys: remove the last ones, which are the oldest")]
    TooMany { origin: String, most: usize },
    #[error("a stored secret does not open with the host's key: it is damaged")]
    WrongKey,
    #[error("the system's random number generator failed: {0}")]
    NoRandomness(getrandom::Error),
}
