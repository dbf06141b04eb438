//! The shared parts of all sandboxes: the engine with its pool of slots, the linker, the pooled clients, the drivers'
//! session memory, and the thread that keeps a spinning guest from blocking a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;

use super::lane::Lane;
use super::limits::Limits;
use super::limits::memory::Pool;
use super::load::compile::{self, Compiler};
use super::sandbox::linker::linker;
use super::sandbox::{Host, Sandbox, skipped_sleep};
use super::session::Sessions;
use crate::clock::{Clock, ManualClock};
use crate::net::Clients;

/// How often a running guest is interrupted, to be counted and to let others run.
const TICK: Duration = Duration::from_millis(10);

/// The host of all drivers. Clones share everything.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

struct Shared {
    engine: wasmtime::Engine,
    linker: Linker<Sandbox>,
    clients: Clients,
    host: Arc<Host>,
    slots: Arc<Semaphore>,
    ticker: Ticker,
    lane: Lane,
    memory: Arc<Pool>,
    compiler: Compiler,
}

/// The engine could not be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up the driver engine: {0}")]
pub struct EngineError(String);

impl Engine {
    /// An engine that compiles in this process, within no limits: for tests, and programs that know their drivers.
    pub fn new(limits: Limits, clients: Clients, clock: Arc<dyn Clock>) -> Result<Engine, EngineError> {
        Engine::compiling(compile::Settings::default(), limits, clients, clock)
    }

    pub fn compiling(
        compile: compile::Settings,
        limits: Limits,
        clients: Clients,
        clock: Arc<dyn Clock>,
    ) -> Result<Engine, EngineError> {
        Engine::made(compile, limits, clients, clock, None)
    }

    /// An engine in which nobody sleeps: the clock is moved in its place.
    pub(crate) fn skipping_sleep(
        compile: compile::Settings,
        limits: Limits,
        clients: Clients,
        clock: &Arc<ManualClock>,
    ) -> Result<Engine, EngineError> {
        Engine::made(compile, limits, clients, Arc::clone(clock) as Arc<_>, Some(Arc::clone(clock)))
    }

    fn made(
        compile: compile::Settings,
        limits: Limits,
        clients: Clients,
        clock: Arc<dyn Clock>,
        moved: Option<Arc<ManualClock>>,
    ) -> Result<Engine, EngineError> {
        let failed = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let engine = wasmtime::Engine::new(&limits.engine_config()).map_err(failed)?;
        let mut linker = linker(&engine).map_err(failed)?;
        if moved.is_some() {
            skipped_sleep::skip(&mut linker).map_err(failed)?;
        }
        let memory = Pool::new(&limits).map_err(|error| EngineError(error.to_string()))?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| EngineError(error.to_string()))?;
        let slots = Arc::new(Semaphore::new(limits.sandboxes as usize));
        let lane = Lane::open(limits.heavy_after).map_err(|error| EngineError(error.to_string()))?;
        let host = Arc::new(Host { limits, clock, moved, sessions: Sessions::default() });
        Ok(Engine(Arc::new(Shared {
            engine,
            linker,
            clients,
            host,
            slots,
            ticker,
            lane,
            memory,
            compiler: Compiler::new(compile),
        })))
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.0.engine
    }

    pub(super) fn linker(&self) -> &Linker<Sandbox> {
        &self.0.linker
    }

    pub fn limits(&self) -> &Limits {
        &self.0.host.limits
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.0.clients
    }

    /// The clock by which drivers go.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.host.clock
    }

    /// What its sandboxes share.
    pub(super) fn host(&self) -> &Arc<Host> {
        &self.0.host
    }

    /// What drivers remember across polls.
    pub fn sessions(&self) -> &Sessions {
        &self.0.host.sessions
    }

    /// Waits for a slot in the pool. While it is held, guests are interrupted at every tick.
    pub(super) async fn slot(&self) -> Slot {
        let slots = Arc::clone(&self.0.slots);
        let permit = slots.acquire_owned().await.expect("invariant: the semaphore is never closed");
        self.0.ticker.enter();
        Slot { _permit: permit, engine: self.clone() }
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.0.lane
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.0.compiler
    }

    /// The memory of all polls.
    pub(super) fn memory(&self) -> &Arc<Pool> {
        &self.0.memory
    }

    /// What polls make the host spend, as it is now.
    pub fn poll_memory(&self) -> &crate::metrics::PollMemory {
        self.0.memory.gauges()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.0.host.limits).finish_non_exhaustive()
    }
}

/// The right to have one sandbox.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    engine: Engine,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.engine.0.ticker.leave();
    }
}

/// A thread that moves the engine's epoch while there are sandboxes, and sleeps while there are none.
struct Ticker {
    sandboxes: Arc<AtomicUsize>,
    thread: Thread,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Ticker> {
        let sandboxes = Arc::new(AtomicUsize::new(0));
        // The thread must not keep the engine alive, and ends soon after it.
        let (weak, counted) = (engine.weak(), Arc::downgrade(&sandboxes));
        let handle = std::thread::Builder::new().name("driver-ticker".into()).spawn(move || {
            while let (Some(engine), Some(sandboxes)) = (weak.upgrade(), counted.upgrade()) {
                let running = sandboxes.load(Ordering::SeqCst) > 0;
                if running {
                    engine.increment_epoch();
                }
                drop((engine, sandboxes));
                if running {
                    std::thread::sleep(TICK);
                } else {
                    std::thread::park();
                }
            }
        })?;
        Ok(Ticker { sandboxes, thread: handle.thread().clone() })
    }

    fn enter(&self) {
        if self.sandboxes.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.unpark();
        }
    }

    fn leave(&self) {
        self.sandboxes.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}
