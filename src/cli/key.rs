//! `tracker key`: the keys that seal stored secrets. The command asks a running host, or opens the store if none runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use secrecy::ExposeSecret as _;
use tokio::runtime::Runtime;

use super::config_args::ConfigArgs;
use super::output;
use super::process::runtime;
use super::table::table;
use super::usage::UsageError;
use crate::config::{Config, KEY_VARIABLE, KeySource};
use crate::net::local::{self, LocalError};
use crate::operator::{KeyDocument, KeysDocument, WrittenKeyUse};
use crate::rotation::Rotation;
use crate::serve;
use crate::store::sqlite::SqliteStore;
use crate::vault::{KeyFile, Keyring};

/// How often a host is asked how far a rotation is.
const ASKED_EVERY: Duration = Duration::from_millis(200);
/// How often what it answers is shown.
const SHOWN_EACH: u32 = 10;

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// List the keys that the store needs and the keys that the host has
    List(List),
    /// Seal every stored secret with a new key, while the host runs
    Rotate(Rotate),
    /// Remove the keys from the key file that the store no longer needs
    Prune(Prune),
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The command writes a new key into the first line of the key file, and keeps the older keys to open what they sealed. The host
then seals every stored secret with the new key, in small steps. An interrupted rotation continues with the next start of the
host, or with the same command. The store needs the old key until idempotency keys from before the rotation have expired
(api.idempotency_for). `tracker key prune` then removes it.

Renew your copies of the key file afterwards. Backups from before the rotation still need the old key.

If another program writes the key file, put the new key into its first line, as `openssl rand -base64 32` prints it, and run
this command. If the key is in the environment variable TRACKER_KEY, put the new key and a comma before the old one, and
restart the host.")]
pub(super) struct Rotate {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct Prune {
    #[command(flatten)]
    config: ConfigArgs,
}

impl Key {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Key::List(list) => list.run(),
            Key::Rotate(rotate) => rotate.run(),
            Key::Prune(prune) => prune.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let held = held(&config)?;
        let document = Reach::find(&config)?.keys()?;
        let has = |id: &str| held.iter().flat_map(Keyring::ids).any(|held| held.to_string() == id);
        let mut rows: Vec<[String; 3]> =
            document.keys.iter().map(|key| [key.id.clone(), shown(key), is_there(has(&key.id))]).collect();
        let is_named = |id: &str| document.keys.iter().any(|key| key.id == id);
        for id in held.iter().flat_map(Keyring::ids).map(|id| id.to_string()).filter(|id| !is_named(id)) {
            rows.push([id, "not needed".to_owned(), is_there(true)]);
        }
        output::text!("{}", table(["KEY", "USE", "THE HOST HAS IT"], rows));
        Ok(())
    }
}

fn shown(key: &KeyDocument) -> String {
    match (key.used, key.until) {
        (WrittenKeyUse::Current, _) => "current".to_owned(),
        (WrittenKeyUse::Sealed, _) | (WrittenKeyUse::Hashed, None) => "old: some secrets are sealed with it".to_owned(),
        (WrittenKeyUse::Hashed, Some(until)) => format!("old: needed until {until}, for repeated requests"),
    }
}

fn is_there(is_there: bool) -> String {
    if is_there { "yes" } else { "no" }.to_owned()
}

/// The host's keys, as far as they are there.
fn held(config: &Config) -> anyhow::Result<Option<Keyring>> {
    Ok(match &config.key {
        KeySource::File(path) => Keyring::read(path)?,
        KeySource::Environment(text) => {
            Some(Keyring::parse(text.expose_secret(), &format!("the environment variable {KEY_VARIABLE}"))?)
        }
    })
}

/// The path of the key file, which is there.
fn key_file(config: &Config) -> Result<&Path, UsageError> {
    let KeySource::File(path) = &config.key else {
        return Err(UsageError(format!(
            "the host's key is in the environment variable {KEY_VARIABLE}: put the new key there before the old one, with a \
             comma between them, start the host again, and remove the old one once `tracker key list` does not name it"
        )));
    };
    match path.exists() {
        true => Ok(path),
        false => Err(no_key_file(path)),
    }
}

fn no_key_file(path: &Path) -> UsageError {
    UsageError(format!(
        "there is no key file {}: the host makes it when it first starts (settings: key_file, data_dir)",
        path.display()
    ))
}

impl Rotate {
    fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let path = key_file(&config)?;
        let reach = Reach::find(&config)?;
        {
            // From what is read here to what is written of it, nobody else changes the file.
            let file = KeyFile::lock(path)?;
            let keyring = file.read()?.ok_or_else(|| no_key_file(path))?;
            let document = reach.keys()?;
            let current = document.keys.first().map(|key| key.id.clone());
            let is_new = current.is_some_and(|current| current != keyring.current_id().to_string());
            if document.is_under_way() || is_new {
                output::line!("The rotation to the key {} continues.", keyring.current_id());
            } else if keyring.is_full() {
                anyhow::bail!(full(path, &keyring, &document));
            } else {
                let keyring = keyring.with_new_key()?;
                file.replace(&keyring)?;
                output::line!("The new key {} is the first line of {}.", keyring.current_id(), path.display());
            }
        }
        // Whoever begins it reads the file under the same lock.
        let document = reach.rotate()?;
        for key in &document.keys {
            match key.used {
                WrittenKeyUse::Current => output::line!("Every stored secret is sealed with the key {}.", key.id),
                _ => output::line!("The key {} is {}.", key.id, shown(key)),
            }
        }
        if document.unopened > 0 {
            output::stderr_line!(
                "warning: {} secrets open with no key of the host's, and stay as they are: they are damaged, which \
                 `tracker damaged list` shows once the host has met them",
                document.unopened
            );
        }
        output::line!("Keep a copy of {} apart from backups of the store.", path.display());
        Ok(())
    }
}

/// What to do where the key file has as many keys as it may have.
fn full(path: &Path, keyring: &Keyring, document: &KeysDocument) -> String {
    let keys = keyring.ids().map(|id| id.to_string()).collect::<Vec<_>>();
    let unneeded = keys.iter().filter(|id| document.keys.iter().all(|key| key.id != **id)).count();
    let file = format!("the key file {} has {} keys, and may have no more", path.display(), keys.len());
    let soonest = document.keys.iter().filter_map(|key| key.until).min();
    match (unneeded, soonest) {
        (0, Some(until)) => format!(
            "{file}: the store needs each of them, and the first one until {until}, for repeated requests \
             (api.idempotency_for). After that run `tracker key prune`, and then this again. Nothing was changed"
        ),
        _ => format!(
            "{file}: the store does not need {unneeded} of them. Run `tracker key prune`, and then this again. Nothing was \
             changed"
        ),
    }
}

impl Prune {
    fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let path = key_file(&config)?;
        let reach = Reach::find(&config)?;
        // The store names no other key before this is written.
        let file = KeyFile::lock(path)?;
        let keyring = file.read()?.ok_or_else(|| no_key_file(path))?;
        let document = reach.keys()?;
        let is_needed = |id: &str| document.keys.iter().any(|key| key.id == id);
        if document.keys.is_empty() || !is_needed(&keyring.current_id().to_string()) {
            return Err(UsageError(format!(
                "the store does not name the key {}, the first of {}: run `tracker key rotate` first",
                keyring.current_id(),
                path.display()
            ))
            .into());
        }
        let kept = keyring.keeping(|id| is_needed(&id.to_string()));
        let removed: Vec<String> =
            keyring.ids().filter(|id| !is_needed(&id.to_string())).map(|id| id.to_string()).collect();
        if removed.is_empty() {
            output::line!("The store needs every key in {}.", path.display());
        } else {
            file.replace(&kept)?;
            output::line!("Removed from {}: {}.", path.display(), removed.join(", "));
        }
        Ok(())
    }
}

/// Where the store is reached.
enum Reach {
    /// Through the host that has it open.
    Host {
        runtime: Runtime,
        socket: PathBuf,
    },
    Store {
        runtime: Runtime,
        store: Arc<SqliteStore>,
        rotation: Box<Rotation>,
    },
}

impl Reach {
    fn find(config: &Config) -> anyhow::Result<Reach> {
        let runtime = runtime()?;
        match runtime.block_on(ask(&config.control_socket, Method::GET, "/keys")) {
            Ok(_) => Ok(Reach::Host { runtime, socket: config.control_socket.clone() }),
            Err(LocalError::NobodyThere { .. }) => {
                let (store, rotation) = runtime.block_on(serve::open_rotation(config))?;
                Ok(Reach::Store { runtime, store, rotation: Box::new(rotation) })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn keys(&self) -> anyhow::Result<KeysDocument> {
        Ok(match self {
            Reach::Host { runtime, socket } => read(&runtime.block_on(ask(socket, Method::GET, "/keys"))?)?,
            Reach::Store { runtime, rotation, .. } => runtime.block_on(KeysDocument::of(rotation))?,
        })
    }

    /// Has everything sealed with the first key of the key file, and waits for it.
    fn rotate(&self) -> anyhow::Result<KeysDocument> {
        match self {
            Reach::Host { runtime, socket } => {
                let mut document: KeysDocument = read(&runtime.block_on(ask(socket, Method::POST, "/keys/rotate"))?)?;
                let mut asked: u32 = 0;
                while document.is_under_way() {
                    if let Some(failure) = &document.failure {
                        anyhow::bail!(
                            "the host can't go on with the rotation, and tries again by itself: {failure}. This command shows \
                             whether it could"
                        );
                    }
                    asked += 1;
                    if asked.is_multiple_of(SHOWN_EACH) {
                        output::stderr_line!("{} secrets are looked at.", document.looked_at);
                    }
                    std::thread::sleep(ASKED_EVERY);
                    document = self.keys()?;
                }
                Ok(document)
            }
            Reach::Store { runtime, store, rotation } => runtime.block_on(async {
                rotation.begin().await?;
                rotation.work().await?;
                let document = KeysDocument::of(rotation).await?;
                store.close().await?;
                Ok(document)
            }),
        }
    }
}

async fn ask(socket: &Path, method: Method, path: &str) -> Result<Vec<u8>, LocalError> {
    local::ask(socket, method, path, None).await
}

fn read(body: &[u8]) -> serde_json::Result<KeysDocument> {
    serde_json::from_slice(body)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD as BASE64;

    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_full_key_file_says_what_to_do() {
        let keys: Vec<String> = (0..16).map(|byte| BASE64.encode([byte; 32])).collect();
        let keyring = Keyring::parse(&keys.join("\n"), "the test").expect("keys");
        assert!(keyring.is_full());
        let document = |named: usize| {
            let key = |(number, id): (i64, String)| match number {
                0 => KeyDocument { id, used: WrittenKeyUse::Current, until: None },
                _ => {
                    let until = Timestamp::from_millis(1_795_341_600_000 - number * 60_000);
                    KeyDocument { id, used: WrittenKeyUse::Hashed, until: Some(until) }
                }
            };
            let keys = (0..).zip(keyring.ids().map(|id| id.to_string())).take(named).map(key).collect();
            KeysDocument { keys, looked_at: 0, unopened: 0, failure: None }
        };
        let all = full(Path::new("/data/key"), &keyring, &document(16));
        assert!(all.contains("/data/key has 16 keys") && all.contains("the first one until 2026-11-22T09:"), "{all}");
        let some = full(Path::new("/data/key"), &keyring, &document(10));
        assert!(some.contains("does not need 6 of them. Run `tracker key prune`"), "{some}");
    }
}
