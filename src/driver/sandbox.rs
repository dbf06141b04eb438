//! One sandbox: a fresh store that contains only what the contract provides, created for one poll and dropped
//! afterwards. A driver can keep nothing in it, and one account's poll can't see another's.

pub(super) mod guest;
mod host;
mod kept;
mod lent;
pub(super) mod linker;
mod prints;
mod running;
pub(super) mod skipped_sleep;
mod timers;

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::limits::Limits;
use super::limits::growth::Growth;
use super::limits::meter::Meter;
use super::requests::egress::{Egress, Outlet};
use crate::model::AccountKey;
use prints::Prints;
use timers::Timers;

pub(super) use host::Host;
pub(super) use running::{Running, guest_account};

/// What is in a store.
pub(super) struct Sandbox {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outlet: Outlet,
    growth: Growth,
    meter: Arc<Meter>,
    prints: Prints,
    host: Arc<Host>,
    /// Absent while a driver describes itself.
    account: Option<Account>,
    log_lines: u32,
    /// Where nobody sleeps.
    timers: Option<Timers>,
}

/// The account that a sandbox works for.
struct Account {
    key: AccountKey,
    egress: Arc<Egress>,
    credentials_mark: [u8; 32],
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Sandbox {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outlet, table: &mut self.table, ctx: &mut self.http }
    }
}

impl Sandbox {
    /// Charges the poll for what the host keeps of it until the sandbox is gone.
    pub(super) fn spend(&self, bytes: usize) -> wasmtime::Result<()> {
        self.growth.poll().spend(bytes).map_err(wasmtime::Error::from)
    }

    /// Whether another line may be logged because of the driver; says once that the others are left out.
    fn may_log(&mut self) -> bool {
        let most = self.host.limits.log_lines;
        self.log_lines = self.log_lines.saturating_add(1);
        if self.log_lines == most.saturating_add(1) {
            let account = self.account.as_ref().map(|account| account.key.to_string()).unwrap_or_default();
            tracing::warn!(account, "the driver logs more than {most} lines in a poll: the rest is dropped");
        }
        self.log_lines <= most
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.host.limits
    }

    /// Those whose end the clock is moved to, where nobody sleeps.
    pub(super) fn timers(&mut self) -> Option<&mut Timers> {
        self.timers.as_mut()
    }

    pub(super) fn egress(&self) -> Option<&Egress> {
        self.account.as_ref().map(|account| account.egress.as_ref())
    }

    /// A text that leaves the sandbox, without secrets.
    fn masked(&self, text: String) -> String {
        match self.egress() {
            Some(egress) => egress.outcome().masked(text),
            None => text,
        }
    }
}
