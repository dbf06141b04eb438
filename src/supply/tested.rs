//! The conformance suite as a condition of admission: if the operator requires it, only drivers that passed are loaded.
//! The suite itself is a tool beside the host.

use std::path::Path;

use super::admission::AdmissionError;
use super::lock::Lock;
use crate::model::Kind;

/// Which form of the suite this is. It grows with every check that is added or asks for more, and a record of an
/// older one then counts no more.
pub const SUITE: u32 = 14;

/// Whether a file passed, by its digest alone: it is asked before anything is compiled.
pub(crate) fn check_tested(lock: &Lock, file: &Path, sha256: &str) -> Result<(), AdmissionError> {
    let tested = lock.tested(sha256);
    let passed = tested.map(|tested| tested.suite);
    let has_instances = tested.is_some_and(|tested| tested.lists.iter().any(|list| list == Kind::Instance.plural()));
    match passed {
        Some(suite) if suite >= SUITE && !has_instances => {
            Err(AdmissionError::NoInstancesTested { file: file.display().to_string() })
        }
        // A later form asks for all that this one does.
        Some(suite) if suite >= SUITE => Ok(()),
        passed => Err(AdmissionError::NotTested { file: file.display().to_string(), passed, suite: SUITE }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::supply::Tested;

    #[test]
    fn what_passed_this_suite_is_admitted() {
        let mut lock = Lock::default();
        let records = [
            ("current", SUITE, "instances"),
            ("later", SUITE + 1, "instances"),
            ("older", SUITE - 1, "instances"),
            ("without instances", SUITE, "realms"),
        ];
        for (sha256, suite, list) in records {
            lock.record_tested(Tested {
                sha256: sha256.into(),
                suite,
                checks: 1,
                cassettes_sha256: "ca".into(),
                declarations_sha256: "de".into(),
                lists: vec![list.into()],
                tested_at: Timestamp::from_millis(0),
                tested_by: "root".into(),
            });
        }
        let check =
            |sha256: &str, want: Result<(), &str>| match (check_tested(&lock, Path::new("a.wasm"), sha256), want) {
                (Ok(()), Ok(())) => {}
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (got, _) => panic!("{sha256}: {got:?}"),
            };
        check("current", Ok(()));
        check("later", Ok(()));
        check("older", Err(&format!("it passed version {}", SUITE - 1)));
        check("without instances", Err("without a list of instances"));
        check("unknown", Err("tracker driver test a.wasm --cassettes DIR --admit"));
    }
}
