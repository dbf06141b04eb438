//! What a guest prints: the end of it is kept, for the log and for the reason of a crash, and the rest
//! goes nowhere, however much there is.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// How much of the end is kept.
const KEPT: usize = 4 << 10;
/// How much a guest may write at once.
const PERMIT: usize = 64 << 10;

#[derive(Clone, Debug, Default)]
pub(super) struct Prints(Arc<Mutex<Vec<u8>>>);

impl Prints {
    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().expect("invariant: no holder of this lock can panic");
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (kept.len() + bytes.len()).saturating_sub(KEPT);
        kept.drain(..excess);
        kept.extend_from_slice(bytes);
    }

    /// The end of what was printed, without the white space around it.
    pub(super) fn end(&self) -> String {
        let kept = self.0.lock().expect("invariant: no holder of this lock can panic");
        String::from_utf8_lossy(&kept).trim().to_owned()
    }
}

impl IsTerminal for Prints {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Prints {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Prints {
    async fn ready(&mut self) {}
}

impl OutputStream for Prints {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(PERMIT)
    }
}

impl AsyncWrite for Prints {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept() {
        let prints = Prints::default();
        assert_eq!(prints.end(), "");
        prints.push(b"first\n");
        prints.push(&vec![b'x'; 2 * KEPT]);
        prints.push(b" last\n");
        let end = prints.end();
        assert!(end.ends_with("x last") && end.len() < KEPT + 1, "{}", end.len());
    }
}
