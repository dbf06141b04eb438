//! `tracker driver record`: records the provider's answers for a live account, as cassettes for `tracker driver test`.
//! A cassette is written only if it contains no secret of the account. It is then played once, and must give the same
//! list.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::tried::{Tried, TriedArgs, check_ids, check_since};
use crate::cli::listing::What;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::table::printable;
use crate::cli::usage::UsageError;
use crate::clock::{Clock as _, ManualClock, SystemClock};
use crate::driver::{CallError, Driver, Listing, Target};
use crate::kit::cassette::record::{Occasion, Recorder};
use crate::kit::cassette::{Cassette, leak};
use crate::model::{Kind, ResourceId, Timestamp};

#[derive(Debug, Args)]
#[command(after_help = "\
A cassette does not contain the account's secrets, Authorization, cookies, or tokens that the provider issues, which are
recognised by name and by shape. A token that a later request sends is the same fake in both places. A cassette contains
names, ids, addresses, labels and account numbers: read it before you share it. docs/drivers/cassettes.md describes the format.

Examples:
  tracker driver record ./example.wasm --cassettes cassettes --provider main --user demo --password-file key
  tracker driver record ec2 --cassettes cassettes --config tracker.toml --list instances --name busy-day
  tracker driver record ./example.wasm --cassettes cassettes --provider main --user demo --password-file key \\
      --list instances --since 2026-11-20T10:00:00Z --name changes
  tracker driver record ./example.wasm --cassettes cassettes --provider main --user demo --password-file key \\
      --list instances --ids i-17,i-gone --name by-id
  tracker driver record ./parts.wasm --cassettes cassettes --provider lab --user demo --password-file token \\
      --password-kind access-token --password-expires 2026-11-20T12:00:00Z \\
      --endpoint https://cloud.example:8774/v2.1 --endpoint identity=https://cloud.example:5000/v3 --name parts")]
pub(crate) struct Record {
    #[command(flatten)]
    tried: TriedArgs,
    /// The directory for the cassettes
    #[arg(long, value_name = "DIR")]
    cassettes: PathBuf,
    /// What to record; if absent, both
    #[arg(long, value_enum)]
    list: Vec<What>,
    /// Record what has changed since this time, such as 2026-11-20T10:00:00Z, if the driver has the feature delta; with
    /// `--list instances`
    #[arg(long, value_name = "TIME", requires = "list")]
    since: Option<Timestamp>,
    /// Record the answer for these single instances, separated by commas, if the driver has the feature by-id; with
    /// `--list instances`. Include an id that does not exist
    #[arg(long, value_name = "IDS", requires = "list", conflicts_with = "since", value_delimiter = ',', value_parser = id)]
    ids: Vec<ResourceId>,
    /// The name of the cassettes; if both lists are recorded, `-instances` and `-realms` are appended
    #[arg(long, value_parser = name)]
    name: Option<String>,
    /// A short description of the cassettes
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,
    /// Overwrite existing cassettes
    #[arg(long)]
    replace: bool,
}

/// What every cassette of one run has in common.
struct Session<'a> {
    driver: &'a Driver,
    target: &'a Target,
    about: Option<&'a str>,
    since: Option<Timestamp>,
    ids: &'a [ResourceId],
    /// What the sandbox's clock stands at, so that times in requests are the same in replay.
    at: Timestamp,
    /// Whether its user says beforehand that what is recorded is right.
    yes: bool,
}

impl Record {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut kinds: Vec<Kind> = self.list.iter().map(|what| Kind::from(*what)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            kinds = Kind::ALL.to_vec();
        }
        let files: Vec<(Kind, PathBuf)> = kinds.iter().map(|&kind| (kind, self.file(kind, kinds.len()))).collect();
        if let Some((_, there)) = files.iter().find(|(_, file)| file.exists() && !self.replace) {
            let there = there.display();
            return Err(UsageError(format!("{there} exists: give another --name, or add --replace")).into());
        }
        let runtime = runtime()?;
        let yes = self.tried.yes;
        let at = SystemClock.now();
        let Tried { driver, target } = self.tried.open(&runtime, Arc::new(ManualClock::new(at)))?;
        for &kind in &kinds {
            check_since(self.since, kind, driver.info())?;
            check_ids(&self.ids, kind, driver.info())?;
        }
        let (about, since, ids) = (self.about.as_deref(), self.since, self.ids.as_slice());
        let session = Session { driver: &driver, target: &target, about, since, ids, at, yes };
        let mut other = 0;
        let mut to_confirm = Vec::new();
        for (kind, file) in files {
            match runtime.block_on(session.record(kind, &file))? {
                Some(cassette) => to_confirm.push((cassette, file)),
                // What does not even play is not for anybody to confirm.
                None => other += 1,
            }
        }
        for (cassette, file) in to_confirm {
            session.confirm(&cassette, &file)?;
        }
        anyhow::ensure!(
            other == 0,
            "{other} written above did not play as recorded: look into the reason before you use them"
        );
        Ok(())
    }

    fn file(&self, kind: Kind, kinds: usize) -> PathBuf {
        let name = match &self.name {
            None => kind.plural().to_owned(),
            Some(name) if kinds == 1 => name.clone(),
            Some(name) => format!("{name}-{}", kind.plural()),
        };
        self.cassettes.join(format!("{name}.json"))
    }
}

impl Session<'_> {
    /// Asks for what is recorded.
    async fn list(&self, target: &Target, kind: Kind) -> Result<Listing, CallError> {
        let listed = match self.ids {
            [] => self.driver.list_since(target, kind, self.since).await,
            ids => self.driver.list_ids(target, ids).await,
        };
        listed.map_err(|failure| failure.error)
    }

    /// Records one list. Gives it if it plays as recorded.
    async fn record(&self, kind: Kind, file: &Path) -> anyhow::Result<Option<Cassette>> {
        let recorder = Arc::new(Recorder::default());
        let mut target = self.target.clone();
        // The driver's name in it is not told to the driver, and sessions are kept by it: with that of the list before, this one
        // would lack its login.
        target.key.driver = format!("{}-{}", target.key.driver, kind.plural());
        target.wire.watch = Some(Arc::clone(&recorder) as _);
        let listed = self.list(&target, kind).await;
        let listed = listed.as_ref();
        if let Err(error) = listed
            && !is_providers(error)
        {
            anyhow::bail!("{}: {error}\nnothing was recorded of its {}", self.target.key, kind.plural());
        }
        let cassette = self.cassette(&recorder, kind, file, listed)?;
        leak::check(&cassette, &target).map_err(|leak| anyhow::anyhow!("{} is not written: {leak}", file.display()))?;
        cassette.write(file)?;

        let (replayed, tape) = Cassette::read(file)?.replay();
        let again = self.list(&replayed, kind).await;
        let mut differences = differences(listed, again.as_ref());
        differences.extend(tape.surprises().iter().map(ToString::to_string));
        let outcome = match listed {
            Ok(listing) => format!("{} listed", listing.resources.len()),
            Err(error) => format!("an error, which it now expects: {error}"),
        };
        let exchanges = cassette.exchanges.len();
        let plural = if exchanges == 1 { "" } else { "s" };
        output::line!("{}: {exchanges} exchange{plural}, {outcome}", file.display());
        match differences.is_empty() {
            true => output::line!("  played once: it gave the same result"),
            false => output::line!("  played once: it gave a different result"),
        }
        for difference in &differences {
            output::line!("  - {difference}");
        }
        if !differences.is_empty() && exchanges == 0 {
            output::line!(
                "  The driver asked the provider nothing: if it compares a secret itself, give one that is known to \
                 all under account.fakes (docs/drivers/cassettes.md)."
            );
        }
        Ok(differences.is_empty().then_some(cassette))
    }

    /// Shows what is expected from now on, and has it confirmed: a driver's mistake is recorded like anything else, and
    /// the suite would take it for right.
    fn confirm(&self, cassette: &Cassette, file: &Path) -> anyhow::Result<()> {
        for row in &cassette.expect.resources {
            output::line!("  {}", printable(&row.to_string()));
        }
        output::line!(
            "  The suite takes what stands under `expect` in {} for right. Hold it against what the provider itself shows.",
            file.display()
        );
        let question = "Does the provider show exactly this, in every field?";
        let instead =
            "hold `expect` in what was written against what the provider shows, or add --yes to be asked nothing";
        if self.yes || super::ask::ask(question, instead)? {
            return Ok(());
        }
        anyhow::bail!("correct `expect` in {}, and then the driver: {} is kept", file.display(), file.display());
    }

    fn cassette(
        &self,
        recorder: &Recorder,
        list: Kind,
        file: &Path,
        listed: Result<&Listing, &CallError>,
    ) -> anyhow::Result<Cassette> {
        let Session { driver, target, about, since, ids, at, yes: _ } = *self;
        let info = driver.info();
        let on = at.to_string();
        let source = format!(
            "recorded {} from {} with {} {}",
            &on[..10.min(on.len())],
            target.endpoint,
            info.name,
            info.version
        );
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let what = match (since, ids) {
            (Some(_), _) => "what changed among the",
            (None, []) => "the",
            (None, _) => "some of the",
        };
        let about =
            about.map_or_else(|| format!("{what} {} of an account of {}", list.plural(), info.title), str::to_owned);
        Ok(recorder.cassette(Occasion { name: &name, about, source, target, list, since, ids, at, listed })?)
    }
}

/// Whether an error says something of the provider, and not of the driver or this host.
fn is_providers(error: &CallError) -> bool {
    match error {
        CallError::Unauthorized(_)
        | CallError::Forbidden(_)
        | CallError::Throttled { .. }
        | CallError::Unavailable(_)
        | CallError::InvalidAccount(_)
        | CallError::UnexpectedAnswer(_) => true,
        CallError::Refused(_)
        | CallError::Limit { .. }
        | CallError::Budget { .. }
        | CallError::Crashed(_)
        | CallError::Contract(_)
        | CallError::HostFault => false,
    }
}

/// In what a replay ended otherwise than the recording.
fn differences(live: Result<&Listing, &CallError>, replayed: Result<&Listing, &CallError>) -> Vec<String> {
    let mut differences = crate::kit::cassette::Expect::of(live).differences(replayed);
    if let (Ok(live), Ok(replayed)) = (live, replayed)
        && differences.is_empty()
    {
        let pairs = live.resources.iter().zip(&replayed.resources);
        let other = pairs.filter(|(live, replayed)| live != replayed).map(|(live, _)| live.id().to_string());
        let other: Vec<String> = other.take(5).collect();
        if !other.is_empty() {
            differences.push(format!("these have different fields than in the recording: {}", other.join(", ")));
        }
    }
    differences
}

fn id(text: &str) -> Result<ResourceId, String> {
    ResourceId::parse(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match !text.is_empty() && text != "suite" && !text.starts_with('.') && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => {
            Err("letters, digits, hyphens, underscores and dots; and not `suite`, which is the suite's own".into())
        }
    }
}
