//! What the load test asks the database itself: whether the work is done, and what it cost there.
//!
//! Invariant: it looks as the superuser, on a connection of its own, and its looks are left out of
//! the counts of the application's statements.
#![allow(
    clippy::disallowed_methods,
    reason = "the load test asks the database directly"
)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use certmill_pg::{ConnectOptions, Pool, connect};
use secrecy::SecretString;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What statements cost the server.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Time of running them, in milliseconds.
    pub ms: f64,
    /// WAL that they wrote.
    pub wal_bytes: f64,
    /// How many they were.
    pub calls: f64,
}

/// The superuser's view.
pub struct Database {
    pool: Pool,
    counts: bool,
}

impl Database {
    /// Connects; `counts` says whether the server counts statements.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(url: &SecretString, counts: bool) -> Result<Self> {
        let options = ConnectOptions {
            statement_timeout: Duration::from_secs(300),
            ..ConnectOptions::new("loadtest").max_connections(3)
        };
        let pool = connect(url, options).await?;
        if counts {
            // In a schema of its own, so that the product's schema holds the product alone.
            sqlx::query("CREATE SCHEMA counts").execute(&pool).await?;
            sqlx::query("CREATE EXTENSION pg_stat_statements SCHEMA counts")
                .execute(&pool)
                .await?;
        }
        Ok(Self { pool, counts })
    }

    /// The pool, for what only one suite asks.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Version and the settings that matter, as one line.
    ///
    /// # Errors
    /// The database's.
    pub async fn describe(&self) -> Result<String> {
        let line: String = sqlx::query_scalar(
            "SELECT 'PostgreSQL ' || current_setting('server_version') || ': ' ||
                    string_agg(name || '=' || current_setting(name), ', ' ORDER BY name)
             FROM unnest(ARRAY['fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers',
                               'max_wal_size', 'max_connections', 'shared_preload_libraries']) name",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(line)
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

    /// Waits until no live job of the kind is left.
    ///
    /// # Errors
    /// Some are left when the time is over.
    pub async fn drained(&self, kind: &str, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let lanes = "SELECT EXISTS (SELECT 1 FROM lane l JOIN job j ON j.queue = l.name AND j.state = 0 WHERE j.kind = $1)
                             OR EXISTS (SELECT 1 FROM lane l JOIN job j ON j.queue = l.name AND j.state = 1 WHERE j.kind = $1)";
            let busy: bool = sqlx::query_scalar(lanes)
                .bind(kind)
                .fetch_one(&self.pool)
                .await?;
            if !busy {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("jobs of the kind {kind} are left after {within:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How many versions are stored.
    ///
    /// # Errors
    /// The database's.
    pub async fn versions(&self) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM version")
            .fetch_one(&self.pool)
            .await?)
    }

    /// How long each certificate of a load took from being written down to being issued, by the
    /// database's clock; the commits after either are left out.
    ///
    /// # Errors
    /// The database's.
    pub async fn created_to_issued_ms(&self, label: &str) -> Result<Vec<f64>> {
        Ok(sqlx::query_scalar(
            "SELECT extract(epoch FROM v.issued_at - c.created_at)::float8 * 1000
             FROM certificate c JOIN version v ON v.id = c.version_id WHERE c.name LIKE $1",
        )
        .bind(format!("%.{label}.load.example.com"))
        .fetch_all(&self.pool)
        .await?)
    }

    /// Bytes of WAL written since the server was made.
    ///
    /// # Errors
    /// The database's.
    pub async fn wal_bytes(&self) -> Result<f64> {
        Ok(
            sqlx::query_scalar(
                "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8",
            )
            .fetch_one(&self.pool)
            .await?,
        )
    }

    /// Statements of the application so far; `None` where the server does not count them.
    ///
    /// # Errors
    /// The database's.
    pub async fn statements(&self) -> Result<Option<f64>> {
        if !self.counts {
            return Ok(None);
        }
        Ok(Some(
            sqlx::query_scalar(
                "SELECT coalesce(sum(calls), 0)::float8 FROM counts.pg_stat_statements
                 WHERE userid = 'certmill_app'::regrole",
            )
            .fetch_one(&self.pool)
            .await?,
        ))
    }

    /// What the statements of one user in one database have cost since counting began; `None`
    /// where the server does not count them.
    ///
    /// # Errors
    /// The database's.
    pub async fn cost(&self, user: &str, database: &str) -> Result<Option<Cost>> {
        if !self.counts {
            return Ok(None);
        }
        let (ms, wal_bytes, calls) = sqlx::query_as(
            "SELECT coalesce(sum(total_exec_time), 0), coalesce(sum(wal_bytes), 0)::float8,
                    coalesce(sum(calls), 0)::float8
             FROM counts.pg_stat_statements
             WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = $1)
               AND dbid = (SELECT oid FROM pg_database WHERE datname = $2)",
        )
        .bind(user)
        .bind(database)
        .fetch_one(&self.pool)
        .await?;
        Ok(Some(Cost {
            ms,
            wal_bytes,
            calls,
        }))
    }

    /// Begins to count anew.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_statements(&self) -> Result<()> {
        if self.counts {
            sqlx::query("SELECT counts.pg_stat_statements_reset()")
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// The statements that took the most time, a line each.
    ///
    /// # Errors
    /// The database's.
    pub async fn dearest_statements(&self) -> Result<Vec<String>> {
        if !self.counts {
            return Ok(vec!["this server does not count statements".to_owned()]);
        }
        let rows: Vec<(f64, i64, f64, i64, String)> = sqlx::query_as(
            "SELECT total_exec_time, calls, wal_bytes::float8, rows,
                    left(regexp_replace(query, '\\s+', ' ', 'g'), 110)
             FROM counts.pg_stat_statements WHERE userid = 'certmill_app'::regrole
             ORDER BY total_exec_time DESC LIMIT 24",
        )
        .fetch_all(&self.pool)
        .await?;
        let line = |(ms, calls, wal, rows, query)| {
            format!("{ms:9.0} ms {calls:8} calls {rows:8} rows {wal:11.0} B WAL  {query}")
        };
        Ok(rows.into_iter().map(line).collect())
    }

    /// A checkpoint and fresh statistics, so that rounds begin alike.
    ///
    /// # Errors
    /// The database's.
    pub async fn settle(&self) -> Result<()> {
        sqlx::query("VACUUM ANALYZE").execute(&self.pool).await?;
        sqlx::query("CHECKPOINT").execute(&self.pool).await?;
        Ok(())
    }
}
