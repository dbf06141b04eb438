//! The queue of log lines, and the thread that writes them. Code that logs never waits for the disk or for the reader
//! of a pipe. A line is dropped and counted if the queue is full or the line can't be written. When a line can be
//! written again, the log says how many were dropped. Each line is made legible first, so that foreign text in it can
//! neither end the line nor control the terminal.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

use crate::clock::Stopwatch;
use crate::model::{legible, legible_json};

/// Lines in the queue: as many as a busy host logs in a few seconds.
const WAITING: usize = 4096;
/// How long the end of the process waits for the queue to empty.
const LAST_LINES: Duration = Duration::from_secs(1);
/// The wait between two tries to queue the request that ends the flush.
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// The form of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Text,
    /// With a colour for the level, for a terminal.
    Coloured,
}

/// Queues lines. Clones share the thread.
#[derive(Clone)]
pub(super) struct Lossy {
    form: Form,
    lines: SyncSender<Vec<u8>>,
    dropped: Dropped,
}

/// How many lines were dropped.
#[derive(Clone)]
struct Dropped {
    /// Since the log last said so.
    untold: Arc<AtomicU64>,
    all: Counter,
}

impl Dropped {
    fn add(&self) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        self.all.inc();
    }
}

/// When dropped, waits until the queued lines are written, for at most `LAST_LINES`.
pub(super) struct Flush {
    lines: SyncSender<Vec<u8>>,
    written: Receiver<()>,
}

impl Lossy {
    /// Starts the thread that writes to `output`.
    pub(super) fn start(
        output: impl Write + Send + 'static,
        form: Form,
        dropped: Counter,
    ) -> io::Result<(Lossy, Flush)> {
        let (lines, waiting) = sync_channel(WAITING);
        let (tell_written, written) = channel();
        let dropped = Dropped { untold: Arc::default(), all: dropped };
        let counted = dropped.clone();
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(output, &waiting, &counted, &tell_written))?;
        Ok((Lossy { form, lines: lines.clone(), dropped }, Flush { lines, written }))
    }

    #[cfg(test)]
    fn dropped(&self) -> u64 {
        self.dropped.untold.load(Ordering::Relaxed)
    }
}

fn write(mut output: impl Write, lines: &Receiver<Vec<u8>>, dropped: &Dropped, written: &Sender<()>) {
    while let Ok(line) = lines.recv() {
        // An empty line is the request of `Flush`.
        if line.is_empty() {
            let _ = written.send(());
            continue;
        }
        match output.write_all(&line).and_then(|()| output.flush()) {
            Err(_) => dropped.add(),
            Ok(()) => {
                let dropped = dropped.untold.swap(0, Ordering::Relaxed);
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
        if !line.is_empty() && self.lines.try_send(self.form.legible(line).into_bytes()).is_err() {
            self.dropped.add();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Form {
    fn legible(self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let mut made = match self {
            Form::Json => legible_json(text).into_owned(),
            Form::Text => legible(text).into_owned(),
            Form::Coloured => coloured(&legible(text)),
        };
        made.push('\n');
        made
    }
}

/// The line with its time dimmed and its level coloured; they are the first words of each. The formatter's own styles are not
/// asked for: it writes the values of fields as they are among them.
fn coloured(line: &str) -> String {
    let Some((time, rest)) = line.split_once(' ') else { return line.to_owned() };
    let rest = rest.trim_start();
    let (level, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let colour = match level {
        "ERROR" => AnsiColor::Red,
        "WARN" => AnsiColor::Yellow,
        "INFO" => AnsiColor::Green,
        "DEBUG" => AnsiColor::Blue,
        "TRACE" => AnsiColor::Magenta,
        _ => return line.to_owned(),
    };
    let (dimmed, of_level) = (Style::new().dimmed(), colour.on_default());
    format!("{dimmed}{time}{dimmed:#} {of_level}{level:>5}{of_level:#} {rest}")
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
        let (output, counter) = (Output::default(), Counter::default());
        let (mut log, flush) = Lossy::start(output.clone(), Form::Text, counter.clone()).expect("a thread");
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
        assert_eq!((log.dropped(), counter.get()), (3, 3));
        output.lock().0 = false;
        log.write_all(b"two\n").expect("it never fails");
        wait(&flush);
        assert_eq!((log.dropped(), output.lock().1.as_slice()), (0, b"one\ntwo\n".as_slice()));
        assert_eq!(counter.get(), 3);
    }

    /// What is written of a line that has others' styles and line breaks wherever they may be.
    fn logged(form: Form) -> String {
        let output = Output::default();
        let (lossy, flush) = Lossy::start(output.clone(), form, Counter::default()).expect("a thread");
        let subscriber = tracing_subscriber::fmt().with_writer(lossy).with_ansi(false).with_target(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let (own, error) = ("\x1b[31mfield\x1b[8m\n", io::Error::other("\x1b[31merror\x1b[0m\r\n"));
            tracing::warn!(own, %error, debugged = ?own, "\x1b[31mmessage\x1b[2J\u{202e}\n");
        });
        drop(flush);
        String::from_utf8(output.lock().1.clone()).expect("text")
    }

    #[test]
    fn no_line_of_the_log_is_ended_or_styled_by_others() {
        let text = logged(Form::Text);
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(!text.contains(['\x1b', '\r', '\u{202e}']), "{text:?}");
        assert!(text.contains("<U+202E>"), "{text:?}");
        for what in ["field", "error", "message"] {
            assert!(text.contains(what), "{text:?}");
        }
        let coloured = logged(Form::Coloured);
        assert_eq!(coloured.matches('\n').count(), 1, "{coloured:?}");
        // The time and the level have the first four.
        let styles: Vec<&str> =
            coloured.split('\x1b').skip(1).map(|style| &style[..style.find('m').unwrap_or(0)]).collect();
        assert_eq!(styles, ["[2", "[0", "[33", "[0"], "{coloured:?}");
        assert!(coloured.contains(" WARN\x1b[0m "), "{coloured:?}");
        assert_eq!(Form::Json.legible("{\"message\":\"a\u{202e}\"}\n".as_bytes()), "{\"message\":\"a\\u202e\"}\n");
        for line in ["", "one", "two words", "12:00 INFO"] {
            assert!(Form::Coloured.legible(line.as_bytes()).ends_with('\n'), "{line}");
        }
    }

    #[test]
    fn what_logs_does_not_wait_for_a_reader_that_hangs() {
        let output = Output::default();
        let (mut log, flush) = Lossy::start(output.clone(), Form::Text, Counter::default()).expect("a thread");
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
