//! Orders as rows: written before the issuer is asked, looked up before it is asked again.

use crate::Error;
use crate::error::{corrupt, newer, one_row};
use certmill_domain::ids::{CertificateId, IssuerId, OrderId, TeamId};
use certmill_domain::order::{Order, OrderPlan};
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

/// The columns of [`Row`] in a read from `cert_order o`; their names differ from those of other
/// tables, so that one statement can read them beside a certificate.
macro_rules! order_columns {
    () => {
        "o.id AS order_id, o.team_id AS order_team_id, o.certificate_id, \
         o.generation AS order_generation, o.issuer_id AS order_issuer_id, o.state AS order_state, \
         o.serial, o.not_before, o.not_after AS order_not_after, o.ca_key_id, o.remote, \
         o.updated_at AS planned_at"
    };
}
pub(crate) use order_columns;

#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    order_id: Uuid,
    order_team_id: i32,
    certificate_id: Uuid,
    order_generation: i32,
    order_issuer_id: Uuid,
    order_state: String,
    serial: Vec<u8>,
    not_before: OffsetDateTime,
    order_not_after: OffsetDateTime,
    ca_key_id: Option<Uuid>,
    remote: Option<serde_json::Value>,
    planned_at: OffsetDateTime,
}

impl TryFrom<Row> for Order {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: OrderId(row.order_id),
            plan: OrderPlan {
                team_id: TeamId(row.order_team_id),
                certificate_id: CertificateId(row.certificate_id),
                generation: row.order_generation,
                issuer_id: IssuerId(row.order_issuer_id),
                serial: Serial::from_bytes(&row.serial)
                    .ok_or_else(|| corrupt("cert_order.serial", "not 16 octets"))?,
                validity: Validity {
                    not_before: row.not_before,
                    not_after: row.order_not_after,
                },
                ca_key_id: row.ca_key_id,
            },
            state: row
                .order_state
                .parse()
                .map_err(|_| newer("cert_order.state", &row.order_state))?,
            remote: row.remote,
            planned_at: row.planned_at,
        })
    }
}

/// Stores planned orders in one statement; a generation that has a live order keeps that one.
///
/// # Errors
/// [`Error::Unavailable`]; [`Error::Conflict`] on `cert_order_serial_unique` if a serial was drawn twice.
pub async fn plan_all(conn: &mut PgConnection, plans: &[OrderPlan]) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO cert_order (team_id, certificate_id, generation, issuer_id, serial, not_before, not_after,
                                 ca_key_id)
         SELECT * FROM unnest($1::int[], $2::uuid[], $3::int[], $4::uuid[], $5::bytea[],
                              $6::timestamptz[], $7::timestamptz[], $8::uuid[])
              AS t (team_id, certificate_id, generation, issuer_id, serial, not_before, not_after, ca_key_id)
         ORDER BY certificate_id
         ON CONFLICT (certificate_id, generation) WHERE state NOT IN ('failed', 'abandoned') DO NOTHING",
    )
    .bind(plans.iter().map(|plan| plan.team_id.0).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.certificate_id.0).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.generation).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.issuer_id.0).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.serial.as_bytes().as_slice()).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.validity.not_before).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.validity.not_after).collect::<Vec<_>>())
    .bind(plans.iter().map(|plan| plan.ca_key_id).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// The order of (certificate, generation) that is live or issued, if there is one.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn standing(
    conn: &mut PgConnection,
    certificate: CertificateId,
    generation: i32,
) -> Result<Option<Order>, Error> {
    let row: Option<Row> = sqlx::query_as(
        concat!(
            "SELECT ",
            order_columns!(),
            " FROM cert_order o
              WHERE o.certificate_id = $1 AND o.generation = $2 AND o.state NOT IN ('failed', 'abandoned')"
        ),
    )
    .bind(certificate.0)
    .bind(generation)
    .fetch_optional(conn)
    .await?;
    row.map(Order::try_from).transpose()
}

/// Draws a planned order anew: fresh serial, dates and authority of `plan` for one that has aged in
/// the queue, or whose issuer moved to another authority. No other issuer was asked yet, or the row
/// would not be `planned`.
///
/// # Errors
/// [`Error::NotFound`] if it is not `planned` any more.
pub async fn replan(conn: &mut PgConnection, id: OrderId, plan: &OrderPlan) -> Result<(), Error> {
    let changed = sqlx::query(
        "UPDATE cert_order SET serial = $2, not_before = $3, not_after = $4, ca_key_id = $5,
                updated_at = clock_timestamp()
         WHERE id = $1 AND state = 'planned'",
    )
    .bind(id.0)
    .bind(plan.serial.as_bytes().as_slice())
    .bind(plan.validity.not_before)
    .bind(plan.validity.not_after)
    .bind(plan.ca_key_id)
    .execute(conn)
    .await?;
    one_row(&changed)
}

/// Notes that the issuer is about to be asked for a planned order. One that was asked for before
/// stays as it is.
///
/// # Errors
/// [`Error::NotFound`] if the order is not live any more.
pub async fn submit(conn: &mut PgConnection, id: OrderId) -> Result<(), Error> {
    let changed = sqlx::query(
        "UPDATE cert_order SET state = 'submitting', updated_at = clock_timestamp()
         WHERE id = $1 AND state IN ('planned', 'submitting', 'pending')",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    one_row(&changed)
}

/// Stores the connector's remote state with the order's new state (`submitting` or `pending`).
///
/// # Errors
/// [`Error::NotFound`] if the order is not live any more.
pub async fn store_remote(
    conn: &mut PgConnection,
    id: OrderId,
    state: certmill_domain::order::OrderState,
    remote: &serde_json::Value,
) -> Result<(), Error> {
    let changed = sqlx::query(
        "UPDATE cert_order SET state = $2, remote = $3, updated_at = clock_timestamp()
         WHERE id = $1 AND state IN ('planned', 'submitting', 'pending')",
    )
    .bind(id.0)
    .bind(state.as_str())
    .bind(remote)
    .execute(conn)
    .await?;
    one_row(&changed)
}

/// An open order that no live job works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostOrder {
    /// Its team.
    pub team_id: TeamId,
    /// The certificate.
    pub certificate_id: CertificateId,
    /// The generation that was to be obtained.
    pub generation: i32,
    /// The lane of its issuer.
    pub lane: String,
}

/// Open orders without a live job, locked, at most `limit`. A scan: there is no index for it, since
/// that would end the HOT updates of each issuance.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn lost(conn: &mut PgConnection, limit: i64) -> Result<Vec<LostOrder>, Error> {
    let rows: Vec<(i32, Uuid, i32, String)> = sqlx::query_as(
        "SELECT o.team_id, o.certificate_id, o.generation, i.lane
         FROM cert_order o JOIN issuer i ON i.id = o.issuer_id
         WHERE o.state IN ('planned', 'submitting', 'pending')
           AND NOT EXISTS (SELECT FROM job j WHERE j.unique_key =
                   convert_to('issue:', 'UTF8') || uuid_send(o.certificate_id) || int4send(o.generation))
         ORDER BY o.id LIMIT $1 FOR UPDATE OF o SKIP LOCKED",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter();
    let lost = rows.map(|(team_id, certificate_id, generation, lane)| LostOrder {
        team_id: TeamId(team_id),
        certificate_id: CertificateId(certificate_id),
        generation,
        lane,
    });
    Ok(lost.collect())
}

/// Ends the live order of (certificate, generation) as failed or abandoned, if there is one.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn end(
    conn: &mut PgConnection,
    certificate: CertificateId,
    generation: i32,
    state: certmill_domain::order::OrderState,
    fault_code: &str,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE cert_order SET state = $3, fault_code = $4, updated_at = clock_timestamp()
         WHERE certificate_id = $1 AND generation = $2 AND state IN ('planned', 'submitting', 'pending')",
    )
    .bind(certificate.0)
    .bind(generation)
    .bind(state.as_str())
    .bind(fault_code)
    .execute(conn)
    .await?;
    Ok(())
}
