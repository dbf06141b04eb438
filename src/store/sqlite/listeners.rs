//! The hooks that match a change: those on its resource, and those whose filter matches.

use std::sync::Arc;

use super::super::{Passing, Result};
use super::hook_index::{HookIndex, Wanted};
use super::listener::{self, Listener};
use super::writing::Writing;
use crate::model::{AccountId, NewChange, Subject};

/// Those of one account, asked for one change after another. Those that their filters direct are found by an index in
/// memory, and those set on a resource by it.
pub(super) struct Listeners {
    account: AccountId,
    filtering: Arc<HookIndex>,
    /// Whether any is set on a resource: most accounts have none, and then nobody is looked for.
    is_any_tracking: bool,
}

impl Listeners {
    pub(super) fn of(writing: &mut Writing<'_>, account: AccountId) -> Result<Listeners> {
        let filtering = writing.memory.hooks.of(writing.connection, account)?;
        let mut select = writing.prepare("SELECT 1 FROM hooks WHERE account = ?1 AND kind IS NOT NULL")?;
        let is_any_tracking = select.exists([account.0])?;
        Ok(Listeners { account, filtering, is_any_tracking })
    }

    fn tracking(&self, writing: &Writing<'_>, change: &NewChange) -> Result<Vec<Listener>> {
        if !self.is_any_tracking || !matches!(change.subject, Subject::Instance | Subject::Realm) {
            return Ok(Vec::new());
        }
        listener::tracking(writing.connection, &writing.memory.damages, self.account, change)
    }

    /// Calls `tell` with each hook that is owed the change now.
    pub(super) fn each(
        &self,
        writing: &Writing<'_>,
        change: &NewChange,
        mut tell: impl FnMut(&Listener) -> Result<()>,
    ) -> Result<()> {
        let tracking = self.tracking(writing, change)?;
        let filtering = self.filtering.candidates(change, Wanted::UpToDate);
        for listener in tracking.iter().chain(filtering) {
            if listener.behind.is_none() && listener.hears(change) {
                tell(listener)?;
            }
        }
        Ok(())
    }

    /// Whether any that is active and directed by its filter waits for an instance to leave the state that it passes
    /// through.
    pub(super) fn await_leaving(&self, passing: &Passing) -> bool {
        let Passing { id, realm, state } = passing;
        self.filtering.any_leaving(id, realm.as_deref(), *state, |listener| {
            listener.is_active && listener.filter.awaits(id, realm.as_deref(), *state)
        })
    }

    /// Whether any of them waits for this resource in particular.
    pub(super) fn await_it(&self, writing: &Writing<'_>, change: &NewChange) -> Result<bool> {
        let tracking = self.tracking(writing, change)?;
        let naming = self.filtering.candidates(change, Wanted::Naming);
        Ok(tracking.iter().chain(naming).any(|listener| listener.awaits(change)))
    }
}
