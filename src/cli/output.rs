//! What commands write. Who reads it may be gone, and the disk behind it full: then a command ends with an error, and never
//! by a panic. What is written for a person beside that, on standard error, is left out where it can't be written.

use std::fmt::Arguments;
use std::io::{self, Write as _};

/// Standard output can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write to standard output: {0}")]
pub(super) struct OutputError(#[source] io::Error);

impl OutputError {
    /// Whether nobody reads it any more, who then has all that was wanted.
    pub(super) fn is_closed(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes to standard output at once.
pub(super) fn out(text: Arguments<'_>) -> Result<(), OutputError> {
    let mut stdout = io::stdout().lock();
    stdout.write_fmt(text).and_then(|()| stdout.flush()).map_err(OutputError)
}

/// Writes to standard error, if it can be written.
pub(super) fn put_aside(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Writes a line to standard output; returns from the function with an error where it can't be written.
macro_rules! line {
    ($($text:tt)*) => {
        $crate::cli::output::out(::std::format_args!("{}\n", ::std::format_args!($($text)*)))?
    };
}

/// The same of a text that has its line breaks.
macro_rules! text {
    ($($text:tt)*) => {
        $crate::cli::output::out(::std::format_args!($($text)*))?
    };
}

/// Writes a line to standard error, if it can be written.
macro_rules! aside {
    ($($text:tt)*) => {
        $crate::cli::output::put_aside(::std::format_args!("{}\n", ::std::format_args!($($text)*)))
    };
}

pub(super) use {aside, line, text};
