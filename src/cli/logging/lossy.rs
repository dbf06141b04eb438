//! The queue of log lines, and the thread that writes them. Code that logs never waits for the disk or for the reader of a
//! pipe. A line is dropped and counted if the queue is full or the line can't be written. When a line can be written again, the
//! log says how many were dropped.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use crate::clock::Stopwatch;

/// Lines in the queue: as many as a busy host logs in a few seconds.
const WAITING: usize = 4096;
/// How long the end of the process waits for the queue to empty.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The wait between two tries to queue the request that ends the flush.
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// Queues lines. Clones share the thread.
#[derive(Clone)]
pub(super) struct Lossy {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

/// When dropped, waits until the queued lines are written, for at most `LAST_LINES`.
pub(super) struct Flush {
    lines: SyncSender<Vec<u8>>,
    written: Receiver<()>,
}

impl Lossy {
    /// Starts the thread that writes to `output`.
    pub(super) fn start(output: impl Write + Send + 'static) -> io::Result<(Lossy, Flush)> {
        let (lines, waiting) = sync_channel(WAITING);
        let (tell_written, written) = channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(output, &waiting, &counted, &tell_written))?;
        Ok((Lossy { lines: lines.clone(), dropped }, Flush { lines, written }))
    }

    /// Lines dropped since the log last said so.
    #[cfg(test)]
    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn write(mut output: impl Write, lines: &Receiver<Vec<u8>>, dropped: &AtomicU64, written: &Sender<()>) {
    while let Ok(line) = lines.recv() {
        // An empty line is the request of `Flush`.
        if line.is_empty() {
            let _ = written.send(());
            continue;
        }
        match output.write_all(&line).and_then(|()| output.flush()) {
            Err(_) => {
                dropped.fetch_add(1, Ordering::Relaxed);
            }
            Ok(()) => {
                let dropped = dropped.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    tracing::warn!(dropped, "log lines were dropped: the log could not be written, or not fast enough");
                }
            }
        }
    }
}

impl Write for Lossy {
    /// Takes the whole of what it is given, which is a line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !line.is_empty() && self.lines.try_send(line.to_vec()).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lossy {
    type Writer = Lossy;

    fn make_writer(&'a self) -> Lossy {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let begun = Stopwatch::start();
        while let Err(TrySendError::Full(_)) = self.lines.try_send(Vec::new()) {
            if begun.elapsed() >= LAST_LINES {
                return;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        let _ = self.written.recv_timeout(LAST_LINES.saturating_sub(begun.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, MutexGuard};

    use super::*;

    /// What is written to it; nothing can be while it is broken, and who has the lock holds up the rest.
    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Output {
        fn lock(&self) -> MutexGuard<'_, (bool, Vec<u8>)> {
            self.0.lock().expect("no holder panics")
        }
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut output = self.lock();
            if output.0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            output.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_dropped_and_counted() {
        let output = Output::default();
        let (mut log, flush) = Lossy::start(output.clone()).expect("a thread");
        log.write_all(b"one\n").expect("it never fails");
        let wait = |flush: &Flush| {
            flush.lines.send(Vec::new()).expect("the thread is there");
            flush.written.recv().expect("the thread is there");
        };
        wait(&flush);
        output.lock().0 = true;
        for _ in 0..3 {
            log.write_all(b"dropped\n").expect("it never fails");
        }
        wait(&flush);
        assert_eq!(log.dropped(), 3);
        output.lock().0 = false;
        log.write_all(b"two\n").expect("it never fails");
        wait(&flush);
        assert_eq!((log.dropped(), output.lock().1.as_slice()), (0, b"one\ntwo\n".as_slice()));
    }

    #[test]
    fn what_logs_does_not_wait_for_a_reader_that_hangs() {
        let output = Output::default();
        let (mut log, flush) = Lossy::start(output.clone()).expect("a thread");
        let hanging = output.lock();
        for _ in 0..3 * WAITING {
            log.write_all(b"line\n").expect("it never fails");
        }
        // One at most is in the thread's hands.
        let dropped = log.dropped();
        assert!((2 * WAITING - 1..=2 * WAITING).contains(&(dropped as usize)), "{dropped}");
        drop(hanging);
        drop(flush);
        let written = output.lock().1.len() / b"line\n".len();
        assert_eq!(written + dropped as usize, 3 * WAITING);
    }
}
