//! What the database tells of a run: the event log that the harness installs, and the checkers.
//!
//! Invariant: it looks as the superuser on connections of its own, past every proxy.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test asks the database directly"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use certmill_pg::{ConnectOptions, Pool, connect};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::{AssertSqlSafe, FromRow};

use crate::checks::{self, Violation};
use crate::history::History;

/// How long a server that is coming up again is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts of what happened so far.
#[derive(Clone, Copy, Debug, Default, FromRow)]
pub struct Tally {
    /// Jobs that were taken from a lost owner.
    pub rescues: i64,
    /// Terms of leaders.
    pub terms: i64,
    /// Versions that are stored.
    pub versions: i64,
}

/// The superuser's view.
pub struct Ledger {
    pool: Pool,
}

impl Ledger {
    /// Connects.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(url: &SecretString) -> Result<Self> {
        let options = ConnectOptions {
            acquire_timeout: Duration::from_secs(5),
            ..ConnectOptions::new("faults").max_connections(3)
        };
        let pool = connect(url, options).await?;
        Ok(Self { pool })
    }

    /// Installs the event log.
    ///
    /// # Errors
    /// The database's.
    pub async fn install(&self) -> Result<()> {
        sqlx::raw_sql(AssertSqlSafe(checks::read("harness.sql")?))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// One value; a server that is coming up again is waited for.
    ///
    /// # Errors
    /// The database's, when the patience is over.
    pub async fn number(&self, sql: &str) -> Result<i64> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
                .fetch_one(&self.pool)
                .await
                .map_err(certmill_pg::Error::from);
            match answer {
                Err(error) if error.is_retryable() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => return answer.with_context(|| sql.to_owned()),
            }
        }
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// The database's.
    pub async fn execute(&self, sql: &str) -> Result<u64> {
        let done = sqlx::query(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .with_context(|| sql.to_owned())?;
        Ok(done.rows_affected())
    }

    /// The root that the API's own certificate leads to, in DER.
    ///
    /// # Errors
    /// The database's.
    pub async fn root_certificate(&self) -> Result<Vec<u8>> {
        sqlx::query_scalar("SELECT certificate_der FROM ca_key WHERE name = 'root'")
            .fetch_one(&self.pool)
            .await
            .context("the root certificate")
    }

    /// The name of the process that leads now.
    ///
    /// # Errors
    /// The database's.
    pub async fn leader(&self) -> Result<Option<String>> {
        Ok(sqlx::query_scalar(
            "SELECT label FROM leader WHERE holder IS NOT NULL AND expires_at > clock_timestamp()",
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// The jobs that a worker of this label runs.
    ///
    /// # Errors
    /// The database's.
    pub async fn held(&self, name: &str) -> Result<Vec<String>> {
        Ok(sqlx::query_scalar(
            "SELECT j.id::text FROM job j JOIN process p ON p.id = j.worker_id \
             WHERE j.state = 1 AND p.label = $1",
        )
        .bind(name)
        .fetch_all(&self.pool)
        .await?)
    }

    /// How many of these jobs a worker of another label runs by now.
    ///
    /// # Errors
    /// The database's.
    pub async fn taken_over(&self, held: &[String], from: &str) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "SELECT count(*) FROM job j JOIN process p ON p.id = j.worker_id \
             WHERE j.state = 1 AND j.id::text = ANY($1) AND p.label <> $2",
        )
        .bind(held)
        .bind(from)
        .fetch_one(&self.pool)
        .await?)
    }

    /// What happened so far.
    ///
    /// # Errors
    /// The database's.
    pub async fn tally(&self) -> Result<Tally> {
        Ok(sqlx::query_as(
            "SELECT (SELECT count(*) FROM harness.job_events WHERE ev = 'rescued') AS rescues, \
                    (SELECT count(*) FROM harness.leader_epochs) AS terms, \
                    (SELECT count(*) FROM version) AS versions",
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Writes down that the last fault is over.
    ///
    /// # Errors
    /// The database's.
    pub async fn note_healed(&self) -> Result<()> {
        self.number(
            "WITH noted AS (INSERT INTO harness.phase VALUES ('healed', clock_timestamp()) \
             RETURNING 1) SELECT count(*) FROM noted",
        )
        .await?;
        Ok(())
    }

    /// Loads what the clients saw beside the real tables, and writes it to `file`.
    ///
    /// # Errors
    /// The file cannot be written; the database's.
    pub async fn load(&self, history: &History, file: &Path) -> Result<()> {
        history.load(file, &self.pool).await
    }

    /// Takes what is reported as lost out of what the clients saw, so that the checkers see the rest.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_reported(&self) -> Result<u64> {
        let forgotten = sqlx::query(
            "DELETE FROM harness.h_enqueue h WHERE outcome = 'ok' AND EXISTS ( \
                 SELECT FROM lost_write lost WHERE lost.certificate_id = h.certificate_id \
                 AND CASE h.op WHEN 'renew' THEN lost.action = 'certificate.renew' \
                         AND lost.at BETWEEN h.t0 AND h.t1 \
                     ELSE lost.action = 'certificate.request' END)",
        )
        .execute(&self.pool)
        .await?;
        Ok(forgotten.rows_affected())
    }

    /// Waits until nothing is left that was due when the last fault ended, at most until then. The
    /// checker itself says afterwards what did not move.
    ///
    /// # Errors
    /// The database's.
    pub async fn moved(&self, until: Instant) -> Result<()> {
        while Instant::now() < until {
            if self
                .check("I20a_all_moved_since_the_last_fault.sql")
                .await?
                .is_empty()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Runs every checker; those that found something.
    ///
    /// # Errors
    /// A checker cannot be read or run.
    pub async fn violations(&self) -> Result<Vec<Violation>> {
        checks::violations(&self.pool).await
    }

    /// What one checker finds, at most 20 rows.
    ///
    /// # Errors
    /// It cannot be read or run.
    pub async fn check(&self, file: &str) -> Result<Vec<Value>> {
        checks::run(&mut *self.pool.acquire().await?, file).await
    }
}
