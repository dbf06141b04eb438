//! Components that are made to be slow to compile, or to need more memory for it than there is. Each ends in the
//! compiler's process: within its limits or with an error that names one; and a host that is told to load them goes on
//! answering, no larger than before.

use std::fmt::Write as _;
use std::time::Duration;

use tracker::clock::Stopwatch;

use crate::support::{Ended, Host, Setup, built_driver, tracker};

const MEMORY: u64 = 200;
const CPU: u64 = 3;
const TIME: u64 = 30;

/// The floor of the compiler's memory, in MiB.
const LEAST_MEMORY: u64 = 192;

fn setup() -> Setup {
    let limits = format!(
        "driver_bytes = \"128 MiB\"\n\n[drivers.compile]\nmemory = \"{MEMORY} MiB\"\ncpu = \"{CPU}s\"\ntime = \"{TIME}s\""
    );
    Setup::new(&["mock"]).limits(&limits)
}

/// A component of the right world with this core module in it.
fn component(core: &str) -> Vec<u8> {
    component_with(core, "")
}

/// The same with these parts beside the core module, which is `$m`.
fn component_with(core: &str, parts: &str) -> Vec<u8> {
    let text = format!(
        "(component
            (core module $m {core} (func (export \"f\")))
            (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i \"f\")))
            {parts}
            (instance $inventory (export \"describe\" (func $f)))
            (export \"tracker:driver/inventory@0.1.0\" (instance $inventory)))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text:.400}"))
}

fn repeated(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, n| {
        let _ = write!(text, "{}", one(n));
        text
    })
}

/// A component whose only function has so many steps: each 300,000 take seconds.
pub(crate) fn long_function(steps: usize) -> Vec<u8> {
    component(&long_core(steps))
}

fn long_core(steps: usize) -> String {
    let steps =
        repeated(steps, |n| format!("(local.set {} (i32.add (local.get {}) (i32.const {n})))", n % 50, (n + 7) % 50));
    format!("(func (local{}) {steps})", " i32".repeat(50))
}

/// Each a way to make work of few bytes.
fn slow() -> Vec<(&'static str, String)> {
    vec![
        ("one-long-function", long_core(300_000)),
        (
            "many-functions",
            repeated(60_000, |n| format!("(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const {n})))")),
        ),
        ("deep-blocks", {
            let depth = 30_000;
            format!("(func {}{})", "block ".repeat(depth), "end ".repeat(depth))
        }),
        ("deep-loops", {
            let depth = 3_000;
            let locals = " i32".repeat(400);
            let sets = repeated(400, |n| format!("local.get {} local.set {n} ", (n + 1) % 400));
            format!(
                "(func (local{locals}) {}{sets}{})",
                "loop ".repeat(depth),
                "local.get 0 br_if 0 end ".repeat(depth)
            )
        }),
        ("locals-in-loops", {
            let locals = " i64".repeat(2_000);
            let body = repeated(1_000, |n| {
                format!(
                    "loop local.get {} i64.const 1 i64.add local.set {n} local.get {n} i64.eqz br_if 0 end ",
                    n * 7 % 2_000
                )
            });
            format!("(func (local{locals}) {body})")
        }),
        ("br-tables", {
            let table = format!("br_table {} 0", "0 1 ".repeat(15_000));
            format!("(func (param i32) {})", repeated(40, |_| format!("block block local.get 0 {table} end end ")))
        }),
        (
            "many-types",
            repeated(60_000, |n| {
                let kinds = ["i32", "i64", "f32", "f64"];
                let params: String = (0..8).map(|bit| format!(" {}", kinds[n >> (2 * bit) & 3])).collect();
                format!("(type (func (param{params})))")
            }),
        ),
        ("calls-of-all", {
            let calls = repeated(20_000, |n| format!("call {} ", n % 500));
            repeated(500, |_| "(func)".into()) + &repeated(10, |_| format!("(func {calls})"))
        }),
        ("many-params", {
            let params = " i64".repeat(900);
            let call = repeated(900, |n| format!("local.get {n} ")) + "call 0 ";
            format!("(func (param{params})) (func (param{params}) {})", call.repeat(100))
        }),
        ("many-globals", repeated(30_000, |n| format!("(global (mut i64) (i64.const {n}))"))),
        (
            "many-segments",
            format!("(memory 1) {}", repeated(60_000, |n| format!("(data (i32.const {}) \"x\")", n % 60_000))),
        ),
        ("long-data", format!("(memory 900) (data (i32.const 0) \"{}\")", "x".repeat(40 << 20))),
        ("sparse-data", {
            let far = repeated(800, |n| format!("(data (i32.const {}) \"x\")", n << 16));
            format!("(memory 900) {far}")
        }),
        ("many-elements", format!("(table 20000 funcref) (func $g) (elem (i32.const 0) func{})", " $g".repeat(20_000))),
        ("vector-constants", {
            let steps = repeated(60_000, |n| format!("(v128.const i64x2 {n} {}) drop ", n * 31));
            format!("(func {steps})")
        }),
        ("memory-accesses", {
            let steps = repeated(100_000, |n| {
                format!("(i64.store offset={} (local.get 0) (i64.load offset={} (local.get 0))) ", n * 8, n * 24)
            });
            format!("(memory 1) (func (param i32) {steps})")
        }),
        ("selects", {
            let depth = 60_000;
            format!("(func (param i32) (result i32) local.get 0 {})", "local.get 0 local.get 0 select ".repeat(depth))
        }),
        ("ifs", {
            let depth = 20_000;
            let text = "local.get 0 if (result i32) local.get 0 else local.get 0 i32.const 1 i32.add end local.set 0 "
                .repeat(depth);
            format!("(func (param i32) {text})")
        }),
    ]
}

/// Each the same by what stands around the core module.
fn slow_around() -> Vec<(&'static str, String)> {
    vec![
        ("doubled-types", {
            let step = |n: usize| format!("(type $t{} (tuple $t{n} $t{n}))", n + 1);
            "(type $t0 (tuple u8 u8))".to_owned() + &repeated(40, step)
        }),
        ("doubled-instance-types", {
            let step = |n: usize| {
                format!(
                    "(type $t{} (instance (alias outer 1 $t{n} (type $t)) (export \"a\" (instance (type $t)))
                         (export \"b\" (instance (type $t)))))",
                    n + 1
                )
            };
            "(type $t0 (instance))".to_owned() + &repeated(40, step)
        }),
        ("many-component-types", repeated(60_000, |n| format!("(type (record (field \"a{n}\" u8)))"))),
        ("many-lifts", repeated(20_000, |_| "(func (canon lift (core func $i \"f\")))".into())),
        ("many-aliases", repeated(60_000, |_| "(alias core export $i \"f\" (core func))".into())),
        ("many-modules", repeated(900, |n| format!("(core module (func (result i32) (i32.const {n})))"))),
        ("many-resources", repeated(60_000, |_| "(type (resource (rep i32)))".into())),
        ("deep-components", "(component ".repeat(90) + &")".repeat(90)),
        ("instances-of-instances", {
            let many = |of: &str| repeated(900, |_| format!("(instance (instantiate {of}))"));
            format!("(component $b (component $c) {}) {}", many("$c"), many("$b"))
        }),
        ("powers-of-instances", {
            let step = |n: usize| {
                format!("(component $c{} (alias outer 1 $c{n} (component $c)) {})", n + 1, {
                    repeated(10, |_| "(instance (instantiate $c))".into())
                })
            };
            "(component $c0)".to_owned() + &repeated(12, step) + "(instance (instantiate $c12))"
        }),
    ]
}

/// Each a sound driver by its edge of which every sandbox would hold more of the host's memory than a sandbox may: the
/// core module, and what stands around it.
fn outsized() -> Vec<(&'static str, String, String)> {
    let instances = |count: usize| repeated(count, |_| "(core instance (instantiate $m))".into());
    let nested = |count: usize, times: usize| {
        let inner = repeated(count, |_| "(core instance (instantiate $n))".into());
        let outer = repeated(times, |_| "(instance (instantiate $c))".into());
        format!("(component $c (core module $n (memory 0)) {inner}) {outer}")
    };
    let passive = |count: usize| format!("(func $g) (elem func{})", " $g".repeat(count));
    vec![
        ("core-instances", String::new(), instances(100)),
        ("core-instances-nested", String::new(), nested(3, 900)),
        ("core-instances-of-much", "(global (mut i64) (i64.const 0))".repeat(4_000), instances(60)),
        ("memories", "(memory 0)".into(), instances(10)),
        ("tables", "(table 1 funcref)".repeat(20), String::new()),
        ("tables-of-instances", "(table 1 funcref)(table 1 funcref)".into(), instances(40)),
        ("long-table", "(table 100000 funcref)".into(), String::new()),
        ("large-memory", "(memory 2000)".into(), String::new()),
        ("globals", "(global (mut i64) (i64.const 0))".repeat(100_000), String::new()),
        (
            "functions-by-reference",
            {
                let count = 60_000;
                let functions = repeated(count, |_| "(func)".into());
                let references: String = (0..count).map(|n| format!(" {n}")).collect();
                format!("{functions} (elem declare func{references})")
            },
            String::new(),
        ),
        ("passive-elements", passive(1_000_000), String::new()),
        ("passive-elements-of-instances", passive(100_000), instances(60)),
        ("passive-segments", "(elem func)".repeat(90_000), String::new()),
        ("passive-expressions", { format!("(elem funcref{})", " (ref.null func)".repeat(100_000)) }, String::new()),
        ("passive-elements-nested", String::new(), { format!("(component (core module {}))", passive(100_000)) }),
        ("component-instances", String::new(), {
            let many = |of: &str, count| repeated(count, |_| format!("(instance (instantiate {of}))"));
            format!("(component $b (component $c) {}) {}", many("$c", 900), many("$b", 100))
        }),
    ]
}

#[test]
fn what_a_sandbox_has_no_room_for_is_refused_by_name() {
    let setup = Setup::new(&["mock"]).limits("");
    for (name, core, parts) in outsized() {
        let ended = inspected(&setup, &format!("{name}.wasm"), &component_with(&core, &parts));
        assert!(ended.stdout.contains("it does not fit into a sandbox: "), "{name}: {ended:#?}");
    }
}

#[test]
fn checking_what_is_approved_reads_no_more_than_the_edge() {
    // `verify` looks at each, compiles none, and needs neither the time nor the memory that this would take.
    let setup = setup();
    let slow: Vec<_> = slow_around().into_iter().map(|(name, parts)| (name, component_with("", &parts))).collect();
    for (name, content) in &slow {
        setup.driver_file(&format!("{name}.wasm"), content);
    }
    setup.vouch_for(slow.iter().map(|(name, content)| (*name, content.clone())));
    let stopwatch = Stopwatch::start();
    let ended = setup.run(&["driver", "verify"]);
    assert!(stopwatch.elapsed() < Duration::from_secs(TIME), "it took {:?}", stopwatch.elapsed());
    for (name, _) in &slow {
        let line =
            ended.stdout.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {ended:#?}"));
        assert!(line.contains(" good"), "{line}");
    }
}

fn inspected(setup: &Setup, name: &str, content: &[u8]) -> Ended {
    std::fs::write(setup.path(name), content).expect("written");
    setup.run(&["driver", "inspect", &format!("./{name}")])
}

/// Whether the compiler stopped at a limit, and said so; otherwise it came to an end.
fn passed_a_limit(name: &str, ended: &Ended) -> bool {
    let named = ["memory", "cpu", "time"].iter().any(|key| ended.stderr.contains(&format!("drivers.compile.{key}")));
    let told = ended.stdout.contains("Loads") || ended.stderr.contains("it is not a valid component");
    assert!(named || told, "{name}: {ended:#?}");
    named
}

#[test]
fn each_compiles_within_the_limits_or_names_the_one_it_passed() {
    let setup = setup();
    let mut passed = Vec::new();
    let modules = slow().into_iter().map(|(name, core)| (name, component(&core)));
    let around = slow_around().into_iter().map(|(name, parts)| (name, component_with("", &parts)));
    for (name, content) in modules.chain(around) {
        let stopwatch = Stopwatch::start();
        let ended = inspected(&setup, &format!("{name}.wasm"), &content);
        // What the limits allow, with time to spare for a busy machine.
        assert!(stopwatch.elapsed() < Duration::from_secs(5 * TIME), "{name} took {:?}", stopwatch.elapsed());
        if passed_a_limit(name, &ended) {
            passed.push(name);
        }
    }
    assert!(!passed.is_empty(), "limits that nothing passes show nothing");
}

#[test]
fn each_limit_is_named() {
    let check = |core: &[u8], keys: &str, setting: &str| {
        let setup = Setup::new(&["mock"]).limits(&format!("\n[drivers.compile]\n{keys}"));
        let ended = inspected(&setup, "it.wasm", core);
        assert_eq!(ended.code, Some(1), "{setting}: {ended:#?}");
        assert!(ended.stderr.contains("it.wasm") && ended.stderr.contains(setting), "{setting}: {ended:#?}");
    };
    check(&long_function(300_000), "cpu = \"1s\"", "drivers.compile.cpu");
    check(&long_function(600_000), &format!("memory = \"{LEAST_MEMORY} MiB\""), "drivers.compile.memory");
    check(&long_function(600_000), "time = \"1s\"", "drivers.compile.time");
}

#[test]
fn the_drivers_of_the_repository_compile_with_the_least_memory() {
    let below = Setup::new(&[]).limits(&format!("\n[drivers.compile]\nmemory = \"{} MiB\"", LEAST_MEMORY - 1));
    let refused = below.run(&["driver", "list"]);
    let least = format!("takes {LEAST_MEMORY}.0 MiB to");
    assert!(refused.code == Some(2) && refused.stderr.contains(&least), "{refused:#?}");
    let setup = Setup::new(&[]).limits(&format!("\n[drivers.compile]\nmemory = \"{LEAST_MEMORY} MiB\""));
    for name in ["digitalocean", "ec2", "hetzner", "mock"] {
        let ended = inspected(&setup, &format!("{name}.wasm"), &built_driver(name));
        assert!(ended.code == Some(0) && ended.stdout.contains("Loads"), "{name}: {ended:#?}");
    }
}

#[test]
fn a_file_of_another_world_is_refused_before_it_is_compiled() {
    let setup = Setup::new(&["mock"]).limits("\n[drivers.compile]\ncpu = \"1s\"");
    let slow = slow();
    let (_, core) = &slow[0];
    let check = |edge: &str, why: &str| {
        let text = format!("(component (core module {core}) {edge})");
        let ended = inspected(&setup, "it.wasm", &wat::parse_str(text).expect("WebAssembly text"));
        assert!(ended.stdout.contains(why), "{ended:#?}");
    };
    check("", "it is a component of a different world");
    check("(instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i))", "it is a component of a different world");
    check("(instance $i) (export \"tracker:driver/inventory@0.9.0\" (instance $i))", "update the host");
    check(
        "(import \"a:b/c\" (instance)) (instance $i) (export \"tracker:driver/inventory@0.1.0\" (instance $i))",
        "no driver gets: a:b/c",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_loads_them_goes_on_and_is_no_larger() {
    let setup = setup();
    let host = setup.start().await;
    let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
    client.get("/api/instances").await.ok();
    let before = host.resident();
    let slow: Vec<(&str, Vec<u8>)> = slow().iter().take(6).map(|(name, core)| (*name, component(core))).collect();
    for (name, content) in &slow {
        host.setup().driver_file(&format!("{name}.wasm"), content);
    }
    host.setup().vouch_for(slow.iter().map(|(name, content)| (*name, content.clone())));
    let (folder, config) = (host.setup().path("."), host.setup().path("tracker.toml"));
    let reload = tokio::task::spawn_blocking(move || {
        tracker(&folder, &["driver", "reload", "--config", config.to_str().expect("UTF-8")])
    });
    let mut answers = 0;
    while !reload.is_finished() {
        client.get("/api/instances").await.ok();
        answers += 1;
        tokio::task::yield_now().await;
    }
    let reloaded = reload.await.expect("it ended");
    for (name, _) in &slow {
        assert!(reloaded.stdout.contains(name) || reloaded.stderr.contains(name), "{name}: {reloaded:#?}");
    }
    assert!(answers > 10, "the host answered {answers} times while it compiled");
    let grown = host.peak_resident().saturating_sub(before);
    assert!(grown < MEMORY / 2, "the host grew by {grown} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_approved_is_compiled_for_the_host() {
    let setup = Setup::new(&[]);
    for name in ["mock", "ec2"] {
        setup.driver_file(&format!("{name}.wasm"), &built_driver(name));
        setup.run(&["driver", "approve", name, "--yes"]).succeeded();
    }
    let compiled = |setup: &Setup| {
        let entries = std::fs::read_dir(setup.path("data/compiled")).expect("approving filled it");
        let mut found: Vec<_> = entries
            .map(|entry| {
                let entry = entry.expect("an entry");
                (entry.file_name(), entry.metadata().and_then(|metadata| metadata.modified()).expect("a time"))
            })
            .collect();
        found.sort();
        found
    };
    let approved = compiled(&setup);
    assert_eq!(approved.len(), 2, "{approved:?}");
    let host: Host = setup.start().await;
    host.client().at("mock", "default").as_user("mockuser", "mockpassword").get("/api/instances").await.ok();
    assert_eq!(compiled(host.setup()), approved, "the host compiled anew");
}
