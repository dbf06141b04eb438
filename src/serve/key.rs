//! Opens the host's keys, and compares them with the keys that the store names before anything in it is opened. With a
//! wrong key no sealed row would open. All of them would look damaged and be set aside, although only the key is wrong.
//! Once the keys are known to be right, an account whose password does not open is damaged, either in the password or
//! in its names. It is set aside first, because its hooks' secrets would not open either.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;

use crate::config::{KEY_VARIABLE, KeySource};
use crate::model::{Account, AccountId, KeyId};
use crate::store::{Accounts, KeyUse, Keys, SealedColumn, StoreError, Unopened};
use crate::vault::{KeyFile, Keyring, Purpose, Vault, VaultError, make_folder};

/// How many accounts are read at once.
const AT_ONCE: usize = 1000;

/// Why the host's keys can't be used with its store.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error(
        "there is no key file {}, and the store {} is sealed with {}: put that key back into the file, from where it is kept \
         apart from backups of the store, or move the store away, with all that begins with its name, to start anew", .file.display(), .store.display(),
        named_keys(.needed)
    )]
    NoFile { file: PathBuf, store: PathBuf, needed: Vec<KeyId> },
    #[error(
        "the store {} is sealed with {}, and {origin} has {}: give the host the key that belongs to the store, or move the \
         store away, with all that begins with its name, to start anew", .store.display(), named_keys(.needed), named_keys(.given)
    )]
    OtherKey { store: PathBuf, origin: String, needed: Vec<KeyId>, given: Vec<KeyId> },
}

/// The host lacks a key that a backup names.
#[derive(Debug, thiserror::Error)]
pub enum KeyNeeded {
    #[error(
        "{} is sealed with {}, and there is no key file {}: put the key there, from where it is kept apart from backups",
        backup.display(), named_keys(needed), file.display()
    )]
    NoFile { backup: PathBuf, needed: Vec<KeyId>, file: PathBuf },
    #[error(
        "{} is sealed with {}, and {origin} has {}: give the host the key that belongs to the backup",
        backup.display(), named_keys(needed), named_keys(given)
    )]
    OtherKey { backup: PathBuf, needed: Vec<KeyId>, origin: String, given: Vec<KeyId> },
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Errs unless the host has each of the keys that a backup names. None is made.
pub fn require_keys(source: &KeySource, needed: &[KeyId], backup: &Path) -> Result<(), KeyNeeded> {
    if needed.is_empty() {
        return Ok(());
    }
    let (backup, needed) = (backup.to_owned(), needed.to_vec());
    let origin = origin_of(source);
    let keyring = match source {
        KeySource::Environment(text) => Keyring::parse(text.expose_secret(), &origin)?,
        KeySource::File(file) => Keyring::read(file)?.ok_or_else(|| KeyNeeded::NoFile {
            backup: backup.clone(),
            needed: needed.clone(),
            file: file.clone(),
        })?,
    };
    let given: Vec<KeyId> = keyring.ids().collect();
    match needed.iter().all(|id| given.contains(id)) {
        true => Ok(()),
        false => Err(KeyNeeded::OtherKey { backup, needed, origin, given }),
    }
}

/// Where the keys are from, in words.
fn origin_of(source: &KeySource) -> String {
    match source {
        KeySource::Environment(_) => format!("the environment variable {KEY_VARIABLE}"),
        KeySource::File(file) => format!("the key file {}", file.display()),
    }
}

/// Keys in a sentence.
pub fn named_keys(ids: &[KeyId]) -> String {
    match ids {
        [] => "a key that it does not name".to_owned(),
        [id] => format!("the key {id}"),
        ids => format!("the keys {}", ids.iter().map(KeyId::to_string).collect::<Vec<_>>().join(" and ")),
    }
}

/// Opens the keys that the store needs. Where they are in a file that is not there, it is made, if the store is new. From then
/// on the store names the key that seals.
pub(super) async fn open(
    source: &KeySource,
    store: &(impl Accounts + Keys + Sync),
    path: &Path,
) -> Result<Vault, KeyError> {
    let keys = store.keys().await?;
    let needed: Vec<KeyId> =
        keys.iter().filter(|key| !matches!(key.used, KeyUse::Hashed(_))).map(|key| key.id).collect();
    // Some of them may be damaged.
    let accounts = if keys.is_empty() { store.accounts(None, AT_ONCE).await? } else { Vec::new() };
    let origin = origin_of(source);
    let is_new = keys.is_empty() && accounts.is_empty();
    // Until the store names the key that seals, no command takes it out of the file.
    let (keyring, locked) = match source {
        KeySource::Environment(text) => (Keyring::parse(text.expose_secret(), &origin)?, None),
        KeySource::File(file) => {
            if is_new {
                make_folder(file)?;
            } else if !file.exists() {
                return Err(KeyError::NoFile { file: file.clone(), store: path.to_owned(), needed });
            }
            let locked = KeyFile::lock_elsewhere(file).await?;
            let keyring = match locked.read()? {
                Some(keyring) => keyring,
                None if is_new => locked.make()?,
                None => return Err(KeyError::NoFile { file: file.clone(), store: path.to_owned(), needed }),
            };
            (keyring, Some(locked))
        }
    };
    let vault = Vault::new(keyring);
    let given: Vec<KeyId> = vault.keyring().ids().collect();
    let is_other = needed.iter().any(|id| !given.contains(id));
    if is_other || !accounts.is_empty() && !accounts.iter().any(|account| opens(&vault, account)) {
        return Err(KeyError::OtherKey { store: path.to_owned(), origin, needed, given });
    }
    for key in keys.iter().filter(|key| !needed.contains(&key.id) && !given.contains(&key.id)) {
        tracing::warn!(
            key = %key.id,
            "{origin} lacks an old key: a repeated request from before the key was rotated is refused as a different \
             one"
        );
    }
    if keys.first().is_none_or(|key| key.id != vault.current_key()) {
        locked.as_ref().map(KeyFile::flush).transpose()?;
        match store.set_current_key(vault.current_key()).await {
            Ok(()) => {}
            // Nothing is sealed yet that the store would have to name a key for: the next start notes it.
            Err(StoreError::Full(_) | StoreError::Disk(_)) if keys.is_empty() => {}
            Err(error) => return Err(error.into()),
        }
    }
    drop(locked);
    Ok(vault)
}

/// Sets accounts aside whose passwords do not open with the store's key.
pub(super) async fn set_damaged_aside(store: &dyn Accounts, vault: &Vault) -> Result<(), StoreError> {
    let mut after: Option<AccountId> = None;
    loop {
        let accounts = store.accounts(after, AT_ONCE).await?;
        let Some(last) = accounts.last() else { return Ok(()) };
        after = Some(last.id);
        for account in accounts.into_iter().filter(|account| !opens(vault, account)) {
            let column = SealedColumn::AccountPassword(account.id);
            store.set_aside_unopened(Unopened { column, sealed: account.password }).await?;
        }
    }
}

fn opens(vault: &Vault, account: &Account) -> bool {
    vault.open(Purpose::AccountPassword(&account.key), &account.password).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;
    use tempfile::TempDir;

    use super::*;
    use crate::model::{AccountKey, Origin, Sealed, Timestamp};
    use crate::store::Enrolment;
    use crate::store::sqlite::{Settings, SqliteStore};

    fn source(bytes: &[u8]) -> KeySource {
        let keys: Vec<String> = bytes.iter().map(|byte| BASE64.encode([*byte; 32])).collect();
        KeySource::Environment(keys.join(",").into())
    }

    fn vault(bytes: &[u8]) -> Vault {
        let KeySource::Environment(text) = source(bytes) else { unreachable!("it is from there") };
        Vault::new(Keyring::parse(text.expose_secret(), "the test").expect("keys"))
    }

    async fn enrol(store: &SqliteStore, user: &str, password: Sealed) {
        let now = Timestamp::from_millis(1_795_341_600_000);
        store.enrol(Enrolment { key: key(user), origin: Origin::Client, password, now }).await.expect("enrolled");
    }

    fn key(user: &str) -> AccountKey {
        AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() }
    }

    fn store() -> (TempDir, PathBuf, SqliteStore) {
        let directory = TempDir::new().expect("a folder");
        let path = directory.path().join("tracker.db");
        let store = SqliteStore::open(&path, Settings::default()).expect("opened");
        (directory, path, store)
    }

    fn sealed(vault: &Vault, user: &str) -> Sealed {
        vault.seal(Purpose::AccountPassword(&key(user)), b"secret").expect("sealed")
    }

    #[tokio::test]
    async fn another_key_is_told_from_damaged_rows() {
        let (_directory, path, store) = store();
        enrol(&store, "ann", sealed(&vault(&[1]), "ann")).await;
        enrol(&store, "bob", Sealed(vec![1])).await;
        // What it is not known to be written with is tried.
        assert!(matches!(open(&source(&[2]), &store, &path).await, Err(KeyError::OtherKey { .. })));
        open(&source(&[1]), &store, &path).await.expect("opened");
        // From now on it is known, whatever is damaged.
        enrol(&store, "ann", Sealed(vec![1])).await;
        open(&source(&[1]), &store, &path).await.expect("opened");
        let error = open(&source(&[2]), &store, &path).await.expect_err("refused").to_string();
        for id in [vault(&[1]).current_key(), vault(&[2]).current_key()] {
            assert!(error.contains(&id.to_string()), "{error}");
        }

        set_damaged_aside(&store, &vault(&[1])).await.expect("set aside");
        let damaged = store.all_damaged_rows().await.expect("looked up");
        let keys: Vec<_> = damaged.iter().map(|(_, row)| (row.table, row.key.as_str(), row.column.as_str())).collect();
        assert_eq!(keys, [("accounts", "1", "password"), ("accounts", "2", "password")]);
        enrol(&store, "ann", sealed(&vault(&[1]), "ann")).await;
        // Its password is bound to its names.
        store.execute("UPDATE accounts SET user = 'eve' WHERE id = 1").await.expect("damaged");
        set_damaged_aside(&store, &vault(&[1])).await.expect("set aside");
        assert_eq!(store.all_damaged_rows().await.expect("looked up").len(), 2);
    }

    #[tokio::test]
    async fn a_missing_key_file_is_made_for_a_new_store_alone() {
        let (directory, path, store) = store();
        let file = directory.path().join("key");
        let source = KeySource::File(file.clone());
        let id = open(&source, &store, &path).await.expect("made").current_key();
        assert!(file.exists());
        let kept = std::fs::read(&file).expect("read");
        std::fs::remove_file(&file).expect("removed");
        let error = open(&source, &store, &path).await.expect_err("refused").to_string();
        assert!(error.contains(&id.to_string()) && error.contains("put that key back"), "{error}");
        assert!(!file.exists(), "no other key takes its place");
        std::fs::write(&file, kept).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert_eq!(open(&source, &store, &path).await.expect("opened").current_key(), id);
    }

    #[tokio::test]
    async fn a_store_needs_each_key_that_something_is_sealed_with() {
        let (_directory, path, store) = store();
        let used = async || store.keys().await.expect("read").iter().map(|key| key.used).collect::<Vec<_>>();
        open(&source(&[1]), &store, &path).await.expect("opened");
        assert_eq!(used().await, [KeyUse::Current]);
        let two = open(&source(&[2, 1]), &store, &path).await.expect("opened").current_key();
        assert_eq!(used().await, [KeyUse::Current, KeyUse::Sealed]);
        for lacking in [&[1][..], &[2], &[3]] {
            assert!(matches!(open(&source(lacking), &store, &path).await, Err(KeyError::OtherKey { .. })));
        }
        let until = Timestamp::from_millis(1_795_341_600_000);
        assert!(store.note_resealed(two, until).await.expect("noted"));
        open(&source(&[2]), &store, &path).await.expect("opened");
        assert_eq!(used().await, [KeyUse::Current, KeyUse::Hashed(until)]);
    }
}
