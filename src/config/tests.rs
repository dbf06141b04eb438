//! Accepted and refused configurations; and the example is correct.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;

use secrecy::ExposeSecret as _;

use super::*;

fn environment(name: &str) -> Option<OsString> {
    match name {
        "TRACKER_TEST_PASSWORD" => Some("hunter2".into()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, "tracker.toml", &environment)
}

/// The example as a file: with `defaults` only the keys that stand there with their default (`#key = value`),
/// otherwise those without one, too (`# key = value`).
fn example(only_defaults: bool) -> String {
    let is_setting =
        |line: &str| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let keep = |line: &'static str| match line.strip_prefix('#') {
        None => Some(line),
        Some(default) if !default.starts_with(' ') => Some(default),
        Some(other) => Some(other.trim_start()).filter(|other| !only_defaults && is_setting(other)),
    };
    EXAMPLE.lines().filter_map(keep).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_needs_to_be_configured() {
    let config = Config::without_file(&environment).expect("every key has a default");
    assert_eq!(config.listen.to_string(), "127.0.0.1:3001");
    assert!(config.accounts.is_empty() && config.warnings.is_empty());
    assert!(matches!(config.key, KeySource::File(path) if path == Path::new("./tracker-data/key")));
}

#[test]
fn the_example_shows_every_key_with_its_default() {
    let defaults = parse(&example(true)).unwrap_or_else(|error| panic!("{error}"));
    let (shown, true_ones) = (
        format!("{defaults:#?}"),
        format!("{:#?}", Config::without_file(&environment).expect("every key has a default")),
    );
    let differing: Vec<_> =
        shown.lines().zip(true_ones.lines()).filter(|(shown, true_one)| shown != true_one).collect();
    assert!(shown == true_ones, "config.example.toml shows, and it is in truth: {differing:#?}");

    let whole = example(false);
    let file: File = toml::from_str(&whole).unwrap_or_else(|error| panic!("{error}\n{whole}"));
    let shown = format!("{file:#?}");
    let absent: Vec<_> = shown.lines().filter(|line| line.contains(": None")).map(str::trim).collect();
    // Of two places for a secret each account takes one; the example shows both.
    let alternatives = [
        "password_file: None,",
        "password_env: None,",
        "file: None,",
        "env: None,",
        "secrets: None,",
        "options: None,",
    ];
    // The network of a provider and that of an account have the same keys: the example shows each key once.
    let shown_once = [
        "requests_per_minute",
        "password_kind",
        "password_expires",
        "allow_addresses",
        "network",
        "roots_file",
        "roots",
        "client_certificate_file",
        "client_key_file",
        "proxy_password_file",
    ];
    let is_shown = |line: &str| {
        shown_once.iter().any(|key| line == format!("{key}: None,") && shown.contains(&format!("{key}: Some(")))
    };
    let alternatives = [alternatives.as_slice(), &["proxy_password_env: None,"]].concat();
    let missing: Vec<_> = absent.iter().filter(|line| !alternatives.contains(line) && !is_shown(line)).collect();
    assert!(missing.is_empty(), "not in config.example.toml: {missing:?}");
}

/// Each key that has a number, a size or a length of time as its default, as the example has it: section, key, and default.
fn measured() -> Vec<(String, String, toml::Value)> {
    fn walk(section: &str, table: &toml::Table, found: &mut Vec<(String, String, toml::Value)>) {
        for (key, value) in table {
            let is_measure = match value {
                toml::Value::Table(inner) => {
                    let section = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
                    walk(&section, inner, found);
                    false
                }
                toml::Value::String(text) => text.starts_with(|first: char| first.is_ascii_digit()) && key != "listen",
                toml::Value::Integer(_) | toml::Value::Float(_) => true,
                _ => false,
            };
            if is_measure {
                found.push((section.to_owned(), key.clone(), value.clone()));
            }
        }
    }
    let table: toml::Table = example(true).parse().expect("TOML");
    let mut found = Vec::new();
    walk("", &table, &mut found);
    found
}

/// The two bounds that an error of a value outside them names.
fn bounds(error: &str) -> Option<(String, String)> {
    let (_, bounds) = error.lines().next()?.split_once(" takes ")?;
    let (least, most) = bounds.split_once(" to ")?;
    Some((least.to_owned(), most.to_owned()))
}

#[test]
fn every_measure_has_a_floor_and_a_ceiling() {
    let keys = measured();
    assert!(keys.len() > 150, "{}", keys.len());
    for (section, key, default) in keys {
        let with = |value: &str| parse(&format!("[{section}]\n{key} = {value}\n"));
        let refused = |value: &str| match with(value) {
            Ok(_) => panic!("{section}.{key} = {value} is taken"),
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with("tracker.toml:2:"), "{section}.{key} = {value}: {error}");
                error
            }
        };
        let extremes: &[&str] = match &default {
            toml::Value::Float(_) => {
                for wrong in ["-0.1", "1.5", "nan", "inf", "9223372036854775807", "\"half\""] {
                    refused(wrong);
                }
                assert!(with("1.0").is_ok(), "{section}.{key}");
                if let Err(error) = with("0.0") {
                    assert!(error.to_string().starts_with("tracker.toml:2:"), "{section}.{key}: {error}");
                }
                continue;
            }
            toml::Value::Integer(_) => &["9223372036854775807", "-1"],
            toml::Value::String(text) if crate::model::span::parse(text).is_ok() => &["\"1000000 days\""],
            _ => &["9223372036854775807", "\"16 EiB\""],
        };
        for wrong in ["-1", "\"-1s\"", "true", "[]", "\"\"", "\"many\"", "-9223372036854775808", "1.5"] {
            refused(wrong);
        }
        for extreme in extremes {
            let error = refused(extreme);
            if *extreme == "\"16 EiB\"" {
                continue;
            }
            let (least, most) = bounds(&error).unwrap_or_else(|| panic!("{section}.{key}: {error}"));
            for bound in [least, most] {
                let written = if default.is_integer() { bound } else { format!("{bound:?}") };
                match with(&written) {
                    Ok(_) => {}
                    // Beside the defaults of others it may be too much, or too little.
                    Err(error) => {
                        let error = error.to_string();
                        let is_order =
                            ["has to be", "set it to at least", "is less than"].iter().any(|part| error.contains(part));
                        assert!(is_order, "{section}.{key}: {error}");
                    }
                }
            }
        }
        for tiny in ["0", "1", "\"0s\"", "\"1ns\"", "\"1 B\""] {
            if let Err(error) = with(tiny) {
                let error = error.to_string();
                assert!(error.starts_with("tracker.toml:2:"), "{section}.{key} = {tiny}: {error}");
            }
        }
    }
}

#[test]
fn what_leaves_no_time_or_memory_for_any_work_is_below_the_floor() {
    let check = |section: &str, key: &str, below: &str, least: &str| {
        let error = parse(&format!("[{section}]\n{key} = {below:?}")).expect_err(key).to_string();
        assert!(error.contains(&format!("takes {least} to ")), "{section}.{key}: {error}");
        parse(&format!("[{section}]\n{key} = {least:?}")).unwrap_or_else(|error| panic!("{section}.{key}: {error}"));
    };
    for below in ["0s", "1ms", "999ms"] {
        check("api", "poll_wait", below, "1s");
        check("api", "feed_wait", below, "1s");
        check("drivers.compile", "time", below, "1s");
    }
    check("drivers.compile", "memory", "191 MiB", "192.0 MiB");
}

#[test]
fn what_holds_only_beside_others_is_checked() {
    let check = |text: &str, wants: &[&str]| {
        let error = parse(text).expect_err(text).to_string();
        for want in wants {
            assert!(error.contains(want), "{text:?} should say {want:?}, and says:\n{error}");
        }
    };
    for key in ["poll_wait", "feed_wait", "consent_timeout"] {
        let name = format!("api.{key} is 1m");
        check(&format!("[api]\n{key} = \"60s\""), &["tracker.toml:2:1:", &name, "less than api.request_timeout"]);
    }
    check("[api.credentials]\nwait = \"60s\"", &["tracker.toml:2:1: api.credentials.wait is 1m"]);
    check("[api]\nrequest_timeout = \"10s\"", &["tracker.toml:2:1: api.poll_wait is 25s"]);
    check("[delivery]\ntimeout = \"60s\"", &["tracker.toml:2:1: delivery.timeout is 1m", "delivery.lease"]);
    check("[delivery]\nlease = \"20s\"", &["tracker.toml:2:1: delivery.timeout is 20s"]);
    for section in ["polling", "delivery"] {
        let name = format!("tracker.toml:2:1: {section}.breaker.open_for is 10m");
        check(&format!("[{section}.breaker]\nopen_for = \"10 min\""), &[&name, "at most"]);
    }
    check("[drivers.limits]\nmemory = \"1 GiB\"", &["drivers.limits.memory is 1.0 GiB", "drivers.limits.poll_memory"]);
    check("[api]\nbody_bytes = \"1 MiB\"\nrequest_memory = \"512 KiB\"", &["api.body_bytes is 1.0 MiB"]);
    check("[api]\nrequest_memory_per_peer = \"64 KiB\"\nbody_bytes = \"65 KiB\"", &["tracker.toml:3:1"]);
}

#[test]
fn accounts_and_providers_are_read() {
    let folder = tempfile::tempdir().expect("folder");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "s3cret\n").expect("written");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("set");
    let config = parse(&format!(
        r#"
        default_driver = "mock"
        default_provider = "default"

        [[providers]]
        driver = "ec2"
        name = "lab"
        endpoint = "http://127.0.0.1:5000"
        allow_addresses = ["127.0.0.1"]

        [[accounts]]
        user = "mockuser"
        password_env = "TRACKER_TEST_PASSWORD"
        options = {{ count = 24, churn = "high", quiet = false }}

        [[accounts]]
        driver = "ec2"
        provider = "lab"
        user = "AKIA"
        password_file = {secret:?}
        secrets.session_token.env = "TRACKER_TEST_PASSWORD"
        "#
    ))
    .unwrap_or_else(|error| panic!("{error}"));

    assert_eq!(config.accounts[0].key.to_string(), "mock/default/mockuser");
    assert_eq!(config.accounts[0].password.expose_secret(), "hunter2");
    let options: Vec<_> = config.accounts[0].options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(options, ["churn=high", "count=24", "quiet=false"]);
    assert_eq!(config.accounts[1].password.expose_secret(), "s3cret");
    assert_eq!(config.accounts[1].secrets["session_token"].expose_secret(), "hunter2");
    assert_eq!(config.providers[0].endpoint, "http://127.0.0.1:5000");
    assert!(config.warnings[0].contains("chmod 600"), "{:?}", config.warnings);

    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_key_may_come_from_the_environment() {
    let environment = |name: &str| (name == KEY_VARIABLE).then(|| "c2VjcmV0".into());
    let config = Config::parse("", "", &environment).expect("parsed");
    assert!(matches!(config.key, KeySource::Environment(_)));
    assert!(!format!("{config:?}").contains("c2VjcmV0"));
    let config = Config::parse("key_file = \"k\"", "", &environment).expect("parsed");
    assert!(matches!(config.key, KeySource::File(_)));

    let binary = |name: &str| (name == KEY_VARIABLE).then(|| OsString::from_vec(b"c2Vj\xff".to_vec()));
    let error = Config::without_file(&binary).expect_err("it is no text").to_string();
    assert!(error.contains("TRACKER_KEY is not UTF-8 text"), "{error}");
}

#[test]
fn localhost_is_an_address_to_listen_at() {
    let config = parse("listen = \"localhost:3005\"\n[operator]\nlisten = \"localhost:3006\"").expect("read");
    assert_eq!(config.listen.to_string(), "127.0.0.1:3005");
    assert_eq!(config.api.operator.listen.expect("set").to_string(), "127.0.0.1:3006");
}

#[test]
fn a_path_may_begin_in_the_home_of_the_user() {
    let home = std::env::home_dir().expect("a home");
    let config =
        parse("data_dir = \"~/tracker/data\"\n[drivers]\ndirectory = \"~\"\nlock = \"./~/lock\"").expect("read");
    assert_eq!(config.data_dir, home.join("tracker/data"));
    assert_eq!(config.drivers.directory, home);
    assert_eq!(config.drivers.lock, Path::new("./~/lock"));
}

#[test]
fn what_is_wrong_is_shown_where_it_stands() {
    let check = |text: &str, wants: &[&str]| {
        let error = parse(text).expect_err(text).to_string();
        for want in wants {
            assert!(error.contains(want), "{text:?} should say {want:?}, and says:\n{error}");
        }
    };
    check("\nlisen = \"127.0.0.1:80\"\n", &["tracker.toml:2:1: ", "2 | lisen = ", "^^^^^", "did you mean `listen`?"]);
    check("[log]\nfromat = \"json\"", &["tracker.toml:2:1", "did you mean `format`?"]);
    check("[lgo]\nformat = \"json\"", &["tracker.toml:1:2", "did you mean `log`?"]);
    check(
        "listen = \"localhost\"",
        &["tracker.toml:1:10", "\"localhost\" is not an address with a port: write \"127.0.0.1"],
    );
    check("listen = \"example.com:80\"", &["tracker.toml:1:10", "write \"127.0.0.1:3001\""]);
    check("[operator]\nlisten = \":3002\"", &["tracker.toml:2:10", "write \"127.0.0.1:3001\""]);
    check(
        "[polling]\ninstances_every = 60",
        &["tracker.toml:2:19", "expected a length of time with its unit, such as \"60s\""],
    );
    check(
        "data_dir = \"~somebody/x\"",
        &["tracker.toml:1:12", "~somebody/x is in the home of another user: write the whole"],
    );
    check(
        "key_file = \"key\\nINFO tracker: all is well\"",
        &["tracker.toml:1:12", r#""key\nINFO tracker: all is well" has a line break"#],
    );
    check("\"a\\nINFO tracker: all is well\" = 1", &["tracker.toml:1:1", "`a INFO tracker: all is well`"]);
    check("listen = 3001\nlog = 5", &["tracker.toml:1:10"]);
    check("listen = \"127.0.0.1:3001", &["tracker.toml:1:"]);
    check("public_url = \"https://t.example/\"", &["tracker.toml:1:14", "write \"https://t.example\""]);
    check("[network]\nidle_timeout = \"soon\"", &["tracker.toml:2:16", "\"soon\" is not a length of time"]);
    check("[network]\nidle_connections_per_host = 0", &["tracker.toml:2:29"]);
    check("[drivers.limits]\nmemory = \"big\"", &["tracker.toml:2:10", "\"big\" is not a size"]);
    check("[drivers.limits]\nmemry = \"1 MiB\"", &["tracker.toml:2:1", "did you mean `memory`?"]);
    check("[drivers]\ndirectry = \"x\"", &["tracker.toml:2:1", "did you mean `directory`?"]);
    check("[network]\nproxy = \"http://u:hunter2@p/x\"", &["tracker.toml:2:9", "a proxy is http or https"]);
    check("[store]\nsynchronous = \"off\"", &["tracker.toml:2:15", "full", "normal"]);
    check("[polling]\ninstances_every = \"0s\"", &["tracker.toml:2:19", "it is 0s, and takes 10ms to 30 days"]);
    check("[polling]\njitter = 1.5", &["tracker.toml:2:10", "from 0 to 1"]);
    check(
        "[polling]\nlease = \"60s\"",
        &["tracker.toml:2:1: drivers.limits.poll_timeout is 2m, and has to be less than polling.lease, which is 1m"],
    );
    check(
        "[drivers.limits]\npoll_memory = \"3 GiB\"",
        &["tracker.toml:2:1: drivers.limits.poll_memory is 3.0 GiB, and has to be at most drivers.limits.total_memory"],
    );
    check(
        "[store]\nsize = \"1 MiB\"",
        &["tracker.toml:2:1: store.size times store.account_share is less than 1.0 MiB"],
    );
    check("[store]\naccount_share = 0.0", &["tracker.toml:2:1: store.size times store.account_share"]);
    check("[drivers.limits]\nsandboxes = 64", &["tracker.toml:2:1: drivers.limits.sandboxes is 64", "at least 176"]);
    check("[polling]\nconcurrency = 100", &["tracker.toml: drivers.limits.sandboxes is 192", "up to 164 polls"]);
    check(
        "[api]\npoll_wait = \"2 min\"",
        &["tracker.toml:2:1: api.poll_wait is 2m, and has to be less than api.request_timeout, which is 1m"],
    );
    check("[delivery.retries]\nwaits = [\"5s\", \"never\"]", &["tracker.toml:2:", "\"never\" is not a length"]);
    check("[log]\nfilter = \"tracker=loud\"", &["tracker.toml:2:10", "is not a filter"]);
    check("default_driver = \"mock\"", &["tracker.toml:1:18", "default_provider go together"]);

    let provider = "[[providers]]\ndriver = \"ec2\"\nname = \"lab\"\nendpoint = \"http://lab\"\n";
    check(&provider.repeat(2), &["tracker.toml:5:1", "provider \"lab\" of driver \"ec2\" is configured twice"]);
    check(&provider.replace("http://lab", "lab"), &["tracker.toml:4:12", "absolute URL"]);
    check(&provider.replace("http://lab", "http://lab/x/"), &["write \"http://lab/x\""]);
    check(&format!("{provider}allow_addresses = [\"lab\"]"), &["tracker.toml:5:19", "not a range of addresses"]);

    let account = "[[accounts]]\ndriver = \"ec2\"\nprovider = \"lab\"\nuser = \"AKIA\"\n";
    let whole = format!("{account}password_env = \"TRACKER_TEST_PASSWORD\"\n");
    check(account, &["tracker.toml:1:1", "password of account ec2/lab/AKIA", "password_file or password_env"]);
    check(&format!("{whole}password_file = \"x\""), &["and not both"]);
    check(&whole.repeat(2), &["tracker.toml:6:1", "account ec2/lab/AKIA is configured twice"]);
    check(&format!("{account}pasword_env = \"X\""), &["tracker.toml:5:1", "did you mean `password_env`?"]);
    check(&format!("{account}password_env = \"UNSET\""), &["password of account ec2/lab/AKIA", "UNSET is not set"]);
    check(&format!("{account}password_file = \"/nowhere/s\""), &["account ec2/lab/AKIA", "/nowhere/s", "chmod 600"]);
    check(&format!("{whole}secrets.key = {{}}"), &["the secret \"key\" of account", "file or env"]);
    check("[[accounts]]\nuser = \"x\"\npassword_env = \"X\"", &["tracker.toml:1:1", "needs a driver"]);
}

#[test]
fn what_needs_no_account_needs_no_secret() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("tracker.toml");
    let check = |text: &str, want: Result<usize, &str>| {
        std::fs::write(&path, text).expect("written");
        match (Config::load_without_accounts(&path, &environment), want) {
            (Ok(config), Ok(accounts)) => assert_eq!(config.accounts.len(), accounts),
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, want) => panic!("got {got:?}, want {want:?}"),
        }
    };
    let account = "[[accounts]]\ndriver = \"ec2\"\nprovider = \"lab\"\nuser = \"AKIA\"\npassword_env = \"UNSET\"\n";
    check(account, Ok(0));
    check(&format!("{account}pasword = 1"), Err("tracker.toml:6:1"));
    assert!(Config::load(&path, &environment).is_err());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/tracker.toml"), &environment).expect_err("nothing there");
    assert!(error.to_string().contains("/nowhere/tracker.toml"), "{error}");
}
