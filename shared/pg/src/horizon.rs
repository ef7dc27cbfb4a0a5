//! Who keeps dead rows from being removed: sessions, prepared transactions and replication slots that
//! hold an old xmin.
//!
//! Invariant: reads only, a few milliseconds of views that any login may read; what a login may not
//! see is counted and said.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::fmt;
use std::time::Duration;

use crate::{Pool, Result};

/// From so many dead rows in the table of jobs on, whoever holds them is told early.
const DEAD_ROWS_MANY: i64 = 200_000;

/// How early that is.
const EARLY: Duration = Duration::from_secs(20);

/// From when on a holder is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HorizonLimits {
    /// Of sessions and prepared transactions.
    pub older: Duration,
    /// Of slots and standbys, which have no time of their own: transactions since.
    pub transactions: i64,
}

impl Default for HorizonLimits {
    /// Five minutes; for slots what a busy cluster does in that time.
    fn default() -> Self {
        Self {
            older: Duration::from_secs(300),
            transactions: 100_000,
        }
    }
}

/// Somebody whose old snapshot keeps dead rows from being removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotHolder {
    /// `pid 4711`, `standby at pid 4711`, `prepared transaction x` or `replication slot x`.
    pub who: String,
    /// Application name, or owner of the prepared transaction, or kind of the slot.
    pub application: String,
    /// For how long, where that is known.
    pub age_s: Option<i64>,
    /// How many transactions have begun since.
    pub transactions: i64,
}

impl fmt::Display for SnapshotHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.who, self.application)?;
        match self.age_s {
            Some(age_s) => write!(f, " for {age_s} s"),
            None => write!(f, " for {} transactions", self.transactions),
        }
    }
}

/// What holds the horizon back, and what that costs the table of jobs so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Horizon {
    /// The worst first, at most ten.
    pub holders: Vec<SnapshotHolder>,
    /// Dead rows of the table of jobs, as the server estimates them.
    pub dead_jobs: i64,
    /// Its live rows.
    pub live_jobs: i64,
    /// Sessions of other logins that this login may not look into.
    pub hidden: i64,
}

impl Horizon {
    /// Looks.
    ///
    /// # Errors
    /// As any query.
    pub async fn look(pool: &Pool, limits: HorizonLimits) -> Result<Self> {
        let (dead_jobs, live_jobs, hidden): (i64, i64, i64) = sqlx::query_as(
            "SELECT coalesce(max(n_dead_tup), 0), coalesce(max(n_live_tup), 0), \
                    (SELECT count(*) FROM pg_stat_activity WHERE query = '<insufficient privilege>') \
             FROM pg_stat_user_tables WHERE relid = to_regclass('job')",
        )
        .fetch_one(pool)
        .await?;
        let older = match dead_jobs >= DEAD_ROWS_MANY {
            true => limits.older.min(EARLY),
            false => limits.older,
        };
        let rows: Vec<(String, String, Option<i64>, i64)> =
            sqlx::query_as(include_str!("sql/snapshot_holders.sql"))
                .bind(older.as_secs_f64())
                .bind(limits.transactions)
                .fetch_all(pool)
                .await?;
        let holder = |(who, application, age_s, transactions)| SnapshotHolder {
            who,
            application,
            age_s,
            transactions,
        };
        Ok(Self {
            holders: rows.into_iter().map(holder).collect(),
            dead_jobs,
            live_jobs,
            hidden,
        })
    }

    /// The holders as one text; empty if there is none.
    #[must_use]
    pub fn told(&self) -> String {
        let each: Vec<String> = self.holders.iter().map(ToString::to_string).collect();
        each.join(", ")
    }
}
