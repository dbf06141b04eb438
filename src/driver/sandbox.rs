//! One sandbox: a fresh store with nothing in it but what the contract lends, made for one poll and
//! thrown away after it. A driver can keep nothing in it, and one account's poll can't see another's.

mod lent;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{FieldMapError, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::inventory;
use super::egress::{Egress, Outlet};
use super::engine::Engine;
use super::guest::{Guest, GuestPre};
use super::limits::{Growth, Limits, Refused};
use super::memory::PollMemory;
use super::message::message;
use super::meter::Meter;
use super::prints::Prints;
use super::session::credentials_mark;
use super::skipped_sleep::{MovedClock, Timers};
use super::{CallError, SecretKind, Target};
use crate::clock::Clock;
use crate::model::{AccountKey, Timestamp};

/// The most random bytes of one call: keys and identifiers take a few dozen.
const MOST_RANDOM: u64 = 64 << 10;
/// For each handle of a driver's there may be another of the component's own, which lends it from module to module.
const HANDLES_OF_COMPONENT: usize = 2;

/// What is in a store.
pub(super) struct Sandbox {
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    outlet: Outlet,
    growth: Growth,
    meter: Arc<Meter>,
    prints: Prints,
    engine: Engine,
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

/// A sandbox with a driver in it.
pub(super) struct Running {
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
    pub(super) async fn start(
        engine: &Engine,
        pre: &GuestPre,
        account: Option<(&Target, Arc<Egress>)>,
        (meter, memory): (&Arc<Meter>, &Arc<PollMemory>),
    ) -> Result<Running, CallError> {
        let limits = engine.limits();
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
            .wall_clock(LentClock(Arc::clone(engine.clock())));
        if let Some(clock) = engine.moved() {
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
            engine: engine.clone(),
            account: account.map(|(target, egress)| Account {
                key: target.key.clone(),
                egress,
                credentials_mark: credentials_mark(target),
            }),
            log_lines: 0,
            timers: engine.moved().map(Timers::by),
        };
        let mut store = Store::new(engine.wasmtime(), sandbox);
        store.limiter_async(|sandbox| &mut sandbox.growth);
        // What one call lifts out of a guest takes no more of the host than the guest may have itself. It is not charged:
        // until it is looked at, checked and charged, the thread does nothing else, so there is one a thread at most.
        store.set_hostcall_fuel(limits.memory);
        store.set_max_component_handles(limits.handles.saturating_mul(HANDLES_OF_COMPONENT));
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let sandbox = context.data();
            let memory = sandbox.growth.poll();
            let ended = sandbox.account.as_ref().is_some_and(|account| account.egress.passed().is_some());
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

    pub(super) async fn describe(&mut self) -> Result<inventory::Description, CallError> {
        let described = self.meter.count(self.driver.describe(&mut self.store)).await;
        described.map_err(|error| failure(&mut self.store, &error))
    }

    pub(super) async fn list_instances(
        &mut self,
        account: &inventory::Account,
        query: &inventory::Query,
    ) -> Result<inventory::InstancePage, CallError> {
        self.meter.restart();
        let page = self.meter.count(self.driver.list_instances(&mut self.store, account, query)).await;
        self.verdict(page)
    }

    pub(super) async fn list_realms(
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
        let egress = egress.as_deref();
        if let Some(passed) = egress.and_then(|egress| egress.passed()) {
            return Err(passed);
        }
        if let Some(full) = self.store.data().growth.poll().passed() {
            return Err(full.into());
        }
        let page = page.map_err(|error| failure(&mut self.store, &error))?;
        let masked = |text| self.store.data().masked(text);
        page.map_err(|error| match (egress.and_then(|egress| egress.refused()), error) {
            (Some(refused), _) => CallError::Refused(refused),
            (None, inventory::Error::Unavailable(said)) => {
                let cut_off = egress.and_then(|egress| egress.cut_off());
                CallError::Unavailable(message(cut_off.unwrap_or_else(|| masked(said))))
            }
            (None, error) => provider_error(error, masked).explained(egress.and_then(|egress| egress.skew())),
        })
    }

    pub(super) fn peak_memory(&self) -> usize {
        self.store.data().growth.peak_memory()
    }
}

/// What a trap means: a limit where one was passed, otherwise a crash.
fn failure(store: &mut Store<Sandbox>, error: &wasmtime::Error) -> CallError {
    let no_handle_is_left = is_out_of_handles(store);
    let sandbox = store.data();
    let limits = sandbox.engine.limits();
    let limit = |limit, setting, value| CallError::Limit { limit, setting, value };
    if let Some(passed) = sandbox.account.as_ref().and_then(|account| account.egress.passed()) {
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
        let most = self.engine.limits().log_lines;
        self.log_lines = self.log_lines.saturating_add(1);
        if self.log_lines == most.saturating_add(1) {
            let account = self.account.as_ref().map(|account| account.key.to_string()).unwrap_or_default();
            tracing::warn!(account, "the driver logs more than {most} lines a poll: the rest is left out");
        }
        self.log_lines <= most
    }

    pub(super) fn limits(&self) -> &Limits {
        self.engine.limits()
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
            Some(egress) => egress.masked(text),
            None => text,
        }
    }
}

/// The account as the driver is told of it.
pub(super) fn guest_account(target: &Target) -> inventory::Account {
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
