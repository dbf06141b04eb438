//! Detects a store that went back to an earlier state. A cursor of a client may then refer to changes that the store no
//! longer has, and new changes would get the numbers of these. Such a store issues its cursors with a new mark, so that
//! old cursors are refused instead of being taken for places in a different journal.
//!
//! The file alone does not show that: a restored copy looks as it did when it was made. So the host keeps what it has
//! seen of the store beside it, in a small file (`tracker.db.seen`): the mark, the number of the newest change, and a
//! random number that is also in the store and changes with each start. The next host checks that all of it matches.
//! The numbers are written after each commit that raises them, so that a killed host loses none, and flushed with each
//! checkpoint of the WAL.
//!
//! For the same reason, versions of hooks contain the mark, and ids of hooks and tokens continue at a different place.
//!
//! With `synchronous = normal`, a power cut may lose the last writes, although they were read. Nothing shows whether it
//! did: if a host was running when the machine ended, the store may have gone back.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::super::Result;
use super::fault::Fault;
use super::journal;
use super::lock::with_suffix;
use super::settings::Synchronous;

/// The length of the file, which is written over in place: a sector of any disk is written whole or not at all.
const LENGTH: usize = 512;

/// Names the system's current boot; another after each start of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// How many ids are left out at least.
const LEAST_SKIPPED: i64 = 1 << 20;

/// What the host has seen of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Its mark.
    store: u32,
    /// The random number of the host's start, and that of the start before.
    run: i64,
    before: i64,
    /// The number of the newest change.
    newest: i64,
    /// How many numbers were given to hooks and tokens.
    ids: i64,
    /// During which boot of the machine that was; nothing where the system does not say.
    boot: Option<String>,
    /// Whether a power cut may take changes that were read.
    may_lose: bool,
    /// Whether the host has stopped, with everything on disk.
    ended: bool,
}

/// What the host writes down of the store that it has open.
#[derive(Debug)]
pub(super) struct Seen {
    path: PathBuf,
    file: Option<File>,
    record: Record,
    /// Whether the last write failed, so that not each failure is logged.
    is_unwritten: bool,
}

/// What a start finds.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) seen: Seen,
    /// The store's mark from now on.
    pub(super) mark: u32,
    /// What is to be written into the store before anything else is.
    pub(super) run: Run,
}

/// What a start writes into `meta`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    number: i64,
    mark: u32,
    /// Whether numbers may have been given out that the store knows nothing of.
    skips_ids: bool,
}

impl Run {
    pub(super) fn write(self, connection: &Connection) -> Result<()> {
        let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)")?;
        insert.execute(rusqlite::params!["run", self.number])?;
        insert.execute(rusqlite::params!["store", self.mark])?;
        if self.skips_ids { skip_ids(connection) } else { Ok(()) }
    }
}

/// Whether a store is one that was made just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    New,
    Old,
}

/// Holds a store against what the last host has seen of it, and begins to write down what this one does.
pub(super) fn begin(
    connection: &Connection,
    store: &Path,
    mark: u32,
    age: Age,
    synchronous: Synchronous,
) -> Result<Start> {
    let path = path(store);
    let newest = journal::newest(connection)?;
    let ids = ids_given(connection)?;
    let run: Option<i64> =
        connection.query_row("SELECT value FROM meta WHERE name = 'run'", (), |row| row.get(0)).optional()?;
    let boot = std::fs::read_to_string(BOOT).ok().map(|boot| boot.trim().to_owned());
    let found = read(&path);
    if let Err(error) = &found
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "cannot read the last known position of the store");
    }
    let gone_back = match age {
        Age::New => None,
        Age::Old => gone_back(found.as_ref().ok(), mark, run, (newest, ids), boot.as_deref()),
    };
    let skips_ids = gone_back.is_some();
    let mark = match gone_back {
        None => mark,
        Some(why) => {
            tracing::warn!(
                store = %store.display(),
                why,
                "the store may be an older one: the host refuses cursors and tags of hooks from before, and clients list again"
            );
            new_mark()?
        }
    };
    let number = random()?;
    let record = Record {
        store: mark,
        run: number,
        before: run.unwrap_or(number),
        newest,
        ids,
        boot,
        may_lose: synchronous == Synchronous::Normal,
        ended: false,
    };
    let mut seen = Seen { path, file: None, record, is_unwritten: false };
    // First here: a store that has another number than stands here would be taken for one that was put in its place.
    seen.write_lasting();
    Ok(Start { seen, mark, run: Run { number, mark, skips_ids } })
}

/// A random number by which cursors of another store are recognised.
pub(super) fn new_mark() -> Result<u32, Fault> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(Fault::NoRandomness)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// How many numbers were given to hooks and tokens. Those that were left out count, too.
pub(super) fn ids_given(connection: &Connection) -> rusqlite::Result<i64> {
    let mut select = connection.prepare_cached(
        "SELECT COALESCE(SUM(MIN(seq, 1 << 60)), 0) FROM sqlite_sequence WHERE name IN ('hooks', 'tokens')",
    )?;
    select.query_row((), |row| row.get(0))
}

/// Leaves out ids of hooks and tokens: as many as were ever given out since the state that a store went back to, which is not
/// known, and at random, since a backup may be restored more than once.
fn skip_ids(connection: &Connection) -> Result<()> {
    for table in ["hooks", "tokens"] {
        let skipped = LEAST_SKIPPED + random()?.rem_euclid(1 << 32);
        // A table that never had a row is not listed there.
        let list = "INSERT INTO sqlite_sequence (name, seq)
                    SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";
        connection.prepare_cached(list)?.execute([table])?;
        let skip = "UPDATE sqlite_sequence SET seq = MIN(seq, 1 << 60) + ?2 WHERE name = ?1";
        connection.prepare_cached(skip)?.execute(rusqlite::params![table, skipped])?;
    }
    Ok(())
}

/// What a store is from now on that was put in the place of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewed {
    run: Run,
    newest: i64,
    ids: i64,
}

/// Gives a store another mark, and a number as of a host's start.
pub(super) fn renew(connection: &Connection) -> Result<Renewed> {
    let run = Run { number: random()?, mark: new_mark()?, skips_ids: true };
    run.write(connection)?;
    Ok(Renewed { run, newest: journal::newest(connection)?, ids: ids_given(connection)? })
}

/// Leaves beside a store that was renewed what the next host has to find there. Where that fails, that host renews it again.
pub(super) fn leave(store: &Path, renewed: Renewed) {
    let Renewed { run: Run { number, mark, .. }, newest, ids } = renewed;
    let record =
        Record { store: mark, run: number, before: number, newest, ids, boot: None, may_lose: false, ended: true };
    Seen { path: path(store), file: None, record, is_unwritten: false }.write_lasting();
}

/// Why the store may have gone back behind what was seen of it, if it may.
fn gone_back(
    found: Option<&Record>,
    mark: u32,
    run: Option<i64>,
    (newest, ids): (i64, i64),
    boot: Option<&str>,
) -> Option<&'static str> {
    let Some(record) = found else {
        return Some("there is nothing beside it that can be read and says how far it was");
    };
    let Record { store, run: last, before, newest: seen, ids: seen_ids, boot: then, may_lose, ended } = record;
    if *store != mark {
        return Some("the last host here had another store");
    }
    if run != Some(*last) && run != Some(*before) {
        return Some("it is not as the last host here has left it");
    }
    if newest < *seen {
        return Some("it ends before the newest change that was seen");
    }
    if ids < *seen_ids {
        return Some("it lacks a hook or a token that was seen");
    }
    let same_boot = then.is_some() && then.as_deref() == boot;
    (!ended && *may_lose && !same_boot)
        .then_some("the machine ended while the host ran with store.synchronous = \"normal\"")
}

impl Seen {
    /// Takes down the newest change, and how many numbers were given to hooks and tokens, which is committed.
    pub(super) fn note(&mut self, newest: i64, ids: i64) {
        if (self.record.newest, self.record.ids) == (newest, ids) && !self.is_unwritten {
            return;
        }
        (self.record.newest, self.record.ids) = (newest, ids);
        let written = self.write();
        self.tell(written);
    }

    /// Has what was written outlive a power cut.
    pub(super) fn flush(&mut self) {
        let flushed = self.file().and_then(File::sync_data);
        self.tell(flushed);
    }

    /// The host has ended, and all that it wrote is in the store's file.
    pub(super) fn end(&mut self) {
        self.record.ended = true;
        self.write_lasting();
    }

    fn write_lasting(&mut self) {
        let written = self.write().and_then(|()| self.file()?.sync_all());
        self.tell(written);
    }

    fn write(&mut self) -> io::Result<()> {
        let text = written(&self.record)?;
        self.file()?.write_all_at(&text, 0)
    }

    fn file(&mut self) -> io::Result<&File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open(&self.path)?,
        };
        Ok(self.file.insert(file))
    }

    /// The host goes on without it: the worst that comes of it is that cursors are refused that are good.
    fn tell(&mut self, written: io::Result<()>) {
        let was_unwritten = std::mem::replace(&mut self.is_unwritten, written.is_err());
        if let Err(error) = written
            && !was_unwritten
        {
            tracing::warn!(
                file = %self.path.display(),
                %error,
                "cannot save the store's position: after the next start, the host may refuse valid cursors"
            );
        }
    }
}

fn path(store: &Path) -> PathBuf {
    with_suffix(store, ".seen")
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(no_wait()).open(path)
}

fn read(path: &Path) -> io::Result<Record> {
    let mut text = String::new();
    let file = File::options().read(true).custom_flags(no_wait()).open(path)?;
    file.take(LENGTH as u64).read_to_string(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

/// Has nobody wait for the other end of a named pipe in the file's place.
fn no_wait() -> i32 {
    i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0)
}

fn written(record: &Record) -> io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(record)?;
    text.resize(LENGTH - 1, b' ');
    text.push(b'\n');
    Ok(text)
}

fn random() -> Result<i64, Fault> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(Fault::NoRandomness)?;
    Ok(i64::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            store: 7,
            run: 3,
            before: 2,
            newest: 100,
            ids: 9,
            boot: Some("a".into()),
            may_lose: true,
            ended: false,
        }
    }

    #[test]
    fn a_store_that_does_not_fit_what_was_seen_of_it_may_have_gone_back() {
        let check = |found: Option<Record>, (mark, run, newest, boot): (u32, i64, i64, &str), want: bool| {
            let why = gone_back(found.as_ref(), mark, Some(run), (newest, 9), Some(boot));
            assert_eq!(why.is_some(), want, "{found:?}: {why:?}");
        };
        let as_left = (7, 3, 100, "a");
        check(Some(record()), as_left, false);
        // Killed between a commit and its note, and between the two writes of a start.
        check(Some(record()), (7, 3, 101, "a"), false);
        check(Some(record()), (7, 2, 100, "a"), false);
        check(None, as_left, true);
        check(Some(record()), (8, 3, 100, "a"), true);
        check(Some(record()), (7, 1, 100, "a"), true);
        check(Some(record()), (7, 3, 99, "a"), true);
        check(Some(Record { ids: 10, ..record() }), as_left, true);
        check(Some(Record { ids: 8, ..record() }), as_left, false);
        // The machine ended meanwhile.
        check(Some(record()), (7, 3, 100, "b"), true);
        check(Some(Record { ended: true, ..record() }), (7, 3, 100, "b"), false);
        check(Some(Record { may_lose: false, ..record() }), (7, 3, 100, "b"), false);
        check(Some(Record { boot: None, ..record() }), (7, 3, 100, "a"), true);
        assert!(
            gone_back(Some(&record()), 7, None, (100, 9), Some("a")).is_some(),
            "a store that no host of this kind wrote"
        );
    }

    #[test]
    fn what_is_written_is_read_and_always_of_one_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("seen");
        let longest = Record {
            store: u32::MAX,
            run: i64::MIN,
            before: i64::MIN,
            newest: i64::MIN,
            ids: i64::MIN,
            boot: Some("b".repeat(36)),
            ..record()
        };
        for record in [record(), longest] {
            let text = written(&record).expect("written");
            assert_eq!(text.len(), LENGTH);
            std::fs::write(&path, text).expect("written");
            assert_eq!(read(&path).expect("read"), record);
        }
        std::fs::write(&path, "{").expect("written");
        assert!(read(&path).is_err());
    }
}
