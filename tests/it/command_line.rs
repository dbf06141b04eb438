//! The command line's own promises: what is printed where, and how each command ends.

use std::fs::File;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Lines, Running, Setup, built_drivers, tracker};

#[test]
fn poll_lists_an_account_now() {
    let setup = Setup::new(&["mock"]).account("mock", "default", "mockuser", "mockpassword");
    let table = setup.run(&["poll"]).succeeded().stdout;
    let line = table.lines().find(|line| line.contains("inst1")).unwrap_or_else(|| panic!("{table}"));
    assert!(line.contains("RUNNING") && line.contains("MockUserInstance"), "{table}");

    let printed = setup.run(&["poll", "--output", "json"]).succeeded().stdout;
    let instances: Value = serde_json::from_str(&printed).expect("nothing but JSON on standard output");
    let ids: Vec<_> = instances.as_array().expect("a list").iter().map(|instance| &instance["id"]).collect();
    assert_eq!(ids, ["inst0", "inst1", "inst3"]);
    let realms = setup.run(&["poll", "--kind", "realms"]).succeeded().stdout;
    assert!(realms.contains("United States") && realms.contains("Europe"), "{realms}");
}

#[test]
fn a_poll_that_fails_says_why() {
    let setup = Setup::new(&["mock"]).account("mock", "default", "mockuser", "not-the-password");
    let ended = setup.run(&["poll"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:#?}");
    assert!(ended.stderr.contains("mock/default/mockuser"), "{ended:#?}");
    assert!(ended.stderr.contains("does not accept the credentials"), "{ended:#?}");
    assert!(!ended.stderr.contains("not-the-password"), "{ended:#?}");

    let ended = setup.run(&["poll", "--account", "gogrid/default/x", "--password-env", "PATH"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
}

#[test]
fn shells_complete_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("tracker.bash");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let printed = tracker(folder.path(), &["completions", shell]).succeeded().stdout;
        assert!(printed.contains("mass-change"), "{shell}: {printed}");
        if shell == "bash" {
            std::fs::write(&script, printed).expect("written");
        }
    }
    // As bash does when somebody types `tracker driver app` and the tabulator.
    let typed = "source tracker.bash; COMP_WORDS=(tracker driver app); COMP_CWORD=2; _tracker tracker app driver; echo \"${COMPREPLY[@]}\"";
    let mut bash = std::process::Command::new("bash");
    let completed = bash.args(["-c", typed]).current_dir(folder.path()).output().expect("bash runs");
    assert_eq!(String::from_utf8_lossy(&completed.stdout).trim(), "approve", "{completed:?}");
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let folder = tempfile::tempdir().expect("a folder");
    tracker(folder.path(), &["man", "new/pages"]).succeeded();
    let page = |name: &str| std::fs::read_to_string(folder.path().join("new/pages").join(name)).expect(name);
    assert!(page("tracker.1").contains(".TH tracker 1"));
    assert!(page("tracker-driver-approve.1").contains("Show what a driver asks for"));
    assert!(!folder.path().join("new/pages/tracker-compile-driver.1").exists());
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let refused = tracker(folder.path(), &["man", "file"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("can't write the pages into file: "), "{refused:?}");
}

#[test]
fn help_is_there_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in [
        &[][..],
        &["serve"],
        &["poll"],
        &["driver"],
        &["driver", "approve"],
        &["driver", "list"],
        &["driver", "inspect"],
        &["driver", "run"],
        &["driver", "record"],
        &["driver", "new"],
        &["driver", "reload"],
        &["driver", "shadow"],
        &["driver", "test"],
        &["driver", "pull"],
        &["driver", "push"],
        &["driver", "revoke"],
        &["driver", "verify"],
        &["backup"],
        &["restore"],
        &["mass-change", "list"],
        &["demo"],
        &["watch"],
    ] {
        let help = tracker(folder.path(), &[command, &["--help"]].concat()).succeeded().stdout;
        assert!(help.contains("Usage: tracker"), "{command:?}: {help}");
    }
    let ended = tracker(folder.path(), &["sevre"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("serve"), "it says what was meant: {ended:#?}");
}

#[tokio::test]
async fn the_demo_shows_verified_callbacks_and_ends_at_ctrl_c() {
    let folder = tempfile::tempdir().expect("a folder");
    let drivers = built_drivers();
    let drivers = drivers.to_str().expect("UTF-8");
    let log = Lines::default();
    let mut demo = Running::start(folder.path(), &["demo", "--port", "0", "--drivers", drivers], &log);
    demo.stdout.find("a curl line to try next", |line| line.contains("curl").then_some(())).await;
    demo.stdout.find("a callback", |line| line.contains("signature verified").then_some(())).await;
    let status = demo.ended_by(Signal::INT, &log).await;
    assert!(status.success(), "{status}: {}", log.text());
    assert!(demo.stdout.text().contains(" 0 refused"), "{}", demo.stdout.text());
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("read").collect();
    assert!(left.is_empty(), "it leaves nothing behind: {left:?}");
}

/// A component that imports something of that name. No name of an import may have such characters, so that it is refused,
/// and the reason quotes the name.
fn component_that_imports(name: &str) -> Vec<u8> {
    let length = |length: usize| u8::try_from(length).expect("one byte of LEB128");
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    // A type, the function without parameters and results; then an import of that type.
    component.extend([7, 5, 1, 0x40, 0, 1, 0]);
    component.extend([10, length(name.len() + 5), 1, 0, length(name.len())]);
    component.extend(name.as_bytes());
    component.extend([1, 0]);
    component
}

#[test]
fn no_name_in_a_component_ends_a_line_or_commands_the_terminal() {
    let setup = Setup::new(&["mock"]);
    for name in [
        "a\x1b[2J\x1b]0;title\x07",
        "a\nForged: yes\r\nForged: no",
        "a\u{9b}31m\u{85}Forged",
        "a\u{202e}b\u{200b}\u{2028}Forged",
        &format!("a{}", "\u{301}".repeat(40)),
    ] {
        setup.driver_file("odd", &component_that_imports(name));
        for command in [
            &["driver", "inspect", "drivers/odd.wasm"][..],
            &["driver", "inspect", "drivers/odd.wasm", "--output", "json"],
            &["driver", "approve", "drivers/odd.wasm", "--yes"],
            &["driver", "run", "drivers/odd.wasm"],
            &["driver", "test", "drivers/odd.wasm"],
            &["driver", "list"],
        ] {
            let ended = setup.run(command);
            let printed = format!("{}{}", ended.stdout, ended.stderr);
            for c in printed.chars() {
                let acts = (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{200b}' | '\u{2028}');
                assert!(!acts, "{command:?} {name:?}: {printed:?}");
            }
            assert!(!printed.lines().any(|line| line.starts_with("Forged")), "{command:?}: {printed}");
            assert!(!printed.contains(&"\u{301}".repeat(5)), "{command:?}: {printed}");
        }
    }
}

#[test]
fn an_argument_that_is_refused_commands_no_terminal() {
    let setup = Setup::new(&[]);
    for argument in ["a\x1b[2J", "a\u{202e}b", "--a\u{9b}31m"] {
        let ended = tracker(&setup.path("."), &[argument]);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("error:") && ended.stderr.contains("Usage:"), "{ended:#?}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ended.stderr.contains(acts), "{ended:#?}");
    }
    // Names of files and other arguments stand in the line of what is said of them.
    let name = "no\nForged";
    let told: [&[&str]; 8] = [
        &[name],
        &["serve", "--\x1b[31m\nForged"],
        &["driver", "inspect", name],
        &["driver", "new", "x", "--lang", name],
        &["restore", name],
        &["poll", "--account", "mock/default/u", "--password-env", name],
        &["poll", "--account", "mock/default/u", "--password-file", name],
        &["key", "list", "--config", name],
    ];
    for command in told {
        let ended = tracker(&setup.path("."), command);
        assert_ne!(ended.code, Some(0), "{ended:#?}");
        let is_forged = |line: &str| line.starts_with("Forged");
        assert!(!ended.stderr.lines().any(is_forged) && ended.stderr.contains("Forged"), "{command:?}: {ended:#?}");
    }
    // A user is part of what names an account, in errors and in the log.
    let setup = Setup::new(&["mock"]).account("mock", "default", "a\nForged: yes\u{202e}", "x");
    let ended = setup.run(&["poll"]);
    assert!(
        !ended.stderr.lines().any(|line| line.starts_with("Forged")) && !ended.stderr.contains('\u{202e}'),
        "{ended:#?}"
    );
}

/// Takes nothing: the disk behind it is full.
fn full() -> Stdio {
    Stdio::from(File::options().write(true).open("/dev/full").expect("Linux"))
}

/// Open for reading alone.
fn unwritable() -> Stdio {
    Stdio::from(File::open("/dev/null").expect("there is one"))
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    Stdio::from(writer)
}

#[test]
fn a_command_whose_output_cannot_be_written_ends_without_a_panic() {
    let setup = Setup::new(&["mock"]).account("mock", "default", "mockuser", "mockpassword");
    let commands: [&[&str]; 10] = [
        &["--help"],
        &["--version"],
        &["serve", "--help"],
        &["driver", "inspect", "--help"],
        &["poll"],
        &["poll", "--output", "json"],
        &["driver", "list"],
        &["driver", "verify"],
        &["driver", "inspect", "drivers/mock.wasm"],
        &["driver", "approve", "drivers/mock.wasm", "--yes"],
    ];
    for command in commands {
        let ended = setup.run_into(full(), command);
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:#?}");
        assert!(ended.stderr.contains("error: can't write to standard output"), "{command:?}: {ended:#?}");
        let ended = setup.run_into(unwritable(), command);
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:#?}");
        assert!(ended.stderr.contains("error: can't write to standard output"), "{command:?}: {ended:#?}");
        let none = setup.run_without_output(command);
        assert_eq!(none.code, Some(1), "{command:?}: {none:#?}");
        assert!(none.stderr.contains("error: can't write to standard output"), "{command:?}: {none:#?}");
        let left = setup.run_into(closed(), command);
        assert_eq!(left.code, Some(0), "{command:?}: {left:#?}");
        for ended in [ended, none, left] {
            assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("Broken pipe"), "{ended:#?}");
        }
    }
}

#[tokio::test]
async fn a_host_whose_log_cannot_be_written_goes_on() {
    for log in [full, closed] {
        let mut host = Setup::new(&["mock"]).log_into(log).start().await;
        let client = host.client().at("mock", "default").as_user("mockuser", "mockpassword");
        let nothing =
            [Signal::ALARM, Signal::IO, Signal::POWER, Signal::PROF, Signal::USR1, Signal::USR2, Signal::VTALARM];
        for signal in [Signal::HUP].into_iter().chain(nothing) {
            host.signal(signal);
            client.get("/api/instances").await.ok();
        }
        let refused = host.client().at("mock", "default").as_user("mockuser", "wrong");
        assert_eq!(refused.get("/api/instances").await.status.as_u16(), 401);
        client.get("/api/instances").await.ok();
        assert!(host.stop().await.success());
    }
}

/// The system's default ends a process that passes the bound, without a word.
#[tokio::test]
async fn a_command_says_that_a_file_would_be_larger_than_the_system_allows() {
    let host = Setup::new(&["mock"]).start().await;
    let setup = host.setup();
    let key = || std::fs::read(setup.path("data/key")).expect("read");
    let before = key();
    let config = setup.path("tracker.toml");
    let bounded = |bound: &str, arguments: &[&str]| {
        let mut shell = std::process::Command::new("bash");
        shell.args(["-c", "ulimit -f \"$0\" && exec \"$@\"", bound, env!("CARGO_BIN_EXE_tracker")]).args(arguments);
        let output = shell.arg("--config").arg(&config).current_dir(setup.path(".")).output().expect("bash runs");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let rotated = bounded("0", &["key", "rotate"]);
    assert!(rotated.contains("cannot write the key file") && rotated.contains("File too large"), "{rotated}");
    assert_eq!(key(), before);
    let made = bounded("1", &["backup", "backup"]);
    assert!(made.contains("error: ") && made.contains("backup"), "{made}");
    assert!(!setup.path("backup").exists() && !setup.path("backup.partial").exists());
}
