//! Limits the log: a maximum number of lines of one kind in a period. A kind is a place in the source. Without a limit,
//! others could fill the log with lines that they cause, such as refused requests or expensive connections. The host
//! counts the lines that it leaves out, and logs the count. Levels below `info` have no limit, because they are on only
//! while somebody looks for something.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::clock::Stopwatch;

#[derive(Clone)]
pub(in crate::cli) struct Bounded(Arc<Inner>);

struct Inner {
    lines: usize,
    every: Duration,
    /// All that were.
    left_out: Counter,
    /// As many as there are places in the source that log.
    kinds: Mutex<HashMap<Identifier, Lines>>,
}

/// Lines of one kind.
struct Lines {
    of: &'static Metadata<'static>,
    since: Stopwatch,
    /// Since then.
    written: usize,
    /// Since the log last said so.
    left_out: u64,
}

impl Bounded {
    /// Lets `lines` of each kind through in each `every`.
    pub(super) fn new(lines: usize, every: Duration, left_out: Counter) -> Bounded {
        Bounded(Arc::new(Inner { lines, every, left_out, kinds: Mutex::default() }))
    }

    /// Says from time to time what was left out.
    pub(in crate::cli) async fn tell(&self) -> Infallible {
        loop {
            tokio::time::sleep(self.0.every).await;
            for (of, left_out) in self.take_left_out() {
                tracing::warn!(
                    left_out,
                    lines.target = of.target(),
                    lines.level = %of.level(),
                    lines.source = of.line(),
                    "log lines of one kind were left out: there were more than log.lines"
                );
            }
        }
    }

    fn take_left_out(&self) -> Vec<(&'static Metadata<'static>, u64)> {
        let mut kinds = self.kinds();
        let take = |lines: &mut Lines| (lines.of, std::mem::take(&mut lines.left_out));
        kinds.values_mut().map(take).filter(|(_, left_out)| *left_out > 0).collect()
    }

    fn admits(&self, of: &'static Metadata<'static>) -> bool {
        let mut kinds = self.kinds();
        let lines = kinds.entry(of.callsite()).or_insert_with(|| Lines {
            of,
            since: Stopwatch::start(),
            written: 0,
            left_out: 0,
        });
        if lines.since.elapsed() >= self.0.every {
            lines.since = Stopwatch::start();
            lines.written = 0;
        }
        let admitted = lines.written < self.0.lines;
        match admitted {
            true => lines.written += 1,
            false => {
                lines.left_out += 1;
                self.0.left_out.inc();
            }
        }
        admitted
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<Identifier, Lines>> {
        self.0.kinds.lock().expect("invariant: no holder of this lock can panic")
    }
}

/// Of all that is logged: a filter of one layer alone can't leave out single events.
impl<S: Subscriber> Layer<S> for Bounded {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        *event.metadata().level() > Level::INFO || self.admits(event.metadata())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no holder panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_kind_of_line_is_bounded_and_what_is_left_out_is_counted() {
        let counter = Counter::default();
        let (written, bounded) = (Written::default(), Bounded::new(3, Duration::from_secs(3600), counter.clone()));
        let writer = written.clone();
        let layer = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let log = tracing_subscriber::registry().with(bounded.clone()).with(layer);
        tracing::subscriber::with_default(log, || {
            for number in 0..10 {
                tracing::warn!("the first kind: {number}");
                tracing::debug!("the third kind");
                if number < 2 {
                    tracing::info!("the second kind");
                }
            }
        });
        let text = String::from_utf8(written.0.lock().expect("no holder panics").clone()).expect("text");
        assert_eq!(text.matches("the first kind").count(), 3, "{text}");
        assert_eq!(text.matches("the second kind").count(), 2, "{text}");
        assert_eq!(text.matches("the third kind").count(), 10, "{text}");
        let left_out: Vec<u64> = bounded.take_left_out().into_iter().map(|(_, left_out)| left_out).collect();
        assert_eq!((left_out, counter.get()), (vec![7], 7));
        assert!(bounded.take_left_out().is_empty(), "it is said once");
    }
}
