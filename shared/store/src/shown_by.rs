//! The names that certificates are shown with, and the clock of that look, in one statement.

use crate::Error;
use certmill_domain::ids::{IssuerId, ProfileId};
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// Names of a profile and an issuer, read together.
#[derive(Debug, Clone)]
pub struct ShownBy {
    /// The profile.
    pub profile_id: ProfileId,
    /// The issuer.
    pub issuer_id: IssuerId,
    /// The profile's name.
    pub profile: String,
    /// The issuer's name.
    pub issuer: String,
    /// The database's clock.
    pub now: OffsetDateTime,
}

/// The names of these pairs, in no particular order.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn read(
    conn: &mut PgConnection,
    pairs: &[(ProfileId, IssuerId)],
) -> Result<Vec<ShownBy>, Error> {
    // Trap: joined to `certificate` by `= ANY`, a plan that was made while that table was small
    // scans it whole ever after. These two tables stay small.
    let rows: Vec<(Uuid, Uuid, String, String, OffsetDateTime)> = sqlx::query_as(
        "SELECT p.id, i.id, p.name, i.name, clock_timestamp()
         FROM unnest($1::uuid[], $2::uuid[]) AS t (profile_id, issuer_id)
         JOIN profile p ON p.id = t.profile_id JOIN issuer i ON i.id = t.issuer_id",
    )
    .bind(pairs.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind(pairs.iter().map(|(_, id)| id.0).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    let shown = |(profile_id, issuer_id, profile, issuer, now)| ShownBy {
        profile_id: ProfileId(profile_id),
        issuer_id: IssuerId(issuer_id),
        profile,
        issuer,
        now,
    };
    Ok(rows.into_iter().map(shown).collect())
}
