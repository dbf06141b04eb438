//! Backups and restores on a disk that fails or is full, at each point where it can.

use std::path::Path;
use std::sync::Arc;

use faulty_disk::{Disk, Error, Fault, File, Operation};

use super::*;
use crate::store::sqlite::Disk as Under;

fn settings() -> Settings {
    Settings {
        disk: Under::Other {
            vfs: faulty_disk::NAME,
            write_again: Disk::write_log_again,
            write_pages_again: Disk::write_pages_again,
        },
        ..Settings::default()
    }
}

fn watch<'a>(progress: &'a mut dyn FnMut(Stage)) -> Watch<'a> {
    Watch { progress, stop: Arc::default() }
}

const FAULTS: [(Operation, Error); 5] = [
    (Operation::Write, Error::Broken),
    (Operation::Write, Error::Full),
    (Operation::Read, Error::Broken),
    (Operation::Read, Error::Short),
    (Operation::Open, Error::Broken),
];

/// Does the work with each fault at each point, or as many as a test bears; gives how often it failed. `work` says how it
/// ended, and has looked at what is left.
async fn at_each_point(disk: &Disk, file: File, mut work: impl AsyncFnMut(&str) -> bool) -> usize {
    let mut failures = 0;
    for (operation, error) in FAULTS {
        disk.fail(Fault { file, operation, error, first: u64::MAX, number: 1 });
        assert!(work("nothing fails").await);
        let all = disk.seen(file, operation);
        let step = usize::try_from(all.div_ceil(24).max(1)).expect("it is small");
        for first in (0..all).step_by(step) {
            disk.fail(Fault { file, operation, error, first, number: u64::MAX });
            let context = format!("{operation:?} {error:?} from {first} of {all}");
            if !work(&context).await {
                failures += 1;
            }
            disk.mend();
        }
    }
    failures
}

#[tokio::test]
async fn a_backup_on_a_disk_that_fails_is_whole_or_not_there() {
    let data = Data::with("ann").await;
    let file = data.path("backup");
    let work = async |context: &str| {
        let made = back_up(&data.store(), &file, Existing::Kept, &settings(), watch(&mut |_| {}));
        match &made {
            Ok(_) => {
                assert_eq!(users(&file, &["ann"]).await, ["ann"], "{context}");
                for name in data.files().into_iter().filter(|name| name.starts_with("backup")) {
                    std::fs::remove_file(data.path(&name)).expect("removed");
                }
            }
            Err(error) => {
                assert!(!file.exists() && !data.path("backup.partial").exists(), "{error}; {context}");
                if context.contains("Full") {
                    let named = matches!(error, BackupError::NoRoom { file, .. } if file.ends_with("backup.partial"));
                    assert!(named, "{error}; {context}");
                }
            }
        }
        made.is_ok()
    };
    let partial = Disk::under(&data.path("backup.partial"));
    assert!(at_each_point(&partial, File::Database, work).await > 10);
    let store = Disk::under(&data.store());
    assert!(at_each_point(&store, File::Database, work).await > 5);
    assert_eq!(users(&data.store(), &["ann"]).await, ["ann"]);
}

#[tokio::test]
async fn a_restore_on_a_disk_that_fails_leaves_the_store_or_the_backup() {
    let (data, other) = (Data::with("ann").await, Data::with("bob").await);
    let file = data.path("backup");
    backed_up(&data.store(), &file, Existing::Kept).expect("made");
    let before = other.path("before");
    std::fs::create_dir(&before).expect("made");
    std::fs::copy(other.store(), before.join("tracker.db")).expect("copied");
    // Killed, with a log that is not folded.
    let host = open(&other.store());
    enrol(&host, "late").await;
    for name in ["tracker.db", "tracker.db-wal"] {
        std::fs::copy(other.path(name), before.join(name)).expect("copied");
    }
    drop(host);
    let all = ["ann", "bob", "late"];
    let work = async |context: &str| {
        for name in other.files().iter().filter(|name| name.starts_with("tracker.db")) {
            std::fs::remove_file(other.path(name)).expect("removed");
        }
        for name in ["tracker.db", "tracker.db-wal"] {
            std::fs::copy(before.join(name), other.path(name)).expect("copied");
        }
        let done = restore(&file, &other.store(), Existing::Replaced, &settings(), &|_| Ok(()), watch(&mut |_| {}));
        assert!(!other.path("tracker.db.partial").exists(), "{context}");
        let want: &[&str] = if done.is_ok() { &["ann"] } else { &["bob", "late"] };
        let found = users(Path::new(&other.store()), &all).await;
        assert_eq!(found, want, "{context}: {done:?}");
        if let Ok(Restored { aside, .. }) = &done {
            let aside = aside.as_ref().expect("there was a store");
            assert_eq!(users(aside, &all).await, ["bob", "late"], "{context}");
        }
        done.is_ok()
    };
    let partial = Disk::under(&other.path("tracker.db.partial"));
    assert!(at_each_point(&partial, File::Database, work).await > 10);
    let backup = Disk::under(&file);
    assert!(at_each_point(&backup, File::Database, work).await > 5);
    // The store that was there can't be folded: it is kept with its log.
    let store = Disk::under(&other.store());
    at_each_point(&store, File::Database, work).await;
    at_each_point(&store, File::Log, work).await;
}
