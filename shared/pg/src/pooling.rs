//! Finds out what stands between us and Postgres.
//!
//! Invariant: what is told was seen: sessions that share a server process, or start-up options
//! that did not arrive.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::time::Duration;

use secrecy::SecretString;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use crate::address::{self, TlsRule};
use crate::{ConnectOptions, Error, Pool, Result, connect};

/// A pooler, as far as it can be seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// None is seen.
    Direct,
    /// Start-up options do not arrive, yet a session stays on one server process.
    Session,
    /// Two sessions met on one server process: a server connection for each transaction.
    Transaction {
        /// Whether it carries prepared statements from one server process to the next.
        keeps_statements: bool,
    },
}

/// An odd value that nobody sets by chance.
const TRIAL: &str = "12345ms";

/// Looks with three connections of its own, each waited for at most `patience`.
///
/// # Errors
/// As for connecting.
pub async fn pooling(url: &SecretString, tls: TlsRule, patience: Duration) -> Result<Pooling> {
    let plain = address::parse(url, tls)?
        .statement_cache_capacity(0)
        .application_name("certmill-doctor");
    if shares_sessions(&plain, patience).await? {
        let keeps_statements = keeps_statements(&plain, patience).await?;
        return Ok(Pooling::Transaction { keeps_statements });
    }
    let with_options = plain.options([("statement_timeout", TRIAL)]);
    match connect::open(&with_options, patience).await {
        Ok(mut conn) => {
            let row = conn
                .fetch_one(sqlx::raw_sql("SHOW statement_timeout"))
                .await?;
            let arrived = row.try_get::<String, _>(0)? == TRIAL;
            conn.close().await.ok();
            Ok(if arrived {
                Pooling::Direct
            } else {
                Pooling::Session
            })
        }
        Err(error) if error.sqlstate() == Some("08P01") => Ok(Pooling::Session),
        Err(error) => Err(error),
    }
}

/// Makes sure that what stands in between is what the settings say, and that it carries our
/// statements. Without a pooler this costs one short query.
///
/// # Errors
/// [`Error::Pooler`] with what to set; as for connecting.
pub async fn require_fit(url: &SecretString, options: &ConnectOptions, pool: &Pool) -> Result<()> {
    if !options.pooler && options_arrive(pool).await? {
        return Ok(());
    }
    match pooling(url, options.tls, options.acquire_timeout).await? {
        Pooling::Transaction {
            keeps_statements: false,
        } => Err(Error::Pooler(
            "a pooler in transaction mode that does not carry prepared statements stands between \
             here and Postgres, and every statement of certmill is a prepared one; use PgBouncer \
             1.21 or newer with max_prepared_statements above 0 and database.pooler = \
             \"transaction\", or pool_mode = session, or name Postgres itself",
        )),
        Pooling::Transaction { .. } if !options.pooler => Err(Error::Pooler(
            "a pooler in transaction mode stands between here and Postgres: our time limits are \
             lost there and LISTEN hears nothing; set database.pooler = \"transaction\", or name \
             Postgres itself",
        )),
        Pooling::Session if !options.pooler => {
            tracing::warn!(
                event = "start_up_options_lost",
                "a pooler keeps our start-up options from Postgres: set the time limits by ALTER \
                 ROLE .. SET, as the reference of settings says"
            );
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn options_arrive(pool: &Pool) -> Result<bool> {
    let mark = format!(
        "SELECT coalesce(current_setting('{}', true), '')",
        connect::MARK.0
    );
    let arrived: String = sqlx::query_scalar(sqlx::AssertSqlSafe(mark))
        .fetch_one(pool)
        .await?;
    Ok(arrived == connect::MARK.1)
}

/// While one session is idle, another one opens a transaction: behind a pooler in transaction mode
/// it gets the server process of the first, which then finds itself on another one.
async fn shares_sessions(plain: &PgConnectOptions, patience: Duration) -> Result<bool> {
    let mut idle = connect::open(plain, patience).await?;
    let mut busy = connect::open(plain, patience).await?;
    let before = server_process(&mut idle).await?;
    busy.execute(sqlx::raw_sql("BEGIN")).await?;
    let other = server_process(&mut busy).await?;
    let after = server_process(&mut idle).await?;
    busy.execute(sqlx::raw_sql("ROLLBACK")).await?;
    idle.close().await.ok();
    busy.close().await.ok();
    Ok(before == other || before != after)
}

/// Two sessions prepare under one name: on one server process the second is refused, unless the
/// pooler tells the two names apart (PgBouncer 1.21 with `max_prepared_statements`).
async fn keeps_statements(plain: &PgConnectOptions, patience: Duration) -> Result<bool> {
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(connect::open(plain, patience).await?);
    }
    let mut kept = true;
    for session in &mut sessions {
        match session.execute(sqlx::query("SELECT 1")).await {
            Ok(_) => {}
            Err(error) => {
                let code = error.as_database_error().and_then(|refused| refused.code());
                // Duplicate, or unknown: the name met a server process of another session.
                if !matches!(code.as_deref(), Some("42P05" | "26000")) {
                    return Err(error.into());
                }
                kept = false;
            }
        }
    }
    Ok(kept)
}

async fn server_process(conn: &mut PgConnection) -> Result<i32> {
    // The simple protocol: one message, so that a pooler cannot part it.
    let row = conn
        .fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()"))
        .await?;
    Ok(row.try_get(0)?)
}
