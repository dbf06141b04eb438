//! Fetches approved drivers whose files are missing. The lock has the source and the digest. So anyone can supply the
//! file, and it is either the approved file or refused.

use std::path::{Path, PathBuf};

use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::error::FetchError;
use super::fetcher::Fetcher;
use super::{Source, keep};
use crate::supply::file::{sha256, wasm_files};
use crate::supply::lock::{Approval, Lock};

/// How many are fetched at once.
const AT_ONCE: usize = 4;

/// Sees to it that the file of an approved driver is in the directory, and gives its path. What is there is left as it
/// is, good or not: whoever loads it looks at it.
pub async fn provide(fetcher: &Fetcher, directory: &Path, approval: &Approval) -> Result<PathBuf, FetchError> {
    let path = path_of(directory, approval)?;
    if path.exists() {
        return Ok(path);
    }
    let Some(source) = &approval.source else { return Err(FetchError::NoSource { file: path }) };
    let source: Source = source.parse()?;
    let fetched = fetcher.fetch(&source, Some(&approval.sha256)).await?;
    keep(&path, &fetched.bytes, fetched.evidence.as_ref())?;
    tracing::info!(driver = approval.name, %source, file = %path.display(), "driver fetched");
    Ok(path)
}

/// Provides every driver of the lock that is not in the directory and has a source on some other machine. Gives those
/// that it could not provide, with the place of the file and why. What is there already waits for this, and so it takes
/// no longer than one source may, however many are missing.
pub async fn provide_missing(fetcher: &Fetcher, directory: &Path, lock: &Lock) -> Vec<(PathBuf, FetchError)> {
    let is_remote = |approval: &&Approval| {
        let source = approval.source.as_deref().map(str::parse::<Source>);
        // One that can't be read is told of, too.
        source.is_some_and(|source| source.map_or(true, |source| source.is_remote()))
    };
    let missing = missing(directory, lock, fetcher.driver_bytes);
    let timeout = fetcher.settings.timeout;
    let over = tokio::time::sleep(timeout).shared();
    let provided = stream::iter(missing.into_iter().filter(is_remote)).map(async |approval: &Approval| {
        let provided = tokio::select! {
            biased;
            () = over.clone() => {
                Err(FetchError::TimeOver { from: approval.source.clone().unwrap_or_default(), timeout })
            }
            provided = provide(fetcher, directory, approval) => provided,
        };
        provided.err().map(|error| (directory.join(&approval.file), error))
    });
    provided.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

/// The drivers of the lock that are not in the directory, under whatever name: what counts is the digest.
pub fn missing<'a>(directory: &Path, lock: &'a Lock, driver_bytes: u64) -> Vec<&'a Approval> {
    let is_there = |approval: &&Approval| directory.join(&approval.file).exists();
    let mut missing: Vec<&Approval> = lock.drivers().iter().filter(|approval| !is_there(approval)).collect();
    if missing.is_empty() {
        return missing;
    }
    for file in wasm_files(directory).unwrap_or_default() {
        let fits = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= driver_bytes);
        if let Some(bytes) = fits.then(|| std::fs::read(&file).ok()).flatten() {
            let found = sha256(&bytes);
            missing.retain(|approval| approval.sha256 != found);
        }
    }
    missing
}

/// A lock file is written by hand, too: what it names lies in the directory and nowhere else.
fn path_of(directory: &Path, approval: &Approval) -> Result<PathBuf, FetchError> {
    let file = Path::new(&approval.file);
    match file.file_name() {
        Some(name) if name == file.as_os_str() => Ok(directory.join(file)),
        _ => Err(FetchError::FileName { file: approval.file.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Timestamp;
    use crate::net::{ClientSettings, Clients};
    use crate::supply::lock::Role;
    use crate::supply::source::Settings;

    fn approval(file: &str, bytes: &[u8], source: Option<String>) -> Approval {
        Approval {
            name: "ec2".into(),
            version: "1.0.0".into(),
            role: Role::Current,
            file: file.into(),
            source,
            sha256: sha256(bytes),
            endpoints: Vec::new(),
            approved_at: Timestamp::from_millis(0),
            approved_by: "root".into(),
        }
    }

    fn fetcher() -> Fetcher {
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        Fetcher::new(&clients, &Settings::default(), 100).expect("a fetcher")
    }

    #[tokio::test]
    async fn what_is_missing_comes_from_its_source_or_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let (origin, directory) = (folder.path().join("origin.wasm"), folder.path().join("drivers"));
        std::fs::write(&origin, b"a driver").expect("written");
        let source = Some(origin.display().to_string());
        let check = async |approval: Approval, want: Result<&str, &str>| match (
            provide(&fetcher(), &directory, &approval).await,
            want,
        ) {
            (Ok(path), Ok(name)) => {
                assert_eq!(path, directory.join(name));
                assert_eq!(std::fs::read(path).expect("read"), b"a driver");
            }
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, want) => panic!("{got:?}, wanted {want:?}"),
        };
        let good = || approval("ec2.wasm", b"a driver", source.clone());
        check(approval("ec2.wasm", b"a driver", None), Err("no source")).await;
        check(approval("../ec2.wasm", b"a driver", source.clone()), Err("not a name")).await;
        check(approval("..", b"a driver", source.clone()), Err("not a name")).await;
        check(approval("", b"a driver", source.clone()), Err("not a name")).await;
        let other = approval("ec2.wasm", b"another", source.clone());
        check(other.clone(), Err(&other.sha256)).await;
        check(other, Err(&good().sha256)).await;
        assert!(!directory.join("ec2.wasm").exists(), "nothing of it is kept");
        check(good(), Ok("ec2.wasm")).await;
        std::fs::remove_file(&origin).expect("removed");
        check(good(), Ok("ec2.wasm")).await;
        std::fs::write(&origin, vec![0; 101]).expect("written");
        check(approval("big.wasm", b"", source.clone()), Err("drivers.limits.driver_bytes")).await;
    }

    #[tokio::test]
    async fn a_file_under_another_name_is_not_missing() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("mine.wasm"), b"a driver").expect("written");
        let mut lock = Lock::default();
        lock.approve(approval("ec2.wasm", b"a driver", Some("https://127.0.0.1:1/x".into())));
        assert_eq!(missing(folder.path(), &lock, 100), Vec::<&Approval>::new());
        lock.approve(approval("ec2.wasm", b"another", Some("sftp://x/y".into())));
        assert_eq!(missing(folder.path(), &lock, 100).len(), 1);
        let unprovided = provide_missing(&fetcher(), folder.path(), &lock).await;
        assert!(matches!(unprovided.as_slice(), [(_, FetchError::Source(_))]), "{unprovided:?}");
    }

    #[tokio::test]
    async fn all_that_is_missing_has_the_time_of_one() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = silent.local_addr().expect("bound");
        let folder = tempfile::tempdir().expect("folder");
        let mut lock = Lock::default();
        for number in 0..2 * AT_ONCE {
            let file = format!("{number}.wasm");
            let source = Some(format!("http://{address}/{file}"));
            lock.approve(Approval { name: number.to_string(), ..approval(&file, file.as_bytes(), source) });
        }
        let clients = Clients::new(ClientSettings::default()).expect("clients");
        let settings = Settings { timeout: Duration::from_millis(50), ..Settings::default() };
        let fetcher = Fetcher::new(&clients, &settings, 100).expect("a fetcher");
        let unprovided = provide_missing(&fetcher, folder.path(), &lock).await;
        assert_eq!(unprovided.len(), 2 * AT_ONCE);
        for (file, error) in unprovided {
            assert!(matches!(error, FetchError::TimeOver { .. }), "{}: {error}", file.display());
        }
    }
}
