//! API keys: only their hash is stored, and no row that is shown carries it.

use crate::Error;
use crate::error::corrupt;
use certmill_domain::api_key::KeyState;
use certmill_domain::ids::{ApiKeyId, TeamId};
use sqlx::PgConnection;
use std::time::Duration;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`Row`], so that each statement names them all and in one place. The state is
/// told by the database's clock.
macro_rules! columns {
    () => {
        "id, team_id, name, role, prefix, created_at, created_by, expires_at, last_used_at, \
         revoked_at, revoked_by, revoke_reason, replaces, \
         CASE WHEN revoked_at IS NOT NULL THEN 'revoked' \
              WHEN expires_at <= clock_timestamp() THEN 'expired' ELSE 'valid' END AS state"
    };
}

/// A key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey<'a> {
    /// Its team.
    pub team_id: TeamId,
    /// Its name; several keys may share one.
    pub name: &'a str,
    /// `admin`, `operator` or `viewer`.
    pub role: &'a str,
    /// The part that finds the row and may be shown.
    pub prefix: &'a str,
    /// SHA-256 of the whole key.
    pub secret_sha256: &'a [u8],
    /// How long it lives from now; without an end if none.
    pub life: Option<time::Duration>,
    /// Who makes it, as audit rows name it.
    pub created_by: &'a str,
    /// The key that it succeeds.
    pub replaces: Option<ApiKeyId>,
}

/// A key as it is shown; the secret is nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its team.
    pub team_id: TeamId,
    /// Its name.
    pub name: String,
    /// `admin`, `operator` or `viewer`.
    pub role: String,
    /// The first characters of the key after `cm_`.
    pub prefix: String,
    /// Whether it opens.
    pub state: KeyState,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Who made it; unknown for the oldest ones.
    pub created_by: Option<String>,
    /// Its end, if it has one.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was last seen, to the minute.
    pub last_used_at: Option<OffsetDateTime>,
    /// When it was ended by hand.
    pub revoked_at: Option<OffsetDateTime>,
    /// Who ended it.
    pub revoked_by: Option<String>,
    /// Why, where somebody said so.
    pub revoke_reason: Option<String>,
    /// The key that it succeeds.
    pub replaces: Option<ApiKeyId>,
}

/// What the check of a request needs of a key, whatever its state.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The key's id.
    pub id: ApiKeyId,
    /// Its team.
    pub team_id: TeamId,
    /// `admin`, `operator` or `viewer`.
    pub role: String,
    /// SHA-256 of the whole key.
    pub secret_sha256: Vec<u8>,
    /// Whether it opens.
    pub state: KeyState,
    /// How long it goes on to live, if it has an end.
    pub left: Option<Duration>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    team_id: i32,
    name: String,
    role: String,
    prefix: String,
    state: String,
    created_at: OffsetDateTime,
    created_by: Option<String>,
    expires_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    revoked_by: Option<String>,
    revoke_reason: Option<String>,
    replaces: Option<Uuid>,
}

impl TryFrom<Row> for ApiKey {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: ApiKeyId(row.id),
            team_id: TeamId(row.team_id),
            name: row.name,
            role: row.role,
            prefix: row.prefix,
            state: row.state.parse().map_err(|why| corrupt("api_key", why))?,
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
            revoked_by: row.revoked_by,
            revoke_reason: row.revoke_reason,
            replaces: row.replaces.map(ApiKeyId),
        })
    }
}

/// Stores a key's hash.
///
/// # Errors
/// [`Error::Conflict`] on `api_key_prefix_unique` or `api_key_role_known`.
pub async fn insert(conn: &mut PgConnection, key: &NewApiKey<'_>) -> Result<ApiKey, Error> {
    let row: Row = sqlx::query_as(concat!(
        "INSERT INTO api_key (team_id, name, role, prefix, secret_sha256, expires_at, created_by, replaces)
         VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 second', $7, $8) RETURNING ",
        columns!()
    ))
    .bind(key.team_id.0)
    .bind(key.name)
    .bind(key.role)
    .bind(key.prefix)
    .bind(key.secret_sha256)
    .bind(key.life.map(time::Duration::as_seconds_f64))
    .bind(key.created_by)
    .bind(key.replaces.map(|id| id.0))
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// What the check of a request needs of the key with that prefix.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn credential(
    conn: &mut PgConnection,
    prefix: &str,
) -> Result<Option<Credential>, Error> {
    type Found = (Uuid, i32, String, Vec<u8>, String, Option<i64>);
    let row: Option<Found> = sqlx::query_as(
        "SELECT id, team_id, role, secret_sha256,
                CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
                     WHEN expires_at <= now THEN 'expired' ELSE 'valid' END,
                (extract(epoch FROM expires_at - now) * 1e6)::bigint
         FROM api_key, clock_timestamp() AS now WHERE prefix = $1",
    )
    .bind(prefix)
    .fetch_optional(conn)
    .await?;
    row.map(|(id, team_id, role, secret_sha256, state, left_us)| {
        Ok(Credential {
            id: ApiKeyId(id),
            team_id: TeamId(team_id),
            role,
            secret_sha256,
            state: state.parse().map_err(|why| corrupt("api_key", why))?,
            left: left_us.map(|us| Duration::from_micros(u64::try_from(us).unwrap_or(0))),
        })
    })
    .transpose()
}

/// A team's key of that id.
///
/// # Errors
/// [`Error::NotFound`], alike for another team's.
pub async fn by_id(conn: &mut PgConnection, team: TeamId, id: ApiKeyId) -> Result<ApiKey, Error> {
    let row: Row = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM api_key WHERE team_id = $1 AND id = $2"
    ))
    .bind(team.0)
    .bind(id.0)
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// As [`by_id`], and holds the row until the transaction ends. Where the last admin matters,
/// [`lock_valid_admins`] comes first.
///
/// # Errors
/// [`Error::NotFound`], alike for another team's.
pub async fn lock(conn: &mut PgConnection, team: TeamId, id: ApiKeyId) -> Result<ApiKey, Error> {
    let row: Row = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        " FROM api_key WHERE team_id = $1 AND id = $2 FOR UPDATE"
    ))
    .bind(team.0)
    .bind(id.0)
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// A team's keys after `after`, at most `limit`; empty filters let all through.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn list(
    conn: &mut PgConnection,
    team: TeamId,
    names: &[String],
    states: &[KeyState],
    after: Option<ApiKeyId>,
    limit: i64,
) -> Result<Vec<ApiKey>, Error> {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "SELECT * FROM (SELECT ",
        columns!(),
        " FROM api_key WHERE team_id = $1 AND ($2::uuid IS NULL OR id > $2)
          AND (cardinality($3::text[]) = 0 OR name = ANY($3))) k
         WHERE cardinality($4::text[]) = 0 OR state = ANY($4) ORDER BY id LIMIT $5"
    ))
    .bind(team.0)
    .bind(after.map(|id| id.0))
    .bind(names)
    .bind(states)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(ApiKey::try_from).collect()
}

/// Holds all valid admin keys of a team, in the order of their ids, until the transaction ends.
/// Two admins that revoke each other's last key meet here, and the second sees what the first did.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn lock_valid_admins(
    conn: &mut PgConnection,
    team: TeamId,
) -> Result<Vec<ApiKeyId>, Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM api_key WHERE team_id = $1 AND role = 'admin' AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > clock_timestamp()) ORDER BY id FOR UPDATE",
    )
    .bind(team.0)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(ApiKeyId).collect())
}

/// Whether a team has or had an admin's key, in whatever state.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn admin_exists(conn: &mut PgConnection, team: TeamId) -> Result<bool, Error> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM api_key WHERE team_id = $1 AND role = 'admin')",
    )
    .bind(team.0)
    .fetch_one(conn)
    .await?)
}

/// The key that took the place of this one, unless it was revoked.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn successor(conn: &mut PgConnection, id: ApiKeyId) -> Result<Option<ApiKeyId>, Error> {
    let id: Option<Uuid> = sqlx::query_scalar(
        "SELECT id FROM api_key WHERE replaces = $1 AND revoked_at IS NULL ORDER BY id LIMIT 1",
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await?;
    Ok(id.map(ApiKeyId))
}

/// Ends a key that nobody ended before; the time of a first end stays.
///
/// # Errors
/// [`Error::NotFound`] for a key that is revoked already, or none of this id.
pub async fn revoke(
    conn: &mut PgConnection,
    id: ApiKeyId,
    by: &str,
    reason: Option<&str>,
) -> Result<ApiKey, Error> {
    let row: Row = sqlx::query_as(concat!(
        "UPDATE api_key SET revoked_at = clock_timestamp(), revoked_by = $2, revoke_reason = $3
         WHERE id = $1 AND revoked_at IS NULL RETURNING ",
        columns!()
    ))
    .bind(id.0)
    .bind(by)
    .bind(reason)
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// Lets a key end so long from now, or when it would have ended anyway if that is sooner.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn end_within(
    conn: &mut PgConnection,
    id: ApiKeyId,
    left: time::Duration,
) -> Result<ApiKey, Error> {
    let row: Row = sqlx::query_as(concat!(
        "UPDATE api_key
         SET expires_at = least(expires_at, clock_timestamp() + $2 * interval '1 second')
         WHERE id = $1 RETURNING ",
        columns!()
    ))
    .bind(id.0)
    .bind(left.as_seconds_f64())
    .fetch_one(conn)
    .await?;
    row.try_into()
}

/// Notes when keys were used, so long ago each; how many rows were written. A row is written at
/// most once a minute, however many replicas note it.
///
/// Trap: rows are taken by SKIP LOCKED, because two replicas that write the same keys in different
/// orders would deadlock; who holds such a row is writing it.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn mark_used(
    conn: &mut PgConnection,
    uses: &[(ApiKeyId, Duration)],
) -> Result<u64, Error> {
    let ids: Vec<Uuid> = uses.iter().map(|(id, _)| id.0).collect();
    let ages_s: Vec<f64> = uses.iter().map(|(_, age)| age.as_secs_f64()).collect();
    let written = sqlx::query(
        "UPDATE api_key k SET last_used_at = u.at
         FROM (SELECT id, clock_timestamp() - age_s * interval '1 second' AS at
               FROM unnest($1::uuid[], $2::float8[]) AS used(id, age_s)) u
         WHERE k.id = u.id AND k.id = ANY(ARRAY(
             SELECT id FROM api_key WHERE id = ANY($1)
               AND (last_used_at IS NULL OR last_used_at <= clock_timestamp() - interval '1 minute')
             FOR UPDATE SKIP LOCKED))
           AND (k.last_used_at IS NULL OR k.last_used_at < u.at)",
    )
    .bind(ids)
    .bind(ages_s)
    .execute(conn)
    .await?;
    Ok(written.rows_affected())
}
