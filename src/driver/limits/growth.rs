//! Watches the growth of a sandbox, and refuses growth beyond its limits.

use std::sync::Arc;

use wasmtime::ResourceLimiterAsync;

use super::Limits;
use super::memory::PollMemory;

/// Watches what a sandbox grows to, and remembers what it was refused. A sandbox that may grow, and has no room beside
/// other polls, waits.
#[derive(Debug)]
pub(in crate::driver) struct Growth {
    memory_limit: usize,
    table_limit: usize,
    memory: usize,
    tables: usize,
    peak_memory: usize,
    poll: Arc<PollMemory>,
    pub(in crate::driver) refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::driver) enum Refused {
    Memory,
    Tables,
}

impl Growth {
    pub(in crate::driver) fn under(limits: &Limits, poll: Arc<PollMemory>) -> Growth {
        Growth {
            memory_limit: limits.memory,
            table_limit: limits.table_elements,
            memory: 0,
            tables: 0,
            peak_memory: 0,
            poll,
            refused: None,
        }
    }

    /// The most linear memory that there was at once, in bytes.
    pub(in crate::driver) fn peak_memory(&self) -> usize {
        self.peak_memory
    }

    pub(in crate::driver) fn poll(&self) -> &Arc<PollMemory> {
        &self.poll
    }
}

#[async_trait::async_trait]
impl ResourceLimiterAsync for Growth {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory.saturating_sub(current).saturating_add(desired);
        if total > self.memory_limit {
            self.refused = Some(Refused::Memory);
            return Ok(false);
        }
        // The module's own, lower maximum is its own business.
        if maximum.is_none_or(|maximum| desired <= maximum) {
            if self.poll.grow(desired.saturating_sub(current)).await.is_err() {
                return Ok(false);
            }
            self.memory = total;
            self.peak_memory = self.peak_memory.max(total);
        }
        Ok(true)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.tables.saturating_sub(current).saturating_add(desired);
        if total > self.table_limit {
            self.refused = Some(Refused::Tables);
            return Ok(false);
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            if self.poll.grow(desired.saturating_sub(current).saturating_mul(size_of::<usize>())).await.is_err() {
                return Ok(false);
            }
            self.tables = total;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::limits::memory::{Pool, SANDBOX_BYTES};

    #[tokio::test]
    async fn growth_is_counted_over_all_memories() {
        let poll_memory = SANDBOX_BYTES + 1200;
        let limits = Limits { memory: 1000, table_elements: 10, poll_memory, ..Limits::default() };
        let poll = Pool::new(&limits).expect("a pool").admit(None).await;
        let mut growth = Growth::under(&limits, Arc::clone(&poll));
        assert!(growth.memory_growing(0, 600, None).await.expect("answered"));
        assert!(growth.memory_growing(0, 400, None).await.expect("answered"));
        assert_eq!((growth.peak_memory(), growth.refused), (1000, None));
        assert!(!growth.memory_growing(400, 401, None).await.expect("answered"));
        assert_eq!(growth.refused, Some(Refused::Memory));
        assert!(!growth.table_growing(0, 11, None).await.expect("answered"));
        assert_eq!(growth.refused, Some(Refused::Tables));
        assert_eq!(poll.passed(), None);
        poll.spend(150).expect("there is room");
        assert!(!growth.table_growing(0, 10, None).await.expect("answered"), "the poll has no room for it");
        assert!(poll.passed().is_some());
    }
}
