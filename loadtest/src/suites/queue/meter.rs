//! What a piece of work cost: server, its log, and whoever did it.
//!
//! Invariant: counting begins before the first process starts and ends before one is stopped.

use std::time::Duration;

use anyhow::Result;

use crate::rig::{Cpu, Rig};

/// Whose statements are counted.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    /// The database user.
    pub user: &'a str,
    /// The database.
    pub database: &'a str,
}

/// What it took, a job.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// Jobs a second.
    pub per_second: f64,
    /// Time of running its statements, where the server counts it.
    pub db_us: Option<f64>,
    /// WAL of its statements, where the server counts it.
    pub statement_wal_bytes: Option<f64>,
    /// All WAL that the server wrote meanwhile.
    pub wal_bytes: f64,
    /// CPU of the worker, or of pgbench.
    pub own_us: f64,
    /// CPU of the server.
    pub postgres_us: f64,
    /// The most memory of one worker.
    pub peak_rss_mb: Option<f64>,
}

/// Counters at the beginning.
pub struct Meter {
    wal_bytes: f64,
    postgres: Cpu,
}

impl Meter {
    /// Begins to count.
    ///
    /// # Errors
    /// The database's.
    pub async fn start(rig: &Rig) -> Result<Self> {
        rig.database.forget_statements().await?;
        Ok(Self {
            wal_bytes: rig.database.wal_bytes().await?,
            postgres: Cpu::of_server(rig.postmaster()?)?,
        })
    }

    /// What was used since, for each of `jobs`; `own_us` and memory are the caller's to add.
    ///
    /// # Errors
    /// The database's.
    pub async fn read(
        self,
        rig: &Rig,
        whose: Whose<'_>,
        took: Duration,
        jobs: usize,
    ) -> Result<Drained> {
        let each = jobs as f64;
        let cost = rig.database.cost(whose.user, whose.database).await?;
        Ok(Drained {
            per_second: each / took.as_secs_f64(),
            db_us: cost.map(|cost| cost.ms * 1e3 / each),
            statement_wal_bytes: cost.map(|cost| cost.wal_bytes / each),
            wal_bytes: (rig.database.wal_bytes().await? - self.wal_bytes) / each,
            own_us: 0.0,
            postgres_us: Cpu::of_server(rig.postmaster()?)?.us_each(self.postgres, jobs),
            peak_rss_mb: None,
        })
    }
}
