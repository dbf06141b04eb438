//! The query plan of every statement: what each reads has a bound that does not grow with the backlog, the journal or
//! the number of hooks, whether the file was analyzed or not.
//!
//! The contract's cases run the statements, and each piece of SQL in the sources has to be among them.

mod literals;
mod rest;
mod shapes;
mod wide;

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::noted::{NOTED, Statements};
use super::{SqliteLab, every_case, world};

// In single rows, so that what is written between steps is among them.
every_case!(@every SqliteLab::stepping(1));

/// Every statement with a plan that the store runs.
async fn statements() -> BTreeSet<String> {
    let noted = Statements::default();
    NOTED.set(Some(Arc::clone(&noted)));
    every_case().await;
    let (world, store) = world();
    rest::run(world, store).await;
    NOTED.set(None);
    let noted = std::mem::take(&mut *noted.lock().expect("no holder panics"));
    let has_plan = |sql: &String| ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|verb| sql.starts_with(verb));
    noted.into_iter().filter(has_plan).collect()
}

/// The steps of a statement's plan.
fn plan(connection: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    explain.raw_query().mapped(|row| row.get(3)).collect()
}

#[tokio::test]
async fn every_statement_keeps_to_its_plan_on_a_large_store() {
    let statements = statements().await;
    let mut faults: Vec<String> = literals::not_among(&statements);
    for shape in shapes::ALL {
        let connection = Connection::open_in_memory().expect("a store");
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).expect("as the store has it");
        connection.execute_batch(include_str!("../schema/1.sql")).expect("the tables");
        shape.fill(&connection).expect("filled");
        for is_analyzed in [false, true] {
            let mut small = BTreeSet::new();
            if is_analyzed {
                connection.execute_batch("ANALYZE").expect("analyzed");
                // Only then does the planner know of them.
                small = shapes::small_tables(&connection).expect("counted");
            }
            for sql in &statements {
                let steps = plan(&connection, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
                for step in wide::faults(sql, &steps, &small) {
                    faults.push(format!("{step} ({}, analyzed: {is_analyzed}) in: {sql}", shape.name));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults. Name an index in the statement (INDEXED BY), or have it stop at a LIMIT; if it has to read as much, \
         say why in plans/wide.rs. What no case runs is run in plans/rest.rs.\n{}",
        faults.len(),
        faults.join("\n")
    );
}
