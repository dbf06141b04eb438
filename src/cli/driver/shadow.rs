//! `tracker driver shadow`: how the lists of a shadow differ from those of the current driver so far, as the running
//! host reports it.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use http::Method;

use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::table::printable;
use crate::net::local;
use crate::operator::{ShadowDocument, ShadowsDocument};

#[derive(Debug, Args)]
#[command(after_help = "\
A shadow is a version that was approved with `tracker driver approve --shadow`. It lists what the current version has
listed. The host compares the lists and does not use those of the shadow. To make it the current version, approve it without
--shadow (`tracker driver approve`), then run `tracker driver reload`.

Examples:
  tracker driver shadow
  tracker driver shadow --output json")]
pub(crate) struct Shadow {
    /// The format of the output
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Text,
    Json,
}

impl Shadow {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let asked = local::ask(&config.control_socket, Method::GET, "/drivers/shadows", None);
        let answer: ShadowsDocument = serde_json::from_slice(&runtime()?.block_on(asked)?)?;
        match self.output {
            Output::Json => output::json(&answer)?,
            Output::Text if answer.shadows.is_empty() => {
                output::line!("No driver has a shadow. To give it one: tracker driver approve FILE --shadow");
            }
            Output::Text => {
                for shadow in &answer.shadows {
                    output::text!("{}", report(shadow));
                }
            }
        }
        Ok(())
    }
}

fn report(shadow: &ShadowDocument) -> String {
    let mut text = String::new();
    let differences = &shadow.differences;
    let _ = writeln!(
        text,
        "{} {} ({})",
        printable(&shadow.name),
        printable(&shadow.version),
        super::find::short(&shadow.digest)
    );
    let _ = writeln!(
        text,
        "  lists      {} compared, {} equal, {} failed",
        shadow.lists, shadow.equal_lists, shadow.failures
    );
    let _ = writeln!(
        text,
        "  resources  {} compared, {} changed between the two lists",
        shadow.resources, shadow.changed_between
    );
    let _ = writeln!(
        text,
        "  differing  {} in state, {} in other fields, {} listed by the current version only, {} by the shadow only, \
         {} lists in coverage",
        differences.state, differences.fields, differences.only_current, differences.only_shadow, differences.coverage
    );
    if let Some(failure) = &shadow.last_failure {
        let _ = writeln!(
            text,
            "  failed     {} {}: {}",
            failure.at,
            printable(&failure.account),
            printable(&failure.message)
        );
    }
    for example in &shadow.examples {
        let _ = writeln!(text, "  {} {}: {}", example.at, printable(&example.account), printable(&example.what));
    }
    text
}
