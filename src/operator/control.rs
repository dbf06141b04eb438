//! The control socket: its listener and its routes.

use std::io;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::damaged::{damaged, remove_account};
use super::keys;
use super::mass_changes::{decide_mass_change, mass_changes};
use super::reload::reload;
use super::shadows::shadows;
use super::state::Control;

/// How long what was asked for is answered when the host ends.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Takes the socket. One that a host left behind is removed: the store is locked by then, so there is no other
/// host of this data directory. Nothing else is.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves it until `token` is cancelled.
pub async fn serve(listener: UnixListener, control: Control, token: CancellationToken) -> io::Result<()> {
    serve_routes(listener, routes(control), token).await
}

/// A request that is never whole would keep a host that ends for good.
async fn serve_routes(listener: UnixListener, router: Router, token: CancellationToken) -> io::Result<()> {
    let served = axum::serve(listener, router).with_graceful_shutdown(token.clone().cancelled_owned());
    let ended = async {
        token.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = served.into_future() => served,
        () = ended => Ok(()),
    }
}

pub(super) fn routes(control: Control) -> Router {
    Router::new()
        .route("/drivers/reload", post(reload))
        .route("/drivers/shadows", get(shadows))
        .route("/mass-changes", get(mass_changes).post(decide_mass_change))
        .route("/keys", get(keys::keys))
        .route("/keys/rotate", post(keys::rotate))
        .route("/damaged", get(damaged))
        .route("/damaged/accounts/{id}", delete(remove_account))
        .with_state(control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::UnixStream;

    #[tokio::test]
    async fn only_a_socket_gives_way_to_the_socket() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("key");
        std::fs::write(&path, "the host's key").expect("written");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        for other in [&path, &link, &folder.path().to_owned()] {
            let refused = listen(other).expect_err("it is no socket");
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists, "{refused}");
        }
        assert_eq!(std::fs::read_to_string(&link).expect("read"), "the host's key");
        let socket = folder.path().join("control.sock");
        drop(listen(&socket).expect("a socket"));
        listen(&socket).expect("one that was left gives way");
    }

    #[tokio::test]
    async fn a_request_that_is_never_whole_does_not_keep_the_host() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("control.sock");
        let listener = listen(&path).expect("a socket");
        let token = CancellationToken::new();
        let router = Router::new().route("/", get(async || "here"));
        let served = tokio::spawn(serve_routes(listener, router, token.clone()));
        let mut endless = UnixStream::connect(&path).await.expect("connected");
        endless.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.expect("written");
        // By the time that another is answered, this one is being read.
        let mut whole = UnixStream::connect(&path).await.expect("connected");
        whole.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("written");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut whole, &mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("here"), "{answer}");
        token.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), served).await.expect("ended in time");
        ended.expect("ended well").expect("served");
        drop(endless);
    }
}
