//! The commands of `docs/curl.md`, each pasted into a shell as it stands there.

use std::process::Command;

use crate::support::Setup;

#[tokio::test]
async fn every_command_of_the_page_does_what_it_should() {
    let polls = "[polling]\ninstances_every = \"300ms\"\n\n[api]\nrefresh_every = \"0s\"\n";
    let setup = Setup::new(&["mock"]).polls(polls).default_provider("mock", "default");
    let host = setup.start().await;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/curl.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    // The first says where the host is, which is another here.
    let (first, others) = blocks.split_first().expect("there are commands");
    assert!(first.contains("export TRACKER=") && others.len() > 8, "{first}");
    for block in others {
        let script = format!("set -eu; TRACKER={} ME=mockuser:mockpassword\n{block}", host.client().base());
        let run = move || Command::new("sh").args(["-c", &script]).output();
        let ended = tokio::task::spawn_blocking(run).await.expect("no panic").expect("a shell");
        let (said, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        assert!(ended.status.success(), "{block}\n{said}\n{complained}");
        assert!(!said.is_empty(), "{block}");
    }
}
