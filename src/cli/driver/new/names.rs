//! The names of a new driver.

use crate::cli::usage::UsageError;

/// What a title may be: it stands in sources of several languages, between quotes.
const LONGEST_TITLE: usize = 60;

/// What a driver is called, in each form that a template names it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    name: String,
    title: String,
}

impl Names {
    /// As the contract has names of drivers.
    pub(super) fn new(name: &str, title: Option<&str>) -> Result<Names, UsageError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=32).contains(&name.len())
            || !name.chars().all(fits)
            || !name.starts_with(|c: char| c.is_ascii_lowercase())
            || name.ends_with('-')
            || name.contains("--")
        {
            return Err(UsageError(format!(
                "{name:?} is not a valid driver name: a name is 1 to 32 lower-case letters, digits and single hyphens \
                 between them, and begins with a letter"
            )));
        }
        let title = match title {
            Some(title) => title.trim().to_owned(),
            None => name.split('-').map(capitalised).collect::<Vec<_>>().join(" "),
        };
        let is_plain = |c: char| !c.is_control() && !"\"'`\\{}<>$".contains(c);
        if title.is_empty() || title.chars().count() > LONGEST_TITLE || !title.chars().all(is_plain) {
            return Err(UsageError(format!(
                "the title can't be {title:?}: it is 1 to {LONGEST_TITLE} characters on one line, without quotes, \
                 backslashes, brackets and dollar signs, for it is put into source code"
            )));
        }
        Ok(Names { name: name.to_owned(), title })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As languages name modules.
    pub(super) fn snake(&self) -> String {
        self.name.replace('-', "_")
    }

    /// A text of a template with the names in their places.
    pub(super) fn fill(&self, text: &str) -> String {
        text.replace("{{name}}", &self.name).replace("{{name_snake}}", &self.snake()).replace("{{title}}", &self.title)
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(word.len().min(1));
    first.to_ascii_uppercase() + rest
}
