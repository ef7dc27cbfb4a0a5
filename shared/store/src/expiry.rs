//! Certificates whose newest version has expired.

use crate::Error;
use certmill_domain::ids::{CertificateId, TeamId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// A certificate whose newest version has expired.
#[derive(Debug, Clone)]
pub struct Expired {
    /// The certificate.
    pub id: CertificateId,
    /// Its team.
    pub team_id: TeamId,
    /// Its name.
    pub name: String,
    /// The generation that has expired.
    pub generation: i32,
    /// When.
    pub not_after: OffsetDateTime,
}

/// Those that have expired after `from`, the earliest first: at least `limit` where there are so many,
/// and all that have expired at the same instant as the last of them. Those that were ended on purpose
/// are left out. Found by the index on profile and end.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn since(
    conn: &mut PgConnection,
    from: OffsetDateTime,
    limit: i64,
) -> Result<Vec<Expired>, Error> {
    let rows: Vec<(Uuid, i32, String, i32, OffsetDateTime)> = sqlx::query_as(
        "SELECT c.id, c.team_id, c.name, c.generation, c.not_after
         FROM profile p CROSS JOIN LATERAL (
             SELECT id, team_id, name, generation, not_after FROM certificate
             WHERE profile_id = p.id AND not_after > $1 AND not_after <= clock_timestamp()
                   AND stop_reason IS NULL
             ORDER BY not_after FETCH FIRST $2 ROWS WITH TIES) c
         ORDER BY c.not_after FETCH FIRST $2 ROWS WITH TIES",
    )
    .bind(from)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let expired = |(id, team, name, generation, not_after)| Expired {
        id: CertificateId(id),
        team_id: TeamId(team),
        name,
        generation,
        not_after,
    };
    Ok(rows.into_iter().map(expired).collect())
}
