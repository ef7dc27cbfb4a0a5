//! Issuers: who signs, by which connector, in which lane.

use crate::Error;
use certmill_domain::ids::{IssuerId, TeamId};
use certmill_domain::order::Authority;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`Row`], so that each read names them all and in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, i.team_id, i.name, i.kind, i.config, i.ca_key_id, k.not_after AS ",
            "ca_not_after, i.lane, i.last_ok_at FROM issuer i LEFT JOIN ca_key k ON k.id = ",
            "i.ca_key_id ",
            $rest
        )
    };
}

/// A stored issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Its id.
    pub id: IssuerId,
    /// Its team.
    pub team_id: TeamId,
    /// Its name, unique in the team.
    pub name: String,
    /// The connector's kind.
    pub kind: String,
    /// The connector's configuration.
    pub config: serde_json::Value,
    /// The authority that it signs with, if certmill runs it.
    pub ca_key_id: Option<Uuid>,
    /// When everything below that authority must have ended.
    pub ca_not_after: Option<OffsetDateTime>,
    /// The lane of its jobs.
    pub lane: String,
    /// When it last answered.
    pub last_ok_at: Option<OffsetDateTime>,
}

impl Issuer {
    /// The authority that it signs with, if certmill runs it.
    #[must_use]
    pub fn authority(&self) -> Option<Authority> {
        let (ca_key_id, not_after) = (self.ca_key_id?, self.ca_not_after?);
        Some(Authority {
            ca_key_id,
            not_after,
        })
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    team_id: i32,
    name: String,
    kind: String,
    config: serde_json::Value,
    ca_key_id: Option<Uuid>,
    ca_not_after: Option<OffsetDateTime>,
    lane: String,
    last_ok_at: Option<OffsetDateTime>,
}

impl From<Row> for Issuer {
    fn from(row: Row) -> Self {
        Self {
            id: IssuerId(row.id),
            team_id: TeamId(row.team_id),
            name: row.name,
            kind: row.kind,
            config: row.config,
            ca_key_id: row.ca_key_id,
            ca_not_after: row.ca_not_after,
            lane: row.lane,
            last_ok_at: row.last_ok_at,
        }
    }
}

/// Stores an issuer.
///
/// # Errors
/// [`Error::Conflict`] on `issuer_name_unique`.
pub async fn insert(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
    kind: &str,
    config: &serde_json::Value,
    ca_key_id: Option<Uuid>,
    lane: &str,
) -> Result<IssuerId, Error> {
    let id = sqlx::query_scalar(
        "INSERT INTO issuer (team_id, name, kind, config, ca_key_id, lane) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(team.0)
    .bind(name)
    .bind(kind)
    .bind(config)
    .bind(ca_key_id)
    .bind(lane)
    .fetch_one(conn)
    .await?;
    Ok(IssuerId(id))
}

/// The issuer of that id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_id(conn: &mut PgConnection, id: IssuerId) -> Result<Issuer, Error> {
    let row: Row = sqlx::query_as(select!("WHERE i.id = $1"))
        .bind(id.0)
        .fetch_one(conn)
        .await?;
    Ok(row.into())
}

/// The issuers of those ids, in no particular order.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn by_ids(conn: &mut PgConnection, ids: &[IssuerId]) -> Result<Vec<Issuer>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!("WHERE i.id = ANY($1)"))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(Issuer::from).collect())
}

/// The issuer of that name in a team.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_name(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<Issuer, Error> {
    let row: Row = sqlx::query_as(select!("WHERE i.team_id = $1 AND i.name = $2"))
        .bind(team.0)
        .bind(name)
        .fetch_one(conn)
        .await?;
    Ok(row.into())
}

/// A team's issuers after `after`, at most `limit`.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(
    conn: &mut PgConnection,
    team: TeamId,
    after: Option<IssuerId>,
    limit: i64,
) -> Result<Vec<Issuer>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "WHERE i.team_id = $1 AND ($2::uuid IS NULL OR i.id > $2) ORDER BY i.id LIMIT $3"
    ))
    .bind(team.0)
    .bind(after.map(|id| id.0))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Issuer::from).collect())
}

/// Locks the issuer of that name in a team until the transaction ends, so that one at a time moves it
/// to another authority.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn lock_by_name(
    conn: &mut PgConnection,
    team: TeamId,
    name: &str,
) -> Result<Issuer, Error> {
    let row: Row = sqlx::query_as(select!(
        "WHERE i.team_id = $1 AND i.name = $2 FOR NO KEY UPDATE OF i"
    ))
    .bind(team.0)
    .bind(name)
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// Moves an issuer to another authority of ours: the settings that `config` names and the key change
/// in one row.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn sign_with(
    conn: &mut PgConnection,
    id: IssuerId,
    ca_key_id: Uuid,
    config: &serde_json::Value,
) -> Result<(), Error> {
    sqlx::query("UPDATE issuer SET ca_key_id = $2, config = config || $3 WHERE id = $1")
        .bind(id.0)
        .bind(ca_key_id)
        .bind(config)
        .execute(conn)
        .await?;
    Ok(())
}

/// The issuers that sign with an authority of ours, by team and name.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn with_authority(conn: &mut PgConnection) -> Result<Vec<Issuer>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "WHERE i.ca_key_id IS NOT NULL ORDER BY i.team_id, i.name"
    ))
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(Issuer::from).collect())
}

/// Sets the public base under which revocation is told, for all local issuers; answers those that
/// had another one or none.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn set_revocation_url(
    conn: &mut PgConnection,
    url: &str,
) -> Result<Vec<(IssuerId, TeamId)>, Error> {
    let rows: Vec<(Uuid, i32)> = sqlx::query_as(
        "UPDATE issuer SET config = config || jsonb_build_object('revocation_url', $1::text)
         WHERE kind = 'local' AND config ->> 'revocation_url' IS DISTINCT FROM $1
         RETURNING id, team_id",
    )
    .bind(url)
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, team)| (IssuerId(id), TeamId(team)))
        .collect())
}
