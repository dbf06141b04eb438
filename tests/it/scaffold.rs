//! Projects that `tracker driver new` makes, in every language: really made, built, tested, vetted and loaded, by the
//! commands that their READMEs have.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Setup, tracker};

/// A name with a hyphen, and behind that of the SDK in the order of the alphabet.
const NAME: &str = "sunny-cloud";

/// What was built before is used again: the drivers here and those of a new project have the same dependencies.
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/drivers-build");

/// Makes a project where the one of the last run was, so that what is built of it replaces what was built then.
fn made(language: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/scaffold").join(language);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("removed");
    }
    let place = folder.to_str().expect("UTF-8");
    let ended = tracker(Path::new("/"), &["driver", "new", NAME, "--lang", language, "--directory", place]).succeeded();
    assert!(ended.stdout.contains(place) && ended.stdout.contains("tracker driver approve"), "{ended:#?}");
    folder
}

/// Runs a program in a project, to its end.
fn run(command: &mut Command, project: &Path) -> String {
    let command = command.current_dir(project).stdin(Stdio::null());
    // The project says which toolchain it takes, whichever runs these tests.
    let ended = command.env_remove("RUSTUP_TOOLCHAIN").output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success(), "{command:?} ended with {}:\n{stdout}\n{stderr}", ended.status);
    stdout
}

/// Vets a component as an operator does, and has it loaded as a host does.
fn loads(component: &Path) {
    let setup = Setup::new(&[]);
    let content = std::fs::read(component).unwrap_or_else(|error| panic!("{}: {error}", component.display()));
    setup.driver_file(&format!("{NAME}.wasm"), &content);
    let approved = setup.run(&["driver", "approve", NAME, "--yes"]).succeeded().stdout;
    assert!(approved.contains("Sunny Cloud"), "{approved}");
    let list = setup.run(&["driver", "list"]).succeeded().stdout;
    let line = list.lines().find(|line| line.starts_with(NAME)).unwrap_or_else(|| panic!("{list}"));
    assert!(line.ends_with(" loaded"), "{list}");
}

#[test]
fn a_rust_project_builds_passes_its_tests_and_loads() {
    let project = made("rust");
    let cargo = |arguments: &[&str]| {
        run(Command::new("cargo").args(arguments).env("CARGO_TARGET_DIR", BUILT), &project);
    };
    cargo(&["fmt", "--check"]);
    cargo(&["test", "--locked"]);
    cargo(&["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]);
    cargo(&["build", "--locked", "--release", "--target", "wasm32-wasip2"]);
    let component = Path::new(BUILT).join("wasm32-wasip2/release/sunny_cloud.wasm");
    loads(&component);
    let (component, cassettes) = (component.display().to_string(), project.join("cassettes").display().to_string());
    tracker(&project, &["driver", "test", &component, "--cassettes", &cassettes]).succeeded();
}

#[test]
fn a_python_project_builds_passes_its_tests_and_loads() {
    let project = made("python");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin");
    assert!(built.join("componentize-py").exists(), "componentize-py is not there: run `make templates`");
    run(Command::new(built.join("python")).args(["-m", "unittest"]), &project);
    run(Command::new("sh").arg("build.sh").env("COMPONENTIZE_PY", built.join("componentize-py")), &project);
    let component = project.join("sunny-cloud.wasm");
    loads(&component);
    let (component, cassettes) = (component.display().to_string(), project.join("cassettes").display().to_string());
    tracker(&project, &["driver", "test", &component, "--cassettes", &cassettes]).succeeded();
}

#[test]
fn a_javascript_project_builds_passes_its_tests_and_loads() {
    let project = made("javascript");
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/jco");
    assert!(installed.join("node_modules").exists(), "jco is not there: run `make templates`");
    // What `npm ci` would get, by the same lock file; the first entry is the project itself.
    let locked = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("package-lock.json")).expect("a lock file");
        let mut lock: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let packages = lock["packages"].as_object_mut().expect("packages");
        packages.remove("").expect("the project");
        std::mem::take(packages)
    };
    assert_eq!(locked(&project), locked(&installed), "run `make templates`");
    run(Command::new("npm").arg("test"), &project);
    std::os::unix::fs::symlink(installed.join("node_modules"), project.join("node_modules")).expect("linked");
    // The types in its comments are those of the SDK. The compiler comes with jco.
    run(Command::new("node_modules/.bin/tsc").args(["--project", "jsconfig.json"]), &project);
    run(Command::new("npm").args(["run", "build"]), &project);
    let component = project.join("sunny-cloud.wasm");
    loads(&component);
    let (component, cassettes) = (component.display().to_string(), project.join("cassettes").display().to_string());
    tracker(&project, &["driver", "test", &component, "--cassettes", &cassettes]).succeeded();
}

#[test]
fn what_cannot_be_made_is_named_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |arguments: &[&str], code: i32, want: &[&str]| {
        let ended = tracker(folder.path(), &[&["driver", "new"], arguments].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:#?}");
        for want in want {
            assert!(ended.stderr.contains(want), "{ended:#?} should say {want:?}");
        }
    };
    check(&["Sunny_Cloud", "--lang", "rust"], 2, &["\"Sunny_Cloud\"", "lower-case letters, digits and single hyphens"]);
    check(&["../cloud", "--lang", "rust"], 2, &["\"../cloud\""]);
    check(&[NAME], 2, &["--lang"]);
    check(&[NAME, "--lang", "cobol"], 2, &["cobol", "rust"]);
    check(&["match", "--lang", "rust"], 2, &["match-cloud"]);
    check(&[NAME, "--lang", "rust", "--title", "a \"b\""], 2, &["without quotes"]);
    let left = || std::fs::read_dir(folder.path()).expect("read").count();
    assert_eq!(left(), 0);

    // What is there already is not touched.
    std::fs::create_dir(folder.path().join(NAME)).expect("made");
    std::fs::write(folder.path().join(NAME).join("mine.txt"), "mine").expect("written");
    check(&[NAME, "--lang", "rust"], 1, &["sunny-cloud exists and is not empty", "--directory"]);
    assert_eq!((left(), std::fs::read_dir(folder.path().join(NAME)).expect("read").count()), (1, 1));
}
