//! A journal of millions, and the past that goes with it, written into a store's file by SQL: by polls it would take minutes.

use std::path::Path;

use tracker::model::AccountId;

/// Fills the journal and the past of an account of a store that is closed. Each millisecond the next of its resources
/// changes.
pub(crate) fn fill(folder: &Path, account: AccountId, resources: usize, changes: usize) {
    let connection = rusqlite::Connection::open(folder.join("tracker.db")).expect("the store's file");
    let (account, ended) = (account.0, changes - resources);
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {changes})");
    let resource = format!("'i-' || printf('%017x', (i - 1) % {resources})");
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = off;
             BEGIN;
             INSERT INTO histories (account, kind, resource)
             {numbers} SELECT {account}, 0, {resource} FROM n WHERE i <= {resources};
             INSERT INTO changes (id, account, recorded, latest, type, kind, resource, history, old_state, new_state,
                                  observed_at, passed_over)
             {numbers} SELECT randomblob(16), {account}, i, i, 'instance.state', 0, {resource}, (i - 1) % {resources} + 1,
                 1, 3, i, 0 FROM n;
             INSERT INTO bodies (id, first_seen, state_since, attributes)
             {numbers} SELECT i, 1, i, '{{\"s\":\"running\"}}' FROM n;
             INSERT INTO versions (account, kind, id, until, state, seen, body, since)
             {numbers} SELECT {account}, 0, {resource}, i + {resources}, 1, i + {resources}, i, i FROM n WHERE i <= {ended};
             INSERT INTO resources (account, kind, id, fingerprint, state, missing, seen, body, since)
             {numbers} SELECT {account}, 0, {resource}, i, 1, 0, i, i, i FROM n WHERE i > {ended};
             INSERT INTO polls (account, kind, first_list) VALUES ({account}, 0, 1)
             ON CONFLICT (account, kind) DO UPDATE SET first_list = 1;
             COMMIT;"
        ))
        .expect("filled");
}
