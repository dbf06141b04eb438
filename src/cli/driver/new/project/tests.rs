//! Projects in every language, and failures while one is written.

use std::collections::BTreeSet;

use super::super::language::LANGUAGES;
use super::*;

fn names(name: &str) -> Names {
    Names::new(name, None).expect("a name")
}

fn project(language: &Language) -> Project {
    Project::of(language, &names("sunny-cloud")).expect("a project")
}

#[test]
fn names_are_those_of_the_contract() {
    let check = |name: &str, fits: bool| assert_eq!(Names::new(name, None).is_ok(), fits, "{name}");
    check("a", true);
    check("sunny-cloud2", true);
    check(&"a".repeat(32), true);
    check(&"a".repeat(33), false);
    check("", false);
    check("2cloud", false);
    check("-cloud", false);
    check("cloud-", false);
    check("my--cloud", false);
    check("Cloud", false);
    check("my_cloud", false);
    check("wölkchen", false);
    check("../cloud", false);
    check("a b", false);
}

#[test]
fn a_title_fits_between_quotes() {
    let check = |title: &str, fits: bool| assert_eq!(Names::new("a", Some(title)).is_ok(), fits, "{title}");
    check("Amazon EC2", true);
    check("Wölkchen (Süd), 2.0", true);
    check("", false);
    check("  ", false);
    check("two\nlines", false);
    check("a \"quoted\" one", false);
    check("it's", false);
    check("a\\b", false);
    check("{{name}}", false);
    check(&"x".repeat(61), false);
}

#[test]
fn names_are_filled_in() {
    let check = |text: &str, want: &str| assert_eq!(names("sunny-cloud").fill(text), want);
    check("{{name}}/{{name_snake}}.wasm: {{title}}", "sunny-cloud/sunny_cloud.wasm: Sunny Cloud");
    check("{{password as raw}} {{ name }}", "{{password as raw}} {{ name }}");
    assert_eq!(Names::new("a", Some(" The A ")).expect("a name").fill("{{title}}"), "The A");
}

#[test]
fn files_get_the_names_that_tools_know() {
    let check = |name: &str, want: &str| assert_eq!(file_name(name), want);
    check("Cargo.toml.template", "Cargo.toml");
    check("_gitignore", ".gitignore");
    check("__init__.py", "__init__.py");
    check("_private.py", "_private.py");
    check("README.md", "README.md");
}

#[test]
fn every_language_has_a_whole_project() {
    for language in LANGUAGES {
        let project = project(language);
        for file in ["README.md", ".gitignore", "wit/driver.wit"] {
            assert!(project.files.contains_key(Path::new(file)), "{} has no {file}", language.name);
        }
        let has = |folder: &str| project.files.keys().any(|path| path.starts_with(folder));
        assert!(has("cassettes") && has(language.sdk), "{}", language.name);
        for (path, content) in &project.files {
            let text = String::from_utf8_lossy(content);
            for word in ["{{name", "{{title"] {
                assert!(!text.contains(word) && !path.to_string_lossy().contains(word), "{}: {word}", path.display());
            }
        }
    }
}

/// The embedded files are collected when this module is compiled, and new files alone do not cause a recompilation.
#[test]
fn what_is_embedded_is_what_is_there() {
    for folder in LANGUAGES.iter().flat_map(|language| language.folders) {
        let there = on_disk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder.from));
        assert_eq!(paths(folder.content), there, "{} changed: touch src/cli/driver/new/language.rs", folder.from);
    }
}

fn paths(folder: &Dir<'_>) -> BTreeSet<PathBuf> {
    let mut found: BTreeSet<PathBuf> = folder.files().map(|file| file.path().to_owned()).collect();
    for inner in folder.dirs().filter(|inner| !is_left_behind(inner.path())) {
        found.extend(paths(inner));
    }
    found
}

fn on_disk(root: &Path) -> BTreeSet<PathBuf> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            match path.is_dir() {
                true if is_left_behind(&path) => {}
                true => folders.push(path),
                false => found.extend(path.strip_prefix(root).map(Path::to_owned)),
            }
        }
    }
    found
}

fn is_left_behind(path: &Path) -> bool {
    path.file_name().is_some_and(|name| LEFT_BEHIND.iter().any(|left| name == *left))
}

#[test]
fn the_rust_project_takes_what_the_repositorys_drivers_take() {
    let rust = LANGUAGES.iter().find(|language| language.name == "rust").expect("there");
    let project = project(rust);
    let text = |path: &str| String::from_utf8(project.files[Path::new(path)].clone()).expect("UTF-8");
    let packages = |lock: &str| -> BTreeSet<String> {
        let lock: toml::Table = lock.parse().expect("TOML");
        let packages = lock["package"].as_array().expect("packages").iter();
        let from_outside = packages.filter(|package| package.get("source").is_some());
        from_outside.map(|package| format!("{} {}", package["name"], package["checksum"])).collect()
    };
    let ours = packages(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/drivers/Cargo.lock")));
    let theirs = packages(&text("Cargo.lock"));
    let other: Vec<_> = theirs.difference(&ours).collect();
    assert!(!theirs.is_empty() && other.is_empty(), "update drivers/templates/rust/Cargo.lock: {other:?}");

    for (file, ours) in [
        ("rust-toolchain.toml", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/rust-toolchain.toml"))),
        ("rustfmt.toml", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/drivers/rustfmt.toml"))),
        ("clippy.toml", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/drivers/clippy.toml"))),
    ] {
        assert_eq!(text(file), ours, "copy ours over drivers/templates/rust/{file}");
    }
    assert!(!text("tracker-driver-sdk/Cargo.toml").contains("workspace"));
    assert!(text("tracker-driver-sdk/src/bindings.rs").contains("path: \"../wit\""));
    assert!(!project.files.keys().any(|path| path.starts_with("tracker-driver-sdk/tests")));
}

#[test]
fn a_project_is_written_whole_or_not_at_all() {
    let parent = tempfile::tempdir().expect("a folder");
    let entries = |of: &Path| {
        let names = std::fs::read_dir(of).expect("read").map(|entry| entry.expect("an entry").file_name());
        names.collect::<BTreeSet<_>>()
    };
    let files =
        BTreeMap::from([(PathBuf::from("a/b.sh"), b"#!/bin/sh\n".to_vec()), (PathBuf::from("c"), b"text".to_vec())]);
    let project = Project { files, sdk: "a" };
    let place = parent.path().join("x/y");
    project.write(&place).expect("written");
    assert_eq!(entries(parent.path()).len(), 1, "nothing else is left");
    assert_eq!(entries(&parent.path().join("x")).len(), 1, "nothing else is left");
    assert_eq!(std::fs::read(place.join("c")).expect("read"), b"text");
    let mode = |path: &str| std::fs::metadata(place.join(path)).expect("there").permissions().mode();
    assert_eq!((mode("a/b.sh") & 0o111, mode("c") & 0o111), (0o111, 0));
    assert_ne!(mode(".") & 0o055, 0, "others may read it, as any new folder");
    assert_eq!(project.entries(), [("a/".to_owned(), "what a driver is written with"), ("c".to_owned(), "")]);

    // A second time it is in the way; an empty folder is not.
    let refused = project.write(&place).expect_err("there").to_string();
    assert!(refused.contains("not empty") && refused.contains("--directory"), "{refused}");
    let empty = parent.path().join("empty");
    std::fs::create_dir(&empty).expect("made");
    project.write(&empty).expect("written");
    let refused = project.write(&place.join("c")).expect_err("a file").to_string();
    assert!(refused.contains("not a folder"), "{refused}");

    // What can't be written leaves nothing: a file stands where another one's folder has to be.
    let files = BTreeMap::from([(PathBuf::from("c"), vec![]), (PathBuf::from("c/d"), vec![])]);
    let place = parent.path().join("z");
    Project { files, sdk: "a" }.write(&place).expect_err("can't be");
    assert!(!place.exists());
    assert_eq!(entries(parent.path()), ["empty", "x"].map(Into::into).into());
}
