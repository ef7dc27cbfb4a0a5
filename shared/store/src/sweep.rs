//! One step of the renewal sweep: takes due certificates, so that two steppers never take the same.

use crate::Error;
use certmill_domain::ids::{CertificateId, IssuerId, TeamId};
use certmill_domain::order::Authority;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A certificate that is due, with what planning its order needs.
#[derive(Debug, Clone)]
pub struct Due {
    /// The certificate.
    pub certificate_id: CertificateId,
    /// Its team.
    pub team_id: TeamId,
    /// Generation of its current version.
    pub generation: i32,
    /// Who signs it.
    pub issuer_id: IssuerId,
    /// The issuer's lane.
    pub lane: String,
    /// Lifetime that its profile gives.
    pub lifetime: Duration,
    /// The authority that signs, if certmill runs the issuer.
    pub authority: Option<Authority>,
    /// What is left of the current version, if there is one.
    pub remaining: Option<Duration>,
    /// The database's clock at the step.
    pub now: OffsetDateTime,
    /// Whether a live job obtains the next generation already; enqueuing another one would wait
    /// for it with the certificate locked.
    pub at_work: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    team_id: i32,
    generation: i32,
    issuer_id: Uuid,
    lane: String,
    lifetime_s: i64,
    ca_key_id: Option<Uuid>,
    ca_not_after: Option<OffsetDateTime>,
    not_after: Option<OffsetDateTime>,
    now: OffsetDateTime,
    at_work: bool,
}

/// Takes at most `limit` due certificates of each issuer, oldest first, within the issuer's backlog,
/// and re-arms them: a job that is lost afterwards is made again by a later sweep.
///
/// Re-arming waits a quarter of what is left, between 10 seconds and 1 hour.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn take_due(conn: &mut PgConnection, limit: i64) -> Result<Vec<Due>, Error> {
    let rows: Vec<Row> = sqlx::query_as(include_str!("sql/take_due.sql"))
        .bind(limit)
        .fetch_all(conn)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due {
            certificate_id: CertificateId(row.id),
            team_id: TeamId(row.team_id),
            generation: row.generation,
            issuer_id: IssuerId(row.issuer_id),
            lane: row.lane,
            lifetime: Duration::seconds(row.lifetime_s),
            authority: row
                .ca_key_id
                .zip(row.ca_not_after)
                .map(|(ca_key_id, not_after)| Authority {
                    ca_key_id,
                    not_after,
                }),
            remaining: row.not_after.map(|end| end - row.now),
            now: row.now,
            at_work: row.at_work,
        })
        .collect())
}
