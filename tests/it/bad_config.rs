//! Configurations with something wrong in them: the host does not start, and says what is wrong and where.

use std::path::Path;

use crate::support::{Ended, Setup, tracker};

fn serve(folder: &Path, config: &str) -> Ended {
    std::fs::write(folder.join("tracker.toml"), config).expect("written");
    tracker(folder, &["serve", "--config", "tracker.toml"])
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_exit_code_is_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |config: &str, wants: &[&str]| {
        let ended = serve(folder.path(), config);
        assert_eq!(ended.code, Some(2), "{config}\n{ended:#?}");
        for want in wants {
            assert!(ended.stderr.contains(want), "{config}\nshould say {want:?}: {ended:#?}");
        }
    };
    // Unknown keys.
    check("lisen = \"127.0.0.1:0\"", &["tracker.toml:1:1", "lisen", "did you mean `listen`?"]);
    check("[polling]\ninstance_every = \"1s\"", &["tracker.toml:2:1", "did you mean `instances_every`?"]);
    check("[nonsense]\nx = 1", &["tracker.toml:1:2", "nonsense"]);
    // Bad URLs.
    check("public_url = \"tracker.example\"", &["tracker.toml:1:14", "URL"]);
    check("public_url = \"ftp://tracker.example\"", &["tracker.toml:1:14"]);
    let provider =
        |endpoint: &str| format!("[[providers]]\ndriver = \"ec2\"\nname = \"lab\"\nendpoint = \"{endpoint}\"");
    check(&provider("not a url"), &["tracker.toml:4:12"]);
    check(&provider("ftp://cloud.example"), &["tracker.toml:4:12"]);
    check(&provider("http://user:secret-word@cloud.example"), &["tracker.toml:4:12"]);
    // Values of the wrong kind.
    check("listen = \"somewhere\"", &["tracker.toml:1:10"]);
    check("[polling]\ninstances_every = \"soon\"", &["tracker.toml:2:19", "soon"]);
    check("listen = \"127.0.0.1:0", &["tracker.toml:1"]);
    // Missing secrets.
    let account = "[[accounts]]\ndriver = \"ec2\"\nprovider = \"us-east-1\"\nuser = \"AKIA\"\n";
    check(account, &["password_file or password_env"]);
    check(&format!("{account}password_file = \"nowhere/secret\""), &["ec2/us-east-1/AKIA", "nowhere/secret"]);
    check(&format!("{account}password_env = \"NOT_SET_HERE\""), &["ec2/us-east-1/AKIA", "NOT_SET_HERE"]);
    assert!(!folder.path().join("tracker-data").exists(), "nothing is made by a host that does not start");
}

#[test]
fn a_secret_that_was_written_into_the_configuration_is_not_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "[[accounts]]\ndriver = \"ec2\"\nprovider = \"us-east-1\"\nuser = \"AKIA\"\npassword = \"hunter2\"";
    let ended = serve(folder.path(), config);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("password"), "{ended:#?}");
    assert!(!ended.stderr.contains("hunter2") && !ended.stdout.contains("hunter2"), "{ended:#?}");
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = tracker(folder.path(), &["serve", "--config", "nowhere.toml"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("nowhere.toml"), "{ended:#?}");
}

#[tokio::test]
async fn options_that_the_driver_does_not_take_are_named() {
    let setup = |options: &str| {
        let setup = Setup::new(&["ec2"]).provider("ec2", "lab", "http://127.0.0.1:9", options);
        setup.account("ec2", "lab", "AKIA", "secret-key")
    };
    for (options, want) in [
        ("colour = \"red\"", "it has no option \"colour\"; it has: region, "),
        ("session-token = \"t0ken\"", "set accounts.secrets.session-token"),
    ] {
        let ended = setup(options).run(&["poll"]);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(want) && !ended.stderr.contains("t0ken"), "{ended:#?}");
        // The host starts with the others, and says the same.
        let host = setup(options).start().await;
        host.log().find(want, |line| line.contains(want).then_some(())).await;
        let client = host.client().at("ec2", "lab").as_user("AKIA", "secret-key");
        let problem = client.get("/api/instances").await.problem(400);
        assert_eq!(problem["type"], "/problems/account-unusable", "{problem}");
    }
}
