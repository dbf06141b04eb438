//! Tells whether a client has an answer: its TCP has acknowledged the end of it. That means that the answer reached the
//! client's machine, not that the client has read it.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::api::server::receipt::Receipt;

/// How often the system is asked how far the client's TCP is.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A connection's bytes, counted as the system takes them.
pub(super) struct CountedStream {
    stream: TcpStream,
    sent: Arc<Sent>,
}

/// What was sent on a connection, and which answers somebody wants a receipt for.
pub(super) struct Sent {
    /// The connection, also after it was closed here. It takes a file more, and so is there only once an answer was sent that
    /// somebody wants a receipt for.
    socket: OnceLock<OwnedFd>,
    bytes: AtomicU64,
    awaited: Mutex<Vec<Awaited>>,
    changed: Notify,
}

struct Awaited {
    receipt: Receipt,
    end: Arc<End>,
    /// How many bytes had been sent on the connection when the answer was.
    sent_at: Option<u64>,
}

/// Whether all of an answer was handed over to be written.
#[derive(Default)]
pub(super) struct End(AtomicBool);

impl End {
    pub(super) fn reached(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl CountedStream {
    pub(super) fn new(stream: TcpStream) -> (CountedStream, Arc<Sent>) {
        let (socket, bytes) = (OnceLock::new(), AtomicU64::new(0));
        let sent = Arc::new(Sent { socket, bytes, awaited: Mutex::default(), changed: Notify::new() });
        (CountedStream { stream, sent: Arc::clone(&sent) }, sent)
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.sent.bytes.fetch_add(bytes as u64, Ordering::AcqRel);
        }
        written
    }
}

impl Sent {
    /// Asks for a receipt for an answer that ends there.
    pub(super) fn await_receipt(&self, receipt: Receipt) -> Arc<End> {
        let end = Arc::<End>::default();
        self.lock().push(Awaited { receipt, end: Arc::clone(&end), sent_at: None });
        end
    }

    /// All that was to be written was written: hyper flushes a connection only when nothing is left in its own buffers.
    fn flushed(&self, stream: &TcpStream) {
        let bytes = self.bytes.load(Ordering::Acquire);
        let mut is_changed = false;
        for awaited in self.lock().iter_mut().filter(|awaited| awaited.sent_at.is_none()) {
            if awaited.end.0.load(Ordering::Acquire) {
                awaited.sent_at = Some(bytes);
                is_changed = true;
            }
        }
        if is_changed {
            match stream.as_fd().try_clone_to_owned() {
                // There may be one of an answer before.
                Ok(socket) => drop(self.socket.set(socket)),
                Err(error) => tracing::warn!("cannot find out whether a page of changes arrives: {error}"),
            }
            self.changed.notify_one();
        }
    }

    /// Gives receipts for as long as it is polled.
    pub(super) async fn give_receipts(&self) {
        loop {
            if !self.is_any_sent() {
                self.changed.notified().await;
                continue;
            }
            for receipt in self.arrived() {
                receipt.arrived().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The connection has ended. Waits for what was sent whole and may still be acknowledged, and says of the rest that it is
    /// lost.
    pub(super) async fn end(&self, patience: Duration) {
        let arriving = async {
            loop {
                for receipt in self.arrived() {
                    receipt.arrived().await;
                }
                if !self.is_any_sent() || self.is_broken() {
                    return;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let _ = tokio::time::timeout(patience, arriving).await;
        let lost = std::mem::take(&mut *self.lock());
        for Awaited { receipt, .. } in lost {
            receipt.lost().await;
        }
    }

    fn is_any_sent(&self) -> bool {
        self.lock().iter().any(|awaited| awaited.sent_at.is_some())
    }

    /// Whether the client reset the connection: nothing more is acknowledged. Nor can that be told without the socket.
    fn is_broken(&self) -> bool {
        let is_well = |socket: &OwnedFd| {
            matches!(rustix::net::sockopt::socket_error(socket), Ok(Ok(()))) && rustix::net::getpeername(socket).is_ok()
        };
        !self.socket.get().is_some_and(is_well)
    }

    /// Takes out those of which the client's TCP has all.
    fn arrived(&self) -> Vec<Receipt> {
        let waiting = self.socket.get().map(|socket| unacknowledged(socket.as_fd()));
        let Some(Ok(waiting)) = waiting else { return Vec::new() };
        let acknowledged = self.bytes.load(Ordering::Acquire).saturating_sub(waiting);
        let mut awaited = self.lock();
        let has = |awaited: &mut Awaited| awaited.sent_at.is_some_and(|sent| sent <= acknowledged);
        awaited.extract_if(.., has).map(|awaited| awaited.receipt).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Awaited>> {
        self.awaited.lock().expect("invariant: no holder of this lock can panic")
    }
}

/// How many bytes the system holds that were written and not acknowledged yet. The end of a stream counts as one.
#[expect(unsafe_code, reason = "no library has a safe call for TIOCOUTQ")]
fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: for a TCP socket TIOCOUTQ (SIOCOUTQ) writes one int, and does nothing else.
    let waiting = unsafe {
        let getter = rustix::ioctl::Getter::<{ libc::TIOCOUTQ as rustix::ioctl::Opcode }, libc::c_int>::new();
        rustix::ioctl::ioctl(socket, getter)?
    };
    u64::try_from(waiting).map_err(io::Error::other)
}

impl AsyncRead for CountedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.count(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            this.sent.flushed(&this.stream);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
