//! A question that the operator answers on the terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use crate::cli::usage::UsageError;

/// Asks on the terminal. Without one nobody can answer, and silence is no consent; `instead` says what to do.
pub(super) fn ask(question: &str, instead: &str) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        return Err(UsageError(format!("there is no terminal to ask on: {instead}")).into());
    }
    write!(stderr(), "\n{question} [y/N] ")?;
    stderr().flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
