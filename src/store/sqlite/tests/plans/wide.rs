//! What a step of a plan may read, and the statements that may read more, each with its reason.

use std::collections::{BTreeMap, BTreeSet};

/// What finds one row of a table, or as many as one resource, account or request has.
const KEYS: &[(&str, &[&[&str]])] = &[
    ("accounts", &[&["rowid"], &["driver", "provider", "user"], &["credential", "user"]]),
    ("polls", &[&["account"]]),
    ("resources", &[&["account", "kind", "id"]]),
    ("bodies", &[&["rowid"]]),
    ("versions", &[&["rowid"], &["account", "kind", "id"]]),
    ("flaps", &[&["account", "kind"]]),
    ("histories", &[&["rowid"], &["account", "kind", "resource"]]),
    ("changes", &[&["rowid"], &["history"]]),
    ("hooks", &[&["rowid"], &["account", "kind", "resource"]]),
    ("deliveries", &[&["hook", "change"], &["hook", "history"], &["hook", "dead_id"]]),
    ("queues", &[&["rowid"]]),
    ("shares", &[&["destination", "account"]]),
    ("claimants", &[&["rowid"]]),
    ("destinations", &[&["name"]]),
    ("providers", &[&["driver", "provider"]]),
    ("endpoints", &[&["name"]]),
    ("attempts", &[&["hook", "change"]]),
    ("tokens", &[&["rowid"], &["hash"]]),
    ("requests", &[&["account", "owner", "key"]]),
    ("sessions", &[&["account", "digest"]]),
    ("dropped", &[&["kind", "account", "id"]]),
    ("trimmed", &[&["rowid"]]),
    ("meta", &[&[]]),
    ("keys", &[&[]]),
    ("counts", &[&[]]),
];

const START: &str = "a host's start makes all leases void and all turns anew, by the heads of the lines";
const REPAIR: &str = "a host's start looks for what is damaged";
const DAMAGED: &str = "what is damaged is little";
const WHOLE: &str = "what goes as a whole is read as a whole";
const CLOCK: &str = "a clock that is set moves all that is due";
const LIST: &str = "a list is compared with all that is known of its account";
const ANY: &str = "the first row is the answer";
const IN_ORDER: &str = "read in the order of an index, until there is enough";

/// Pieces of the statements that may read more than a key finds, up to no limit.
const WIDE: &[(&str, &str)] = &[
    ("DELETE FROM queues WHERE hook NOT IN", START),
    ("INSERT INTO queues (hook, account, destination, due, served) SELECT", START),
    ("UPDATE deliveries INDEXED BY deliveries_lent SET lent = NULL", START),
    ("UPDATE deliveries INDEXED BY deliveries_lent SET lent_until = MAX", CLOCK),
    ("UPDATE requests SET begun = MAX", CLOCK),
    ("UPDATE hooks SET old_until = MAX", CLOCK),
    ("UPDATE keys SET until = MAX", CLOCK),
    ("DELETE FROM shares;", START),
    ("INSERT INTO shares (destination, account, due, served, turn) SELECT", START),
    ("DELETE FROM claimants;", START),
    ("INSERT INTO claimants (account, due, served) SELECT", START),
    ("UPDATE destinations SET due = NULL, served = 0", START),
    ("DELETE FROM destinations WHERE name NOT IN", START),
    ("INSERT INTO destinations (name, due, served) SELECT", START),
    ("SELECT hook, change FROM deliveries INDEXED BY deliveries_due WHERE due IS NOT NULL", START),
    ("UPDATE polls SET due = claimed", START),
    ("UPDATE accounts SET budget_left = 0, budget_at = NULL", START),
    ("SELECT driver, provider, user, budget_left, budget_at, id FROM accounts", START),
    ("SELECT id FROM accounts WHERE origin = 'config'", START),
    ("DELETE FROM endpoints WHERE name NOT IN", START),
    ("INSERT OR IGNORE INTO endpoints", START),
    ("UPDATE endpoints SET served = 0", START),
    ("SELECT name, MIN(class) FROM endpoints GROUP BY name", START),
    ("UPDATE polls SET endpoint = ?3 WHERE account IN", "a provider is at another endpoint after a host's start alone"),
    ("UPDATE queues SET paced = 0 WHERE paced / 1000", START),
    ("DELETE FROM destinations WHERE typeof(name)", START),
    ("UPDATE destinations SET held = 0 WHERE held", START),
    (" > 1 << 62 RETURNING ", REPAIR),
    ("SELECT id, driver, provider, user FROM accounts", REPAIR),
    ("SELECT DISTINCT account FROM hooks WHERE typeof(account)", REPAIR),
    ("SELECT t.id FROM tokens t WHERE typeof(t.account)", REPAIR),
    ("SELECT kind, account, id FROM dropped", REPAIR),
    ("DELETE FROM dropped WHERE (kind IS ?1", DAMAGED),
    ("DELETE FROM requests WHERE begun > 1 << 48", REPAIR),
    ("DELETE FROM sessions WHERE typeof(until)", REPAIR),
    ("SELECT COUNT(*) FROM deliveries INDEXED BY deliveries_damaged", DAMAGED),
    ("SELECT id FROM hooks INDEXED BY hooks_owner WHERE account = ?1 AND status <> 'damaged'", DAMAGED),
    (" NOT IN ('text', 'null') THEN", REPAIR),
    ("<> 'text' THEN", REPAIR),
    ("<> 'integer' THEN", REPAIR),
    ("DELETE FROM polls WHERE typeof(account)", REPAIR),
    (" RETURNING id, NULL, NULL, account", REPAIR),
    (" RETURNING account, kind, NULL, account", REPAIR),
    (" RETURNING hook, change, NULL, NULL", REPAIR),
    (" RETURNING NULL, change, NULL, NULL", REPAIR),
    (" RETURNING number, NULL, NULL, NULL", REPAIR),
    ("INSERT INTO polls (account, kind, due) SELECT a.id, k.column1, 0", REPAIR),
    ("INSERT INTO counts (name, number) SELECT", REPAIR),
    ("DELETE FROM counts WHERE name NOT IN", REPAIR),
    ("SELECT d.hook, d.change, d.damaged, h.account", REPAIR),
    ("SELECT id, NULL, reason, account FROM hooks", REPAIR),
    ("SELECT MAX(used) FROM accounts WHERE typeof(used) = 'integer'", DAMAGED),
    ("UPDATE deliveries SET due = 0 WHERE hook = ?1 AND change IN", DAMAGED),
    ("DELETE FROM deliveries WHERE damaged IS NOT NULL AND change <= ?1", DAMAGED),
    ("UPDATE polls SET due = NULL, claimed = NULL WHERE account = ?1", DAMAGED),
    ("UPDATE polls SET slow = 0, endpoint = COALESCE(", REPAIR),
    ("DELETE FROM endpoints WHERE typeof(name)", REPAIR),
    ("DELETE FROM providers WHERE typeof(driver)", REPAIR),
    ("DELETE FROM tokens WHERE account = ?1", WHOLE),
    ("DELETE FROM sessions WHERE account = ?1", WHOLE),
    ("DELETE FROM requests WHERE account = ?1 AND owner = ?2", WHOLE),
    ("UPDATE polls SET due = MAX(MIN(due", CLOCK),
    ("UPDATE accounts SET used = MAX(MIN(used", CLOCK),
    ("UPDATE hooks SET disabled = MAX(MIN(disabled", CLOCK),
    ("UPDATE deliveries INDEXED BY deliveries_due SET due = MIN(due", CLOCK),
    ("UPDATE queues SET due = MAX(MIN(due", CLOCK),
    ("UPDATE shares SET due = MAX(MIN(due", CLOCK),
    ("UPDATE claimants SET due = MAX(MIN(due", CLOCK),
    ("UPDATE destinations SET due = MAX(MIN(due", CLOCK),
    ("UPDATE endpoints SET served = CASE", CLOCK),
    ("UPDATE endpoints SET due = ( SELECT MAX(p.due, served, held_until)", CLOCK),
    ("SELECT MAX(latest) FROM ( SELECT MAX(last_attempt)", START),
    (" FROM resources WHERE account = ?1 AND kind = ?2 ORDER BY id", LIST),
    (
        "SELECT r.id, b.attributes, r.account, r.kind FROM resources r LEFT JOIN bodies b ON b.id = r.body \
         WHERE r.account = ?1 AND r.kind = ?2",
        LIST,
    ),
    ("SELECT COUNT(*) FROM resources WHERE account = ?1 AND kind = ?2", LIST),
    ("SELECT 1 FROM hooks WHERE account = ?1 AND kind IS NOT NULL", ANY),
    ("EXISTS (SELECT 1 FROM hooks WHERE hooks.account = accounts.id) FROM accounts WHERE id = ?1", ANY),
    ("FROM polls p JOIN accounts a ON a.id = p.account WHERE p.account = ?1 AND p.kind = ?2", ANY),
    ("SELECT number, kind, id, until FROM versions INDEXED BY versions_resource", IN_ORDER),
    ("SELECT name, slow FROM endpoints WHERE class = ?1 AND due <= ?2 ORDER BY due, served", IN_ORDER),
    ("SELECT name, slow FROM endpoints WHERE class = ?1 AND due <= ?2 ORDER BY due DESC, served DESC", IN_ORDER),
    ("SELECT name, slow, due FROM endpoints WHERE class = ?1 AND due IS NOT NULL ORDER BY due", IN_ORDER),
    ("SELECT p.account, p.kind FROM polls p WHERE p.endpoint = ?1 AND p.slow = ?2 AND p.due <= ?3", IN_ORDER),
    ("SELECT p.due, (SELECT MAX(o.due) FROM polls o", IN_ORDER),
    ("AND NOT EXISTS (SELECT 1 FROM hooks WHERE destination = ?1)", ANY),
    ("SELECT name FROM destinations WHERE standing = ?1 AND due <= ?2 ORDER BY due, served", IN_ORDER),
    ("SELECT account FROM shares WHERE destination = ?1 AND due <= ?2 ORDER BY due, served", IN_ORDER),
    ("SELECT account FROM claimants WHERE due <= ?1 ORDER BY due, served", IN_ORDER),
    ("FROM shares s CROSS JOIN destinations d ON d.name = s.destination WHERE s.account = ?1", IN_ORDER),
    ("FROM queues WHERE destination = ?1 AND account = ?2 AND due <= ?3 ORDER BY due, served", IN_ORDER),
    ("r.id > ?3 ORDER BY r.id", IN_ORDER),
    ("FROM polls p JOIN accounts a ON a.id = p.account WHERE p.held IS NOT NULL", "mass changes that are held are few"),
    ("SELECT change FROM (SELECT * FROM (SELECT change FROM deliveries", "three lists of a page each are merged"),
    ("SELECT COUNT(*) FROM hooks WHERE account = ?1", "as many as an account may have"),
    (
        "SELECT id, behind FROM hooks INDEXED BY hooks_owner WHERE account = ?1 AND owner = ?2",
        "as many as an account may have",
    ),
    ("FROM hooks WHERE account = ?1 AND kind IS NULL", "as many as an account may have"),
    (
        "SELECT change FROM deliveries WHERE hook = ?1 AND change BETWEEN ?2 AND ?3",
        "as many as a step of retention has",
    ),
];

pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(table, _)| *table)
}

/// What is wrong with the plan: a step that reads more than it has to. Tables in `small` are so small that the planner
/// does well to read them whole.
pub(super) fn faults(sql: &str, steps: &[String], small: &BTreeSet<&str>) -> Vec<String> {
    if WIDE.iter().any(|(piece, _)| sql.contains(piece)) {
        return Vec::new();
    }
    let names = names(sql);
    let has_limit = sql.contains("LIMIT") || is_extreme(sql);
    let is_fault = |step: &String| {
        let (what, rest) = step.split_once(' ').unwrap_or((step, ""));
        let Some(&table) = names.get(rest.split(' ').next().unwrap_or_default()) else {
            return step.starts_with("USE TEMP B-TREE") && !names.values().all(|table| small.contains(table));
        };
        let columns = equal_columns(step);
        let is_found = KEYS
            .iter()
            .any(|(name, keys)| *name == table && keys.iter().any(|key| key.iter().all(|part| columns.contains(part))));
        let is_bounded = has_limit && unused_equals(sql, table, &names, &columns).is_empty();
        step.contains("AUTOMATIC")
            || (what == "SEARCH" && !is_found && !is_bounded && !small.contains(table))
            || (what == "SCAN" && !["meta", "keys", "counts"].contains(&table) && !is_bounded && !small.contains(table))
    };
    steps.iter().filter(|step| is_fault(step)).cloned().collect()
}

/// The tables by the names that the statement gives them.
fn names(sql: &str) -> BTreeMap<&str, &'static str> {
    let words: Vec<&str> = sql.split([' ', '(', ')', ',', ';']).filter(|word| !word.is_empty()).collect();
    let mut names = BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        let Some((table, _)) = KEYS.iter().find(|(table, _)| table == word) else { continue };
        if at > 0 && ["FROM", "JOIN", "UPDATE", "INTO"].contains(&words[at - 1]) {
            names.insert(*table, *table);
            let next = words.get(at + 1).filter(|next| next.starts_with(|c: char| c.is_ascii_lowercase()));
            names.extend(next.map(|next| (*next, *table)));
        }
    }
    names
}

/// Whether it asks for one extreme value, for which SQLite reads one end of an index.
fn is_extreme(sql: &str) -> bool {
    sql.starts_with("SELECT MIN(") || sql.starts_with("SELECT MAX(") || sql.contains("(SELECT MIN(due) FROM deliveries")
}

/// The columns by which the step finds rows: those that are equal to something.
fn equal_columns(step: &str) -> Vec<&str> {
    let step = step.trim_end_matches(" LEFT-JOIN");
    let columns = step.rsplit_once('(').map_or("", |(_, columns)| columns.trim_end_matches(')'));
    columns.split(" AND ").filter_map(|column| column.strip_suffix("=?")).collect()
}

/// The columns of the table that the statement wants to be equal to a parameter, and the step reads past.
fn unused_equals<'a>(sql: &'a str, table: &str, names: &BTreeMap<&str, &str>, columns: &[&str]) -> Vec<&'a str> {
    let words: Vec<&str> = sql.split([' ', '(', ')', ',']).filter(|word| !word.is_empty()).collect();
    let conditions = words
        .windows(4)
        .filter(|four| ["WHERE", "AND", "ON"].contains(&four[0]) && four[2] == "=" && four[3].starts_with('?'));
    // Of several tables it is not known whose a bare column is.
    let is_alone = names.values().all(|name| *name == table);
    conditions
        .map(|four| four[1])
        .filter(|column| {
            let (of, column) = match column.split_once('.') {
                Some(parts) => parts,
                None if is_alone => (table, *column),
                None => return false,
            };
            names.get(of) == Some(&table)
                && !columns.contains(&column)
                && !(columns.contains(&"rowid") && column == "id")
        })
        .collect()
}

#[test]
fn a_step_that_reads_a_backlog_is_a_fault() {
    let check = |sql: &str, step: &str, is_fault: bool| {
        let found = faults(sql, &[step.to_owned()], &BTreeSet::from(["tokens"]));
        assert_eq!(!found.is_empty(), is_fault, "{step} in {sql}");
    };
    let line = "SELECT change FROM deliveries WHERE hook = ?1 AND history = ?2 ORDER BY change LIMIT 1";
    check(line, "SEARCH deliveries USING PRIMARY KEY (hook=?)", true);
    check(line, "SEARCH deliveries USING INDEX deliveries_line (hook=? AND history=?)", false);
    let first = "SELECT d.change FROM deliveries d WHERE d.hook = ?1 ORDER BY d.change LIMIT ?2";
    check(first, "SEARCH d USING PRIMARY KEY (hook=?)", false);
    check(first, "USE TEMP B-TREE FOR ORDER BY", true);
    check("SELECT change FROM deliveries WHERE hook = ?1", "SEARCH deliveries USING PRIMARY KEY (hook=?)", true);
    check("SELECT MAX(sequence) FROM changes", "SEARCH changes", false);
    check("SELECT id FROM changes WHERE type = ?1 LIMIT 1", "SCAN changes", true);
    check("SELECT id FROM changes", "SCAN changes", true);
    check("SELECT id FROM tokens", "SCAN tokens", false);
    check("SELECT id FROM hooks h WHERE h.id = ?1", "SEARCH h USING INTEGER PRIMARY KEY (rowid=?)", false);
    check("UPDATE hooks SET behind = ?1", "SCAN hooks", true);
}
