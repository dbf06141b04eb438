//! Why a key can't be used, or a secret not be opened.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("can't read the key file {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("can't make the key file {}: {source}", .path.display())]
    NotMade { path: PathBuf, source: io::Error },
    #[error(
        "can't write the key file {} anew: {source}. Where it is kept elsewhere, put a new key there as its first line, \
         which `openssl rand -base64 32` prints, keep the lines that it has, and run this again", .path.display()
    )]
    NotReplaced { path: PathBuf, source: io::Error },
    #[error("another command is changing the key file {}: run this again once it has ended", .path.display())]
    Busy { path: PathBuf },
    #[error("can't lock the folder of the key file {}: {source}", .path.display())]
    Unlockable { path: PathBuf, source: io::Error },
    #[error("can't flush the key file {} to disk, and nothing is sealed with a key that may be lost: {source}", .path.display())]
    NotFlushed { path: PathBuf, source: io::Error },
    #[error("there are {keys} keys already: run `tracker key prune`, which removes those that the store does not need")]
    Full { keys: usize },
    #[error(
        "the key file {} can be read by others (mode {mode:o}): it holds the key to every stored credential. Run: \
         chmod 600 {}", .path.display(), .path.display()
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "{origin}: key {number} is not a key: expected base64 of 32 bytes, as `openssl rand -base64 32` prints; where there are \
         several, the current one stands first"
    )]
    Malformed { origin: String, number: usize },
    #[error("{origin} has more than {most} keys: remove the last ones, which are the oldest")]
    TooMany { origin: String, most: usize },
    #[error("a stored secret does not open with the host's key: it is damaged")]
    WrongKey,
    #[error("the system gave no randomness: {0}")]
    NoRandomness(getrandom::Error),
}
