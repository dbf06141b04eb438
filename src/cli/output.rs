//! The output of commands. If a command cannot write its standard output, it ends with an error, not with a panic.
//! Standard error is for a person; text that cannot be written there is dropped.
//!
//! No text controls the terminal, whatever its source: all output is made legible first. The styles of `styled_line`
//! are the exception; its text is made legible before it is styled.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::fmt::Arguments;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::LazyLock;

use rustix::io::Errno;
use serde::Serialize;

use super::{closed, terminal};
use crate::model::{legible, legible_json, legible_lines};

/// Standard output can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write to standard output: {0}")]
pub(super) struct OutputError(#[source] io::Error);

/// Whether a command failed because the reader of its output closed the pipe, as `head` does once it has enough. The demo's
/// view writes by itself; no other error of a command is a bare `io::Error` of this kind.
pub(super) fn reader_left(error: &anyhow::Error) -> bool {
    let own = error.downcast_ref::<OutputError>().map(|OutputError(source)| source);
    let source = own.or_else(|| error.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// Writes to standard output, and flushes it.
pub(super) fn stdout(text: Arguments<'_>) -> Result<(), OutputError> {
    as_it_is(&legible_text(&text.to_string()))
}

/// Writes to standard error, if it can be written.
pub(super) fn stderr(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_all(legible_text(&text.to_string()).as_bytes());
}

/// A text of lines that the program laid out. The line breaks of arguments, in which names of files and accounts come, are none
/// of them.
fn legible_text(text: &str) -> String {
    static BROKEN: LazyLock<Vec<String>> = LazyLock::new(|| {
        let arguments = std::env::args_os().chain(variables());
        with_line_breaks(arguments.map(|argument| argument.to_string_lossy().into_owned()).collect())
    });
    legible_lines(&in_one_line(text, &BROKEN)).into_owned()
}

/// The values of the variables that stand for arguments, and of the one that names a file for another program, too.
fn variables() -> impl Iterator<Item = OsString> {
    let is_ours =
        |name: &OsString| name.to_str().is_some_and(|name| name.starts_with("TRACKER_") || name == "DOCKER_CONFIG");
    std::env::vars_os().filter(move |(name, _)| is_ours(name)).map(|(_, value)| value)
}

/// Arguments with line breaks, and their parts, the longest argument first. A part stands behind an option of one letter or an
/// option's equals sign, or is one of a path or an account, which may have been put together with others.
fn with_line_breaks(mut arguments: Vec<String>) -> Vec<String> {
    arguments.sort_by_key(|argument| Reverse(argument.len()));
    let parts = |argument: &String| {
        let of_letter = argument.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        let attached = of_letter.map(|rest| rest.chars().skip(1).collect());
        let value = argument.split_once('=').map(|(_, value)| value.to_owned());
        let parts = argument.split(['/', '=', ':']).map(str::to_owned);
        std::iter::once(argument.clone()).chain(attached).chain(value).chain(parts).collect::<Vec<_>>()
    };
    let is_broken = |part: &String| part.contains('\n') && !part.trim().is_empty();
    arguments.iter().flat_map(parts).filter(is_broken).collect()
}

fn in_one_line(text: &str, broken: &[String]) -> String {
    broken.iter().fold(text.to_owned(), |text, part| text.replace(part, &legible(part)))
}

/// Shows on a terminal how far something is, in the place of what was shown before. The text is one line.
pub(super) fn progress(text: &str) {
    let mut output = io::stderr().lock();
    if output.is_terminal() && !terminal::is_dumb() {
        let _ = write!(output, "\r\x1b[K{}", legible(text)).and_then(|()| output.flush());
    }
}

/// Writes a document to standard output, for programs.
pub(super) fn json(document: &impl Serialize) -> anyhow::Result<()> {
    Ok(json_line(&serde_json::to_string_pretty(document)?)?)
}

/// Writes a line of JSON to standard output.
pub(super) fn json_line(json: &str) -> Result<(), OutputError> {
    as_it_is(&format!("{}\n", legible_json(json)))
}

/// Writes a line with styles to standard output. What it has of others is legible already.
pub(super) fn styled_line(line: &str) -> Result<(), OutputError> {
    as_it_is(&format!("{line}\n"))
}

/// Writes a text that is the program's own to standard output, as it is.
pub(super) fn verbatim(text: &str) -> Result<(), OutputError> {
    as_it_is(text)
}

/// Writes the help or the version, with styles on a terminal.
pub(super) fn of_clap(shown: &clap::Error) -> Result<(), OutputError> {
    require_open().and_then(|()| shown.print()).and_then(|()| io::stdout().flush()).map_err(OutputError)
}

/// Says on standard error what is wrong with the arguments: with styles on a terminal, unless one of them would command it.
pub(super) fn wrong_arguments(wrong: &clap::Error) {
    let is_plain = |argument: OsString| argument.to_str().is_some_and(|text| legible(text) == text);
    match std::env::args_os().chain(variables()).all(is_plain) {
        true => drop(wrong.print()),
        false => stderr(format_args!("{}", wrong.render())),
    }
}

fn as_it_is(text: &str) -> Result<(), OutputError> {
    let mut output = io::stdout().lock();
    require_open().and_then(|()| output.write_all(text.as_bytes())).and_then(|()| output.flush()).map_err(OutputError)
}

/// Errs where standard output is not open for writing: the standard library drops what is written there then, and says that
/// it was written. The same where it was not open at all.
fn require_open() -> io::Result<()> {
    if closed::was_stdout_closed() {
        return Err(Errno::BADF.into());
    }
    Ok(rustix::io::write(io::stdout(), &[]).map(drop)?)
}

/// Writes a line to standard output. Where that fails, the calling function returns the error.
macro_rules! line {
    ($($text:tt)*) => {
        $crate::cli::output::stdout(::std::format_args!("{}\n", ::std::format_args!($($text)*)))?
    };
}

/// Writes a text of whole lines to standard output. Where that fails, the calling function returns the error.
macro_rules! text {
    ($($text:tt)*) => {
        $crate::cli::output::stdout(::std::format_args!($($text)*))?
    };
}

/// Writes a line to standard error, if it can be written.
macro_rules! stderr_line {
    ($($text:tt)*) => {
        $crate::cli::output::stderr(::std::format_args!("{}\n", ::std::format_args!($($text)*)))
    };
}

pub(super) use {line, stderr_line, text};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_one_line() {
        let check = |text: &str, arguments: &[&str], want: &str| {
            let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
            assert_eq!(in_one_line(text, &with_line_breaks(arguments)), want);
        };
        check("error: no file a\nb\n", &["a\nb"], "error: no file a b\n");
        check("error: /x/a\nb/c.wasm\n  why\n", &["--file=a\nb"], "error: /x/a b/c.wasm\n  why\n");
        check("error: none of \"p\nq\"\n", &["d/p\nq/u"], "error: none of \"p q\"\n");
        check("error: no file a\nb\n", &["-ca\nb"], "error: no file a b\n");
        check("a\nb\n", &["\n", "a", "b"], "a\nb\n");
        check("one\ntwo\n", &["poll"], "one\ntwo\n");
    }
}
