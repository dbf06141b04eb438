//! Drivers compiled for this machine: a program with all of them, made and built below `target`, as the folders of `drivers/` say
//! which there are. `native/main.rs` is what it runs.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::host::root;

/// The one crate of `drivers/` that is no driver, as in the Makefile.
const SDK: &str = "sdk";
/// How a driver names the type that is one.
const EXPORT: &str = "tracker_driver_sdk::export_driver!(";

/// The driver of each folder, and its type, sorted by name.
pub(crate) fn drivers() -> Vec<(String, String)> {
    let folder = root().join("drivers");
    let entries = fs::read_dir(&folder).expect("drivers").map(|entry| entry.expect("an entry").path());
    let crates = entries.filter(|path| path.join("Cargo.toml").is_file());
    let mut drivers: Vec<(String, String)> = crates
        .map(|path| (path.file_name().expect("a name").to_string_lossy().into_owned(), path))
        .filter(|(name, _)| name != SDK)
        .map(|(name, path)| (name, exported(&path.join("src/lib.rs"))))
        .collect();
    drivers.sort();
    drivers
}

fn exported(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = text.lines().find_map(|line| line.strip_prefix(EXPORT)?.split(')').next());
    name.unwrap_or_else(|| panic!("{} has no line that begins with {EXPORT}", file.display())).to_owned()
}

/// Builds the program, with the optimizations that components are built with.
pub(crate) fn build(drivers: &[(String, String)]) -> PathBuf {
    let folder = root().join("target/bench-native");
    let workspace = root().join("drivers");
    fs::create_dir_all(folder.join("src")).expect("made");
    let manifest = fs::read_to_string(workspace.join("Cargo.toml")).expect("the drivers' workspace");
    let profile = manifest.find("[profile.release]").expect("how components are built");
    let mut cargo = String::from(
        "[package]\nname = \"native\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         serde_json = \"1\"\n",
    );
    let mut names = String::from("pub(crate) fn list(name: &str) -> Option<crate::List> {\n    Some(match name {\n");
    let sdk = workspace.join(SDK);
    writeln!(cargo, "tracker-driver-sdk = {{ path = {sdk:?} }}").expect("text");
    for (name, driver) in drivers {
        let path = workspace.join(name);
        writeln!(cargo, "tracker-driver-{name} = {{ path = {path:?} }}").expect("text");
        writeln!(names, "        {name:?} => <{name}::{driver} as tracker_driver_sdk::Driver>::list_instances,")
            .expect("text");
    }
    names.push_str("        _ => return None,\n    })\n}\n");
    write!(cargo, "\n{}", &manifest[profile..]).expect("text");
    let main = fs::read_to_string(root().join("benches/bench/native/main.rs")).expect("what it runs");
    put(&folder.join("Cargo.toml"), &cargo);
    put(&folder.join("src/drivers.rs"), &names);
    put(&folder.join("src/main.rs"), &main);
    // The versions of dependencies are those of the components.
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--target-dir", "build"])
        .current_dir(&folder)
        .status()
        .expect("cargo");
    assert!(built.success(), "the drivers cannot be built for this machine");
    folder.join("build/release/native")
}

/// Writes a file where it changed, so that nothing is built again for nothing.
fn put(file: &Path, text: &str) {
    if fs::read_to_string(file).is_ok_and(|before| before == text) {
        return;
    }
    fs::write(file, text).expect("written");
}

/// The program at work for one driver.
pub(crate) struct Native {
    child: Child,
    orders: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl Native {
    /// Starts it, and has it list once, as an account that has no session.
    pub(crate) fn start(program: &Path, driver: &str, scenario: &Path) -> Native {
        let mut command = Command::new(program);
        command.arg(driver).arg(scenario).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let orders = child.stdin.take().expect("piped");
        let results = BufReader::new(child.stdout.take().expect("piped"));
        Native { child, orders, results }
    }

    /// Lists; gives the CPU time that it took, and how many instances came.
    pub(crate) fn poll(&mut self) -> (Duration, usize) {
        writeln!(self.orders).expect("asked");
        let mut line = String::new();
        self.results.read_line(&mut line).expect("read");
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().expect("a number"));
        let mut next = || numbers.next().expect("two numbers: the program says what failed above");
        let (cpu, listed) = (next(), next());
        (Duration::from_nanos(cpu), usize::try_from(listed).expect("a number of instances"))
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
