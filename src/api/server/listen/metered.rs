//! A connection below HTTP. Its bytes are counted as HTTP/2 frames, and read no faster than the connection earns and
//! its requests end. hyper starts a task for each stream, and h2 reads for as long as there is data. Without this file,
//! a client that opens and resets streams would pile up tens of thousands of tasks that delay all other clients.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::task::AtomicWaker;
use hyper::rt::Executor;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::task;
use tokio::time::Sleep;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::frames::{Frame, Frames, HeadPart};
use super::meter::{Allowance, Meter, Next};
use super::receipts::CountedStream;
use super::table::{Bound, Seat};
use crate::api::server::in_flight::Unfinished;
use crate::api::settings::Settings;
use crate::clock::Stopwatch;

/// So much is read at once: some hundred frames, whose requests begin before more is read.
const AT_ONCE: usize = 16 * 1024;

/// After so much in a row a connection lets others go first.
const IN_A_ROW: usize = 4 * AT_ONCE;

/// How often it is looked whether a client that is held back is still there: nobody reads that it has gone.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A stream that knows that its peer has closed it, though what came before that is not read.
pub(super) trait PeerCloses {
    fn has_peer_closed(&self) -> bool;
}

impl PeerCloses for Pin<Box<TimeoutStream<CountedStream>>> {
    fn has_peer_closed(&self) -> bool {
        let ready = TimeoutStream::get_ref(self).stream().ready(Interest::READABLE).now_or_never();
        matches!(ready, Some(Ok(ready)) if ready.is_read_closed())
    }
}

/// What is known of one connection, shared by all that work for it.
pub(super) struct Load {
    seat: Arc<Seat>,
    meter: Mutex<Meter>,
    /// That of its network, unless many clients share the connection.
    network: Option<Arc<Mutex<Meter>>>,
    /// Tasks of its streams that have not ended.
    tasks: AtomicUsize,
    /// With as many nothing more is read.
    most_tasks: usize,
    reader: AtomicWaker,
    /// What has come of a head that has not ended.
    unfinished: Mutex<Unfinished>,
    has_no_room: AtomicBool,
    /// By its task: for how long an answer over HTTP/2 has been waiting for its reader.
    untaken: Mutex<HashMap<task::Id, Stopwatch>>,
    stalled_for: Duration,
    /// The connection has ended, and with it whatever its streams wait for.
    ended: CancellationToken,
    is_costly: AtomicBool,
    last_stream: AtomicU32,
    /// Whether what was sent ends with a whole frame.
    is_between: AtomicBool,
}

impl Load {
    pub(super) fn new(seat: Arc<Seat>, bound: Bound, settings: &Settings, unfinished: Unfinished) -> Arc<Load> {
        let now = seat.elapsed();
        let mut meter = Meter::new(Allowance::of_connection(settings), now);
        let network = (bound == Bound::ByShare).then(|| seat.meter());
        if network.as_ref().is_some_and(|network| lock(network).wait(now).is_some()) {
            meter.begin_with_half();
        }
        Arc::new(Load {
            seat,
            meter: Mutex::new(meter),
            network,
            tasks: AtomicUsize::new(0),
            // Those that were reset have tasks still, until these find out.
            most_tasks: usize::try_from(settings.http2_streams).unwrap_or(usize::MAX).saturating_mul(2),
            reader: AtomicWaker::new(),
            unfinished: Mutex::new(unfinished),
            has_no_room: AtomicBool::new(false),
            untaken: Mutex::default(),
            stalled_for: settings.write_timeout,
            ended: CancellationToken::new(),
            is_costly: AtomicBool::new(false),
            last_stream: AtomicU32::new(0),
            is_between: AtomicBool::new(false),
        })
    }

    /// Ends the tasks of the connection's streams once this is dropped: however it ends, none of them outlives it.
    pub(super) fn end_with_connection(&self) -> DropGuard {
        self.ended.clone().drop_guard()
    }

    /// Whether the connection was closed because it cost too much.
    pub(super) fn is_costly(&self) -> bool {
        self.is_costly.load(Ordering::Relaxed)
    }

    /// Whether the connection was closed because there was no room for the rest of a head.
    pub(super) fn has_no_room(&self) -> bool {
        self.has_no_room.load(Ordering::Relaxed)
    }

    /// A head is whole: what comes next is something else.
    pub(super) fn head_ended(&self) {
        lock(&self.unfinished).ended();
    }

    fn head_grows(&self, bytes: usize) -> io::Result<()> {
        lock(&self.unfinished).grows(bytes).map_err(|no_room| {
            self.has_no_room.store(true, Ordering::Relaxed);
            io::Error::other(no_room)
        })
    }

    /// The last stream that the client opened, where something can still be said to it.
    pub(super) fn last_stream(&self) -> Option<u32> {
        self.is_between.load(Ordering::Relaxed).then(|| self.last_stream.load(Ordering::Relaxed))
    }

    /// Returns once nothing has been under way for a while on a connection that is to end: what keeps it open is an
    /// answer that h2 has and its reader does not take.
    pub(super) async fn left_alone(&self) {
        let mut was_idle = false;
        loop {
            tokio::time::sleep(self.stalled_for).await;
            let is_idle = self.seat.under_way() == 0;
            if is_idle && was_idle {
                return;
            }
            was_idle = is_idle;
        }
    }

    /// The answer that the current task sends waits for its reader from now on.
    pub(super) fn waits_for_reader(&self, task: task::Id) {
        lock(&self.untaken).insert(task, Stopwatch::start());
    }

    pub(super) fn is_taken(&self, task: task::Id) {
        lock(&self.untaken).remove(&task);
    }

    /// Returns once the answer of the current task has waited for too long.
    async fn not_taken(&self) {
        let task = task::id();
        loop {
            tokio::time::sleep(self.stalled_for / 2).await;
            if lock(&self.untaken).get(&task).is_some_and(|since| since.elapsed() >= self.stalled_for) {
                return;
            }
        }
    }

    fn change(&self, frames: impl FnOnce(&mut Meter, Duration) -> i64) {
        let now = self.seat.elapsed();
        let by = frames(&mut lock(&self.meter), now);
        if by != 0
            && let Some(network) = &self.network
        {
            lock(network).change(by, now);
        }
    }

    fn next(&self) -> Next {
        let now = self.seat.elapsed();
        let network = self.network.as_ref().and_then(|network| lock(network).wait(now));
        lock(&self.meter).next(network, now)
    }

    /// Waits while as many tasks are under way as there may be.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.tasks.load(Ordering::Acquire) < self.most_tasks {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        // One may have ended meanwhile.
        if self.tasks.load(Ordering::Acquire) < self.most_tasks { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("invariant: no holder of this lock can panic")
}

/// Runs the streams of one connection, each as a task, and ends those whose answers are not taken.
#[derive(Clone)]
pub(super) struct StreamTasks(Arc<Load>);

impl StreamTasks {
    pub(super) fn of(load: &Arc<Load>) -> StreamTasks {
        StreamTasks(Arc::clone(load))
    }
}

impl<F> Executor<F> for StreamTasks
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        let load = Arc::clone(&self.0);
        load.tasks.fetch_add(1, Ordering::AcqRel);
        let counted = Counted(Arc::clone(&load));
        tokio::spawn(async move {
            let _counted = counted;
            tokio::select! {
                _ = future => {}
                // Dropping it resets the stream; the others of its connection go on.
                () = load.not_taken() => {}
                () = load.ended.cancelled() => {}
            }
        });
    }
}

/// A task that is under way.
struct Counted(Arc<Load>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tasks.fetch_sub(1, Ordering::AcqRel);
        self.0.reader.wake();
    }
}

/// The connection itself.
pub(super) struct Metered<S> {
    stream: S,
    load: Arc<Load>,
    came: Frames,
    went: Frames,
    pause: Option<Pin<Box<Sleep>>>,
    /// Until it is looked again whether a client that is held back is there.
    look: Option<Pin<Box<Sleep>>>,
    in_a_row: usize,
    /// It was said that the connection is closed for what it costs. What comes then is read by whoever closes it.
    is_closed: bool,
}

impl<S: PeerCloses> Metered<S> {
    pub(super) fn new(stream: S, load: Arc<Load>) -> Metered<S> {
        let (came, went) = (Frames::of_client(), Frames::of_server());
        Metered { stream, load, came, went, pause: None, look: None, in_a_row: 0, is_closed: false }
    }

    /// Whether to read on. Over HTTP/1 a client has one request at a time, and is held back by that.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.came.is_http2() || self.is_closed {
            return Poll::Ready(Ok(()));
        }
        let Poll::Ready(credit) = self.poll_credit(cx) else { return self.poll_gone(cx) };
        self.look = None;
        credit?;
        if self.in_a_row >= IN_A_ROW {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Errs once a client that is held back has closed the connection. Its requests would else be under way until it is
    /// read again.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stream.has_peer_closed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let look = self.look.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOK_EVERY)));
        if look.as_mut().poll(cx).is_ready() {
            self.look = None;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Waits while the connection has no credit, or no room for more of its requests.
    fn poll_credit(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.load.poll_room(cx));
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        match self.load.next() {
            Next::Read => {}
            Next::Wait(wait) => {
                let pause = self.pause.insert(Box::pin(tokio::time::sleep(wait)));
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            Next::Close => {
                self.is_closed = true;
                self.load.is_costly.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::Error::other("the connection's frames cost more than it earns")));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S> Metered<S> {
    fn sent(&mut self, pieces: &[IoSlice<'_>], mut written: usize) {
        if !self.came.is_http2() {
            return;
        }
        let Metered { load, went, .. } = self;
        load.change(|meter, now| {
            let mut by = 0;
            for piece in pieces {
                let length = written.min(piece.len());
                went.take_in(&piece[..length], |frame| by += meter.went_out(frame, now));
                written -= length;
            }
            by
        });
        load.is_between.store(went.is_between(), Ordering::Relaxed);
    }
}

impl<S: AsyncRead + PeerCloses + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_turn(cx))?;
        let length = buf.remaining().min(AT_ONCE);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(length));
        let read = Pin::new(&mut this.stream).poll_read(cx, &mut part);
        if read.is_pending() {
            this.in_a_row = 0;
        }
        ready!(read)?;
        let bytes = part.filled();
        let Metered { load, came, .. } = this;
        let mut last: Option<Frame> = None;
        let (mut open_head, mut is_whole) = (0, false);
        load.change(|meter, now| {
            let mut by = 0;
            came.take_in(bytes, |frame| {
                by += meter.came_in(frame, now);
                match frame.head_part() {
                    Some(HeadPart::Last) => (open_head, is_whole) = (0, true),
                    Some(HeadPart::More) => open_head += usize::try_from(frame.length).unwrap_or(usize::MAX),
                    None => {}
                }
                last = last.filter(|last| last.stream > frame.stream).or(Some(frame));
            });
            by
        });
        if let Some(last) = last {
            load.last_stream.fetch_max(last.stream, Ordering::Relaxed);
        }
        let length = bytes.len();
        // Over HTTP/1 what comes while no request is under way is of a head. h2 takes the parts of one in a row.
        let of_head = match came.is_http2() {
            true => open_head,
            false if load.seat.under_way() == 0 => length,
            false => 0,
        };
        if is_whole {
            load.head_ended();
        }
        if of_head > 0 {
            load.head_grows(of_head)?;
        }
        this.in_a_row += length;
        buf.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buf))?;
        this.sent(&[IoSlice::new(buf)], written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.stream).poll_write_vectored(cx, bufs))?;
        this.sent(bufs, written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::api::server::in_flight::InFlight;
    use crate::api::server::listen::table::{Connections, Most};

    /// A client that may have gone. What it sent is not read.
    struct Client {
        has_gone: bool,
    }

    impl PeerCloses for Client {
        fn has_peer_closed(&self) -> bool {
            self.has_gone
        }
    }

    impl AsyncRead for Client {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            panic!("it is read");
        }
    }

    #[tokio::test]
    async fn a_client_that_goes_while_it_is_held_back_ends_its_connection() {
        let settings = Settings::default();
        let peer = IpAddr::from([192, 0, 2, 1]);
        let most = Most { all: 1, network: 1, unfinished: 1, unfinished_of_network: 1 };
        let table = Arc::new(Connections::new(most, Allowance::of_network(&settings)));
        let seat = Arc::new(table.admit(peer, Bound::ByTotal).expect("a place"));
        let load = Load::new(seat, Bound::ByTotal, &settings, InFlight::new(&settings).unfinished(peer));
        let debt = i64::from(settings.http2_budget) * 3 / 2;
        load.change(|meter, now| meter.change(-debt, now));
        let mut metered = Metered::new(Client { has_gone: false }, load);
        metered.came.take_in(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", |_| {});
        let mut buffer = [0; 10];
        let mut read = |metered: &mut Metered<Client>| {
            let mut buffer = ReadBuf::new(&mut buffer);
            let mut context = Context::from_waker(std::task::Waker::noop());
            Pin::new(metered).poll_read(&mut context, &mut buffer)
        };
        assert!(read(&mut metered).is_pending(), "it is held back");
        metered.stream.has_gone = true;
        assert!(matches!(read(&mut metered), Poll::Ready(Err(_))));
    }
}
