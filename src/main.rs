//! The program: everything is in the library, and what can be asked of it in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tracker::cli::main()
}
