//! The output that a guest prints. The host keeps the end of it, for the log and for the reason of a crash, and drops
//! the rest.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::driver::requests::egress::Egress;
use crate::mask::Masker;

/// How much of the end is kept.
const KEPT: usize = 4 << 10;
/// How much a guest may write at once.
const PERMIT: usize = 64 << 10;

#[derive(Clone, Default)]
pub(in crate::driver) struct Prints {
    /// Knows the secrets that are masked; none while a driver describes itself.
    egress: Option<Arc<Egress>>,
    printed: Arc<Mutex<Printed>>,
}

#[derive(Default)]
struct Printed {
    /// Masks all that comes, so that no part of a secret stays where its beginning is dropped.
    masker: Masker,
    end: Vec<u8>,
}

impl Printed {
    fn keep(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let excess = (self.end.len() + bytes.len()).saturating_sub(KEPT);
        self.end.drain(..excess);
        self.end.extend_from_slice(bytes);
    }
}

impl Prints {
    pub(in crate::driver) fn of(egress: Option<Arc<Egress>>) -> Prints {
        Prints { egress, printed: Arc::default() }
    }

    fn push(&self, bytes: Bytes) {
        let mut printed = self.printed.lock().expect("invariant: no holder of this lock can panic");
        let masked = match &self.egress {
            Some(egress) => printed.masker.push(&egress.outcome().withheld(), bytes),
            None => bytes,
        };
        self.keep(&mut printed, &masked);
    }

    fn keep(&self, printed: &mut Printed, masked: &[u8]) {
        printed.keep(masked);
        if let Some(watch) = self.egress.as_ref().and_then(|egress| egress.watch()).filter(|_| !masked.is_empty()) {
            watch.printed(masked);
        }
    }

    /// Lets go of what was held back, since a secret may have begun in it: nothing more is printed.
    pub(in crate::driver) fn finish(&self) {
        let mut printed = self.printed.lock().expect("invariant: no holder of this lock can panic");
        if let Some(egress) = &self.egress {
            let rest = printed.masker.finish(&egress.outcome().withheld());
            self.keep(&mut printed, &rest);
        }
    }

    /// The end of what was printed, masked, and without the white space around it.
    pub(in crate::driver) fn end(&self) -> String {
        self.finish();
        let printed = self.printed.lock().expect("invariant: no holder of this lock can panic");
        String::from_utf8_lossy(&printed.end).trim().to_owned()
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
        self.push(bytes);
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
        self.push(Bytes::copy_from_slice(bytes));
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
        prints.push(Bytes::from_static(b"first\n"));
        prints.push(vec![b'x'; 2 * KEPT].into());
        prints.push(Bytes::from_static(b" last\n"));
        let end = prints.end();
        assert!(end.ends_with("x last") && end.len() < KEPT + 1, "{}", end.len());
    }
}
