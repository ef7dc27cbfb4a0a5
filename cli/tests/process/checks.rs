//! Runs the checkers of `loadtest/checks`: each file is one query that returns no row while its
//! invariant holds.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::path::{Path, PathBuf};

use certmill_pg::Pool;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};

/// A checker's file name and the rows that it found.
pub type Violation = (String, Vec<Value>);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/checks")
}

/// The text of a file of that folder.
pub fn read(file: &str) -> String {
    let path = folder().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// All checkers in the order of their names.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('I'))
        .collect();
    names.sort_unstable();
    assert!(names.len() > 15, "checkers are missing: {names:?}");
    names
}

/// What one checker finds, at most 20 rows.
pub async fn run(conn: &mut PgConnection, file: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT to_jsonb(found) FROM (\n{}\n) found LIMIT 20",
        read(file)
    );
    sqlx::raw_sql("SET search_path = harness, public")
        .execute(&mut *conn)
        .await
        .unwrap();
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_all(conn)
        .await
        .unwrap_or_else(|why| panic!("{file}: {why}"))
}

/// Runs all checkers on one connection of the pool; answers those that found something.
pub async fn violations(owner: &Pool) -> Vec<Violation> {
    let mut conn = owner.acquire().await.unwrap();
    let mut violations = Vec::new();
    for name in names() {
        let rows = run(&mut conn, &name).await;
        if !rows.is_empty() {
            violations.push((name, rows));
        }
    }
    violations
}
