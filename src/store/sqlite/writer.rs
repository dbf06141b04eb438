//! The writer: a thread that takes all waiting jobs and runs each in a savepoint of one transaction. It commits once,
//! and then answers all of them. So under load many jobs share one flush to disk, and a failing job rolls back only its
//! own writes. If nothing in a transaction needs to survive a power cut, it is not flushed at all.
//!
//! Long work comes in steps, which have a separate queue. The thread serves both queues in turns, and each turn ends
//! after a bounded time. So a request waits for at most one turn of steps, however many polls are being recorded.
//! Within each queue accounts take turns (`round_robin`), and an account has at most a quarter of the places. So many
//! writes of one account delay a write of another account by the turn in progress and by one of those writes.

mod job;
mod queues;
mod round_robin;

use std::cell::Cell;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, ffi};
use tokio::sync::{mpsc, watch};

use super::super::{Result, Signals, StoreError};
use super::bounds::Bounds;
use super::change_ids::ChangeIds;
use super::damage::Damages;
use super::fair_pool::{FairPool, Flow};
use super::fault::{Fault, NotCommitted};
use super::flush::Flush;
use super::hook_cache::HookCache;
use super::lasting::Lasting;
use super::lock::HostLock;
use super::presence::Presence;
use super::schema;
use super::seen::{self, Run, Seen};
use super::writing::{Memory, TURN, Writing};
use crate::clock::Stopwatch;
use crate::model::Timestamp;
use job::{Verdict, waiting};
use queues::{Message, Next, Placed, Queues};
use round_robin::RoundRobin;

/// How long a store that is closed has for what waits and for folding the log into the file, until it is interrupted;
/// and how often it is then. Neither is needed: what was answered is on disk.
const LAST_WRITES: Duration = Duration::from_secs(1);
const INTERRUPTED_EVERY: Duration = Duration::from_millis(50);

/// Of the places in a queue, the part that one flow has at most.
const PART: usize = 4;

pub(super) struct Writer {
    jobs: mpsc::Sender<Message>,
    steps: mpsc::Sender<Placed>,
    /// Places in the two queues. Each job holds one from before it is sent until it is answered, so the channels are never full.
    job_places: FairPool<()>,
    step_places: FairPool<()>,
    interrupt: InterruptHandle,
    /// Stands after the queues: fields drop in order, so they are closed when the thread is waited for.
    thread: Thread,
}

impl Writer {
    /// `told` is told the number of the newest change, and `signals` of what is due; `disk` says how transactions are committed.
    pub(super) fn start(
        mut connection: Connection,
        (damages, bounds): (Damages, Arc<Bounds>),
        mark: u32,
        (told, signals): (watch::Sender<i64>, Signals),
        (queue, filters_kept, page_bytes): (usize, usize, usize),
        disk: OnDisk,
        lock: HostLock,
    ) -> Result<Writer> {
        // One more for the message that closes it.
        let (jobs, urgent) = mpsc::channel(queue + 1);
        let (steps, waiting_steps) = mpsc::channel(queue);
        let places = || FairPool::new(vec![(); queue], (queue / PART).max(1));
        // It only waits for whichever queue has something.
        let waiter = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(Fault::NoThread)?;
        let newest = *told.borrow();
        let memory = Memory {
            mark,
            change_ids: ChangeIds::of(&connection)?,
            hooks: HookCache::follow(&mut connection, damages.clone(), filters_kept)?,
            damages,
            bounds,
            page_bytes,
            proven: None,
            proving: false,
            deleted: false,
            gave_id: false,
            ids: seen::ids_given(&connection)?,
            polls_due: Cell::new(false),
            deliveries_due: Cell::new(false),
            newest,
            swept: 0,
            caught_up: 0,
            polls_claimed: Timestamp::default(),
            clock_set: 0,
        };
        let interrupt = connection.get_interrupt_handle();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let queues = Queues::new(urgent, waiting_steps);
                run(&connection, disk, memory, (&told, &signals), queues, &waiter);
                // The file is this host's until nothing can be written any more.
                drop(connection);
                drop(lock);
            })
            .map_err(Fault::NoThread)?;
        let (job_places, step_places) = (places(), places());
        Ok(Writer { jobs, steps, job_places, step_places, interrupt, thread: Thread(Mutex::new(Some(thread))) })
    }

    pub(super) async fn write<T, F>(&self, flow: Flow, lasting: Lasting, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        let (job, answered) = waiting(lasting, work);
        let place = self.job_places.borrow(flow).await;
        self.jobs.send(Message::Job(Placed { job, place })).await.map_err(|_| Fault::Closed)?;
        answered.await.map_err(|_| Fault::Closed)?
    }

    /// The same for a step of long work: it waits until those before it had their turn. When the writer is closed,
    /// steps that wait are not run any more.
    pub(super) async fn step<T, F>(&self, flow: Flow, lasting: Lasting, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        let (job, answered) = waiting(lasting, work);
        let place = self.step_places.borrow(flow).await;
        self.steps.send(Placed { job, place }).await.map_err(|_| Fault::Closed)?;
        answered.await.map_err(|_| Fault::Closed)?
    }

    pub(super) async fn close(&self) -> Result<()> {
        let thread = self.thread.take();
        let mut closed = pin!(async {
            // It does not matter whether an earlier call has closed it already. There may be no place for the message
            // before what runs is interrupted.
            let _ = self.jobs.send(Message::Close).await;
            if let Some(thread) = thread {
                let _ = tokio::task::spawn_blocking(move || join(thread)).await;
            }
        });
        let mut patience = LAST_WRITES;
        while tokio::time::timeout(patience, &mut closed).await.is_err() {
            self.interrupt.interrupt();
            patience = INTERRUPTED_EVERY;
        }
        Ok(())
    }
}

/// The store's files, as the writer looks after them.
pub(super) struct OnDisk {
    pub(super) flush: Flush,
    pub(super) recovery: Recovery,
    pub(super) presence: Presence,
    pub(super) seen: Seen,
    /// How often, while nothing is written.
    pub(super) look_every: Duration,
}

impl OnDisk {
    /// There was nothing to write for a moment, and was not for so long.
    fn rest(&mut self, connection: &Connection, quiet: Duration) {
        if self.presence.check().is_ok()
            && (self.flush.truncate_if_due(connection) || self.flush.fold_if_idle(connection, quiet))
        {
            self.seen.flush();
        }
    }

    /// Has the next transaction lasting as it has to, where anything can be written.
    fn prepare(&mut self, connection: &Connection, damages: &Damages, wanted: Lasting) -> Result<(), NotCommitted> {
        self.presence.check().map_err(NotCommitted::Gone)?;
        let recovered = self.recovery.finish(connection, &mut self.flush, damages);
        recovered.and_then(|()| self.flush.prepare(connection, wanted)).map_err(|error| self.failed(connection, error))
    }

    fn failed(&mut self, connection: &Connection, error: rusqlite::Error) -> NotCommitted {
        roll_back(connection);
        NotCommitted::Sqlite(self.flush.failed(error))
    }

    /// Errs if what was committed is lost all the same.
    fn committed(&mut self, newest: i64, ids: i64) -> Result<(), NotCommitted> {
        self.seen.note(newest, ids);
        self.presence.check().map_err(NotCommitted::Gone)
    }

    fn fold(&mut self, connection: &Connection) {
        let is_wanted = self.flush.is_long() || self.flush.is_truncation_due();
        if is_wanted
            && self.presence.check().is_ok()
            && (self.flush.truncate_if_due(connection) || self.flush.is_long() && self.flush.fold(connection))
        {
            self.seen.flush();
        }
    }

    fn close(&mut self, connection: &Connection) {
        if self.flush.close(connection) && self.presence.check().is_ok() {
            self.seen.end();
        }
    }
}

/// What a start has to put right before anything else is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Recovery {
    Done,
    /// There was no room for it. It is tried again before each turn, all of which fails until it is done.
    Due(Run),
}

impl Recovery {
    fn finish(&mut self, connection: &Connection, flush: &mut Flush, damages: &Damages) -> rusqlite::Result<()> {
        let Recovery::Due(run) = *self else { return Ok(()) };
        flush.require_room()?;
        flush.prepare(connection, Lasting::Lasts)?;
        schema::begin_run(connection, damages, run).map_err(|error| taken_back(Some(&error)))?;
        tracing::info!("the store's disk has room again: claims of the last host are due");
        *self = Recovery::Done;
        Ok(())
    }
}

struct Thread(Mutex<Option<JoinHandle<()>>>);

impl Thread {
    fn take(&self) -> Option<JoinHandle<()>> {
        self.0.lock().expect("invariant: no holder of this lock can panic").take()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(thread) = self.take() {
            join(thread);
        }
    }
}

fn join(thread: JoinHandle<()>) {
    // Whoever waited for a writer that panicked has been told that the store is closed.
    let _ = thread.join();
}

fn run(
    connection: &Connection,
    mut disk: OnDisk,
    mut memory: Memory,
    (told, signals): (&watch::Sender<i64>, &Signals),
    mut queues: Queues,
    waiter: &tokio::runtime::Runtime,
) {
    let mut quiet = Stopwatch::start();
    loop {
        let turn = match queues.wait(waiter, disk.look_every) {
            Next::Turn(turn) => turn,
            Next::Nothing => {
                disk.rest(connection, quiet.elapsed());
                continue;
            }
            Next::Ended => break,
        };
        let left = queues.left(turn);
        let mut ran = Vec::new();
        let any_lasts = left.iter().any(|placed| placed.job.lasting() == Lasting::Lasts);
        let wanted = if any_lasts { Lasting::Lasts } else { Lasting::MayGo };
        let prepared = disk.prepare(connection, &memory.damages, wanted);
        let committed = prepared.and_then(|()| {
            run_together(connection, &mut memory, left, &mut ran).map_err(|error| disk.failed(connection, error))
        });
        match &committed {
            Ok(()) => {
                memory.hooks.committed();
                memory.damages.committed();
                // Where it can't be seen, the next turn sees it.
                let _ = memory.bounds.look(connection);
                if std::mem::take(&mut memory.gave_id) {
                    // Where it can't be read, it is as it was.
                    memory.ids = seen::ids_given(connection).unwrap_or(memory.ids);
                }
                if std::mem::take(&mut memory.deleted) {
                    disk.flush.note_deleted();
                }
                if std::mem::take(&mut memory.proving) {
                    memory.proven = Some(Stopwatch::start());
                }
                told.send_if_modified(|newest| std::mem::replace(newest, memory.newest) != memory.newest);
                if memory.polls_due.take() {
                    signals.polls.notify_one();
                }
                if memory.deliveries_due.take() {
                    signals.deliveries.notify_one();
                }
            }
            Err(_) => {
                memory.hooks.rolled_back();
                memory.damages.rolled_back();
                memory.newest = *told.borrow();
                (memory.proving, memory.proven) = (false, None);
                (memory.deleted, memory.gave_id) = (false, false);
                memory.polls_due.set(false);
                memory.deliveries_due.set(false);
                // Where not even one could be begun, none is tried again for those who wait: they hear why.
                if ran.is_empty() {
                    ran.extend(std::iter::from_fn(|| left.pop()));
                }
            }
        }
        let lasting = committed.and_then(|()| disk.committed(memory.newest, memory.ids)).map_err(Arc::new);
        for Placed { job, place } in ran {
            job.answer(&lasting);
            drop(place);
        }
        disk.fold(connection);
        quiet = Stopwatch::start();
    }
    disk.close(connection);
}

/// Runs jobs in one transaction until none is left or the turn is over; those that were run are put into `ran`.
fn run_together(
    connection: &Connection,
    memory: &mut Memory,
    left: &mut RoundRobin<Placed>,
    ran: &mut Vec<Placed>,
) -> rusqlite::Result<()> {
    let execute = |sql: &str| connection.prepare_cached(sql)?.execute(()).map(|_| ());
    let turn = Stopwatch::start();
    execute("BEGIN IMMEDIATE")?;
    // The first needs no savepoint, for which SQLite would keep a copy of every page that it changes: what it has
    // written is all that there is in the transaction.
    let mut is_first = true;
    while (ran.is_empty() || turn.elapsed() < TURN)
        && let Some(placed) = left.pop()
    {
        if !placed.job.is_wanted() {
            continue;
        }
        ran.push(placed);
        let Some(Placed { job, .. }) = ran.last_mut() else { break };
        if !is_first {
            execute("SAVEPOINT job")?;
        }
        let newest = memory.newest;
        let verdict = job.run(&mut Writing { connection, memory, turn });
        // After some errors (a full disk, say) SQLite has ended the whole transaction by itself. Whatever ran from here
        // on would commit by itself, statement by statement: every job of this turn has failed.
        if connection.is_autocommit() {
            return Err(taken_back(job.failure()));
        }
        match (verdict, is_first) {
            (Verdict::Keep, true) => is_first = false,
            (Verdict::Keep, false) => execute("RELEASE job")?,
            (Verdict::Undo, true) => {
                memory.hooks.rolled_back();
                memory.damages.rolled_back();
                memory.newest = newest;
                execute("ROLLBACK")?;
                execute("BEGIN IMMEDIATE")?;
            }
            (Verdict::Undo, false) => {
                memory.hooks.rolled_back();
                memory.damages.rolled_back();
                memory.newest = newest;
                execute("ROLLBACK TO job")?;
                execute("RELEASE job")?;
            }
        }
    }
    execute("COMMIT")
}

/// The error of all whose transaction SQLite took back, for what one of them failed of.
fn taken_back(failure: Option<&StoreError>) -> rusqlite::Error {
    let code = match failure {
        Some(StoreError::Full(_)) => ffi::SQLITE_FULL,
        Some(StoreError::Disk(_)) => ffi::SQLITE_IOERR,
        Some(StoreError::Damaged { .. }) => ffi::SQLITE_CORRUPT,
        _ => return rusqlite::Error::ToSqlConversionFailure(Box::new(Fault::TakenBack)),
    };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(Fault::TakenBack.to_string()))
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(error = %error, "the store cannot roll back a failed transaction");
    }
}
