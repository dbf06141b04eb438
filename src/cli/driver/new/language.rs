//! The languages of projects: for each, the folders of the repository that a project consists of, and the author's next
//! steps. The program contains these folders.

use include_dir::{Dir, include_dir};

use super::names::Names;
use crate::cli::usage::UsageError;

/// One language's template.
#[derive(Debug)]
pub(super) struct Language {
    /// As the command line has it.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it is made of.
    pub(super) folders: &'static [Folder],
    /// What the SDK's folder is called there.
    pub(super) sdk: &'static str,
    /// From the project to a driver that is approved. Names are filled in.
    pub(super) steps: &'static [&'static str],
    /// Words that can't be names in snake case, as the language or the project has them for something else.
    taken: &'static str,
}

/// A folder that is copied.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) content: &'static Dir<'static>,
    /// Where it is in the repository.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests compare what is embedded with what lies there"))]
    pub(super) from: &'static str,
    /// Where it is in a project; empty for the project itself.
    pub(super) into: &'static str,
}

static WIT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/wit/0.2.0");

static RUST: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/drivers/templates/rust");
static RUST_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/drivers/sdk");

static PYTHON: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/drivers/templates/python");
static PYTHON_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/drivers/python-sdk/tracker_driver");

static JAVASCRIPT: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/drivers/templates/javascript");
static JAVASCRIPT_SDK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/drivers/js-sdk/tracker-driver");

/// The contract, which every project has with it.
const CONTRACT: Folder = Folder { content: &WIT, from: "wit/0.2.0", into: "wit" };

/// In the order in which help names them.
pub(super) static LANGUAGES: &[Language] = &[
    Language {
        name: "rust",
        title: "Rust",
        folders: &[
            Folder { content: &RUST, from: "drivers/templates/rust", into: "" },
            Folder { content: &RUST_SDK, from: "drivers/sdk", into: "tracker-driver-sdk" },
            CONTRACT,
        ],
        sdk: "tracker-driver-sdk",
        steps: &[
            "cargo test",
            "cargo build --release --target wasm32-wasip2",
            "tracker driver approve target/wasm32-wasip2/release/{{name_snake}}.wasm",
        ],
        // Keywords, crates that are always there, and those that the project names.
        taken: "abstract alloc as async await become box break const continue core crate do dyn else enum extern \
        false final fn for gen if impl in let loop macro match mod move mut override priv proc_macro pub \
        ref return sdk self serde static std struct super test tracker_driver_sdk trait true try type \
        typeof unsafe unsized use virtual where while yield",
    },
    Language {
        name: "python",
        title: "Python",
        folders: &[
            Folder { content: &PYTHON, from: "drivers/templates/python", into: "" },
            Folder { content: &PYTHON_SDK, from: "drivers/python-sdk/tracker_driver", into: "tracker_driver" },
            CONTRACT,
        ],
        sdk: "tracker_driver",
        steps: &["python3 -m unittest", "sh build.sh", "tracker driver approve {{name}}.wasm"],
        // The name is that of the component alone.
        taken: "",
    },
    Language {
        name: "javascript",
        title: "JavaScript",
        folders: &[
            Folder { content: &JAVASCRIPT, from: "drivers/templates/javascript", into: "" },
            Folder { content: &JAVASCRIPT_SDK, from: "drivers/js-sdk/tracker-driver", into: "tracker-driver" },
            CONTRACT,
        ],
        sdk: "tracker-driver",
        steps: &["npm test", "npm ci", "npm run build", "tracker driver approve {{name}}.wasm"],
        taken: "",
    },
];

impl Language {
    /// Whether a driver can be called so in this language.
    pub(super) fn takes(&self, names: &Names) -> Result<(), UsageError> {
        let name = names.name();
        if !self.taken.split_whitespace().any(|word| word == names.snake()) {
            return Ok(());
        }
        Err(UsageError(format!(
            "a driver in {} cannot have the name {name}: the word is taken there; how about {name}-cloud?",
            self.title
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_language_are_no_names() {
        let rust = LANGUAGES.iter().find(|language| language.name == "rust").expect("there");
        let takes = |name: &str| rust.takes(&Names::new(name, None).expect("a name"));
        let refused = takes("match").expect_err("a keyword").to_string();
        assert!(refused.contains("match-cloud"), "{refused}");
        assert!(takes("serde").is_err() && takes("proc-macro").is_err());
        assert!(takes("match-cloud").is_ok() && takes("python").is_ok());
    }
}
