//! A write that waits for its turn, and for the transaction that it is part of.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::super::damage;
use super::super::fault::{Fault, NotCommitted};
use super::super::lasting::Lasting;
use super::super::writing::Writing;
use crate::store::{Result, StoreError};

/// A job without its type.
pub(super) trait Job: Send {
    /// Whether anybody waits for its answer still.
    fn is_wanted(&self) -> bool;

    fn lasting(&self) -> Lasting;

    /// Runs it; says whether what it wrote is to stay.
    fn run(&mut self, writing: &mut Writing<'_>) -> Verdict;

    /// Why it failed, if it did.
    fn failure(&self) -> Option<&StoreError>;

    /// Tells whoever waits, once it is known whether the transaction holds.
    fn answer(self: Box<Self>, committed: &Result<(), Arc<NotCommitted>>);
}

pub(super) enum Verdict {
    Keep,
    Undo,
}

pub(super) fn waiting<T, F>(lasting: Lasting, work: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&mut Writing<'_>) -> Result<T> + Send + 'static,
{
    let (answer, answered) = oneshot::channel();
    (Box::new(Waiting { work: Some(work), result: None, answer, lasting }), answered)
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
        // A panic fails this job alone: what it wrote is undone, and the writer goes on.
        self.result = self.work.take().map(|work| {
            let run = catch_unwind(AssertUnwindSafe(|| {
                damage::mend_refused(writing)?;
                let done = work(writing).inspect_err(|error| writing.memory.damages.note_refused(error))?;
                // What could not be read is not met again by the next.
                damage::set_aside(writing)?;
                Ok(done)
            }));
            run.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
        });
        match self.result {
            Some(Ok(_)) => Verdict::Keep,
            Some(Err(_)) | None => Verdict::Undo,
        }
    }

    fn failure(&self) -> Option<&StoreError> {
        self.result.as_ref()?.as_ref().err()
    }

    fn answer(self: Box<Self>, committed: &Result<(), Arc<NotCommitted>>) {
        let Waiting { result, answer, .. } = *self;
        let of_all = |error: &Arc<_>| Err(StoreError::from(Fault::NotCommitted(Arc::clone(error))));
        let result = match (result, committed) {
            // What SQLite takes for a failure of the disk may have been found out to be want of room.
            (Some(Err(StoreError::Disk(_))), Err(error)) => of_all(error),
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => of_all(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            // It was not wanted when its turn came.
            (None, Ok(())) => return,
        };
        // Whoever asked may have stopped waiting meanwhile.
        let _ = answer.send(result);
    }
}

fn panicked(panic: &(dyn Any + Send)) -> StoreError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    tracing::error!(panic = text, "a write of the store panicked: this is a fault of the host");
    Fault::Panicked(text.to_owned()).into()
}
