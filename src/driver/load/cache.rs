//! Compiled drivers on disk, keyed by the digest of the source and the engine's settings, so that nothing is compiled
//! twice. The directory has to be as trusted as the host's own binary. It is created for the host's user only, and a
//! file gets its final name only when the compiler has written it completely.
//!
//! Damaged machine code would crash the host. So the file name contains the SHA-256 of the machine code, and a file
//! that does not match its name is removed; its driver is compiled again. The host runs a copy without a name, which
//! nobody else can write, because code is read from its file page by page for as long as the host runs.

use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Seek as _, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, open};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::LoadError;
use crate::driver::message::message;
use crate::supply::DriverFile;

/// How the name of a draft ends.
const DRAFT: &str = "new";
/// How the name of a compiled component ends.
const COMPILED: &str = "cwasm";
/// Entries of the directory that are looked at: many times the drivers that a host has.
const MOST_LOOKED_AT: usize = 10_000;
/// How often a draft is created again after another process removed it before it was locked.
const MOST_DRAFTS: usize = 100;

/// Makes the names of drafts unique within this process, also across caches.
static NEXT: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    /// Of the engine's version and settings: what another engine compiled is not looked at.
    engine_mark: u64,
    /// What is to go with it, where it is kept for one command only.
    _folder: Option<TempDir>,
}

impl Cache {
    /// Uses a directory, which is made if it is not there. One that others may write to is refused: what
    /// is in it is run as it is.
    pub(in crate::driver) fn open(directory: &Path, engine: &Engine) -> io::Result<Cache> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let metadata = fs::metadata(directory)?;
        if metadata.mode() & 0o022 != 0 || !is_own(&metadata) {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others may write to it: it must be the host's own, run chmod 700 on it",
            ));
        }
        remove_abandoned(directory);
        Ok(Cache::at(directory.to_owned(), engine, None))
    }

    /// The cache of a host that this process may not be: a command that an operator runs, perhaps as another user.
    /// None where what it made would be in the host's way.
    pub(in crate::driver) fn of_host(directory: &Path, engine: &Engine) -> Option<Cache> {
        let directory = std::path::absolute(directory).ok()?;
        let there = directory.ancestors().find_map(|path| fs::metadata(path).ok())?;
        is_own(&there).then(|| Cache::open(&directory, engine).ok()).flatten()
    }

    /// A cache that goes when it is dropped. What was loaded from it stays.
    pub(in crate::driver) fn passing(engine: &Engine) -> io::Result<Cache> {
        let private = fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("tracker-compiled-").permissions(private).tempdir()?;
        Ok(Cache::at(folder.path().to_owned(), engine, Some(folder)))
    }

    fn at(directory: PathBuf, engine: &Engine, folder: Option<TempDir>) -> Cache {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Cache { directory, engine_mark: hasher.finish(), _folder: folder }
    }

    /// What the names of all files begin with that were compiled from this.
    fn name_of(&self, sha256: &str) -> String {
        format!("{sha256}-{:016x}", self.engine_mark)
    }

    /// The compiled component of a driver file, if there is one that matches its digest.
    pub(in crate::driver) fn component(&self, engine: &Engine, sha256: &str) -> Option<Component> {
        let of = self.name_of(sha256);
        let entries = fs::read_dir(&self.directory).ok()?;
        entries.take(MOST_LOOKED_AT).filter_map(|entry| Some(entry.ok()?.path())).find_map(|path| {
            let digest = compiled_digest(&path, &of)?;
            let error = match load(engine, &path, &digest) {
                Ok(Some(component)) => return Some(component),
                Ok(None) => {
                    tracing::warn!(file = %path.display(), "a compiled driver was damaged on disk; compiling it again");
                    // The new file has another name if the compiler's output differs: without this, both would stay.
                    let _ = fs::remove_file(&path);
                    return None;
                }
                Err(error) => error,
            };
            tracing::warn!(file = %path.display(), "cannot load a compiled driver; compiling it again: {error:#}");
            None
        })
    }

    /// Where a compiler may write, until it is kept or dropped.
    pub(in crate::driver) fn draft(&self, file: &DriverFile) -> Result<Draft, LoadError> {
        let draft = self.locked(&self.name_of(&file.sha256))?;
        let failed = |error: &io::Error| LoadError::unkept(&draft.path, error);
        // Machine code takes more than what it is made of. On a disk without room for that, nothing is compiled in vain.
        match fallocate(&draft.lock, FallocateFlags::KEEP_SIZE, 0, (file.bytes.len() as u64).max(1)) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(failed(&error.into())),
            // Not all file systems can tell.
            _ => Ok(draft),
        }
    }

    /// A new draft, locked, so that no other process removes it as abandoned.
    fn locked(&self, of: &str) -> Result<Draft, LoadError> {
        for _ in 0..MOST_DRAFTS {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = self.directory.join(format!("{of}.{}.{number}.{DRAFT}", std::process::id()));
            let unkept = |error: io::Error| LoadError::unkept(&path, &error);
            // A process that was killed may have had the same number.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600).custom_flags(no_wait());
            let lock = match options.open(&path) {
                Ok(lock) => lock,
                Err(error) if is_no_file(&path) => {
                    tracing::warn!(file = %path.display(), %error, "a driver cannot be compiled into something that is not a file");
                    continue;
                }
                Err(error) => return Err(unkept(error)),
            };
            // Until the file is locked, a process that opens the cache can remove it as abandoned.
            let is_locked = match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => true,
                Err(Errno::WOULDBLOCK) => false,
                Err(error) => return Err(unkept(error.into())),
            };
            if is_locked && is_at(&lock, &path) {
                return Ok(Draft { path, directory: self.directory.clone(), of: of.to_owned(), lock });
            }
        }
        let error = io::Error::other(
            "another process removes each new file from this directory: let one tracker use it at a time",
        );
        Err(LoadError::unkept(&self.directory, &error))
    }
}

/// Removes drafts that nobody writes any more, since a process that does not end by itself leaves them behind.
fn remove_abandoned(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for path in entries.take(MOST_LOOKED_AT).filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_draft(path))
    {
        // Who writes a draft holds its lock, which ends with the process.
        let Ok(file) = OpenOptions::new().write(true).custom_flags(no_wait()).open(&path) else { continue };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && fs::remove_file(&path).is_ok() {
            tracing::info!(file = %path.display(), "removed incomplete files of an earlier compilation");
        }
    }
}

/// `SHA256-MARK.PROCESS.NUMBER.new`
fn is_draft(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let [of, process, number, DRAFT] = name.split('.').collect::<Vec<_>>()[..] else { return false };
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    of.split_once('-').is_some_and(|(sha256, mark)| is_hex(sha256, 64) && is_hex(mark, 16))
        && is_number(process)
        && is_number(number)
}

/// `OF-DIGEST.cwasm`: the digest, if the file is one of these.
fn compiled_digest(path: &Path, of: &str) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_prefix(of)?.strip_prefix('-')?;
    let (digest, COMPILED) = name.split_once('.')? else { return None };
    Some(digest.to_owned())
}

/// Copies a file, and gives its SHA-256 in hexadecimal digits.
fn copy(from: &mut File, to: &mut impl Write) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            read => {
                digest.update(&buffer[..read]);
                to.write_all(&buffer[..read])?;
            }
        }
    }
    Ok(hex::encode(digest.finalize()))
}

/// Has nobody wait for the other end of a named pipe.
fn no_wait() -> i32 {
    i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0)
}

/// Whether something else than a file has this name, and would not make way for one.
fn is_no_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.is_file())
}

/// Opens a file for reading, if it is one.
fn open_file(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(no_wait()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file: remove it"));
    }
    Ok(file)
}

/// Whether the open file still has this name.
fn is_at(file: &File, path: &Path) -> bool {
    let of = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata().map(of), fs::metadata(path).map(of)), (Ok(file), Ok(path)) if file == path)
}

fn is_own(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// A file that is being written.
#[derive(Debug)]
pub(in crate::driver) struct Draft {
    path: PathBuf,
    directory: PathBuf,
    /// What its name begins with.
    of: String,
    /// Says that it is not abandoned.
    lock: File,
}

impl Draft {
    pub(in crate::driver) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, and loads it, if it still has what was compiled, of which this is the digest. Where something
    /// that is no file has the name, it is only loaded.
    pub(in crate::driver) fn keep(&self, engine: &Engine, digest: &str) -> Result<Component, LoadError> {
        let unkept = |error: io::Error| LoadError::unkept(&self.path, &error);
        let mut kept = self.directory.join(format!("{}-{digest}.{COMPILED}", self.of));
        match fs::rename(&self.path, &kept) {
            Ok(()) => {}
            Err(error) if is_no_file(&kept) => {
                tracing::warn!(
                    file = %kept.display(), %error,
                    "a compiled driver cannot be kept: something with its name is not a file; remove it, or the driver is \
                     compiled at each start"
                );
                kept.clone_from(&self.path);
            }
            Err(error) => return Err(unkept(error)),
        }
        let loaded =
            load(engine, &kept, digest).map_err(|error| match error.root_cause().downcast_ref::<io::Error>() {
                Some(error) => LoadError::unkept(&kept, error),
                // The compiler took it, and so all that can be wrong is how much of everything it has.
                None => LoadError::Unfit(message(format!("{error:#}"))),
            })?;
        loaded.ok_or_else(|| LoadError::unkept(&kept, &io::Error::other("it was changed after it was written")))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It is not there where it was kept.
        let _ = fs::remove_file(&self.path);
    }
}

/// Loads machine code; nothing where it does not have this digest.
fn load(engine: &Engine, path: &Path, digest: &str) -> wasmtime::Result<Option<Component>> {
    let mut file = open_file(path)?;
    let copied = unnamed_beside(path).and_then(|mut unnamed| Ok((copy(&mut file, &mut unnamed)?, unnamed)));
    if let Ok((found, unnamed)) = copied {
        if found != digest {
            return Ok(None);
        }
        // Where there is no /proc, it is loaded as where there are no such files.
        if let Ok(component) = map(engine, &unnamed) {
            return Ok(Some(component));
        }
    }
    // No room for the copy, or a file system without files that have no name: it is held in memory.
    let mut bytes = Vec::new();
    file.rewind()?;
    match copy(&mut file, &mut bytes)? == digest {
        true => in_memory(engine, &bytes).map(Some),
        false => Ok(None),
    }
}

/// A new file on the same disk, which goes when it is closed.
fn unnamed_beside(path: &Path) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?.into())
}

#[expect(unsafe_code, reason = "machine code is run as it is")]
fn map(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    // SAFETY: a compiler of this engine wrote what this is a copy of, as its digest shows. The copy has no name and is closed
    // here, so that nobody writes it while it is mapped.
    unsafe { Component::deserialize_file(engine, format!("/proc/self/fd/{}", file.as_raw_fd())) }
}

#[expect(unsafe_code, reason = "machine code is run as it is")]
fn in_memory(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: a compiler of this engine wrote it, as its digest shows.
    unsafe { Component::deserialize(engine, bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::limits::Limits;
    use crate::supply::sha256;

    fn folder_and_engine() -> (TempDir, Engine) {
        let folder = tempfile::tempdir().expect("folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("set");
        let engine = Engine::new(&Limits { sandboxes: 1, ..Limits::default() }.engine_config()).expect("engine");
        (folder, engine)
    }

    fn driver_file() -> DriverFile {
        DriverFile { bytes: std::sync::Arc::default(), sha256: "a".repeat(64) }
    }

    #[test]
    fn an_abandoned_draft_is_removed_and_nothing_else_is() {
        let (folder, engine) = folder_and_engine();
        let cache = Cache::open(folder.path(), &engine).expect("cache");
        let file = driver_file();
        let mark = cache.name_of(&file.sha256);
        let write = |name: &str| fs::write(folder.path().join(name), "x").expect("written");
        let others = [
            format!("{mark}-{}.cwasm", file.sha256),
            format!("{mark}.1.new"),
            format!("{mark}.1.x.new"),
            format!("{mark}.1.2.3.new"),
            "config.1.2.new".into(),
            "new".into(),
        ];
        others.iter().for_each(|name| write(name));
        write(&format!("{mark}.1.2.new"));
        write(&format!("{mark}.{}.7.new", std::process::id()));
        let under_way = cache.draft(&file).expect("draft");

        let again = Cache::open(folder.path(), &engine).expect("cache");
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .expect("read")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
            .collect();
        let mut want = others.to_vec();
        want.push(under_way.path().file_name().expect("a name").to_string_lossy().into_owned());
        left.sort();
        want.sort();
        assert_eq!(left, want);
        drop((under_way, again));
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), others.len());
    }

    #[test]
    fn a_damaged_file_is_removed_and_never_run() {
        let (folder, engine) = folder_and_engine();
        let cache = Cache::open(folder.path(), &engine).expect("cache");
        let file = driver_file();
        let compiled = engine.precompile_component(b"\0asm\x0d\0\x01\0").expect("compiled");
        let digest = sha256(&compiled);
        // Damaged before it has its name.
        for damage in [&compiled[..compiled.len() / 2], &[], b"\xcc\xcc\xcc"] {
            let draft = cache.draft(&file).expect("draft");
            fs::write(draft.path(), damage).expect("written");
            let error = draft.keep(&engine, &digest).expect_err("it is not what was compiled");
            assert!(error.is_passing(), "{error}");
            assert!(cache.component(&engine, &file.sha256).is_none());
        }
        let keep = || {
            let draft = cache.draft(&file).expect("draft");
            fs::write(draft.path(), &compiled).expect("written");
            draft.keep(&engine, &digest).expect("kept");
            let file = fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("an entry").path());
            file.into_iter().find(|path| path.extension().is_some_and(|end| end == COMPILED)).expect("it is there")
        };
        let path = keep();
        assert!(cache.component(&engine, &file.sha256).is_some());
        assert!(cache.component(&engine, &"b".repeat(64)).is_none());
        let damaged = |damage: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = compiled.clone();
            damage(&mut bytes);
            fs::write(&path, bytes).expect("written");
            assert!(cache.component(&engine, &file.sha256).is_none());
            assert!(!path.exists(), "it is compiled again");
            assert_eq!(keep(), path);
        };
        for place in (0..compiled.len()).step_by(compiled.len() / 50 + 1) {
            damaged(&|bytes| bytes[place] ^= 1);
            damaged(&|bytes| bytes.truncate(place));
        }
        damaged(&|bytes| bytes.push(0));
        assert!(cache.component(&engine, &file.sha256).is_some());
    }

    #[test]
    fn what_is_no_file_is_neither_waited_for_nor_in_the_way() {
        let (folder, engine) = folder_and_engine();
        let file = driver_file();
        let cache = Cache::open(folder.path(), &engine).expect("cache");
        let compiled = engine.precompile_component(b"\0asm\x0d\0\x01\0").expect("compiled");
        let keep = || {
            let draft = cache.draft(&file).expect("draft");
            fs::write(draft.path(), &compiled).expect("written");
            draft.keep(&engine, &sha256(&compiled)).expect("loaded");
        };
        let names = || -> Vec<PathBuf> {
            fs::read_dir(folder.path()).expect("read").map(|entry| entry.expect("an entry").path()).collect()
        };
        let make_pipe = |path: &Path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                .expect("a named pipe");
        };
        keep();
        let kept = names().remove(0);

        fs::remove_file(&kept).expect("removed");
        fs::create_dir(&kept).expect("made");
        for _ in 0..2 {
            assert!(cache.component(&engine, &file.sha256).is_none());
            keep();
            assert_eq!(names(), std::slice::from_ref(&kept), "nothing is left beside it");
        }
        fs::remove_dir(&kept).expect("removed");
        make_pipe(&kept);
        assert!(cache.component(&engine, &file.sha256).is_none());
        keep();
        assert!(cache.component(&engine, &file.sha256).is_some(), "a file took its place");

        // Neither is one that looks like a draft of an earlier process.
        let draft = |number: u32| folder.path().join(format!("{}.1.{number}.new", cache.name_of(&file.sha256)));
        make_pipe(&draft(1));
        fs::create_dir(draft(2)).expect("made");
        Cache::open(folder.path(), &engine).expect("cache");
        assert_eq!(names().len(), 3);
    }

    #[test]
    fn what_is_loaded_is_not_changed_with_the_file() {
        let (folder, engine) = folder_and_engine();
        let path = folder.path().join("code");
        let compiled = engine.precompile_component(b"\0asm\x0d\0\x01\0").expect("compiled");
        fs::write(&path, &compiled).expect("written");
        let digest = sha256(&fs::read(&path).expect("read"));
        let _component = load(&engine, &path, &digest).expect("loaded").expect("it matches");
        fs::write(&path, "").expect("emptied");
        assert!(load(&engine, &path, &digest).expect("read").is_none());
        let files = fs::read_dir(folder.path()).expect("read").count();
        assert_eq!(files, 1, "the copy has no name");
        assert!(in_memory(&engine, &compiled).is_ok());
    }

    #[test]
    fn drafts_are_made_while_others_open_the_cache() {
        let (folder, engine) = folder_and_engine();
        let file = driver_file();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let cache = Cache::open(folder.path(), &engine).expect("cache");
                        let draft = cache.draft(&file).expect("a draft");
                        assert!(draft.path().exists(), "it was taken for an abandoned one");
                    }
                });
            }
        });
    }
}
