//! Conformance as admission: where the operator asks for it, only what passed the suite is loaded.

use std::path::Path;

use super::SUITE;
use crate::driver::{LoadError, Lock};

/// Whether a file passed, by its digest alone: it is asked before anything is compiled.
pub(in crate::driver) fn admit(lock: &Lock, file: &Path, sha256: &str) -> Result<(), LoadError> {
    let passed = lock.tested(sha256).map(|tested| tested.suite);
    match passed {
        // A later form asks for all that this one does.
        Some(suite) if suite >= SUITE => Ok(()),
        passed => Err(LoadError::NotTested { file: file.display().to_string(), passed, suite: SUITE }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Tested;
    use crate::model::Timestamp;

    #[test]
    fn what_passed_this_suite_is_admitted() {
        let mut lock = Lock::default();
        for (sha256, suite) in [("current", SUITE), ("later", SUITE + 1), ("older", SUITE - 1)] {
            let tested_at = Timestamp::from_millis(0);
            lock.record_tested(Tested { sha256: sha256.into(), suite, checks: 1, tested_at, tested_by: "root".into() });
        }
        let check = |sha256: &str, want: Result<(), &str>| match (admit(&lock, Path::new("a.wasm"), sha256), want) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
            (got, _) => panic!("{sha256}: {got:?}"),
        };
        check("current", Ok(()));
        check("later", Ok(()));
        check("older", Err(&format!("it passed form {}", SUITE - 1)));
        check("unknown", Err("tracker driver test a.wasm --cassettes DIR --admit"));
    }
}
