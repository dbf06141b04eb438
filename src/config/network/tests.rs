//! Accepted and refused `network` tables, with the errors.

use std::os::unix::fs::PermissionsExt as _;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use super::*;
use crate::config::Config;

/// A folder with a certificate and its key, another key, and a file that is neither.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["client".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write("cert.pem", &cert.pem());
    write("key.pem", &signing_key.serialize_pem());
    write("other.pem", &KeyPair::generate().unwrap().serialize_pem());
    write("garbage", "neither");
    write("password", "hunter2\n");
    folder
}

fn parse(folder: &Path, text: &str) -> Result<Config, String> {
    let text = text.replace("DIR", folder.to_str().unwrap());
    let environment = |name: &str| matches!(name, "PASSWORD").then(|| "hunter2".into());
    Config::parse(&text, "tracker.toml", &environment).map_err(|error| error.to_string())
}

const PROVIDER: &str = "[[providers]]\ndriver = \"ec2\"\nname = \"lab\"\nendpoint = \"https://lab\"\n";
const ACCOUNT: &str =
    "[[accounts]]\ndriver = \"ec2\"\nprovider = \"lab\"\nuser = \"ann\"\npassword_env = \"PASSWORD\"\n";

#[test]
fn what_a_table_says_is_read() {
    let folder = folder();
    let whole = "network = { roots_file = \"DIR/cert.pem\", roots = \"also\", client_certificate_file = \
                 \"DIR/cert.pem\", client_key_file = \"DIR/key.pem\", proxy = \"http://user@proxy:3128\", \
                 proxy_password_file = \"DIR/password\" }\n";
    let config = parse(folder.path(), &format!("{PROVIDER}{whole}{ACCOUNT}network.proxy = \"none\"\n")).unwrap();
    let (provider, account) = (&config.providers[0].via, &config.accounts[0].via);
    assert!(provider.roots.is_some() && provider.identity.is_some(), "{provider:?}");
    assert!(matches!(&provider.proxy, ProxyChoice::Through(_)), "{provider:?}");
    assert_eq!(*account, Via { proxy: ProxyChoice::Direct, ..Via::default() });
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let shown = format!("{config:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("PRIVATE"), "{shown}");

    let alone = parse(folder.path(), &format!("{PROVIDER}{}", whole.replace("also", "only"))).unwrap();
    assert_ne!(alone.providers[0].via.roots, provider.roots);
    let silent = parse(folder.path(), &format!("{PROVIDER}{}", whole.replace(", roots = \"also\"", ""))).unwrap();
    assert_eq!(silent.providers[0].via, alone.providers[0].via, "private roots stand alone unless told otherwise");

    let key = folder.path().join("key.pem");
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = parse(folder.path(), &format!("{PROVIDER}{whole}")).unwrap();
    assert!(config.warnings[0].contains("chmod 600"), "{:?}", config.warnings);
}

#[test]
fn what_is_wrong_is_said_with_the_key_and_the_file() {
    let folder = folder();
    let check = |network: &str, want: &[&str]| {
        for (table, of) in [(PROVIDER, "provider \"lab\" of driver \"ec2\""), (ACCOUNT, "account ec2/lab/ann")] {
            let error = parse(folder.path(), &format!("{table}network = {{ {network} }}\n")).unwrap_err();
            for part in ["tracker.toml:", of].iter().chain(want) {
                assert!(error.contains(part), "{network}: should say {part:?}:\n{error}");
            }
        }
    };
    check("roots_file = \"DIR/none\"", &["roots_file ", "/none cannot be read"]);
    check("roots_file = \"DIR/garbage\"", &["roots_file ", "/garbage: there is no certificate in it"]);
    check("roots_file = \"DIR/key.pem\"", &["no certificate in it"]);
    check("roots_file = \"/dev/zero\"", &["/dev/zero has more than"]);
    check("roots = \"only\"", &["set roots_file too"]);
    check("client_certificate_file = \"DIR/cert.pem\"", &["go together"]);
    check("client_key_file = \"DIR/key.pem\"", &["go together"]);
    let pair = |certificate: &str, key: &str| {
        format!("client_certificate_file = \"DIR/{certificate}\", client_key_file = \"DIR/{key}\"")
    };
    check(&pair("none", "key.pem"), &["client_certificate_file ", "/none cannot be read"]);
    check(&pair("cert.pem", "none"), &["client_key_file: can't read the secret file", "/none"]);
    check(&pair("garbage", "key.pem"), &["/garbage with client_key_file", "no certificate in it"]);
    check(&pair("cert.pem", "garbage"), &["/garbage: there is no private key in it"]);
    check(&pair("cert.pem", "other.pem"), &["/cert.pem with client_key_file", "/other.pem", "does not fit"]);
    check("proxy = \"http://u@p:1\"", &["a user and no password"]);
    check("proxy_password_env = \"PASSWORD\"", &["no proxy with a user"]);
    check("proxy = \"none\", proxy_password_env = \"PASSWORD\"", &["no proxy with a user"]);
    check("proxy = \"http://p:1\", proxy_password_env = \"PASSWORD\"", &["no proxy with a user"]);
    check("proxy = \"http://u@p:1\", proxy_password_env = \"UNSET\"", &["the proxy's password", "UNSET is not set"]);
    check(
        "proxy = \"http://u@p:1\", proxy_password_env = \"PASSWORD\", proxy_password_file = \"x\"",
        &["a file or from the environment"],
    );
}

#[test]
fn what_is_not_written_rightly_is_shown_where_it_stands() {
    let folder = folder();
    let check = |text: &str, want: &[&str]| {
        let error = parse(folder.path(), text).unwrap_err();
        for part in want {
            assert!(error.contains(part), "{text}\nshould say {part:?}:\n{error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
    };
    check(&format!("{PROVIDER}network.roots = \"all\""), &["tracker.toml:5:", "only", "also"]);
    check(&format!("{PROVIDER}network.root_file = \"x\""), &["did you mean `roots_file`?"]);
    check(&format!("{PROVIDER}network.proxy = \"http://u:hunter2@p:1\""), &["tracker.toml:5:", "proxy_password_file"]);
    check(&format!("{PROVIDER}network.proxy = \"socks5://p:1\""), &["tracker.toml:5:", "http or https"]);
    check(&format!("{PROVIDER}network.proxy = \"p:1/x\""), &["http or https"]);
    check(&format!("{ACCOUNT}endpoint = \"unix:/x\""), &["tracker.toml:6:1"]);
    let at = |endpoint: &str| PROVIDER.replace("https://lab", endpoint);
    check(&at("unix:run/x"), &["tracker.toml:4:12", "whole path"]);
    check(&at("unix://run/x"), &["whole path"]);
    check(&at("unix:"), &["whole path"]);
    check(&at("unix:/run/"), &["whole path"]);
    check(&at(&format!("unix:/{}", "x".repeat(107))), &["at most 107 bytes, and this one has 108"]);
    check(&at("lab"), &["absolute URL"]);
}

#[test]
fn a_socket_is_told_to_the_driver_as_this_machine() {
    let folder = folder();
    for endpoint in ["unix:/run/engine.sock", "unix:///run/engine.sock"] {
        let config = parse(folder.path(), &PROVIDER.replace("https://lab", endpoint)).unwrap();
        assert_eq!(config.providers[0].endpoint, "http://localhost");
        assert_eq!(config.providers[0].via.socket.as_deref(), Some(Path::new("/run/engine.sock")));
    }
}

#[test]
fn what_needs_no_account_needs_none_of_its_files() {
    let folder = folder();
    let path = folder.path().join("tracker.toml");
    std::fs::write(&path, format!("{PROVIDER}network.roots_file = \"/nowhere/ca.pem\"\n")).unwrap();
    assert!(Config::load(&path, &|_| None).is_err());
    Config::load_without_accounts(&path, &|_| None).unwrap();
}
