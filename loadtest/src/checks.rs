//! Runs the checkers of `loadtest/checks`: each file is one query that returns no row while its
//! invariant holds.
#![allow(
    clippy::disallowed_methods,
    reason = "checkers ask the database directly"
)]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use certmill_pg::Pool;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::page;

/// A checker's file name and the rows that it found.
pub type Violation = (String, Vec<Value>);

fn folder() -> PathBuf {
    page::root().join("loadtest/checks")
}

/// The text of a file of that folder.
///
/// # Errors
/// It cannot be read.
pub fn read(file: &str) -> Result<String> {
    fs::read_to_string(folder().join(file)).with_context(|| file.to_owned())
}

/// All checkers in the order of their names.
///
/// # Errors
/// The folder cannot be read, or checkers are missing.
pub fn names() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder())? {
        let name = entry?.file_name();
        let name = name.to_str().context("a name that is no text")?;
        if name.starts_with('I') {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    ensure!(names.len() > 15, "checkers are missing: {names:?}");
    Ok(names)
}

/// What one checker finds, at most 20 rows.
///
/// # Errors
/// It cannot be read or run.
pub async fn run(conn: &mut PgConnection, file: &str) -> Result<Vec<Value>> {
    let text = read(file)?;
    let sql = format!("SELECT to_jsonb(found) FROM (\n{text}\n) found LIMIT 20");
    sqlx::raw_sql("SET search_path = harness, public")
        .execute(&mut *conn)
        .await?;
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(conn)
        .await
        .with_context(|| file.to_owned())
}

/// Runs all checkers on one connection of the pool; answers those that found something.
///
/// # Errors
/// As [`run`].
pub async fn violations(pool: &Pool) -> Result<Vec<Violation>> {
    let mut conn = pool.acquire().await?;
    let mut violations = Vec::new();
    for name in names()? {
        let rows = run(&mut conn, &name).await?;
        if !rows.is_empty() {
            violations.push((name, rows));
        }
    }
    Ok(violations)
}
