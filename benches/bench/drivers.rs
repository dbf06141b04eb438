//! Rows of each driver: a poll of 1,000 instances through its component, and the same list by the same code compiled for this
//! machine. Each folder of `drivers/` is measured. The answers are made of the driver's cassettes: the largest that its entries
//! give. A provider in a different process serves them over HTTP; the native code has them in memory.
//!
//! The bound is on what the sandbox takes beside native code alone. The host's part of a poll is in it, of which masking is the
//! largest: it is measured by itself, so that a row that misses the bound says of what.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::ExposeSecret as _;
use tracker::clock::ManualClock;
use tracker::driver::{Driver, RoleTarget, Target, Wire};
use tracker::mask::{Mask, Masker};
use tracker::model::{AccountKey, Kind};
use tracker::net::{AddressPolicy, Proxy, ProxyChoice, Via};

use crate::host::{DRIVERS, driver_at, process_cpu, root};
use crate::native::{Native, build};
use crate::provider::Provider;
use crate::scenario::{Form, Scenario};
use crate::table::Table;

/// How much of an answer comes at once, in bytes.
const CHUNK: usize = 16 << 10;
/// Rounds that fill pools and caches, and are not counted.
const WARM_UP: usize = 5;
const ROUNDS: usize = 41;

const MEMORY: f64 = 16.0;
const SIZE: f64 = 600.0;
/// What the sandbox may take, as a multiple of the native code. It has the host's part of a poll in it, too: masking, lifting and
/// checking what was listed.
const NATIVE: f64 = 2.5;

fn cpu_bound(form: Form) -> Duration {
    match form {
        Form::Json | Form::None => Duration::from_millis(25),
        Form::Xml => Duration::from_millis(30),
    }
}

/// Measures the drivers whose names are asked for, or all.
pub(crate) async fn polls(table: &mut Table, asked: &[&str]) {
    let drivers = crate::native::drivers();
    let program = build(&drivers);
    let is_asked = |name: &str| asked.contains(&name);
    let some = drivers.iter().any(|(name, _)| is_asked(name));
    for (name, _) in drivers.iter().filter(|(name, _)| !some || is_asked(name)) {
        let scenario = Scenario::of(name).await;
        let mut native = Native::start(&program, name, &scenario.file);
        poll(table, name, &scenario, &mut native).await;
    }
}

async fn poll(table: &mut Table, name: &str, scenario: &Scenario, native: &mut Native) {
    let cassette = &scenario.thousand.cassette;
    let provider = Provider::in_turn(&scenario.file);
    let driver = driver_at(Arc::new(ManualClock::new(cassette.at)), DRIVERS, name).await;
    let target = target(scenario, &provider);
    let mask = mask(&target);
    let (mut whole, mut sandbox, mut alone, mut masking) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut memory = 0;
    // In turn, so that whatever else the machine does comes upon each.
    for round in 0..WARM_UP + ROUNDS {
        let guest = guest(&driver, &target, scenario.thousand.listed).await;
        let (cpu, listed) = native.poll();
        assert_eq!(listed, scenario.thousand.listed, "{name} lists the same natively");
        let masked = masking_answers(&mask, scenario);
        memory = memory.max(guest.memory);
        if round >= WARM_UP {
            whole.push(guest.whole);
            sandbox.push(guest.sandbox);
            alone.push(cpu);
            masking.push(masked);
        }
    }
    let form = match scenario.form {
        Form::Json => "JSON",
        Form::Xml => "XML",
        Form::None => "no answers",
    };
    let kilobytes = scenario.thousand.bytes() / 1_000;
    let what = format!("{} instances through {name} ({form}, {kilobytes} KB), CPU", scenario.thousand.listed);
    let whole = table.times(what, whole, Some(cpu_bound(scenario.form)));
    table.amount("  memory of the sandbox, highest", memory as f64 / f64::from(1 << 20), "MiB", Some(MEMORY));
    let file = root().join(DRIVERS).join(name).with_extension("wasm");
    let size = fs::metadata(&file).expect("the component").len();
    table.amount("  size of the component", size as f64 / 1e3, "KB", Some(SIZE));
    let alone = table.times("  the same code, native", alone, None).as_secs_f64();
    let masking = table.times("  masking the same answers", masking, None).as_secs_f64();
    let sandbox = table.times("  the sandbox, of the CPU above", sandbox, None).as_secs_f64();
    table.comparison("  the sandbox beside native code and masking", sandbox / (alone + masking), None);
    table.comparison("  the sandbox beside native code alone", sandbox / alone, Some(NATIVE));
    table.comparison("  the whole poll beside native code alone", whole.as_secs_f64() / alone, None);
}

/// Of the account's secrets, as the host looks for them.
fn mask(target: &Target) -> Mask {
    let secrets = target.secrets.values().chain([&target.password]);
    Mask::of(secrets.map(|secret| secret.expose_secret().as_bytes()))
}

fn masking_answers(mask: &Mask, scenario: &Scenario) -> Duration {
    let before = process_cpu();
    for answered in &scenario.thousand.again {
        let mut masker = Masker::default();
        let mut rest: Bytes = answered.body.clone();
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(CHUNK));
            black_box(masker.push(mask, chunk));
        }
        black_box(masker.finish(mask));
    }
    process_cpu() - before
}

/// What a poll took.
struct Taken {
    /// CPU time of the host, the sandbox included.
    whole: Duration,
    /// CPU time of the sandbox, and of handing over what it asks for and lists.
    sandbox: Duration,
    /// Of the sandbox, in bytes.
    memory: usize,
}

async fn guest(driver: &Driver, target: &Target, wanted: usize) -> Taken {
    let before = process_cpu();
    let listing = driver.list(target, Kind::Instance).await.expect("a list");
    let whole = process_cpu() - before;
    assert_eq!(listing.resources.len(), wanted);
    Taken { whole, sandbox: listing.usage.cpu, memory: listing.usage.memory }
}

/// The scenario's account, with the provider as its proxy.
fn target(scenario: &Scenario, provider: &Provider) -> Target {
    let cassette = &scenario.thousand.cassette;
    let proxy = Proxy::new(provider.endpoint.parse().expect("a URL"), None);
    let via = Via { proxy: ProxyChoice::Through(proxy), ..Via::default() };
    // Addresses in endpoints are the proxy's to reach.
    let addresses = AddressPolicy::opening(vec!["0.0.0.0/0".parse().expect("a range")]);
    let target = cassette.target();
    let role = |(role, target): (String, RoleTarget)| {
        (role, RoleTarget { addresses: addresses.clone(), via: via.clone(), ..target })
    };
    Target {
        key: AccountKey { driver: "bench".into(), ..target.key.clone() },
        roles: target.roles.into_iter().map(role).collect(),
        addresses: addresses.clone(),
        via: via.clone(),
        wire: Wire::default(),
        ..target
    }
}
