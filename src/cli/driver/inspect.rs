//! `tracker driver inspect`: shows what a component is and what it asks for, before an approval or if it is not loaded.
//! It approves nothing, and runs nothing of the component except `describe`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::find::find;
use crate::cli::config_args::ConfigArgs;
use crate::cli::output;
use crate::cli::process::runtime;
use crate::cli::table::printable;
use crate::clock::SystemClock;
use crate::driver::anatomy::dissect;
use crate::driver::{Anatomy, DriverInfo, Engine, Import, Lent, SERVED, SecretKind};
use crate::net::Clients;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tracker driver inspect ./target/ec2.wasm
  tracker driver inspect ec2 --output json")]
pub(crate) struct Inspect {
    /// A file, or a driver's name in the directory of drivers
    #[arg(value_name = "FILE|NAME")]
    what: String,
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

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = self.config.load_without_accounts()?;
        let file = find(&self.what, &config.drivers.directory)?;
        let clients = Clients::new(config.network)?;
        let engine = Engine::compiling(config.compile, config.limits, clients, Arc::new(SystemClock))?;
        let dissected = runtime()?.block_on(dissect(&engine, &file));
        let anatomy = dissected.map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        match self.output {
            Output::Text => output::text!("{}", text(&file, &anatomy)),
            Output::Json => output::json(&Document::of(&anatomy))?,
        }
        Ok(())
    }
}

fn text(file: &Path, anatomy: &Anatomy) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{}", format!("{label:10} {}", printable(value)).trim_end());
    };
    let info = anatomy.verdict.as_ref().ok();
    if let Some(info) = info {
        line("Driver", &format!("{} {} ({})", info.name, info.version, info.title));
    }
    line("File", &format!("{} ({})", file.display(), bytesize::ByteSize(anatomy.size)));
    line("SHA-256", &anatomy.sha256);
    match &anatomy.contract {
        Some(version) => line("World", &format!("tracker:driver/driver {version} (this host serves {SERVED})")),
        None => line("World", "another than tracker:driver/driver"),
    }
    match &anatomy.verdict {
        Ok(_) => line("Loads", "yes, once it is approved"),
        Err(error) => line("Loads", &format!("NO: {error}")),
    }
    if let Some(info) = info {
        described(info, &mut line);
    }
    list(&mut line, "Exports", anatomy.exports.iter().cloned());
    list(&mut line, "Imports", anatomy.imports.iter().map(import));
    text
}

fn described(info: &DriverInfo, line: &mut impl FnMut(&str, &str)) {
    let providers = info.providers.iter().flat_map(|provider| {
        let parts = provider.endpoints.iter().map(|(role, endpoint)| format!("  {role}  {endpoint}"));
        std::iter::once(format!("{}  {}", provider.name, provider.endpoint)).chain(parts)
    });
    list(line, "Providers", providers);
    let roles = info
        .roles
        .iter()
        .map(|role| format!("{}{}: {}", role.name, if role.required { " (required)" } else { "" }, role.help));
    list(line, "Roles", roles);
    let own = "the endpoint of the account that it works for".to_owned();
    list(line, "Reaches", [own].into_iter().chain(info.asks_for.iter().cloned()));
    let options = info.options.iter().map(|option| {
        let traits = match (option.required, option.secret) {
            (true, true) => " (required, secret)",
            (true, false) => " (required)",
            (false, true) => " (secret)",
            (false, false) => "",
        };
        format!("{}{traits}: {}", option.name, option.help)
    });
    list(line, "Options", options);
    let secrets: Vec<String> = info.secret_kinds().iter().map(ToString::to_string).collect();
    line("Secret", &secrets.join(", "));
    if let Some(per_minute) = info.requests_per_minute {
        line("Suggests", &format!("{per_minute} requests a minute for an account"));
    }
    let features = features(info);
    line("Features", &if features.is_empty() { "none".to_owned() } else { features.join(", ") });
}

fn features(info: &DriverInfo) -> Vec<&'static str> {
    [(info.delta, "delta"), (info.by_id, "by-id")].into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
}

/// The label once, and an entry a line.
fn list(line: &mut impl FnMut(&str, &str), label: &str, entries: impl Iterator<Item = String>) {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        line(label, "none");
    }
    for (at, entry) in entries.enumerate() {
        line(if at == 0 { label } else { "" }, &entry);
    }
}

fn import(import: &Import) -> String {
    let version = import.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
    let remark = match import.lent {
        Lent::Whole => "",
        Lent::Empty => " (lent, with nothing behind it)",
        Lent::Refused => " (REFUSED: no driver gets it)",
    };
    format!("{}{version}{remark}", import.name)
}

/// The same for programs.
#[derive(Serialize)]
struct Document<'a> {
    sha256: &'a str,
    size: u64,
    contract: Option<&'a str>,
    /// Whether this host would load it, once approved.
    loads: bool,
    /// Why not.
    error: Option<String>,
    driver: Option<DriverDocument<'a>>,
    exports: &'a [String],
    imports: Vec<ImportDocument<'a>>,
}

#[derive(Serialize)]
struct DriverDocument<'a> {
    name: &'a str,
    title: &'a str,
    version: &'a str,
    providers: Vec<ProviderDocument<'a>>,
    endpoints: &'a [String],
    roles: Vec<RoleDocument<'a>>,
    options: Vec<OptionDocument<'a>>,
    /// What the secret of an account may be.
    secrets: &'a [SecretKind],
    requests_per_minute: Option<NonZeroU32>,
    features: Vec<&'static str>,
}

#[derive(Serialize)]
struct ProviderDocument<'a> {
    name: &'a str,
    endpoint: &'a str,
    /// Those of its other parts, by role.
    endpoints: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RoleDocument<'a> {
    name: &'a str,
    help: &'a str,
    required: bool,
}

#[derive(Serialize)]
struct OptionDocument<'a> {
    name: &'a str,
    help: &'a str,
    required: bool,
    secret: bool,
}

#[derive(Serialize)]
struct ImportDocument<'a> {
    name: &'a str,
    version: Option<&'a str>,
    lent: &'static str,
}

impl<'a> Document<'a> {
    fn of(anatomy: &'a Anatomy) -> Document<'a> {
        let import = |import: &'a Import| ImportDocument {
            name: &import.name,
            version: import.version.as_deref(),
            lent: match import.lent {
                Lent::Whole => "whole",
                Lent::Empty => "empty",
                Lent::Refused => "refused",
            },
        };
        Document {
            sha256: &anatomy.sha256,
            size: anatomy.size,
            contract: anatomy.contract.as_deref(),
            loads: anatomy.verdict.is_ok(),
            error: anatomy.verdict.as_ref().err().map(ToString::to_string),
            driver: anatomy.verdict.as_ref().ok().map(DriverDocument::of),
            exports: &anatomy.exports,
            imports: anatomy.imports.iter().map(import).collect(),
        }
    }
}

impl<'a> DriverDocument<'a> {
    fn of(info: &'a DriverInfo) -> DriverDocument<'a> {
        let providers = info.providers.iter();
        let options = info.options.iter();
        DriverDocument {
            name: &info.name,
            title: &info.title,
            version: &info.version,
            providers: providers
                .map(|known| ProviderDocument {
                    name: &known.name,
                    endpoint: &known.endpoint,
                    endpoints: &known.endpoints,
                })
                .collect(),
            endpoints: &info.asks_for,
            options: options
                .map(|option| OptionDocument {
                    name: &option.name,
                    help: &option.help,
                    required: option.required,
                    secret: option.secret,
                })
                .collect(),
            requests_per_minute: info.requests_per_minute,
            roles: info
                .roles
                .iter()
                .map(|role| RoleDocument { name: &role.name, help: &role.help, required: role.required })
                .collect(),
            secrets: info.secret_kinds(),
            features: features(info),
        }
    }
}
