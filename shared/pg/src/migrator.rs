//! Brings the schema to the version that this build knows.
//!
//! Invariant: one migrator at a time for a database, held by a transaction-level lock that works
//! through a transaction-mode pooler; a schema newer than this build is never touched.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::ops::RangeInclusive;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::schema_state::{Missing, SchemaState, missing};
use crate::{Error, Pool, Result, acceptance, server};

pub(crate) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Where sqlx records what it has run; part of the schema's contract.
pub(crate) const TABLE: &str = "_sqlx_migrations";

/// Key of the advisory lock that migrators of one database share ("certmill" in ASCII).
const LOCK_KEY: i64 = 0x6365_7274_6d69_6c6c;

/// How often a run is repeated when a lock of a running process stands in its way.
const ATTEMPTS: u32 = 5;

/// The migrations that this build knows, first to last. A role works with the last one, and with a
/// later one that says so; what is older has to be migrated first.
pub fn known_range() -> RangeInclusive<i64> {
    let versions = || MIGRATIONS.iter().map(|m| m.version);
    versions().min().unwrap_or_default()..=versions().max().unwrap_or_default()
}

/// Newest migration of this build.
pub fn newest_migration() -> i64 {
    *known_range().end()
}

/// Runs what is missing as the pool's user (the owner), then grants `app_user` what the
/// application needs. Doing it again changes nothing. The pool's address must be a direct one,
/// not a pooler's, since a migration may need session settings.
///
/// # Errors
/// [`Error::Server`] on an old, standby or read-only server; [`Error::Schema`] when the schema is
/// newer, changed or dirty, with what to run; [`Error::Refused`] with the failing migration;
/// lock time-outs are retried a few times first.
pub async fn migrate(
    owner_pool: &Pool,
    app_user: &str,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<()> {
    let options = migrator_options(owner_pool);
    let mut holder = options.connect().await.map_err(Error::from)?;
    server::require_writable(server::inspect(&mut holder).await?)?;
    // A migration may take longer than any transaction of ours, and the lock must outlast it.
    lift_transaction_limit(&mut holder).await?;
    let mut lock = holder.begin().await?;
    progress("waiting for other migrators of this database");
    // Transaction-level, on a connection of its own: it ends with the transaction, whatever
    // stands between us and the server.
    sqlx::query("SELECT set_config('lock_timeout', '0', true)")
        .execute(&mut *lock)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK_KEY)
        .execute(&mut *lock)
        .await?;
    let mut conn = options.connect().await.map_err(Error::from)?;
    let outcome = run(&mut conn, progress).await;
    let outcome = match outcome {
        Ok(()) => grant(&mut conn, app_user).await,
        failed => failed,
    };
    conn.close().await.ok();
    lock.rollback().await.ok();
    outcome
}

fn migrator_options(owner_pool: &Pool) -> PgConnectOptions {
    // Later options win over the pool's own limits.
    (*owner_pool.connect_options())
        .clone()
        .application_name("certmill-migrate")
        .options([
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            ("lock_timeout", "5s"),
        ])
}

async fn run(conn: &mut PgConnection, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
    lift_transaction_limit(conn).await?;
    let (state, missing) = missing(conn).await?;
    match state {
        SchemaState::Equal => {
            progress("the schema is up to date");
            return Ok(());
        }
        SchemaState::Accepted { .. } => {
            progress(&format!("nothing to run: {}", state.words()));
            return Ok(());
        }
        SchemaState::Empty | SchemaState::Behind { .. } | SchemaState::Gap { .. } => {}
        other => return other.require_fit(),
    }
    strand_nobody(conn, &missing).await?;
    conn.ensure_migrations_table(TABLE)
        .await
        .map_err(|e| explain(e, 0))?;
    let is_missing = |version| missing.iter().any(|m| m.version == version);
    for migration in MIGRATIONS.iter().filter(|m| is_missing(m.version)) {
        progress(&format!(
            "migration {} {}",
            migration.version, migration.description
        ));
        apply(conn, migration).await?;
    }
    Ok(())
}

/// Refuses where a process lives that could not go on afterwards.
async fn strand_nobody(conn: &mut PgConnection, missing: &[Missing]) -> Result<()> {
    let Some(builds_from) = missing.iter().filter_map(|m| m.builds_from).max() else {
        return Ok(());
    };
    let behind = acceptance::left_behind(acceptance::running(conn).await?, Some(builds_from));
    if behind.is_empty() {
        return Ok(());
    }
    let behind: Vec<String> = behind.iter().map(ToString::to_string).collect();
    Err(Error::Schema(format!(
        "the migrations that are missing take builds that know {builds_from} or more, and these \
         processes run: {}; bring them to such a build, or stop them, then migrate (one that was \
         killed counts until its lease ends); nothing was changed",
        behind.join(", ")
    )))
}

async fn apply(conn: &mut PgConnection, migration: &sqlx::migrate::Migration) -> Result<()> {
    for attempt in 1.. {
        let Err(error) = conn.apply(TABLE, migration).await else {
            break;
        };
        let error = explain(error, migration.version);
        if attempt >= ATTEMPTS || !error.is_retryable() {
            return Err(error);
        }
        tracing::warn!(migration = migration.version, attempt, %error, "migration is repeated");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

async fn lift_transaction_limit(conn: &mut PgConnection) -> Result<()> {
    sqlx::query(
        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout'",
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn grant(conn: &mut PgConnection, app_user: &str) -> Result<()> {
    sqlx::query("SELECT grant_app($1::name)")
        .bind(app_user)
        .execute(conn)
        .await?;
    Ok(())
}

fn explain(error: MigrateError, version: i64) -> Error {
    let inner = match error {
        MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => {
            Error::from(inner)
        }
        other => return Error::Schema(other.to_string()),
    };
    match inner {
        Error::Refused { sqlstate, message } => Error::Refused {
            sqlstate,
            message: format!("migration {version}: {message}"),
        },
        other => other,
    }
}
