//! Answers while a host starts. The store is opened and drivers are loaded before the API is served; compiling new
//! drivers takes minutes. Meanwhile the host is alive and not ready, and says so on both listeners.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::problem::RETRY_SOON;
use super::problem::{Problem, ProblemType};
use super::resources::health;

/// Most hosts start sooner, and their clients need not try again.
pub const ANSWERS_AFTER: Duration = Duration::from_secs(2);

/// Requests are answered at once: there are no more connections than are accepted within that time.
const CONNECTIONS: usize = 64;

/// How long one connection may take in all, and how long the system is left alone after it refused one.
const PATIENCE: Duration = Duration::from_secs(5);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Runs `starting`, and answers on these listeners once it takes longer than `after`.
pub async fn while_starting<T>(
    starting: impl Future<Output = T>,
    public: &TcpListener,
    operator: Option<&std::net::TcpListener>,
    after: Duration,
) -> T {
    let answering = async {
        tokio::time::sleep(after).await;
        // The operator's listener is served by another thread later; a copy serves until then.
        let operator = operator.and_then(|listener| match copy(listener) {
            Ok(copy) => Some(copy),
            Err(error) => {
                tracing::warn!(%error, "the operator's listener answers when the host has started");
                None
            }
        });
        let of_operator = async {
            match &operator {
                Some(operator) => answer(operator).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            never = answer(public) => never,
            never = of_operator => never,
        }
    };
    tokio::select! {
        started = starting => started,
        never = answering => match never {},
    }
}

fn copy(listener: &std::net::TcpListener) -> io::Result<TcpListener> {
    let copy = listener.try_clone()?;
    copy.set_nonblocking(true)?;
    TcpListener::from_std(copy)
}

/// One request a connection, since what comes after it may be answered by the host itself.
async fn answer(listener: &TcpListener) -> Infallible {
    let router = Router::new().route("/healthz", get(health::alive)).fallback(starting);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(tokio::time::timeout(PATIENCE, answer_one(stream, router.clone())));
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer_one(stream: TcpStream, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn starting() -> Problem {
    Problem::new(ProblemType::Starting, "the host opens its store and loads its drivers, which may have to be compiled")
        .retry_after(RETRY_SOON)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: a.example\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        answer
    }

    #[tokio::test]
    async fn a_host_that_starts_is_alive_and_not_ready() {
        let public = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let operator = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
        let addresses = [public.local_addr().expect("bound"), operator.local_addr().expect("bound")];
        // Somebody who never asks holds up nobody.
        let _silent = TcpStream::connect(addresses[0]).await.expect("it listens");
        let (started, starting) = oneshot::channel();
        let asking = async {
            for address in addresses {
                let alive = ask(address, "/healthz").await;
                assert!(alive.starts_with("HTTP/1.1 200") && alive.contains("alive"), "{alive}");
                for path in ["/readyz", "/api/instances"] {
                    let refused = ask(address, path).await;
                    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("/problems/starting"), "{refused}");
                    assert!(refused.contains("retry-after"), "{refused}");
                }
            }
            started.send("started").expect("it is waited for");
        };
        let host = while_starting(starting, &public, Some(&operator), Duration::ZERO);
        let (host, ()) = tokio::join!(host, asking);
        assert_eq!(host, Ok("started"));
    }
}
