//! Lines that are missing in the log.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Lines that are missing in the log. Clones count together: the log is there before the host is.
#[derive(Clone, Debug, Default)]
pub struct LogLines {
    pub dropped: Counter,
    pub left_out: Counter,
}

impl LogLines {
    pub(super) fn show(&self, registry: &mut Registry) {
        let help = "Log lines that could not be written, or not fast enough";
        registry.register("log_lines_dropped", help, self.dropped.clone());
        let help = "Log lines that were left out by the limit of lines of one kind (log.lines)";
        registry.register("log_lines_left_out", help, self.left_out.clone());
    }
}
