//! `tracker completions`: the script with which a shell completes the command line.

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker completions bash > ~/.local/share/bash-completion/completions/tracker
  tracker completions zsh > ~/.zfunc/_tracker
  tracker completions fish > ~/.config/fish/completions/tracker.fish")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    /// `command` is the whole command line.
    pub(super) fn run(self, mut command: Command) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "tracker", &mut script);
        Ok(output::verbatim(std::str::from_utf8(&script)?)?)
    }
}
