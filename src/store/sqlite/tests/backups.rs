//! Backups of a store that is written meanwhile, and restores. Whatever goes wrong at any moment, the old store stays
//! complete.

mod failing;

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::backup::{Allow, Backup, BackupError, Existing, Restored, Stage, Watch, back_up, restore};
use super::super::{Settings, SqliteStore};
use crate::model::{AccountId, Cursor, KeyId, Origin, Sealed, Timestamp};
use crate::store::contract::world::key;
use crate::store::{Accounts as _, Enrolment, Journal as _, Keys as _};

const KEY: i64 = 0x0123_4567_89ab_cdef;

/// A folder with a store that names a key, and has one account.
struct Data {
    folder: TempDir,
    account: AccountId,
}

impl Data {
    async fn with(user: &str) -> Data {
        let folder = TempDir::new().expect("a folder");
        let store = open(&folder.path().join("tracker.db"));
        store.set_current_key(KeyId(KEY)).await.expect("noted");
        let account = enrol(&store, user).await;
        store.close().await.expect("closed");
        Data { folder, account }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("tracker.db")
    }

    /// The names of its files.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).expect("read");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Settings::default()).expect("opened")
}

async fn enrol(store: &SqliteStore, user: &str) -> AccountId {
    let enrolment =
        Enrolment { key: key(user), origin: Origin::Client, password: Sealed(vec![1]), now: Timestamp::default() };
    store.enrol(enrolment).await.expect("enrolled")
}

/// Whose accounts a store has, of these; the store has to be whole.
async fn users(path: &Path, among: &[&str]) -> Vec<String> {
    check(path);
    let store = open(path);
    let mut found = Vec::new();
    for user in among {
        found.extend(store.find_account(&key(user)).await.expect("read").map(|account| account.key.user));
    }
    found
}

fn check(path: &Path) {
    let connection = Connection::open(path).expect("opened");
    let verdict: String = connection.query_row("PRAGMA integrity_check", (), |row| row.get(0)).expect("checked");
    assert_eq!(verdict, "ok", "{}", path.display());
}

async fn end(path: &Path, account: AccountId) -> Cursor {
    open(path).extent(account).await.expect("read").newest
}

fn backed_up(store: &Path, file: &Path, existing: Existing) -> Result<Backup, BackupError> {
    let watch = Watch { progress: &mut |_| {}, stop: Arc::default() };
    back_up(store, file, existing, &Settings::default(), watch)
}

fn restored(file: &Path, store: &Path, existing: Existing) -> Result<Restored, BackupError> {
    restored_by(file, store, existing, &|_| Ok(()), &mut |_| ControlFlow::Continue(()))
}

/// Restores; the watcher says whether it is to stop.
fn restored_by(
    file: &Path,
    store: &Path,
    existing: Existing,
    allow: Allow<'_>,
    watcher: &mut dyn FnMut(Stage) -> ControlFlow<()>,
) -> Result<Restored, BackupError> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    let mut progress = |stage| seen.store(watcher(stage).is_break(), Ordering::Relaxed);
    restore(file, store, existing, &Settings::default(), allow, Watch { progress: &mut progress, stop })
}

#[tokio::test]
async fn a_backup_is_the_store_at_one_moment_and_keeps_nobody_from_writing() {
    let data = Data::with("ann").await;
    let store = Arc::new(open(&data.store()));
    enrol(&store, "before").await;
    let file = data.path("backup");
    let (going, begun) = mpsc::channel();
    let (go_on, written) = mpsc::channel::<()>();
    let (path, to) = (data.store(), file.clone());
    let backup = tokio::task::spawn_blocking(move || {
        let mut progress = |stage| {
            if matches!(stage, Stage::Copying { .. }) {
                // Held up in the midst until something else was written.
                let _ = going.send(());
                let _ = written.recv();
            }
        };
        back_up(
            &path,
            &to,
            Existing::Kept,
            &Settings::default(),
            Watch { progress: &mut progress, stop: Arc::default() },
        )
    });
    let begun = tokio::task::spawn_blocking(move || begun.recv()).await.expect("ended");
    begun.expect("it copies");
    enrol(&store, "meanwhile").await;
    drop(go_on);
    let made = backup.await.expect("ended").expect("made");

    assert_eq!(made.keys, [KeyId(KEY)]);
    assert_eq!(made.bytes, std::fs::metadata(&file).expect("it is there").len());
    assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    let all = ["ann", "before", "meanwhile"];
    store.close().await.expect("closed");
    let here = end(&data.store(), data.account).await;
    assert_eq!(users(&data.store(), &all).await, all);
    assert!(!data.files().iter().any(|name| name.starts_with("backup") && name != "backup"), "{:?}", data.files());
    assert_eq!(users(&file, &all).await, ["ann", "before"]);
    assert!(!here.is_in(end(&file, data.account).await), "the copy has cursors of its own");
}

#[tokio::test]
async fn a_file_that_is_there_is_replaced_only_where_that_is_asked_for() {
    let data = Data::with("ann").await;
    let file = data.path("backup");
    std::fs::write(&file, "dear").expect("written");
    assert!(matches!(backed_up(&data.store(), &file, Existing::Kept), Err(BackupError::FileExists(_))));
    let link = data.path("link");
    std::os::unix::fs::symlink(&file, &link).expect("made");
    for other in [&file, &link, Path::new("/dev/null")] {
        let refused = backed_up(&data.store(), other, Existing::Replaced);
        assert!(matches!(refused, Err(BackupError::NoBackupThere(_))), "{other:?}: {refused:?}");
    }
    assert_eq!(std::fs::read(&file).expect("read"), b"dear");
    std::fs::write(&file, "").expect("written");
    backed_up(&data.store(), &file, Existing::Replaced).expect("made");
    // What a process that was killed has left does not matter.
    for left in [&b""[..], b"SQLite format 3\0 and half of it", &[0; 5000]] {
        std::fs::write(data.path("backup.partial"), left).expect("written");
        std::fs::write(data.path("backup.partial-journal"), "half").expect("written");
        backed_up(&data.store(), &file, Existing::Replaced).expect("made");
    }
    // What is of somebody else stays.
    for dear in [&b"notes"[..], &[b'x'; 5000], b"\0"] {
        std::fs::write(data.path("backup.partial"), dear).expect("written");
        let refused = backed_up(&data.store(), &file, Existing::Replaced);
        assert!(matches!(refused, Err(BackupError::NotOurs(_))), "{refused:?}");
        assert_eq!(std::fs::read(data.path("backup.partial")).expect("read"), dear);
    }
    std::fs::remove_file(data.path("backup.partial")).expect("removed");
    assert_eq!(users(&file, &["ann"]).await, ["ann"]);
    for name in ["tracker.db", "tracker.db-wal", "tracker.db.seen", "./tracker.db"] {
        let refused = backed_up(&data.store(), &data.path(name), Existing::Replaced);
        assert!(matches!(refused, Err(BackupError::OfTheStore(_))), "{name}: {refused:?}");
    }
    let nowhere = backed_up(&data.path("none.db"), &data.path("other"), Existing::Kept);
    assert!(matches!(nowhere, Err(BackupError::NoStore(_))), "{nowhere:?}");
    assert!(!data.path("other").exists());
}

#[tokio::test]
async fn a_damaged_store_is_not_backed_up() {
    let data = Data::with("ann").await;
    let file = data.path("backup");
    let pages = std::fs::metadata(data.store()).expect("it is there").len() / 4096;
    let content = std::fs::read(data.store()).expect("read");
    let mut found = 0;
    for page in 1..pages {
        let at = usize::try_from(page * 4096).expect("it is small");
        let mut damaged = content.clone();
        damaged[at..at + 4096].fill(0xa5);
        std::fs::write(data.store(), damaged).expect("written");
        match backed_up(&data.store(), &file, Existing::Kept) {
            Err(_) => found += 1,
            Ok(_) => panic!("page {page} is damaged"),
        }
        assert!(!file.exists() && !data.path("backup.partial").exists(), "{:?}", data.files());
    }
    assert!(found > 10, "{found} of {pages}");
}

#[tokio::test]
async fn a_backup_takes_the_place_of_a_store_which_is_kept() {
    let (data, other) = (Data::with("ann").await, Data::with("bob").await);
    let file = data.path("backup");
    backed_up(&data.store(), &file, Existing::Kept).expect("made");
    let all = ["ann", "bob"];

    // Where there is none.
    let folder = TempDir::new().expect("a folder");
    let new = folder.path().join("data/tracker.db");
    assert_eq!(restored(&file, &new, Existing::Kept).expect("restored").aside, None);
    assert_eq!(users(&new, &all).await, ["ann"]);
    let first = end(&new, data.account).await;

    let refused = restored(&file, &other.store(), Existing::Kept);
    assert!(matches!(refused, Err(BackupError::StoreExists(_))), "{refused:?}");
    let running = open(&other.store());
    let refused = restored(&file, &other.store(), Existing::Replaced);
    assert!(refused.as_ref().is_err_and(|error| error.to_string().contains("is in use")), "{refused:?}");
    drop(running);
    assert_eq!(users(&other.store(), &all).await, ["bob"]);
    for number in ["", "-2"] {
        let Restored { aside, has_digest, .. } = restored(&file, &other.store(), Existing::Replaced).expect("restored");
        assert!(has_digest);
        assert_eq!(aside, Some(other.path(&format!("tracker.db.before-restore{number}"))));
    }
    assert_eq!(users(&other.store(), &all).await, ["ann"]);
    assert_eq!(users(&other.path("tracker.db.before-restore"), &all).await, ["bob"]);
    assert_eq!(users(&other.path("tracker.db.before-restore-2"), &all).await, ["ann"]);
    // Each time with other cursors, which are then kept.
    let second = end(&other.store(), data.account).await;
    assert_ne!(first.store, second.store);
    assert_eq!(end(&other.store(), data.account).await, second);
}

#[tokio::test]
async fn what_can_not_be_used_is_not_restored() {
    let (data, other) = (Data::with("ann").await, Data::with("bob").await);
    let file = data.path("backup");
    backed_up(&data.store(), &file, Existing::Kept).expect("made");
    let no_key = |needed: &[KeyId]| Err(format!("the key {} is needed", needed[0]));
    let refused = restored_by(&file, &other.store(), Existing::Replaced, &no_key, &mut |_| ControlFlow::Continue(()));
    assert_eq!(refused.expect_err("it lacks the key").to_string(), "the key 0123456789abcdef is needed");

    let good = std::fs::read(&file).expect("read");
    let check = |content: &[u8], want: &str| {
        let bad = data.path("bad");
        std::fs::write(&bad, content).expect("written");
        let refused = restored(&bad, &other.store(), Existing::Replaced).expect_err("it can't be used").to_string();
        assert!(refused.contains(want) && refused.contains("bad"), "{refused}");
    };
    check(b"", "is not a store of Tracker");
    check(&b"Dear diary, ".repeat(1000), "is not a store of Tracker");
    check(&good[..good.len() / 2], "damaged");
    let mut damaged = good.clone();
    let middle = good.len() / 2 / 4096 * 4096;
    damaged[middle..middle + 4096].fill(0xa5);
    check(&damaged, "damaged");
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    check(&newer, "of version 99");
    let missing = restored(&data.path("none"), &other.store(), Existing::Replaced);
    assert!(matches!(missing, Err(BackupError::NoBackup(_))), "{missing:?}");
    let itself = restored(&other.store(), &other.store(), Existing::Replaced);
    assert!(matches!(itself, Err(BackupError::OfTheStore(_))), "{itself:?}");

    assert_eq!(users(&other.store(), &["ann", "bob"]).await, ["bob"]);
    assert!(
        !other.files().iter().any(|name| name.contains("partial") || name.contains("before")),
        "{:?}",
        other.files()
    );
}

#[tokio::test]
async fn a_backup_in_which_a_byte_of_a_row_changed_is_not_restored() {
    let (data, other) = (Data::with("somebody-with-a-long-name").await, Data::with("bob").await);
    let file = data.path("backup");
    backed_up(&data.store(), &file, Existing::Kept).expect("made");
    let good = std::fs::read(&file).expect("read");
    let digest: Vec<u8> = Connection::open(&file)
        .and_then(|backup| backup.query_row("SELECT sha256 FROM backup", (), |row| row.get(0)))
        .expect("it has a digest");
    for wanted in [b"somebody-with-a-long-name".as_slice(), &digest] {
        let mut bad = good.clone();
        // In the table and in its indexes alike: SQLite's own check finds nothing.
        let places: Vec<_> = (0..good.len()).filter(|at| good[*at..].starts_with(wanted)).collect();
        assert!(!places.is_empty(), "{wanted:?} is in the file");
        places.iter().for_each(|at| bad[at + 3] ^= 1);
        std::fs::write(data.path("bad"), &bad).expect("written");
        check(&data.path("bad"));
        let refused = restored(&data.path("bad"), &other.store(), Existing::Replaced);
        assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{wanted:?}: {refused:?}");
    }
    assert_eq!(users(&other.store(), &["bob"]).await, ["bob"]);
    // A store that was restored has no digest, and its backups have one anew.
    restored(&file, &other.store(), Existing::Replaced).expect("restored");
    enrol(&open(&other.store()), "late").await;
    backed_up(&other.store(), &data.path("second"), Existing::Kept).expect("made");
    restored(&data.path("second"), &data.store(), Existing::Replaced).expect("restored");
    assert_eq!(users(&data.store(), &["late"]).await, ["late"]);
}

#[tokio::test]
async fn a_copy_of_a_store_with_its_log_is_restored_with_what_is_in_the_log() {
    let (data, other) = (Data::with("ann").await, Data::with("bob").await);
    let running = open(&data.store());
    enrol(&running, "late").await;
    for suffix in ["", "-wal"] {
        std::fs::copy(data.path(&format!("tracker.db{suffix}")), data.path(&format!("copy{suffix}"))).expect("copied");
    }
    let Restored { has_digest, .. } =
        restored(&data.path("copy"), &other.store(), Existing::Replaced).expect("restored");
    assert!(!has_digest, "nothing shows that the copy is what it was");
    assert_eq!(users(&other.store(), &["ann", "bob", "late"]).await, ["ann", "late"]);
}

/// What a kill at any moment leaves is what the files are at that moment.
#[tokio::test]
async fn a_restore_that_is_killed_leaves_the_store_or_the_backup() {
    let (data, other) = (Data::with("ann").await, Data::with("bob").await);
    let file = data.path("backup");
    backed_up(&data.store(), &file, Existing::Kept).expect("made");
    // Killed itself: what it wrote last is in its log alone.
    let killed = TempDir::new().expect("a folder");
    let host = open(&other.store());
    enrol(&host, "late").await;
    for name in ["tracker.db", "tracker.db-wal", "tracker.db.seen"] {
        std::fs::copy(other.path(name), killed.path().join(name)).expect("copied");
    }
    let store = killed.path().join("tracker.db");
    let mut moments = Vec::new();
    let mut keep = || {
        let moment = TempDir::new().expect("a folder");
        for entry in std::fs::read_dir(killed.path()).expect("read") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), moment.path().join(entry.file_name())).expect("copied");
        }
        moments.push(moment);
    };
    let mut watcher = |_| {
        keep();
        ControlFlow::Continue(())
    };
    restored_by(&file, &store, Existing::Replaced, &|_| Ok(()), &mut watcher).expect("restored");
    keep();
    let all = ["ann", "bob", "late"];
    let last = moments.len() - 1;
    assert!(last > 5, "{last}");
    for (number, moment) in moments.iter().enumerate() {
        let store = moment.path().join("tracker.db");
        let want: &[&str] = if number == last { &["ann"] } else { &["bob", "late"] };
        assert_eq!(users(&store, &all).await, want, "moment {number} of {last}");
        // It is done at the second try.
        if number < last {
            restored(&file, &store, Existing::Replaced).expect("restored");
            assert_eq!(users(&store, &all).await, ["ann"]);
        }
    }
    assert_eq!(users(&killed.path().join("tracker.db.before-restore"), &all).await, ["bob", "late"]);
}

#[tokio::test]
async fn a_copy_that_is_to_stop_leaves_nothing() {
    let (data, other) = (Data::with("ann").await, Data::with("bob").await);
    let file = data.path("backup");
    let stop = Arc::new(AtomicBool::new(true));
    let watch = Watch { progress: &mut |_| {}, stop };
    let stopped = back_up(&data.store(), &file, Existing::Kept, &Settings::default(), watch);
    assert!(matches!(stopped, Err(BackupError::Stopped)), "{stopped:?}");
    assert!(!data.files().iter().any(|name| name.starts_with("backup")), "{:?}", data.files());

    backed_up(&data.store(), &file, Existing::Kept).expect("made");
    for at in 0..3 {
        let mut stages = 0;
        let mut watcher = |_| {
            stages += 1;
            if stages > at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let stopped = restored_by(&file, &other.store(), Existing::Replaced, &|_| Ok(()), &mut watcher);
        assert!(matches!(stopped, Err(BackupError::Stopped)), "{at}: {stopped:?}");
        assert_eq!(users(&other.store(), &["ann", "bob"]).await, ["bob"]);
        assert!(
            !other.files().iter().any(|name| name.contains("partial") || name.contains("before")),
            "{:?}",
            other.files()
        );
    }
}

#[tokio::test]
async fn a_backup_is_restored_where_a_store_is_missing_or_empty_and_a_log_that_was_left_is_kept() {
    let data = Data::with("ann").await;
    let (store, backup) = (data.store(), data.path("backup"));
    backed_up(&store, &backup, Existing::Kept).expect("backed up");
    for content in [None, Some("")] {
        std::fs::remove_file(&store).expect("removed");
        if let Some(content) = content {
            std::fs::write(&store, content).expect("written");
        }
        std::fs::write(data.path("tracker.db-wal"), "writes").expect("written");
        assert!(SqliteStore::open(&store, Settings::default()).is_err(), "its host does not begin anew");
        let Restored { aside, .. } = restored(&backup, &store, Existing::Kept).expect("restored");
        let aside = aside.expect("the log is kept");
        assert!(aside.ends_with("tracker.db.before-restore-wal"), "{}", aside.display());
        assert_eq!(std::fs::read(&aside).expect("read"), b"writes");
        std::fs::remove_file(&aside).expect("removed");
        assert_eq!(users(&store, &["ann"]).await, ["ann"]);
    }
    // With nothing in its place, nothing is kept.
    for file in data.files().iter().filter(|name| name.starts_with("tracker.db")) {
        std::fs::remove_file(data.path(file)).expect("removed");
    }
    assert_eq!(restored(&backup, &store, Existing::Kept).expect("restored").aside, None);
    assert_eq!(users(&store, &["ann"]).await, ["ann"]);

    for file in data.files().iter().filter(|name| name.starts_with("tracker.db")) {
        std::fs::remove_file(data.path(file)).expect("removed");
    }
    std::fs::create_dir(&store).expect("made");
    let refused = restored(&backup, &store, Existing::Replaced).expect_err("refused").to_string();
    assert!(refused.contains("tracker.db is a directory"), "{refused}");
}
