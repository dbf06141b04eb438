//! Rows of what compiling drivers costs the host: a child process compiles, so the host's memory does not grow by it.

use std::fs;
use std::path::Path;

use crate::process::{Host, built, installation, mock};
use crate::table::Table;

/// What a host may hold beyond one that found its drivers compiled, in MB.
const BOUND: f64 = 20.0;
const ROUNDS: usize = 3;

/// Compares a host that has the templates' drivers in Python and JavaScript compiled with one that loads them from the
/// cache.
pub(crate) fn compiling(table: &mut Table) {
    let mut drivers = mock();
    for name in ["python-cloud.wasm", "javascript-cloud.wasm"] {
        drivers.push((name.into(), built(&format!("target/templates/{name}"))));
    }
    let count = drivers.len();
    let (folder, address) = installation(&drivers, "");
    let (mut resident, mut highest) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        clear_compiled(folder.path());
        let compiled = measure(folder.path(), &address, count);
        assert_eq!(compiled_files(folder.path()), count, "the host compiled each driver");
        let loaded = measure(folder.path(), &address, count);
        resident.push(compiled.resident - loaded.resident);
        highest.push(compiled.highest - loaded.highest);
    }
    table.amount("resident memory after compiling Python and JavaScript, more", median(resident), "MB", Some(BOUND));
    table.amount("  highest while compiling, more", median(highest), "MB", Some(BOUND));
}

/// Memory in MB.
struct Memory {
    resident: f64,
    highest: f64,
}

fn measure(folder: &Path, address: &str, drivers: usize) -> Memory {
    let (host, _) = Host::start(folder, address);
    let answer = host.get("/api/drivers").expect("an answer");
    assert_eq!(answer.matches("\"digest\"").count(), drivers, "{answer}");
    Memory { resident: host.resident(), highest: host.highest_resident() }
}

/// Has the next host compile everything.
pub(crate) fn clear_compiled(folder: &Path) {
    let compiled = folder.join("data/compiled");
    if compiled.exists() {
        fs::remove_dir_all(&compiled).expect("removed");
    }
}

/// How many drivers are in the cache.
pub(crate) fn compiled_files(folder: &Path) -> usize {
    fs::read_dir(folder.join("data/compiled")).map_or(0, Iterator::count)
}

fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
