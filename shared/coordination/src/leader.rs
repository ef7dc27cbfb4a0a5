//! Terms of leadership: acquire, renew, resign.
//!
//! Invariant: a term is named by (epoch, holder), since an epoch alone can come twice after an
//! asynchronous failover. [`Term::is_held`] turns false one lease after the last answered renewal
//! was *sent*, by the monotonic clock, which is before anybody else can win.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use certmill_pg::Pool;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

use crate::Result;
use crate::span::interval;

/// Who wants to lead.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Which leadership; the migrations know `scheduler`.
    pub name: String,
    /// Random, one a process incarnation.
    pub holder: Uuid,
    /// What people call this process.
    pub label: String,
    /// How long a term lasts without renewal.
    pub lease: Duration,
}

/// A won term; clones share its fate.
#[derive(Debug, Clone)]
pub struct Term {
    candidate: Candidate,
    epoch: i64,
    held_until: Arc<Mutex<Instant>>,
    ended: Arc<watch::Sender<bool>>,
}

/// A leadership as it is shown.
#[derive(Debug, Clone, FromRow)]
pub struct LeaderRow {
    /// Which leadership.
    pub name: String,
    /// The last epoch that began.
    pub epoch: i64,
    /// Who began it, unless it resigned.
    pub holder: Option<Uuid>,
    /// What people call that process.
    pub label: Option<String>,
    /// When the term began.
    pub acquired_at: Option<OffsetDateTime>,
    /// When it was renewed last.
    pub renewed_at: Option<OffsetDateTime>,
    /// Whether the term is running now.
    pub held: bool,
}

/// A term as it is shown.
#[derive(Debug, Clone)]
pub struct TermRow {
    /// Its number.
    pub epoch: i64,
    /// What people call the process that won it.
    pub label: String,
    /// When it began.
    pub began_at: OffsetDateTime,
    /// How the one before it ended: `resigned` or `lapsed`; none for the first.
    pub after: Option<String>,
    /// For how long nobody had renewed or given up the lease before it.
    pub vacant: Option<Duration>,
}

impl FromRow<'_, PgRow> for TermRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let vacant_s: Option<f64> = row.try_get("vacant_s")?;
        Ok(Self {
            epoch: row.try_get("epoch")?,
            label: row.try_get("label")?,
            began_at: row.try_get("began_at")?,
            after: row.try_get("after")?,
            // A clock that was set back between the two would make it negative.
            vacant: vacant_s.map(|s| Duration::try_from_secs_f64(s).unwrap_or_default()),
        })
    }
}

impl Term {
    fn new(candidate: &Candidate, epoch: i64, sent: Instant) -> Self {
        Self {
            candidate: candidate.clone(),
            epoch,
            held_until: Arc::new(Mutex::new(sent + candidate.lease)),
            ended: Arc::new(watch::channel(false).0),
        }
    }

    /// The number of this term.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// The random name of who won it.
    #[must_use]
    pub fn holder(&self) -> Uuid {
        self.candidate.holder
    }

    /// Which leadership.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.candidate.name
    }

    /// Until when this process may believe that it leads.
    #[must_use]
    pub fn held_until(&self) -> Instant {
        *self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this process may still believe that it leads. The database has the last word.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !*self.ended.borrow() && Instant::now() < self.held_until()
    }

    /// Waits until the term has ended, for whatever reason.
    pub async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        loop {
            let until = tokio::time::Instant::from_std(self.held_until());
            tokio::select! {
                // The sender lives in this value, so the channel is never closed.
                _ = ended.wait_for(|ended| *ended) => return,
                () = tokio::time::sleep_until(until) => {
                    if !self.is_held() {
                        return;
                    }
                }
            }
        }
    }

    /// Declares the term ended in this process; nothing revives it.
    pub fn end(&self) {
        self.ended.send_replace(true);
    }

    fn extend(&self, sent: Instant) {
        let mut until = self
            .held_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = sent + self.candidate.lease;
    }
}

/// Tries to begin a term; `None` while somebody else's is running.
///
/// # Errors
/// The database's.
pub async fn acquire(pool: &Pool, candidate: &Candidate) -> Result<Option<Term>> {
    let sent = Instant::now();
    let epoch: Option<i64> = sqlx::query_scalar(include_str!("sql/acquire.sql"))
        .bind(&candidate.name)
        .bind(candidate.holder)
        .bind(interval(candidate.lease))
        .bind(&candidate.label)
        .fetch_optional(pool)
        .await?;
    Ok(epoch.map(|epoch| Term::new(candidate, epoch, sent)))
}

/// Prolongs the term; false = it is over, and so says the database. A term that has ended in this
/// process is not revived, even if nobody took it.
///
/// # Errors
/// The database's: the term goes on until [`Term::held_until`].
pub async fn renew(pool: &Pool, term: &Term) -> Result<bool> {
    if !term.is_held() {
        term.end();
        return Ok(false);
    }
    let sent = Instant::now();
    let renewed = sqlx::query(
        "UPDATE leader SET renewed_at = clock_timestamp(), expires_at = clock_timestamp() + $4 \
         WHERE name = $1 AND holder = $2 AND epoch = $3",
    )
    .bind(term.name())
    .bind(term.holder())
    .bind(term.epoch)
    .bind(interval(term.candidate.lease))
    .execute(pool)
    .await?;
    if renewed.rows_affected() == 0 {
        term.end();
        return Ok(false);
    }
    term.extend(sent);
    Ok(term.is_held())
}

/// Ends the term on purpose, so that the next one can begin at once; false = it was over already.
///
/// # Errors
/// The database's: the lease then runs out.
pub async fn resign(pool: &Pool, term: &Term) -> Result<bool> {
    term.end();
    let resigned = sqlx::query(
        "UPDATE leader SET holder = NULL, expires_at = '-infinity', resigned_at = clock_timestamp() \
         WHERE name = $1 AND holder = $2 AND epoch = $3",
    )
    .bind(term.name())
    .bind(term.holder())
    .bind(term.epoch)
    .execute(pool)
    .await?;
    Ok(resigned.rows_affected() > 0)
}

/// Who leads now, or led last.
///
/// # Errors
/// The database's.
pub async fn current(pool: &Pool, name: &str) -> Result<Option<LeaderRow>> {
    Ok(sqlx::query_as(
        "SELECT name, epoch, holder, label, acquired_at, renewed_at, \
                expires_at > clock_timestamp() AS held \
         FROM leader WHERE name = $1",
    )
    .bind(name)
    .fetch_optional(pool)
    .await?)
}

/// The newest `limit` terms, the newest first.
///
/// # Errors
/// The database's.
pub async fn terms(pool: &Pool, name: &str, limit: i64) -> Result<Vec<TermRow>> {
    let rows: Vec<TermRow> = sqlx::query_as(
        "SELECT epoch, label, began_at, after, extract(epoch FROM vacant)::float8 AS vacant_s \
         FROM leader_term WHERE name = $1 ORDER BY epoch DESC, began_at DESC LIMIT $2",
    )
    .bind(name)
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(rows)
}

/// Forgets all but the newest `keep` terms of each leadership; how many that were.
///
/// # Errors
/// The database's.
pub async fn prune_terms(pool: &Pool, keep: i64) -> Result<u64> {
    let gone = sqlx::query(
        "DELETE FROM leader_term t USING leader l WHERE l.name = t.name AND t.epoch <= l.epoch - $1",
    )
    .bind(keep)
    .execute(pool)
    .await?;
    Ok(gone.rows_affected())
}
