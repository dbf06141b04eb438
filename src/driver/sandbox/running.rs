//! A sandbox with a driver in it: how it is created and called, and the meaning of its traps.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{HostWallClock, WasiCtx};
use wasmtime_wasi_http::{FieldMapError, WasiHttpCtx};

use super::guest::{Guest, GuestPre};
use super::prints::Prints;
use super::timers::{MovedClock, Timers};
use super::{Account, Host, Sandbox};
use crate::clock::Clock;
use crate::driver::bindings::inventory;
use crate::driver::error::CallError;
use crate::driver::info::SecretKind;
use crate::driver::limits::growth::{Growth, Refused};
use crate::driver::limits::memory::PollMemory;
use crate::driver::limits::meter::Meter;
use crate::driver::message::message;
use crate::driver::requests::egress::{Egress, Outlet};
use crate::driver::target::Target;
use crate::model::Timestamp;

/// The most random bytes of one call: keys and identifiers take a few dozen.
const MOST_RANDOM: u64 = 64 << 10;
/// For each handle of a driver's there may be another of the component's own, which lends it from module to module.
const HANDLES_OF_COMPONENT: usize = 2;

/// A sandbox with a driver in it.
pub(in crate::driver) struct Running {
    store: Store<Sandbox>,
    driver: Guest,
    meter: Arc<Meter>,
}

impl Drop for Running {
    /// Tells the watch all that the guest printed, also where the poll was given up.
    fn drop(&mut self) {
        self.store.data().prints.finish();
    }
}

impl Running {
    /// Makes a sandbox for a poll of an account, or for `describe` where there is none. Needs a slot.
    pub(in crate::driver) async fn start(
        host: &Arc<Host>,
        pre: &GuestPre,
        account: Option<(&Target, Arc<Egress>)>,
        (meter, memory): (&Arc<Meter>, &Arc<PollMemory>),
    ) -> Result<Running, CallError> {
        let limits = &host.limits;
        let meter = Arc::clone(meter);
        let prints = Prints::of(account.as_ref().map(|(_, egress)| Arc::clone(egress)));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(prints.clone())
            .stderr(prints.clone())
            // As it is without being said: no socket is made, and so no file descriptor of the host's taken.
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MOST_RANDOM)
            .wall_clock(LentClock(Arc::clone(&host.clock)));
        if let Some(clock) = &host.moved {
            wasi.monotonic_clock(MovedClock::of(clock));
        }
        let wasi = wasi.build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.request_header_bytes);
        let sandbox = Sandbox {
            table,
            wasi,
            http,
            outlet: Outlet(account.as_ref().map(|(_, egress)| Arc::clone(egress))),
            growth: Growth::under(limits, Arc::clone(memory)),
            meter: Arc::clone(&meter),
            prints,
            host: Arc::clone(host),
            account: account.map(|(target, egress)| Account {
                key: target.key.clone(),
                egress,
                credentials_mark: target.mark(),
            }),
            log_lines: 0,
            timers: host.moved.as_ref().map(Timers::by),
        };
        let mut store = Store::new(pre.engine(), sandbox);
        store.limiter_async(|sandbox| &mut sandbox.growth);
        // What one call lifts out of a guest takes no more of the host than the guest may have itself. It is not charged:
        // until it is looked at, checked and charged, the thread does nothing else, so there is one a thread at most.
        store.set_hostcall_fuel(limits.memory);
        store.set_max_component_handles(limits.handles.saturating_mul(HANDLES_OF_COMPONENT));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let sandbox = context.data();
            let memory = sandbox.growth.poll();
            let ended = sandbox.account.as_ref().is_some_and(|account| account.egress.outcome().passed().is_some());
            Ok(if sandbox.meter.over() || ended || memory.passed().is_some() {
                UpdateDeadline::Interrupt
            } else if memory.is_in_debt() {
                let memory = Arc::clone(memory);
                UpdateDeadline::YieldCustom(1, Box::pin(async move { memory.settle().await }))
            } else {
                UpdateDeadline::Yield(1)
            })
        });
        let started = meter.count(pre.instantiate(&mut store)).await;
        match started {
            Ok(driver) => Ok(Running { store, driver, meter }),
            Err(error) => Err(failure(&mut store, &error)),
        }
    }

    pub(in crate::driver) async fn describe(&mut self) -> Result<inventory::Description, CallError> {
        let described = self.meter.count(self.driver.describe(&mut self.store)).await;
        described.map_err(|error| failure(&mut self.store, &error))
    }

    pub(in crate::driver) async fn list_instances(
        &mut self,
        account: &inventory::Account,
        query: &inventory::Query,
    ) -> Result<inventory::InstancePage, CallError> {
        self.meter.restart();
        let page = self.meter.count(self.driver.list_instances(&mut self.store, account, query)).await;
        self.verdict(page)
    }

    pub(in crate::driver) async fn list_realms(
        &mut self,
        account: &inventory::Account,
        query: &inventory::Query,
    ) -> Result<inventory::RealmPage, CallError> {
        self.meter.restart();
        let page = self.meter.count(self.driver.list_realms(&mut self.store, account, query)).await;
        self.verdict(page)
    }

    /// Whether what a call gave counts: not when a limit was passed on the way, whatever the driver made
    /// of that; and an error after a request that was refused is that refusal's. A driver that got no answer at
    /// all can't say why as the host can.
    fn verdict<T>(&mut self, page: wasmtime::Result<Result<T, inventory::Error>>) -> Result<T, CallError> {
        let egress = self.store.data().account.as_ref().map(|account| Arc::clone(&account.egress));
        let outcome = egress.as_ref().map(|egress| egress.outcome());
        if let Some(passed) = outcome.and_then(|outcome| outcome.passed()) {
            return Err(passed);
        }
        if let Some(full) = self.store.data().growth.poll().passed() {
            return Err(full.into());
        }
        let page = page.map_err(|error| failure(&mut self.store, &error))?;
        let masked = |text| self.store.data().masked(text);
        page.map_err(|error| match (outcome.and_then(|outcome| outcome.refused()), error) {
            (Some(refused), _) => CallError::Refused(refused),
            (None, inventory::Error::Unavailable(said)) => {
                let cut_off = outcome.and_then(|outcome| outcome.cut_off());
                CallError::Unavailable(message(cut_off.unwrap_or_else(|| masked(said))))
            }
            (None, error) => provider_error(error, masked).explained(outcome.and_then(|outcome| outcome.skew())),
        })
    }

    pub(in crate::driver) fn peak_memory(&self) -> usize {
        self.store.data().growth.peak_memory()
    }
}

/// What a trap means: a limit where one was passed, otherwise a crash.
fn failure(store: &mut Store<Sandbox>, error: &wasmtime::Error) -> CallError {
    let no_handle_is_left = is_out_of_handles(store);
    let sandbox = store.data();
    let limits = sandbox.limits();
    let limit = |limit, setting, value| CallError::Limit { limit, setting, value };
    if let Some(passed) = sandbox.account.as_ref().and_then(|account| account.egress.outcome().passed()) {
        return passed;
    }
    if let Some(full) = sandbox.growth.poll().passed() {
        return full.into();
    }
    if sandbox.meter.passed() {
        return limit("CPU time for one page", "cpu_per_page", format!("{:?}", limits.cpu_per_page));
    }
    match sandbox.growth.refused {
        Some(Refused::Memory) => return limit("memory", "memory", format!("{} bytes", limits.memory)),
        Some(Refused::Tables) => return limit("table elements", "table_elements", limits.table_elements.to_string()),
        None => {}
    }
    if no_handle_is_left || error.chain().any(|cause| matches!(cause.downcast_ref(), Some(ResourceTableError::Full))) {
        return limit("open handles", "handles", limits.handles.to_string());
    }
    if error.chain().any(|cause| matches!(cause.downcast_ref(), Some(FieldMapError::TotalSizeTooBig))) {
        let value = format!("{} bytes", limits.request_header_bytes);
        return limit("headers of a request", "request_header_bytes", value);
    }
    let what = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    let printed = sandbox.prints.end();
    // What it is may name things of the driver's making.
    CallError::Crashed(message(sandbox.masked(match printed.is_empty() {
        true => what,
        false => format!("{what}; it printed: {printed}"),
    })))
}

/// Whether the component has as many handles as it may have. Its error does not say so but by its text; that there is no
/// room for one more does. A store that failed is thrown away, with the handle that is made here.
fn is_out_of_handles(store: &mut Store<Sandbox>) -> bool {
    struct OneMore;
    Resource::<OneMore>::new_own(0).try_into_resource_any(store).is_err()
}

fn provider_error(error: inventory::Error, masked: impl Fn(String) -> String) -> CallError {
    let message = |text| message(masked(text));
    match error {
        inventory::Error::Unauthorized(why) => CallError::Unauthorized(message(why)),
        inventory::Error::Forbidden(why) => CallError::Forbidden(message(why)),
        inventory::Error::Throttled(throttle) => CallError::Throttled {
            retry_after: throttle.retry_after.map(|seconds| Duration::from_secs(seconds.into())),
            message: message(throttle.message),
        },
        inventory::Error::Unavailable(why) => CallError::Unavailable(message(why)),
        inventory::Error::InvalidAccount(why) => CallError::InvalidAccount(message(why)),
        inventory::Error::UnexpectedAnswer(why) => CallError::UnexpectedAnswer(message(why)),
    }
}

/// The host's clock, as guests see it.
struct LentClock(Arc<dyn Clock>);

impl HostWallClock for LentClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().as_millis()).unwrap_or(0))
    }
}

/// The account as the driver is told of it.
pub(in crate::driver) fn guest_account(target: &Target) -> inventory::Account {
    inventory::Account {
        provider: target.key.provider.clone(),
        endpoint: target.endpoint.clone(),
        user: target.key.user.clone(),
        options: target.options.clone().into_iter().collect(),
        endpoints: target.roles.iter().map(|(name, role)| (name.clone(), role.endpoint.clone())).collect(),
        secret: match target.secret {
            SecretKind::Password => inventory::SecretKind::Password,
            SecretKind::PrivateKey => inventory::SecretKind::PrivateKey,
            SecretKind::AccessToken => inventory::SecretKind::AccessToken,
        },
        secret_expires: target.secret_expires.map(Timestamp::as_millis),
    }
}
