//! The progress of a copy, for an observer that may stop it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::BackupError;

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Copying {
        bytes: u64,
        of: u64,
    },
    /// All of it is read, and its indexes are held against its tables.
    Verifying,
    /// What was there is set aside.
    Replacing,
}

/// Who looks on while a copy is made.
pub struct Watch<'a> {
    pub progress: &'a mut dyn FnMut(Stage),
    /// Set to have the work stop. Nothing is left of it then.
    pub stop: Arc<AtomicBool>,
}

impl Watch<'_> {
    pub(super) fn show(&mut self, stage: Stage) {
        (self.progress)(stage);
    }

    /// The same where the work can still be stopped: errs if it is to.
    pub(super) fn tell(&mut self, stage: Stage) -> Result<(), BackupError> {
        self.show(stage);
        match self.stop.load(Ordering::Relaxed) {
            true => Err(BackupError::Stopped),
            false => Ok(()),
        }
    }
}
