//! What a failover has lost: the comparison, and what is told of it.

use crate::Error;
use certmill_domain::ids::{CertificateId, CutId, TeamId};
use certmill_pg::{Acknowledged, Moved};
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Changes compared in one statement.
const COMPARED_AT_ONCE: usize = 4_096;

/// A cut to be written.
#[derive(Debug)]
pub struct NewCut<'a> {
    /// The process that tells it, by its name.
    pub process: &'a str,
    /// Its role.
    pub role: &'a str,
    /// Where it has moved.
    pub moved: &'a Moved,
    /// What is not there any more.
    pub lost: &'a [Acknowledged],
}

/// A cut as it is read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct CutRow {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub seen_at: OffsetDateTime,
    /// The process that tells it.
    pub process: String,
    /// Its role.
    pub role: String,
    /// The timeline that it worked on before.
    pub timeline_before: Option<i32>,
    /// The timeline that it works on since.
    pub timeline_after: Option<i32>,
    /// When the server was started that it works on since.
    pub server_started_at: OffsetDateTime,
    /// How many changes it remembered.
    pub remembered: i32,
    /// The oldest of them.
    pub remembered_from: Option<OffsetDateTime>,
    /// How many are lost.
    pub lost: i32,
}

/// A lost change as it is read.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LostRow {
    /// The cut it was lost in.
    pub cut_id: i64,
    /// When it had been written.
    pub at: OffsetDateTime,
    /// Who had asked for it.
    pub actor: String,
    /// What it was.
    pub action: String,
    /// What it had changed.
    pub object: String,
    /// A later version of the certificate was issued.
    pub healed: bool,
}

/// Those of the changes of which there is no audit row any more.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn missing(
    conn: &mut PgConnection,
    remembered: &[Acknowledged],
) -> Result<Vec<Acknowledged>, Error> {
    let mut lost = Vec::new();
    for part in remembered.chunks(COMPARED_AT_ONCE) {
        let gone: Vec<i64> = sqlx::query_scalar(
            "SELECT told.nth FROM unnest($1::bigint[], $2::timestamptz[]) WITH ORDINALITY told (id, at, nth)
             WHERE NOT EXISTS (SELECT FROM audit WHERE audit.id = told.id AND audit.at = told.at)
             ORDER BY told.nth",
        )
        .bind(part.iter().map(|one| one.id).collect::<Vec<_>>())
        .bind(part.iter().map(|one| one.at).collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await?;
        let found = gone
            .into_iter()
            .filter_map(|nth| part.get(usize::try_from(nth).ok()?.checked_sub(1)?));
        lost.extend(found.cloned());
    }
    Ok(lost)
}

/// Writes a cut with what was lost in it; its id.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn insert(conn: &mut PgConnection, cut: &NewCut<'_>) -> Result<CutId, Error> {
    let (from, to) = (&cut.moved.from, &cut.moved.to);
    let remembered = &cut.moved.remembered;
    let count = |many: usize| i32::try_from(many).unwrap_or(i32::MAX);
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO history_cut (process, role, timeline_before, timeline_after, server_started_at,
             remembered, remembered_from, lost)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
    )
    .bind(cut.process)
    .bind(cut.role)
    .bind(from.timeline)
    .bind(to.timeline)
    .bind(to.started_at)
    .bind(count(remembered.len()))
    .bind(remembered.first().map(|one| one.at))
    .bind(count(cut.lost.len()))
    .fetch_one(&mut *conn)
    .await?;
    let certificate = |one: &Acknowledged| one.object.parse().ok().map(|id: CertificateId| id.0);
    sqlx::query(
        "INSERT INTO lost_write (cut_id, audit_id, at, team_id, actor, action, object, certificate_id)
         SELECT $1, * FROM unnest($2::bigint[], $3::timestamptz[], $4::int[], $5::text[], $6::text[],
             $7::text[], $8::uuid[])",
    )
    .bind(id)
    .bind(cut.lost.iter().map(|one| one.id).collect::<Vec<_>>())
    .bind(cut.lost.iter().map(|one| one.at).collect::<Vec<_>>())
    .bind(cut.lost.iter().map(|one| one.team_id).collect::<Vec<_>>())
    .bind(cut.lost.iter().map(|one| one.actor.as_str()).collect::<Vec<_>>())
    .bind(cut.lost.iter().map(|one| one.action).collect::<Vec<_>>())
    .bind(cut.lost.iter().map(|one| one.object.as_str()).collect::<Vec<_>>())
    .bind(cut.lost.iter().map(certificate).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(CutId(id))
}

/// The newest cuts, the newest first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn newest(conn: &mut PgConnection, limit: u16) -> Result<Vec<CutRow>, Error> {
    Ok(sqlx::query_as(
        "SELECT id, seen_at, process, role, timeline_before, timeline_after, server_started_at,
             remembered, remembered_from, lost
         FROM history_cut ORDER BY id DESC LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?)
}

/// What a team has lost and nobody has settled, the oldest first. A certificate that has a later
/// version than the lost change is as it would have been, unless it was to be revoked.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn unsettled(
    conn: &mut PgConnection,
    team: TeamId,
    limit: u16,
) -> Result<Vec<LostRow>, Error> {
    Ok(sqlx::query_as(
        "SELECT cut_id, at, actor, action, object,
             action IN ('certificate.request', 'certificate.renew', 'certificate.issue')
             AND EXISTS (SELECT FROM version v WHERE v.certificate_id = lost.certificate_id
                         AND v.issued_at > lost.at) AS healed
         FROM lost_write lost WHERE team_id = $1 AND settled_at IS NULL
         ORDER BY at LIMIT $2",
    )
    .bind(team.0)
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?)
}

/// Whether a team has lost anything in this cut, settled or not.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn is_of(conn: &mut PgConnection, team: TeamId, cut: CutId) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM lost_write WHERE cut_id = $1 AND team_id = $2)";
    Ok(sqlx::query_scalar(sql)
        .bind(cut.0)
        .bind(team.0)
        .fetch_one(conn)
        .await?)
}

/// Declares as seen to what a team had lost in cuts up to this one; how many changes that were.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn settle(
    conn: &mut PgConnection,
    team: TeamId,
    up_to: CutId,
    by: &str,
) -> Result<u64, Error> {
    let settled = sqlx::query(
        "UPDATE lost_write SET settled_at = clock_timestamp(), settled_by = $3
         WHERE team_id = $1 AND cut_id <= $2 AND settled_at IS NULL",
    )
    .bind(team.0)
    .bind(up_to.0)
    .bind(by)
    .execute(conn)
    .await?;
    Ok(settled.rows_affected())
}
