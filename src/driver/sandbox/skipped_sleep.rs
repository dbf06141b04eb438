//! Sandboxes that do not sleep. If a guest waits only for time, the clock jumps to the end of the wait, and the
//! observer learns how long the guest would have slept. The conformance suite has to know about each sleep, and has no
//! time for any.
//!
//! A guest that also waits for an answer gets the answer first, as from a fast provider.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTableError};
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::Host as _;
use wasmtime_wasi::p2::bindings::io::poll::{Host as _, HostPollable as _};
use wasmtime_wasi::p2::{DynPollable, subscribe};

use super::Sandbox;
use super::kept::POLL;
use super::timers::Timer;
use crate::clock::Clock as _;
use crate::driver::requests::egress::Egress;

/// The interface as wasmtime names it; components may name any other patch release.
const CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";
/// How long an answer that is there takes at most to reach the guest. It is the machine's time.
const ARRIVAL: Duration = Duration::from_millis(50);

type Called<'a> = StoreContextMut<'a, Sandbox>;

/// Puts the functions that wait into the linker, in the place of those that wait for real.
pub(in crate::driver) fn skip(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut clock = linker.instance(CLOCK)?;
    clock.func_wrap("subscribe-duration", |mut store: Called<'_>, (nanos,): (u64,)| {
        Ok((timer(store.data_mut(), Duration::from_nanos(nanos))?,))
    })?;
    clock.func_wrap("subscribe-instant", |mut store: Called<'_>, (when,): (u64,)| {
        let sandbox = store.data_mut();
        let now = sandbox.clocks().now()?;
        Ok((timer(sandbox, Duration::from_nanos(when.saturating_sub(now)))?,))
    })?;
    let mut poll = linker.instance(POLL)?;
    poll.func_wrap_async("poll", |mut store: Called<'_>, (pollables,): (Vec<Resource<DynPollable>>,)| {
        Box::new(async move {
            if pollables.len() > store.data().limits().handles {
                return Err(ResourceTableError::Full.into());
            }
            let places: Vec<u32> = pollables.iter().map(Resource::rep).collect();
            Ok((first_of(store.data_mut(), &places).await?,))
        })
    })?;
    poll.func_wrap_async("[method]pollable.block", |mut store: Called<'_>, (pollable,): (Resource<DynPollable>,)| {
        Box::new(async move {
            let place = pollable.rep();
            if store.data_mut().timers().is_some_and(|timers| timers.end(place).is_some()) {
                return first_of(store.data_mut(), &[place]).await.map(drop);
            }
            store.data_mut().ctx().table.block(pollable).await
        })
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Makes a timer.
fn timer(sandbox: &mut Sandbox, time: Duration) -> wasmtime::Result<Resource<DynPollable>> {
    let clock = Arc::clone(&sandbox.timers().ok_or_else(no_timers)?.clock);
    let end = Arc::new(clock.uptime().saturating_add(time));
    let noted = Arc::downgrade(&end);
    let table = sandbox.ctx().table;
    let timer = table.push(Timer { clock, end })?;
    let pollable = subscribe(table, timer)?;
    sandbox.timers().ok_or_else(no_timers)?.ends.insert(pollable.rep(), noted);
    Ok(pollable)
}

/// Waits until one of these is ready, and moves the clock to the first timer where nothing else is to come.
async fn first_of(sandbox: &mut Sandbox, places: &[u32]) -> wasmtime::Result<Vec<u32>> {
    loop {
        let timers = sandbox.timers().ok_or_else(no_timers)?;
        let ends: Vec<Duration> = places.iter().filter_map(|place| timers.end(*place)).collect();
        let first = ends.iter().min().copied();
        if ends.len() == places.len() {
            move_to(sandbox, first)?;
        }
        let all = places.iter().map(|place| Resource::new_borrow(*place)).collect();
        let ready = sandbox.ctx().table.poll(all);
        let Some(first) = first else { return ready.await };
        if let Ok(ready) = tokio::time::timeout(ARRIVAL, ready).await {
            return ready;
        }
        if !sandbox.egress().is_some_and(Egress::is_waiting) {
            move_to(sandbox, Some(first))?;
        }
    }
}

/// Moves the clock, if it is not there yet. A guest that has slept for longer than a poll may take is ended.
fn move_to(sandbox: &mut Sandbox, end: Option<Duration>) -> wasmtime::Result<()> {
    let most = sandbox.limits().poll_timeout;
    let timers = sandbox.timers().ok_or_else(no_timers)?;
    let time = end.unwrap_or_default().saturating_sub(timers.clock.uptime());
    if time.is_zero() {
        return Ok(());
    }
    let is_over = timers.slept.saturating_add(time) > most;
    let time = time.min(most.saturating_sub(timers.slept));
    timers.clock.advance(time);
    timers.slept = timers.slept.saturating_add(time);
    let egress = sandbox.egress();
    if let Some(watch) = egress.and_then(Egress::watch) {
        watch.slept(time);
    }
    if is_over {
        if let Some(egress) = egress {
            egress.outcome().pass_poll_timeout();
        }
        return Err(wasmtime::Error::msg("it sleeps for longer than a poll may take"));
    }
    Ok(())
}

fn no_timers() -> wasmtime::Error {
    wasmtime::Error::msg("a sandbox without timers has an engine with them")
}
