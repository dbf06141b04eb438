//! Stores of every schema version: each opens, is migrated to the newest version, and continues. `tests/stores/N.sql`
//! is the store of a Tracker of version N, with rows in every table. Once it exists, version N is frozen.
//!
//! This test, run with `UPDATE_STORES=1`, creates the file of a new version. It overwrites none.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::schema;
use super::damage;
use crate::model::AccountId;
use crate::model::InstanceState::{Running, Stopped};
use crate::store::Outcome;
use crate::store::contract::world::World;

fn left_by(version: usize) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/stores/{version}.sql"))
}

/// What is in a store's file, as SQL. Rows come before what is triggered by them.
fn dump(path: &Path) -> String {
    let connection = Connection::open(path).expect("the store's file");
    let pragma = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect(name);
    let (application, version) = (pragma("application_id"), pragma("user_version"));
    let mut text = format!("PRAGMA application_id = {application};\nPRAGMA user_version = {version};\n");
    for part in ["type = 'table'", "rows", "type <> 'table'"] {
        if part == "rows" {
            tables(&connection).iter().for_each(|table| rows(&connection, table, &mut text));
            continue;
        }
        for sql in schema_where(&connection, part) {
            writeln!(text, "{sql};").expect("a text grows");
        }
    }
    text
}

fn schema_where(connection: &Connection, part: &str) -> Vec<String> {
    let of_ours = "sql IS NOT NULL AND name NOT LIKE 'sqlite_%'";
    texts(connection, &format!("SELECT sql FROM sqlite_schema WHERE {of_ours} AND {part} ORDER BY name"))
}

fn tables(connection: &Connection) -> Vec<String> {
    // The last of them is SQLite's own, which every insert before it writes.
    texts(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' ORDER BY name = 'sqlite_sequence', name",
    )
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut select = connection.prepare(sql).expect("a statement");
    let texts = select.query_map((), |row| row.get(0)).expect("asked").collect::<rusqlite::Result<_>>();
    texts.expect("read")
}

fn rows(connection: &Connection, table: &str, text: &mut String) {
    writeln!(text, "DELETE FROM {table};").expect("a text grows");
    let columns = texts(connection, &format!("SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}')"));
    let sql = format!("SELECT {} FROM {table}", columns.join(" || ', ' || "));
    for row in texts(connection, &sql) {
        writeln!(text, "INSERT INTO {table} VALUES ({row});").expect("a text grows");
    }
}

/// A store as a tracker of that version left it.
fn store_of(version: usize) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let path = left_by(version);
    let sql = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. A schema version has a store to test with: run this test with UPDATE_STORES=1",
            path.display()
        )
    });
    Connection::open(damage::file(&folder)).and_then(|connection| connection.execute_batch(&sql)).expect("made");
    folder
}

#[tokio::test]
async fn a_store_of_every_version_opens_and_goes_on() {
    let newest = schema::NEWEST;
    if std::env::var_os("UPDATE_STORES").is_some() && !left_by(newest).exists() {
        let template = damage::template().await;
        std::fs::write(left_by(newest), dump(&damage::file(&template))).expect("written");
    }
    for version in 1..=newest {
        let folder = store_of(version);
        let path = damage::file(&folder);
        let mut world = World::new(Box::new(damage::lab(folder)));
        world.wait(Duration::from_secs(60));
        let (ann, bob) = (AccountId(1), AccountId(2));
        for account in [ann, bob] {
            assert_eq!(world.store().damaged_rows(account).await.expect("looked up"), [], "version {version}");
        }
        let claimed = world.claim().await;
        assert!(!claimed.is_empty(), "version {version}: what waited is delivered");
        for delivery in claimed {
            world.settle(&delivery, Outcome::Delivered).await;
        }
        world.drain().await;
        damage::as_bob_sees_it(&world, bob).await;
        damage::as_ann_sees_it(&world, ann).await;
        world.observe(ann, &[("i-1", Running), ("i-2", Stopped)]).await;
        let arrived = world.drain().await;
        assert!(arrived.contains(&"i-2 RUNNING>STOPPED".to_owned()), "version {version}: {arrived:?}");
        let file = Connection::open(path).expect("opened");
        let now: i64 = file.pragma_query_value(None, "user_version", |row| row.get(0)).expect("read");
        assert_eq!(usize::try_from(now), Ok(newest));
        assert_eq!(schema_where(&file, "1"), schema_of(newest), "version {version}: as if it had been of the newest");
    }
}

/// What was released is not changed: what is to be different is a further version.
#[test]
fn a_version_stays_as_its_first_store_has_it() {
    for version in 1..=schema::NEWEST {
        let left = store_of(version);
        let left = Connection::open(damage::file(&left)).expect("opened");
        assert_eq!(schema_where(&left, "1"), schema_of(version), "the statements of version {version} were changed");
    }
}

/// The tables of a new store that was brought to that version, and no further.
fn schema_of(version: usize) -> Vec<String> {
    let mut connection = Connection::open_in_memory().expect("memory");
    schema::bring_to(&mut connection, version).expect("made");
    schema_where(&connection, "1")
}
