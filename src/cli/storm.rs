//! `tracker storm`: lists that a running host holds, since more vanished or changed in them at once than is believed.

use clap::{Args, Subcommand};
use http::Method;

use super::account::account_key;
use super::listing::What;
use super::table::table;
use super::{ConfigArgs, output, runtime};
use crate::api::control::{Order, StormDocument, StormOrderDocument, StormsDocument};
use crate::model::{AccountKey, Kind};
use crate::net::local;

#[derive(Debug, Args)]
#[command(after_help = "\
A storm is held until a second list shows it (polling.storms.until = \"confirmed\"), or until it is released or discarded
here (\"ordered\"). What is released is told with all its changes by the next list that shows it; what is discarded is taken
for true, and not told. A storm that passes is forgotten.

Examples:
  tracker storm list
  tracker storm release ec2/us-east-1/AKIAEXAMPLE
  tracker storm discard ec2/us-east-1/AKIAEXAMPLE --kind realms")]
pub(super) struct Storm {
    #[command(subcommand)]
    what: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the storms that are held
    List(List),
    /// Believe it, and tell what changed
    Release(Whose),
    /// Believe it, and tell nobody
    Discard(Whose),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct Whose {
    /// The account
    #[arg(value_name = "DRIVER/PROVIDER/USER", value_parser = account_key)]
    account: AccountKey,
    /// Of what
    #[arg(long, value_enum, default_value_t = What::Instances)]
    kind: What,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Storm {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            Action::List(list) => list.run(),
            Action::Release(whose) => whose.order(Order::Release),
            Action::Discard(whose) => whose.order(Order::Discard),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let answer: StormsDocument = serde_json::from_slice(&ask(&self.config, Method::GET, None)?)?;
        if answer.storms.is_empty() {
            output::line!("No storm is held.");
            return Ok(());
        }
        let headings = ["ACCOUNT", "OF", "AFFECTED", "SINCE", "LISTS", "ORDER"];
        output::text!("{}", table(headings, answer.storms.iter().map(row)));
        Ok(())
    }
}

impl Whose {
    fn order(self, order: Order) -> anyhow::Result<()> {
        let Whose { account, kind, config } = self;
        let shown = account.to_string();
        let AccountKey { driver, provider, user } = account;
        let ordered = StormOrderDocument { driver, provider, user, kind: Kind::from(kind), order };
        ask(&config, Method::POST, Some(serde_json::to_vec(&ordered)?))?;
        output::line!("{shown} is polled now; the storm ends with the next list that shows it.");
        Ok(())
    }
}

fn ask(config: &ConfigArgs, method: Method, body: Option<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
    let config = config.load_without_accounts()?;
    Ok(runtime()?.block_on(local::ask(&config.control_socket, method, "/storms", body))?)
}

fn row(storm: &StormDocument) -> [String; 6] {
    [
        storm.account.clone(),
        storm.kind.plural().to_owned(),
        format!("{} of {}", storm.affected, storm.known),
        storm.since.to_string(),
        storm.lists.to_string(),
        match storm.order {
            None => "-".to_owned(),
            Some(Order::Release) => "release".to_owned(),
            Some(Order::Discard) => "discard".to_owned(),
        },
    ]
}
