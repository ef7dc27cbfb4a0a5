//! Which jobs are meant, page by page.
//!
//! Invariant: a page looks at no more than a window of rows, whatever the filter keeps, so that no
//! statement grows with the backlog; pages go up in ids and meet each job once.
#![allow(clippy::disallowed_methods, reason = "this crate may hold SQL")]

use certmill_domain::ids::{JobId, TeamId};
use certmill_domain::job::JobState;
use certmill_domain::operation::KIND;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::Result;

/// Rows that one page looks at.
const WINDOW: i64 = 20_000;

/// Which jobs are meant: several values of one field are alternatives, an empty field means any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selector {
    /// Shown states.
    pub states: Vec<JobState>,
    /// Lanes.
    pub queues: Vec<String>,
    /// Kinds.
    pub kinds: Vec<String>,
    /// Codes of their last failure.
    pub error_codes: Vec<String>,
    /// Classes of their last failure.
    pub error_classes: Vec<String>,
    /// Shown ids of what they are about.
    pub objects: Vec<String>,
    /// These very jobs.
    pub ids: Vec<JobId>,
    /// Enqueued at or after this instant.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_after: Option<OffsetDateTime>,
    /// Enqueued before this instant.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_before: Option<OffsetDateTime>,
}

impl Selector {
    /// Whether it names nothing and so means every job.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether jobs that have not ended can be meant.
    #[must_use]
    pub fn means_live(&self) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| !state.is_final())
    }

    /// Whether jobs that have ended without success can be meant.
    #[must_use]
    pub fn means_ended(&self) -> bool {
        let ended = [JobState::Discarded, JobState::Cancelled];
        self.states.is_empty() || self.states.iter().any(|state| ended.contains(state))
    }
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Among {
    /// Jobs that wait or run.
    Live,
    /// Discarded and cancelled jobs; completed ones are never meant.
    Ended,
}

/// The part that a page is taken from.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Of this team.
    pub team_id: TeamId,
    /// Live or ended.
    pub among: Among,
    /// Above this id.
    pub after: JobId,
    /// Up to this id.
    pub up_to: JobId,
    /// Ended ones only if they had ended by this instant.
    pub ended_by: OffsetDateTime,
}

/// One page of jobs that are meant, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The jobs.
    pub ids: Vec<JobId>,
    /// Where the next page begins; none if nothing is left in this part.
    pub next: Option<JobId>,
}

macro_rules! page {
    ($source:literal) => {
        concat!(
            "WITH seen AS MATERIALIZED (",
            $source,
            " ORDER BY id LIMIT $3), \
             meant AS ( \
                 SELECT id FROM seen \
                 WHERE team_id = $4 AND kind <> $5 \
                   AND ($6::text[] IS NULL OR shown = ANY ($6)) \
                   AND ($7::text[] IS NULL OR queue = ANY ($7)) \
                   AND ($8::text[] IS NULL OR kind = ANY ($8)) \
                   AND ($9::text[] IS NULL OR error ->> 'code' = ANY ($9)) \
                   AND ($10::text[] IS NULL OR error ->> 'class' = ANY ($10)) \
                   AND ($11::text[] IS NULL OR object = ANY ($11)) \
                   AND ($12::bigint[] IS NULL OR id = ANY ($12)) \
                   AND ($13::timestamptz IS NULL OR created_at >= $13) \
                   AND ($14::timestamptz IS NULL OR created_at < $14) \
                 ORDER BY id LIMIT $15) \
             SELECT coalesce((SELECT array_agg(id ORDER BY id) FROM meant), '{}'), \
                    (SELECT max(id) FROM seen), (SELECT count(*) FROM seen) >= $3"
        )
    };
}

const LIVE: &str = page!(
    "SELECT j.*, last_error AS error, \
            CASE WHEN state = 1 THEN 'running' WHEN run_at <= now() THEN 'available' \
                 WHEN attempt > 0 THEN 'retryable' ELSE 'scheduled' END AS shown \
     FROM job j WHERE id > $1 AND id <= $2 AND $16::timestamptz IS NOT NULL"
);
const ENDED: &str = page!(
    "SELECT h.*, CASE outcome WHEN 3 THEN 'discarded' ELSE 'cancelled' END AS shown \
     FROM job_history_ended h \
     WHERE team_id = $4 AND id > $1 AND id <= $2 AND finalized_at <= $16"
);

/// The next page of a part, at most `most` jobs. The jobs that carry operations out are never meant:
/// an operation is stopped by aborting it.
///
/// # Errors
/// The database's.
pub async fn select(
    conn: &mut PgConnection,
    selector: &Selector,
    part: &Part,
    most: u16,
) -> Result<Selected> {
    let named = |texts: &[String]| (!texts.is_empty()).then(|| texts.to_vec());
    let states: Vec<&str> = selector.states.iter().map(|s| s.as_str()).collect();
    let wanted: Vec<i64> = selector.ids.iter().map(|id| id.0).collect();
    // Named jobs bound the walk.
    let after = wanted
        .iter()
        .min()
        .map_or(part.after.0, |least| part.after.0.max(least - 1));
    let up_to = wanted
        .iter()
        .max()
        .map_or(part.up_to.0, |most| part.up_to.0.min(*most));
    let text = match part.among {
        Among::Live => LIVE,
        Among::Ended => ENDED,
    };
    let (ids, last, full): (Vec<i64>, Option<i64>, bool) = sqlx::query_as(text)
        .bind(after)
        .bind(up_to)
        .bind(WINDOW)
        .bind(part.team_id.0)
        .bind(KIND)
        .bind((!states.is_empty()).then_some(states))
        .bind(named(&selector.queues))
        .bind(named(&selector.kinds))
        .bind(named(&selector.error_codes))
        .bind(named(&selector.error_classes))
        .bind(named(&selector.objects))
        .bind((!wanted.is_empty()).then_some(wanted))
        .bind(selector.created_after)
        .bind(selector.created_before)
        .bind(i64::from(most))
        .bind(part.ended_by)
        .fetch_one(conn)
        .await?;
    let next = match ids.last() {
        Some(last) if ids.len() >= usize::from(most) => Some(*last),
        _ => last.filter(|_| full),
    };
    Ok(Selected {
        ids: ids.into_iter().map(JobId).collect(),
        next: next.map(JobId),
    })
}

/// The highest id that was ever given to a job: what is enqueued from now on lies above it.
///
/// # Errors
/// The database's.
pub async fn highest_id(conn: &mut PgConnection) -> Result<JobId> {
    let id = sqlx::query_scalar("SELECT last_value FROM job_id_seq")
        .fetch_one(conn)
        .await?;
    Ok(JobId(id))
}

/// The names of all lanes.
///
/// # Errors
/// The database's.
pub async fn lanes_known(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT name FROM lane ORDER BY name")
        .fetch_all(conn)
        .await?)
}

/// The kinds among the newest live jobs, also those that this build does not know.
///
/// # Errors
/// The database's.
pub async fn kinds_seen(conn: &mut PgConnection) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT DISTINCT kind FROM (SELECT kind FROM job ORDER BY id DESC LIMIT 10000) newest",
    )
    .fetch_all(conn)
    .await?)
}
