//! The key file, while only this process changes it. A change is a read, a decision and a write. If two processes
//! changed the file at the same time, one would overwrite the other's key, although secrets may already be sealed with
//! it. So each process takes a lock first, including a process that makes the store name a key from the file.
//!
//! The lock is on the folder. It leaves no file behind, works if a different program writes the key file, and remains
//! valid when the file is replaced.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use secrecy::zeroize::Zeroizing;

use super::error::VaultError;
use super::keyring::{HostKey, Keyring};

/// How often a lock that somebody else has is tried again, and how many times: ten seconds in all. Who holds it writes a few
/// hundred bytes, and asks a host or its store one question.
const TRIED_EVERY: Duration = Duration::from_millis(20);
const MOST_TRIES: u32 = 500;

/// Released when it is dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct KeyFile {
    /// As the configuration names it.
    named: PathBuf,
    /// The file itself: a link to it stays one.
    path: PathBuf,
    /// Holds the lock. None where the folder can't be read: then nothing in it can be replaced either, by this user.
    folder: Option<File>,
}

impl KeyFile {
    /// Waits for others that change the file. The folder has to be there, the file need not.
    pub fn lock(path: &Path) -> Result<KeyFile, VaultError> {
        KeyFile::lock_within(path, MOST_TRIES)
    }

    /// The same, from where a thread must not be blocked.
    pub async fn lock_elsewhere(path: &Path) -> Result<KeyFile, VaultError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || KeyFile::lock(&path))
            .await
            .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
    }

    fn lock_within(named: &Path, most_tries: u32) -> Result<KeyFile, VaultError> {
        let failed = |source| VaultError::Unlockable { path: named.to_owned(), source };
        let path = whole(named).map_err(failed)?;
        let folder = match File::open(folder_of(&path)) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(KeyFile { named: named.to_owned(), path, folder: None });
            }
            Err(source) => return Err(failed(source)),
        };
        for _ in 0..most_tries {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(KeyFile { named: named.to_owned(), path, folder: Some(folder) }),
                Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(TRIED_EVERY),
                Err(error) => return Err(failed(error.into())),
            }
        }
        Err(VaultError::Busy { path: named.to_owned() })
    }

    /// The keys, if there is such a file.
    pub fn read(&self) -> Result<Option<Keyring>, VaultError> {
        Keyring::read(&self.named)
    }

    /// Makes a key and the file that has it, mode 0600. There must be no such file.
    pub fn make(&self) -> Result<Keyring, VaultError> {
        let keyring = Keyring(vec![HostKey::random()?]);
        let made = || {
            let new = self.write_beside(&keyring)?;
            rename_to_nothing(&new, &self.path).inspect_err(|_| drop(std::fs::remove_file(&new)))?;
            self.flush_folder()
        };
        made().map_err(|source| VaultError::NotMade { path: self.named.clone(), source })?;
        Ok(keyring)
    }

    /// Puts these keys in the place of the file's. A power cut leaves the one or the other.
    pub fn replace(&self, keyring: &Keyring) -> Result<(), VaultError> {
        let replaced = || {
            std::fs::metadata(&self.path)?;
            let new = self.write_beside(keyring)?;
            std::fs::rename(&new, &self.path).inspect_err(|_| drop(std::fs::remove_file(&new)))?;
            self.flush_folder()
        };
        replaced().map_err(|source| VaultError::NotReplaced { path: self.named.clone(), source })
    }

    /// Has the file outlive a power cut, whoever wrote it: before anything is sealed with its first key.
    pub fn flush(&self) -> Result<(), VaultError> {
        let flushed = File::open(&self.path).and_then(|file| file.sync_all());
        let flushed = flushed.and_then(|()| self.folder.as_ref().map_or(Ok(()), File::sync_all));
        match flushed {
            // A file system that writes nothing, or not by itself.
            Err(error) if is_no_matter(&error) => Ok(()),
            flushed => flushed.map_err(|source| VaultError::NotFlushed { path: self.named.clone(), source }),
        }
    }

    /// Writes the keys into a file of another name, and gives that. What a process that was killed has left there is removed:
    /// nobody else writes one.
    fn write_beside(&self, keyring: &Keyring) -> io::Result<PathBuf> {
        self.remove_left()?;
        let mut number = [0; 8];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let new = self.path.with_file_name(self.name_beside(&format!("{:016x}", u64::from_ne_bytes(number))));
        let written = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(keyring.text().as_bytes())?;
            file.sync_all()
        };
        written().inspect_err(|_| drop(std::fs::remove_file(&new)))?;
        Ok(new)
    }

    fn name_beside(&self, number: &str) -> OsString {
        let mut name = OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(format!(".{number}.new"));
        name
    }

    fn remove_left(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(folder_of(&self.path))? {
            let entry = entry?;
            let name = entry.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".new")).and_then(|name| name.rsplit('.').next());
            if number.is_some_and(|number| number.len() == 16 && self.name_beside(number) == name) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn flush_folder(&self) -> io::Result<()> {
        match &self.folder {
            Some(folder) => folder.sync_all(),
            None => File::open(folder_of(&self.path))?.sync_all(),
        }
    }
}

impl Keyring {
    /// Makes a key and the file that has it, with its folder. There must be no such file.
    pub fn make(path: &Path) -> Result<Keyring, VaultError> {
        make_folder(path)?;
        KeyFile::lock(path)?.make()
    }

    /// As a key file has them.
    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for key in self.keys() {
            key.write(&mut text);
            text.push('\n');
        }
        text
    }
}

/// Makes the folder that a key file is to be in.
pub fn make_folder(path: &Path) -> Result<(), VaultError> {
    std::fs::create_dir_all(folder_of(path)).map_err(|source| VaultError::NotMade { path: path.to_owned(), source })
}

/// The path of the file itself, be it there or not.
fn whole(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            Ok(folder_of(path).canonicalize()?.join(name))
        }
        found => found,
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_no_matter(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::INVAL | Errno::ROFS | Errno::NOSYS | Errno::OPNOTSUPP))
}

/// Renames a file to a name that nothing has.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that does not know how: it is told by a look at what is there.
        Err(Errno::INVAL | Errno::NOSYS) => match std::fs::symlink_metadata(to) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => std::fs::rename(from, to),
        },
        renamed => Ok(renamed?),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Mutex;

    use super::*;
    use crate::model::KeyId;

    fn ids(path: &Path) -> Vec<KeyId> {
        Keyring::read(path).expect("read").expect("there").ids().collect()
    }

    #[test]
    fn the_key_file_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("data/key");
        assert!(Keyring::read(&path).expect("looked for").is_none());
        let made = Keyring::make(&path).expect("made");
        assert!(matches!(Keyring::make(&path), Err(VaultError::NotMade { .. })));
        let mode = || std::fs::metadata(&path).expect("there").permissions().mode() & 0o777;
        assert_eq!((ids(&path), mode()), (made.ids().collect(), 0o600));

        let two = made.with_new_key().expect("made");
        let left = folder.path().join("data/.key.0123456789abcdef.new");
        std::fs::write(&left, "left by a crash").expect("written");
        let of_somebody = folder.path().join("data/key.new");
        std::fs::write(&of_somebody, "a note").expect("written");
        KeyFile::lock(&path).expect("locked").replace(&two).expect("replaced");
        assert_eq!((ids(&path), mode()), (two.ids().collect(), 0o600));
        assert_eq!(ids(&path)[1], made.current().id);
        assert!(!left.exists() && of_somebody.exists());
        let one = two.keeping(|id| id == two.current().id);
        KeyFile::lock(&path).expect("locked").replace(&one).expect("replaced");
        assert_eq!(ids(&path), [two.current().id]);
        assert_eq!(std::fs::read_dir(folder.path().join("data")).expect("a folder").count(), 2);
        // A link to the file stays one, and has the same lock.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let locked = KeyFile::lock(&link).expect("locked");
        assert!(matches!(KeyFile::lock_within(&path, 2), Err(VaultError::Busy { .. })));
        locked.replace(&two).expect("replaced");
        assert!(link.is_symlink());
        assert_eq!(ids(&path).len(), 2);
        locked.flush().expect("flushed");
    }

    #[test]
    fn who_waits_for_the_lock_is_told_what_for() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        let held = KeyFile::lock(&path).expect("locked");
        let error = KeyFile::lock_within(&path, 2).expect_err("refused").to_string();
        assert!(error.contains("another command is changing the key file") && error.contains("key"), "{error}");
        drop(held);
        KeyFile::lock_within(&path, 2).expect("locked");
    }

    /// Each thread is a command. The store is a list of keys that it names: the current one first, and any number of old ones.
    #[test]
    fn no_key_that_a_store_names_is_lost_whoever_changes_the_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        let named = Mutex::new(vec![Keyring::make(&path).expect("made").current_id()]);
        let check = || {
            let (named, held) = (named.lock().expect("a list").clone(), ids(&path));
            assert!(named.iter().all(|id| held.contains(id)), "{named:?} {held:?}");
        };
        let rotate = || {
            let file = KeyFile::lock(&path).expect("locked");
            let keyring = file.read().expect("read").expect("there");
            if named.lock().expect("a list")[0] == keyring.current_id() && !keyring.is_full() {
                file.replace(&keyring.with_new_key().expect("made")).expect("replaced");
            }
            drop(file);
            // Like the host that is asked to begin.
            let file = KeyFile::lock(&path).expect("locked");
            let current = file.read().expect("read").expect("there").current_id();
            let mut named = named.lock().expect("a list");
            if named[0] != current {
                named.insert(0, current);
                named.truncate(3);
            }
        };
        let prune = || {
            let file = KeyFile::lock(&path).expect("locked");
            let keyring = file.read().expect("read").expect("there");
            let needed = named.lock().expect("a list").clone();
            if needed[0] == keyring.current_id() {
                file.replace(&keyring.keeping(|id| needed.contains(&id))).expect("replaced");
            }
        };
        std::thread::scope(|scope| {
            for number in 0..8 {
                let (rotate, prune) = (&rotate, &prune);
                scope.spawn(move || (0..25).for_each(|_| if number % 2 == 0 { rotate() } else { prune() }));
            }
        });
        check();
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left");
    }
}
