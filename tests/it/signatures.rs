//! Whose signatures a driver must bear: keys and signatures are made by openssl, in the forms that it and cosign
//! write; a file that lacks one is told so before anything of it is looked into.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::support::{Setup, built_driver};

/// Keys and what they sign, in a folder.
struct Signers {
    folder: TempDir,
}

impl Signers {
    fn new() -> Signers {
        Signers { folder: tempfile::tempdir().expect("a folder") }
    }

    /// Makes a key pair of a kind, as openssl names it.
    fn key(&self, name: &str, kind: &[&str]) -> PathBuf {
        let private = self.private(name);
        openssl(&[&["genpkey", "-out", text(&private)], kind].concat());
        let public = self.folder.path().join(format!("{name}.pub"));
        openssl(&["pkey", "-in", text(&private), "-pubout", "-out", text(&public)]);
        public
    }

    fn ecdsa(&self, name: &str) -> PathBuf {
        self.key(name, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    fn private(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.pem"))
    }

    /// What a key makes of a message, raw.
    fn sign(&self, name: &str, message: &[u8], arguments: &[&str]) -> Vec<u8> {
        let (input, output) = (self.folder.path().join("message"), self.folder.path().join("signature"));
        std::fs::write(&input, message).expect("written");
        let key = self.private(name);
        let common = match arguments.first() {
            Some(&"pkeyutl") => {
                ["-sign", "-rawin", "-inkey", text(&key), "-in", text(&input), "-out", text(&output)].to_vec()
            }
            _ => ["-sign", text(&key), "-out", text(&output), text(&input)].to_vec(),
        };
        openssl(&[arguments, &common].concat());
        std::fs::read(output).expect("openssl wrote it")
    }

    fn ecdsa_signature(&self, name: &str, message: &[u8]) -> Vec<u8> {
        self.sign(name, message, &["dgst", "-sha256"])
    }
}

fn openssl(arguments: &[&str]) {
    let ended = Command::new("openssl").args(arguments).output();
    let ended = ended.unwrap_or_else(|error| panic!("openssl: {error}. These tests need it: install openssl"));
    assert!(ended.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A host with the mock driver, approved, under a policy.
fn setup(policy: &str) -> Setup {
    Setup::new(&["mock"]).drivers(&format!("[drivers.signatures]\n{policy}"))
}

fn key_table(name: &str, public: &Path) -> String {
    format!("{{ name = {name:?}, file = {:?} }}", text(public))
}

/// What `tracker driver list` says of the one driver.
fn listed(setup: &Setup) -> String {
    setup.run(&["driver", "list", "--options"]).succeeded().stdout
}

fn is_loaded(setup: &Setup) -> bool {
    let list = listed(setup);
    list.contains("loaded") && !list.contains("not loaded")
}

#[test]
fn a_signature_counts_in_every_form_that_the_tools_write() {
    let signers = Signers::new();
    let driver = built_driver("mock");
    let check = |name: &str, public: &Path, file: &str, signature: &[u8]| {
        let setup = setup(&format!("all_of = [{}]", key_table(name, public)));
        let list = listed(&setup);
        assert!(
            list.contains(&format!("not loaded: it is not signed as drivers.signatures asks: not by {name}")),
            "{list}"
        );
        assert!(list.contains("no signature is beside it"), "{list}");
        setup.driver_file(file, signature);
        let list = listed(&setup);
        assert!(list.contains(&format!("signed by {name}")), "{name} {file}: {list}");
    };
    let release = signers.ecdsa("release");
    let signature = signers.ecdsa_signature("release", &driver);
    let base64 = BASE64.encode(&signature);
    check("release", &release, "mock.wasm.sig", &signature);
    check("release", &release, "mock.wasm.sig", base64.as_bytes());
    check("release", &release, "mock.wasm.release.sig", format!("{base64}\n").as_bytes());
    let cosign = json!({ "base64Signature": base64, "cert": "", "rekorBundle": null });
    check("release", &release, "mock.wasm.sigstore.json", cosign.to_string().as_bytes());
    let digest = BASE64.encode(Sha256::digest(&driver));
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "release" } },
        "messageSignature": { "messageDigest": { "algorithm": "SHA2_256", "digest": digest }, "signature": base64 },
    });
    check("release", &release, "mock.wasm.release.sigstore.json", bundle.to_string().as_bytes());

    let edwards = signers.key("edwards", &["-algorithm", "ED25519"]);
    check("edwards", &edwards, "mock.wasm.sig", &signers.sign("edwards", &driver, &["pkeyutl"]));
    let curve = signers.key("curve", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    check("curve", &curve, "mock.wasm.sig", &signers.sign("curve", &driver, &["dgst", "-sha384"]));
    let rsa = signers.key("rsa", &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    check("rsa", &rsa, "mock.wasm.sig", &signers.sign("rsa", &driver, &["dgst", "-sha256"]));
    let padded = ["dgst", "-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"];
    check("rsa", &rsa, "mock.wasm.sig", &signers.sign("rsa", &driver, &padded));
}

#[test]
fn what_is_not_a_signature_of_this_file_by_that_key_does_not_count() {
    let signers = Signers::new();
    let release = signers.ecdsa("release");
    signers.ecdsa("stranger");
    let driver = built_driver("mock");
    let setup = setup(&format!("all_of = [{}]", key_table("release", &release)));
    let check = |what: &str, signature: &[u8], want: &str| {
        setup.driver_file("mock.wasm.sig", signature);
        let list = listed(&setup);
        assert!(list.contains("not loaded: it is not signed") && list.contains(want), "{what}: {list}");
    };
    let verify = |code: i32, want: &str| {
        let verified = setup.run(&["driver", "verify"]);
        assert_eq!(verified.code, Some(code), "{verified:#?}");
        assert!(verified.stdout.contains(want), "{verified:#?}");
    };
    verify(1, "it is not signed as drivers.signatures asks");
    let good = signers.ecdsa_signature("release", &driver);
    let by_no_key = "mock.wasm.sig: by no key of the policy, or over another file";
    check("another key", &signers.ecdsa_signature("stranger", &driver), by_no_key);
    check("another file", &signers.ecdsa_signature("release", &built_driver("ec2")), by_no_key);
    check("half of it", &good[..good.len() / 2], by_no_key);
    check("one bit", &[&good[..10], &[good[10] ^ 1], &good[11..]].concat(), by_no_key);
    check("nothing", b"", "mock.wasm.sig: it is not a signature");
    check("an envelope of something else", b"{\"dsseEnvelope\":{}}", "mock.wasm.sig: it is not a signature");
    check("much", &vec![b'A'; 1 << 20], "mock.wasm.sig: it can't be read");
    setup.driver_file("mock.wasm.sig", &good);
    assert!(is_loaded(&setup));
    verify(0, "good");
}

#[test]
fn all_of_and_any_of_are_each_held_to() {
    let signers = Signers::new();
    let driver = built_driver("mock");
    let keys = ["a", "b", "c", "d"].map(|name| (name, signers.ecdsa(name)));
    let table = |name: &str| {
        let (_, public) = keys.iter().find(|(other, _)| *other == name).expect("a key");
        key_table(name, public)
    };
    let policy = format!(
        "all_of = [{}]\nany_of = {{ minimum = 2, keys = [{}, {}, {}] }}",
        table("a"),
        table("b"),
        table("c"),
        table("d")
    );
    let setup = setup(&policy);
    let sign = |name: &str| {
        setup.driver_file(&format!("mock.wasm.{name}.sig"), &signers.ecdsa_signature(name, &driver));
    };
    let check = |want: &str| {
        let list = listed(&setup);
        assert!(list.contains(want), "{list}");
    };
    sign("b");
    check("not by a, and by 1 of b, c, d, where 2 have to");
    sign("a");
    check("asks: by 1 of b, c, d, where 2 have to");
    sign("d");
    check("signed by a, b, d");
}

#[test]
fn what_a_registry_had_of_it_is_verified_offline() {
    let signers = Signers::new();
    let release = signers.ecdsa("release");
    let driver = built_driver("mock");
    let setup = setup(&format!("all_of = [{}]", key_table("release", &release)));
    let digest = |bytes: &[u8]| {
        Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    };
    let manifest = |file: &[u8]| {
        let layer = json!({ "mediaType": "application/wasm", "digest": digest(file), "size": file.len() });
        json!({ "schemaVersion": 2, "layers": [layer] }).to_string()
    };
    let payload = |manifest: &str| {
        let image = json!({ "docker-manifest-digest": digest(manifest.as_bytes()) });
        let identity = json!({ "docker-reference": "registry.example/drivers/mock" });
        let kind = "cosign container image signature";
        json!({ "critical": { "identity": identity, "image": image, "type": kind }, "optional": null }).to_string()
    };
    let evidence = |manifest: &str, payload: &str| {
        let signature = BASE64.encode(signers.ecdsa_signature("release", payload.as_bytes()));
        let signed = json!({ "payload": BASE64.encode(payload), "signature": signature });
        json!({ "manifest": BASE64.encode(manifest), "signatures": [signed] }).to_string()
    };
    let check = |evidence: &[u8], want: &str| {
        setup.driver_file("mock.wasm.cosign.json", evidence);
        let list = listed(&setup);
        assert!(list.contains(want), "{list}");
    };
    let good = manifest(&driver);
    let other = manifest(&built_driver("ec2"));
    check(evidence(&other, &payload(&other)).as_bytes(), "its manifest names another file");
    check(evidence(&good, &payload(&other)).as_bytes(), "it has no signature of that manifest");
    check(b"{", "mock.wasm.cosign.json: it can't be read");
    let forged = evidence(&good, &payload(&good)).replace("\"payload\":\"ey", "\"payload\":\"IGV5");
    check(forged.as_bytes(), "not loaded");
    check(evidence(&good, &payload(&good)).as_bytes(), "signed by release");
}

#[tokio::test]
async fn an_unsigned_file_is_not_looked_into() {
    let signers = Signers::new();
    let release = signers.ecdsa("release");
    let setup = setup(&format!("all_of = [{}]", key_table("release", &release)));
    // A component as far as its header goes: to be told more of it is to have parsed it.
    let mut garbage = built_driver("mock")[..8].to_vec();
    garbage.extend([0xff; 100]);
    setup.driver_file("garbage.wasm", &garbage);
    setup.vouch_for([("garbage.wasm", garbage)]);
    std::fs::remove_dir_all(setup.path("data/compiled")).expect("removed");
    let list = listed(&setup);
    let line = list.lines().find(|line| line.contains("garbage.wasm")).expect("it is listed");
    assert!(line.contains("it is not signed as drivers.signatures asks"), "{line}");
    let compiled = std::fs::read_dir(setup.path("data/compiled")).expect("made").count();
    assert_eq!(compiled, 0, "nothing was compiled");

    // The same for a host, which starts all the same.
    let host = setup.start().await;
    host.log()
        .find("it says so", |line| (line.contains("garbage.wasm") && line.contains("not signed")).then_some(()))
        .await;
    assert_eq!(host.client().get("/api/drivers").await.ok()["drivers"], json!([]));
    host.setup().driver_file("mock.wasm.sig", &signers.ecdsa_signature("release", &built_driver("mock")));
    let reloaded = host.setup().run(&["driver", "reload"]);
    assert!(reloaded.stdout.contains("mock") && reloaded.stdout.contains("loaded"), "{reloaded:#?}");
    assert_eq!(host.client().get("/api/drivers/mock").await.ok()["signed_by"], json!(["release"]));
}

#[test]
fn a_policy_that_is_none_is_refused_at_start() {
    let signers = Signers::new();
    let release = signers.ecdsa("release");
    let check = |policy: &str, want: &str| {
        let ended = setup(policy).run(&["driver", "list"]);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(want), "{ended:#?}");
    };
    let table = key_table("release", &release);
    check(&format!("any_of = {{ minimum = 2, keys = [{table}] }}"), "any_of.minimum is 2, of 1 keys");
    check(&format!("all_of = [{table}, {}]", key_table("twin", &release)), "the same key");
    check("all_of = [{ name = \"x\", file = \"/nowhere.pub\" }]", "cannot read /nowhere.pub");
    check(&format!("all_of = [{}]", key_table("mine", &signers.private("release"))), "it is a private key");
    check("all_of = [{ name = \"x\" }]", "set file or pem");
}
