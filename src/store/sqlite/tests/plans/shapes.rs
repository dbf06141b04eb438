//! Large stores of several shapes. Statistics change the planner's choice if nearly every row has the same value, or
//! each row a different one.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::wide;

pub(super) struct Shape {
    pub(super) name: &'static str,
    accounts: i64,
    /// Of each account.
    resources: i64,
    /// In all, dealt out to the accounts.
    hooks: i64,
    changes: i64,
    /// How many changes wait for a hook, if all wait for the first.
    backlog: i64,
    /// How many hooks have a backlog.
    waiting: i64,
}

pub(super) const ALL: [Shape; 4] = [
    Shape {
        name: "many hooks of one account and one long backlog",
        accounts: 1,
        resources: 2_000,
        hooks: 3_000,
        changes: 40_000,
        backlog: 40_000,
        waiting: 1,
    },
    Shape {
        name: "few resources with deep lines",
        accounts: 2,
        resources: 3,
        hooks: 4,
        changes: 40_000,
        backlog: 20_000,
        waiting: 2,
    },
    Shape {
        name: "many accounts with a hook each",
        accounts: 1_000,
        resources: 20,
        hooks: 1_000,
        changes: 40_000,
        backlog: 20,
        waiting: 1_000,
    },
    Shape {
        name: "a long journal that nobody waits for",
        accounts: 3,
        resources: 5_000,
        hooks: 1,
        changes: 60_000,
        backlog: 0,
        waiting: 0,
    },
];

impl Shape {
    pub(super) fn fill(&self, connection: &Connection) -> rusqlite::Result<()> {
        let Shape { accounts, resources, hooks, changes, backlog, waiting, .. } = *self;
        let all = accounts * resources;
        let destinations = waiting.min(50);
        let lines = waiting.max(1);
        let insert = |rows: i64, into: &str, select: &str| {
            if rows == 0 {
                return Ok(());
            }
            connection.execute_batch(&format!(
                "INSERT INTO {into}
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT {select} FROM n"
            ))
        };
        insert(
            accounts,
            "accounts (driver, provider, user, origin, password, used)",
            "'d', 'p', 'u' || i, CASE WHEN i % 9 = 0 THEN 'config' ELSE 'client' END, x'01', i",
        )?;
        insert(2 * accounts, "polls (account, kind, due, last_complete)", "(i + 1) / 2, i % 2, i, i")?;
        insert(accounts, "tokens (account, name, scope, hash, created)", "i, 'n', 'read', randomblob(16), i")?;
        insert(
            2 * all,
            "bodies (name, realm, first_seen, state_since, attributes)",
            "'name', 'r' || (i % 5), i, i, '{}'",
        )?;
        insert(
            all,
            "resources (account, kind, id, fingerprint, state, missing, seen, body, since)",
            &format!("1 + (i - 1) / {resources}, 0, 'i-' || ((i - 1) % {resources}), i, i % 5, 0, i, i, i"),
        )?;
        insert(
            all,
            "versions (account, kind, id, until, state, seen, body, since)",
            &format!("1 + (i - 1) / {resources}, 0, 'i-' || ((i - 1) % {resources}), i, i % 5, i, {all} + i, i"),
        )?;
        insert(
            all,
            "histories (account, kind, resource)",
            &format!("1 + (i - 1) / {resources}, 0, 'i-' || ((i - 1) % {resources})"),
        )?;
        insert(
            changes,
            "changes (id, account, recorded, type, kind, resource, history, observed_at, passed_over, latest)",
            &format!(
                "randomblob(16), 1 + i % {accounts}, i, 'instance.state_changed', 0,
                 'i-' || (i / {accounts} % {resources}), 1 + i % {accounts} * {resources} + i / {accounts} % {resources}, i, 0, i"
            ),
        )?;
        insert(
            hooks,
            "hooks (account, owner, kind, resource, url, destination, secret, words, format, mode, status, behind, created)",
            &format!(
                "1 + i % {accounts}, 'account', CASE WHEN i % 3 = 0 THEN 0 END,
                 CASE WHEN i % 3 = 0 THEN 'i-' || i END, 'https://example.com/',
                 'https://' || (i % 50) || '.example.com', x'01', '{{}}', 'json', 'every', 'active',
                 CASE WHEN i % 100 = 0 THEN i END, i"
            ),
        )?;
        insert(
            backlog * waiting,
            "deliveries (hook, change, history, due, dead)",
            &format!(
                "1 + (i - 1) % {lines}, 1 + (i - 1) / {lines}, 1 + (i - 1) / {lines} % {resources},
                 CASE WHEN (i - 1) / {lines} < {resources} THEN i END,
                 CASE WHEN i % 100 = 99 AND (i - 1) / {lines} >= {resources} THEN i END"
            ),
        )?;
        insert(
            waiting,
            "queues (hook, account, destination, due, served)",
            &format!("i, 1 + i % {accounts}, 'https://' || (i % 50) || '.example.com', i, i"),
        )?;
        connection.execute_batch(
            "INSERT INTO shares (destination, account, due, served, turn)
             SELECT destination, account, MIN(due), MIN(served), MIN(due) FROM queues GROUP BY destination, account;
             INSERT INTO claimants (account, due, served)
             SELECT account, MIN(turn), MIN(served) FROM shares GROUP BY account",
        )?;
        insert(
            destinations,
            "destinations (name, due, served, standing)",
            "'https://' || i || '.example.com', i, i, i % 5",
        )?;
        insert(changes, "attempts (hook, change, at, number, duration)", &format!("1 + i % {hooks}, i, i, 0, 1"))?;
        insert(accounts, "flaps (account, kind, id, times, damped, flips)", "i, 1, 'r', '[]', i, 1")?;
        insert(
            5_000,
            "requests (account, owner, key, fingerprint, begun)",
            &format!("1 + i % {accounts}, 'account', 'k' || i, x'01', i"),
        )?;
        insert(accounts, "sessions (account, digest, until, sealed)", "i, 'digest', i, x'01'")?;
        connection.execute("INSERT INTO meta (name, value) VALUES ('store', 1), ('forgotten', 0)", ())?;
        Ok(())
    }
}

/// Tables of so few rows that reading them whole is no worse than looking one up.
const FEW: i64 = 100;

pub(super) fn small_tables(connection: &Connection) -> rusqlite::Result<BTreeSet<&'static str>> {
    let mut small = BTreeSet::new();
    for table in wide::tables() {
        let count = format!("SELECT COUNT(*) FROM {table}");
        if connection.query_row(&count, (), |row| row.get::<_, i64>(0))? < FEW {
            small.insert(table);
        }
    }
    Ok(small)
}
