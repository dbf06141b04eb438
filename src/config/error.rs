//! An error of a configuration, with its place: file, line, the line itself, and what would be right.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::example::known_keys;
use super::file::File;
use super::network::NetworkFault;
use super::secret::{KEY_VARIABLE, SecretError};
use crate::model::{AccountKey, legible};
use crate::supply::signature::InvalidPolicy;

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{0}")]
    Wrong(Box<Wrong>),
    #[error(
        "the environment variable {KEY_VARIABLE} is not UTF-8 text: set it to the base64 text of the host's key, or unset it"
    )]
    KeyNotText,
}

/// Something wrong at a place in the configuration.
#[derive(Debug)]
pub struct Wrong {
    pub problem: Problem,
    place: Option<Place>,
    origin: String,
    meant: Option<&'static str>,
}

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Not TOML, an unknown key, or a value that is not what its key takes; in the parser's words.
    #[error("{0}")]
    Parse(String),
    #[error("default_driver and default_provider go together: set both, or neither")]
    HalfDefault,
    #[error("{lesser} is {is}, and has to be {} {greater}, which is {than}: {why}", if *.equal { "at most" } else { "less than" })]
    Order {
        lesser: &'static str,
        is: String,
        greater: &'static str,
        than: String,
        /// Whether they may be the same.
        equal: bool,
        why: &'static str,
    },
    #[error(
        "store.size times store.account_share is less than {}: the host could record nothing for an account",
        bytesize::ByteSize(crate::store::sqlite::LEAST_ROOM as u64)
    )]
    StoreSize,
    #[error(
        "drivers.limits.sandboxes is {sandboxes}, but up to {polls} polls and {proofs} proofs of credentials may be in \
         progress at once: set it to at least {}, or lower the shares in polling (concurrency, unproven, slow, suspected) or in \
         api.credentials (at_once, unproven, suspected)",
        polls + proofs
    )]
    Sandboxes { sandboxes: u32, polls: usize, proofs: usize },
    #[error("drivers.signatures: {0}")]
    Signatures(InvalidPolicy),
    #[error("an account needs a {0}: name it here, or set default_driver and default_provider")]
    Incomplete(&'static str),
    #[error("provider {name:?} of driver {driver:?} is configured twice: leave one")]
    ProviderTwice { driver: String, name: String },
    #[error("account {0} is configured twice: leave one")]
    AccountTwice(AccountKey),
    #[error("{of} comes from a file or from the environment: set {file} or {env}, and not both")]
    Source { of: String, file: &'static str, env: &'static str },
    #[error("the {what} of account {account}: {source}")]
    Secret { account: AccountKey, what: String, source: Box<SecretError> },
    #[error("the network of {of}: {fault}")]
    Network { of: String, fault: Box<NetworkFault> },
}

#[derive(Debug)]
struct Place {
    line: usize,
    column: usize,
    text: String,
    width: usize,
}

/// A configuration's text and what to call it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) origin: &'a str,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn file(&self) -> Result<File, ConfigError> {
        toml::from_str(self.text)
            .map_err(|error| self.wrong(Problem::Parse(legible(error.message()).into_owned()), error.span()))
    }

    pub(super) fn wrong(&self, problem: Problem, at: Option<Range<usize>>) -> ConfigError {
        let meant = match &problem {
            Problem::Parse(_) => at.clone().and_then(|at| self.text.get(at)).and_then(nearest_key),
            _ => None,
        };
        let place = at.map(|at| self.place(at));
        ConfigError::Wrong(Box::new(Wrong { problem, place, origin: self.origin.to_owned(), meant }))
    }

    /// Where the key with this path stands, if it is written.
    pub(super) fn find(&self, path: &str) -> Option<Range<usize>> {
        let table = toml::de::DeTable::parse(self.text).ok()?;
        let (mut table, mut found) = (Some(table.get_ref()), None);
        for name in path.split('.') {
            let (key, value) = table?.iter().find(|(key, _)| key.get_ref() == name)?;
            found = Some(key.span());
            table = value.get_ref().as_table();
        }
        found
    }

    fn place(&self, at: Range<usize>) -> Place {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let text = self.text[start..].lines().next().unwrap_or_default();
        let column = before[start..].chars().count() + 1;
        let text = masked(text);
        let marked = self.text.get(at).map_or(1, |marked| marked.lines().next().unwrap_or_default().chars().count());
        Place { line: before.matches('\n').count() + 1, column, text, width: marked.max(1) }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(place) = &self.place else { return write!(f, "{}: {}", self.origin, self.problem) };
        let Place { line, column, text, width } = place;
        let number = line.to_string();
        let (margin, indent) = (" ".repeat(number.len()), " ".repeat(column - 1));
        writeln!(f, "{}:{line}:{column}: {}", self.origin, self.problem)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {text}")?;
        write!(f, "{margin} | {indent}{}", "^".repeat(*width))?;
        if let Some(meant) = self.meant {
            write!(f, "\n{margin} = did you mean `{meant}`?")?;
        }
        Ok(())
    }
}

/// A line as it may be shown: an operator who wrote a secret into it does not want it in the log as well. What
/// stands behind it is left in place, so that the mark below still points where it should.
fn masked(line: &str) -> String {
    let stars = |text: &str| text.chars().map(|_| '*').collect::<String>();
    if !is_of_toml(line) {
        return stars(line);
    }
    if let Some((key, value)) = line.split_once('=')
        && ["password", "secret", "token"].iter().any(|word| key.contains(word))
        && !["_file", "_env"].iter().any(|end| key.trim_end().ends_with(end))
    {
        return format!("{key}={}", stars(value));
    }
    match line.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('@') {
            Some((user, host)) => format!("{scheme}://{}@{host}", stars(user)),
            None => line.to_owned(),
        },
        None => line.to_owned(),
    }
}

/// Whether a line may be one of a configuration: a table, a comment, a value in a list, or a key with a value. Another file may
/// have been given in its place, such as one with a key or a password.
fn is_of_toml(line: &str) -> bool {
    let line = line.trim();
    let is_key = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.\"' ".contains(c));
    let has_value =
        line.split_once('=').is_some_and(|(key, value)| is_key(key) && !value.trim_matches('=').trim().is_empty());
    line.is_empty() || line.starts_with(['[', '#', '"', '\'', '{', ']', '}']) || has_value
}

/// The key of the configuration that a word was probably meant to be; none for one that is a key, in which
/// case it is the section that is wrong, and for what is not a bare word, such as a value.
fn nearest_key(word: &str) -> Option<&'static str> {
    let is_bare =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !is_bare(word) || known_keys().any(|key| key == word) {
        return None;
    }
    known_keys()
        .map(|key| (strsim::damerau_levenshtein(word, key), key))
        .filter(|(distance, key)| *distance <= key.len().min(word.len()) / 3 + 1)
        .min()
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_line_is_not_shown() {
        let check = |line: &str, want: &str| assert_eq!(masked(line), want);
        check("password = \"x\"", "password =****");
        check("password_file = \"/etc/x\"", "password_file = \"/etc/x\"");
        check("proxy = \"http://u:p@proxy:1/x\"", "proxy = \"http://***@proxy:1/x\"");
        check("listen = \"127.0.0.1:1\"", "listen = \"127.0.0.1:1\"");
        // Another file was taken for the configuration.
        for secret in [
            "hunter2",
            "xAhwD6+NrRyG5GCHCKd0nZq1XvEWQV4s=",
            "xAhwD6NrRyG5GCHCKd0nZq1XvEWQV4s=",
            "-----BEGIN PRIVATE KEY-----",
        ] {
            check(secret, &"*".repeat(secret.len()));
        }
        for line in ["[drivers]", "# listen", "  \"a\",", "drivers.limits.memory = \"1 MiB\"", ""] {
            check(line, line);
        }
    }

    #[test]
    fn a_misspelt_key_is_answered_with_the_one_that_was_meant() {
        let check = |word: &str, want: Option<&str>| assert_eq!(nearest_key(word), want, "{word}");
        check("lisen", Some("listen"));
        check("data-dir", Some("data_dir"));
        check("pasword_file", Some("password_file"));
        check("provider_s", Some("providers"));
        check("listen", None);
        check("zzzzzzzzz", None);
        check("\"60 sconds\"", None);
    }
}
