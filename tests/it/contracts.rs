//! Contracts: what was built for the older one loads and passes.

use crate::support::{Setup, built_faulty, tracker};

#[test]
fn a_driver_of_the_older_contract_loads_and_passes() {
    let setup = Setup::new(&[]);
    setup.driver_file("older-cloud.wasm", &built_faulty("older"));
    let inspected = setup.run(&["driver", "inspect", "drivers/older-cloud.wasm"]).succeeded().stdout;
    assert!(inspected.contains("World      tracker:driver/driver 0.1.0 "), "{inspected}");
    setup.run(&["driver", "approve", "older-cloud", "--yes"]).succeeded();
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    let line = list.lines().find(|line| line.starts_with("older-cloud")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.ends_with(" loaded"), "{list}");

    // It speaks to the templates' provider, so the cassettes of any project of that name are its own.
    let folder = tempfile::tempdir().expect("a folder");
    tracker(folder.path(), &["driver", "new", "older-cloud", "--lang", "rust"]).succeeded();
    let cassettes = folder.path().join("older-cloud/cassettes").display().to_string();
    setup.run(&["driver", "test", "drivers/older-cloud.wasm", "--cassettes", &cassettes]).succeeded();
}
