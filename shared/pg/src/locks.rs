//! What migrations that are missing would lock of the tables that are there.
//!
//! Invariant: `migration_locks.txt` is what Postgres showed while each migration ran; a test holds
//! it against the migrations.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use crate::acceptance::{self, RunningBuild};
use crate::schema_state::{Missing, SchemaState, missing};
use crate::{Pool, Result};

/// A line a lock: migration, table, mode. Only modes that make somebody wait.
static TAKEN: &str = include_str!("migration_locks.txt");

/// What `migrate` would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationPlan {
    /// What would run, in this order.
    pub migrations: Vec<PlannedMigration>,
    /// The processes that live.
    pub running: Vec<RunningBuild>,
    /// Those of them that could not go on afterwards: `migrate` refuses until they are gone.
    pub left_behind: Vec<RunningBuild>,
    /// What a newer schema says that accepts this build.
    pub accepted: Option<String>,
}

/// A migration that has not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMigration {
    /// Its number.
    pub version: i64,
    /// What it is for.
    pub description: String,
    /// The oldest build that goes on after it, by its newest migration; none where it says nothing.
    pub builds_from: Option<i64>,
    /// What it locks, as far as that is there already.
    pub locks: Vec<PlannedLock>,
}

/// A lock, held until its migration has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLock {
    /// The table.
    pub table: String,
    /// The mode, in the words of Postgres' documentation (`ACCESS EXCLUSIVE`).
    pub mode: String,
    /// How many rows the table has, by the server's estimate.
    pub rows: i64,
    /// Its size with its indexes, in bytes.
    pub bytes: i64,
}

impl PlannedLock {
    /// Who waits meanwhile.
    #[must_use]
    pub fn waits(&self) -> &'static str {
        match self.mode.as_str() {
            "ACCESS EXCLUSIVE" => "reads and writes",
            _ => "writes",
        }
    }
}

/// The migrations that `migrate` would run now, what they lock, and who could not go on after
/// them. Changes nothing.
///
/// # Errors
/// [`crate::Error::Schema`] where it would run none, since the schema is newer, changed or dirty.
pub async fn migration_plan(pool: &Pool) -> Result<MigrationPlan> {
    let mut conn = pool.acquire().await?;
    let (state, missing) = missing(&mut conn).await?;
    if !matches!(
        state,
        SchemaState::Empty | SchemaState::Behind { .. } | SchemaState::Gap { .. }
    ) {
        state.require_fit()?;
    }
    let running = acceptance::running(&mut conn).await?;
    let builds_from = missing.iter().filter_map(|m| m.builds_from).max();
    drop(conn);
    let mut migrations = Vec::with_capacity(missing.len());
    for migration in missing {
        migrations.push(planned(pool, migration).await?);
    }
    Ok(MigrationPlan {
        migrations,
        left_behind: acceptance::left_behind(running.clone(), builds_from),
        running,
        accepted: matches!(state, SchemaState::Accepted { .. }).then(|| state.words()),
    })
}

async fn planned(pool: &Pool, migration: Missing) -> Result<PlannedMigration> {
    let mut locks = Vec::new();
    for (table, mode) in taken(migration.version) {
        if let Some((rows, bytes)) = size(pool, table).await? {
            locks.push(PlannedLock {
                table: table.to_owned(),
                mode: mode.to_owned(),
                rows,
                bytes,
            });
        }
    }
    Ok(PlannedMigration {
        version: migration.version,
        description: migration.description,
        builds_from: migration.builds_from,
        locks,
    })
}

/// Tables and modes.
fn taken(version: i64) -> impl Iterator<Item = (&'static str, &'static str)> {
    let number = format!("{version:04}");
    TAKEN.lines().filter_map(move |line| {
        let (migration, rest) = line.split_once(' ')?;
        (migration == number).then(|| rest.split_once(' '))?
    })
}

/// Rows and bytes of a table; none if it is not there.
async fn size(pool: &Pool, table: &str) -> Result<Option<(i64, i64)>> {
    let sql = "SELECT greatest(reltuples, 0)::bigint, pg_total_relation_size(oid) \
               FROM pg_class WHERE oid = to_regclass('public.' || quote_ident($1))";
    Ok(sqlx::query_as(sql).bind(table).fetch_optional(pool).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_lock_of_a_migration_of_this_build() {
        let known = crate::known_range();
        for line in TAKEN.lines() {
            let version = line.get(..4).and_then(|number| number.parse::<i64>().ok());
            let version = version.unwrap_or_else(|| panic!("{line}"));
            assert!(known.contains(&version), "{line}");
            assert!(taken(version).count() > 0, "{line}");
        }
    }
}
