//! What a driver's language costs: a list of 1,000 instances through each of the drivers here, from a provider on
//! this machine. The providers' answers differ, as they do in the world, and are of about the same length.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use tracker::clock::Stopwatch;
use tracker::driver::Target;
use tracker::model::{AccountKey, Kind};
use tracker::net::AddressPolicy;

use crate::host::{driver, ec2_provider, mock_target, process_cpu, root};
use crate::provider::{Answer, Provider};
use crate::table::Table;

const ROUNDS: usize = 30;
const INSTANCES: usize = 1_000;
/// What a poll of so many may take at most of each CPU limit and of a sandbox's memory: the defaults.
const CPU: Duration = Duration::from_secs(2);
const MEMORY: f64 = 64.0;

struct Language {
    driver: &'static str,
    /// How its rows are called: time, CPU, memory.
    rows: [&'static str; 3],
    provider: fn(&Path) -> Provider,
}

const LANGUAGES: &[Language] = &[
    Language {
        driver: "ec2",
        rows: [
            "1,000 instances listed through Rust (ec2), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
        ],
        provider: ec2_provider,
    },
    Language {
        driver: "digitalocean",
        rows: [
            "1,000 instances listed through Python (digitalocean), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
        ],
        provider: digitalocean_provider,
    },
    Language {
        driver: "hetzner",
        rows: [
            "1,000 instances listed through JavaScript (hetzner), time",
            "  CPU of the host and the sandbox",
            "  memory of the sandbox, highest",
        ],
        provider: hetzner_provider,
    },
];

pub(crate) async fn polls(table: &mut Table) {
    for language in LANGUAGES {
        let folder = tempfile::tempdir().expect("a folder");
        let provider = (language.provider)(folder.path());
        let driver = driver(language.driver).await;
        let target = Target {
            key: AccountKey { driver: language.driver.into(), provider: "bench".into(), user: "bench".into() },
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
        let [time_row, cpu_row, memory_row] = language.rows;
        table.times(time_row, times, None);
        table.times(cpu_row, cpu, Some(CPU));
        table.amount(memory_row, memory as f64 / f64::from(1 << 20), "MiB", Some(MEMORY));
    }
}

/// Hetzner Cloud with the server of its documentation a thousand times, on the twenty pages that the driver asks for.
fn hetzner_provider(folder: &Path) -> Provider {
    const PER_PAGE: usize = 50;
    let fixtures = root().join("drivers/hetzner/fixtures");
    let documented = fs::read(fixtures.join("servers-page-1.json")).expect("the documented answer");
    let documented: Value = serde_json::from_slice(&documented).expect("JSON");
    let pages = INSTANCES / PER_PAGE;
    let mut answers = Vec::new();
    for page in 1..=pages {
        let first = 1 + (page - 1) * PER_PAGE;
        let servers = (first..first + PER_PAGE).map(|id| {
            let mut server = documented["servers"][0].clone();
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

/// DigitalOcean with the droplet of its documentation a thousand times, on the five pages that the driver asks for.
fn digitalocean_provider(folder: &Path) -> Provider {
    const PER_PAGE: usize = 200;
    let fixtures = root().join("drivers/digitalocean/fixtures");
    let documented = fs::read(fixtures.join("droplets.json")).expect("the documented answer");
    let documented: Value = serde_json::from_slice(&documented).expect("JSON");
    let pages = INSTANCES / PER_PAGE;
    let mut answers = Vec::new();
    for page in 1..=pages {
        let first = 3_000_000 + (page - 1) * PER_PAGE;
        let droplets = (first..first + PER_PAGE).map(|id| {
            let mut droplet = documented["droplets"][0].clone();
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
