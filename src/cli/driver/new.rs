//! `tracker driver new`: a project for a new driver. It builds, passes its tests and loads; its author changes it from
//! there. The program contains all files of it: nothing is fetched.

mod language;
mod names;
mod project;
mod sdk;

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::output;
use crate::cli::usage::UsageError;
use language::{LANGUAGES, Language};
use names::Names;
use project::Project;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker driver new my-cloud --lang rust
  tracker driver new my-cloud --lang rust --title \"My Cloud\" --directory ~/src/my-cloud-driver

The README.md in the folder explains the next steps.")]
pub(crate) struct New {
    /// The driver's name in the API: 1 to 32 lower-case letters, digits and hyphens
    #[arg(value_name = "NAME")]
    name: String,
    /// The language of the driver
    #[arg(long, value_name = "LANGUAGE", value_parser = PossibleValuesParser::new(LANGUAGES.iter().map(|one| one.name)))]
    lang: String,
    /// The name of the provider for people; if absent, the driver's name in capitals
    #[arg(long)]
    title: Option<String>,
    /// The folder to create; if absent, a folder with the driver's name
    #[arg(short, long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl New {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let language = LANGUAGES.iter().find(|one| one.name == self.lang);
        let language = language.ok_or_else(|| UsageError(format!("there is no template in {}", self.lang)))?;
        let names = Names::new(&self.name, self.title.as_deref())?;
        language.takes(&names)?;
        let directory = self.directory.unwrap_or_else(|| PathBuf::from(names.name()));
        let project = Project::of(language, &names)?;
        project.write(&directory)?;
        output::text!("{}", report(language, &names, &project, &directory));
        Ok(())
    }
}

/// What was made, and what to do with it.
fn report(language: &Language, names: &Names, project: &Project, directory: &Path) -> String {
    let folder = directory.display().to_string();
    let mut text = format!("Made {folder}, the driver {} in {}:\n\n", names.name(), language.title);
    let entries = project.entries();
    let width = entries.iter().map(|(entry, _)| entry.len()).max().unwrap_or_default();
    for (entry, what) in entries {
        text.push_str(format!("  {entry:width$}  {what}").trim_end());
        text.push('\n');
    }
    text.push_str(&format!("\nNext:\n\n  cd {}\n", shell_word(&folder)));
    for step in language.steps {
        text.push_str(&format!("  {}\n", names.fill(step)));
    }
    text.push_str("\nREADME.md explains each of them, and the next steps.\n");
    text
}

/// A path as a shell takes it.
fn shell_word(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,@%=:~".contains(c);
    match path.chars().all(is_plain) && !path.starts_with(['-', '~']) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        let check = |path: &str, want: &str| assert_eq!(shell_word(path), want);
        check("my-cloud", "my-cloud");
        check("/tmp/a b", "'/tmp/a b'");
        check("it's", r"'it'\''s'");
        check("$HOME", "'$HOME'");
    }

    #[test]
    fn the_report_says_what_to_do() {
        for language in LANGUAGES {
            let names = Names::new("my-cloud", None).expect("names");
            let project = Project::of(language, &names).expect("a project");
            let text = report(language, &names, &project, Path::new("my-cloud"));
            assert!(text.contains("README.md") && text.contains("\n  cd my-cloud\n"), "{text}");
            assert!(text.contains("tracker driver approve") && !text.contains("{{"), "{text}");
        }
    }
}
