//! A store whose files are removed or replaced while the host runs: nothing is written to the lost files, and
//! everything continues once the same files are back.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::{Settings, SqliteStore};
use crate::model::{AccountId, Origin, Sealed, Timestamp};
use crate::store::contract::world::key;
use crate::store::{Accounts as _, Enrolment, Result, StoreError};

async fn enrol(store: &SqliteStore, user: &str) -> Result<AccountId> {
    let enrolment =
        Enrolment { key: key(user), origin: Origin::Client, password: Sealed(vec![1]), now: Timestamp::default() };
    store.enrol(enrolment).await
}

/// The file that it names.
fn gone<T: std::fmt::Debug>(result: Result<T>) -> PathBuf {
    match result {
        Err(StoreError::Gone { file, .. }) => file,
        other => panic!("the file is gone: {other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_written_to_a_file_that_is_gone() {
    let folder = TempDir::new().expect("a folder");
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let path = data.join("tracker.db");
    let store = SqliteStore::open(&path, Settings::default()).expect("opened");
    let ann = enrol(&store, "ann").await.expect("enrolled");
    let rename = |from: &Path, to: &Path| std::fs::rename(from, to).expect("renamed");

    rename(&data, &aside);
    assert_eq!(gone(store.ping().await), path);
    assert_eq!(gone(enrol(&store, "bob").await), path);
    assert!(store.account(ann).await.expect("it can be read").is_some());
    rename(&aside, &data);
    store.ping().await.expect("it is back");
    assert!(store.find_account(&key("bob")).await.expect("read").is_none(), "what was refused was not written");
    enrol(&store, "bob").await.expect("enrolled");

    for name in ["tracker.db", "tracker.db-wal", "tracker.db.lock"] {
        let file = path.with_file_name(name);
        rename(&file, &aside);
        assert_eq!(gone(enrol(&store, "cyd").await), file);
        std::fs::write(&file, "another").expect("written");
        assert_eq!(gone(enrol(&store, "cyd").await), file);
        assert_eq!(gone(store.ping().await), file);
        rename(&aside, &file);
        store.ping().await.expect("it is back");
    }
    assert!(store.find_account(&key("cyd")).await.expect("read").is_none());
    store.close().await.expect("closed");
    let left = SqliteStore::open(&path, Settings::default()).expect("opened");
    assert!(left.find_account(&key("bob")).await.expect("read").is_some());
}
