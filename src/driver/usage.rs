//! The resources that a poll used.

use std::time::Duration;

/// What one poll took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub requests: u32,
    pub pages: u32,
    pub cpu: Duration,
    pub wall: Duration,
    /// The most linear memory that the sandbox had at once, in bytes.
    pub memory: usize,
}
