//! What a child process writes: kept whole for whoever wants to know what went wrong, and looked at line by
//! line for what it says of itself.

use std::io::{BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};

use super::wait::{SOON, eventually};

#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<String>>);

impl Lines {
    /// Reads the stream to its end, on a thread of its own.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) {
        let Lines(text) = self.clone();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
                text.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a whole line in which the function finds something.
    pub(crate) async fn find<T>(&self, what: &str, found: impl Fn(&str) -> Option<T>) -> T {
        eventually(SOON, what, async || {
            let text = self.text();
            let whole = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
            whole.lines().find_map(&found).ok_or(text)
        })
        .await
    }
}

/// A child process that does not outlive whoever started it.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself; there is nobody left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
