//! One sandbox: a fresh store with nothing in it but what the contract lends, made for one poll and
//! thrown away after it. A driver can keep nothing in it, and one account's poll can't see another's.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Resource, ResourceTable, ResourceTableError};
use wasmtime::{Store, Trap, UpdateDeadline};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{FieldMapError, WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::{inventory, v0_1, v0_2};
use super::egress::{Egress, Outlet};
use super::engine::Engine;
use super::guest::{Guest, GuestPre};
use super::limits::{Growth, Limits, Refused};
use super::memory::PollMemory;
use super::message::message;
use super::meter::Meter;
use super::prints::Prints;
use super::secrets::{Secrets, TooLong, Uncomputed};
use super::session::credentials_mark;
use super::signing;
use super::{CallError, SecretKind, Target};
use crate::clock::Clock;
use crate::model::{AccountKey, Timestamp};

/// The longest chain of messages that is signed. The longest scheme that is known (AWS's) has five.
const MOST_CHAINED: usize = 64;
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
        let prints = Prints::default();
        let wasi = WasiCtx::builder()
            .stdout(prints.clone())
            .stderr(prints.clone())
            // As it is without being said: no socket is made, and so no file descriptor of the host's taken.
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(MOST_RANDOM)
            .wall_clock(LentClock(Arc::clone(engine.clock())))
            .build();
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
    let printed = sandbox.masked(sandbox.prints.end());
    CallError::Crashed(message(match printed.is_empty() {
        true => what,
        false => format!("{what}; it printed: {printed}"),
    }))
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

    /// Ends the poll of a driver that has more signed or hashed in one call than a request may have.
    fn require_signable(&self, bytes: usize) -> wasmtime::Result<()> {
        if bytes <= self.engine.limits().request_bytes {
            return Ok(());
        }
        if let Some(egress) = self.egress() {
            egress.pass_request_bytes(TooLong);
        }
        Err(TooLong.into())
    }

    fn egress(&self) -> Option<&Egress> {
        self.account.as_ref().map(|account| account.egress.as_ref())
    }

    /// Computes something with the account's secrets. What would become longer than a request may be ends the poll.
    fn compute<T>(
        &self,
        compute: impl FnOnce(&mut Secrets, usize) -> Result<T, Uncomputed>,
    ) -> wasmtime::Result<Result<T, v0_2::credentials::Error>> {
        let Some(egress) = self.egress() else {
            return Ok(Err(v0_2::credentials::Error::NotSet(NO_ACCOUNT.into())));
        };
        let most = self.engine.limits().request_bytes;
        match egress.with_secrets(|secrets| compute(secrets, most)) {
            Ok(computed) => Ok(Ok(computed)),
            Err(Uncomputed::Error(error)) => Ok(Err(error)),
            Err(Uncomputed::TooLong(too_long)) => Err(egress.pass_request_bytes(too_long).into()),
        }
    }

    /// Ends the poll of a driver that has a longer chain signed in one call than a request may be.
    fn check_chain(&self, prefix: &[u8], chain: &[Vec<u8>]) -> wasmtime::Result<Result<(), v0_2::credentials::Error>> {
        if chain.len() > MOST_CHAINED {
            let count = chain.len();
            let why = format!("a chain has at most {MOST_CHAINED} messages, and this one has {count}");
            return Ok(Err(v0_2::credentials::Error::Unusable(why)));
        }
        self.require_signable(chain.iter().fold(prefix.len(), |bytes, message| bytes.saturating_add(message.len())))?;
        Ok(Ok(()))
    }

    fn remembered(&self, key: &str) -> Option<Vec<u8>> {
        let account = self.account.as_ref()?;
        let now = self.engine.clock().now();
        self.engine.sessions().get(account.egress.session(), &account.credentials_mark, key, now)
    }

    fn remember(&mut self, key: String, value: Vec<u8>, lifetime_seconds: u32) {
        let Some(account) = &self.account else { return };
        let lifetime = Duration::from_secs(lifetime_seconds.into());
        let (now, mark) = (self.engine.clock().now(), &account.credentials_mark);
        let kept = match account.egress.with_computed(|computed| computed.is_in(&key) || computed.is_in_bytes(&value)) {
            true => Err("what was computed with a secret is not kept"),
            false => self.engine.sessions().put(account.egress.session(), mark, (key, value), lifetime, now),
        };
        if let Err(why) = kept
            && self.may_log()
            && let Some(account) = &self.account
        {
            tracing::debug!(account = %account.key, "a session entry was not kept: {why}");
        }
    }

    fn write_log(&mut self, level: v0_2::log::Level, text: String) {
        if !self.may_log() {
            return;
        }
        let account = self.account.as_ref().map(|account| account.key.to_string()).unwrap_or_default();
        let said = message(self.masked(text));
        if let Some(watch) = self.egress().and_then(|egress| egress.watch()) {
            watch.logged(&said);
        }
        match level {
            v0_2::log::Level::Debug => tracing::debug!(account, "driver: {said}"),
            v0_2::log::Level::Info => tracing::info!(account, "driver: {said}"),
            v0_2::log::Level::Warn => tracing::warn!(account, "driver: {said}"),
            v0_2::log::Level::Error => tracing::error!(account, "driver: {said}"),
        }
    }

    /// A text that leaves the sandbox, without what was computed with a secret and given to the driver.
    fn masked(&self, text: String) -> String {
        match self.egress() {
            Some(egress) => egress.with_computed(|computed| computed.mask(text)),
            None => text,
        }
    }
}

const NO_ACCOUNT: &str = "there is no account while a driver describes itself";

impl v0_2::credentials::Host for Sandbox {
    fn placeholder(
        &mut self,
        name: String,
        encoding: v0_2::credentials::Encoding,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        self.compute(|secrets, _| Ok(secrets.placeholder(&name, encoding)?))
    }

    fn matches(&mut self, name: String, text: String) -> wasmtime::Result<Result<bool, v0_2::credentials::Error>> {
        self.require_signable(text.len())?;
        self.compute(|secrets, _| Ok(secrets.matches(&name, &text)?))
    }

    fn hmac(
        &mut self,
        name: String,
        hash: v0_2::credentials::Hash,
        prefix: Vec<u8>,
        chain: Vec<Vec<u8>>,
        output: v0_2::credentials::Output,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        if let Err(error) = self.check_chain(&prefix, &chain)? {
            return Ok(Err(error));
        }
        self.compute(|secrets, most| secrets.hmac((&name, hash), &prefix, &chain, (output, most)))
    }

    fn digest(
        &mut self,
        hash: v0_2::credentials::Hash,
        message: Vec<u8>,
        output: v0_2::credentials::Output,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        self.require_signable(message.len())?;
        self.compute(|secrets, most| secrets.digest(hash, &message, (output, most)))
    }

    fn sign(
        &mut self,
        name: String,
        scheme: v0_2::credentials::Scheme,
        message: Vec<u8>,
        output: v0_2::credentials::Output,
    ) -> wasmtime::Result<Result<String, v0_2::credentials::Error>> {
        self.require_signable(message.len())?;
        self.compute(|secrets, most| secrets.sign((&name, scheme), &message, (output, most)))
    }
}

impl v0_2::session::Host for Sandbox {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.remembered(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>, lifetime_seconds: u32) -> wasmtime::Result<()> {
        self.remember(key, value, lifetime_seconds);
        Ok(())
    }
}

impl v0_2::log::Host for Sandbox {
    fn write(&mut self, level: v0_2::log::Level, text: String) -> wasmtime::Result<()> {
        self.write_log(level, text);
        Ok(())
    }
}

/// Contract 0.1 gives what was computed to the driver. What could be used for other requests than its own is refused, and
/// the rest is masked where it leaves the sandbox.
impl v0_1::credentials::Host for Sandbox {
    fn placeholder(
        &mut self,
        name: String,
        encoding: v0_1::credentials::Encoding,
    ) -> wasmtime::Result<Result<String, v0_1::credentials::Error>> {
        let encoding = match encoding {
            v0_1::credentials::Encoding::Raw => v0_2::credentials::Encoding::Raw,
            v0_1::credentials::Encoding::Basic => v0_2::credentials::Encoding::Basic,
            v0_1::credentials::Encoding::Json => v0_2::credentials::Encoding::Json,
            v0_1::credentials::Encoding::Form => v0_2::credentials::Encoding::Form,
        };
        Ok(self.compute(|secrets, _| Ok(secrets.placeholder(&name, encoding)?))?.map_err(Into::into))
    }

    fn hmac_sha256(
        &mut self,
        name: String,
        prefix: Vec<u8>,
        chain: Vec<Vec<u8>>,
    ) -> wasmtime::Result<Result<Vec<u8>, v0_1::credentials::Error>> {
        if let Err(error) = self.check_chain(&prefix, &chain)? {
            return Ok(Err(error.into()));
        }
        if !signing::is_signature(&prefix, &chain) {
            let why = "the chain ends in a key and not in a signature: its last message is no text to sign. A driver of \
                       contract 0.2 may send such a value, and never sees it";
            return Ok(Err(v0_1::credentials::Error::Unusable(why.into())));
        }
        let signed = self.compute(|secrets, _| Ok(secrets.older_hmac(&name, &prefix, &chain)?))?;
        Ok(signed.and_then(|signed| self.given(signed)).map_err(Into::into))
    }

    fn digest_sha256(&mut self, message: Vec<u8>) -> wasmtime::Result<Vec<u8>> {
        self.require_signable(message.len())?;
        let most = self.engine.limits().request_bytes;
        let Some(egress) = self.egress() else {
            return Ok(Secrets::none().older_digest(&message, most)?.0);
        };
        let digest = egress.with_secrets(|secrets| secrets.older_digest(&message, most));
        let (digest, has_secret) = digest.map_err(|too_long| egress.pass_request_bytes(too_long))?;
        if has_secret && self.given(digest.clone()).is_err() {
            // The contract has no error for it.
            return Err(wasmtime::Error::msg(TOO_MANY_COMPUTED));
        }
        Ok(digest)
    }

    fn sign_rs256(
        &mut self,
        name: String,
        message: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, v0_1::credentials::Error>> {
        self.require_signable(message.len())?;
        let signed = self.compute(|secrets, _| Ok(secrets.older_sign(&name, &message)?))?;
        Ok(signed.and_then(|signed| self.given(signed)).map_err(Into::into))
    }
}

const TOO_MANY_COMPUTED: &str = "too many different values are computed with secrets in one poll";

impl Sandbox {
    /// Notes a value that the driver is given, so that it is masked where it leaves the sandbox.
    fn given(&self, value: Vec<u8>) -> Result<Vec<u8>, v0_2::credentials::Error> {
        match self.egress().is_none_or(|egress| egress.with_computed(|computed| computed.note(&value))) {
            true => Ok(value),
            false => Err(v0_2::credentials::Error::Unusable(TOO_MANY_COMPUTED.into())),
        }
    }
}

impl From<v0_2::credentials::Error> for v0_1::credentials::Error {
    fn from(error: v0_2::credentials::Error) -> v0_1::credentials::Error {
        match error {
            v0_2::credentials::Error::NotSet(why) => v0_1::credentials::Error::NotSet(why),
            v0_2::credentials::Error::Unusable(why) => v0_1::credentials::Error::Unusable(why),
        }
    }
}

impl v0_1::session::Host for Sandbox {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.remembered(&key))
    }

    fn put(&mut self, key: String, value: Vec<u8>, lifetime_seconds: u32) -> wasmtime::Result<()> {
        self.remember(key, value, lifetime_seconds);
        Ok(())
    }
}

impl v0_1::log::Host for Sandbox {
    fn write(&mut self, level: v0_1::log::Level, text: String) -> wasmtime::Result<()> {
        self.write_log(
            match level {
                v0_1::log::Level::Debug => v0_2::log::Level::Debug,
                v0_1::log::Level::Info => v0_2::log::Level::Info,
                v0_1::log::Level::Warn => v0_2::log::Level::Warn,
                v0_1::log::Level::Error => v0_2::log::Level::Error,
            },
            text,
        );
        Ok(())
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
