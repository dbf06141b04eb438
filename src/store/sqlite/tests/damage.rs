//! A damaged row affects only itself. Each column of each table is damaged in several ways, beside an undamaged
//! account. The store opens. Undamaged accounts are polled, listed and receive everything. Damaged rows are named,
//! counted, shown, and can be removed.

mod healed;
mod pages;
mod types;
mod unopened;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::{Settings, SqliteStore, Synchronous};
use super::{SqliteLab, open};
use crate::model::InstanceState::{Pending, Running, Stopped};
use crate::model::{AccountId, HookId, HookSpec, HookUrl, IdPattern, Kind, Owner, Scope, Sealed, Timestamp, TokenId};
use crate::store::contract::plainly::{Plainly as _, once};
use crate::store::contract::world::{World, id, key, query, spec};
use crate::store::{
    After, Attempt, ChangeQuery, DeliveryQuery, HistoryQuery, HookPlace, ListQuery, NewToken, Outcome,
    RepeatableRequest, RequestId, SessionContent, Settling, StoreError, StoredSession,
};

/// What a column may hold after an accident: text that means nothing, bytes, text that is not UTF-8, numbers beyond every
/// bound, another type, nothing; and what one flipped bit makes of it, the same bytes as a value of another type.
const DAMAGES: [&str; 9] = [
    "'?'",
    "x'ff'",
    "CAST(x'ff' AS TEXT)",
    "9223372036854775807",
    "-9223372036854775808",
    "-1",
    "1.5",
    "NULL",
    "CAST({column} AS BLOB)",
];

/// How the rows of the account with the number 1 are found.
const OF_ANN: [(&str, &str); 23] = [
    ("trimmed", "account = 1"),
    ("accounts", "id = 1"),
    ("polls", "account = 1"),
    ("resources", "account = 1"),
    ("bodies", "id IN (SELECT body FROM resources WHERE account = 1)"),
    ("versions", "account = 1"),
    ("flaps", "account = 1"),
    ("histories", "account = 1 AND kind = 0"),
    ("changes", "account = 1"),
    ("hooks", "account = 1"),
    ("deliveries", "due IS NOT NULL AND hook IN (SELECT id FROM hooks WHERE account = 1)"),
    ("queues", "hook IN (SELECT id FROM hooks WHERE account = 1)"),
    ("counts", "name = 'waiting'"),
    ("endpoints", "1"),
    ("providers", "1"),
    ("dropped", "1"),
    ("shares", "destination LIKE '%ann%'"),
    ("claimants", "account = 1"),
    ("destinations", "name LIKE '%ann%'"),
    ("attempts", "hook IN (SELECT id FROM hooks WHERE account = 1)"),
    ("tokens", "account = 1"),
    ("requests", "account = 1"),
    ("sessions", "account = 1"),
];

/// When `World` begins, and ann's instances are seen first.
const FIRST: i64 = 1_795_341_600_000;

/// Both accounts have everything there is a table for.
async fn fill(world: &mut World, user: &str) -> AccountId {
    let account = world.client(user).await;
    let store = world.store();
    let there = |name: &str| HookSpec::to(HookUrl::parse(&format!("https://{user}.example/{name}")).expect("a URL"));
    world.observe(account, &[]).await;
    world.filtering(account, there("all")).await;
    let mut some = there("some");
    some.filter.ids = vec![IdPattern::Prefix("i-".into())];
    some.retries = Some(vec![Duration::from_secs(5)]);
    world.filtering(account, some).await;
    world.hook(account, "i-1").await;
    for state in [Pending, Running, Stopped] {
        world.observe(account, &[("i-1", state), ("i-2", Running)]).await;
        world.wait(Duration::from_millis(1));
    }
    let realms = world.ticket(account, Kind::Realm).await;
    store.record_poll(world.record(&realms)).await.expect("recorded");
    let claimed = world.claim().await;
    for (delivery, outcome) in claimed.iter().zip([Outcome::Delivered, Outcome::Dead]) {
        let attempts = vec![Attempt {
            at: world.now,
            duration: Some(Duration::from_millis(5)),
            status: Some(500),
            error: Some("refused".into()),
            answer: None,
        }];
        let settlement = crate::store::Settlement { attempts, ..world.settlement(delivery, outcome) };
        let settling =
            Settling { settlements: vec![settlement], holds: vec![], landed: vec![], disable_after: Duration::MAX };
        store.settle(settling).await.expect("settled");
    }
    let hash = u8::try_from(account.0).expect("small");
    let once = once(&request(world, account), &Sealed(vec![1]));
    store.create_token(token(world, account, hash), once).await.expect("issued");
    let content = SessionContent { until: world.now.after(Duration::from_secs(3600)), sealed: Sealed(vec![1]) };
    let session = StoredSession { account: key(user), driver: "digest".into(), content: Some(content) };
    store.save_sessions(vec![session]).await.expect("saved");
    account
}

fn request(world: &World, account: AccountId) -> RepeatableRequest {
    RepeatableRequest {
        id: RequestId { account, owner: Owner::Account, key: "k".into() },
        fingerprint: [7; 32],
        old_fingerprints: Vec::new(),
        now: world.now,
        forget: world.now.before(Duration::from_secs(60)),
    }
}

fn token(world: &World, account: AccountId, hash: u8) -> NewToken {
    let (name, scope, hash) = ("ci".into(), Scope::Track, [hash; 32]);
    NewToken { account, name, scope, hash, expires: None, limit: u64::MAX, now: world.now }
}

fn settings() -> Settings {
    Settings { synchronous: Synchronous::Normal, ..Settings::default() }
}

pub(super) fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("tracker.db")
}

/// A store with both accounts.
pub(super) async fn template() -> TempDir {
    let directory = TempDir::new().expect("a folder");
    let lab = SqliteLab::new();
    let kept = lab.directory.path().to_owned();
    let store = std::sync::Arc::clone(lab.store.as_ref().expect("it is open"));
    let mut world = World::new(Box::new(lab));
    for user in ["ann", "bob"] {
        fill(&mut world, user).await;
    }
    store.close().await.expect("closed");
    std::fs::copy(kept.join("tracker.db"), file(&directory)).expect("copied");
    let connection = Connection::open(file(&directory)).expect("opened");
    connection
        .execute_batch(
            "INSERT INTO keys VALUES (7, 1, NULL), (8, 0, 5);
             INSERT INTO dropped VALUES (0, 0, 90), (1, 91, 92), (2, 93, 0);
             INSERT INTO deliveries (hook, change, history) VALUES (90, 1, 1);
             INSERT INTO resources (account, kind, id, fingerprint, state, missing, seen, body, since)
             VALUES (93, 0, 'i-1', 1, 1, 0, 1, 900, 1);
             INSERT INTO trimmed VALUES (1, 1, 5), (2, 0, 5);
             INSERT INTO flaps VALUES (1, 1, 'us', '[1]', 1, 32, 4), (2, 1, 'us', '[1]', 1, 32, 4);",
        )
        .expect("written");
    directory
}

pub(super) fn lab(directory: TempDir) -> SqliteLab {
    SqliteLab { store: Some(open(&directory, settings())), directory, settings: settings() }
}

fn columns(connection: &Connection, table: &str) -> Vec<(String, bool)> {
    let mut select = connection.prepare(&format!("PRAGMA table_info({table})")).expect("a table");
    let columns = select.query_map((), |row| Ok((row.get(1)?, row.get::<_, i64>(5)? > 0))).expect("asked");
    columns.map(|column| column.expect("a column")).collect()
}

/// Damages one row of ann's; says whether the file took it. The table takes every value for as long as that lasts, and is
/// as strict as before when the store is opened.
fn damage(path: &Path, table: &str, of_ann: &str, column: &str, value: &str) -> bool {
    let connection = Connection::open(path).expect("opened");
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").expect("lax");
    let key: Vec<String> =
        columns(&connection, table).into_iter().filter(|(_, is_key)| *is_key).map(|(name, _)| name).collect();
    let key = key.join(", ");
    let value = value.replace("{column}", column);
    let sql = format!(
        "UPDATE {table} SET {column} = {value}
         WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {of_ann} LIMIT 1)"
    );
    let strict: String = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1", [table], |row| row.get(0))
        .expect("its schema");
    let lax = strict.replace(") STRICT, WITHOUT ROWID", ") WITHOUT ROWID").replace(") STRICT", ")");
    // A number that is zero becomes nothing by one flipped bit, also where there has to be one.
    let lax = lax.replace(" NOT NULL", "");
    redefine(&connection, table, &lax);
    let is_taken = connection.execute(&sql, ()).is_ok_and(|rows| rows == 1);
    redefine(&connection, table, &strict);
    is_taken
}

fn redefine(connection: &Connection, table: &str, sql: &str) {
    connection.execute_batch("PRAGMA writable_schema = ON").expect("lax");
    connection
        .execute("UPDATE sqlite_schema SET sql = ?2 WHERE type = 'table' AND name = ?1", [table, sql])
        .expect("redefined");
    connection.execute_batch("PRAGMA writable_schema = RESET").expect("read anew");
}

/// What the world looks like to bob, and what he is sent.
pub(super) async fn as_bob_sees_it(world: &World, bob: AccountId) -> String {
    let store = world.store();
    let listed = world.list(bob, query()).await;
    let past = world.list(bob, ListQuery { at: Some(world.now), ..query() }).await;
    let feed = ChangeQuery { after: After::Oldest, limit: 100, looked_at: 1000, filter: Default::default() };
    let feed = store.changes(bob, feed).await.expect("the feed").changes.len();
    let history = HistoryQuery { kind: Kind::Instance, resource: id("i-1"), before: None, limit: 100 };
    let history = store.history(bob, history).await.expect("history").len();
    let hooks = store.hooks(bob, &Owner::Account, None, 100).await.expect("hooks");
    let urls: Vec<String> = hooks.into_iter().map(|hook| hook.expect("whole").spec.url.to_string()).collect();
    let tokens = store.tokens(bob, None, 100).await.expect("tokens").len();
    let polls = store.poll_status(bob).await.expect("polls").len();
    let sessions = store.sessions(None, 100).await.expect("sessions").sessions;
    assert!(sessions.iter().any(|session| session.account == key("bob")), "{sessions:?}");
    assert!(store.find_token([2; 32]).await.expect("asked").is_some());
    assert_eq!(store.damaged_rows(bob).await.expect("looked up"), []);
    format!("{listed:?} {past:?} {feed} {history} {urls:?} {tokens} {polls}")
}

/// Asks for all there is of ann: whatever is damaged, nothing fails.
pub(super) async fn as_ann_sees_it(world: &World, ann: AccountId) -> usize {
    let store = world.store();
    world.list(ann, query()).await;
    for at in [world.now, Timestamp::from_millis(FIRST)] {
        match store.list(ann, ListQuery { at: Some(at), ..query() }).await {
            // Since when it is known may be what is damaged.
            Ok(_) | Err(StoreError::PastUnknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    world.find(ann, "i-1").await;
    world.known(ann).await;
    store.passing(ann).await.expect("passing");
    store.provider_states(ann).await.expect("states");
    store.provider_flapping(ann).await.expect("flapping");
    store.list(ann, ListQuery { kind: Kind::Realm, ..query() }).await.expect("realms");
    let feed = ChangeQuery { after: After::Oldest, limit: 100, looked_at: 1000, filter: Default::default() };
    store.changes(ann, feed).await.expect("the feed");
    store.changes_of_all(0, 1000).await.expect("all");
    let history = HistoryQuery { kind: Kind::Instance, resource: id("i-1"), before: None, limit: 100 };
    store.history(ann, history).await.expect("history");
    let hooks = store.hooks(ann, &Owner::Account, None, 100).await.expect("hooks");
    for hook in (1..=6).map(HookId) {
        let deliveries = DeliveryQuery { state: None, before: None, limit: 100 };
        let place = HookPlace { account: ann, owner: Owner::Account, hook };
        store.hook_deliveries(&place, deliveries).await.expect("deliveries");
        store.damaged_hook(&place).await.expect("asked");
    }
    store.tokens(ann, None, 100).await.expect("tokens");
    store.token(ann, TokenId(1)).await.expect("a token");
    store.find_token([1; 32]).await.expect("asked");
    store.poll_status(ann).await.expect("polls");
    store.held_mass_changes().await.expect("mass changes");
    store.held_mass_change(ann, Kind::Instance).await.expect("a mass change");
    store.budgets().await.expect("budgets");
    store.account(ann).await.expect("asked");
    store.find_answer(&request(world, ann)).await.expect("asked");
    store.held().await.expect("held");
    hooks.len()
}

async fn check(template: &TempDir, table: &str, of_ann: &str, column: &str, value: &str, whole: &str) -> Option<bool> {
    let directory = TempDir::new().expect("a folder");
    std::fs::copy(file(template), file(&directory)).expect("copied");
    if !damage(&file(&directory), table, of_ann, column, value) {
        return None;
    }
    let (ann, bob) = (AccountId(1), AccountId(2));
    let path = file(&directory);
    let mut world = World::new(Box::new(lab(directory)));
    world.wait(Duration::from_secs(60));
    // Bob is polled, and everything that he is owed arrives, whatever there is of ann's.
    let claimed = world.claim().await;
    assert!(claimed.iter().any(|delivery| delivery.change.account.user == "bob"));
    for delivery in claimed {
        world.settle(&delivery, Outcome::Delivered).await;
    }
    world.drain().await;
    assert!(world.next_delivery().await.is_none_or(|due| due > world.now), "nothing is claimed in vain");
    world.observe(bob, &[("i-1", Running), ("i-2", Running)]).await;
    world.drain().await;
    assert_eq!(as_bob_sees_it(&world, bob).await, whole);
    as_ann_sees_it(&world, ann).await;
    // A clock that is set moves all that is due, and is back where it was.
    for step in [60_000, -60_000] {
        world.store().clock_set(step, world.now).await.expect("moved");
    }
    let counted = world.store().held().await.expect("held").damaged_rows.iter().any(|rows| rows.found > 0);

    // Ann can go on: what is damaged can be removed, and is listed anew.
    let store = world.store();
    for hook in store.hooks(ann, &Owner::Account, None, 100).await.expect("hooks") {
        let hook = hook.map_or_else(|damaged| damaged.id, |hook| hook.id);
        assert!(store.remove_hook(&HookPlace { account: ann, owner: Owner::Account, hook }).await.expect("removed"));
    }
    store.revoke_token(ann, TokenId(1)).await.expect("revoked");
    store.clear_dropped().await.expect("cleared");
    drop(store);
    let ann = world.client("ann").await;
    world.filtering(ann, spec("anew")).await;
    world.observe(ann, &[("i-1", Running), ("i-2", Stopped)]).await;
    world.wait(Duration::from_secs(1));
    world.observe(ann, &[("i-1", Stopped), ("i-2", Stopped)]).await;
    assert_eq!(world.list(ann, query()).await, ["i-1", "i-2"]);
    let arrived = world.drain().await;
    assert!(arrived.contains(&"i-1 RUNNING>STOPPED".to_owned()), "{arrived:?}");
    let file = Connection::open(path).expect("opened");
    let left = "SELECT (SELECT COUNT(*) FROM dropped) + (SELECT COUNT(*) FROM resources WHERE account = 93)";
    assert_eq!(file.query_row(left, (), |row| row.get::<_, i64>(0)).expect("counted"), 0);
    Some(counted)
}

/// Damages every column of these tables in every way. Of `named` each has to be noticed in some way.
fn each_column(tables: &[&str], named: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let template = template().await;
        let whole = {
            let directory = TempDir::new().expect("a folder");
            std::fs::copy(file(&template), file(&directory)).expect("copied");
            let mut world = World::new(Box::new(lab(directory)));
            world.wait(Duration::from_secs(60));
            world.drain().await;
            world.observe(AccountId(2), &[("i-1", Running), ("i-2", Running)]).await;
            world.drain().await;
            as_bob_sees_it(&world, AccountId(2)).await
        };
        let (mut tried, mut noticed) = (0, BTreeSet::new());
        for (table, of_ann) in OF_ANN.into_iter().filter(|(table, _)| tables.contains(table)) {
            let names = columns(&Connection::open(file(&template)).expect("opened"), table);
            for (column, _) in names {
                for value in DAMAGES {
                    let case = format!("{table}.{column} = {value}");
                    let done = std::panic::AssertUnwindSafe(check(&template, table, of_ann, &column, value, &whole));
                    let done = futures_util::FutureExt::catch_unwind(done).await;
                    let Ok(done) = done else { panic!("with {case}") };
                    tried += u32::from(done.is_some());
                    if done == Some(true) {
                        noticed.insert(format!("{table}.{column}"));
                    }
                }
            }
        }
        assert!(tried > 0);
        for column in named {
            assert!(noticed.contains(*column), "damage of {column} is never named: {noticed:?}");
        }
    });
}

#[test]
fn a_damaged_account_or_poll_affects_itself_alone() {
    each_column(
        &["accounts", "polls", "endpoints", "providers", "dropped"],
        &[
            "accounts.driver",
            "accounts.provider",
            "accounts.user",
            "accounts.password",
            "polls.pace",
            "polls.failures",
            "dropped.kind",
            "dropped.account",
            "dropped.id",
        ],
    );
}

#[test]
fn a_damaged_resource_affects_itself_alone() {
    let named =
        ["resources.state", "resources.id", "resources.body", "bodies.attributes", "versions.state", "flaps.times"];
    each_column(&["resources", "bodies", "versions", "flaps"], &named);
}

#[test]
fn a_damaged_change_affects_itself_alone() {
    let named = ["changes.id", "changes.type", "changes.kind", "changes.resource", "changes.details"];
    each_column(&["changes", "histories", "trimmed"], &named);
}

#[test]
fn a_damaged_hook_or_token_affects_itself_alone() {
    let named = [
        "hooks.url",
        "hooks.words",
        "hooks.format",
        "hooks.mode",
        "hooks.secret",
        "hooks.status",
        "tokens.account",
        "tokens.name",
        "tokens.hash",
        "requests.fingerprint",
        "requests.begun",
        "requests.answer",
        "sessions.account",
        "sessions.digest",
        "sessions.until",
        "sessions.sealed",
    ];
    each_column(&["hooks", "tokens", "requests", "sessions"], &named);
}

#[test]
fn a_damaged_delivery_affects_itself_alone() {
    let named = ["deliveries.change", "deliveries.history", "deliveries.attempts", "attempts.status"];
    each_column(&["deliveries", "attempts", "queues", "counts", "shares", "claimants", "destinations"], &named);
}

#[test]
fn what_the_store_says_of_itself_refuses_the_start_where_it_is_damaged() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let template = runtime.block_on(template());
    let columns = [
        ("meta", "name = 'store'", "name"),
        ("meta", "name = 'store'", "value"),
        ("keys", "is_current = 1", "is_current"),
        ("keys", "is_current = 0", "until"),
    ];
    for (table, row, column) in columns {
        let mut refused = 0;
        for value in DAMAGES {
            let directory = TempDir::new().expect("a folder");
            std::fs::copy(file(&template), file(&directory)).expect("copied");
            if !damage(&file(&directory), table, row, column, value) {
                continue;
            }
            match SqliteStore::open(&file(&directory), settings()) {
                Err(StoreError::Unusable(message)) => {
                    assert!(message.contains("damaged") && message.contains(table), "{message}");
                    refused += 1;
                }
                // Any number is a time, and a key may have none.
                Ok(_) if column == "until" => {}
                opened => panic!("{table}.{column} = {value}: {opened:?}"),
            }
        }
        assert!(refused >= 4, "{table}.{column}: {refused}");
    }
}
