//! Holds the store to the host's key before anything in it is opened. With another key nothing opens: every sealed row would
//! be taken for a damaged one and be set aside, where it is the key that has to be put right. With the key known to be the
//! right one, an account whose password does not open is damaged, in that or in its names, and is set aside before its hooks
//! are met, whose secrets do not open either then.

use crate::model::{Account, AccountId};
use crate::store::{Accounts, SealedColumn, StoreError, Unopened};
use crate::vault::{Purpose, Vault};

/// How many accounts are read at once.
const AT_ONCE: usize = 1000;

/// Whether the store was written with this key. A store that does not know its key yet notes it.
pub(super) async fn is_the_stores(store: &dyn Accounts, vault: &Vault) -> Result<bool, StoreError> {
    if let Some(print) = store.key_print().await? {
        return Ok(print == vault.print());
    }
    // Some of them may be damaged.
    let accounts = store.accounts(None, AT_ONCE).await?;
    if !accounts.is_empty() && !accounts.iter().any(|account| opens(vault, account)) {
        return Ok(false);
    }
    match store.note_key_print(vault.print()).await {
        // The next start notes it.
        Ok(()) | Err(StoreError::Full(_) | StoreError::Disk(_)) => Ok(true),
        Err(error) => Err(error),
    }
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
    use tempfile::TempDir;

    use super::*;
    use crate::model::{AccountKey, Origin, Sealed, Timestamp};
    use crate::store::Enrolment;
    use crate::store::sqlite::{Settings, SqliteStore};

    fn vault(byte: u8) -> Vault {
        use base64::Engine as _;
        Vault::from_base64(&base64::engine::general_purpose::STANDARD.encode([byte; 32]), "the test").expect("a key")
    }

    #[tokio::test]
    async fn another_key_is_told_from_damaged_rows() {
        let directory = TempDir::new().expect("a folder");
        let store = SqliteStore::open(&directory.path().join("tracker.db"), Settings::default()).expect("opened");
        let enrol = async |user: &str, password: Sealed| {
            let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: user.into() };
            let now = Timestamp::from_millis(1_795_341_600_000);
            store.enrol(Enrolment { key, origin: Origin::Client, password, now }).await.expect("enrolled");
        };
        let key = AccountKey { driver: "mock".into(), provider: "default".into(), user: "ann".into() };
        enrol("ann", vault(1).seal(Purpose::AccountPassword(&key), b"secret").expect("sealed")).await;
        enrol("bob", Sealed(vec![1])).await;
        // What it is not known to be written with is tried.
        assert!(!is_the_stores(&store, &vault(2)).await.expect("asked"));
        assert!(is_the_stores(&store, &vault(1)).await.expect("asked"));
        // From now on it is known, whatever is damaged.
        enrol("ann", Sealed(vec![1])).await;
        assert!(is_the_stores(&store, &vault(1)).await.expect("asked"));
        assert!(!is_the_stores(&store, &vault(2)).await.expect("asked"));

        set_damaged_aside(&store, &vault(1)).await.expect("set aside");
        let damaged = store.all_damaged_rows().await.expect("looked up");
        let keys: Vec<_> = damaged.iter().map(|(_, row)| (row.table, row.key.as_str(), row.column.as_str())).collect();
        assert_eq!(keys, [("accounts", "1", "password"), ("accounts", "2", "password")]);
        enrol("ann", vault(1).seal(Purpose::AccountPassword(&key), b"secret").expect("sealed")).await;
        // Its password is bound to its names.
        store.execute("UPDATE accounts SET user = 'eve' WHERE id = 1").await.expect("damaged");
        set_damaged_aside(&store, &vault(1)).await.expect("set aside");
        assert_eq!(store.all_damaged_rows().await.expect("looked up").len(), 2);
    }
}
