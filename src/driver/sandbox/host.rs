//! The host's state for a sandbox.

use std::sync::Arc;

use crate::clock::{Clock, ManualClock};
use crate::driver::limits::Limits;
use crate::driver::session::Sessions;

/// Shared by an engine and its sandboxes.
pub(in crate::driver) struct Host {
    pub(in crate::driver) limits: Limits,
    pub(in crate::driver) clock: Arc<dyn Clock>,
    /// The clock that is moved where a guest would sleep; none where guests sleep.
    pub(in crate::driver) moved: Option<Arc<ManualClock>>,
    pub(in crate::driver) sessions: Sessions,
}
