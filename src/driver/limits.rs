//! The limits of one poll, each with its setting, and the pool of sandboxes that follows from them. Every limit of the
//! sandbox is built here.

pub(super) mod budget;
pub(super) mod growth;
pub(super) mod memory;
pub(super) mod meter;

use std::time::Duration;

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Limits on one poll of one account. All have a key of the same name under `[drivers.limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of a sandbox, in bytes.
    pub memory: usize,
    /// All that one poll makes the host spend at one time, in bytes: its sandbox, its list, the requests and answers
    /// under way, and what it handed to the host to keep.
    pub poll_memory: usize,
    /// What all polls of the host spend together, in bytes. One that does not fit waits.
    pub total_memory: usize,
    /// Elements of all its tables.
    pub table_elements: usize,
    /// CPU time for one page (and for making the sandbox).
    pub cpu_per_page: Duration,
    /// CPU time of a poll from which on it runs only where nobody else wants to.
    pub heavy_after: Duration,
    /// Wall clock for one HTTP exchange, from the request to the last byte of the answer.
    pub request_timeout: Duration,
    /// Wall clock for the whole poll.
    pub poll_timeout: Duration,
    pub pages: u32,
    /// Pages in a row that list nothing new: a list with more of them is taken to be endless.
    pub empty_pages: u32,
    /// Instances, or realms, in all pages of a poll.
    pub items: usize,
    /// Bytes that all of them take in the host's memory.
    pub list_bytes: usize,
    /// Labels of one instance, or addresses of one kind.
    pub labels: usize,
    /// Bytes of one string that a driver gives: a name, a label, a cursor, a message.
    pub field_bytes: usize,
    /// Bytes of one answer of the provider, decompressed.
    pub answer_bytes: u64,
    /// Bytes of the names and values of one answer's headers.
    pub answer_header_bytes: usize,
    /// Bytes of one request's headers, as the host holds them.
    pub request_header_bytes: usize,
    /// Bytes of the body of one request to the provider.
    pub request_bytes: usize,
    pub requests: u32,
    /// Requests of one poll that are under way at once; others wait.
    pub requests_at_once: u32,
    /// What a sandbox has open in the host: requests, answers, headers, streams, timers.
    pub handles: usize,
    /// Lines in the log; those beyond are counted and left out.
    pub log_lines: u32,
    /// Sandboxes at one time, in all.
    pub sandboxes: u32,
    /// Bytes of a driver's file.
    pub driver_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 64 << 20,
            poll_memory: 768 << 20,
            total_memory: 2 << 30,
            table_elements: 20_000,
            cpu_per_page: Duration::from_secs(2),
            heavy_after: Duration::from_millis(50),
            request_timeout: Duration::from_secs(30),
            poll_timeout: Duration::from_secs(120),
            pages: 1_000,
            empty_pages: 20,
            items: 1_000_000,
            list_bytes: 512 << 20,
            labels: 1_000,
            field_bytes: 16 << 10,
            answer_bytes: 64 << 20,
            answer_header_bytes: 64 << 10,
            request_header_bytes: 32 << 10,
            request_bytes: 1 << 20,
            requests: 256,
            requests_at_once: 16,
            handles: 4096,
            log_lines: 100,
            sandboxes: 192,
            driver_bytes: 128 << 20,
        }
    }
}

/// What a component may be made of. Components of Python and JavaScript come as a dozen core modules
/// that share one memory; these are several times what any known toolchain makes.
const CORE_INSTANCES: u32 = 64;
const MEMORIES: u32 = 4;
const TABLES: u32 = 16;
/// What all its core instances have in the host beside memories and tables: globals, functions that are referred to,
/// imports. The driver in Python has 407 KiB of it.
pub(super) const CONTEXT_BYTES: usize = 1 << 20;

impl Limits {
    /// The engine's configuration: sandboxes come from a pool of slots that are reserved once.
    pub(super) fn engine_config(&self) -> Config {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(self.sandboxes)
            .total_stacks(self.sandboxes)
            .total_core_instances(self.sandboxes.saturating_mul(CORE_INSTANCES))
            .total_memories(self.sandboxes.saturating_mul(MEMORIES))
            .total_tables(self.sandboxes.saturating_mul(TABLES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_memory_size(self.memory)
            .table_elements(self.table_elements)
            // A slot that was used keeps a little memory mapped, so that the next poll in it does not
            // fault every page in again; the rest goes back to the system.
            .linear_memory_keep_resident(256 << 10)
            .max_core_instance_size(CONTEXT_BYTES)
            .max_component_instance_size(CONTEXT_BYTES)
            .table_keep_resident(16 << 10)
            .max_unused_warm_slots(4);

        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .epoch_interruption(true)
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16));
        config
    }
}
