//! What a driver costs, and its language: a list of 1,000 instances through each of the drivers here that ask a provider, and
//! through those that the templates in Python and JavaScript are, from a provider on this machine. The providers' answers
//! differ, as they do in the world.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use tracker::clock::Stopwatch;
use tracker::driver::Target;
use tracker::model::{AccountKey, Kind};
use tracker::net::AddressPolicy;

use crate::host::{DRIVERS, driver_in, ec2_provider, mock_target, process_cpu, root};
use crate::provider::{Answer, Provider};
use crate::table::Table;

const ROUNDS: usize = 30;
const INSTANCES: usize = 1_000;
/// Where `make templates` puts what it builds.
const TEMPLATES: &str = "target/templates";

/// What a poll of `INSTANCES` may take at most.
struct Bounds {
    cpu: Duration,
    /// Of a sandbox, in MiB.
    memory: f64,
    /// Of the component, in KB.
    size: Option<f64>,
}

const RUST: Bounds = Bounds { cpu: Duration::from_millis(25), memory: 16.0, size: Some(600.0) };
/// A component that has its language's runtime in it is held to the default limits alone.
const OTHERS: Bounds = Bounds { cpu: Duration::from_secs(2), memory: 64.0, size: None };

struct Measured {
    driver: &'static str,
    folder: &'static str,
    /// How its rows are called: time, CPU, memory, size.
    rows: [&'static str; 4],
    provider: fn(&Path) -> Provider,
    bounds: Bounds,
}

const MEASURED: &[Measured] = &[
    Measured {
        driver: "ec2",
        folder: DRIVERS,
        rows: [
            "1,000 instances listed through Rust (ec2), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
            "  size of the component",
        ],
        provider: ec2_provider,
        bounds: RUST,
    },
    Measured {
        driver: "hetzner",
        folder: DRIVERS,
        rows: [
            "1,000 instances listed through Rust (hetzner), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
            "  size of the component",
        ],
        provider: hetzner_provider,
        bounds: RUST,
    },
    Measured {
        driver: "digitalocean",
        folder: DRIVERS,
        rows: [
            "1,000 instances listed through Rust (digitalocean), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
            "  size of the component",
        ],
        provider: digitalocean_provider,
        bounds: RUST,
    },
    Measured {
        driver: "python-cloud",
        folder: TEMPLATES,
        rows: [
            "1,000 instances listed through Python (its template), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
            "  size of the component",
        ],
        provider: template_provider,
        bounds: OTHERS,
    },
    Measured {
        driver: "javascript-cloud",
        folder: TEMPLATES,
        rows: [
            "1,000 instances listed through JavaScript (its template), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
            "  size of the component",
        ],
        provider: template_provider,
        bounds: OTHERS,
    },
];

pub(crate) async fn polls(table: &mut Table) {
    for measured in MEASURED {
        let folder = tempfile::tempdir().expect("a folder");
        let provider = (measured.provider)(folder.path());
        let driver = driver_in(measured.folder, measured.driver).await;
        let target = Target {
            key: AccountKey { driver: measured.driver.into(), provider: "bench".into(), user: "bench".into() },
            endpoint: provider.endpoint.clone(),
            options: Default::default(),
            password: "a-secret-of-the-bench".into(),
            addresses: AddressPolicy::opening(vec!["127.0.0.1/32".parse().expect("a range")]),
            ..mock_target(0)
        };
        let (mut times, mut cpu, mut memory) = (Vec::new(), Vec::new(), 0);
        // The first one fills the pool of sandboxes and of connections.
        for round in 0..=ROUNDS {
            let (stopwatch, before) = (Stopwatch::start(), process_cpu());
            let listing = driver.list(&target, Kind::Instance).await.expect("a list");
            let (time, used) = (stopwatch.elapsed(), process_cpu() - before);
            assert_eq!(listing.resources.len(), INSTANCES);
            memory = memory.max(listing.usage.memory);
            if round > 0 {
                times.push(time);
                cpu.push(used);
            }
        }
        let [time_row, cpu_row, memory_row, size_row] = measured.rows;
        table.times(time_row, times, None);
        table.times(cpu_row, cpu, Some(measured.bounds.cpu));
        table.amount(memory_row, memory as f64 / f64::from(1 << 20), "MiB", Some(measured.bounds.memory));
        let file = root().join(measured.folder).join(measured.driver).with_extension("wasm");
        let size = fs::metadata(&file).expect("the component").len();
        table.amount(size_row, size as f64 / 1e3, "KB", measured.bounds.size);
    }
}

/// Hetzner Cloud with the first server of its fixtures a thousand times, on the twenty pages that the driver asks for.
fn hetzner_provider(folder: &Path) -> Provider {
    const PER_PAGE: usize = 50;
    let fixtures = root().join("drivers/hetzner/fixtures");
    let fixture = fs::read(fixtures.join("servers-page-1.json")).expect("the fixture");
    let fixture: Value = serde_json::from_slice(&fixture).expect("JSON");
    let pages = INSTANCES / PER_PAGE;
    let mut answers = Vec::new();
    for page in 1..=pages {
        let first = 1 + (page - 1) * PER_PAGE;
        let servers = (first..first + PER_PAGE).map(|id| {
            let mut server = fixture["servers"][0].clone();
            server["id"] = json!(id);
            server
        });
        let next = (page < pages).then_some(page + 1);
        let pagination = json!({ "page": page, "next_page": next, "total_entries": INSTANCES });
        let answer = json!({ "servers": servers.collect::<Vec<_>>(), "meta": { "pagination": pagination } });
        let file = folder.join(format!("servers-{page}.json"));
        fs::write(&file, answer.to_string()).expect("written");
        answers.push(Answer::to(&format!("/v1/servers?page={page}&"), &file));
    }
    answers.push(Answer::to("/v1/locations", &fixtures.join("locations.json")));
    Provider::start(&answers)
}

/// DigitalOcean with the first droplet of its fixtures a thousand times, on the five pages that the driver asks for.
fn digitalocean_provider(folder: &Path) -> Provider {
    const PER_PAGE: usize = 200;
    let fixtures = root().join("drivers/digitalocean/fixtures");
    let fixture = fs::read(fixtures.join("droplets.json")).expect("the fixture");
    let fixture: Value = serde_json::from_slice(&fixture).expect("JSON");
    let pages = INSTANCES / PER_PAGE;
    let mut answers = Vec::new();
    for page in 1..=pages {
        let first = 3_000_000 + (page - 1) * PER_PAGE;
        let droplets = (first..first + PER_PAGE).map(|id| {
            let mut droplet = fixture["droplets"][0].clone();
            droplet["id"] = json!(id);
            droplet
        });
        let mut answer = json!({"droplets": droplets.collect::<Vec<_>>(), "links": {}, "meta": {"total": INSTANCES}});
        if page < pages {
            answer["links"] = json!({"pages": {"next": format!("/v2/droplets?page={}", page + 1)}});
        }
        let file = folder.join(format!("droplets-{page}.json"));
        fs::write(&file, answer.to_string()).expect("written");
        answers.push(Answer::to(&format!("/v2/droplets?per_page={PER_PAGE}&page={page} "), &file));
    }
    answers.push(Answer::to("/v2/regions", &fixtures.join("regions.json")));
    Provider::start(&answers)
}

/// The templates' provider with its first server a thousand times, on the ten pages that their drivers ask for.
fn template_provider(folder: &Path) -> Provider {
    const PER_PAGE: usize = 100;
    let bodies = root().join("drivers/templates/python/cassettes/bodies");
    let fixture = fs::read(bodies.join("servers-page-1.json")).expect("the fixture");
    let fixture: Value = serde_json::from_slice(&fixture).expect("JSON");
    let id = |number: usize| format!("srv-{number:04}");
    let mut answers = Vec::new();
    for first in (0..INSTANCES).step_by(PER_PAGE) {
        let servers = (first..first + PER_PAGE).map(|number| {
            let mut server = fixture["servers"][0].clone();
            server["id"] = json!(id(number));
            server
        });
        let last = first + PER_PAGE - 1;
        let next = (last + 1 < INSTANCES).then(|| id(last));
        let answer = json!({ "servers": servers.collect::<Vec<_>>(), "next": next, "unreachable_zones": [] });
        let file = folder.join(format!("servers-{first}.json"));
        fs::write(&file, answer.to_string()).expect("written");
        let asked = match first {
            0 => format!("/v1/servers?limit={PER_PAGE} "),
            _ => format!("after={} ", id(first - 1)),
        };
        answers.push(Answer::to(&asked, &file));
    }
    answers.push(Answer::to("/v1/zones", &bodies.join("zones.json")));
    Provider::start(&answers)
}
