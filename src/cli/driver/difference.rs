//! The information for an approval: everything that a driver asks for, and the differences if it is an update.

use std::fmt::Write as _;

use super::find::short;
use crate::cli::table::printable;
use crate::driver::{DriverInfo, OptionInfo};
use crate::supply::{Approval, Source};

/// A driver that is to be approved.
pub(super) struct Asked<'a> {
    pub(super) info: &'a DriverInfo,
    /// Where the file is, or was fetched from.
    pub(super) place: String,
    /// In bytes.
    pub(super) size: u64,
    /// What would be granted: what it asks for, or less.
    pub(super) granted: &'a [String],
    /// What it imports; empty where that is not known.
    pub(super) imports: &'a [String],
    /// How many signatures came with it, which the host's policy looks at.
    pub(super) signatures: usize,
    /// The current version, if there is one.
    pub(super) before: Option<Before<'a>>,
}

/// The version that it would take the place of, or stand beside.
pub(super) struct Before<'a> {
    pub(super) approval: &'a Approval,
    /// What its file describes; none where that is not there any more.
    pub(super) info: Option<&'a DriverInfo>,
}

/// Lines of a label and a value.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.0, "{label:10} {}", printable(value));
    }

    /// One line for each, with what is new and what is gone marked. Without a before nothing is.
    fn list<'a>(&mut self, now: impl Iterator<Item = &'a str> + Clone, before: Option<Vec<&'a str>>) {
        for item in now.clone() {
            match &before {
                Some(before) if !before.contains(&item) => self.line("     + new", item),
                _ => self.line("", item),
            }
        }
        let gone = before.into_iter().flatten().filter(|item| !now.clone().any(|other| other == *item));
        for item in gone {
            self.line("    - gone", item);
        }
    }
}

/// All of it, for the terminal.
pub(super) fn summary(asked: &Asked<'_>) -> String {
    let Asked { info, place, size, granted, imports, signatures, before } = asked;
    let mut lines = Lines::default();
    lines.line("Driver", &format!("{} {} ({})", info.name, info.version, info.title));
    lines.line("From", &format!("{place} ({})", bytesize::ByteSize(*size)));
    lines.line("SHA-256", &info.digest);
    if *signatures > 0 {
        lines.line("Signatures", &format!("{signatures} in the registry, kept beside the file"));
    }
    if let Some(Before { approval: old, info: described }) = before {
        let on = old.approved_at.to_string();
        let on = on.get(..10).unwrap_or(&on);
        let was = format!("{} {}, by {} on {on}", old.version, short(&old.sha256), old.approved_by);
        lines.line("Approved", &was);
        if let Some(source) = &old.source {
            lines.line("", &format!("from {source}"));
        }
        if described.is_none() {
            lines.line("", "its file is missing: its providers and options cannot be compared");
        }
    }
    let described = before.as_ref().and_then(|before| before.info);
    let providers: Vec<String> = info.providers.iter().map(provider).collect();
    let providers_before: Option<Vec<String>> = described.map(|old| old.providers.iter().map(provider).collect());
    if !providers.is_empty() || providers_before.as_ref().is_some_and(|before| !before.is_empty()) {
        lines.line("Providers", &format!("{} known by name", providers.len()));
        lines.list(texts(&providers), providers_before.as_deref().map(|before| texts(before).collect()));
    }
    let options: Vec<String> = info.options.iter().map(option).collect();
    let options_before: Option<Vec<String>> = described.map(|old| old.options.iter().map(option).collect());
    if !options.is_empty() || options_before.as_ref().is_some_and(|before| !before.is_empty()) {
        lines.line("Options", "of an account; secret ones stay in the host");
        lines.list(texts(&options), options_before.as_deref().map(|before| texts(before).collect()));
    }
    let delta = |info: &DriverInfo| if info.delta { "lists of changes only (delta)" } else { "none" };
    match described.filter(|old| old.delta != info.delta) {
        Some(old) => lines.line("Features", &format!("{}, before: {}", delta(info), delta(old))),
        None if info.delta => lines.line("Features", delta(info)),
        None => {}
    }
    if !imports.is_empty() {
        lines.line("Imports", &imports.join(", "));
    }
    match granted.is_empty() {
        true => lines.line("Reaches", "only the endpoint of the account that it works for"),
        false => lines.line("Reaches", "the endpoint of the account that it works for, and:"),
    }
    lines.list(texts(granted), before.as_ref().map(|before| texts(&before.approval.endpoints).collect()));
    let cut = info.asks_for.iter().filter(|asked| !granted.contains(asked));
    let cut: Vec<&str> =
        if *granted == info.asks_for.as_slice() { Vec::new() } else { cut.map(String::as_str).collect() };
    if !cut.is_empty() {
        lines.line("Asks for", &format!("{}, and is granted the above alone", cut.join(", ")));
    }
    lines.0
}

fn texts(list: &[String]) -> impl Iterator<Item = &str> + Clone {
    list.iter().map(String::as_str)
}

fn provider(provider: &crate::driver::KnownProvider) -> String {
    format!("{} {}", provider.name, provider.endpoint).trim_end().to_owned()
}

fn option(option: &OptionInfo) -> String {
    let OptionInfo { name, help, required, secret } = option;
    let traits = match (required, secret) {
        (true, true) => " (required, secret)",
        (true, false) => " (required)",
        (false, true) => " (secret)",
        (false, false) => "",
    };
    format!("{name}{traits}: {help}")
}

/// A source as people are shown it: what is to be known of it beside its address.
pub(super) fn place(source: &Source) -> String {
    match source {
        Source::File(path) => path.display().to_string(),
        Source::Https(url) => format!("{url}, pinned by SHA-256 alone"),
        Source::Oci(_) => source.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::KnownProvider;
    use crate::model::Timestamp;
    use crate::supply::Role;

    fn info(version: &str, providers: &[&str], options: &[(&str, bool)], asks_for: &[&str]) -> DriverInfo {
        let provider = |name: &&str| KnownProvider {
            name: (*name).into(),
            endpoint: format!("https://{name}.example"),
            endpoints: Default::default(),
        };
        let option = |(name, secret): &(&str, bool)| OptionInfo {
            name: (*name).into(),
            help: "Which one.".into(),
            required: false,
            secret: *secret,
        };
        DriverInfo {
            name: "ec2".into(),
            title: "Amazon EC2".into(),
            version: version.into(),
            digest: "b".repeat(64),
            providers: providers.iter().map(provider).collect(),
            options: options.iter().map(option).collect(),
            asks_for: asks_for.iter().map(|text| (*text).into()).collect(),
            ..DriverInfo::default()
        }
    }

    fn approval(endpoints: &[&str]) -> Approval {
        Approval {
            name: "ec2".into(),
            version: "1.0.0".into(),
            role: Role::Current,
            file: "ec2.wasm".into(),
            source: None,
            sha256: "a".repeat(64),
            endpoints: endpoints.iter().map(|text| (*text).into()).collect(),
            approved_at: Timestamp::from_millis(0),
            approved_by: "root".into(),
        }
    }

    fn lines(info: &DriverInfo, granted: &[&str], before: Option<Before<'_>>) -> String {
        let granted: Vec<String> = granted.iter().map(|text| (*text).into()).collect();
        let place = "oci://ghcr.io/me/ec2:2".to_owned();
        summary(&Asked { info, place, size: 1 << 20, granted: &granted, imports: &[], signatures: 2, before })
    }

    #[test]
    fn what_is_new_and_what_is_gone_is_shown() {
        let (a, evil, gone) = ("https://ec2.*.amazonaws.com", "https://evil.example", "https://old.example");
        let old = info("1.0.0", &["us", "eu"], &[("region", false)], &[a, gone]);
        let new = DriverInfo {
            delta: true,
            ..info("2.0.0", &["us", "ap"], &[("region", true), ("role", false)], &[a, evil])
        };
        let approved = approval(&[a, gone]);
        let update = lines(&new, &[a, evil], Some(Before { approval: &approved, info: Some(&old) }));
        for want in [
            "Driver     ec2 2.0.0 (Amazon EC2)\n",
            "From       oci://ghcr.io/me/ec2:2 (1.0 MiB)\n",
            "Signatures 2 in the registry",
            "1.0.0 aaaaaaaaaaaa, by root on 1970-01-01",
            "     + new https://evil.example\n",
            "    - gone https://old.example\n",
            "     + new ap https://ap.example\n",
            "    - gone eu https://eu.example\n",
            "     + new region (secret): Which one.\n",
            "    - gone region: Which one.\n",
            "     + new role: Which one.\n",
            "lists of changes only (delta), before: none",
        ] {
            assert!(update.contains(want), "{want:?} in {update}");
        }
        for quiet in ["new us", "new https://ec2", "Asks for", "cannot be compared"] {
            assert!(!update.contains(quiet), "{quiet:?} in {update}");
        }
        let first = lines(&new, &[a, evil], None);
        assert!(!first.contains("+ new") && !first.contains("gone"), "{first}");
        let without = lines(&new, &[a, evil], Some(Before { approval: &approved, info: None }));
        assert!(without.contains("cannot be compared") && !without.contains("new role"), "{without}");
    }

    #[test]
    fn what_is_not_granted_is_told() {
        let new = info("1.0.0", &[], &[], &["https://ec2.*.amazonaws.com", "https://log.example"]);
        let cut = lines(&new, &["https://ec2.eu-west-1.amazonaws.com"], None);
        let want = "Asks for   https://ec2.*.amazonaws.com, https://log.example, and is granted the above alone\n";
        assert!(cut.contains(want), "{cut}");
        let nothing = lines(&info("1.0.0", &[], &[], &[]), &[], None);
        assert!(nothing.contains("only the endpoint of the account"), "{nothing}");
        let control = DriverInfo { title: "\x1b[2J".into(), ..new };
        assert!(!lines(&control, &[], None).contains('\x1b'));
    }
}
