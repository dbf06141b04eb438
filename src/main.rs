//! The program: the library does everything, starting with `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracker::cli::main()
}
