//! Certificates with their standing orders: what a worker reads of many jobs in one look.
//!
//! Invariant: one statement, so that certificate, order and the two row versions are of one snapshot.

use crate::Error;
use crate::certificate::{self, Certificate, certificate_columns};
use crate::error::readable;
use crate::order::{self, order_columns};
use certmill_domain::ids::CertificateId;
use certmill_domain::order::Order;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// Tells one state of a row from any other one: who wrote it, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowVersion(String);

/// A certificate, the order that is live or issued for the wanted generation, and what tells whether
/// their profile and issuer are still as they were read earlier.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The certificate.
    pub certificate: Certificate,
    /// Its order.
    pub order: Order,
    /// State of its profile's row.
    pub profile_version: RowVersion,
    /// State of its issuer's row.
    pub issuer_version: RowVersion,
    /// The database's clock.
    pub now: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    certificate: certificate::Row,
    #[sqlx(flatten)]
    order: order::Row,
    profile_version: String,
    issuer_version: String,
    now: OffsetDateTime,
}

/// What stands for these (certificate, generation), in no particular order; a pair without a live or
/// issued order is left out.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Corrupt`].
pub async fn standing_all(
    conn: &mut PgConnection,
    wanted: &[(CertificateId, i32)],
) -> Result<Vec<Standing>, Error> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "SELECT ",
        certificate_columns!(),
        ", ",
        order_columns!(),
        ", p.xmin::text || p.ctid::text AS profile_version,
           i.xmin::text || i.ctid::text AS issuer_version, clock_timestamp() AS now
         FROM unnest($1::uuid[], $2::int[]) AS t (certificate_id, generation)
         JOIN certificate c ON c.id = ANY ($1) AND c.id = t.certificate_id
         JOIN cert_order o ON o.certificate_id = ANY ($1) AND o.certificate_id = t.certificate_id
              AND o.generation = t.generation AND o.state NOT IN ('failed', 'abandoned')
         JOIN profile p ON p.id = c.profile_id
         JOIN issuer i ON i.id = c.issuer_id"
    ))
    .bind(wanted.iter().map(|(id, _)| id.0).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(_, n)| *n).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    readable(rows)
}

impl TryFrom<Row> for Standing {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            certificate: row.certificate.try_into()?,
            order: row.order.try_into()?,
            profile_version: RowVersion(row.profile_version),
            issuer_version: RowVersion(row.issuer_version),
            now: row.now,
        })
    }
}
