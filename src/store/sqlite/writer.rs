//! The one that writes: a thread that takes all the jobs that wait, runs each so that it can be taken back by itself
//! inside one transaction, commits once, and then answers all. Under load a flush to disk is so shared
//! by many; a job that fails takes back its own writes only. Where nothing in a transaction needs to outlive
//! a power cut, it is not flushed at all.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::{CachedStatement, Connection};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::{Result, StoreError};
use super::journal::ChangeIds;
use super::lock::HostLock;
use super::{Fault, Synchronous};
use crate::clock::Stopwatch;

pub(super) struct Writer {
    jobs: mpsc::Sender<Message>,
    /// Stands after `jobs`: fields drop in order, so the queue is closed when the thread is waited for.
    thread: Thread,
}

/// What a job works with.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a Connection,
    pub(super) memory: &'a mut Memory,
}

/// What the writer keeps from one job to the next.
pub(super) struct Memory {
    /// The store's own mark, which is part of every cursor.
    pub(super) mark: u32,
    pub(super) change_ids: ChangeIds,
    /// Runs from the last write that was made for readiness alone.
    pub(super) proven: Option<Stopwatch>,
    /// The number of the newest change, of which waiting readers are told once it is committed.
    pub(super) newest: i64,
    /// The hook whose old attempts were looked at last.
    pub(super) swept: i64,
    /// The hook that was last owed more of the journal.
    pub(super) caught_up: i64,
}

impl<'a> Writing<'a> {
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'a>> {
        Ok(self.connection.prepare_cached(sql)?)
    }
}

impl Writer {
    /// `told` is told the number of the newest change; `flushed` is how a transaction is committed that is to last.
    pub(super) fn start(
        connection: Connection,
        mark: u32,
        told: watch::Sender<i64>,
        queue: usize,
        flushed: Synchronous,
        lock: HostLock,
    ) -> Result<Writer> {
        let (jobs, waiting) = mpsc::channel(queue);
        let newest = *told.borrow();
        let memory = Memory { mark, change_ids: ChangeIds::default(), proven: None, newest, swept: 0, caught_up: 0 };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let flush = Flush { connection: &connection, flushed, present: Lasting::Lasts };
                run(flush, memory, &told, waiting, queue);
                // The file is this host's until nothing can be written any more.
                drop(connection);
                drop(lock);
            })
            .map_err(Fault::NoThread)?;
        Ok(Writer { jobs, thread: Thread(Mutex::new(Some(thread))) })
    }

    pub(super) async fn write<T, F>(&self, lasting: Lasting, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Waiting { work: Some(work), result: None, answer, lasting });
        self.jobs.send(Message::Job(job)).await.map_err(|_| Fault::Closed)?;
        answered.await.map_err(|_| Fault::Closed)?
    }

    pub(super) async fn close(&self) -> Result<()> {
        // It does not matter whether an earlier call has closed it already.
        let _ = self.jobs.send(Message::Close).await;
        if let Some(thread) = self.thread.take() {
            tokio::task::spawn_blocking(move || join(thread)).await.map_err(Fault::Read)?;
        }
        Ok(())
    }
}

/// What becomes of a write when the power goes right after it was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// It lasts, as far as the store's settings say so.
    Lasts,
    /// It may be as if it had never been made: whoever made it can do without, like a claim, which is void
    /// then anyway.
    MayGo,
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

enum Message {
    Job(Box<dyn Job>),
    Close,
}

/// A job without its type.
trait Job: Send {
    /// Whether anybody waits for its answer still.
    fn is_wanted(&self) -> bool;

    fn lasting(&self) -> Lasting;

    /// Runs it; says whether what it wrote is to stay.
    fn run(&mut self, writing: &mut Writing<'_>) -> Verdict;

    /// Tells whoever waits, once it is known whether the transaction holds.
    fn answer(self: Box<Self>, committed: &Result<(), Arc<rusqlite::Error>>);
}

enum Verdict {
    Keep,
    Undo,
}

struct Waiting<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
    lasting: Lasting,
}

impl<T, F> Job for Waiting<T, F>
where
    T: Send,
    F: FnOnce(&mut Writing<'_>) -> Result<T> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn lasting(&self) -> Lasting {
        self.lasting
    }

    fn run(&mut self, writing: &mut Writing<'_>) -> Verdict {
        self.result = self.work.take().map(|work| work(writing));
        match self.result {
            Some(Ok(_)) => Verdict::Keep,
            Some(Err(_)) | None => Verdict::Undo,
        }
    }

    fn answer(self: Box<Self>, committed: &Result<(), Arc<rusqlite::Error>>) {
        let Waiting { result, answer, .. } = *self;
        let result = match (result, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(StoreError::from(Fault::NotCommitted(Arc::clone(error)))),
            (Some(Ok(value)), Ok(())) => Ok(value),
            // It was not wanted when its turn came.
            (None, Ok(())) => return,
        };
        // Whoever asked may have stopped waiting meanwhile.
        let _ = answer.send(result);
    }
}

/// How the connection's commits are flushed to disk.
struct Flush<'a> {
    connection: &'a Connection,
    flushed: Synchronous,
    /// What the last transaction had.
    present: Lasting,
}

impl Flush<'_> {
    /// Has the next transaction flushed as its jobs need it.
    fn prepare(&mut self, jobs: &[Box<dyn Job>]) -> rusqlite::Result<()> {
        let any_lasts = jobs.iter().any(|job| job.lasting() == Lasting::Lasts);
        let wanted = if any_lasts { Lasting::Lasts } else { Lasting::MayGo };
        if self.flushed == Synchronous::Normal || wanted == self.present {
            return Ok(());
        }
        let level = if any_lasts { "full" } else { "normal" };
        self.connection.pragma_update(None, "synchronous", level)?;
        self.present = wanted;
        Ok(())
    }
}

fn run(
    mut flush: Flush<'_>,
    mut memory: Memory,
    told: &watch::Sender<i64>,
    mut waiting: mpsc::Receiver<Message>,
    limit: usize,
) {
    let connection = flush.connection;
    let mut messages = Vec::with_capacity(limit);
    while waiting.blocking_recv_many(&mut messages, limit) > 0 {
        let mut jobs = Vec::with_capacity(messages.len());
        for message in messages.drain(..) {
            match message {
                Message::Job(job) => jobs.push(job),
                // No more get in; those that wait are still received.
                Message::Close => waiting.close(),
            }
        }
        let committed = flush.prepare(&jobs).and_then(|()| run_together(connection, &mut memory, &mut jobs));
        let committed = committed.map_err(Arc::new);
        match &committed {
            Ok(()) => {
                told.send_if_modified(|newest| std::mem::replace(newest, memory.newest) != memory.newest);
            }
            Err(_) => {
                roll_back(connection);
                memory.newest = *told.borrow();
            }
        }
        for job in jobs {
            job.answer(&committed);
        }
    }
    // The log is folded into the file, unless someone still reads from it; either is a sound state.
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
}

fn run_together(connection: &Connection, memory: &mut Memory, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let execute = |sql: &str| connection.prepare_cached(sql)?.execute(()).map(|_| ());
    execute("BEGIN IMMEDIATE")?;
    // The first needs no savepoint, for which SQLite would keep a copy of every page that it changes: what it has
    // written is all that there is in the transaction.
    let mut is_first = true;
    for job in jobs {
        if !job.is_wanted() {
            continue;
        }
        if !is_first {
            execute("SAVEPOINT job")?;
        }
        let newest = memory.newest;
        // After some errors (a full disk, say) SQLite has ended the whole transaction by itself; what
        // follows here then fails, and with it every job of this round.
        match (job.run(&mut Writing { connection, memory }), is_first) {
            (Verdict::Keep, true) => is_first = false,
            (Verdict::Keep, false) => execute("RELEASE job")?,
            (Verdict::Undo, true) => {
                memory.newest = newest;
                execute("ROLLBACK")?;
                execute("BEGIN IMMEDIATE")?;
            }
            (Verdict::Undo, false) => {
                memory.newest = newest;
                execute("ROLLBACK TO job")?;
                execute("RELEASE job")?;
            }
        }
    }
    execute("COMMIT")
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(error = %error, "the store can't take back a failed transaction");
    }
}
