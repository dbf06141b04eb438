//! `tracker mass-change`: the mass changes that a running host holds.

use clap::{Args, Subcommand};
use http::Method;

use super::account::account_key;
use super::config_args::ConfigArgs;
use super::listing::What;
use super::output;
use super::process::runtime;
use super::table::table;
use crate::model::{AccountKey, Kind};
use crate::net::local;
use crate::operator::{DecidedDocument, DecisionDocument, MassChangeDocument, MassChangesDocument, WrittenDecision};
use crate::store::HeldId;

#[derive(Debug, Args)]
#[command(after_help = "\
The host holds a mass change until a second list confirms it (polling.mass_changes.until = \"confirmed\"), or until you
accept it here (\"accepted\"). Until then, clients see the state from before. If the next list no longer has the mass change,
the host drops it.

`list` shows the ID of each held list. Lists with the same changes have the same ID. `accept` and `reject` refuse an ID that is
no longer held. Without an ID, they decide about the list that is held now.

After `accept`, the host polls again. It records and publishes a list with the same changes or fewer. With --silent, it
publishes only `tracker.storm` for the accepted changes. Changes beyond the accepted ones are published in both cases; if they
are a mass change themselves, the host holds the whole list again. After `reject`, the known state stays until a list differs
from the rejected one. A decision comes too late once the host records the list.

Examples:
  tracker mass-change list
  tracker mass-change accept ec2/us-east-1/AKIAEXAMPLE 5f0968e4
  tracker mass-change reject ec2/us-east-1/AKIAEXAMPLE --kind realms")]
pub(super) struct MassChange {
    #[command(subcommand)]
    what: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the mass changes that the host holds
    List(List),
    /// Record the list and publish its changes
    Accept(Accept),
    /// Keep the known state until a list differs from this one
    Reject(Whose),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct Accept {
    /// Record the list, and publish only tracker.storm
    #[arg(long)]
    silent: bool,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
struct Whose {
    /// The account
    #[arg(value_name = "DRIVER/PROVIDER/USER", value_parser = account_key)]
    account: AccountKey,
    /// The ID of the held list, as `list` shows it
    #[arg(value_name = "ID")]
    id: Option<HeldId>,
    /// The kind of resources
    #[arg(long, value_enum, default_value_t = What::Instances)]
    kind: What,
    #[command(flatten)]
    config: ConfigArgs,
}

impl MassChange {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            Action::List(list) => list.run(),
            Action::Accept(Accept { silent: false, whose }) => whose.decide(WrittenDecision::Accept),
            Action::Accept(Accept { silent: true, whose }) => whose.decide(WrittenDecision::AcceptSilently),
            Action::Reject(whose) => whose.decide(WrittenDecision::Reject),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let answer: MassChangesDocument = serde_json::from_slice(&ask(&self.config, Method::GET, None)?)?;
        if answer.mass_changes.is_empty() {
            output::line!("No mass change is held.");
            return Ok(());
        }
        let headings = ["ACCOUNT", "OF", "ID", "AFFECTED", "SINCE", "LISTS", "DECISION"];
        output::text!("{}", table(headings, answer.mass_changes.iter().map(row)));
        Ok(())
    }
}

impl Whose {
    fn decide(self, decision: WrittenDecision) -> anyhow::Result<()> {
        let Whose { account, id, kind, config } = self;
        let shown = account.to_string();
        let AccountKey { driver, provider, user } = account;
        let id = id.map(|id| id.to_string());
        let decided = DecisionDocument { driver, provider, user, kind: Kind::from(kind), id, decision };
        let answer = ask(&config, Method::POST, Some(serde_json::to_vec(&decided)?))?;
        let DecidedDocument { affected, known } = serde_json::from_slice(&answer)?;
        let list = format!("{affected} of {known} {}", Kind::from(kind).plural());
        match decision {
            WrittenDecision::Accept => {
                output::line!(
                    "The host polls {shown} now. It records and publishes a list with the same changes ({list}) or fewer."
                );
            }
            WrittenDecision::AcceptSilently => output::line!(
                "The host polls {shown} now. It records a list with the same changes ({list}) or fewer, and publishes only tracker.storm."
            ),
            WrittenDecision::Reject => {
                output::line!("The known state of {shown} stays until a list differs from the rejected one ({list}).");
            }
        }
        Ok(())
    }
}

fn ask(config: &ConfigArgs, method: Method, body: Option<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    let config = config.load_without_accounts()?;
    Ok(runtime()?.block_on(local::ask(&config.control_socket, method, "/mass-changes", body))?)
}

fn row(held: &MassChangeDocument) -> [String; 7] {
    [
        held.account.clone(),
        held.kind.plural().to_owned(),
        held.id.clone(),
        format!("{} of {}", held.affected, held.known),
        held.since.to_string(),
        held.lists.to_string(),
        match held.decision {
            None => "-",
            Some(WrittenDecision::Accept) => "accept",
            Some(WrittenDecision::AcceptSilently) => "accept --silent",
            Some(WrittenDecision::Reject) => "reject",
        }
        .to_owned(),
    ]
}
