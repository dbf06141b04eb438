//! `tracker damaged`: damaged rows in the store of a running host, and accounts that only the operator can remove.

use clap::{Args, Subcommand};
use http::Method;

use super::config_args::ConfigArgs;
use super::output;
use super::process::runtime;
use super::table::table;
use crate::net::local;
use crate::operator::{DamagedRowDocument, DamagedRowsDocument};

#[derive(Debug, Args)]
#[command(after_help = "\
The host sets aside a row that it cannot read, so that it affects nothing else. It shows damaged rows of an account to clients
with the account's credentials (GET /api/account), who can remove them. If the driver, provider or user of an account cannot be
read, no client can authenticate for it: the host does not poll the account and sends nothing to its hooks. Remove it here,
with everything that belongs to it.

Examples:
  tracker damaged list
  tracker damaged remove-account 7")]
pub(super) struct Damaged {
    #[command(subcommand)]
    what: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the damaged rows that the host found since it started
    List(List),
    /// Remove an account whose driver, provider or user cannot be read
    RemoveAccount(RemoveAccount),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct RemoveAccount {
    /// The account's number, as `tracker damaged list` shows it
    #[arg(value_name = "ACCOUNT")]
    account: i64,
    #[command(flatten)]
    config: ConfigArgs,
}

impl Damaged {
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self.what {
            Action::List(list) => list.run(),
            Action::RemoveAccount(remove) => remove.run(),
        }
    }
}

impl List {
    fn run(self) -> anyhow::Result<()> {
        let answer: DamagedRowsDocument = serde_json::from_slice(&ask(&self.config, Method::GET, "/damaged")?)?;
        if answer.rows.is_empty() {
            output::line!("No damaged row was met.");
            return Ok(());
        }
        let headings = ["ACCOUNT", "TABLE", "KEY", "COLUMN", "REASON"];
        output::text!("{}", table(headings, answer.rows.iter().map(row)));
        Ok(())
    }
}

impl RemoveAccount {
    fn run(self) -> anyhow::Result<()> {
        let RemoveAccount { account, config } = self;
        ask(&config, Method::DELETE, &format!("/damaged/accounts/{account}"))?;
        output::line!("Account {account} is removed, with its hooks, tokens and resources.");
        Ok(())
    }
}

fn ask(config: &ConfigArgs, method: Method, path: &str) -> anyhow::Result<Vec<u8>> {
    let config = config.load_without_accounts()?;
    Ok(runtime()?.block_on(local::ask(&config.control_socket, method, path, None))?)
}

fn row(row: &DamagedRowDocument) -> [String; 5] {
    let account = row.account.map_or_else(|| "-".to_owned(), |account| account.to_string());
    [account, row.table.clone(), row.key.clone(), row.column.clone(), row.reason.clone()]
}
