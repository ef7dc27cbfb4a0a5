//! Profiles as rows.

use crate::Error;
use crate::error::{corrupt, newer, readable};
use certmill_domain::ids::{IssuerId, ProfileId, TeamId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::profile::{KeySource, Profile};
use certmill_domain::renewal::RenewalRule;
use sqlx::PgConnection;
use time::Duration;
use uuid::Uuid;

/// The columns of [`Row`], so that each read names them all and in one place.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, team_id, name, issuer_id, lifetime_s, key_algorithms, key_source, ",
            "renew_fraction, renew_before_s, allowed_names FROM profile ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    team_id: i32,
    name: String,
    issuer_id: Uuid,
    lifetime_s: i64,
    key_algorithms: Vec<String>,
    key_source: String,
    renew_fraction: Option<f64>,
    renew_before_s: Option<i64>,
    allowed_names: Vec<String>,
}

impl TryFrom<Row> for Profile {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let renewal = match (row.renew_fraction, row.renew_before_s) {
            (Some(share), None) => RenewalRule::Fraction(share),
            (None, Some(seconds)) => RenewalRule::Before(Duration::seconds(seconds)),
            _ => return Err(corrupt("profile", "not exactly one renewal rule")),
        };
        let known = |text: &String| {
            let read = text.parse();
            read.map_err(|_| newer("profile.key_algorithms", text))
        };
        let key_algorithms: Result<Vec<_>, Error> = row.key_algorithms.iter().map(known).collect();
        Ok(Self {
            id: ProfileId(row.id),
            team_id: TeamId(row.team_id),
            name: row.name,
            issuer_id: IssuerId(row.issuer_id),
            lifetime: Duration::seconds(row.lifetime_s),
            key_algorithms: key_algorithms?,
            key_source: row
                .key_source
                .parse()
                .map_err(|_| newer("profile.key_source", &row.key_source))?,
            renewal,
            allowed_names: row.allowed_names,
        })
    }
}

/// Stores a profile; its `id` field is ignored and drawn by the database.
///
/// # Errors
/// [`Error::Conflict`] on `profile_name_unique`.
pub async fn insert(conn: &mut PgConnection, profile: &Profile) -> Result<ProfileId, Error> {
    let (fraction, before) = match profile.renewal {
        RenewalRule::Fraction(share) => (Some(share), None),
        RenewalRule::Before(before) => (None, Some(before.whole_seconds())),
    };
    let id = sqlx::query_scalar(
        "INSERT INTO profile (team_id, name, issuer_id, lifetime_s, key_algorithms, key_source,
                              renew_fraction, renew_before_s, allowed_names)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
    )
    .bind(profile.team_id.0)
    .bind(&profile.name)
    .bind(profile.issuer_id.0)
    .bind(profile.lifetime.whole_seconds())
    .bind(
        profile
            .key_algorithms
            .iter()
            .map(|key| key.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(profile.key_source.as_str())
    .bind(fraction)
    .bind(before)
    .bind(&profile.allowed_names)
    .fetch_one(conn)
    .await?;
    Ok(ProfileId(id))
}

/// The profile of that id.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_id(conn: &mut PgConnection, id: ProfileId) -> Result<Profile, Error> {
    let row: Row = sqlx::query_as(select!("WHERE id = $1"))
        .bind(id.0)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// The profiles of those ids, in no particular order.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn by_ids(conn: &mut PgConnection, ids: &[ProfileId]) -> Result<Vec<Profile>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!("WHERE id = ANY($1)"))
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    readable(rows)
}

/// The profile of that name in a team.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn by_name(conn: &mut PgConnection, team: TeamId, name: &str) -> Result<Profile, Error> {
    let row: Row = sqlx::query_as(select!("WHERE team_id = $1 AND name = $2"))
        .bind(team.0)
        .bind(name)
        .fetch_one(conn)
        .await?;
    row.try_into()
}

/// A team's profiles after `after`, at most `limit`.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn list(
    conn: &mut PgConnection,
    team: TeamId,
    after: Option<ProfileId>,
    limit: i64,
) -> Result<Vec<Profile>, Error> {
    let rows: Vec<Row> = sqlx::query_as(select!(
        "WHERE team_id = $1 AND ($2::uuid IS NULL OR id > $2)
               AND key_source = ANY ($4) AND key_algorithms <@ $5 ORDER BY id LIMIT $3"
    ))
    .bind(team.0)
    .bind(after.map(|id| id.0))
    .bind(limit)
    .bind(KeySource::ALL.map(KeySource::as_str))
    .bind(KeyAlgorithm::ALL.map(KeyAlgorithm::as_str))
    .fetch_all(conn)
    .await?;
    readable(rows)
}
