//! Rotates the host's key. A rotation seals every stored secret with the new key, in small steps with other writes
//! between them. It continues after a restart. The store names the new key before anything is sealed with it. It names
//! the old key as long as a secret is sealed with it, or a request that may be repeated is hashed with it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::{AccountKey, KeyId, Timestamp};
use crate::store::{Backoff, KeyUse, Resealed, SealedColumn, SealedPlace, Store, StoreError, StoreKey};
use crate::vault::{KeyFile, Purpose, Vault, VaultError, sealed_by};

/// How many sealed values are read at once.
const AT_ONCE: usize = 200;
/// How often an old key is looked for that is needed no more.
const AT_LEAST_EVERY: Duration = Duration::from_secs(3600);

pub struct Rotation {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    /// The file that the keys stand in. None: they come from the environment.
    file: Option<PathBuf>,
    /// How long what is hashed is kept.
    hashes_kept: Duration,
    wake: Notify,
    progress: Mutex<Progress>,
}

/// How far a rotation is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Secrets that were looked at since the last time that it began.
    pub looked_at: u64,
    /// Those of them that open with no key of the host's.
    pub unopened: u64,
    /// Why it did not go on, when it was last tried.
    pub failure: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error(
        "the key file {} lacks the key {lacking}, which seals stored secrets: put it back, after the new one", file.display()
    )]
    Lacks { file: PathBuf, lacking: KeyId },
    #[error("the key file {} is missing: put back the one that the host started with", .0.display())]
    NoFile(PathBuf),
    #[error(
        "the host's key comes from the environment, which a running process keeps: start the host again with the new key \
         before the old one, and a comma between them"
    )]
    FromEnvironment,
}

impl Rotation {
    pub fn new(
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        file: Option<PathBuf>,
        hashes_kept: Duration,
    ) -> Rotation {
        let (wake, progress) = (Notify::new(), Mutex::default());
        Rotation { store, vault, clock, file, hashes_kept, wake, progress }
    }

    /// Reads the key file again, and begins to seal with its first key.
    pub async fn begin(&self) -> Result<(), RotationError> {
        let path = self.file.as_ref().ok_or(RotationError::FromEnvironment)?;
        if !path.exists() {
            return Err(RotationError::NoFile(path.clone()));
        }
        // Until the store names the key, no command takes it out of the file. Of two that begin, the later one has the newer
        // key: it is the current one in the store and here alike.
        let file = KeyFile::lock_elsewhere(path).await?;
        let keyring = file.read()?.ok_or_else(|| RotationError::NoFile(path.clone()))?;
        // This process has it still. The next one would not.
        if let Some(lacking) = self.store.keys().await?.into_iter().find(|key| !keyring.ids().any(|id| id == key.id)) {
            return Err(RotationError::Lacks { file: path.clone(), lacking: lacking.id });
        }
        file.flush()?;
        // The store names it first: what a crash leaves then opens with keys that it names.
        self.store.set_current_key(keyring.current_id()).await?;
        self.vault.take_keys(&keyring);
        drop(file);
        // Only failures of this rotation are shown from here on.
        self.lock().failure = None;
        self.wake.notify_one();
        Ok(())
    }

    pub async fn keys(&self) -> Result<Vec<StoreKey>, StoreError> {
        self.store.keys().await
    }

    pub fn progress(&self) -> Progress {
        self.lock().clone()
    }

    /// Does what is to be done until `token` is cancelled.
    pub async fn run(&self, token: CancellationToken) {
        let rounds = async {
            let mut backoff = Backoff::default();
            loop {
                let wait = match self.work().await {
                    Ok(wait) => {
                        backoff.reset();
                        wait
                    }
                    Err(error) => {
                        let wait = backoff.wait();
                        tracing::error!(
                            "stored secrets cannot be sealed with the current key; retrying in {wait:?}: {error}"
                        );
                        self.lock().failure = Some(error.to_string());
                        wait
                    }
                };
                tokio::select! {
                    () = self.wake.notified() => {}
                    () = self.clock.sleep(wait) => {}
                }
            }
        };
        token.run_until_cancelled(rounds).await;
    }

    /// Seals anew what is sealed with an old key, and forgets keys that are needed no more. Says when to look again.
    pub async fn work(&self) -> Result<Duration, RotationError> {
        let keys = self.store.keys().await?;
        if keys.iter().any(|key| key.used == KeyUse::Sealed) {
            let current = self.reseal().await?;
            let note = async |now: Timestamp| {
                let until = now.after(self.hashes_kept);
                Ok::<_, StoreError>((until, self.store.note_resealed(current, until).await?))
            };
            let (until, is_noted) = self.clock.while_steady(note).await?;
            if !is_noted {
                // Another rotation began meanwhile.
                return Ok(Duration::ZERO);
            }
            tracing::info!(
                key = %current,
                "every stored secret is sealed with the current key; the old one is needed until {until}, for repeated \
                 requests"
            );
        }
        let now = self.clock.now();
        let mut next = AT_LEAST_EVERY;
        for StoreKey { id, used } in self.store.keys().await? {
            match used {
                KeyUse::Hashed(until) if until <= now => {
                    // What was sealed before the rotation, and written only after its place was passed.
                    self.reseal().await?;
                    self.store.forget_key(id).await?;
                    tracing::info!(key = %id, "an old key is no longer needed; `tracker key prune` removes it from the key file");
                }
                KeyUse::Hashed(until) => next = next.min(until.since(now)),
                KeyUse::Current | KeyUse::Sealed => {}
            }
        }
        Ok(next)
    }

    /// Seals anew whatever is not sealed with the current key, and gives that.
    async fn reseal(&self) -> Result<KeyId, RotationError> {
        let current = self.vault.current_key();
        *self.lock() = Progress::default();
        let mut place = Some(SealedPlace::default());
        while let Some(after) = place {
            let page = self.store.sealed(after, AT_ONCE).await?;
            let (mut resealed, mut unopened) = (Vec::new(), 0);
            for value in &page.values {
                if sealed_by(&value.sealed) == Some(current) {
                    continue;
                }
                let purpose = purpose(&value.column, &value.account);
                match self.vault.open(purpose, &value.sealed) {
                    Ok(secret) => resealed.push(Resealed {
                        column: value.column.clone(),
                        was: value.sealed.clone(),
                        sealed: self.vault.seal_again(purpose, &secret)?,
                    }),
                    Err(_) => unopened += 1,
                }
            }
            if !resealed.is_empty() {
                self.store.reseal(resealed).await?;
            }
            let mut progress = self.lock();
            progress.looked_at += page.values.len() as u64;
            progress.unopened += unopened;
            place = page.next;
        }
        Ok(current)
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().expect("invariant: no holder of this lock can panic")
    }
}

/// What a sealed column is for.
fn purpose<'a>(column: &'a SealedColumn, account: &'a AccountKey) -> Purpose<'a> {
    match column {
        SealedColumn::AccountPassword(_) => Purpose::AccountPassword(account),
        SealedColumn::HookToken(_) => Purpose::HookToken(account),
        SealedColumn::HookSecret(_) | SealedColumn::HookOldSecret(_) => Purpose::HookSecret(account),
        SealedColumn::Answer { .. } => Purpose::Answer(account),
        SealedColumn::Session { driver, .. } => Purpose::Session(account, driver),
    }
}

#[cfg(test)]
mod tests;
