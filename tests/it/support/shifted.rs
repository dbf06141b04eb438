//! A clock of a host's own, which a test sets while the host runs.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct ShiftedClock {
    path: PathBuf,
    /// Holds one number: by how many seconds the host's clock is ahead of the machine's.
    file: File,
}

impl ShiftedClock {
    /// One that goes as the machine's does, with its file in this folder.
    pub(super) fn new(folder: &Path) -> ShiftedClock {
        let path = folder.join("clock-shift");
        let file = File::create(&path).expect("made");
        let clock = ShiftedClock { path, file };
        clock.set(0);
        clock
    }

    /// Sets it, by seconds from the machine's.
    pub(super) fn set(&self, ahead: i64) {
        self.file.write_all_at(&ahead.to_ne_bytes(), 0).expect("written");
    }

    /// Has a program go by it.
    pub(super) fn give_to(&self, command: &mut Command) {
        let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clock/shift.so");
        assert!(library.exists(), "{} is missing. Run `make clock`, which builds it", library.display());
        command.env("LD_PRELOAD", library).env("CLOCK_SHIFT", &self.path);
    }
}
